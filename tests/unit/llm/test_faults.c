/* What a model's endpoint can do wrong (faults R7), in every dialect: resets at every byte, silences and drips of
 * minutes, malformed, oversized and compressed answers, refusals with every kind of Retry-After, redirects.
 *
 * Time is made up: the loop goes by a fake clock that moves a second when the peer has nothing more to say and all that
 * it said has been read, so that the real time-outs (120 s, 60 s, the role's minutes) pass at once and exactly. */
#include "http_rig.h"

#define EVENTS "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close"
#define SPAN(text)                                                                                                     \
	(struct span)                                                                                                  \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}		      /* zeros too */
#define WALL 1795262400000000 /* 2026-11-21 12:00:00 UTC */

static const char *const providers[] = {"house", "openai", "compatible"};
#define PROVIDERS (sizeof providers / sizeof *providers)

static struct clock made_up;
static struct timer kick;

static void kicked(struct timer *t)
{
	(void)t;
}

/* Let this much time pass; what is due fires. */
static void pass(int64_t us)
{
	struct err e = ERR_INIT;

	must(timer_start(&kick, 0, &e), &e);
	clock_advance(&made_up, us);
	for (int i = 0; i < 3; i++)
		loop_turn(loop, 0);
}

/* Until the call is done: time stands still while an answer is on its way. Returns the seconds that passed from the
 * request on. */
static int64_t await(struct asked *a)
{
	int64_t began;

	while (!a->done && !peer.said) {
		loop_turn(loop, 1);
		pass(1000); /* curl has timers of its own */
	}
	began = made_up.fake_mono;
	while (!a->done)
		if (peer_unread(&peer))
			loop_turn(loop, 1);
		else
			pass(1000000);
	assert_int_equal(a->done, 1);
	assert_null(a->call.priv);
	return (made_up.fake_mono - began) / 1000000;
}

/* The answer that was set up, to a call of this provider. Returns the seconds it took. */
static int64_t ask_for(struct asked *a, const char *provider, int64_t total_ms)
{
	struct err e = ERR_INIT;
	int64_t took;

	prepare(a, l, provider);
	a->call.total_ms = total_ms;
	peer.said = false;
	must(llm_call_start(&a->call, l, &e), &e);
	took = await(a);
	if (a->why.code != ERR_OK) {
		assert_int_equal(a->call.call_count, 0);
		assert_null(a->call.calls);
		assert_null(a->call.text);
		assert_true(a->why.text[0]);
		assert_null(strstr(a->why.text, "canary"));
	}
	return took;
}

static void done_with(struct asked *a)
{
	asked_release(a);
	settle();
	assert_null(peer.open);
}

static void fails_with(const char *provider, enum err_code code, const char *part)
{
	struct asked a;

	ask_for(&a, provider, 0);
	if (a.why.code != code || !strstr(a.why.text, part))
		fail_msg("%s, %s: %s \"%s\"", provider, peer.head, err_name(a.why.code), a.why.text);
	assert_true(mem_in_use() < 32 * MIB);
	done_with(&a);
}

/* ---- connections ---- */

/* The connection is reset after each byte in turn. */
static void test_reset_everywhere(void **state)
{
	(void)state;
	for (size_t k = 0; k < fixture_count; k++) {
		const struct fixture *f = &fixtures[k];
		size_t complete = 0;
		peer_answer(&peer, stream_of(f), buf_span(&f->stream));
		peer.reset = true;
		for (size_t i = 0; i <= f->stream.len; i++) {
			struct asked a;
			peer.cut = i;
			ask_for(&a, provider_of(f), 0);
			if (a.why.code == ERR_OK) {
				complete++;
				answered(f, &a);
			} else if (!fixture_fails(f)) {
				if (!err_retryable(a.why.code))
					fail_msg("%s reset at %zu: %s", f->name, i, a.why.text);
				assert_int_equal(complete, 0); /* once complete, always complete */
			}
			done_with(&a);
		}
		if (f->profile->done_marker && complete > 3)
			fail_msg("%s: %zu cuts gave an answer", f->name, complete);
	}
}

