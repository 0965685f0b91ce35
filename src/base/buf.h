/* buf: a growing byte buffer with a cap given at init, and the span it is read as.
 *
 * Invariants: data[len] == 0 whenever data != NULL; len <= cap. A failed add (no memory, or past the cap) leaves the
 * content as it was, sets `failed`, and every later add is a no-op: so a caller adds freely and checks once, with
 * buf_check(), before using the content. */
#ifndef MUSTER_BASE_BUF_H
#define MUSTER_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct err;

/* A view of bytes owned by somebody else; not NUL-terminated. */
struct span {
	const char *p;
	size_t n;
};

#define SPAN_NONE ((struct span){NULL, 0})
static inline struct span span_of(const char *s)
{
	return (struct span){s, s ? strlen(s) : 0};
}
static inline struct span span_n(const char *p, size_t n)
{
	return (struct span){p, n};
}
bool span_eq(struct span a, struct span b);
bool span_is(struct span a, const char *s);
/* By their bytes, a beginning before what goes on: negative, 0 or positive as of memcmp. */
int span_order(struct span a, struct span b);
bool span_starts(struct span a, const char *prefix);
bool span_ends(struct span a, const char *suffix);
/* Without ASCII white space at both ends. */
struct span span_trim(struct span a);
/* Index of the first occurrence at or after `from`, or (size_t)-1. */
size_t span_find(struct span hay, struct span needle, size_t from);
/* Cut the next line (without its \n, \r\n) off *rest; false when nothing is left. */
bool span_line(struct span *rest, struct span *line);
char *span_dup(struct span a)
	__attribute__((warn_unused_result)); /* NUL-terminated copy, mem_free it; NULL: no memory */

enum buf_fail { BUF_FINE, BUF_NOMEM, BUF_FULL };

struct buf {
	char *data;
	size_t len, room, cap;
	enum buf_fail failed;
};

#define BUF_INIT(cap_) ((struct buf){.cap = (cap_)})
void buf_init(struct buf *b, size_t cap);
void buf_release(struct buf *b); /* frees; the buf is as after init with the same cap */
void buf_clear(struct buf *b);	 /* empties and forgives a failure; keeps the memory */

void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addspan(struct buf *b, struct span s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_addv(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Add the text as the inside of a JSON string (escaped, without the quotes). Invalid UTF-8 becomes U+FFFD. */
void buf_add_json(struct buf *b, struct span text);
/* Make room for n more bytes and return where they go (then buf_grew(n)); NULL after a failure. */
char *buf_grow(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);
void buf_cut(struct buf *b, size_t len); /* shorten to len */
void buf_drop(struct buf *b, size_t n);	 /* remove n bytes at the front */

/* 0, or -1 with ERR_NOMEM or ERR_TOO_LARGE ("what" names the thing in the message). */
int buf_check(const struct buf *b, const char *what, struct err *e);
static inline struct span buf_span(const struct buf *b)
{
	return (struct span){b->data ? b->data : "", b->len};
}
/* Give the content away as a NUL-terminated string (mem_free it), never NULL unless failed; the buf is empty after it.
 */
char *buf_take(struct buf *b);

static inline void buf_cleanup(struct buf *b)
{
	buf_release(b);
}
#define cleanup_buf __attribute__((cleanup(buf_cleanup)))

#endif
