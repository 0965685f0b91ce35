/* The request parser: the same result however the bytes are cut, and a refusal for whatever could be read in two ways.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/mem.h"
#include "http/parser.h"

static struct err e;
static struct buf body;

static void on_body(struct parser *p, struct span piece)
{
	(void)p;
	buf_addspan(&body, piece);
}

/* Feeds text in pieces of `step` bytes; PARSER_END, BAD, or MORE when it needs more than there is. */
static enum parser_step parse(struct parser *p, struct span text, size_t step, size_t *used)
{
	enum parser_step got = PARSER_MORE;
	buf_clear(&body);
	p->on_body = on_body;
	*used = 0;
	while (*used < text.n) {
		struct span in = span_n(text.p + *used, text.n - *used < step ? text.n - *used : step);
		size_t n = in.n;
		do
			got = parser_feed(p, &in, &e);
		while (got == PARSER_HEAD);
		*used += n - in.n;
		if (got != PARSER_MORE)
			return got;
		assert_int_equal(in.n, 0);
	}
	return got;
}

static const char get[] =
	"\r\n\r\nGET /a/b?c=d HTTP/1.1\r\nHost: h\r\nX-Long:  a b\t \r\nEMPTY:\r\nx-long: second\r\n\r\n";
static const char post[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello world";
static const char chunked[] = "PUT /x HTTP/1.1\r\nhost: h\r\nTransfer-Encoding: Chunked \r\n\r\n"
			      "5\r\nhello\r\n006;a=b\r\n world\r\n0\r\nTrailer: x\r\n\r\n";

static void test_every_cut(void **state)
{
	(void)state;
	const char *texts[] = {get, post, chunked};
	for (int i = 0; i < 3; i++) {
		char twice[1024]; /* pipelined */
		snprintf(twice, sizeof(twice), "%s%s", texts[i], texts[i]);
		for (size_t step = 1; step <= strlen(twice); step++) {
			struct parser p;
			size_t used, at = 0;
			parser_init(&p);
			for (int round = 0; round < 2; round++) {
				struct span text = span_n(twice + at, strlen(twice) - at);
				if (parse(&p, text, step, &used) != PARSER_END)
					fail_msg("text %d, step %zu: %s", i, step, e.text);
				at += used;
				assert_int_equal(used, strlen(texts[i]));
				assert_string_equal(parser_header(&p, "host"), "h");
				assert_true(p.keep_alive);
				if (i == 0) {
					assert_string_equal(parser_method(&p), "GET");
					assert_true(span_is(buf_span(&p.target), "/a/b?c=d"));
					assert_string_equal(parser_header(&p, "x-long"), "a b");
					assert_string_equal(parser_header(&p, "empty"), "");
					assert_null(parser_header(&p, "x-lon"));
					assert_int_equal(p.length, 0);
				} else {
					assert_int_equal(p.length, i == 1 ? 11 : -1);
					assert_true(span_is(buf_span(&body), "hello world"));
				}
				parser_next(&p);
			}
			parser_release(&p);
		}
	}
	buf_release(&body);
}

static void test_connection_wishes(void **state)
{
	(void)state;
	const struct {
		const char *text;
		bool keep, go_on;
	} cases[] = {
		{"GET / HTTP/1.0\r\n\r\n", false, false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, false},
		{"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false, false},
		{"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", true, false},
		{"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", true, true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct parser p;
		size_t used;
		parser_init(&p);
		assert_int_equal(parse(&p, span_of(cases[i].text), 1000, &used), PARSER_END);
		assert_int_equal(p.keep_alive, cases[i].keep);
		assert_int_equal(p.expects_continue, cases[i].go_on);
		parser_release(&p);
	}
	buf_release(&body);
}

#define H "POST / HTTP/1.1\r\nHost: h\r\n"

static void test_refusals(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		/* two lengths */
		{H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
		{H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
		{H "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400},
		{H "Content-Length: 5, 5\r\n\r\nhello", 400},
		{H "Content-Length: +5\r\n\r\nhello", 400},
		{H "Content-Length: -5\r\n\r\nhello", 400},
		{H "Content-Length: 0x5\r\n\r\nhello", 400},
		{H "Content-Length: 5 5\r\n\r\nhello", 400},
		{H "Content-Length:\r\n\r\n", 400},
		{H "Content-Length: 99999999999999999999999\r\n\r\nhello", 400},
		{H "Content-Length: 16043542663528292996\r\n\r\nhello", 400},
		{H "Content-Length : 5\r\n\r\nhello", 400},
		{H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 0},
		{H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
		{H "Transfer-Encoding: identity\r\n\r\n", 0},
		{H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0},
		{H "Transfer-Encoding: chunked;a\r\n\r\n0\r\n\r\n", 0},
		{H "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 0},
		{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		/* lines */
		{"GET / HTTP/1.1\nHost: h\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
		{"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", 400},
		{"\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		{H "X: a\r\n b\r\n\r\n", 400},
		{H "X:\r\n\tb\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
		{H "X Y: a\r\n\r\n", 400},
		{H ": a\r\n\r\n", 400},
		{H "novalue\r\n\r\n", 400},
		{H "X: a\x01\r\n\r\n", 400},
		{H "X: a\x7f\r\n\r\n", 400},
		/* request lines */
		{"\x16\x03\x01\x02", 400},
		{"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		{"get / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		{"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		{"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400},
		{"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		{"GET / HTTP/1.2\r\nHost: h\r\n\r\n", 0},
		{"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
		{"GET / HTTP/0.9\r\n\r\n", 505},
		{"GET /\r\n\r\n", 0},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
		/* hosts, expectations */
		{"GET / HTTP/1.1\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{H "Expect: tea\r\n\r\n", 417},
		/* chunks */
		{H "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n", 400},
		{H "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n", 400},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (size_t step = 1; step <= strlen(cases[i].text); step += step < 3 ? 1 : strlen(cases[i].text) - 3) {
			struct parser p;
			size_t used;
			parser_init(&p);
			err_clear(&e);
			enum parser_step got = parse(&p, span_of(cases[i].text), step, &used);
			if (got != PARSER_BAD)
				fail_msg("case %zu, step %zu was accepted (%d): %s", i, step, got, cases[i].text);
			if (cases[i].status && p.status != cases[i].status)
				fail_msg("case %zu, step %zu: %d instead of %d: %s", i, step, p.status, cases[i].status,
					cases[i].text);
			assert_true(p.status >= 400);
			assert_true(e.code != ERR_OK && e.text[0]);
			struct span more = span_of("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
			assert_int_equal(parser_feed(&p, &more, &e), PARSER_BAD); /* for good */
			parser_release(&p);
		}
	}
	/* A NUL. */
	struct parser p;
	size_t used;
	parser_init(&p);
	assert_int_equal(parse(&p, span_n("GET / HTTP/1.1\r\nHost: \0\r\n\r\n", 28), 100, &used), PARSER_BAD);
	parser_release(&p);
	buf_release(&body);
}

static void test_caps(void **state)
{
	(void)state;
	struct {
		const char *start, *repeat, *end;
		int times, status;
	} cases[] = {
		{"GET /", "a", " HTTP/1.1\r\nHost: h\r\n\r\n", (int)CAP_HTTP_TARGET, 414},
		{"GET / HTTP/1.1\r\nHost: h\r\nX: ", "a", "\r\n\r\n", 10 << 20, 431},
		{"GET / HTTP/1.1\r\nHost: h\r\n", "X: a\r\n", "\r\n", CAP_HTTP_HEADERS, 431},
		{"GET / HTTP/1.1\r\nHost: h\r\n", "X: a\r\n", "\r\n", CAP_HTTP_HEADERS - 1, 0},
		{"", "\r\n", "GET / HTTP/1.1\r\n", 10 << 20, 431},
		{"aaaaaa", "a", "", 10 << 20, 414},
		{H "Transfer-Encoding: chunked\r\n\r\n1;", "x", "", 1 << 20, 400},
		{H "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", "x", "\r\n\r\n", 1 << 20, 400},
		{H "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", "0\r\n\r\n", 100000, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cleanup_buf struct buf text = BUF_INIT(64u << 20);
		struct parser p;
		size_t used;
		buf_adds(&text, cases[i].start);
		for (int n = 0; n < cases[i].times; n++)
			buf_adds(&text, cases[i].repeat);
		buf_adds(&text, cases[i].end);
		parser_init(&p);
		size_t before = mem_in_use();
		enum parser_step got = parse(&p, buf_span(&text), 60000, &used);
		if (got != (cases[i].status ? PARSER_BAD : PARSER_END) || p.status != cases[i].status)
			fail_msg("case %zu: %d, status %d", i, got, p.status);
		assert_true(mem_in_use() - before < 1 << 20);
		parser_release(&p);
	}
	buf_release(&body);
}

static void test_no_memory(void **state)
{
	(void)state;
	int failed = 0;
	for (uint64_t n = 1;; n++) {
		struct parser p;
		size_t used;
		parser_init(&p);
		fault_arm(FAULT_ALLOC, n, false);
		enum parser_step got = parse(&p, span_of(get), 10, &used);
		bool reached = fault_seen() >= n;
		fault_disarm();
		if (got == PARSER_BAD) {
			assert_int_equal(p.status, 503);
			assert_int_equal(e.code, ERR_NOMEM);
			failed++;
		}
		parser_release(&p);
		if (!reached)
			break;
	}
	assert_true(failed >= 3);
	buf_release(&body);
}

int main(void)
{
	buf_init(&body, 64u << 20);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_connection_wishes),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
