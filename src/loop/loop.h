/* loop: the one event loop of a process (libuv inside), its timers, posts from other threads, and worker pool.
 *
 * Everything but the worker pool's jobs runs on the thread that calls loop_run. Callbacks never fire from inside the
 * call that starts an operation. An operation is an intrusive struct owned by its user; once its callback has fired
 * (or, where one exists, its close callback), the struct may be freed.
 *
 * A simulated loop (loop_new_sim) has no libuv: time is a fake clock that jumps to the next timer when nothing else is
 * ready, pool jobs run inline, and the order of ready jobs and posts is drawn from a seed. Only timers, posts and work
 * exist there; watches, children and streams are refused. */
#ifndef MUSTER_LOOP_LOOP_H
#define MUSTER_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"

struct loop;

struct loop *loop_new(struct err *e);
struct loop *loop_new_sim(uint64_t seed, int64_t wall_us, struct err *e);
/* All operations must have ended (BUG otherwise, naming what is left). NULL is legal. */
void loop_free(struct loop *l);
/* Until loop_stop or until nothing is left that could call back. */
int loop_run(struct loop *l, struct err *e);
/* One turn: waits for at most timeout_ms (-1: for ever, 0: not at all). Returns true while something is alive. */
bool loop_turn(struct loop *l, int timeout_ms);
void loop_stop(struct loop *l);
const struct clock *loop_clock(const struct loop *l);
/* For tests of time-outs over real descriptors: timers go by this clock, which must outlive the loop, from now on. No
 * timer may run. To let a fake one's time pass, start a timer of 0 ms, move the clock, and turn the loop. */
void loop_set_clock(struct loop *l, const struct clock *c);

/* timer: fires once at or after `ms` from now. Starting a running timer moves it. Costs O(log n). */
struct timer {
	struct loop *loop;
	void (*cb)(struct timer *t);
	int64_t at; /* monotonic microseconds; 0: not running */
	size_t slot;
	uint64_t order;
};
void timer_init(struct timer *t, struct loop *l, void (*cb)(struct timer *t));
int timer_start(struct timer *t, int64_t ms, struct err *e); /* -1: no memory, or CAP_TIMERS are running */
void timer_stop(struct timer *t);			     /* the callback does not fire; harmless when not running */

/* tick: a callback later in this turn of the loop, at most once however often it is asked for (one wake-up a tick). */
struct tick {
	struct loop *loop;
	void (*cb)(struct tick *t);
	struct list link;
};
void tick_init(struct tick *t, struct loop *l, void (*cb)(struct tick *t));
void tick_start(struct tick *t);
void tick_stop(struct tick *t);

/* post: wake the loop from any thread; cb runs on the loop's thread once for one or several posts before it runs.
 * Keeps the loop alive only while posted and not yet called (loop_keep for longer). */
struct post {
	struct loop *loop;
	void (*cb)(struct post *p);
	struct list link;
	_Atomic int posted;
};
void post_init(struct post *p, struct loop *l, void (*cb)(struct post *p));
void post_send(struct post *p);
/* On the loop's thread: forget a call not yet made. Nobody may send any more; then the struct may be freed. */
void post_stop(struct post *p);

/* Keep loop_run alive for something the loop does not see (another thread's queue). On the loop's thread. */
void loop_keep(struct loop *l);
void loop_unkeep(struct loop *l);

/* work: blocking work on the pool. run() is called on a pool thread, then done() on the loop's thread, exactly once.
 * work_cancel only helps before run() began: then done() sees cancelled. Queue order is kept; 4 threads by default
 * (UV_THREADPOOL_SIZE). */
struct work {
	struct loop *loop;
	void (*run)(struct work *w);
	void (*done)(struct work *w);
	bool cancelled;
	void *req; /* private */
	struct list link;
};
int work_start(
	struct work *w, struct loop *l, void (*run)(struct work *w), void (*done)(struct work *w), struct err *e);
void work_cancel(struct work *w);

/* watch: readiness of a descriptor. events and revents are WATCH_ bits; events may be 0 (nothing is reported, and the
 * loop is not kept alive). Not for regular files. A descriptor in error is reported as ready for all that was asked. */
enum { WATCH_READ = 1, WATCH_WRITE = 2, WATCH_HANGUP = 4 };
struct watch {
	struct loop *loop;
	int fd;
	void (*cb)(struct watch *w, int revents); /* revents 0: the poll failed */
	void *handle;				  /* private */
};
int watch_start(
	struct watch *w, struct loop *l, int fd, int events, void (*cb)(struct watch *w, int revents), struct err *e);
int watch_change(struct watch *w, int events, struct err *e);
/* No callback after this; the descriptor may be closed and the struct freed at once. Harmless when not started. */
void watch_stop(struct watch *w);

/* sign: a Unix signal (SIGINT, SIGTERM, SIGWINCH, …). Does not keep the loop alive. */
struct sign {
	struct loop *loop;
	void (*cb)(struct sign *s, int signum);
	void *handle;
};
int sign_start(struct sign *s, struct loop *l, int signum, void (*cb)(struct sign *s, int signum), struct err *e);
void sign_stop(struct sign *s);

#endif