static void is_silent(const char *provider, int64_t seconds, const char *part)
{
	struct asked a;
	int64_t took = ask_for(&a, provider, 0);

	if (a.why.code != ERR_TIMEOUT || !strstr(a.why.text, part))
		fail_msg("%s: %s \"%s\"", provider, err_name(a.why.code), a.why.text);
	assert_in_range(took, seconds - 1, seconds + 2);
	assert_true(err_retryable(a.why.code));
	done_with(&a);
}

/* Nothing at all; headers and nothing more; half an answer and nothing more. */
static void test_half_open(void **state)
{
	(void)state;
	for (size_t i = 0; i < PROVIDERS; i++) {
		const struct fixture *f = fixture_named(i ? "openai/tools" : "anthropic/tools");
		peer_answer(&peer, stream_of(f), buf_span(&f->stream));
		peer.silent = true;
		is_silent(providers[i], 120, "sent nothing of an answer for 120.0 s");
		peer.silent = false;
		peer.hang = true;
		peer.cut = 0;
		is_silent(providers[i], 120, "sent nothing of an answer for 120.0 s");
		peer.cut = f->stream.len / 2;
		is_silent(providers[i], 60, "stopped sending for 60.0 s");
	}
}

/* A byte a second is slow, but no silence: only the role's minutes end it. */
static void test_one_byte_a_second(void **state)
{
	(void)state;
	for (size_t k = 0; k < fixture_count; k++) {
		const struct fixture *f = &fixtures[k];
		struct asked a;
		int64_t took;
		peer_answer(&peer, stream_of(f), buf_span(&f->stream));
		peer.drip_ms = 1000;
		took = ask_for(&a, provider_of(f), 0);
		answered(f, &a);
		if (!fixture_fails(f))
			assert_in_range(took, (int64_t)f->stream.len - 4, (int64_t)f->stream.len + 4);
		done_with(&a);
		took = ask_for(&a, provider_of(f), 60000);
		assert_int_equal(a.why.code, ERR_TIMEOUT);
		assert_non_null(strstr(a.why.text, "was not done after 60.0 s"));
		assert_in_range(took, 58, 62);
		done_with(&a);
	}
}

/* ---- answers ---- */

#define OK(more) "HTTP/1.1 200 OK\r\nConnection: close\r\n" more
#define TYPED OK("Content-Type: text/event-stream")

