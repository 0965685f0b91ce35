/* Model calls over a real socket (faults R7): every fixture cut at every byte and split at every byte, and all the ways
 * in which an endpoint can be wrong. */
#include "http_rig.h"

static void test_whole(void **state)
{
	(void)state;
	for (size_t k = 0; k < fixture_count; k++) {
		struct asked a;
		peer_answer(&peer, stream_of(&fixtures[k]), buf_span(&fixtures[k].stream));
		ask_provider(&a, provider_of(&fixtures[k]));
		answered(&fixtures[k], &a);
		if (json_get(fixtures[k].expect, "usage"))
			assert_false(a.call.usage.estimated);
		asked_release(&a);
		settle();
	}
}

/* The connection is closed after each byte in turn. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t k = 0; k < fixture_count; k++) {
		const struct fixture *f = &fixtures[k];
		size_t complete = 0;
		peer_answer(&peer, stream_of(f), buf_span(&f->stream));
		for (size_t i = 0; i < f->stream.len; i++) {
			struct asked a;
			peer.cut = i;
			ask_provider(&a, provider_of(f));
			if (a.why.code != ERR_OK) {
				if (!fixture_fails(f) && a.why.code != ERR_MODEL_REPLY)
					fail_msg("%s cut at %zu: %s", f->name, i, a.why.text);
				assert_int_equal(a.call.call_count, 0);
				assert_null(a.call.text);
				assert_true(complete == 0); /* once complete, always complete */
			} else {
				complete++;
				answered(f, &a);
			}
			asked_release(&a);
			settle();
		}
		/* Only the line end of the end marker's empty line may be missing. */
		if (f->profile->done_marker && complete > 2)
			fail_msg("%s: %zu cuts gave an answer", f->name, complete);
	}
}

static void test_split(void **state)
{
	(void)state;
	for (size_t k = 0; k < fixture_count; k++) {
		const struct fixture *f = &fixtures[k];
		peer_answer(&peer, stream_of(f), buf_span(&f->stream));
		for (size_t i = 0; i < f->stream.len; i++) {
			struct asked a;
			assert_null(peer.open); /* a connection for each */
			peer.split = i;
			ask_provider(&a, provider_of(f));
			answered(f, &a);
			asked_release(&a);
			settle();
		}
	}
}

static void test_drip(void **state)
{
	(void)state;
	for (size_t k = 0; k < fixture_count; k++) {
		struct asked a;
		if (strcmp(fixtures[k].name, "anthropic/text") != 0 && strcmp(fixtures[k].name, "openai/text") != 0)
			continue;
		peer_answer(&peer, stream_of(&fixtures[k]), buf_span(&fixtures[k].stream));
		peer.drip_ms = 1;
		ask_provider(&a, provider_of(&fixtures[k]));
		answered(&fixtures[k], &a);
		asked_release(&a);
		settle();
	}
}

/* An answer is complete with its end marker, whatever the connection does then. */
static void test_hang_after_the_end(void **state)
{
	const struct fixture *f = NULL;
	struct asked a;

	(void)state;
	for (size_t k = 0; k < fixture_count; k++)
		if (strcmp(fixtures[k].name, "anthropic/tools") == 0)
			f = &fixtures[k];
	assert_non_null(f);
	peer_answer(&peer, stream_of(f), buf_span(&f->stream));
	peer.hang = true;
	ask_provider(&a, "house");
	answered(f, &a);
	assert_true(a.call.took_ms < 5000);
	assert_string_equal(a.arguments.data,
		"[0:shell]{\"command\": \"ls -l \\\"a b\\\"\"}[2:read_file]{\"path\":\"\xC3\xA9.c\"}");
	asked_release(&a);
	settle();
}

static void fails(const char *head, const char *body, enum err_code code, const char *part, int64_t retry_ms)
{
	struct asked a;

	peer_answer(&peer, head, span_of(body));
	ask_provider(&a, "house");
	if (a.why.code != code || !strstr(a.why.text, part))
		fail_msg("%s %s: %s \"%s\"", head, body, err_name(a.why.code), a.why.text);
	assert_int_equal(a.call.retry_ms, retry_ms);
	assert_int_equal(a.call.call_count, 0);
	assert_null(a.call.text);
	assert_null(strstr(a.why.text, "canary"));
	asked_release(&a);
	settle();
}

