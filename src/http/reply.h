/* reply: the answer to a server_request: whole (reply_bytes, reply_json, reply_problem) or in pieces (reply_start, any
 * number of reply_write, reply_end). reply_bytes, reply_json, reply_problem and reply_end end the request: the caller
 * must not touch it afterwards. They cannot fail: when there is no memory for the answer, the connection is closed.
 *
 * A connection is closed after the reply when the request asked for it, and when its body was not read to the end. */
#ifndef MUSTER_HTTP_REPLY_H
#define MUSTER_HTTP_REPLY_H

#include "base/err.h"
#include "http/server.h"

/* Add a header to the reply, before it starts. -1 with ERR_INVALID (no token, control bytes) or ERR_TOO_LARGE. */
int reply_header(struct server_request *r, const char *name, const char *value, struct err *e);
void reply_bytes(struct server_request *r, int status, const char *content_type, struct span body);
void reply_json(struct server_request *r, int status, struct span json);
/* RFC 9457: status and code from the error's code, its text (with secrets masked) as the detail. */
void reply_problem(struct server_request *r, const struct err *why);

/* -1 when the client is gone or for want of memory: then nothing more will go out, but reply_end is still due. */
int reply_start(struct server_request *r, int status, const char *content_type, struct err *e);
/* The same with a length that is known: as many bytes must be written. With fewer the client is told by the end of the
 * connection that something is missing. */
int reply_start_length(struct server_request *r, int status, const char *content_type, int64_t length, struct err *e);
/* All of it or nothing: -1 with ERR_TOO_LARGE when the client reads too slowly and CAP_HTTP_QUEUE bytes wait (on_drain
 * says when it is worth trying again), ERR_NETWORK when it is gone. */
int reply_write(struct server_request *r, struct span bytes, struct err *e);
#define REPLY_PIECES 4
int reply_writev(struct server_request *r, const struct span *given, size_t n, struct err *e); /* up to REPLY_PIECES */
size_t reply_queued(const struct server_request *r); /* bytes that the kernel has not taken yet */
void reply_end(struct server_request *r);
/* Instead of it, when what was begun cannot be ended: the connection ends, and the client sees that it was cut. */
void reply_abort(struct server_request *r);

#endif
