/* upload: a request's body, whole, however large: in memory when it is small, else in a file (spool.h), while the
 * client waits for the disk. */
#ifndef MUSTER_HTTP_UPLOAD_H
#define MUSTER_HTTP_UPLOAD_H

#include "http/server.h"
#include "http/spool.h"

struct upload {
	struct spool content; /* its size, hash, text and fd, once on_done has fired without an error */
	struct server_request *request;
	void (*on_done)(struct upload *u, const struct err *why);
};

/* Takes the body (request_stream) and the request's user; on_done fires once, later: why NULL, or what went wrong (as
 * of request_stream; ERR_TOO_LARGE beyond the cap; those of writing to dir). Until then the reply must not end; then it
 * is due, and upload_release. */
void upload_start(struct upload *u, struct server_request *r, const char *dir, int64_t cap,
	void (*on_done)(struct upload *u, const struct err *why));
static inline void upload_release(struct upload *u)
{
	spool_release(&u->content);
}

#endif