static void test_malformed(void **state)
{
	static const struct {
		const char *head;
		struct span body;
		enum err_code code;
		const char *part;
	} wrong[] = {
		{TYPED, SPAN("data: {\n\n"), ERR_MODEL_REPLY, "malformed"},
		{TYPED, SPAN("data: {\"a\":\"\xff\xc3\"}\n\n"), ERR_MODEL_REPLY, "malformed"},
		{TYPED, SPAN("data: \0\0\n\n"), ERR_MODEL_REPLY, "malformed"},
		{TYPED, SPAN("data: {\"a\" \"sk-canary-4711\"}\n\n"), ERR_MODEL_REPLY, "***"},
		{TYPED, SPAN("data: 7\n\n"), ERR_MODEL_REPLY, ""},
		{TYPED, SPAN("data\n\n"), ERR_MODEL_REPLY, ""},
		{TYPED, SPAN("event: x\ndata: {}"), ERR_MODEL_REPLY, "empty"},
		{TYPED, SPAN("{\"id\":\"x\",\"choices\":[]}"), ERR_MODEL_REPLY, "empty"},
		{TYPED, SPAN("\n\n\n\n: alive\n\n"), ERR_MODEL_REPLY, "empty"},
		{TYPED "\r\nTransfer-Encoding: chunked", SPAN("zz\r\n"), ERR_NETWORK, ""},
		{TYPED "\r\nTransfer-Encoding: chunked", SPAN("ffffffffffffffff1\r\nx"), ERR_NETWORK, ""},
		{TYPED "\r\nTransfer-Encoding: chunked", SPAN("5\r\n: abcde\r\n"), ERR_NETWORK, ""},
		{TYPED "\r\nContent-Encoding: gzip", SPAN("data: {}\n\n"), ERR_NETWORK, ""},
		{TYPED "\r\nContent-Length: 99", SPAN(": x\n\n"), ERR_NETWORK, ""},
		{TYPED "\r\nContent-Length: -1", SPAN(": x\n\n"), ERR_NETWORK, ""},
		{OK("X: y"), SPAN("data: {}\n\n"), ERR_MODEL_REPLY, "something without a type"},
		{OK("Content-Type: application/json"), SPAN("{\"choices\":[]}"), ERR_MODEL_REPLY, "application/json"},
		{OK("Content-Type: text/html"), SPAN("<html>log in</html>"), ERR_MODEL_REPLY, "text/html"},
		{OK("Content-Type: a\x1b[31m sk-canary-4711"), SPAN("x"), ERR_MODEL_REPLY, "a\\x1b[31m ***"},
		{"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close",
			SPAN("<html>\n<head><title>502</title></head>\n<h1>Bad gateway</h1></html>"), ERR_OVERLOADED,
			"502 Bad gateway"},
		{"HTTP/1.1 500 \xff\xfe\r\nConnection: close", SPAN("\xff\xfe\x00\x1b[31m"), ERR_OVERLOADED, "500"},
		{"HTTP/9.9 200 OK", SPAN(""), ERR_NETWORK, ""},
		{"\x16\x03\x01\x02\x00\x01", SPAN(""), ERR_NETWORK, ""}, /* TLS on a plain port */
		{"<html>", SPAN("no HTTP at all"), ERR_NETWORK, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		for (size_t k = 0; k < PROVIDERS; k++) {
			peer_answer(&peer, wrong[i].head, wrong[i].body);
			fails_with(providers[k], wrong[i].code, wrong[i].part);
		}
}

static void fill(struct buf *b, const char *piece, size_t n)
{
	while (b->len < n)
		buf_adds(b, piece);
	assert_false(b->failed);
}

/* Lines, bodies, error bodies, headers without an end: given up at a cap, and memory does not follow them. */
static void test_oversized(void **state)
{
	struct buf line = BUF_INIT(2 * MIB), lines = BUF_INIT(2 * MIB), head = BUF_INIT(1 * MIB);

	(void)state;
	fill(&line, "xxxxxxxxxxxxxxxx", 1 * MIB);
	fill(&lines, ": alive\n\n", 1 * MIB);
	buf_adds(&head, EVENTS);
	fill(&head, "\r\nX-More: and more", 512 * KIB);
	for (size_t i = 0; i < PROVIDERS; i++) {
		peer_answer(&peer, EVENTS, buf_span(&line));
		peer.times = 100;
		fails_with(providers[i], ERR_TOO_LARGE, "");
		peer_answer(&peer, "HTTP/1.1 500 Sorry\r\nConnection: close", buf_span(&line));
		peer.times = 200;
		fails_with(providers[i], ERR_OVERLOADED, "500");
		peer_answer(&peer, head.data, SPAN_NONE);
		fails_with(providers[i], ERR_TOO_LARGE, "headers");
	}
	peer_answer(&peer, EVENTS, buf_span(&lines));
	peer.times = 200;
	fails_with("compatible", ERR_TOO_LARGE, "");
	buf_release(&line);
	buf_release(&lines);
	buf_release(&head);
}

/* 200 MiB of zeros as 1,600 blocks that each repeat one byte (RFC 8878, 3.1.1). */
static void zstd_bomb(struct buf *out)
{
	static const char frame[] = {0x28, (char)0xb5, 0x2f, (char)0xfd, 0x00, 0x58}; /* window of 2 MiB */
	unsigned size = 128 * 1024;

	buf_add(out, frame, sizeof frame);
	for (int i = 0; i < 1600; i++) {
		unsigned block = (i == 1599) | 1u << 1 | size << 3;
		buf_add(out, (char[]){(char)block, (char)(block >> 8), (char)(block >> 16), 0}, 4);
	}
}

/* 200 MiB of zeros as Node.js compresses them (zlib.brotliCompressSync, quality 5). */
static const char brotli_bomb[] = "\xcf\xff\xff\x7f\x00\x24\x00\xe2\xb1\x40\x72\xef\xff\xf9\xff\xff\x0f\x80\x04\x40\x1c"
				  "\x16\x80\xee\xfd\x3f\xff\xff\xff\x01\x90\x00"
				  "\x88\xc3\x02\xd0\xbd\xff\xe7\xff\xff\x3f\x00\x12\x00\x71\x58\x00\xba\xf7\xff\xfc\xff"
				  "\xff\x07\x40\x02\x20\x0e\x0b\x40\xf7\xfe\x9f"
				  "\xff\xff\xff\x00\x48\x00\xc4\x61\x01\xe8\xde\xff\xf3\xff\xff\x1f\x00\x09\x80\x38\x2c"
				  "\x00\xdd\xfb\x7f\xfe\xff\xff\x03\x20\x01\x10"
				  "\x87\x05\xa0\x7b\xff\xcf\xff\xff\x7f\x00\x24\x00\xe2\xb0\x00\x74\xef\xff\xf9\xff\xff"
				  "\x0f\x80\x04\x40\x1c\x16\x80\xee\xfd\x3f\xff"
				  "\xff\xff\x01\x90\x00\x88\xc3\x02\xd0\xbd\xff\xe7\xff\xff\x3f\x00\x12\x00\x71\x58\x00"
				  "\xba\xf7\xff\xf9\xff\xff\x07\x40\x02\x20\x0e"
				  "\x0b\x40\xf7\xfe\x0f";

static void test_bombs(void **state)
{
	struct buf once = BUF_INIT(4 * MIB), twice = BUF_INIT(4 * MIB), zstd = BUF_INIT(1 * MIB);

	(void)state;
	piped("head -c 209715200 /dev/zero | gzip -9c", &once);
	piped("head -c 209715200 /dev/zero | gzip -9c | gzip -9c", &twice);
	zstd_bomb(&zstd);
	assert_true(twice.len < 4096);
	for (size_t i = 0; i < PROVIDERS; i++) {
		peer_answer(&peer, EVENTS "\r\nContent-Encoding: gzip", buf_span(&once));
		fails_with(providers[i], ERR_TOO_LARGE, "");
		peer_answer(&peer, EVENTS "\r\nContent-Encoding: gzip, gzip", buf_span(&twice));
		fails_with(providers[i], ERR_TOO_LARGE, "");
		assert_non_null(strstr(peer.request.data, ", br, zstd")); /* our own Accept-Encoding */
		peer_answer(&peer, EVENTS "\r\nContent-Encoding: zstd", buf_span(&zstd));
		fails_with(providers[i], ERR_TOO_LARGE, "");
		peer_answer(&peer, EVENTS "\r\nContent-Encoding: br", span_n(brotli_bomb, sizeof brotli_bomb - 1));
		fails_with(providers[i], ERR_TOO_LARGE, "");
		peer_answer(&peer, "HTTP/1.1 503 Busy\r\nContent-Encoding: gzip\r\nConnection: close", buf_span(&once));
		fails_with(providers[i], ERR_OVERLOADED, "503");
	}
	buf_release(&once);
	buf_release(&twice);
	buf_release(&zstd);
}

/* ---- refusals ---- */

static void test_retry_after(void **state)
{
	static const struct {
		int status;
		enum err_code code;
	} statuses[] = {{408, ERR_TIMEOUT}, {429, ERR_RATE_LIMITED}, {500, ERR_OVERLOADED}, {502, ERR_OVERLOADED},
		{503, ERR_OVERLOADED}, {529, ERR_OVERLOADED}};
	static const struct {
		const char *header;
		int64_t ms;
	} pauses[] = {
		{"X: none", -1},
		{"Retry-After: 7", 7000},
		{"retry-after: 0", 0},
		{"Retry-After: 1.5", 1500},
		{"Retry-After: 31536000", 86400000}, /* a year is a day at most */
		{"Retry-After: 99999999999999999999999999", 86400000},
		{"Retry-After: -5", -1},
		{"Retry-After: nan", -1},
		{"Retry-After: soon", -1},
		{"Retry-After:", -1},
		{"Retry-After: 5 seconds", -1},
		{"Retry-After: Sat, 21 Nov 2026 12:00:30 GMT", 30000},
		{"Retry-After: Saturday, 21-Nov-26 12:00:30 GMT", 30000},
		{"Retry-After: Sat Nov 21 12:00:30 2026", 30000},
		{"Retry-After: Sat, 21 Nov 2020 12:00:30 GMT", 0},
		{"Retry-After: Sat, 21 Nov 9999 12:00:30 GMT", 86400000},
		{"Retry-After: Sat, 99 Nov 2026 12:00:30 GMT", -1},
		{"Retry-After: 9\r\nretry-after-ms: 250", 250},
		{"Retry-After: 9\r\nretry-after-ms: no", 9000},
	};

	(void)state;
	for (size_t s = 0; s < sizeof statuses / sizeof *statuses; s++)
		for (size_t p = 0; p < sizeof pauses / sizeof *pauses; p++) {
			struct asked a;
			char head[200];
			snprintf(head, sizeof head, "HTTP/1.1 %d No\r\nConnection: close\r\n%s", statuses[s].status,
				pauses[p].header);
			peer_answer(&peer, head, SPAN("{\"error\":{\"message\":\"not now\"}}"));
			made_up.fake_wall = WALL;
			ask_for(&a, providers[p % PROVIDERS], 0);
			assert_int_equal(a.why.code, statuses[s].code);
			assert_true(err_retryable(a.why.code));
			assert_non_null(strstr(a.why.text, "not now"));
			assert_int_equal(a.call.status, statuses[s].status);
			/* the answer took a little of the time until the date */
			if (a.call.retry_ms > pauses[p].ms || a.call.retry_ms < pauses[p].ms - 1500 ||
				(pauses[p].ms < 0) != (a.call.retry_ms < 0))
				fail_msg("%s: %lld ms", head, (long long)a.call.retry_ms);
			done_with(&a);
		}
}

/* The key goes to nobody but the address that was set. */
static void test_redirects(void **state)
{
	static const int statuses[] = {301, 302, 303, 307, 308};

	(void)state;
	for (size_t s = 0; s < sizeof statuses / sizeof *statuses; s++)
		for (size_t k = 0; k < PROVIDERS; k++) {
			int before = peer.connections;
			char head[200];
			snprintf(head, sizeof head, "HTTP/1.1 %d Moved\r\nLocation: %s/elsewhere\r\nConnection: close",
				statuses[s], peer.url);
			peer_answer(&peer, head, SPAN_NONE);
			fails_with(providers[k], ERR_MODEL, "redirects");
			assert_false(err_retryable(ERR_MODEL));
			assert_int_equal(peer.connections, before + 1);
		}
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_reset_everywhere),
		cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_one_byte_a_second),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_oversized),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_redirects),
	};
	int rc;

	clock_fake(&made_up, WALL);
	made_up.fake_mono = 1;
	if (rig_open(&made_up))
		return 1;
	timer_init(&kick, loop, kicked);
	rc = cmocka_run_group_tests(all, NULL, NULL);
	rig_close();
	return rc;
}
