/* id: identifiers of events and runs (UUIDv7, RFC 9562, in the usual 36-character text; version 8 where they are made
 * of a key, so that the same key gives the same one), and a small generator of random numbers from a seed. */
#ifndef MUSTER_BASE_ID_H
#define MUSTER_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_TEXT 37 /* with the NUL */

/* A new UUIDv7 of this wall time (microseconds UTC); ids of one process grow strictly, also within a microsecond.
 * Random part from `rng` (NULL: the system's). Thread-safe with rng == NULL. */
struct rng;
void id_new(char out[ID_TEXT], int64_t at_us, struct rng *rng);
/* The first 16 bytes of a hash as a UUID of version 8. */
struct hash;
void id_of_hash(char out[ID_TEXT], const struct hash *h);
bool id_valid(const char *text);

/* rng: a small seeded generator (splitmix64) for simulations and jitter; never for secrets. */
struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 .. n-1, n > 0 */
double rng_unit(struct rng *r);		       /* [0, 1) */

#endif
