/* projection: what the events of the runs, and those of who did what, add up to, as rows (rows.h). One table: event
 * kind → fold.
 *
 * A fold sees one event and the rows, nothing else: no clock, no other stream. So that the rows can be made anew stream
 * by stream: run.created is the first event of a run's stream and names a parent that exists; sums commute; and
 * run.deleted, which stands in a project's stream, ends a run for good. */
#ifndef MUSTER_STORE_PROJECTION_H
#define MUSTER_STORE_PROJECTION_H

#include "store/event.h"
#include "store/rows.h"

/* The state of a run that is no more; such rows are not listed. */
#define PROJECTION_DELETED "deleted"

/* Does this kind change any row? */
bool projection_wants(enum event_type type);
/* Only sums, which no other fold reads? Then it may be folded later, as long as projection_check found nothing: such a
 * fold must not fail for what the event says, since the event is then in the journal for good. */
bool projection_may_wait(enum event_type type);
/* What projection_fold would say of an event that may wait, without changing anything. */
int projection_check(struct rows *r, const char *stream, const struct event *ev, const json_t *data, struct err *e);
/* Apply one event; `data` is its parsed payload (may be NULL where projection_wants says no). ERR_FINAL for a run that
 * has ended, ERR_NOT_FOUND for one never created, ERR_CONFLICT for one created twice, ERR_INVALID for a payload whose
 * money or tokens are out of range. */
int projection_fold(struct rows *r, const char *stream, const struct event *ev, const json_t *data, struct err *e);

#endif
