/* writer: the one thread that writes, and its queue. Private to the store.
 *
 * Writes are taken in order and grouped: a group ends when the queue is empty, after CAP_GROUP_EVENTS events or
 * CAP_GROUP_WAIT_US. When the commit of a group fails for another reason than space or memory, what the disk holds is
 * unknown: `failed` is set for good and everything from then on is rejected with it.
 * A driver that is not threaded is written to at once, on the caller's thread. */
#ifndef MUSTER_STORE_WRITER_H
#define MUSTER_STORE_WRITER_H

#include <pthread.h>

#include "store/driver.h"

struct writer {
	struct driver *driver;
	pthread_mutex_t lock;
	pthread_cond_t work;  /* to the writer: something is queued, or it shall stop */
	pthread_cond_t ended; /* to those who wait */
	struct list queue, done;
	size_t queued;
	uint64_t put, finished; /* writes so far */
	enum { WRITER_INLINE, WRITER_RUNNING, WRITER_STOPPING, WRITER_STOPPED } state;
	struct err failed;
	pthread_t thread;
	struct post post;
	/* of the thread */
	int64_t idle_at, heads_at, heads_pause; /* monotonic microseconds; 0: nothing to do */
};

/* on_done runs on the loop's thread after commits; it takes the appends from writer_done. */
int writer_start(struct writer *w, struct driver *d, struct loop *l, void (*on_done)(struct post *p), struct err *e);
/* Write what is queued, then end the thread. */
void writer_stop(struct writer *w);
/* Queue a write. -1: queue full (ERR_OVERLOADED) or failed before; then it was not taken. */
int writer_put(struct writer *w, struct write *wr, bool wake, struct err *e);
/* Begin with what was put without waking: more may come into the group until then. */
void writer_wake(struct writer *w);
/* Block until it has ended; 0, or -1 with its error. The write (unless an append) is the caller's again. */
int writer_wait(struct writer *w, struct write *wr, struct err *e);
/* Both, for a write on the caller's stack. */
int writer_call(struct writer *w, struct write *wr, struct err *e);
int writer_flush(struct writer *w, struct err *e);
/* The next append that ended and was not yet delivered, or NULL. */
struct write *writer_done(struct writer *w);

#endif
