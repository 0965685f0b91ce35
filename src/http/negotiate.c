#include "http/negotiate.h"

#include <string.h>
#include <strings.h>

#include "base/utf8.h"

/* Purpose: small lists, read element by element. */

static const struct {
	const char *name;
	int coding;
} codings[] = {{"br", CODING_BROTLI}, {"gzip", CODING_GZIP}, {"x-gzip", CODING_GZIP}, {"identity", CODING_IDENTITY}};

static bool same(struct span a, const char *word)
{
	return a.n == strlen(word) && strncasecmp(a.p, word, a.n) == 0;
}

/* Cut the part before the separator off. */
static struct span cut(struct span *rest, char separator)
{
	const char *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
	size_t n = at ? (size_t)(at - rest->p) : rest->n;
	struct span out = span_trim(span_n(rest->p, n));
	*rest = at ? span_n(at + 1, rest->n - n - 1) : SPAN_NONE;
	return out;
}

/* A weight in thousandths (RFC 9110 12.4.2); what is none is 0. */
static int weight(struct span params)
{
	struct span value = span_trim(params);
	if (!value.n)
		return 1000;
	if (value.n < 3 || value.n > 7 || (value.p[0] | 32) != 'q' || value.p[1] != '=' || value.p[2] < '0' ||
		value.p[2] > '1' || (value.n > 3 && value.p[3] != '.'))
		return 0;
	int q = (value.p[2] - '0') * 1000;
	for (size_t i = 4, part = 100; i < value.n; i++, part /= 10) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return 0;
		q += (value.p[i] - '0') * (int)part;
	}
	return q <= 1000 ? q : 0;
}

int negotiate_coding(const char *header, int offered)
{
	struct span rest = span_of(header);
	int q[CODING_BROTLI + 1] = {[CODING_IDENTITY] = 1}, others = 0; /* identity is always better than nothing */
	bool named[CODING_BROTLI + 1] = {false};
	while (rest.n > 0) {
		struct span params = cut(&rest, ','), name = cut(&params, ';');
		int w = weight(params);
		if (same(name, "*"))
			others = w;
		for (size_t i = 0; i < sizeof(codings) / sizeof(*codings); i++)
			if (same(name, codings[i].name)) {
				q[codings[i].coding] = w;
				named[codings[i].coding] = true;
			}
	}
	int best = CODING_IDENTITY, most = 0;
	for (int coding = CODING_IDENTITY; coding <= CODING_BROTLI; coding *= 2) {
		int w = named[coding] || (coding == CODING_IDENTITY && !others) ? q[coding] : others;
		if (offered & coding && w > 0 && w >= most) {
			most = w;
			best = coding;
		}
	}
	return best;
}

bool negotiate_unchanged(const char *header, const char *etag)
{
	struct span rest = span_of(header);
	while (rest.n > 0) {
		struct span one = cut(&rest, ',');
		if (span_starts(one, "W/"))
			one = span_n(one.p + 2, one.n - 2);
		if (span_is(one, etag) || span_is(one, "*"))
			return true;
	}
	return false;
}

/* Digits alone: the number, at most INT64_MAX; -1 when it is none. */
static int64_t number(struct span text)
{
	int64_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return -1;
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, text.p[i] - '0', &n))
			n = INT64_MAX / 10 - 1; /* beyond any file, also after more digits */
	}
	return text.n ? n : -1;
}

enum range negotiate_range(
	const char *range, const char *if_range, const char *etag, int64_t size, int64_t *from, int64_t *length)
{
	struct span last = span_of(range), first;
	*from = 0;
	*length = size;
	if (!range || strncasecmp(range, "bytes=", 6) != 0 || (if_range && strcmp(if_range, etag) != 0))
		return RANGE_ALL;
	last = span_trim(span_n(last.p + 6, last.n - 6));
	if (!memchr(last.p, '-', last.n))
		return RANGE_ALL;
	first = cut(&last, '-');
	int64_t a = number(first), b = number(span_trim(last));
	if ((first.n && a < 0) || (last.n && b < 0) || (!first.n && !last.n) || (first.n && last.n && b < a))
		return RANGE_ALL; /* malformed, or several */
	if (first.n ? a >= size : b == 0 || size == 0)
		return RANGE_NONE;
	*from = first.n ? a : b < size ? size - b : 0;
	*length = (first.n && last.n && b < size ? b + 1 : size) - *from;
	return RANGE_PART;
}

/* Marks that turn the writing direction, and what is not seen. */
static bool misleads(uint32_t c)
{
	return c < 32 || (c >= 127 && c < 160) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

void negotiate_disposition(const char *kind, struct span name, struct buf *out)
{
	cleanup_buf struct buf safe = BUF_INIT(4 * name.n + 16);
	size_t from = name.n;
	while (from > 0 && name.p[from - 1] != '/' && name.p[from - 1] != '\\')
		from--;
	for (name = span_n(name.p + from, name.n - from); name.n > 0;) {
		uint32_t c;
		size_t n = utf8_char(name, &c);
		if (c == UTF8_BAD || misleads(c))
			buf_addc(&safe, '_');
		else
			buf_add(&safe, name.p, n);
		name = span_n(name.p + n, name.n - n);
	}
	if (safe.len == 0 || span_is(buf_span(&safe), ".") || span_is(buf_span(&safe), "..")) {
		buf_cut(&safe, 0);
		buf_adds(&safe, "_");
	}
	buf_addf(out, "%s; filename=\"", kind);
	for (size_t i = 0; i < safe.len; i++) {
		unsigned char c = (unsigned char)safe.data[i];
		if ((c & 0xc0) != 0x80) /* one _ for each character that a quoted string of ASCII cannot have */
			buf_addc(out, c < 127 && !strchr("\"\\%;", c) ? (char)c : '_');
	}
	buf_adds(out, "\"; filename*=UTF-8''");
	for (size_t i = 0; i < safe.len; i++) {
		unsigned char c = (unsigned char)safe.data[i];
		if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || strchr("!#$&+-.^_`|~", c))
			buf_addc(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
	if (safe.failed)
		out->failed = safe.failed;
}
