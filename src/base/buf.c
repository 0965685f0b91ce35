/* buf, span: growth doubles up to the cap; one byte more than the cap is kept for the NUL. */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

#define FIRST_ROOM 64

/* ---- span ---- */

bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int span_order(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

bool span_is(struct span a, const char *s)
{
	return span_eq(a, span_of(s));
}

bool span_starts(struct span a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.n >= n && (n == 0 || memcmp(a.p, prefix, n) == 0);
}

bool span_ends(struct span a, const char *suffix)
{
	size_t n = strlen(suffix);

	return a.n >= n && (n == 0 || memcmp(a.p + a.n - n, suffix, n) == 0);
}

static bool white(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct span span_trim(struct span a)
{
	while (a.n && white(a.p[0]))
		a = span_n(a.p + 1, a.n - 1);
	while (a.n && white(a.p[a.n - 1]))
		a.n--;
	return a;
}

size_t span_find(struct span hay, struct span needle, size_t from)
{
	const char *at;

	if (from > hay.n || needle.n > hay.n - from)
		return (size_t)-1;
	if (needle.n == 0)
		return from;
	at = memmem(hay.p + from, hay.n - from, needle.p, needle.n);
	return at ? (size_t)(at - hay.p) : (size_t)-1;
}

bool span_line(struct span *rest, struct span *line)
{
	const char *nl;
	size_t n;

	if (rest->n == 0)
		return false;
	nl = memchr(rest->p, '\n', rest->n);
	n = nl ? (size_t)(nl - rest->p) : rest->n;
	*line = span_n(rest->p, n);
	if (nl && n && rest->p[n - 1] == '\r')
		line->n--;
	n += nl ? 1 : 0;
	*rest = span_n(rest->p + n, rest->n - n);
	return true;
}

char *span_dup(struct span a)
{
	return mem_strndup(a.p, a.n);
}

/* ---- buf ---- */

void buf_init(struct buf *b, size_t cap)
{
	*b = BUF_INIT(cap);
}

void buf_release(struct buf *b)
{
	mem_free(b->data);
	buf_init(b, b->cap);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = BUF_FINE;
	if (b->data)
		b->data[0] = 0;
}

/* Room for n more bytes and the NUL; NULL after a failure. */
char *buf_grow(struct buf *b, size_t n)
{
	size_t room = b->room ? b->room : FIRST_ROOM, most = b->cap < SIZE_MAX ? b->cap + 1 : SIZE_MAX;
	char *data;

	if (b->failed)
		return NULL;
	if (n > b->cap - b->len || n >= SIZE_MAX - b->len) {
		b->failed = BUF_FULL;
		return NULL;
	}
	if (b->len + n < b->room)
		return b->data + b->len;
	while (room <= b->len + n)
		room = room > SIZE_MAX / 2 ? SIZE_MAX : room * 2;
	if (room > most)
		room = most;
	data = mem_realloc(b->data, room);
	if (!data) {
		b->failed = BUF_NOMEM;
		return NULL;
	}
	b->data = data;
	b->room = room;
	data[b->len] = 0;
	return data + b->len;
}

void buf_grew(struct buf *b, size_t n)
{
	BUG_ON(n && (b->failed || n >= b->room - b->len));
	b->len += n;
	if (b->data)
		b->data[b->len] = 0;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	char *to;

	if (n == 0)
		return;
	to = buf_grow(b, n);
	if (!to)
		return;
	memcpy(to, p, n);
	b->len += n;
	to[n] = 0;
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addspan(struct buf *b, struct span s)
{
	buf_add(b, s.p, s.n);
}

void buf_addc(struct buf *b, char c)
{
	if (!b->failed && b->len + 1 < b->room) {
		b->data[b->len++] = c;
		b->data[b->len] = 0;
	} else {
		buf_add(b, &c, 1);
	}
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addv(b, fmt, ap);
	va_end(ap);
}

void buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	size_t free_room = b->room - b->len;
	va_list again;
	char *to;
	int n;

	if (b->failed)
		return;
	va_copy(again, ap);
	n = vsnprintf(free_room ? b->data + b->len : NULL, free_room, fmt, ap);
	if (b->data)
		b->data[b->len] = 0;
	if (n < 0) {
		b->failed = BUF_NOMEM; /* what vsnprintf can fail of with our formats */
	} else if (n > 0) {
		to = buf_grow(b, (size_t)n);
		if (to) {
			vsnprintf(to, (size_t)n + 1, fmt, again);
			b->len += (size_t)n;
		}
	}
	va_end(again);
}

/* How many bytes at the front are ASCII that JSON strings hold as they are; eight at a time. */
static size_t plain_run(struct span s)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
	size_t i = 0;
	uint64_t w;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&w, s.p + i, 8);
		uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
		/* A top bit is set where a byte is below 0x20, equal, or not ASCII (or stands right of such a one). */
		if (((w - ones * 0x20) | (quote - ones) | (slash - ones) | w) & tops)
			break;
	}
	for (; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
			break;
	}
	return i;
}

void buf_add_json(struct buf *b, struct span text)
{
	static const char short_form[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	size_t from = 0, i = 0;

	if (text.n == 0)
		return;
	while ((i += plain_run(span_n(text.p + i, text.n - i))) < text.n) {
		unsigned char c = (unsigned char)text.p[i];
		const char *esc;
		uint32_t cp = 0;
		size_t step = 1;

		if (c >= 0x80) {
			step = utf8_char(span_n(text.p + i, text.n - i), &cp);
			if (cp != UTF8_BAD) {
				i += step;
				continue;
			}
		}
		buf_add(b, text.p + from, i - from);
		for (esc = short_form; *esc && *esc != (char)c; esc += 2)
			;
		if (cp == UTF8_BAD)
			buf_adds(b, "\xEF\xBF\xBD");
		else if (*esc)
			buf_add(b, (char[]){'\\', esc[1]}, 2);
		else
			buf_addf(b, "\\u%04x", c);
		i += step;
		from = i;
	}
	buf_add(b, text.p + from, i - from);
}

void buf_cut(struct buf *b, size_t len)
{
	BUG_ON(len > b->len);
	b->len = len;
	if (b->data)
		b->data[len] = 0;
}

void buf_drop(struct buf *b, size_t n)
{
	BUG_ON(n > b->len);
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len + 1);
}

int buf_check(const struct buf *b, const char *what, struct err *e)
{
	switch (b->failed) {
	case BUF_FINE:
		return 0;
	case BUF_NOMEM:
		return err_set(e, ERR_NOMEM, "out of memory for %s", what);
	default:
		return err_set(e, ERR_TOO_LARGE, "%s is larger than the allowed %zu bytes", what, b->cap);
	}
}

char *buf_take(struct buf *b)
{
	char *data = b->data;

	if (b->failed) {
		buf_release(b);
		return NULL;
	}
	if (!data) {
		data = mem_alloc(1);
		if (data)
			data[0] = 0;
	}
	buf_init(b, b->cap);
	return data;
}
