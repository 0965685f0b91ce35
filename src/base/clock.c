/* clock: the two clocks of the kernel, or two numbers. */
#include "base/clock.h"

#include <time.h>

#define MICROS 1000000

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * MICROS + ts.tv_nsec / 1000;
}

static int64_t real_wall(const struct clock *c)
{
	(void)c;
	return read_clock(CLOCK_REALTIME);
}

static int64_t real_mono(const struct clock *c)
{
	(void)c;
	return read_clock(CLOCK_MONOTONIC);
}

const struct clock clock_real = {.wall = real_wall, .mono = real_mono};

static int64_t fake_wall(const struct clock *c)
{
	return c->fake_wall;
}

static int64_t fake_mono(const struct clock *c)
{
	return c->fake_mono;
}

void clock_fake(struct clock *c, int64_t wall_us)
{
	*c = (struct clock){.wall = fake_wall, .mono = fake_mono, .fake_wall = wall_us};
}

void clock_advance(struct clock *c, int64_t us)
{
	c->fake_wall += us;
	c->fake_mono += us;
}

/* v with exactly n digits, then the byte `after`. */
static char *digits(char *p, int64_t v, int n, char after)
{
	for (int i = n - 1; i >= 0; i--, v /= 10)
		p[i] = (char)('0' + v % 10);
	p[n] = after;
	return p + n + 1;
}

void clock_text(char out[CLOCK_TEXT], int64_t wall_us)
{
	/* What the form can hold: the years 0000 to 9999. */
	const int64_t first = -62167219200 * MICROS, last = 253402300799 * MICROS + MICROS - 1;
	int64_t us = wall_us < first ? first : wall_us > last ? last : wall_us;
	int64_t micros = (us % MICROS + MICROS) % MICROS;
	time_t seconds = (us - micros) / MICROS;
	struct tm tm;
	char *p = out;

	gmtime_r(&seconds, &tm);
	p = digits(p, tm.tm_year + 1900, 4, '-');
	p = digits(p, tm.tm_mon + 1, 2, '-');
	p = digits(p, tm.tm_mday, 2, 'T');
	p = digits(p, tm.tm_hour, 2, ':');
	p = digits(p, tm.tm_min, 2, ':');
	p = digits(p, tm.tm_sec, 2, '.');
	p = digits(p, micros, 6, 'Z');
	*p = 0;
}
