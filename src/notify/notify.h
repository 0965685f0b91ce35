/* notify: tells people what needs them: an action that waits, a reminder of one, the end of a run, a share of a budget.
 *
 * Occasions are seen in the journal: as they are committed, and at the start, once, what happened in the last twelve
 * hours while nobody looked. Whom an occasion concerns, the caller knows; each gets a notice in the outbox, which
 * delivers it. What is decided meanwhile is not sent any more. */
#ifndef MUSTER_NOTIFY_NOTIFY_H
#define MUSTER_NOTIFY_NOTIFY_H

#include "notify/outbox.h"

/* An occasion, as notices carry it: {type, run, title, mode, project, at, ...}; by type:
 *   action.opened, action.reminder: action, kind, name, subject (the action's title), priority; expires, where it
 *     does not wait for ever; of a reminder also count, from 1
 *   run.ended: state (completed, failed, cancelled), evidence
 *   budget.alert: budget (its scope), share (percent), limit_usd, spent, period (all, month), and project or user; no
 * run test: nothing more (a person tries a target) at: microseconds UTC. user: who started the run, absent for none. */
#define NOTIFY_BUDGET "budget.alert" /* what the audit calls it, too */
struct notify_options {
	struct loop *loop;
	struct store *store;
	struct sender *sender;
	uint64_t seed;	       /* of the jitter between tries */
	int64_t remind_ms;     /* until the first reminder of an action; doubled for each next; 0: none */
	int64_t understand_ms; /* the same in the phase "understanding" */
	/* Call add for each target that the occasion is told to. */
	void (*whom)(void *ctx, const json_t *occasion, void (*add)(void *to, const char *target), void *to);
	void *ctx;
};

struct notify;
struct notify *notify_open(const struct notify_options *o, struct err *e);
/* A notice for one target, outside of any run: the trial of a webhook. -1: as outbox_add. */
int notify_try(struct notify *n, const char *target, struct err *e);
/* End what is under way: turn the loop while notify_busy, then free. */
void notify_stop(struct notify *n);
bool notify_busy(const struct notify *n);
void notify_free(struct notify *n); /* NULL is legal */
size_t notify_waiting(const struct notify *n);

#endif
