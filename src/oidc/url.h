/* url: the addresses of an OpenID provider, and the forms that go there. Private to oidc/. */
#ifndef MUSTER_OIDC_URL_H
#define MUSTER_OIDC_URL_H

#include "base/buf.h"

/* https, or http on this machine itself (localhost, 127.0.0.0/8, [::1]); printable ASCII, without a user's name or a
 * fragment. */
bool url_secure(const char *url);
/* Append name=value as of application/x-www-form-urlencoded, with & in front when something stands there that is not
 * "?"; value NULL: nothing. */
void form_add(struct buf *out, const char *name, const char *value);

#endif
