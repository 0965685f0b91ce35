#include "loop/scope.h"

/* Purpose: count tasks out before their memory goes. Members that were asked to end wait in a list of their own, so
 * that each is asked once, whatever its cancel does to the others. */

enum { OPEN, CLOSING, CLOSED };
static const struct sm_state states[] = {
	[OPEN] = {"open", SM_TO(CLOSING)},
	[CLOSING] = {"closing", SM_TO(CLOSED)},
	[CLOSED] = {"closed", 0},
};

static void on_end(struct tick *t)
{
	struct scope *s = container_of(t, struct scope, end);
	sm_move(&s->sm, CLOSED);
	s->on_closed(s);
}

void scope_init(struct scope *s, struct loop *l)
{
	sm_init(&s->sm, states, OPEN);
	list_init(&s->members);
	list_init(&s->cancelled);
	tick_init(&s->end, l, on_end);
	s->on_closed = NULL;
}

int scope_join(struct scope *s, struct member *m, void (*cancel)(struct member *m), struct err *e)
{
	m->scope = NULL;
	m->cancel = cancel;
	list_init(&m->link);
	if (sm_is(&s->sm) != OPEN)
		return err_set(e, ERR_CANCELLED, "nothing new starts in what is being closed");
	m->scope = s;
	list_push(&s->members, &m->link);
	return 0;
}

void scope_leave(struct member *m)
{
	struct scope *s = m->scope;
	if (!s)
		return;
	m->scope = NULL;
	list_remove(&m->link);
	if (sm_is(&s->sm) == CLOSING && scope_empty(s))
		tick_start(&s->end);
}

void scope_close(struct scope *s, void (*on_closed)(struct scope *s))
{
	struct list *link;
	sm_move(&s->sm, CLOSING);
	s->on_closed = on_closed;
	while ((link = list_shift(&s->members))) {
		struct member *m = list_entry(link, struct member, link);
		list_push(&s->cancelled, link);
		if (m->cancel)
			m->cancel(m);
	}
	if (scope_empty(s))
		tick_start(&s->end);
}
