/* aside: a folder that is made beside its place and takes it when it is whole: PLACE.incomplete until then, which is
 * also what a stop in the middle leaves. */
#ifndef MUSTER_CMD_ASIDE_H
#define MUSTER_CMD_ASIDE_H

#include "base/err.h"

struct aside {
	char *place, *made; /* where it is to be; where it is being made */
};

/* Makes the folder (0700). ERR_EXISTS: there is something at the place, or left of an earlier attempt. */
int aside_begin(struct aside *a, const char *place, struct err *e);
/* Everything in it is durable, and it is at its place. */
int aside_end(struct aside *a, struct err *e);
/* After either; what did not end is removed. */
void aside_release(struct aside *a);
#define cleanup_aside __attribute__((cleanup(aside_release)))

#endif
