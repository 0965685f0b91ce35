/* watchdog: one thread that ends slices of interpreted code which use too much processor time.
 *
 * A slice is what one thread runs between watchdog_begin and watchdog_end; slices of one thread do not nest. When a
 * slice has used more than its time of the processor (not of the wall clock: a loaded or suspended machine ends
 * nothing), `expire` is called on the slice's own thread, inside a signal handler (SIGURG), and again every tick until
 * the slice ends; never after watchdog_end. A slice that is not condemned costs three memory accesses. While nothing
 * runs the thread sleeps. */
#ifndef MUSTER_FLOW_WATCHDOG_H
#define MUSTER_FLOW_WATCHDOG_H

#include "base/err.h"

/* Start the thread, once in the process, and enter the calling thread. Call before its first slice. ERR_INTERNAL when a
 * thread cannot be made or WATCHDOG_THREADS are entered already. */
#define WATCHDOG_THREADS 64
int watchdog_setup(struct err *e);
/* `expire` may only do what a signal handler may. */
void watchdog_begin(int slice_ms, void (*expire)(void *ctx), void *ctx);
void watchdog_end(void);

#endif
