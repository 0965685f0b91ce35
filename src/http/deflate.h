/* deflate: messages of permessage-deflate (RFC 7692), each compressed for itself (no_context_takeover both ways), so
 * that a connection keeps no window and one compressed message may go to many clients. Private to http/. */
#ifndef MUSTER_HTTP_DEFLATE_H
#define MUSTER_HTTP_DEFLATE_H

#include "base/buf.h"
#include "base/err.h"

/* The windows of both directions, for all connections of a server: about 300 KiB. */
struct deflate;

struct deflate *deflate_new(struct err *e);
void deflate_free(struct deflate *d);
/* Append the message compressed, without the four bytes 00 00 ff ff at its end (RFC 7692 7.2.1). */
int deflate_message(struct deflate *d, struct span message, struct buf *out, struct err *e);
/* Append what it says. ERR_PARSE: damaged; ERR_TOO_LARGE: more than out may hold. */
int inflate_message(struct deflate *d, struct span message, struct buf *out, struct err *e);

#endif
