#include "http/parser.h"

#include <string.h>
#include <strings.h>

#include "base/caps.h"
#include "base/list.h"

/* Purpose: llhttp with a scanner before it and checks behind it.
 *
 * The scanner finds the end of the head by itself and looks at its lines (llhttp accepts folded ones and counts
 * nothing), so that llhttp is given exactly the head first. llhttp's callbacks collect names and values into one
 * buffer, pause at the end of the head and of the message. Names are kept in lower case.
 *
 * Failure modes: all end in PARSER_BROKEN with an HTTP status and a message for the client. */

enum { IN_NOTHING, IN_NAME, IN_VALUE };

struct header_at {
	uint32_t name, value; /* offsets into text, each NUL-terminated */
};

/* Remembers the first refusal; -1. */
static int refuse(struct parser *p, int status, enum err_code code, const char *words)
{
	if (p->status == 0) {
		p->status = status;
		p->code = code;
		p->words = words;
	}
	return -1;
}

/* ---- the scanner ---- */

/* How many bytes of in belong to the head, *whole when it ends there. -1: refused. */
static int scan(struct parser *p, struct span in, size_t *n, bool *whole)
{
	*whole = false;
	for (*n = 0; *n < in.n && !*whole; (*n)++) {
		unsigned char c = (unsigned char)in.p[*n];
		if (++p->head_bytes > CAP_HTTP_HEAD)
			return refuse(p, 431, ERR_TOO_LARGE, "the request's head is too large");
		if (p->lines == 0 && p->line > CAP_HTTP_TARGET)
			return refuse(p, 414, ERR_TOO_LARGE, "the request's URL is too long");
		if ((c == '\n') != (p->last == '\r'))
			return refuse(p, 400, ERR_PARSE, "a line of the request's head does not end with CR LF");
		if (c == '\n') {
			*whole = p->line == 1 && p->lines > 0;
			p->lines += p->line > 1; /* empty lines before the first are passed over, RFC 9112 2.2 */
			p->line = 0;
		} else {
			if (p->line == 0 && p->lines > 0 && (c == ' ' || c == '\t'))
				return refuse(
					p, 400, ERR_PARSE, "a header of the request is folded over several lines");
			if ((c < 32 && c != '\t' && c != '\r') || c == 127)
				return refuse(p, 400, ERR_PARSE, "the request's head holds a control byte");
			if (p->lines == 0 && c == ' ' && p->last == ' ')
				return refuse(p, 400, ERR_PARSE, "the request line has more than one space in a row");
			p->line++;
		}
		p->last = (char)c;
	}
	return 0;
}

/* ---- what llhttp calls ---- */

static struct parser *self(llhttp_t *h)
{
	return h->data;
}

static int on_url(llhttp_t *h, const char *at, size_t n)
{
	buf_add(&self(h)->target, at, n);
	return 0;
}

static void value_end(struct parser *p)
{
	if (p->part != IN_VALUE)
		return;
	while (p->text.len > 0 && (p->text.data[p->text.len - 1] == ' ' || p->text.data[p->text.len - 1] == '\t'))
		buf_cut(&p->text, p->text.len - 1);
	buf_addc(&p->text, 0);
	p->part = IN_NOTHING;
}

static int on_name(llhttp_t *h, const char *at, size_t n)
{
	struct parser *p = self(h);
	if (p->place != PARSER_IN_HEAD) /* a trailer: not used */
		return 0;
	value_end(p);
	if (p->part == IN_NOTHING) {
		struct header_at place = {.name = (uint32_t)p->text.len};
		if (p->index.len / sizeof(place) >= CAP_HTTP_HEADERS)
			return refuse(p, 431, ERR_TOO_LARGE, "the request has too many headers");
		buf_add(&p->index, &place, sizeof(place));
		p->part = IN_NAME;
	}
	for (size_t i = 0; i < n; i++)
		buf_addc(&p->text, at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] | 32) : at[i]);
	return 0;
}

