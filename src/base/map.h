/* map: a capped table from byte strings to pointers. Keys are copied. Iteration is in order of insertion (deletions
 * keep it), so that nothing the program does depends on hash seeds. */
#ifndef MUSTER_BASE_MAP_H
#define MUSTER_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct map_entry {
	char *key; /* NUL-terminated copy */
	size_t key_len;
	uint64_t hash;
	void *value; /* NULL: deleted */
};

struct map {
	struct map_entry *entries; /* in order of insertion */
	uint32_t *slots;	   /* open addressing: index + 1 into entries, 0 = free */
	size_t used, live, room, slot_count, cap;
};

void map_init(struct map *m, size_t cap);
/* Frees keys and, when free_value is not NULL, each value through it. */
void map_release(struct map *m, void (*free_value)(void *));
/* Sets; *old (may be NULL) receives the former value or NULL. Values are never NULL. -1: no memory or cap reached. */
int map_set(struct map *m, struct span key, void *value, void **old, struct err *e);
void *map_get(const struct map *m, struct span key); /* NULL: none */
void *map_del(struct map *m, struct span key);	     /* the removed value, or NULL */
static inline size_t map_count(const struct map *m)
{
	return m->live;
}
/* for (size_t i = 0; (entry = map_next(m, &i));) — the body may delete the entry it was given. */
struct map_entry *map_next(const struct map *m, size_t *i);

#endif
