/* arena: memory with one lifetime (a request, a turn, a parsed tree), freed all at once.
 * Allocations are 16-byte aligned and zeroed. The cap counts all bytes given out. NULL when the cap or memory is
 * reached. */
#ifndef MUSTER_BASE_ARENA_H
#define MUSTER_BASE_ARENA_H

#include <stddef.h>

#include "base/buf.h"

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks;
	size_t used, cap;
};

void arena_init(struct arena *a, size_t cap);
void arena_release(struct arena *a);
void *arena_alloc(struct arena *a, size_t n) __attribute__((warn_unused_result));
char *arena_dup(struct arena *a, struct span s) __attribute__((warn_unused_result)); /* NUL-terminated */
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))

static inline void arena_cleanup(struct arena *a)
{
	arena_release(a);
}
#define cleanup_arena __attribute__((cleanup(arena_cleanup)))

#endif
