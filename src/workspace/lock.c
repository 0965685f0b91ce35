/* lock: a map from path to holder. A lock on a folder covers what is below it, and a folder with a locked file in it is
 * not free either; so every check looks at the whole (small) table. A lock whose time is over counts for nothing and is
 * dropped when its path is next taken. */
#include "workspace/lock.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#define PERSON "person/"

void locks_init(struct locks *l, size_t cap)
{
	map_init(&l->by_path, cap);
}

static void lock_free(void *value)
{
	struct lock *lock = value;

	mem_free(lock->by);
	mem_free(lock);
}

void locks_release(struct locks *l)
{
	map_release(&l->by_path, lock_free);
}

static bool is_person(const char *who)
{
	return span_starts(span_of(who), PERSON);
}

static bool in_force(const struct lock *lock, int64_t now_us)
{
	return lock->until_us == 0 || lock->until_us > now_us;
}

/* Is one of the paths the other, or a folder above it? */
static bool touch(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	struct span longer = a.n < b.n ? b : a;

	if (span_is(a, ".") || span_is(b, "."))
		return true;
	return n && memcmp(a.p, b.p, n) == 0 && (longer.n == n || longer.p[n] == '/');
}

static int refuse(const char *path, const char *locked, const struct lock *lock, const char *by, struct err *e)
{
	char until[CLOCK_TEXT] = "further notice";

	if (lock->until_us)
		clock_text(until, lock->until_us);
	return err_set(e, ERR_LOCKED, "%s: %s%s is locked by %s until %s; %s", path,
		strcmp(path, locked) == 0 ? "" : locked, strcmp(path, locked) == 0 ? "it" : "", lock->by, until,
		is_person(by) ? "take the lock over, or ask the holder to release it"
			      : "work on something else, or ask a person to take it over");
}

/* The first lock in force that touches path and is held by somebody else; agents' locks do not bind persons unless
 * `persons_too`. */
static int find_other(const struct locks *l, const char *path, const char *by, int64_t now_us, bool persons_too,
	struct map_entry **found)
{
	struct map_entry *entry;

	for (size_t i = 0; (entry = map_next(&l->by_path, &i));) {
		const struct lock *lock = entry->value;
		if (!in_force(lock, now_us) || strcmp(lock->by, by) == 0)
			continue;
		if (is_person(by) && !is_person(lock->by) && !persons_too)
			continue;
		if (touch(span_n(entry->key, entry->key_len), span_of(path))) {
			*found = entry;
			return 1;
		}
	}
	return 0;
}

int locks_check(struct locks *l, const char *path, const char *by, int64_t now_us, struct err *e)
{
	struct map_entry *other;

	if (find_other(l, path, by, now_us, false, &other))
		return refuse(path, other->key, other->value, by, e);
	return 0;
}

static int set(struct locks *l, const char *path, const char *by, int64_t until_us, struct err *e)
{
	struct lock *lock = MEM_NEW(struct lock);
	void *old = NULL;

	if (!lock)
		return err_nomem(e);
	lock->by = mem_strdup(by);
	lock->until_us = until_us;
	if (!lock->by || map_set(&l->by_path, span_of(path), lock, &old, e)) {
		if (!lock->by)
			err_nomem(e);
		lock_free(lock);
		return -1;
	}
	if (old)
		lock_free(old);
	return 0;
}

int locks_take(struct locks *l, const char *path, const char *by, int64_t until_us, int64_t now_us, bool take_over,
	struct err *e)
{
	struct map_entry *other, *entry;

	if (find_other(l, path, by, now_us, true, &other) && !(take_over && is_person(by)))
		return refuse(path, other->key, other->value, by, e);
	if (set(l, path, by, until_us, e))
		return -1;
	/* What was taken over, and what has run out meanwhile. */
	for (size_t i = 0; (entry = map_next(&l->by_path, &i));) {
		struct lock *lock = entry->value;
		bool taken = strcmp(lock->by, by) != 0 && touch(span_n(entry->key, entry->key_len), span_of(path));
		if (taken || !in_force(lock, now_us))
			lock_free(map_del(&l->by_path, span_n(entry->key, entry->key_len)));
	}
	return 0;
}

int locks_drop(struct locks *l, const char *path, const char *by, struct err *e)
{
	struct lock *lock = map_get(&l->by_path, span_of(path));

	if (!lock)
		return 0;
	if (strcmp(lock->by, by) != 0)
		return err_set(e, ERR_LOCKED, "%s: is locked by %s, who alone releases it; a person may take it over",
			path, lock->by);
	lock_free(map_del(&l->by_path, span_of(path)));
	return 0;
}

json_t *locks_json(const struct locks *l, int64_t now_us)
{
	cleanup_json json_t *out = json_array();
	struct map_entry *entry;

	for (size_t i = 0; out && (entry = map_next(&l->by_path, &i));) {
		const struct lock *lock = entry->value;
		json_t *one;

		if (!in_force(lock, now_us))
			continue;
		one = json_make(NULL, "{s:s, s:s, s:I}", "path", entry->key, "by", lock->by, "until_us",
			(json_int_t)lock->until_us);
		if (!one || json_array_append_new(out, one))
			return NULL;
	}
	return steal(&out);
}
