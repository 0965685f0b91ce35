#include "accounts/throttle.h"

#include <stdio.h>

#include "base/mem.h"

/* Purpose: one entry for each key, in order of their first failures. Without memory for one, that failure is free:
 * argon2id's own cost and queue remain. */

#define QUIET_US ((int64_t)3600 * 1000000)

struct failures {
	int count;
	int64_t last, until; /* monotonic */
};

static struct span key_of(char buffer[320], char kind, const char *key)
{
	int n = snprintf(buffer, 320, "%c:%s", kind, key);

	return span_n(buffer, n < 320 ? (size_t)n : 319);
}

void throttle_init(struct throttle *t, const struct clock *clock)
{
	t->clock = clock;
	map_init(&t->failures, THROTTLE_KEYS);
}

void throttle_release(struct throttle *t)
{
	map_release(&t->failures, mem_free);
}

int64_t throttle_wait(const struct throttle *t, char kind, const char *key)
{
	char buffer[320];
	const struct failures *f = map_get(&t->failures, key_of(buffer, kind, key));
	int64_t now = clock_mono(t->clock);

	return f && f->until > now ? (f->until - now + 999) / 1000 : 0;
}

void throttle_fail(struct throttle *t, char kind, const char *key, int spare, int most_s)
{
	char buffer[320];
	struct span name = key_of(buffer, kind, key);
	struct failures *f = map_get(&t->failures, name);
	int64_t now = clock_mono(t->clock), wait = 1;

	if (!f) {
		size_t first = 0;
		struct map_entry *oldest =
			map_count(&t->failures) == THROTTLE_KEYS ? map_next(&t->failures, &first) : NULL;
		if (oldest)
			mem_free(map_del(&t->failures, span_n(oldest->key, oldest->key_len)));
		f = MEM_NEW(struct failures);
		if (!f || map_set(&t->failures, name, f, NULL, NULL)) {
			mem_free(f);
			return;
		}
	} else if (now - f->last > QUIET_US) {
		f->count = 0;
	}
	f->count++;
	f->last = now;
	for (int i = spare + 1; i < f->count && wait < most_s; i++)
		wait *= 2;
	if (f->count > spare)
		f->until = now + (wait < most_s ? wait : most_s) * 1000000;
}

void throttle_forget(struct throttle *t, char kind, const char *key)
{
	char buffer[320];

	mem_free(map_del(&t->failures, key_of(buffer, kind, key)));
}
