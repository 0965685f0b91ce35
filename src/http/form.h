/* form: a request's form with files (multipart.h), whole, however large: each part in memory when it is small, else in
 * a file (spool.h), while the client waits for the disk. */
#ifndef MUSTER_HTTP_FORM_H
#define MUSTER_HTTP_FORM_H

#include "http/multipart.h"
#include "http/server.h"
#include "http/spool.h"

struct form_part {
	struct list link;
	char *name, *filename, *type; /* as in struct multipart_part */
	struct spool content;	      /* its size, hash, text and fd, once on_done has fired without an error */
	/* private */
	struct form *form;
};

struct form {
	struct list parts; /* of struct form_part, in their order */
	struct server_request *request;
	void (*on_done)(struct form *f, const struct err *why);
	/* private */
	struct multipart reader;
	struct form_part *open; /* whose bytes are coming */
	size_t writing;		/* parts that have not ended */
	int64_t left;		/* bytes that may still come, over all parts */
	const char *dir;
	struct tick tick;
	struct err why;
	bool full;  /* the open part waits for the disk */
	bool ended; /* nothing more is taken */
};

/* Takes the body (request_stream) and the request's user; on_done fires once, later: why NULL, or what went wrong
 * (ERR_MEDIA_TYPE: it is no form with files; those of multipart_feed, and of upload_start; cap: of all parts together).
 * Until then the reply must not end; then it is due, and form_release. dir must outlive the form. */
void form_start(struct form *f, struct server_request *r, const char *dir, int64_t cap, int max_parts,
	void (*on_done)(struct form *f, const struct err *why));
/* The first part of this name, or NULL. */
struct form_part *form_part(const struct form *f, const char *name);
void form_release(struct form *f);

#endif
