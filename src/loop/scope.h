/* scope: a set of tasks that end together. Everything that runs on behalf of a thing (a run, a connection) joins the
 * thing's scope; closing the scope cancels its members, waits until the last has left and only then calls back: the
 * moment at which the thing's memory may be freed.
 *
 * States: open → closing → closed. A scope may be a member of another: its cancel closes it, its on_closed leaves. */
#ifndef MUSTER_LOOP_SCOPE_H
#define MUSTER_LOOP_SCOPE_H

#include "base/sm.h"
#include "loop/loop.h"

struct scope {
	struct sm sm;
	struct list members;   /* not yet asked to end */
	struct list cancelled; /* asked, not yet gone */
	struct tick end;
	void (*on_closed)(struct scope *s);
};

struct member {
	struct scope *scope; /* NULL: in none */
	struct list link;
	void (*cancel)(struct member *m);
};

void scope_init(struct scope *s, struct loop *l);
/* cancel is called at most once, from inside scope_close; the task ends in its own time, then leaves. May be NULL for
 * tasks that end by themselves. -1 with ERR_CANCELLED when the scope is closing or closed: then do not start the task.
 */
int scope_join(struct scope *s, struct member *m, void (*cancel)(struct member *m), struct err *e);
/* The task is over. Harmless when m is in no scope. */
void scope_leave(struct member *m);
/* on_closed fires once, later, when no member is left; in it the scope may be freed. Only for an open scope. */
void scope_close(struct scope *s, void (*on_closed)(struct scope *s));
static inline bool scope_empty(const struct scope *s)
{
	return list_empty(&s->members) && list_empty(&s->cancelled);
}

#endif
