#include "http/multipart.h"

#include <string.h>
#include <strings.h>

#include "base/caps.h"
#include "base/mem.h"

/* Purpose: byte by byte through five places.
 *
 *   PREAMBLE ─delimiter─▶ EDGE ─CR LF─▶ HEAD ─empty line─▶ DATA ─delimiter─▶ EDGE ─"--"─▶ EPILOGUE
 *
 * A delimiter has one CR, its first byte: what does not go on as one can begin one only where it stopped. At the very
 * beginning its CR LF is taken as read. */

enum { PREAMBLE, EDGE, HEAD, DATA, EPILOGUE };

static bool is_boundary(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("'()+_,-./:=? ", c));
}

/* The value of a parameter of a header, unquoted, after name and the other parameters: mem_free it. NULL with nothing
 * in e: it is not there. Of escapes only those of " and \ are known: browsers send the backslashes of a path as they
 * are. */
static char *parameter(const char *header, const char *name, struct err *e)
{
	const char *at = header + strcspn(header, ";");
	while (*at == ';') {
		cleanup_buf struct buf value = BUF_INIT(CAP_MULTIPART_HEAD);
		at += strspn(at, "; \t");
		size_t n = strcspn(at, "=; \t");
		const char *key = at;
		at += n;
		at += strspn(at, " \t");
		bool given = *at == '=';
		at += given ? 1 + strspn(at + 1, " \t") : 0;
		if (given && *at == '"') {
			for (at++; *at && *at != '"'; at++) {
				if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
					at++;
				buf_addc(&value, *at);
			}
			if (!*at++) {
				err_set(e, ERR_PARSE, "a quote is not closed in the head of a part");
				return NULL;
			}
		} else if (given) {
			size_t token = strcspn(at, "; \t");
			buf_add(&value, at, token);
			at += token;
		}
		at += strspn(at, " \t");
		if (*at && *at != ';')
			break;
		if (n == strlen(name) && strncasecmp(key, name, n) == 0) {
			char *out = buf_take(&value);
			if (!out)
				err_nomem(e);
			return out;
		}
	}
	if (*at)
		err_set(e, ERR_PARSE, "the parameters in the head of a part are malformed");
	return NULL;
}

int multipart_init(struct multipart *m, const char *content_type, int max_parts, struct err *e)
{
	static const char form[] = "multipart/form-data";
	struct err wrong = ERR_INIT;
	size_t n = sizeof(form) - 1;
	bool is_form = content_type && strncasecmp(content_type, form, n) == 0 && strchr("; \t", content_type[n]);
	cleanup_free char *boundary = is_form ? parameter(content_type, "boundary", &wrong) : NULL;
	*m = (struct multipart){.max_parts = max_parts, .matched = 2};
	buf_init(&m->head, CAP_MULTIPART_HEAD);
	if (wrong.code == ERR_NOMEM)
		return err_nomem(e);
	size_t length = boundary ? strlen(boundary) : 0;
	for (size_t i = 0; i < length; i++)
		if (!is_boundary(boundary[i]))
			length = 0;
	if (length == 0 || length > MULTIPART_BOUNDARY || boundary[length - 1] == ' ')
		return err_set(e, ERR_MEDIA_TYPE, "the body must be multipart/form-data, with a boundary");
	memcpy(m->delimiter, "\r\n--", 4);
	memcpy(m->delimiter + 4, boundary, length + 1);
	m->length = 4 + length;
	return 0;
}

void multipart_release(struct multipart *m)
{
	buf_release(&m->head);
}

/* ---- the head of a part ---- */

