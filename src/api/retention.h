/* retention: runs that ended long ago go, one after the other (run.keep_days). */
#ifndef MUSTER_API_RETENTION_H
#define MUSTER_API_RETENTION_H

#include "api/api.h"
#include "api/book.h"

struct retention;

/* NULL without an error: everything is kept. */
struct retention *retention_open(const struct api_needs *needs, struct book *book, struct err *e);
/* Turns the loop until what is under way is over. NULL is legal. */
void retention_close(struct retention *r);

#endif