static int on_name_end(llhttp_t *h)
{
	struct parser *p = self(h);
	if (p->place != PARSER_IN_HEAD || p->index.failed || p->text.failed)
		return 0;
	struct header_at *at = (struct header_at *)(void *)(p->index.data + p->index.len) - 1;
	if (p->part != IN_NAME || at->name == p->text.len)
		return refuse(p, 400, ERR_PARSE, "a header of the request has no name");
	buf_addc(&p->text, 0);
	at->value = (uint32_t)p->text.len;
	p->part = IN_VALUE;
	return 0;
}

static int on_value(llhttp_t *h, const char *at, size_t n)
{
	struct parser *p = self(h);
	if (p->place == PARSER_IN_HEAD)
		buf_add(&p->text, at, n);
	return 0;
}

static int on_value_end(llhttp_t *h)
{
	struct parser *p = self(h);
	if (p->place == PARSER_IN_HEAD)
		value_end(p);
	return 0;
}

static int head_check(struct parser *p)
{
	llhttp_t *h = &p->http;
	if (p->text.failed || p->index.failed || p->target.failed)
		return refuse(p, 503, ERR_NOMEM, "out of memory");
	const char *coding = parser_header(p, "transfer-encoding"), *expect = parser_header(p, "expect");
	if (h->http_major != 1 || h->http_minor > 1)
		return refuse(p, 505, ERR_INVALID, "only HTTP/1.1 and HTTP/1.0 are spoken here");
	if (parser_header_count(p, "host") > 1 || (parser_header_count(p, "host") == 0 && h->http_minor == 1))
		return refuse(p, 400, ERR_INVALID, "the request must have one Host header");
	if (parser_header_count(p, "content-length") > 1 || parser_header_count(p, "transfer-encoding") > 1 ||
		(coding && parser_header(p, "content-length")))
		return refuse(p, 400, ERR_INVALID, "the request says more than once how long it is");
	if (coding && h->http_minor == 0)
		return refuse(p, 400, ERR_INVALID, "HTTP/1.0 knows no Transfer-Encoding");
	if (coding && strcasecmp(coding, "chunked") != 0)
		return refuse(p, 501, ERR_INVALID, "only the transfer coding chunked is understood");
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return refuse(p, 417, ERR_INVALID, "only Expect: 100-continue is understood");
	if (h->content_length > INT64_MAX) /* a uint64_t of llhttp's */
		return refuse(p, 400, ERR_INVALID, "no body is as long as the request says");
	p->minor = h->http_minor;
	p->length = coding ? -1 : parser_header(p, "content-length") ? (int64_t)h->content_length : 0;
	p->expects_continue = expect && p->minor == 1;
	p->keep_alive = llhttp_should_keep_alive(h);
	return 0;
}

static int on_head_end(llhttp_t *h)
{
	struct parser *p = self(h);
	value_end(p);
	if (head_check(p) != 0)
		return -1;
	h->upgrade = 0; /* no other protocol is offered: RFC 9110 7.8 lets us ignore the wish */
	p->place = PARSER_IN_BODY;
	return HPE_PAUSED;
}

static int on_body(llhttp_t *h, const char *at, size_t n)
{
	struct parser *p = self(h);
	p->body_bytes += n;
	p->on_body(p, span_n(at, n));
	return 0;
}

static int on_end(llhttp_t *h)
{
	self(h)->place = PARSER_AT_END;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_name,
	.on_header_field_complete = on_name_end,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_end,
	.on_headers_complete = on_head_end,
	.on_body = on_body,
	.on_message_complete = on_end,
};

/* ---- life ---- */

static void reset(struct parser *p)
{
	llhttp_init(&p->http, HTTP_REQUEST, &settings);
	p->http.data = p; /* after init, which zeroes it */
	p->place = PARSER_IN_HEAD;
	p->status = p->minor = p->part = 0;
	p->length = 0;
	p->keep_alive = p->expects_continue = false;
	p->head_bytes = p->line = p->lines = p->body_bytes = p->other_bytes = 0;
	p->last = 0;
}

