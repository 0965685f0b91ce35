#include "http/url.h"

#include "base/caps.h"
#include "base/utf8.h"

/* Purpose: one reading of a target. What cannot be read in exactly one way is refused. */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void url_encode(const char *text, struct buf *out)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	for (; *text; text++)
		buf_addf(out, strchr(plain, *text) ? "%c" : "%%%02X", (unsigned char)*text);
}

int url_decode(struct span text, bool plus, struct buf *out, struct err *e)
{
	size_t from = out->len;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '%') {
			int high = i + 2 < text.n ? hex(text.p[i + 1]) : -1, low = high < 0 ? -1 : hex(text.p[i + 2]);
			if (low < 0)
				return err_set(e, ERR_INVALID, "a %% in the URL is not followed by two hex digits");
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == 0)
			return err_set(e, ERR_INVALID, "the URL holds a NUL");
		buf_addc(out, c);
	}
	if (buf_check(out, "the URL", e) != 0)
		return -1;
	if (!utf8_valid(span_n(buf_span(out).p + from, out->len - from)))
		return err_set(e, ERR_INVALID, "the URL is not UTF-8");
	return 0;
}

int url_split(struct span target, struct span *path, struct span *query, struct err *e)
{
	bool absolute = span_starts(target, "http://") || span_starts(target, "https://");
	if ((!absolute && !span_starts(target, "/")) || span_find(target, span_of("#"), 0) != (size_t)-1)
		return err_set(e, ERR_INVALID, "the request's target is no path");
	if (absolute) {
		size_t end = span_find(target, span_of("://"), 0) + 3;
		while (end < target.n && target.p[end] != '/' && target.p[end] != '?')
			end++;
		target = span_n(target.p + end, target.n - end);
	}
	size_t mark = span_find(target, span_of("?"), 0);
	*path = span_n(target.p, mark == (size_t)-1 ? target.n : mark);
	if (path->n == 0)
		*path = span_of("/"); /* RFC 9110 4.2.3 */
	*query = mark == (size_t)-1 ? SPAN_NONE : span_n(target.p + mark + 1, target.n - mark - 1);
	return 0;
}

int url_path(struct span path, struct buf *out, struct err *e)
{
	size_t from = out->len;
	if (url_decode(path, false, out, e) != 0)
		return -1;
	struct span rest = span_n(out->data + from, out->len - from);
	while (rest.n > 0) {
		size_t slash = span_find(rest, span_of("/"), 0);
		struct span segment = span_n(rest.p, slash == (size_t)-1 ? rest.n : slash);
		if (span_is(segment, ".") || span_is(segment, ".."))
			return err_set(e, ERR_INVALID, "the URL's path holds a segment of dots");
		if (slash == (size_t)-1)
			break;
		rest = span_n(rest.p + slash + 1, rest.n - slash - 1);
	}
	return 0;
}

int url_query(struct span query, const char *name, struct buf *out, struct err *e)
{
	while (query.n > 0) {
		size_t end = span_find(query, span_of("&"), 0);
		struct span pair = span_n(query.p, end == (size_t)-1 ? query.n : end);
		query = end == (size_t)-1 ? SPAN_NONE : span_n(query.p + end + 1, query.n - end - 1);
		size_t equals = span_find(pair, span_of("="), 0);
		struct span key = span_n(pair.p, equals == (size_t)-1 ? pair.n : equals);
		cleanup_buf struct buf decoded = BUF_INIT(CAP_HTTP_TARGET);
		if (url_decode(key, true, &decoded, e) != 0)
			return -1;
		if (!span_is(buf_span(&decoded), name))
			continue;
		struct span value = equals == (size_t)-1 ? SPAN_NONE : span_n(pair.p + equals + 1, pair.n - equals - 1);
		return url_decode(value, true, out, e) == 0 ? 1 : -1;
	}
	return 0;
}