static int part_begin(struct multipart *m, struct err *e)
{
	struct span rest = buf_span(&m->head), line;
	cleanup_free char *name = NULL, *filename = NULL, *type = NULL;
	struct err wrong = ERR_INIT;
	while (span_line(&rest, &line)) {
		cleanup_free char *text = span_dup(line);
		if (!text)
			return err_nomem(e);
		if (strlen(text) != line.n)
			return err_set(e, ERR_PARSE, "the head of a part holds a NUL");
		if (strncasecmp(text, "content-type:", 13) == 0 && !type) {
			if (!(type = span_dup(span_trim(span_of(text + 13)))))
				return err_nomem(e);
		} else if (strncasecmp(text, "content-disposition:", 20) == 0 && !name && !filename) {
			const char *value = text + 20 + strspn(text + 20, " \t");
			if (strncasecmp(value, "form-data", 9) == 0)
				name = parameter(value, "name", &wrong);
			if (!wrong.code)
				filename = parameter(value, "filename", &wrong);
		}
	}
	if (wrong.code)
		return err_set(e, wrong.code, "%s", wrong.text);
	if (!name)
		return err_set(e, ERR_PARSE, "a part of the form has no name");
	if (++m->parts > m->max_parts)
		return err_set(e, ERR_TOO_LARGE, "the form may have at most %d parts", m->max_parts);
	buf_clear(&m->head);
	m->place = DATA;
	m->matched = 0;
	const struct multipart_part part = {name, filename, type && *type ? type : "text/plain"};
	return m->on_part(m->ctx, &part, e);
}

static int head_byte(struct multipart *m, char c, struct err *e)
{
	buf_addc(&m->head, c);
	if (m->head.failed)
		return buf_check(&m->head, "the head of a part", e);
	struct span all = buf_span(&m->head);
	return span_is(all, "\r\n") || span_ends(all, "\r\n\r\n") ? part_begin(m, e) : 0;
}

/* After a delimiter: "--", or white space and the end of the line. */
static int edge_byte(struct multipart *m, char c, struct err *e)
{
	buf_addc(&m->head, c);
	struct span all = buf_span(&m->head);
	if (span_is(all, "--")) {
		m->place = EPILOGUE;
	} else if (span_ends(all, "\r\n") && span_trim(all).n == 0) {
		m->place = HEAD;
	} else if (m->head.len > 64 || (c != ' ' && c != '\t' && c != '\r' && !span_is(all, "-"))) {
		return err_set(e, ERR_PARSE, "a boundary of the form goes on where it should end");
	} else {
		return 0;
	}
	buf_clear(&m->head);
	return 0;
}

/* ---- data ---- */

static int delimited(struct multipart *m, struct err *e)
{
	int place = m->place;
	m->place = EDGE;
	m->matched = 0;
	return place == DATA ? m->on_part_end(m->ctx, e) : 0;
}

static int data_out(struct multipart *m, struct span bytes, struct err *e)
{
	return m->place == DATA && bytes.n ? m->on_bytes(m->ctx, bytes, e) : 0;
}

/* From the front of *in, as long as it is data or a delimiter. */
static int data_take(struct multipart *m, struct span *in, struct err *e)
{
	if (m->matched == 0) {
		const char *cr = memchr(in->p, '\r', in->n);
		size_t n = cr ? (size_t)(cr - in->p) : in->n;
		struct span plain = span_n(in->p, n);
		*in = span_n(in->p + n, in->n - n);
		if (data_out(m, plain, e) != 0)
			return -1;
	}
	while (in->n > 0 && in->p[0] == m->delimiter[m->matched]) {
		*in = span_n(in->p + 1, in->n - 1);
		if (++m->matched == m->length)
			return delimited(m, e);
	}
	if (in->n == 0 || m->matched == 0)
		return 0;
	/* It was data after all. */
	size_t n = m->matched;
	m->matched = 0;
	return data_out(m, span_n(m->delimiter, n), e);
}

int multipart_feed(struct multipart *m, struct span in, struct err *e)
{
	while (in.n > 0 && m->place != EPILOGUE) {
		if (m->place == PREAMBLE || m->place == DATA) {
			if (data_take(m, &in, e) != 0)
				return -1;
			continue;
		}
		char c = in.p[0];
		in = span_n(in.p + 1, in.n - 1);
		if ((m->place == HEAD ? head_byte : edge_byte)(m, c, e) != 0)
			return -1;
	}
	return 0;
}

int multipart_end(const struct multipart *m, struct err *e)
{
	return m->place == EPILOGUE ? 0 : err_set(e, ERR_PARSE, "the form is cut off: its last boundary is missing");
}