static void test_statuses(void **state)
{
	(void)state;
	fails("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n" JSON_TYPE,
		"{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"too fast\"}}",
		ERR_RATE_LIMITED, "house answered 429: too fast", 7000);
	fails("HTTP/1.1 429 Too Many Requests\r\n" JSON_TYPE, "{}", ERR_RATE_LIMITED, "429", -1);
	fails("HTTP/1.1 500 Internal Server Error\r\n" JSON_TYPE, "", ERR_OVERLOADED, "500", -1);
	fails("HTTP/1.1 529 Overloaded\r\nretry-after-ms: 250\r\n" JSON_TYPE,
		"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
		ERR_OVERLOADED, "Overloaded", 250);
	fails("HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nConnection: close", "<h1>Bad  day</h1>",
		ERR_OVERLOADED, "Bad day", -1);
	fails("HTTP/1.1 401 Unauthorized\r\n" JSON_TYPE, "{\"error\":{\"message\":\"bad key sk-canary-4711\"}}",
		ERR_MODEL, "bad key ***; check the provider's key", -1);
	fails("HTTP/1.1 400 Bad Request\r\n" JSON_TYPE,
		"{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 1000001 tokens\"}}",
		ERR_TOO_LARGE, "too long", -1);
	fails("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://elsewhere/\r\nConnection: close", "", ERR_MODEL,
		"redirects", -1);
}

static void test_wrong_answers(void **state)
{
	(void)state;
	fails(STREAM, "", ERR_MODEL_REPLY, "empty", -1);
	fails("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close", "", ERR_MODEL_REPLY, "empty", -1);
	fails("HTTP/1.1 204 No Content\r\nConnection: close", "", ERR_MODEL_REPLY, "empty", -1);
	fails("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close", "<html>login</html>", ERR_MODEL_REPLY,
		"text/html instead of an event stream", -1);
	fails("HTTP/1.1 200 OK\r\n" JSON_TYPE, "{\"error\":{\"message\":\"upstream is gone\",\"code\":502}}", ERR_MODEL,
		"upstream is gone", -1);
	fails("HTTP/1.1 200 OK\r\n" JSON_TYPE, "{\"id\":\"msg\"}", ERR_MODEL_REPLY, "instead of an event stream", -1);
	fails(STREAM, "data: {\"type\":\"mess\n\n", ERR_MODEL_REPLY, "malformed", -1);
	fails(STREAM, "data: {\"type\":\"message_stop\"}\n\n", ERR_MODEL_REPLY, "before message_start", -1);
	fails(STREAM, "not an event stream at all", ERR_MODEL_REPLY, "empty", -1);
	fails("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1000\r\nConnection: close",
		"data: {\"type\":\"ping\"}\n\n", ERR_NETWORK, "", -1);
	fails("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close",
		"zz\r\n", ERR_NETWORK, "", -1);
	fails("garbage", "", ERR_NETWORK, "", -1);
}

/* A 100 MB line is given up at the cap; memory does not follow it. */
static void test_endless_line(void **state)
{
	struct buf piece = BUF_INIT(2 * MIB);
	struct asked a;

	(void)state;
	for (int i = 0; i < 1 << 20; i++)
		buf_addc(&piece, 'x');
	peer_answer(&peer, STREAM, buf_span(&piece));
	peer.times = 100;
	ask_provider(&a, "house");
	assert_int_equal(a.why.code, ERR_TOO_LARGE);
	assert_true(mem_in_use() < 32 * MIB);
	asked_release(&a);
	settle();
	buf_release(&piece);
}

static void test_time_outs(void **state)
{
	struct llm *hasty = open_llm(60, 60);
	struct asked a;

	(void)state;
	peer_answer(&peer, STREAM, SPAN_NONE);
	peer.silent = true;
	prepare(&a, hasty, "house");
	run_loop(&a, hasty);
	assert_int_equal(a.why.code, ERR_TIMEOUT);
	asked_release(&a);
	settle();

	peer_answer(&peer, STREAM, span_of(": here\n\n"));
	peer.hang = true;
	prepare(&a, hasty, "house");
	run_loop(&a, hasty);
	assert_int_equal(a.why.code, ERR_TIMEOUT);
	asked_release(&a);
	settle();

	peer_answer(&peer, STREAM,
		span_of(": still here, and on and on and on and on and on and on and on and on and on\n"));
	peer.drip_ms = 20;
	prepare(&a, hasty, "house");
	a.call.total_ms = 150;
	run_loop(&a, hasty);
	assert_int_equal(a.why.code, ERR_TIMEOUT);
	asked_release(&a);
	settle();
	llm_free(hasty);
}

static void test_cancel(void **state)
{
	struct err e = ERR_INIT;
	struct asked a;

	(void)state;
	peer_answer(&peer, stream_of(&fixtures[0]), buf_span(&fixtures[0].stream));
	peer.silent = true;
	prepare(&a, l, "house");
	must(llm_call_start(&a.call, l, &e), &e);
	llm_call_cancel(&a.call);
	llm_call_cancel(&a.call);
	assert_int_equal(a.done, 0);
	while (!a.done)
		loop_turn(loop, -1);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.why.code, ERR_CANCELLED);
	asked_release(&a);
	settle();

	for (size_t k = 0; k < fixture_count; k++)
		if (strcmp(fixtures[k].name, "openai/text") == 0)
			peer_answer(&peer, stream_of(&fixtures[k]), buf_span(&fixtures[k].stream));
	prepare(&a, l, "openai");
	a.cancel_on_text = true;
	run_loop(&a, l);
	assert_int_equal(a.why.code, ERR_CANCELLED);
	assert_string_equal(a.streamed.data, "Hel"); /* nothing is told after a cancel */
	asked_release(&a);
	settle();
}

