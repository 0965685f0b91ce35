/* What the files of loop/ share: the loop's inside. Nobody else includes this file (and so uv.h). */
#ifndef MUSTER_LOOP_PRIVATE_H
#define MUSTER_LOOP_PRIVATE_H

#include <pthread.h>
#include <uv.h>

#include "base/id.h"
#include "loop/loop.h"

struct sim {
	struct clock clock;
	struct rng rng;
	struct list jobs;     /* works not yet run, oldest first */
	struct list finished; /* works that ran; done() is due */
};

struct loop {
	const struct clock *clock;
	struct sim *sim;       /* NULL: a real loop */
	struct timer **timers; /* binary heap by (at, order) */
	size_t timer_count, timer_room;
	uint64_t timer_order;
	struct list ticks;
	pthread_mutex_t lock; /* of posts */
	struct list posts;
	size_t keeps, works, watches, signs; /* alive, for loop_free's complaint */
	bool stopping;
	/* of a real loop only */
	uv_loop_t uv;
	uv_timer_t alarm; /* the earliest timer */
	uv_timer_t bound; /* of a loop_turn with a time-out */
	uv_check_t check; /* runs the ticks */
	uv_idle_t idle;	  /* active while there are ticks: the loop does not sleep */
	uv_idle_t awake;  /* active from when timers have fired to the end of the turn */
	uv_async_t wake;  /* runs the posts; referenced while keeps > 0 */
};

/* Call the timers that are due; new ones wait for the next turn, however short they are. */
void timers_fire(struct loop *l);
/* The earliest timer's time, or INT64_MAX. */
int64_t timers_next(const struct loop *l);
/* This turn has done something: it waits for nothing more. */
void loop_stay_awake(struct loop *l);
void ticks_run(struct loop *l);
bool posts_waiting(struct loop *l);
/* Call the posts sent until now. */
void posts_run(struct loop *l);
bool loop_alive(struct loop *l);

struct loop *sim_new(uint64_t seed, int64_t wall_us, struct err *e);
void sim_free(struct loop *l);
bool sim_turn(struct loop *l, int timeout_ms);
bool sim_alive(struct loop *l);

/* An operation was asked of a simulated loop that only a real one has. -1 with ERR_INVALID. */
int sim_refuse(const char *what, struct err *e);

#endif
