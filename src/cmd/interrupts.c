/* interrupts: see interrupts.h. */
#include "cmd/interrupts.h"

#include <signal.h>

static void on_interrupt(struct sign *s, int signum)
{
	(void)signum;
	struct interrupts *i = container_of(s, struct interrupts, interrupt);
	i->cb(i);
}

static void on_terminate(struct sign *s, int signum)
{
	(void)signum;
	struct interrupts *i = container_of(s, struct interrupts, terminate);
	i->cb(i);
}

static void on_hangup(struct sign *s, int signum)
{
	(void)signum;
	struct interrupts *i = container_of(s, struct interrupts, hangup);
	i->cb(i);
}

int interrupts_start(struct interrupts *i, struct loop *l, void (*cb)(struct interrupts *i), struct err *e)
{
	i->cb = cb;
	return sign_start(&i->interrupt, l, SIGINT, on_interrupt, e) ||
			       sign_start(&i->terminate, l, SIGTERM, on_terminate, e) ||
			       sign_start(&i->hangup, l, SIGHUP, on_hangup, e)
		       ? -1
		       : 0;
}

void interrupts_stop(struct interrupts *i)
{
	sign_stop(&i->interrupt);
	sign_stop(&i->terminate);
	sign_stop(&i->hangup);
}
