/* sse and the dialects' answers, without a network: every fixture cut and split at every byte, malformed streams. */
#include "fixture.h"

#include "base/blob.h"
#include "base/fault.h"
#include "llm/prices.h"
#include "llm/problem.h"
#include "llm/sse.h"

static struct fixture fixtures[FIXTURES];
static size_t fixture_count;

/* ---- sse ---- */

struct heard {
	struct buf log;
};

static int hear(struct sse *s, struct span name, struct span data, struct err *e)
{
	struct heard *h = s->ctx;

	(void)e;
	buf_addf(&h->log, "<%.*s|", (int)name.n, name.p);
	buf_addspan(&h->log, data);
	buf_addc(&h->log, '>');
	return 0;
}

static void sse_gives(const char *stream, const char *expected)
{
	struct span all = span_of(stream);

	for (size_t step = 1; step <= all.n; step++) { /* every size of pieces */
		struct heard h = {BUF_INIT(64 * KIB)};
		struct err e = ERR_INIT;
		struct sse s;
		sse_init(&s, 4 * KIB, hear);
		s.ctx = &h;
		for (size_t i = 0; i < all.n; i += step)
			must(sse_feed(&s, span_n(all.p + i, all.n - i < step ? all.n - i : step), &e), &e);
		assert_string_equal(h.log.data ? h.log.data : "", expected);
		sse_release(&s);
		buf_release(&h.log);
	}
}

