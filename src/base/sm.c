/* sm: moves checked against the table. */
#include "base/sm.h"

#include "base/err.h"

void sm_init(struct sm *m, const struct sm_state *states, int first)
{
	m->states = states;
	m->state = first;
}

void sm_move(struct sm *m, int next)
{
	if (next < 0 || next >= 32 || !(m->states[m->state].next & SM_TO(next)))
		BUG("no move from state %s to state %d", sm_name(m), next);
	m->state = next;
}

const char *sm_name(const struct sm *m)
{
	return m->states[m->state].name;
}
