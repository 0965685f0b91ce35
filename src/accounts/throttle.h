/* throttle: after some free failures each further one makes the next attempt wait twice as long, up to a cap: slow for
 * who guesses, never a lock. A quiet hour forgets. Keys are texts, such as an account or an address. */
#ifndef MUSTER_ACCOUNTS_THROTTLE_H
#define MUSTER_ACCOUNTS_THROTTLE_H

#include "base/clock.h"
#include "base/map.h"

#define THROTTLE_KEYS 65536 /* the oldest is forgotten for a new one */

struct throttle {
	const struct clock *clock;
	struct map failures;
};
void throttle_init(struct throttle *t, const struct clock *clock);
void throttle_release(struct throttle *t);
/* Milliseconds until `kind` (a letter) of `key` may be tried again; 0: now. */
int64_t throttle_wait(const struct throttle *t, char kind, const char *key);
/* It failed; more than `spare` times, it waits 1 s, 2 s, 4 s … up to most_s. */
void throttle_fail(struct throttle *t, char kind, const char *key, int spare, int most_s);
void throttle_forget(struct throttle *t, char kind, const char *key);

#endif
