/* handshake: is a request one for a WebSocket (RFC 6455 4.2.1), and what to answer it with (4.2.2). Pure. Private to
 * http/. */
#ifndef MUSTER_HTTP_HANDSHAKE_H
#define MUSTER_HTTP_HANDSHAKE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

#define HANDSHAKE_ACCEPT 29 /* the value of Sec-WebSocket-Accept, with its end */

/* Does a header's list of tokens have this one, in whatever case? */
bool handshake_token(const char *header, const char *token);
/* The answer to the client's Sec-WebSocket-Key; ERR_INVALID when that is not 16 bytes in base64. */
int handshake_accept(const char *key, char out[HANDSHAKE_ACCEPT], struct err *e);
/* May permessage-deflate be spoken with full windows and no context takeover, after this Sec-WebSocket-Extensions
 * header (RFC 7692 7.1)? An offer that wants more is declined, as are other extensions. */
bool handshake_deflates(const char *extensions);

#endif
