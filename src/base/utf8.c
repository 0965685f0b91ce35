/* utf8: one decoder, and what is built on it. Plain ASCII, the common case, is skipped eight bytes at a time. */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#define BINARY_LOOK 8192

size_t utf8_char(struct span s, uint32_t *cp)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned char low = 0x80, high = 0xBF; /* bounds of the second byte: RFC 3629, section 4 */
	uint32_t c = p[0];
	size_t len, i;

	*cp = UTF8_BAD;
	if (c < 0x80) {
		*cp = c;
		return 1;
	}
	if (c >= 0xC2 && c <= 0xDF) {
		len = 2;
		c &= 0x1F;
	} else if (c >= 0xE0 && c <= 0xEF) {
		len = 3;
		low = c == 0xE0 ? 0xA0 : 0x80;
		high = c == 0xED ? 0x9F : 0xBF;
		c &= 0x0F;
	} else if (c >= 0xF0 && c <= 0xF4) {
		len = 4;
		low = c == 0xF0 ? 0x90 : 0x80;
		high = c == 0xF4 ? 0x8F : 0xBF;
		c &= 0x07;
	} else {
		return 1;
	}
	for (i = 1; i < len; i++) {
		if (i >= s.n || p[i] < low || p[i] > high)
			return i;
		c = c << 6 | (p[i] & 0x3Fu);
		low = 0x80;
		high = 0xBF;
	}
	*cp = c;
	return len;
}

/* How many ASCII bytes stand at the front (NUL counts as ASCII). */
static size_t ascii_run(struct span s)
{
	size_t i = 0;
	uint64_t w;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&w, s.p + i, 8);
		if (w & 0x8080808080808080u)
			break;
	}
	while (i < s.n && !(s.p[i] & 0x80))
		i++;
	return i;
}

/* Length of the valid text at the front. */
static size_t valid_run(struct span s)
{
	size_t i = 0;
	uint32_t cp;

	for (;;) {
		i += ascii_run(span_n(s.p + i, s.n - i));
		if (i >= s.n)
			return i;
		size_t step = utf8_char(span_n(s.p + i, s.n - i), &cp);
		if (cp == UTF8_BAD)
			return i;
		i += step;
	}
}

bool utf8_valid(struct span s)
{
	return s.n == 0 || valid_run(s) == s.n;
}

void utf8_clean(struct span s, struct buf *out)
{
	uint32_t cp;

	while (s.n) {
		size_t good = valid_run(s), bad = 0;
		buf_add(out, s.p, good);
		if (good < s.n) {
			bad = utf8_char(span_n(s.p + good, s.n - good), &cp);
			buf_adds(out, "\xEF\xBF\xBD");
		}
		s = span_n(s.p + good + bad, s.n - good - bad);
	}
}

size_t utf8_cut(struct span s, size_t n)
{
	uint32_t cp;

	if (n >= s.n)
		return s.n;
	for (size_t back = 1; back <= 3 && back <= n && (s.p[n] & 0xC0) == 0x80; back++) {
		size_t at = n - back;
		if ((s.p[at] & 0xC0) == 0x80)
			continue;
		if (utf8_char(span_n(s.p + at, s.n - at), &cp) > back)
			return at;
		break;
	}
	return n;
}

bool utf8_binary(struct span s)
{
	s.n = utf8_cut(s, BINARY_LOOK);
	return s.n && (memchr(s.p, 0, s.n) || !utf8_valid(s));
}

static bool plain(uint32_t cp, bool keep_lines)
{
	if (cp < 0x20)
		return keep_lines && (cp == '\n' || cp == '\t');
	if (cp >= 0x7F && cp <= 0x9F)
		return false;
	return !(cp >= 0x202A && cp <= 0x202E) && !(cp >= 0x2066 && cp <= 0x2069);
}

void utf8_visible(struct span s, bool keep_lines, struct buf *out)
{
	size_t from = 0, step;
	uint32_t cp;

	for (size_t i = 0; i < s.n; i += step) {
		step = utf8_char(span_n(s.p + i, s.n - i), &cp);
		if (cp != UTF8_BAD && plain(cp, keep_lines))
			continue;
		buf_add(out, s.p + from, i - from);
		if (cp == UTF8_BAD || cp < 0x80)
			for (size_t j = i; j < i + step; j++)
				buf_addf(out, "\\x%02x", (unsigned char)s.p[j]);
		else
			buf_addf(out, "\\u{%04x}", (unsigned)cp);
		from = i + step;
	}
	if (s.n)
		buf_add(out, s.p + from, s.n - from);
}
