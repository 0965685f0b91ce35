/* reply_file: a file of the disk as an answer: read by the pool as fast as the client takes it, whole or one range of
 * it (RFC 9110 14), or 304 when the client has it, or 416. It is not changed on the way: a file that ends sooner than
 * it should ends the connection. */
#ifndef MUSTER_HTTP_REPLY_FILE_H
#define MUSTER_HTTP_REPLY_FILE_H

#include "http/reply.h"

struct reply_file {
	const char *type; /* its content type */
	const char *name; /* to save it by (any bytes; negotiate.h); NULL: to be shown */
	const char *etag; /* with quotes; NULL: made of its size and times */
};

/* For GET and HEAD. Takes over fd, a regular file, and the request with its user, on_gone and on_drain; ends it in its
 * own time. The strings may go at once. */
void reply_file(struct server_request *r, int fd, const struct reply_file *how);

#endif
