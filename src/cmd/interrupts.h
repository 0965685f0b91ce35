/* interrupts: Ctrl-C (SIGINT), and SIGTERM and SIGHUP alike, as one callback on the loop. */
#ifndef MUSTER_CMD_INTERRUPTS_H
#define MUSTER_CMD_INTERRUPTS_H

#include "loop/loop.h"

struct interrupts {
	void (*cb)(struct interrupts *i);
	struct sign interrupt, terminate, hangup; /* private */
};
/* After a failure too, interrupts_stop is due; it is harmless when zeroed. */
int interrupts_start(struct interrupts *i, struct loop *l, void (*cb)(struct interrupts *i), struct err *e);
void interrupts_stop(struct interrupts *i);

#endif
