/* account: what the resources of accounts share: asking accounts for a change, and the cookies of a browser.
 *
 * A browser that asks for cookies gets its tokens only there, where no script can read them: __Host-muster (access) and
 * __Host-muster-refresh, Secure, HttpOnly, SameSite=Strict (RFC 6265bis); without TLS, to a client on this machine
 * only, the same without the prefix and Secure. A change by a cookie's caller carries the header X-CSRF-Token.
 *
 * __Host-muster-oidc is that of a login under way at an OpenID provider; it is SameSite=Lax, since a page of the
 * provider sends the browser back. */
#ifndef MUSTER_API_ACCOUNT_H
#define MUSTER_API_ACCOUNT_H

#include "accounts/accounts.h"
#include "api/route.h"

/* Ask for a change: a handler's last call. args: consumed. The reply is what `shown` makes of its result (consumed), or
 * the result. */
typedef json_t *account_shown(struct ask *q, json_t *result, struct err *e);
json_t *account_change(struct ask *q, const char *verb, json_t *args, account_shown *shown, struct err *e);
/* The body's members with the path's {name} as one more. NULL: no memory. */
json_t *account_args(struct ask *q, const char *name, struct err *e);
/* The accounts, or NULL with ERR_NOT_FOUND where nobody keeps them. */
struct accounts *account_all(const struct ask *q, struct err *e);
/* What is the whole person's: ERR_DENIED to a key of one project. */
int account_whole(const struct ask *q, struct err *e);
/* The address of the client as text; "" over the owner's socket. */
void account_address(const struct server_request *r, char out[64]);

enum account_cookie { COOKIE_ACCESS, COOKIE_REFRESH, COOKIE_OIDC };
/* The cookie's value in the request, or SPAN_NONE. */
struct span account_cookie(const struct server_request *r, enum account_cookie which);
/* ERR_INVALID where they would go over a network in the clear. */
int account_cookies_fine(const struct server_request *r, struct err *e);
/* value NULL: it is taken away. */
int account_set_cookie(
	struct server_request *r, enum account_cookie which, const char *value, int64_t seconds, struct err *e);
/* Those of a new session, as a verb of accounts gave it. */
int account_session_cookies(const struct ask *q, const json_t *session, struct err *e);

#endif