static void test_sse(void **state)
{
	(void)state;
	sse_gives("data: a\n\n", "<|a>");
	sse_gives("data:a\n\ndata:  b\n\n", "<|a><| b>");
	sse_gives("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "<|a><|b><|c>");
	sse_gives("event: x\ndata: 1\ndata: 2\n\n", "<x|1\n2>");
	sse_gives(": comment\n\ndata\n\ndata:\n\n", "<|><|>");
	sse_gives("event: x\n\ndata: a\n\n", "<|a>");
	sse_gives("\xEF\xBB\xBF"
		  "data: a\n\n\xEF\xBB\xBF"
		  "data: b\n\n",
		"<|a>");
	sse_gives("id: 1\nretry: 2\nother: 3\ndata: a\n\n", "<|a>");
	sse_gives("data: a\n\ndata: not finished\n", "<|a>");
	sse_gives("data: a\n\ndata: not finished", "<|a>");
	sse_gives("data: a\ndata: b\n\n\n\n", "<|a\nb>");
}

static void test_sse_caps(void **state)
{
	struct heard h = {BUF_INIT(64 * KIB)};
	struct err e = ERR_INIT;
	struct sse s;
	int rc = 0;

	(void)state;
	sse_init(&s, 100, hear);
	s.ctx = &h;
	for (int i = 0; i < 200 && !rc; i++)
		rc = sse_feed(&s, span_of("x"), &e);
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	sse_release(&s);
	sse_init(&s, 100, hear);
	s.ctx = &h;
	rc = 0;
	for (int i = 0; i < 20 && !rc; i++)
		rc = sse_feed(&s, span_of("data: 0123456789\n"), &e);
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	sse_release(&s);
	buf_release(&h.log);
}

/* ---- decoding ---- */

static int on_event(struct sse *s, struct span name, struct span data, struct err *e)
{
	struct decoder *d = s->ctx;

	return d->dialect->event(d, name, data, e);
}

static void stream_text(void *ctx, struct span text)
{
	buf_addspan(ctx, text);
}

/* Feed pieces of a stream; 0 when a whole answer came. */
static int decode(const struct fixture *f, const struct span *pieces, size_t n, bool check, struct err *e)
{
	struct buf told = BUF_INIT(1 * MIB);
	struct llm_tool_call *calls = NULL;
	struct decoder d;
	struct sse s;
	size_t count = 0;
	int rc = 0;

	decoder_init(&d, f->dialect, f->profile);
	d.on_text = stream_text;
	d.ctx = &told;
	sse_init(&s, CAP_MODEL_LINE, on_event);
	s.ctx = &d;
	s.plain = f->dialect->lines;
	for (size_t i = 0; i < n && !rc; i++)
		rc = sse_feed(&s, pieces[i], e);
	if (!rc)
		rc = decoder_finish(&d, e);
	if (!rc)
		rc = decoder_calls(&d, 1, &calls, &count, e);
	if (!rc && check) {
		fixture_check(f, buf_span(&d.text), calls, count, d.stop, &d.usage, d.model);
		assert_true(span_eq(buf_span(&told), buf_span(&d.text)));
	}
	llm_tool_calls_free(calls, count);
	decoder_release(&d);
	sse_release(&s);
	buf_release(&told);
	return rc;
}

/* Where the answer is complete: from there on a cut takes nothing away. */
static size_t complete_at(const struct fixture *f)
{
	struct span all = buf_span(&f->stream);

	for (size_t i = 0; i <= all.n; i++) {
		struct span piece = span_n(all.p, i);
		if (decode(f, &piece, 1, false, NULL) == 0)
			return i;
	}
	return (size_t)-1;
}

static void test_cut_everywhere(void **state)
{
	(void)state;
	for (size_t k = 0; k < fixture_count; k++) {
		const struct fixture *f = &fixtures[k];
		struct span all = buf_span(&f->stream);
		size_t end = complete_at(f);
		if (fixture_fails(f)) {
			struct err e = ERR_INIT;
			assert_int_equal(end, (size_t)-1);
			assert_int_equal(decode(f, &all, 1, false, &e), -1);
			assert_int_equal(e.code, err_code_named(json_str(f->expect, "error")));
			assert_non_null(strstr(e.text, json_str(f->expect, "says")));
			continue;
		}
		/* Only the end marker completes it; the last bytes are the marker and its empty line. */
		if (f->profile->done_marker)
			assert_true(end + 2 >= all.n);
		for (size_t i = 0; i < end; i++) {
			struct err e = ERR_INIT;
			struct span piece = span_n(all.p, i);
			if (decode(f, &piece, 1, false, &e) != -1)
				fail_msg("%s cut at %zu is an answer", f->name, i);
			assert_int_equal(e.code, ERR_MODEL_REPLY);
		}
		for (size_t i = end; i <= all.n; i++) {
			struct span piece = span_n(all.p, i);
			if (f->profile->done_marker || i == all.n)
				assert_int_equal(decode(f, &piece, 1, true, NULL), 0);
		}
	}
}

static void test_split_everywhere(void **state)
{
	(void)state;
	for (size_t k = 0; k < fixture_count; k++) {
		const struct fixture *f = &fixtures[k];
		struct span all = buf_span(&f->stream);
		struct span *bytes = mem_calloc(all.n, sizeof *bytes);
		struct err e = ERR_INIT;
		for (size_t i = 0; i <= all.n; i++) {
			struct span two[] = {span_n(all.p, i), span_n(all.p + i, all.n - i)};
			if (fixture_fails(f))
				assert_int_equal(decode(f, two, 2, false, NULL), -1);
			else
				must(decode(f, two, 2, true, &e), &e);
		}
		for (size_t i = 0; i < all.n; i++)
			bytes[i] = span_n(all.p + i, 1);
		if (!fixture_fails(f))
			must(decode(f, bytes, all.n, true, &e), &e);
		mem_free(bytes);
	}
}

/* Any single byte lost or changed gives an answer or an error, never a crash or a half answer without its end. */
static void test_damaged(void **state)
{
	(void)state;
	for (size_t k = 0; k < fixture_count; k++) {
		const struct fixture *f = &fixtures[k];
		struct span all = buf_span(&f->stream);
		for (size_t i = 0; i < all.n; i++) {
			struct span two[] = {span_n(all.p, i), span_n(all.p + i + 1, all.n - i - 1)};
			struct span three[] = {two[0], span_of("\""), two[1]};
			struct err e = ERR_INIT;
			if (decode(f, two, 2, false, &e))
				assert_true(e.code == ERR_MODEL_REPLY || e.code == ERR_OVERLOADED ||
					    e.code == ERR_MODEL || e.code == ERR_RATE_LIMITED);
			decode(f, three, 3, false, NULL);
		}
	}
}

static void refuses(
	const struct dialect *d, const char *profile, const char *stream, enum err_code code, const char *part)
{
	struct fixture f = {.dialect = d, .profile = profile_named(d->profiles, profile)};
	struct span all = span_of(stream);
	struct err e = ERR_INIT;

	assert_non_null(f.profile);
	if (decode(&f, &all, 1, false, &e) == 0)
		fail_msg("accepted: %s", stream);
	if (e.code != code || !strstr(e.text, part))
		fail_msg("%s: %s %s", stream, err_name(e.code), e.text);
}

#define START "data: {\"type\":\"message_start\",\"message\":{}}\n\n"
#define TEXT0                                                                                                          \
	"data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
#define STOPPED "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n"
#define STOP "data: {\"type\":\"message_stop\"}\n\n"

static void test_wrong_order(void **state)
{
	const struct dialect *a = &dialect_anthropic, *o = &dialect_openai, *r = &dialect_responses,
			     *g = &dialect_gemini, *l = &dialect_ollama;

	(void)state;
	refuses(a, "anthropic", "", ERR_MODEL_REPLY, "empty");
	refuses(a, "anthropic", "data: {\"type\":\"ping\"}\n\n", ERR_MODEL_REPLY, "empty");
	refuses(a, "anthropic", TEXT0, ERR_MODEL_REPLY, "before message_start");
	refuses(a, "anthropic", START START, ERR_MODEL_REPLY, "second message_start");
	refuses(a, "anthropic", START TEXT0 TEXT0, ERR_MODEL_REPLY, "out of order");
	refuses(a, "anthropic", START TEXT0 STOPPED STOP, ERR_MODEL_REPLY, "block is open");
	refuses(a, "anthropic", START STOP, ERR_MODEL_REPLY, "without a stop reason");
	refuses(a, "anthropic", START STOPPED, ERR_MODEL_REPLY, "cut off");
	refuses(a, "anthropic", START "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{}}\n\n",
		ERR_MODEL_REPLY, "not open");
	refuses(a, "anthropic",
		START TEXT0 "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
			    "\"input_json_delta\",\"partial_json\":\"{}\"}}\n\n",
		ERR_MODEL_REPLY, "no tool call");
	refuses(a, "anthropic", START "data: {\"type\":\"content_block_stop\",\"index\":3}\n\n", ERR_MODEL_REPLY,
		"not open");
	refuses(a, "anthropic",
		START
		"data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\"}}\n\n",
		ERR_MODEL_REPLY, "no name");
	refuses(a, "anthropic", START "data: {\"type\":\n\n", ERR_MODEL_REPLY, "not valid JSON");
	refuses(a, "anthropic", START "data: []\n\n", ERR_MODEL_REPLY, "without a type");
	refuses(a, "anthropic",
		"data: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow\"}}\n\n",
		ERR_RATE_LIMITED, "slow");
	refuses(a, "anthropic",
		"data: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"no\"}}\n\n",
		ERR_MODEL, "no");

#define ADDED                                                                                                          \
	"data: "                                                                                                       \
	"{\"type\":\"response.output_item.added\",\"output_index\":1,\"item\":{\"type\":\"function_call\",\"name\":"   \
	"\"a\"}}\n\n"
#define PIECE "data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":1,\"delta\":\"{}\"}\n\n"
	refuses(r, "openai-responses", "", ERR_MODEL_REPLY, "empty");
	refuses(r, "openai-responses", "data: {\"type\":\"response.created\"}\n\n", ERR_MODEL_REPLY, "cut off");
	refuses(r, "openai-responses", PIECE, ERR_MODEL_REPLY, "never began");
	refuses(r, "openai-responses", ADDED ADDED, ERR_MODEL_REPLY, "began twice");
	refuses(r, "openai-responses",
		ADDED PIECE "data: {\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{\"type\":"
			    "\"function_call\",\"arguments\":\"{1}\"}}\n\n",
		ERR_MODEL_REPLY, "in two ways");
	refuses(r, "openai-responses",
		"data: {\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{\"type\":\"function_call\","
		"\"arguments\":\"{}\"}}\n\n",
		ERR_MODEL_REPLY, "never began");
	refuses(r, "openai-responses",
		"data: "
		"{\"type\":\"response.incomplete\",\"response\":{\"incomplete_details\":{\"reason\":\"whim\"}}}\n\n",
		ERR_MODEL_REPLY, "whim");
	refuses(r, "openai-responses", "data: 7\n\n", ERR_MODEL_REPLY, "no object");
	refuses(r, "openai-responses", "data: {\"error\":{\"message\":\"quota\",\"code\":\"insufficient_quota\"}}\n\n",
		ERR_MODEL, "quota");
	refuses(g, "gemini", "", ERR_MODEL_REPLY, "empty");
	refuses(g, "gemini", "data: {\"candidates\":[]}\n\n", ERR_MODEL_REPLY, "cut off");
	refuses(g, "gemini", "data: {\"candidates\":[{\"finishReason\":\"OTHER\"}]}\n\n", ERR_MODEL_REPLY, "OTHER");
	refuses(g, "gemini", "data: []\n\n", ERR_MODEL_REPLY, "no object");
	refuses(g, "gemini",
		"data: {\"error\":{\"code\":429,\"message\":\"slow\",\"status\":\"RESOURCE_EXHAUSTED\"}}\n\n",
		ERR_RATE_LIMITED, "slow");
	refuses(l, "ollama", "", ERR_MODEL_REPLY, "empty");
	refuses(l, "ollama", "{\"message\":{\"content\":\"x\"},\"done\":false}\n", ERR_MODEL_REPLY, "cut off");
	refuses(l, "ollama", "{\"done\":true,\"done_reason\":\"whim\"}\n", ERR_MODEL_REPLY, "whim");
	refuses(l, "ollama", "[]\n", ERR_MODEL_REPLY, "no object");
	refuses(l, "ollama", "data: {}\n\n", ERR_MODEL_REPLY, "malformed");
	refuses(l, "ollama", "{\"message\":{\"tool_calls\":[{\"function\":{}}]}}\n{\"done\":true}\n", ERR_MODEL_REPLY,
		"no name");
	refuses(o, "openai", "data: [DONE]\n\n", ERR_MODEL_REPLY, "without a finish_reason");
	refuses(o, "openai", "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n",
		ERR_MODEL_REPLY, "without a finish_reason");
	refuses(o, "openai", "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", ERR_MODEL_REPLY,
		"cut off");
	refuses(o, "plain", "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", ERR_MODEL_REPLY, "cut off");
	refuses(o, "openai",
		"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
		"data: {\"choices\":[{\"delta\":{\"content\":\"more\"}}]}\n\n",
		ERR_MODEL_REPLY, "after its finish_reason");
	refuses(o, "openai",
		"data: "
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}}]}\n\n",
		ERR_MODEL_REPLY, "never began");
	refuses(o, "openai", "data: 7\n\n", ERR_MODEL_REPLY, "no object");
	refuses(o, "openai", "data: {\"error\":{\"message\":\"quota\",\"code\":\"insufficient_quota\"}}\n\n", ERR_MODEL,
		"quota");
	refuses(o, "openai", "data: {\"error\":\"plain words\"}\n\n", ERR_MODEL, "plain words");
}

