/* rig: a journal in memory on a simulated loop, and a sender whose tries end as the test says. */
#ifndef MUSTER_TESTS_NOTIFY_RIG_H
#define MUSTER_TESTS_NOTIFY_RIG_H

#include "unit.h"

#include "notify/outbox.h"

#define RIG_TRIES 2000

struct rig {
	struct sender sender;
	struct loop *loop;
	struct store *store;
	/* how tries end */
	enum notice_end how;
	int64_t takes_ms, wait_ms;
	bool refuses; /* start() fails */
	/* what was seen */
	struct {
		char id[NOTICE_ID], target[NOTICE_TARGET];
		int64_t at; /* ms since the start */
		char *about;
	} tries[RIG_TRIES];
	size_t count;
	int under_way, most_under_way, most_mail, failings;
	int64_t start;
	struct timer ends[64];
	struct notice *sending[64];
};
extern struct rig rig;
extern struct err e;

int rig_setup(void **state);
int rig_teardown(void **state);
void rig_turn(int64_t ms); /* so much time passes */
size_t rig_records(void);  /* of notices in the journal */

#endif
