/* id: UUIDv7. The 48 bits of milliseconds and the 12 bits of rand_a are one 60-bit number: time down to about a quarter
 * of a microsecond, raised to one above the last id's when the clock did not move on (RFC 9562, section 6.2, methods 1
 * and 3). So ids grow strictly, at the price that a burst beyond 4 ids a microsecond runs a little ahead of the clock.
 * The 62 bits of rand_b are random. */
#include "base/id.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/crypt.h"

#define STAMP_MAX ((UINT64_C(1) << 60) - 1)

static _Atomic uint64_t last_stamp;

static uint64_t next_stamp(int64_t at_us)
{
	uint64_t us = at_us > 0 ? (uint64_t)at_us : 0, stamp;
	uint64_t wanted = us / 1000 << 12 | us % 1000 * 4096 / 1000;
	uint64_t last = atomic_load(&last_stamp);

	do {
		stamp = wanted > last ? wanted : last + 1;
	} while (!atomic_compare_exchange_weak(&last_stamp, &last, stamp));
	return stamp & STAMP_MAX;
}

void id_new(char out[ID_TEXT], int64_t at_us, struct rng *rng)
{
	static const char hex[] = "0123456789abcdef";
	uint64_t stamp = next_stamp(at_us), random, high, low;
	char *p = out;

	if (rng)
		random = rng_next(rng);
	else
		crypt_random(&random, sizeof random);
	high = stamp >> 12 << 16 | UINT64_C(0x7000) | (stamp & 0xFFF);
	low = UINT64_C(1) << 63 | random >> 2;
	for (int i = 0; i < 32; i++) {
		uint64_t half = i < 16 ? high : low;
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*p++ = '-';
		*p++ = hex[half >> (60 - i % 16 * 4) & 0xF];
	}
	*p = 0;
}

void id_of_hash(char out[ID_TEXT], const struct hash *h)
{
	const uint8_t *b = h->b;

	snprintf(out, ID_TEXT, "%02x%02x%02x%02x-%02x%02x-8%01x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6] & 15, b[7], (b[8] & 0x3f) | 0x80, b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
}

bool id_valid(const char *text)
{
	if (!text || strnlen(text, ID_TEXT) != ID_TEXT - 1)
		return false;
	for (size_t i = 0; i < ID_TEXT - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i]))
			return false;
	}
	return strchr("78", text[14]) && strchr("89ab", text[19]);
}

uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	uint64_t uneven = -n % n, v; /* values below it would make small results likelier */

	do {
		v = rng_next(r);
	} while (v < uneven);
	return v % n;
}

double rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) * 0x1.0p-53;
}
