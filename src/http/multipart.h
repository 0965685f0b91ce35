/* multipart: a form with files (multipart/form-data, RFC 7578 over RFC 2046) taken apart as it comes. Pure: bytes in,
 * parts out by callbacks, in any cutting the same. */
#ifndef MUSTER_HTTP_MULTIPART_H
#define MUSTER_HTTP_MULTIPART_H

#include "base/buf.h"
#include "base/err.h"

#define MULTIPART_BOUNDARY 70 /* RFC 2046 5.1.1 */

/* Of one part; valid in on_part only. */
struct multipart_part {
	const char *name;     /* of the field */
	const char *filename; /* any bytes but NUL, as the sender has it: no path to be used; NULL: no file */
	const char *type;     /* text/plain when it was not said */
};

struct multipart {
	void *ctx;
	/* Set by the owner; -1 ends the reading with that error. */
	int (*on_part)(void *ctx, const struct multipart_part *part, struct err *e);
	int (*on_bytes)(void *ctx, struct span bytes, struct err *e);
	int (*on_part_end)(void *ctx, struct err *e);
	/* private */
	char delimiter[4 + MULTIPART_BOUNDARY + 1]; /* CR LF - - boundary */
	size_t length, matched;
	int place, parts, max_parts;
	struct buf head;
};

/* The boundary of a Content-Type. -1 with ERR_MEDIA_TYPE: it is no form with files. */
int multipart_init(struct multipart *m, const char *content_type, int max_parts, struct err *e);
void multipart_release(struct multipart *m);
/* -1 with ERR_PARSE, ERR_TOO_LARGE (heads, number of parts), or what a callback set. */
int multipart_feed(struct multipart *m, struct span in, struct err *e);
/* The body has ended: 0 when the form has, too; else ERR_PARSE. */
int multipart_end(const struct multipart *m, struct err *e);

#endif
