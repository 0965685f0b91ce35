/* mem: the one place memory comes from, and the seam where tests make it fail.
 *
 * Nothing outside this file calls malloc. Allocation failure is an ordinary error (ERR_NOMEM), so every caller checks.
 * Foreign libraries that take an allocator are given these functions. */
#ifndef MUSTER_BASE_MEM_H
#define MUSTER_BASE_MEM_H

#include <stddef.h>

/* All return NULL on failure; sizes of 0 give a unique pointer. */
void *mem_alloc(size_t n) __attribute__((malloc, warn_unused_result));
void *mem_calloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result)); /* zeroed, overflow-checked */
void *mem_realloc(void *p, size_t n) __attribute__((warn_unused_result));
char *mem_strdup(const char *s) __attribute__((malloc, warn_unused_result));
char *mem_strndup(const char *s, size_t n) __attribute__((malloc, warn_unused_result)); /* copies n bytes, adds NUL */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2), warn_unused_result));
void mem_free(void *p); /* NULL is legal */

/* Allocate one zeroed struct: struct thing *t = MEM_NEW(struct thing); */
#define MEM_NEW(type) ((type *)mem_calloc(1, sizeof(type)))

/* Bytes usable in a block from here; for libraries whose allocator must know. */
size_t mem_size(void *p);

/* Bytes allocated through here and not freed; for tests and /metrics. */
size_t mem_in_use(void);

/* cleanup_free char *s = mem_strdup(...);  — freed at the end of the scope unless given away with steal(&s). */
static inline void mem_cleanup(void *pp)
{
	mem_free(*(void **)pp);
}
#define cleanup_free __attribute__((cleanup(mem_cleanup)))

/* Take the value out of a pointer variable, leaving NULL. */
#define steal(pp)                                                                                                      \
	({                                                                                                             \
		__typeof__(*(pp)) steal_value = *(pp);                                                                 \
		*(pp) = NULL;                                                                                          \
		steal_value;                                                                                           \
	})

/* The struct that contains this member. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
