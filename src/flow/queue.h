/* queue: which runs of a house go on when, where it serves many people.
 *
 *   QUEUED ─room─▶ LIVE ─settled─▶ gone
 *
 * At most `live` runs work at once, and at most `per_user` of one person; of those that may begin, the one of highest
 * priority does, and among equals the first that came. A run that comes to rest (waiting, paused, ended) gives its
 * place up; one that a person's command wakes goes on at once, above the limit if need be: what somebody waits for is
 * not put behind what nobody asked about.
 *
 * What is queued is known from the journal: after a stop of the program queue_recover finds it again. */
#ifndef MUSTER_FLOW_QUEUE_H
#define MUSTER_FLOW_QUEUE_H

#include "flow/house.h"

struct queue;

struct queue_limits {
	int live, per_user; /* 0: none */
};
/* Takes the house's watcher (house_watch). */
struct queue *queue_new(struct house *h, struct loop *l, struct store *s, struct queue_limits limits, struct err *e);
void queue_free(struct queue *q); /* before house_close; NULL is legal */

/* Every run that was at work when the last owner stopped, or has a timer, a budget or a left command to go on by, and
 * every one that never began. Reading only: they go on one after the other, a run a turn of the loop. Returns how many.
 */
int64_t queue_recover(struct queue *q, struct err *e);
/* Let this run begin, or go on, when there is room. Harmless when it is queued or live. */
int queue_add(struct queue *q, const char *run, const char *user, int priority, struct err *e);
/* How many wait; how many are live; place (from 1) of a run that waits, 0 when it does not. */
size_t queue_waiting(const struct queue *q);
size_t queue_live(const struct queue *q);
size_t queue_place(const struct queue *q, const char *run);

#endif
