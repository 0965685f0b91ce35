/* drafts: what is being written at this moment, so that who comes later sees it from its beginning: the answer of a
 * model, the output of a command, a file as the model writes it. A fold of transient events, superseded by the durable
 * event that follows; nothing of it is kept anywhere. */
#ifndef MUSTER_API_DRAFTS_H
#define MUSTER_API_DRAFTS_H

#include "store/store.h"

struct drafts;

struct drafts *drafts_new(struct store *s, struct err *e);
void drafts_free(struct drafts *d); /* NULL is legal */
/* An event of the same kind as its pieces (offset 0, the text so far; its last CAP_DRAFT bytes) for each open subject
 * of the stream, until each() returns other than 0. */
void drafts_each(struct drafts *d, const char *stream, int (*each)(void *ctx, const struct event *ev), void *ctx);

#endif
