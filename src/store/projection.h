/* projection: what the events of the runs add up to, as rows (rows.h). One table: event kind → fold.
 *
 * A fold sees one event and the rows, nothing else: no clock, no other stream. Folds of different runs commute, so the
 * rows can be rebuilt stream by stream; only run.deleted, which stands in a project's stream, must come after the run's
 * own events. */
#ifndef MUSTER_STORE_PROJECTION_H
#define MUSTER_STORE_PROJECTION_H

#include "store/event.h"
#include "store/rows.h"

/* Does this kind change any row? */
bool projection_wants(enum event_type type);
/* Apply one event; `data` is its parsed payload (may be NULL where projection_wants says no). ERR_FINAL for a run that
 * has ended, ERR_CONFLICT for one created twice, ERR_INVALID for a payload whose money or tokens are out of range. */
int projection_fold(struct rows *r, const char *stream, const struct event *ev, const json_t *data, struct err *e);

#endif
