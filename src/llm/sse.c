/* sse: complete lines are taken from the input in place; only a line that the input cuts is kept in a buffer. */
#include "llm/sse.h"

#include "base/err.h"

#define BOM "\xEF\xBB\xBF"

void sse_init(struct sse *s, size_t line_cap, int (*on_event)(struct sse *, struct span, struct span, struct err *))
{
	*s = (struct sse){.on_event = on_event};
	buf_init(&s->line, line_cap);
	buf_init(&s->name, 1024);
	buf_init(&s->data, line_cap);
}

void sse_release(struct sse *s)
{
	buf_release(&s->line);
	buf_release(&s->name);
	buf_release(&s->data);
}

static int dispatch(struct sse *s, struct err *e)
{
	struct span data = buf_span(&s->data);
	int rc = 0;

	if (buf_check(&s->data, "an event of the stream", e) || buf_check(&s->name, "an event's name", e))
		return -1;
	if (data.n) /* without data there is no event */
		rc = s->on_event(s, buf_span(&s->name), span_n(data.p, data.n - 1), e);
	buf_clear(&s->name);
	buf_clear(&s->data);
	return rc;
}

static int take_line(struct sse *s, struct span line, struct err *e)
{
	const char *colon;
	struct span field, value = SPAN_NONE;

	if (s->plain)
		return span_trim(line).n ? s->on_event(s, SPAN_NONE, line, e) : 0;
	if (!line.n)
		return dispatch(s, e);
	colon = memchr(line.p, ':', line.n);
	field = span_n(line.p, colon ? (size_t)(colon - line.p) : line.n);
	if (colon) {
		value = span_n(colon + 1, line.n - field.n - 1);
		if (value.n && value.p[0] == ' ')
			value = span_n(value.p + 1, value.n - 1);
	}
	if (span_is(field, "data")) {
		buf_addspan(&s->data, value);
		buf_addc(&s->data, '\n');
		return buf_check(&s->data, "an event of the stream", e);
	}
	if (span_is(field, "event")) {
		buf_clear(&s->name);
		buf_addspan(&s->name, value);
		return buf_check(&s->name, "an event's name", e);
	}
	return 0; /* a comment (no field), id, retry, or unknown */
}

static size_t find_end(struct span s)
{
	const char *lf = memchr(s.p, '\n', s.n);
	size_t n = lf ? (size_t)(lf - s.p) : s.n;
	const char *cr = memchr(s.p, '\r', n);

	return cr ? (size_t)(cr - s.p) : n;
}

/* A byte order mark can only be recognised in the first line, when that is whole. */
static int whole_line(struct sse *s, struct span line, struct err *e)
{
	if (s->lines == 0 && span_starts(line, BOM))
		line = span_n(line.p + 3, line.n - 3);
	s->lines++;
	return take_line(s, line, e);
}

int sse_feed(struct sse *s, struct span bytes, struct err *e)
{
	if (s->cr && bytes.n) {
		s->cr = false;
		if (bytes.p[0] == '\n')
			bytes = span_n(bytes.p + 1, bytes.n - 1);
	}
	while (bytes.n) {
		size_t n = find_end(bytes);
		struct span line = span_n(bytes.p, n);
		int rc;
		if (n == bytes.n) {
			buf_addspan(&s->line, line);
			return buf_check(&s->line, "a line of the stream", e);
		}
		s->cr = bytes.p[n] == '\r';
		bytes = span_n(bytes.p + n + 1, bytes.n - n - 1);
		if (s->cr && bytes.n) {
			s->cr = false;
			if (bytes.p[0] == '\n')
				bytes = span_n(bytes.p + 1, bytes.n - 1);
		}
		if (s->line.len) {
			buf_addspan(&s->line, line);
			if (buf_check(&s->line, "a line of the stream", e))
				return -1;
			line = buf_span(&s->line);
		}
		rc = whole_line(s, line, e);
		buf_clear(&s->line);
		if (rc)
			return -1;
	}
	return 0;
}
