/* book: what the installation knows of its projects: one record for each (store_records, kind "project"), read at
 * start and kept up with each change.
 *
 * A project that runs of the command line made has no record until somebody changes something of it: it is known by its
 * runs. Loop's thread only. */
#ifndef MUSTER_API_BOOK_H
#define MUSTER_API_BOOK_H

#include "api/api.h"

#define PROJECT_KEPT_DAYS 30 /* of a deleted one, until its folder goes */

struct book;
/* Also ends the projects that were deleted long enough ago. Blocking. */
struct book *book_open(const struct api_needs *n, struct err *e);
void book_free(struct book *b);

/* The folder in which those that we make lie, without links, as records name it. It need not exist. */
const char *book_home(const struct book *b);
/* Borrowed until the next change; NULL with ERR_NOT_FOUND and others. */
const json_t *book_get(struct book *b, const char *id, struct err *e);
/* The record of the folder of this name, wherever the data folder lay when it was made, or of the command of this id;
 * NULL: none. */
const json_t *book_folder(const struct book *b, const char *name);
/* The record at a place, newest first; NULL behind the last. */
const json_t *book_at(const struct book *b, size_t i);

/* A record's new value, and who did what to it. Zero it; the callback comes once, later: the change is durable and
 * seen, or it failed. Until then another change of the same record is ERR_LOCKED. */
struct book_change {
	void (*cb)(struct book_change *c, const struct err *why);
	bool kept;	   /* set before it: durable, whatever it says */
	struct book *book; /* private */
	json_t *value, *records;
};
/* value is consumed; its version must follow that of the record at hand (0: there is none): ERR_STALE. */
int book_put(struct book *b, struct book_change *c, const char *what, const char *who, json_t *value, struct err *e);

#endif