static void test_request_seen(void **state)
{
	struct asked a;

	(void)state;
	peer_answer(&peer, "HTTP/1.1 500 no\r\nConnection: close", SPAN_NONE);
	ask_provider(&a, "house");
	asked_release(&a);
	settle();
	assert_non_null(strstr(peer.request.data, "POST /v1/messages HTTP/1.1\r\n"));
	assert_non_null(strcasestr(peer.request.data, "\r\nx-api-key: sk-canary-4711\r\n"));
	assert_non_null(strcasestr(peer.request.data, "\r\nanthropic-version: 2023-06-01\r\n"));
	assert_non_null(strstr(peer.request.data, "{\"model\":\"m\",\"max_tokens\":8192,\"stream\":true"));
	ask_provider(&a, "vllm");
	asked_release(&a);
	settle();
	assert_non_null(strstr(peer.request.data, "POST /chat/completions HTTP/1.1\r\n"));
	assert_non_null(strcasestr(peer.request.data, "\r\nauthorization: Bearer sk-canary-4711\r\n"));
}

static void test_nobody_listens(void **state)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *config = json_pack("{s:{s:{s:s}}}", "providers", "gone", "base_url", "http://127.0.0.1:1");
	struct llm_options o = {.loop = loop, .config = config};
	struct llm *other = llm_new(&o, &e);
	struct asked a;

	(void)state;
	assert_non_null(other);
	prepare(&a, other, "gone");
	run_loop(&a, other);
	assert_int_equal(a.why.code, ERR_NETWORK);
	assert_true(err_retryable(a.why.code));
	asked_release(&a);
	llm_free(other);
}

/* gzip and a compressed bomb. */
static void test_compressed(void **state)
{
	const char *source = getenv("MUSTER_SOURCE");
	struct buf small = BUF_INIT(1 * MIB), bomb = BUF_INIT(4 * MIB);
	const struct fixture *f = NULL;
	char command[512];
	struct asked a;

	(void)state;
	for (size_t k = 0; k < fixture_count; k++)
		if (strcmp(fixtures[k].name, "anthropic/tools") == 0)
			f = &fixtures[k];
	assert_non_null(f);
	snprintf(command, sizeof command, "gzip -c %s/tests/cases/llm/anthropic/tools.sse", source ? source : ".");
	piped(command, &small);
	peer_answer(&peer, STREAM "\r\nContent-Encoding: gzip", buf_span(&small));
	ask_provider(&a, "house");
	answered(f, &a);
	asked_release(&a);
	settle();
	piped("yes \": $(head -c 1000 /dev/zero | tr '\\0' x)\" | head -c 209715200 | gzip -1c", &bomb); /* comments */
	peer_answer(&peer, STREAM "\r\nContent-Encoding: gzip", buf_span(&bomb));
	ask_provider(&a, "house");
	assert_int_equal(a.why.code, ERR_TOO_LARGE);
	assert_true(mem_in_use() < 32 * MIB);
	asked_release(&a);
	settle();
	buf_release(&small);
	buf_release(&bomb);
}

/* Every allocation fails once: a clean error or an answer, nothing left over. curl's multi handle does not always
 * survive a failed allocation, so each try has its own. */
static void test_faults(void **state)
{
	const struct fixture *f = NULL;
	bool done = false;

	(void)state;
	for (size_t k = 0; k < fixture_count; k++)
		if (strcmp(fixtures[k].name, "openai/tools") == 0)
			f = &fixtures[k];
	assert_non_null(f);
	for (uint64_t n = 1; n < 3000 && !done; n++) {
		struct err e = ERR_INIT;
		struct asked a;
		struct llm *fresh;
		uint64_t seen;
		peer_answer(&peer, stream_of(f), buf_span(&f->stream));
		fresh = open_llm(0, 0);
		prepare(&a, fresh, "openai");
		fault_arm(FAULT_ALLOC, n, false);
		if (llm_call_start(&a.call, fresh, &e) == 0)
			while (!a.done)
				loop_turn(loop, 1000);
		seen = fault_seen();
		fault_disarm();
		done = seen < n;
		if (done)
			answered(f, &a);
		else if (a.why.code != ERR_OK)
			assert_int_equal(a.call.call_count, 0);
		asked_release(&a);
		llm_free(fresh);
		settle();
	}
	assert_true(done);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_request_seen),
		cmocka_unit_test(test_drip),
		cmocka_unit_test(test_hang_after_the_end),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_wrong_answers),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_time_outs),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_split),
	};
	int rc;

	if (rig_open(NULL))
		return 1;
	rc = cmocka_run_group_tests(all, NULL, NULL);
	rig_close();
	return rc;
}
