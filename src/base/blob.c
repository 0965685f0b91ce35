/* blob: header and bytes in one block; the last unref frees it. */
#include "base/blob.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

struct blob *blob_alloc(size_t n)
{
	struct blob *b = n < SIZE_MAX - sizeof(struct blob) ? mem_alloc(sizeof *b + n + 1) : NULL;

	if (!b)
		return NULL;
	atomic_init(&b->refs, 1);
	b->size = n;
	b->data[n] = 0;
	return b;
}

struct blob *blob_new(const void *p, size_t n)
{
	struct blob *b = blob_alloc(n);

	if (b && n)
		memcpy(b->data, p, n);
	return b;
}

struct blob *blob_ref(struct blob *b)
{
	if (b)
		BUG_ON(atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed) == 0);
	return b;
}

void blob_unref(struct blob *b)
{
	unsigned before;

	if (!b)
		return;
	before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
	BUG_ON(before == 0);
	if (before == 1)
		mem_free(b);
}
