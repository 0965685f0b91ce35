/* sm: a state machine whose allowed moves are a table. A move that the table does not allow is a BUG. */
#ifndef MUSTER_BASE_SM_H
#define MUSTER_BASE_SM_H

#include <stdint.h>

struct sm_state {
	const char *name;
	uint32_t next; /* bit set of the states one may move to */
};
#define SM_TO(s) (1u << (s))

struct sm {
	const struct sm_state *states;
	int state;
};

void sm_init(struct sm *m, const struct sm_state *states, int first);
void sm_move(struct sm *m, int next);
static inline int sm_is(const struct sm *m)
{
	return m->state;
}
const char *sm_name(const struct sm *m);

#endif
