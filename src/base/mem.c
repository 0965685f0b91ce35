/* mem: malloc with a counter and the allocation fault.
 * Sizes are asked from the allocator (malloc_usable_size), so no header is added to a block. A failure sets
 * errno = ENOMEM. */
#include "base/mem.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

static _Atomic size_t in_use;

static void *counted(void *p)
{
	if (p)
		atomic_fetch_add_explicit(&in_use, malloc_usable_size(p), memory_order_relaxed);
	return p;
}

void *mem_alloc(size_t n)
{
	if (fault_hit(FAULT_ALLOC))
		return NULL;
	return counted(malloc(n ? n : 1));
}

void *mem_calloc(size_t count, size_t size)
{
	size_t n;

	if (fault_hit(FAULT_ALLOC) || __builtin_mul_overflow(count, size, &n))
		return NULL;
	return counted(calloc(1, n ? n : 1));
}

void *mem_realloc(void *p, size_t n)
{
	size_t before = p ? malloc_usable_size(p) : 0;
	void *q;

	if (fault_hit(FAULT_ALLOC))
		return NULL;
	q = realloc(p, n ? n : 1);
	if (!q)
		return NULL;
	atomic_fetch_sub_explicit(&in_use, before, memory_order_relaxed);
	return counted(q);
}

char *mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t n)
{
	char *p = n < SIZE_MAX ? mem_alloc(n + 1) : NULL;

	if (!p)
		return NULL;
	if (n)
		memcpy(p, s, n);
	p[n] = 0;
	return p;
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap, again;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0)
		p = mem_alloc((size_t)n + 1);
	if (p)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return p;
}

void mem_free(void *p)
{
	if (!p)
		return;
	atomic_fetch_sub_explicit(&in_use, malloc_usable_size(p), memory_order_relaxed);
	free(p);
}

size_t mem_size(void *p)
{
	return malloc_usable_size(p);
}

size_t mem_in_use(void)
{
	return atomic_load_explicit(&in_use, memory_order_relaxed);
}
