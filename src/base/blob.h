/* blob: immutable bytes shared by reference count; for what crosses lifetimes (event payloads, file contents).
 * The count is atomic. The bytes are followed by a NUL that is not part of the size. */
#ifndef MUSTER_BASE_BLOB_H
#define MUSTER_BASE_BLOB_H

#include <stddef.h>

#include "base/buf.h"

struct blob {
	_Atomic unsigned refs;
	size_t size;
	char data[];
};

struct blob *blob_new(const void *p, size_t n)
	__attribute__((warn_unused_result)); /* copies; count 1; NULL: no memory */
/* Uninitialised content of n bytes, to be filled before it is shared. */
struct blob *blob_alloc(size_t n) __attribute__((warn_unused_result));
struct blob *blob_ref(struct blob *b); /* returns b; NULL is legal */
void blob_unref(struct blob *b);       /* NULL is legal */
static inline struct span blob_span(const struct blob *b)
{
	return b ? (struct span){b->data, b->size} : SPAN_NONE;
}

#endif
