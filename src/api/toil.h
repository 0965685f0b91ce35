/* toil: work on the pool that may take minutes (an archive unpacked, every file of a project read): one at a time for
 * a line of them, so that a thread is left for everybody else's; so many more wait in their order. */
#ifndef MUSTER_API_TOIL_H
#define MUSTER_API_TOIL_H

#include "loop/loop.h"

struct toils {
	struct list waiting;
	size_t count, most; /* of them */
	bool busy;
};
void toils_init(struct toils *all, size_t most);

struct toil {
	struct err why;	  /* in done: why it could not begin; then run was not called */
	struct work work; /* what run and done are given */
	/* private */
	struct toils *all;
	struct loop *loop;
	struct list link;
	void (*run)(struct work *w);
	void (*done)(struct work *w);
};
/* Zero it. As work_start; ERR_OVERLOADED: too many wait. */
int toil_start(struct toil *t, struct toils *all, struct loop *l, void (*run)(struct work *w),
	void (*done)(struct work *w), struct err *e);

#endif
