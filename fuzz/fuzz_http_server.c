/* Bytes from a client into the request parser: the first byte says in what pieces. However they are cut, the same
 * requests come out, and what an accepted head holds is what the rules of parser.h allow. */
#include <stdint.h>
#include <string.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/parser.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
	struct parser parser;
	struct buf all; /* everything that came out */
};

static void on_body(struct parser *p, struct span piece)
{
	struct reading *r = container_of(p, struct reading, parser);
	buf_addspan(&r->all, piece);
}

static void check_head(struct reading *r)
{
	struct parser *p = &r->parser;
	const char *coding = parser_header(p, "transfer-encoding"), *length = parser_header(p, "content-length");
	cleanup_buf struct buf path = BUF_INIT(CAP_HTTP_TARGET), value = BUF_INIT(CAP_HTTP_TARGET);
	struct span raw, query;
	BUG_ON(coding && length);
	BUG_ON(p->length < -1 || (p->length == -1) != (coding != NULL));
	BUG_ON(p->minor == 1 && !parser_header(p, "host"));
	buf_addf(&r->all, "<%s %s %d %lld %d>", parser_method(p), buf_span(&p->target).p, p->minor,
		(long long)p->length, p->keep_alive);
	if (url_split(buf_span(&p->target), &raw, &query, NULL) == 0 && url_path(raw, &path, NULL) == 0) {
		BUG_ON(path.data[0] != '/' || strlen(path.data) != path.len);
		BUG_ON(strstr(path.data, "/../") || strstr(path.data, "/./"));
		url_query(query, "a", &value, NULL);
	}
}

static void read_all(struct reading *r, struct span bytes, size_t step)
{
	enum parser_step got = PARSER_MORE;
	parser_init(&r->parser);
	r->parser.on_body = on_body;
	buf_init(&r->all, 64 * MIB);
	while (got != PARSER_BAD && bytes.n > 0) {
		struct span in = span_n(bytes.p, bytes.n < step ? bytes.n : step);
		size_t given = in.n;
		do {
			got = parser_feed(&r->parser, &in, NULL);
			if (got == PARSER_HEAD) {
				check_head(r);
			} else if (got == PARSER_END) {
				buf_adds(&r->all, "<end>");
				parser_next(&r->parser);
				r->parser.on_body = on_body;
			}
		} while (got == PARSER_HEAD || (got == PARSER_END && in.n > 0));
		BUG_ON(got == PARSER_MORE && in.n > 0);
		bytes = span_n(bytes.p + (given - in.n), bytes.n - (given - in.n));
	}
	if (got == PARSER_BAD) {
		BUG_ON(r->parser.status < 400 || r->parser.status > 505);
		buf_adds(&r->all, "<refused>");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading whole, cut;
	if (size < 1)
		return 0;
	struct span bytes = span_n((const char *)data + 1, size - 1);
	read_all(&whole, bytes, bytes.n ? bytes.n : 1);
	read_all(&cut, bytes, (size_t)data[0] % 64 + 1);
	if (!span_eq(buf_span(&whole.all), buf_span(&cut.all)))
		BUG("cut differently, read differently: %s / %s", buf_span(&whole.all).p, buf_span(&cut.all).p);
	parser_release(&whole.parser);
	parser_release(&cut.parser);
	buf_release(&whole.all);
	buf_release(&cut.all);
	return 0;
}
