/* aside: an ask that is answered from the pool, while the loop goes on. */
#ifndef MUSTER_API_ASIDE_H
#define MUSTER_API_ASIDE_H

#include "api/private.h"

struct aside {
	/* On the pool: what is replied, or NULL with the error. May read the ask, and nothing else that the loop's
	 * thread changes. */
	json_t *(*work)(struct ask *q, void *ctx, struct err *e);
	/* On the loop's thread, always once, also when work failed or was never called (then out is NULL and e says
	 * why): consumes out, frees ctx, and returns what is replied, as a handler does. NULL: it is out. */
	json_t *(*end)(struct ask *q, void *ctx, json_t *out, struct err *e);
	void *ctx;
};
/* Take the ask for it; it waits in this line for those before it. For handlers: NULL, with the error when it could not
 * be taken; end was called then. */
json_t *aside_start(struct ask *q, struct toils *line, struct aside how, struct err *e);
/* The same for what the house makes, forks or merges; j is consumed. cb is as for house_job_end, and has to end the
 * ask. It is not called when the ask could not be taken. */
json_t *aside_job(struct ask *q, struct house_job *j, void (*cb)(void *ctx, json_t *out, const struct err *why),
	void *ctx, struct err *e);

#endif
