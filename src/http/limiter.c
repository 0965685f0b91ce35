#include "http/limiter.h"

#include "base/crypt.h"
#include "base/mem.h"

/* Purpose: sets of WAYS slots; a key has its place in one of them, and is known by the rest of its hash. */

#define WAYS 8

struct slot {
	uint64_t mark;
	int64_t due; /* µs: when all of its bucket is there again; not after now: the slot is free */
};

struct limiter {
	const struct clock *clock;
	size_t sets;
	unsigned char secret[KEY_SIZE];
	struct slot slots[];
};

struct limiter *limiter_new(const struct clock *clock, size_t entries, struct err *e)
{
	size_t sets = (entries + WAYS - 1) / WAYS;
	struct limiter *l = mem_calloc(1, sizeof(*l) + sets * WAYS * sizeof(struct slot));
	BUG_ON(entries == 0);
	if (!l) {
		err_nomem(e);
		return NULL;
	}
	l->clock = clock;
	l->sets = sets;
	crypt_random(l->secret, sizeof(l->secret));
	return l;
}

void limiter_free(struct limiter *l)
{
	mem_free(l);
}

/* The slot of a key; when it has none, the one that is given up for it. */
static struct slot *find(struct limiter *l, const char *class, struct span key, uint64_t *mark)
{
	struct hash_stream h;
	struct hash hash;
	uint64_t words[2];
	hash_start(&h, l->secret);
	hash_update(&h, class, strlen(class) + 1);
	hash_update(&h, key.p, key.n);
	hash_end(&h, &hash);
	memcpy(words, hash.b, sizeof(words));
	struct slot *set = l->slots + words[0] % l->sets * WAYS, *least = set;
	*mark = words[1];
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].mark == *mark)
			return &set[i];
		if (set[i].due < least->due)
			least = &set[i];
	}
	return least;
}

int limiter_ask(struct limiter *l, const char *class, struct span key, const struct limiter_rate *rate)
{
	uint64_t mark;
	if (!rate->burst)
		return 0;
	struct slot *s = find(l, class, key, &mark);
	int64_t now = clock_mono(l->clock), every = rate->every_ms * 1000ll;
	int64_t due = s->mark == mark && s->due > now ? s->due : now;
	int64_t wait = due - now - (rate->burst - 1) * every;
	if (wait > 0)
		return (int)((wait + 999999) / 1000000);
	*s = (struct slot){.mark = mark, .due = due + every};
	return 0;
}

void limiter_clear(struct limiter *l, const char *class, struct span key)
{
	uint64_t mark;
	struct slot *s = find(l, class, key, &mark);
	if (s->mark == mark)
		*s = (struct slot){0};
}

struct address limiter_address(const struct address *a)
{
	return address_is_v4(a) ? *a : address_cut(a, 64);
}