static void test_answer_caps(void **state)
{
	struct fixture f = {.dialect = &dialect_openai, .profile = profile_named(dialect_openai.profiles, "openai")};
	struct buf b = BUF_INIT(64 * MIB), piece = BUF_INIT(2 * MIB);
	struct err e = ERR_INIT;
	struct span all;

	(void)state;
	for (int i = 0; i < 1 << 20; i++)
		buf_addc(&piece, 'x');
	for (int i = 0; i < 17; i++)
		buf_addf(&b, "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\n", piece.data);
	all = buf_span(&b);
	assert_int_equal(decode(&f, &all, 1, false, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	buf_clear(&b);
	for (int i = 0; i <= CAP_MODEL_TOOL_CALLS; i++)
		buf_addf(&b,
			"data: "
			"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%d,\"function\":{\"name\":\"a\"}}]}}]}"
			"\n\n",
			i);
	all = buf_span(&b);
	assert_int_equal(decode(&f, &all, 1, false, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	buf_release(&b);
	buf_release(&piece);
}

static void test_memory(void **state)
{
	(void)state;
	for (size_t k = 0; k < fixture_count; k++) {
		struct span all = buf_span(&fixtures[k].stream);
		bool done = fixture_fails(&fixtures[k]);
		for (uint64_t n = 1; n < 2000 && !done; n++) {
			struct err e = ERR_INIT;
			fault_arm(FAULT_ALLOC, n, false);
			done = decode(&fixtures[k], &all, 1, false, &e) == 0;
			fault_disarm();
			if (!done && e.code != ERR_NOMEM)
				fail_msg("%s: %s", fixtures[k].name, e.text);
		}
		assert_true(done);
	}
}

/* ---- problems ---- */

static void body_is(int status, const char *body, enum err_code code, const char *part)
{
	struct err e = ERR_INIT;

	problem_from_body(&e, "house", status, span_of(body));
	if (e.code != code || !strstr(e.text, part))
		fail_msg("%d %s: %s \"%s\"", status, body, err_name(e.code), e.text);
}

static void test_problems(void **state)
{
	(void)state;
	body_is(429, "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"too fast\"}}",
		ERR_RATE_LIMITED, "house answered 429: too fast");
	body_is(429, "{\"error\":{\"message\":\"You exceeded your current quota\",\"code\":\"insufficient_quota\"}}",
		ERR_MODEL, "quota");
	body_is(529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
		ERR_OVERLOADED, "Overloaded");
	body_is(500, "", ERR_OVERLOADED, "(no message)");
	body_is(503, "<html><head><title>503</title></head><body><h1>Service  Unavailable</h1></body></html>",
		ERR_OVERLOADED, "503 Service Unavailable");
	body_is(400, "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 9 > 8\"}}",
		ERR_TOO_LARGE, "too long");
	body_is(400, "{\"error\":{\"message\":\"no\",\"code\":\"context_length_exceeded\"}}", ERR_TOO_LARGE, "no");
	body_is(400, "{\"error\":{\"message\":\"bad field\"}}", ERR_MODEL, "bad field");
	body_is(413, "{}", ERR_TOO_LARGE, "413");
	body_is(401, "{\"error\":{\"message\":\"invalid x-api-key\"}}", ERR_MODEL, "check the provider's key");
	body_is(404, "{\"detail\":\"Not Found\"}", ERR_MODEL, "Not Found; check the model's name");
	body_is(422, "{\"detail\":[{\"msg\":\"field required\"}]}", ERR_MODEL, "field required");
	body_is(400, "{\"error\":\"as text\"}", ERR_MODEL, "as text");
	body_is(408, "{}", ERR_TIMEOUT, "408");
	body_is(302, "", ERR_MODEL, "redirects");
	body_is(400, "\x1b[31mred", ERR_MODEL, "\\x1b[31mred");
}

static void test_retry_after(void **state)
{
	const int64_t now = INT64_C(1445412480) * 1000000; /* Wed, 21 Oct 2015 07:28:00 GMT */

	(void)state;
	assert_int_equal(problem_retry_ms(NULL, NULL, now), -1);
	assert_int_equal(problem_retry_ms("", "", now), -1);
	assert_int_equal(problem_retry_ms("7", NULL, now), 7000);
	assert_int_equal(problem_retry_ms("0.5", NULL, now), 500);
	assert_int_equal(problem_retry_ms("-1", NULL, now), -1);
	assert_int_equal(problem_retry_ms("nan", NULL, now), -1);
	assert_int_equal(problem_retry_ms("soon", NULL, now), -1);
	assert_int_equal(problem_retry_ms("1e30", NULL, now), 86400000);
	assert_int_equal(problem_retry_ms("9", "1500", now), 1500);
	assert_int_equal(problem_retry_ms("Wed, 21 Oct 2015 07:28:30 GMT", NULL, now), 30000);
	assert_int_equal(problem_retry_ms("Wed, 21 Oct 2015 07:27:30 GMT", NULL, now), 0);
	assert_int_equal(problem_retry_ms("Wednesday, 21-Oct-15 07:28:10 GMT", NULL, now), 10000);
	assert_int_equal(problem_retry_ms("Wed Oct 21 07:28:20 2015", NULL, now), 20000);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_sse),
		cmocka_unit_test(test_sse_caps),
		cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_split_everywhere),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_wrong_order),
		cmocka_unit_test(test_answer_caps),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_retry_after),
	};
	int rc;

	json_setup();
	fixture_count = fixtures_load(fixtures);
	rc = cmocka_run_group_tests(all, NULL, NULL);
	fixtures_free(fixtures, fixture_count);
	return rc;
}
