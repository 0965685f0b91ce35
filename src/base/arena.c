/* arena: a chain of zeroed chunks, the newest first. An allocation too large for a chunk gets one of its own, put
 * behind the newest so that the room left there is not lost. */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

#define ALIGN 16u
#define CHUNK_FIRST 1024u
#define CHUNK_LAST (64u * 1024)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	_Alignas(ALIGN) char data[];
};

void arena_init(struct arena *a, size_t cap)
{
	*a = (struct arena){.cap = cap};
}

void arena_release(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *c = a->chunks;
		a->chunks = c->next;
		mem_free(c);
	}
	a->used = 0;
}

static struct arena_chunk *chunk_new(size_t size)
{
	struct arena_chunk *c = mem_calloc(1, sizeof *c + size);

	if (c)
		c->size = size;
	return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->chunks;
	size_t size, whole;

	if (n == 0)
		n = 1;
	if (n > a->cap - a->used || n > SIZE_MAX / 2)
		return NULL;
	whole = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (!c || whole > c->size - c->used) {
		size = c && c->size >= CHUNK_FIRST ? c->size * 2 : CHUNK_FIRST;
		if (size > CHUNK_LAST)
			size = CHUNK_LAST;
		c = chunk_new(whole > size / 2 ? whole : size);
		if (!c)
			return NULL;
		if (whole > size / 2 && a->chunks) {
			c->next = a->chunks->next;
			a->chunks->next = c;
		} else {
			c->next = a->chunks;
			a->chunks = c;
		}
	}
	a->used += n;
	c->used += whole;
	return c->data + c->used - whole;
}

char *arena_dup(struct arena *a, struct span s)
{
	char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1) : NULL;

	if (p && s.n)
		memcpy(p, s.p, s.n);
	return p;
}
