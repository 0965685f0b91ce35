/* The HTTP client against a peer that plays a script: whole and cut answers, slow, large, compressed and malformed
 * ones, pauses, cancels, and want of memory. */
#include "client_peer.h"
#include "client_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

#include "base/fault.h"
#include "base/mem.h"

static const char plain[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello world";
static const char chunked[] = "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nContent-Type: a/b\r\n\r\n"
			      "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: t\r\n\r\n";

static void test_plain(void **state)
{
	(void)state;
	GET(g, plain);
	assert_int_equal(g.why.code, ERR_OK);
	assert_int_equal(g.r.status, 200);
	assert_string_equal(g.type, "text/plain");
	assert_string_equal(g.body.data, "hello world");
	assert_non_null(strstr(peer.seen, "GET /path?q=1 HTTP/1.1\r\n"));
	assert_non_null(strstr(peer.seen, "User-Agent: muster/"));
	assert_non_null(strstr(peer.seen, "gzip"));
	buf_release(&g.body);
}

static void test_chunked_any_status(void **state)
{
	(void)state;
	GET(g, chunked);
	assert_int_equal(g.why.code, ERR_OK);
	assert_int_equal(g.r.status, 503);
	assert_string_equal(g.body.data, "hello world");
	assert_int_equal(g.heads, 1);
	buf_release(&g.body);
}

static void test_no_redirects_no_1xx(void **state)
{
	(void)state;
	GET(g, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Type: no\r\n\r\n"
	       "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Type: yes\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(g.why.code, ERR_OK);
	assert_int_equal(g.r.status, 302);
	assert_string_equal(g.type, "yes");
	buf_release(&g.body);
}

/* We never ask for another protocol: what follows such a head is no body of ours. The other status curl lets pass. */
static void test_a_status_that_is_no_answer(void **state)
{
	(void)state;
	static const char *const answers[] = {
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x01x",
		"HTTP/2 41.00 OK\nContent-Type: a/b\n\nok"};
	for (int i = 0; i < 2; i++) {
		GET(g, answers[i]);
		assert_int_equal(g.why.code, ERR_NETWORK);
		assert_non_null(strstr(g.why.text, i ? "status 41" : "status 101"));
		assert_int_equal(g.heads, 0);
		assert_int_equal(g.body.len, 0);
		buf_release(&g.body);
	}
}

/* curl ends the head at any line that begins with a CR. */
static void test_a_head_that_ends_oddly(void **state)
{
	(void)state;
	peer.close_kept = true;
	GET(g, "HTTP/1.0 200 OK\r\n\rX: y\r\nbody");
	assert_int_equal(g.why.code, ERR_OK);
	assert_int_equal(g.heads, 1);
	assert_int_equal(g.r.status, 200);
	assert_non_null(strstr(g.body.data, "body"));
	buf_release(&g.body);
}

static void test_body_in_pieces(void **state)
{
	(void)state;
	static char big[300000];
	struct get g;
	memset(big, 'x', sizeof(big));
	for (int round = 0; round < 2; round++) {
		get_init(&g);
		struct span body[] = {
			span_of("{\"a\":"), SPAN_NONE, span_n(big, round ? sizeof(big) : 3), span_of("}")};
		struct http_header headers[] = {
			{"Content-Type", "application/json"}, {"X-Empty", ""}, {"x-api-key", "k"}};
		g.r.method = round ? "PUT" : "POST";
		g.r.body = body;
		g.r.body_pieces = 4;
		g.r.headers = headers;
		g.r.header_count = 3;
		peer.answer = span_of(plain);
		get_run(&g);
		assert_int_equal(g.why.code, ERR_OK);
		assert_non_null(strstr(peer.seen, round ? "PUT /path" : "POST /path"));
		assert_null(strcasestr(peer.seen, "expect:"));
		assert_null(strcasestr(peer.seen, "x-www-form"));
		assert_non_null(strstr(peer.seen, "X-Empty:\r\n"));
		assert_non_null(strstr(peer.seen, "x-api-key: k\r\n"));
		const char *got = strstr(peer.seen, "\r\n\r\n") + 4;
		assert_int_equal(peer.seen_len - (size_t)(got - peer.seen), 6 + (round ? sizeof(big) : 3));
		assert_memory_equal(got, "{\"a\":xxx", 8);
		assert_int_equal(peer.seen[peer.seen_len - 1], '}');
		buf_release(&g.body);
	}
	get_init(&g);
	g.r.method = "POST";
	get_run(&g);
	assert_non_null(strstr(peer.seen, "Content-Length: 0\r\n"));
	assert_null(strcasestr(peer.seen, "content-type:"));
	buf_release(&g.body);
	get_init(&g);
	g.r.method = "DELETE";
	get_run(&g);
	assert_non_null(strstr(peer.seen, "DELETE /path"));
	buf_release(&g.body);
}

static void test_cut_at_every_byte(void **state)
{
	(void)state;
	const char *answers[] = {plain, chunked};
	for (int i = 0; i < 2; i++) {
		size_t whole = strlen(answers[i]);
		/* Without the chunked answer's last byte everything has been said. */
		for (size_t cut = 0; cut < whole - (size_t)i; cut++) {
			peer.cut = cut;
			GET(g, answers[i]);
			if (g.why.code != ERR_NETWORK)
				fail_msg("answer %d cut at %zu of %zu: %s", i, cut, whole, err_name(g.why.code));
			assert_non_null(strstr(g.why.text, "127.0.0.1:"));
			assert_true(g.body.len <= 11);
			assert_true(g.body.len == 0 || memcmp(g.body.data, "hello world", g.body.len) == 0);
			buf_release(&g.body);
		}
	}
}

static void test_time_outs(void **state)
{
	(void)state;
	peer.pause_after_ms = 60000;
	struct {
		size_t at;
		int first, idle, total;
		const char *word;
	} cases[] = {
		{0, 50, 0, 0, "sent nothing"},
		{30, 50, 0, 0, "sent nothing"},
		{sizeof(plain) - 5, 30000, 50, 0, "stopped sending"},
		{sizeof(plain) - 5, 0, 50, 0, "stopped sending"},
		{sizeof(plain) - 5, 0, 0, 60, "was not done"},
		{0, 30000, 30000, 60, "was not done"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct get g;
		get_init(&g);
		g.r.first_byte_ms = cases[i].first;
		g.r.idle_ms = cases[i].idle;
		g.r.total_ms = cases[i].total;
		peer.pause_at = cases[i].at;
		peer.answer = span_of(plain);
		int64_t from = clock_mono(loop_clock(loop));
		get_run(&g);
		assert_int_equal(g.why.code, ERR_TIMEOUT);
		assert_non_null(strstr(g.why.text, cases[i].word));
		assert_true(clock_mono(loop_clock(loop)) - from < 20 * 1000 * 1000);
		buf_release(&g.body);
		peer_stop();
		peer_listen(peer.port);
		peer.pause_after_ms = 60000;
	}
	/* A pause on our side is not the peer's stall. */
	peer.pause_after_ms = 0;
	struct get g;
	get_init(&g);
	g.r.idle_ms = 40;
	g.pause_every = 1;
	peer.answer = span_of(plain);
	must(http_request_start(&g.r, http, &e), &e);
	while (!g.paused)
		loop_turn(loop, 1000);
	timer_stop(&g.resume);
	for (int64_t until = clock_mono(loop_clock(loop)) + 150000; clock_mono(loop_clock(loop)) < until;)
		loop_turn(loop, 20);
	assert_int_equal(g.dones, 0);
	get_resume(&g.resume);
	while (!g.dones)
		loop_turn(loop, 1000);
	assert_int_equal(g.why.code, ERR_OK);
	buf_release(&g.body);
}

static void test_too_large(void **state)
{
	(void)state;
	struct get g;
	for (int over = 0; over < 2; over++) {
		get_init(&g);
		g.r.response_cap = over ? 10 : 11;
		peer.answer = span_of(plain);
		get_run(&g);
		assert_int_equal(g.why.code, over ? ERR_TOO_LARGE : ERR_OK);
		buf_release(&g.body);
	}
	/* An endless head. */
	cleanup_buf struct buf head = BUF_INIT(1u << 20);
	buf_adds(&head, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 3000; i++)
		buf_addf(&head, "X-%d: %040d\r\n", i, i);
	buf_adds(&head, "\r\n");
	get_init(&g);
	peer.answer = buf_span(&head);
	get_run(&g);
	assert_int_equal(g.why.code, ERR_TOO_LARGE);
	assert_int_equal(g.heads, 0);
	peer_wait();
	buf_release(&g.body);
}

static void test_gzip(void **state)
{
	(void)state;
	enum { PLAIN = 100 << 20 };
	z_stream z = {0};
	size_t room = 1 << 20;
	char *zeros = mem_calloc(1, 1 << 20), *packed = mem_alloc(room);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = (Bytef *)packed;
	z.avail_out = (uInt)room;
	for (int i = 0; i < PLAIN >> 20; i++) {
		z.next_in = (Bytef *)zeros;
		z.avail_in = 1 << 20;
		deflate(&z, i + 1 == PLAIN >> 20 ? Z_FINISH : Z_NO_FLUSH);
	}
	cleanup_buf struct buf answer = BUF_INIT(2u << 20);
	buf_addf(&answer, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %lu\r\n\r\n", z.total_out);
	buf_add(&answer, packed, z.total_out);
	deflateEnd(&z);
	struct get g;
	get_init(&g);
	g.r.response_cap = 1 << 20;
	peer.answer = buf_span(&answer);
	size_t before = mem_in_use();
	get_run(&g);
	assert_int_equal(g.why.code, ERR_TOO_LARGE);
	assert_true(g.body.len <= 1 << 20);
	assert_true(mem_in_use() - before < 4 << 20);
	peer_wait();
	buf_release(&g.body);
	mem_free(zeros);
	mem_free(packed);
}

static void test_pause_and_resume(void **state)
{
	(void)state;
	enum { N = 2000000 };
	cleanup_buf struct buf answer = BUF_INIT(4u << 20);
	buf_addf(&answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", N);
	for (int i = 0; i < N; i++)
		buf_addc(&answer, (char)(i * 7 % 253));
	struct get g;
	get_init(&g);
	g.pause_every = 50000;
	peer.answer = buf_span(&answer);
	get_run(&g);
	assert_int_equal(g.why.code, ERR_OK);
	assert_int_equal(g.body.len, N);
	assert_memory_equal(g.body.data, answer.data + answer.len - N, N);
	buf_release(&g.body);
	/* While paused the peer is held back. */
	cleanup_buf struct buf huge = BUF_INIT(64u << 20);
	buf_addf(&huge, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 40 << 20);
	char *room = buf_grow(&huge, 40 << 20);
	memset(room, 'h', 40 << 20);
	buf_grew(&huge, 40 << 20);
	get_init(&g);
	g.pause_every = 1;
	g.r.response_cap = 64u << 20;
	peer.answer = buf_span(&huge);
	peer.sent = 0;
	must(http_request_start(&g.r, http, &e), &e);
	while (!g.paused)
		loop_turn(loop, 1000);
	timer_stop(&g.resume);
	for (int i = 0; i < 20; i++)
		loop_turn(loop, 10);
	assert_true(peer.sent < 20 << 20);
	assert_true(g.body.len < 1 << 20);
	http_request_cancel(&g.r);
	assert_int_equal(g.dones, 0);
	loop_turn(loop, 1000);
	assert_int_equal(g.dones, 1);
	assert_int_equal(g.why.code, ERR_CANCELLED);
	peer_wait();
	buf_release(&g.body);
}

static void test_cancel(void **state)
{
	(void)state;
	struct get g;
	get_init(&g);
	peer.answer = span_of(plain);
	must(http_request_start(&g.r, http, &e), &e);
	http_request_cancel(&g.r);
	http_request_cancel(&g.r);
	assert_int_equal(g.dones, 0);
	must(loop_run(loop, &e), &e);
	assert_int_equal(g.dones, 1);
	assert_int_equal(g.why.code, ERR_CANCELLED);
	get_init(&g);
	g.cancel_in_head = true;
	get_run(&g);
	assert_int_equal(g.why.code, ERR_CANCELLED);
	assert_int_equal(g.body.len, 0);
	get_init(&g);
	g.cancel_in_body = true;
	get_run(&g);
	assert_int_equal(g.why.code, ERR_CANCELLED);
	buf_release(&g.body);
	get_init(&g);
	g.frees_client = true;
	get_run(&g);
	assert_int_equal(g.why.code, ERR_OK);
	buf_release(&g.body);
}

static void test_connections_are_kept(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		GET(g, plain);
		assert_int_equal(g.why.code, ERR_OK);
		buf_release(&g.body);
	}
	assert_int_equal(peer.connections, 1);
	assert_int_equal(peer.requests, 5);
	/* A kept connection that died meanwhile is replaced, the body sent again. */
	peer.close_kept = true;
	for (int i = 0; i < 4; i++) {
		struct get g;
		struct span body = span_of("body");
		get_init(&g);
		g.r.method = "POST";
		g.r.body = &body;
		g.r.body_pieces = 1;
		get_run(&g);
		assert_int_equal(g.why.code, ERR_OK);
		assert_non_null(strstr(peer.seen, "\r\n\r\nbody"));
		buf_release(&g.body);
	}
}

static void test_refused_at_once(void **state)
{
	(void)state;
	struct http_header bad[] = {{"X-A", "a\r\nX-B: b"}, {"X-A\n", "a"}, {"X A", "a"}, {"", "a"}, {"X-A", "a\nb"},
		{"X-A", "secret\x01"}};
	const char *urls[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1:99999/", "http://", "http://a b/",
		"http://user:secret@127.0.0.1/", "http://127.0.0.1/\r\nX: y", ""};
	struct get g;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		get_init(&g);
		g.r.headers = &bad[i];
		g.r.header_count = 1;
		err_clear(&e);
		assert_int_equal(http_request_start(&g.r, http, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_null(strstr(e.text, "secret"));
	}
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		get_init(&g);
		g.r.url = urls[i];
		err_clear(&e);
		if (http_request_start(&g.r, http, &e) == 0)
			fail_msg("%s was accepted", urls[i]);
		assert_int_equal(e.code, ERR_INVALID);
		assert_null(strstr(e.text, "secret"));
	}
	get_init(&g);
	g.r.method = "GET /x HTTP/1.1\r\n";
	assert_int_equal(http_request_start(&g.r, http, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_false(loop_turn(loop, 0));
	assert_int_equal(peer.connections, 0);
}

static void test_nobody_there(void **state)
{
	(void)state;
	struct get g;
	get_init(&g);
	g.r.url = "http://127.0.0.1:1/";
	get_run(&g);
	assert_int_equal(g.why.code, ERR_NETWORK);
	assert_non_null(strstr(g.why.text, "127.0.0.1:1"));
	fault_arm(FAULT_NET, 1, false);
	get_init(&g);
	get_run(&g);
	fault_disarm();
	assert_int_equal(g.why.code, ERR_NETWORK);
}

static void test_unix_socket(void **state)
{
	(void)state;
	char dir[] = "/tmp/muster-test-XXXXXX", path[400], command[500];
	assert_non_null(mkdtemp(dir));
	for (int deep = 0; deep < 2; deep++) {
		peer_stop();
		snprintf(path, sizeof(path), deep ? "%s/%0150d" : "%s", dir, 0);
		mkdir(path, 0700);
		struct sockaddr_un a = {.sun_family = AF_UNIX};
		strcpy(a.sun_path, "s");
		char here[400];
		assert_non_null(getcwd(here, sizeof(here)));
		assert_int_equal(chdir(path), 0);
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
		assert_int_equal(chdir(here), 0);
		peer_start(fd);
		strcat(path, "/s");
		struct get g;
		get_init(&g);
		g.r.url = "http://localhost/api/v1/runs";
		g.r.unix_socket = path;
		peer.answer = span_of(plain);
		get_run(&g);
		assert_int_equal(g.why.code, ERR_OK);
		assert_string_equal(g.body.data, "hello world");
		assert_non_null(strstr(peer.seen, "GET /api/v1/runs"));
		buf_release(&g.body);
	}
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* Every allocation of a request fails once: an error, no leak, no hang. */
static void test_no_memory(void **state)
{
	(void)state;
	struct http_header header = {"x-api-key", "k"};
	struct span body = span_of("body");
	int asked = 0, failed = 0;
	GET(warm, chunked); /* the loop's own tables have grown */
	buf_release(&warm.body);
	http_free(http); /* its kept connection: the peer serves one at a time */
	http = NULL;
	for (uint64_t n = 1;; n++) {
		size_t before = mem_in_use();
		struct http *h = http_new(loop, &e);
		struct get g;
		get_init(&g);
		g.r.method = "POST";
		g.r.headers = &header;
		g.r.header_count = 1;
		g.r.body = &body;
		g.r.body_pieces = 1;
		fault_arm(FAULT_ALLOC, n, false);
		bool started = http_request_start(&g.r, h, &e) == 0;
		int64_t until = clock_mono(loop_clock(loop)) + 5000000;
		while (started && !g.dones) {
			loop_turn(loop, 5000);
			if (clock_mono(loop_clock(loop)) > until)
				fail_msg("allocation %d: hangs", (int)n);
		}
		bool reached = fault_seen() >= n;
		fault_disarm();
		asked++;
		failed += !started || g.why.code != ERR_OK;
		if (started && g.why.code == ERR_OK && !g.body.failed)
			assert_string_equal(g.body.data, "hello world");
		buf_release(&g.body);
		http_free(h);
		loop_turn(loop, 0);
		if (mem_in_use() > before)
			fail_msg("allocation %d: %zu bytes leaked", (int)n, mem_in_use() - before);
		if (!reached)
			break;
	}
	assert_true(asked > 50);
	assert_true(failed > 40);
}

int main(void)
{
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
#define T(name) cmocka_unit_test_setup_teardown(test_##name, get_setup, get_teardown)
	const struct CMUnitTest tests[] = {
		T(plain),
		T(chunked_any_status),
		T(no_redirects_no_1xx),
		T(a_status_that_is_no_answer),
		T(a_head_that_ends_oddly),
		T(body_in_pieces),
		T(cut_at_every_byte),
		T(time_outs),
		T(too_large),
		T(gzip),
		T(pause_and_resume),
		T(cancel),
		T(connections_are_kept),
		T(refused_at_once),
		T(nobody_there),
		T(unix_socket),
		T(no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
