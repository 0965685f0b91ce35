/* clock: the time, real or fake. Everything that needs the time takes a struct clock. */
#ifndef MUSTER_BASE_CLOCK_H
#define MUSTER_BASE_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t (*wall)(const struct clock *c); /* microseconds UTC; may step */
	int64_t (*mono)(const struct clock *c); /* microseconds that only grow; for time-outs */
	int64_t fake_wall, fake_mono;		/* of a fake clock: set freely */
};

extern const struct clock clock_real;
void clock_fake(struct clock *c, int64_t wall_us);
void clock_advance(struct clock *c, int64_t us); /* fake clocks only: moves both */
static inline int64_t clock_wall(const struct clock *c)
{
	return c->wall(c);
}
static inline int64_t clock_mono(const struct clock *c)
{
	return c->mono(c);
}
/* "2026-11-20T10:00:00.000000Z" */
#define CLOCK_TEXT 28
void clock_text(char out[CLOCK_TEXT], int64_t wall_us);

#endif
