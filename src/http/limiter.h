/* limiter: how often something may be done by one key: an address, a person, an API key.
 *
 * A token bucket for each key and class, kept as one time (GCRA, ITU-T I.371: the virtual scheduling algorithm): so
 * many at once, and from then on one each `every` milliseconds. The table has a fixed size: when it is full, the key
 * that would be forgiven soonest is forgotten, so that a flood of new keys costs no memory and sets nobody free who
 * is being slowed down harder than the flood's own. Keys are hashed with a secret, so that nobody can aim at a place
 * in the table. On the loop's thread. */
#ifndef MUSTER_HTTP_LIMITER_H
#define MUSTER_HTTP_LIMITER_H

#include "base/address.h"
#include "base/clock.h"

struct limiter_rate {
	int burst;    /* at once; 0: no limit */
	int every_ms; /* ≥ 1: one more each */
};

struct limiter;

/* entries: how many keys are remembered, at most. */
struct limiter *limiter_new(const struct clock *clock, size_t entries, struct err *e);
void limiter_free(struct limiter *l); /* NULL is legal */

/* One more by this key in this class? 0 when it may be, and is counted; otherwise the seconds to wait, ≥ 1, for
 * Retry-After (RFC 9110 10.2.3), and nothing is counted. */
int limiter_ask(struct limiter *l, const char *class, struct span key, const struct limiter_rate *rate);
/* Forgive a key, as after a login that succeeded. */
void limiter_clear(struct limiter *l, const char *class, struct span key);

/* An address as a key: of IPv6 its /64, which is what one household has. */
struct address limiter_address(const struct address *a);

#endif