void parser_init(struct parser *p)
{
	buf_init(&p->target, CAP_HTTP_TARGET);
	buf_init(&p->text, CAP_HTTP_HEAD + CAP_HTTP_HEADERS * 2);
	buf_init(&p->index, CAP_HTTP_HEADERS * sizeof(struct header_at));
	p->on_body = NULL;
	reset(p);
}

void parser_release(struct parser *p)
{
	buf_release(&p->target);
	buf_release(&p->text);
	buf_release(&p->index);
}

void parser_next(struct parser *p)
{
	parser_release(p); /* an idle connection holds nothing */
	reset(p);
}

/* ---- feeding ---- */

static enum parser_step broken(struct parser *p, struct err *e)
{
	p->place = PARSER_BROKEN;
	refuse(p, 400, ERR_PARSE, "the request is malformed");
	err_set(e, p->code, "%s", p->words);
	return PARSER_BAD;
}

static enum parser_step feed_head(struct parser *p, struct span *in, struct err *e)
{
	size_t n;
	bool whole;
	int rc = scan(p, *in, &n, &whole);
	enum llhttp_errno got = rc == 0 ? llhttp_execute(&p->http, in->p, n) : HPE_USER;
	if (rc != 0 || (got != HPE_OK && got != HPE_PAUSED) || whole != (p->place == PARSER_IN_BODY)) {
		if (rc == 0 && p->status == 0 && got == HPE_INVALID_METHOD)
			refuse(p, 400, ERR_PARSE, "the request's method is not one of HTTP's");
		return broken(p, e);
	}
	*in = span_n(in->p + n, in->n - n);
	return whole ? PARSER_HEAD : PARSER_MORE;
}

static enum parser_step feed_body(struct parser *p, struct span *in, struct err *e)
{
	size_t before = p->body_bytes;
	if (llhttp_get_errno(&p->http) == HPE_PAUSED)
		llhttp_resume(&p->http);
	enum llhttp_errno got = llhttp_execute(&p->http, in->p, in->n);
	size_t used = in->n;
	if (got == HPE_PAUSED)
		used = (size_t)(llhttp_get_error_pos(&p->http) - in->p);
	else if (got != HPE_OK)
		return broken(p, e);
	/* Chunk sizes, their extensions and trailers may not outweigh the body without end. */
	p->other_bytes += used - (p->body_bytes - before);
	if (p->length < 0 && p->other_bytes > CAP_HTTP_HEAD + 16 * p->body_bytes) {
		refuse(p, 400, ERR_TOO_LARGE, "the request's chunks hold hardly any data");
		return broken(p, e);
	}
	*in = span_n(in->p + used, in->n - used);
	return p->place == PARSER_AT_END ? PARSER_END : PARSER_MORE;
}

enum parser_step parser_feed(struct parser *p, struct span *in, struct err *e)
{
	static const char nothing[1]; /* llhttp compares positions: a NULL span gets one */
	if (!in->p)
		in->p = nothing;
	switch (p->place) {
	case PARSER_IN_HEAD:
		return feed_head(p, in, e);
	case PARSER_IN_BODY:
		return feed_body(p, in, e);
	case PARSER_AT_END:
		return PARSER_END;
	default:
		return broken(p, e);
	}
}

const char *parser_method(const struct parser *p)
{
	return llhttp_method_name((llhttp_method_t)p->http.method);
}

size_t parser_header_count(const struct parser *p, const char *name)
{
	const struct header_at *at = (const struct header_at *)(const void *)p->index.data;
	size_t n = 0;
	for (size_t i = 0; i < p->index.len / sizeof(*at); i++)
		n += strcmp(p->text.data + at[i].name, name) == 0;
	return n;
}

const char *parser_header_nth(const struct parser *p, const char *name, size_t n)
{
	const struct header_at *at = (const struct header_at *)(const void *)p->index.data;
	for (size_t i = 0; i < p->index.len / sizeof(*at); i++)
		if (strcmp(p->text.data + at[i].name, name) == 0 && n-- == 0)
			return p->text.data + at[i].value;
	return NULL;
}

const char *parser_header(const struct parser *p, const char *name)
{
	return parser_header_nth(p, name, 0);
}
