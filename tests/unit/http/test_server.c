/* The HTTP server over a Unix socket and TCP on 127.0.0.1; the test itself is the client, on the same thread. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/client.h"
#include "http/reply.h"

#define FLOW (16u << 20) /* more than the kernel's buffers take */

static struct loop *loop;
static struct server server;
static struct err e;
static int port, closed, handled, gone, drains, collected;
static enum err_code why_code;
static struct server_request *held; /* by a handler that replies later */
static size_t streamed, most_queued;
static char dir[] = "/tmp/muster-test-XXXXXX", path[128];

/* ---- handlers, by path ---- */

static void on_gone(struct server_request *r)
{
	assert_ptr_equal(r, held);
	gone++;
}

static void fill(struct server_request *r)
{
	static char block[40000];
	memset(block, 'x', sizeof(block));
	struct err why = ERR_INIT;
	while (streamed < FLOW) {
		if (reply_write(r, span_n(block, sizeof(block)), &why) != 0) {
			assert_int_equal(why.code, ERR_TOO_LARGE);
			if (reply_queued(r) > most_queued)
				most_queued = reply_queued(r);
			return;
		}
		streamed += sizeof(block);
	}
	held = NULL;
	reply_end(r);
}

static void on_drain(struct server_request *r)
{
	drains++;
	fill(r);
}

static void on_collected(struct server_request *r, const struct err *why)
{
	collected++;
	why_code = why ? why->code : ERR_OK;
	if (why)
		reply_problem(r, why);
	else
		reply_bytes(r, 200, "application/octet-stream", r->body);
}

static void on_body(struct server_request *r, struct span bytes, const struct err *why)
{
	streamed += bytes.n;
	if (why) {
		why_code = why->code;
		held = NULL;
		reply_problem(r, why);
	} else if (bytes.n == 0) {
		char text[64];
		int n = snprintf(text, sizeof(text), "{\"bytes\":%zu}", streamed);
		held = NULL;
		reply_json(r, 201, span_n(text, (size_t)n));
	}
}

static void handle(struct server_request *r, void *ctx)
{
	assert_ptr_equal(ctx, &server);
	handled++;
	if (strcmp(r->path, "/hello") == 0) {
		cleanup_buf struct buf name = BUF_INIT(100), text = BUF_INIT(300);
		int found = request_query(r, "name", &name, &e);
		assert_true(found >= 0);
		buf_addf(&text, "{\"hello\":\"%s\",\"agent\":\"%s\"}", found ? name.data : "world",
			request_header(r, "user-agent") ? request_header(r, "user-agent") : "none");
		if (reply_header(r, "ETag", "\"1\"", &e) != 0) {
			assert_int_equal(e.code, ERR_NOMEM);
			reply_problem(r, &e);
			return;
		}
		assert_int_equal(reply_header(r, "X", "a\r\nY: b", &e), -1);
		assert_int_equal(reply_header(r, "X\n", "a", &e), -1);
		reply_json(r, 200, buf_span(&text));
	} else if (strcmp(r->path, "/peer") == 0) {
		char text[64];
		int n = snprintf(text, sizeof(text), "%d %u %d", r->local, (unsigned)r->uid, (int)r->pid);
		reply_bytes(r, 200, "text/plain", span_n(text, (size_t)n));
	} else if (strcmp(r->path, "/echo") == 0) {
		request_collect(r, 1000, on_collected);
		assert_int_equal(collected, 0);
	} else if (strcmp(r->path, "/count") == 0) {
		streamed = 0;
		held = r;
		request_stream(r, on_body);
	} else if (strcmp(r->path, "/big") == 0) {
		char *text = mem_calloc(1, 3 << 20);
		reply_bytes(r, 200, "text/plain", span_n(text, 3 << 20));
		mem_free(text);
	} else if (strcmp(r->path, "/flow") == 0) {
		streamed = most_queued = 0;
		held = r;
		r->on_drain = on_drain;
		r->on_gone = on_gone;
		must(reply_start(r, 200, "text/plain", &e), &e);
		fill(r);
	} else if (strcmp(r->path, "/events") == 0) {
		held = r;
		r->on_gone = on_gone;
		must(reply_start(r, 200, "application/x-ndjson", &e), &e);
		must(reply_write(r, span_of("{\"seq\":1}\n"), &e), &e);
		must(reply_write(r, SPAN_NONE, &e), &e);
	} else if (strcmp(r->path, "/later") == 0) {
		held = r;
		r->on_gone = on_gone;
	} else if (strcmp(r->path, "/none") == 0) {
		reply_bytes(r, 204, NULL, SPAN_NONE);
	} else {
		struct err why = ERR_INIT;
		err_set(&why, ERR_NOT_FOUND, "there is no %s here, s3cret-key", r->path);
		reply_problem(r, &why);
	}
}

/* ---- the client ---- */

static int dial(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until `until` was seen, or to the end of the connection when NULL. Returns false on a reset. */
static bool hear(int fd, struct buf *out, const char *until)
{
	char bytes[65536];
	for (int64_t stop = clock_mono(&clock_real) + 10000000;;) {
		ssize_t n = read(fd, bytes, sizeof(bytes));
		if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			if (until)
				fail_msg("connection ended before %s: %s", until, buf_span(out).p);
			return n == 0;
		}
		if (n > 0)
			buf_add(out, bytes, (size_t)n);
		if (until && out->len && strstr(out->data, until))
			return true;
		if (n < 0)
			loop_turn(loop, 5);
		if (clock_mono(&clock_real) > stop)
			fail_msg("nothing came: %s", buf_span(out).p);
	}
}

static struct buf heard;

/* One connection, one text, everything that comes back until the server closes. */
static const char *ask(const char *text)
{
	int fd = dial();
	buf_clear(&heard);
	say(fd, text);
	hear(fd, &heard, NULL);
	close(fd);
	return buf_span(&heard).p;
}

static void turns(int n)
{
	while (n--)
		loop_turn(loop, 2);
}

static void handle_wrong_user(struct server_request *r, void *ctx)
{
	(void)ctx;
	reply_json(r, 200, span_of("{}"));
}

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	closed = handled = gone = drains = collected = 0;
	why_code = ERR_OK;
	held = NULL;
	buf_init(&heard, 64u << 20);
	loop = loop_new(&e);
	server_init(&server, loop, handle, &server);
	port = 0;
	snprintf(path, sizeof(path), "%s/sock", dir);
	return server_tcp(&server, "127.0.0.1", &port, &e) == 0 && server_unix(&server, path, 0600, &e) == 0 ? 0 : -1;
}

static void on_closed(struct server *s)
{
	assert_ptr_equal(s, &server);
	closed++;
}

static int teardown(void **state)
{
	(void)state;
	if (!closed) {
		server_close(&server, on_closed);
		assert_int_equal(closed, 0);
		while (!closed)
			loop_turn(loop, 1000);
	}
	assert_int_equal(closed, 1);
	buf_release(&heard);
	loop_free(loop);
	return 0;
}

#define GET(p) "GET " p " HTTP/1.1\r\nHost: h\r\n\r\n"
#define LAST(p) "GET " p " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

static void starts(const char *text, const char *with)
{
	if (strncmp(text, with, strlen(with)) != 0)
		fail_msg("%.200s does not start with %s", text, with);
}

static void has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("%.600s does not hold %s", text, what);
}

/* ---- tests ---- */

static void test_simple(void **state)
{
	(void)state;
	const char *got = ask(LAST("/hello?name=J%C3%B6"));
	starts(got, "HTTP/1.1 200 OK\r\nDate: ");
	has(got, "\r\nContent-Type: application/json\r\n");
	has(got, "\r\nContent-Length: 30\r\n");
	has(got, "\r\nConnection: close\r\n");
	has(got, "\r\nX-Content-Type-Options: nosniff\r\n");
	has(got, "\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n");
	has(got, "\r\nReferrer-Policy: no-referrer\r\n");
	has(got, "\r\nETag: \"1\"\r\n");
	has(got, "\r\n\r\n{\"hello\":\"Jö\",\"agent\":\"none\"}");
	assert_null(strstr(got, "Y: b"));
	got = ask("HEAD /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	has(got, "\r\nContent-Length: 32\r\n");
	assert_string_equal(got + strlen(got) - 4, "\r\n\r\n");
	got = ask(LAST("/none"));
	starts(got, "HTTP/1.1 204 No Content\r\n");
	assert_null(strstr(got, "Content-Length"));
	got = ask("GET /hello HTTP/1.0\r\n\r\n");
	has(got, "{\"hello\":\"world\"");
	assert_int_equal(handled, 4);
}

static void test_problem(void **state)
{
	(void)state;
	must(log_secret("s3cret-key", &e), &e);
	const char *got = ask(LAST("/a%22%0Ab"));
	starts(got, "HTTP/1.1 404 Not Found\r\n");
	has(got, "\r\nContent-Type: application/problem+json\r\n");
	json_t *v = json_parse(span_of(strstr(got, "\r\n\r\n") + 4), "problem", &e);
	assert_non_null(v);
	assert_string_equal(json_str(v, "code"), "not_found");
	assert_string_equal(json_str(v, "title"), "Not Found");
	assert_string_equal(json_str(v, "type"), "about:blank");
	assert_int_equal(json_int(v, "status", 0), 404);
	assert_string_equal(json_str(v, "detail"), "there is no /a\"\nb here, ***");
	json_decref(v);
}

static void test_keep_alive_and_pipelining(void **state)
{
	(void)state;
	int fd = dial();
	for (int i = 0; i < 3; i++) {
		buf_clear(&heard);
		say(fd, GET("/hello"));
		hear(fd, &heard, "none\"}");
		assert_null(strstr(heard.data, "Connection: close"));
	}
	/* The second waits for the first, also when that replies late. */
	buf_clear(&heard);
	say(fd, GET("/later") GET("/hello?name=a") GET("/hello?name=b") LAST("/none"));
	turns(10);
	assert_int_equal(handled, 4);
	assert_int_equal(heard.len, 0);
	reply_bytes(held, 200, "text/plain", span_of("late"));
	hear(fd, &heard, NULL);
	const char *late = strstr(heard.data, "late"), *a = strstr(heard.data, "\"a\""),
		   *b = strstr(heard.data, "\"b\"");
	assert_true(late && a && b && late < a && a < b && b < strstr(heard.data, "204 No"));
	close(fd);
	/* A thousand at once. */
	cleanup_buf struct buf many = BUF_INIT(1 << 20);
	for (int i = 0; i < 999; i++)
		buf_adds(&many, GET("/none"));
	buf_adds(&many, LAST("/none"));
	handled = 0;
	ask(many.data);
	assert_int_equal(handled, 1000);
	turns(3);
	assert_int_equal(server.count, 0);
}

static void test_every_cut_of_a_request(void **state)
{
	(void)state;
	const char *text = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
	for (size_t cut = 1; cut < strlen(text); cut++) {
		int fd = dial();
		buf_clear(&heard);
		collected = 0;
		assert_int_equal(send(fd, text, cut, MSG_NOSIGNAL), cut);
		turns(2);
		say(fd, text + cut);
		hear(fd, &heard, NULL);
		starts(heard.data, "HTTP/1.1 200 OK\r\n");
		assert_string_equal(heard.data + heard.len - 5, "hello");
		close(fd);
		/* And hung up there: nobody is left hanging. */
		fd = dial();
		collected = 0;
		assert_int_equal(send(fd, text, cut, MSG_NOSIGNAL), cut);
		turns(2);
		close(fd);
		turns(2);
		assert_int_equal(collected, cut >= strlen(text) - 5);
		if (collected)
			assert_int_equal(why_code, ERR_NETWORK);
	}
	turns(3);
	assert_int_equal(server.count, 0);
}

static void test_bodies(void **state)
{
	(void)state;
	const char *got =
		ask("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
		    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	has(got, "\r\n\r\nabcde");
	collected = 0;
	got = ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	has(got, "Content-Length: 0\r\n");
	/* Too large: said beforehand, or found out. */
	collected = 0;
	got = ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1073741824\r\n\r\n");
	starts(got, "HTTP/1.1 413 ");
	assert_int_equal(why_code, ERR_TOO_LARGE);
	collected = 0;
	cleanup_buf struct buf big = BUF_INIT(1 << 20);
	buf_adds(&big, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 2000; i++)
		buf_adds(&big, "1\r\nx\r\n");
	got = ask(big.data);
	starts(got, "HTTP/1.1 413 ");
	has(got, "Connection: close");
	assert_int_equal(collected, 1);
	/* A bad chunk inside. */
	collected = 0;
	got = ask("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
	starts(got, "HTTP/1.1 400 ");
	has(got, "Connection: close");
	assert_int_equal(why_code, ERR_PARSE);
	/* A refusal before the body is read reaches the client, although it goes on sending. */
	int fd = dial();
	buf_clear(&heard);
	say(fd, "POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
	char *rest = mem_calloc(1, 100000);
	turns(3);
	assert_true(send(fd, rest, 100000, MSG_NOSIGNAL) > 0);
	assert_true(hear(fd, &heard, NULL));
	starts(heard.data, "HTTP/1.1 404 ");
	close(fd);
	mem_free(rest);
}

static void test_expect_continue(void **state)
{
	(void)state;
	int fd = dial();
	buf_clear(&heard);
	say(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: "
		"close\r\n\r\n");
	hear(fd, &heard, "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, "hi");
	hear(fd, &heard, NULL);
	has(heard.data, "\r\n\r\nhi");
	close(fd);
	collected = 0;
	const char *got = ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n\r\n");
	starts(got, "HTTP/1.1 413 ");
}

static void test_upload_with_back_pressure(void **state)
{
	(void)state;
	enum { N = 100 << 20 };
	char *block = mem_calloc(1, 1 << 20), text[200];
	int fd = dial();
	snprintf(text, sizeof(text),
		"POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", N);
	buf_clear(&heard);
	say(fd, text);
	while (!held)
		loop_turn(loop, 100);
	size_t before = mem_in_use(), most = 0, sent = 0, stuck = 0;
	request_pause(held);
	while (stuck < 20) { /* paused: the socket fills up and no more is taken */
		ssize_t n = send(fd, block, 1 << 20, MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		else
			stuck++;
		loop_turn(loop, 1);
	}
	assert_true(sent < 32 << 20);
	assert_true(streamed < 1 << 20);
	request_resume(held);
	while (sent < N) {
		ssize_t n = send(fd, block, N - sent < 1 << 20 ? N - sent : 1 << 20, MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		loop_turn(loop, 0);
		if (mem_in_use() - before > most)
			most = mem_in_use() - before;
	}
	hear(fd, &heard, NULL);
	has(heard.data, "HTTP/1.1 201 Created\r\n");
	has(heard.data, "{\"bytes\":104857600}");
	assert_true(most < 1 << 20);
	close(fd);
	mem_free(block);
}

static void test_large_reply(void **state)
{
	(void)state;
	ask(LAST("/big"));
	assert_true(heard.len > 3 << 20);
	assert_int_equal(heard.data[heard.len - 1], 0);
	/* To a client that half-closes at once, and kept alive. */
	int fd = dial();
	buf_clear(&heard);
	say(fd, GET("/big"));
	shutdown(fd, SHUT_WR);
	hear(fd, &heard, NULL);
	assert_true(heard.len > 3 << 20);
	close(fd);
	/* Pipelined: the second is not begun while the first waits to be read. */
	fd = dial();
	buf_clear(&heard);
	handled = 0;
	say(fd, GET("/big") GET("/big") GET("/big") LAST("/big"));
	turns(20);
	assert_true(handled <= 2);
	hear(fd, &heard, NULL);
	assert_true(heard.len > 12 << 20);
	assert_int_equal(handled, 4);
	close(fd);
}

static void test_streaming(void **state)
{
	(void)state;
	int fd = dial();
	buf_clear(&heard);
	say(fd, GET("/events") GET("/hello"));
	hear(fd, &heard, "{\"seq\":1}\n\r\n");
	has(heard.data, "Transfer-Encoding: chunked\r\n");
	has(heard.data, "\r\n\r\na\r\n{\"seq\":1}\n\r\n");
	must(reply_write(held, span_of("more"), &e), &e);
	hear(fd, &heard, "4\r\nmore\r\n");
	reply_end(held);
	hear(fd, &heard, "{\"hello\""); /* the connection goes on */
	has(heard.data, "0\r\n\r\nHTTP/1.1 200 OK");
	close(fd);
	assert_int_equal(gone, 0);
	/* HTTP/1.0: without chunks, to the end of the connection. */
	fd = dial();
	buf_clear(&heard);
	say(fd, "GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	hear(fd, &heard, "{\"seq\":1}");
	assert_null(strstr(heard.data, "chunked"));
	reply_end(held);
	hear(fd, &heard, NULL);
	assert_string_equal(heard.data + heard.len - 14, "\r\n\r\n{\"seq\":1}\n");
	close(fd);
	/* HEAD has no body. */
	fd = dial();
	buf_clear(&heard);
	say(fd, "HEAD /events HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	turns(3);
	reply_end(held);
	hear(fd, &heard, NULL);
	assert_string_equal(heard.data + heard.len - 4, "\r\n\r\n");
	close(fd);
}

static void test_client_hangs_up(void **state)
{
	(void)state;
	/* During a stream: told once; writing on is harmless; the request lives until its end. */
	int fd = dial();
	buf_clear(&heard);
	say(fd, GET("/events"));
	hear(fd, &heard, "{\"seq\":1}");
	close(fd);
	turns(5);
	assert_int_equal(gone, 1);
	assert_int_equal(reply_write(held, span_of("x"), &e), -1);
	assert_int_equal(e.code, ERR_NETWORK);
	assert_int_equal(server.count, 1);
	reply_end(held);
	turns(3);
	assert_int_equal(server.count, 0);
	assert_int_equal(gone, 1);
	/* Before the reply: it may only have finished sending. */
	fd = dial();
	buf_clear(&heard);
	say(fd, GET("/later"));
	shutdown(fd, SHUT_WR);
	turns(5);
	assert_int_equal(gone, 1);
	reply_bytes(held, 200, "text/plain", span_of("still here"));
	hear(fd, &heard, NULL);
	has(heard.data, "still here");
	close(fd);
	/* Gone with a reset: replying is harmless, and so is asking for the body. */
	fd = dial();
	say(fd, "POST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
	turns(3);
	struct linger hard = {.l_onoff = 1};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
	turns(5);
	assert_int_equal(gone, 2);
	collected = 0;
	request_collect(held, 100, on_collected);
	assert_int_equal(collected, 0);
	turns(3);
	assert_int_equal(collected, 1);
	assert_int_equal(why_code, ERR_NETWORK);
	turns(3);
	assert_int_equal(server.count, 0);
}

static void test_slow_reader(void **state)
{
	(void)state;
	int fd = dial();
	buf_clear(&heard);
	say(fd, LAST("/flow"));
	turns(20);
	assert_true(streamed < FLOW); /* held back */
	assert_true(most_queued <= CAP_HTTP_QUEUE);
	hear(fd, &heard, NULL);
	assert_int_equal(streamed, (FLOW / 40000 + 1) * 40000);
	assert_true(heard.len > streamed);
	assert_true(drains > 1);
	assert_string_equal(heard.data + heard.len - 5, "0\r\n\r\n");
	close(fd);
}

static void test_time_outs(void **state)
{
	(void)state;
	server.head_ms = 60;
	server.idle_ms = 120;
	server.stall_ms = 80;
	/* A byte now and then does not keep a head alive. */
	int fd = dial();
	buf_clear(&heard);
	say(fd, "GET / HTTP/1.1\r\nX: ");
	for (int i = 0; i < 10; i++) {
		turns(5);
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			break;
	}
	hear(fd, &heard, NULL);
	starts(heard.data, "HTTP/1.1 408 ");
	close(fd);
	/* Nothing at all; nothing after a reply. */
	fd = dial();
	buf_clear(&heard);
	hear(fd, &heard, NULL);
	assert_int_equal(heard.len, 0);
	close(fd);
	fd = dial();
	say(fd, GET("/none"));
	int64_t from = clock_mono(&clock_real);
	hear(fd, &heard, NULL);
	assert_true(clock_mono(&clock_real) - from >= 100 * 1000);
	close(fd);
	/* A body that stalls, and one that drips. */
	for (int drip = 0; drip < 2; drip++) {
		fd = dial();
		buf_clear(&heard);
		say(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\nx");
		collected = 0;
		for (int i = 0; i < 200 && !collected; i++) {
			if (drip)
				send(fd, "x", 1, MSG_NOSIGNAL);
			loop_turn(loop, 5);
		}
		hear(fd, &heard, NULL);
		assert_int_equal(collected, 1);
		assert_int_equal(why_code, ERR_TIMEOUT);
		has(heard.data, "\"code\":\"timeout\"");
		close(fd);
	}
	/* A reply that nobody reads. */
	fd = dial();
	say(fd, GET("/flow"));
	for (int i = 0; i < 100 && !gone; i++)
		loop_turn(loop, 10);
	assert_int_equal(gone, 1);
	assert_int_equal(reply_write(held, span_of("x"), &e), -1);
	reply_end(held);
	close(fd);
	/* But a stream that is merely quiet stays. */
	fd = dial();
	buf_clear(&heard);
	say(fd, GET("/events"));
	hear(fd, &heard, "{\"seq\":1}");
	for (int i = 0; i < 30; i++)
		loop_turn(loop, 10);
	assert_int_equal(gone, 1);
	reply_end(held);
	hear(fd, &heard, "0\r\n\r\n");
	close(fd);
}

static void test_hostile(void **state)
{
	(void)state;
	const struct {
		const char *text;
		int status;
	} cases[] = {
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
		{"GET / HTTP/1.1\nHost: h\n\n", 400},
		{"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n\r\n", 400},
		{"GET /../etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		{"GET /%2e%2e/x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		{"GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		{"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		{"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 405},
		{"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 405},
		{"PROPFIND / HTTP/1.1\r\nHost: h\r\n\r\n", 405},
		{"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
		{"HEAD /../x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char expected[32], twice[400];
		snprintf(expected, sizeof(expected), "HTTP/1.1 %d ", cases[i].status);
		/* What follows on the connection is never taken for a request. */
		snprintf(twice, sizeof(twice), "%s%s", cases[i].text, GET("/hello"));
		const char *got = ask(twice);
		starts(got, expected);
		has(got, "Connection: close\r\n");
		assert_null(strstr(got, "{\"hello\""));
		if (cases[i].status == 405)
			has(got, "\r\nAllow: GET, ");
		if (cases[i].text[0] == 'H')
			assert_string_equal(got + strlen(got) - 4, "\r\n\r\n");
		else
			has(got, "\"code\":\"");
	}
	assert_int_equal(handled, 0);
	/* 10 MiB of header: refused early, little memory. */
	size_t before = mem_in_use();
	char *big = mem_alloc((10 << 20) + 1);
	memset(big, 'a', 10 << 20);
	big[10 << 20] = 0;
	memcpy(big, "GET / HTTP/1.1\r\nHost: ", 22);
	int fd = dial();
	buf_clear(&heard);
	size_t at = 0;
	for (int i = 0; i < 1000 && at < 10 << 20; i++) {
		ssize_t n = send(fd, big + at, (10 << 20) - at, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		at += n > 0 ? (size_t)n : 0;
		loop_turn(loop, 1);
		assert_true(mem_in_use() - before < (11 << 20) + (1 << 20));
	}
	hear(fd, &heard, "HTTP/1.1 431 ");
	close(fd);
	mem_free(big);
}

static void test_too_many_connections(void **state)
{
	(void)state;
	server.max_connections = 3;
	int fds[5];
	for (int i = 0; i < 5; i++)
		fds[i] = dial();
	turns(5);
	assert_int_equal(server.count, 3);
	buf_clear(&heard);
	hear(fds[4], &heard, NULL);
	assert_int_equal(heard.len, 0);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	turns(5);
	assert_int_equal(server.count, 0);
	has(ask(LAST("/hello")), "200 OK");
}

static void on_head(struct http_request *r)
{
	(void)r;
}

static bool take(struct http_request *r, struct span bytes)
{
	(void)r;
	buf_addspan(&heard, bytes);
	return true;
}

static int dones;

static void on_done(struct http_request *r, const struct err *why)
{
	(void)r;
	dones++;
	why_code = why->code;
}

/* Our own client over the owner's socket. */
static void test_unix_socket_and_peer(void **state)
{
	(void)state;
	struct http *h = http_new(loop, &e);
	char text[64];
	snprintf(text, sizeof(text), "1 %u %d", (unsigned)getuid(), (int)getpid());
	for (int i = 0; i < 2; i++) {
		struct http_request r = {.method = "GET",
			.url = "http://muster/peer",
			.unix_socket = path,
			.response_cap = 1000,
			.on_head = on_head,
			.on_body = take,
			.on_done = on_done};
		buf_clear(&heard);
		dones = 0;
		must(http_request_start(&r, h, &e), &e);
		while (!dones)
			loop_turn(loop, 1000);
		assert_int_equal(why_code, ERR_OK);
		assert_int_equal(r.status, 200);
		assert_string_equal(heard.data, text);
	}
	assert_int_equal(server.count, 1); /* one connection for both */
	http_free(h);
	has(ask(LAST("/peer")), "\r\n\r\n0 0 0");
}

static void test_other_user(void **state)
{
	(void)state;
	if (geteuid() != 0) /* only root can become somebody else here */
		return;
	chmod(dir, 0755);
	chmod(path, 0666);
	server.handle = handle_wrong_user;
	assert_int_equal(seteuid(65534), 0);
	int fd = socket_connect_unix(path, &e);
	assert_int_equal(seteuid(0), 0);
	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	buf_clear(&heard);
	say(fd, GET("/hello"));
	hear(fd, &heard, NULL);
	starts(heard.data, "HTTP/1.1 403 ");
	has(heard.data, "\"code\":\"denied\"");
	close(fd);
}

static void test_close_waits(void **state)
{
	(void)state;
	int stream = dial(), later, idle = dial(), half = dial();
	buf_clear(&heard);
	say(stream, GET("/events"));
	hear(stream, &heard, "{\"seq\":1}");
	struct server_request *streaming = held;
	later = dial();
	say(later, GET("/later"));
	say(half, "GET / HT");
	turns(5);
	struct server_request *waiting = held;
	held = streaming;
	assert_int_equal(server.count, 4);
	server_close(&server, on_closed);
	assert_int_equal(gone, 1); /* the stream; the other may still answer */
	turns(5);
	assert_int_equal(closed, 0);
	assert_int_equal(server.count, 2);
	reply_end(streaming);
	reply_json(waiting, 200, span_of("{\"bye\":1}"));
	buf_clear(&heard);
	hear(later, &heard, NULL);
	has(heard.data, "{\"bye\":1}");
	has(heard.data, "Connection: close");
	close(later);
	close(idle);
	close(half);
	close(stream);
	while (!closed)
		loop_turn(loop, 1000);
	assert_int_equal(access(path, F_OK), -1);
}

/* Every allocation of an exchange fails once: an answer or a closed connection, no leak, no hang. */
static void test_no_memory(void **state)
{
	(void)state;
	const char *texts[] = {
		"POST /echo?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
		LAST("/missing"), LAST("/hello")};
	int bad = 0;
	ask(texts[0]);
	for (int i = 0; i < 3; i++) {
		for (uint64_t n = 1;; n++) {
			buf_release(&heard);
			size_t before = mem_in_use();
			int fd = dial();
			collected = 0;
			say(fd, texts[i]);
			fault_arm(FAULT_ALLOC, n, false);
			char got[4096] = {0};
			size_t len = 0;
			for (int64_t stop = clock_mono(&clock_real) + 5000000;;) {
				ssize_t r = read(fd, got + len, sizeof(got) - 1 - len);
				if (r == 0 || (r < 0 && errno == ECONNRESET))
					break;
				len += r > 0 ? (size_t)r : 0;
				loop_turn(loop, 5);
				if (clock_mono(&clock_real) > stop)
					fail_msg("text %d, allocation %d: hangs", i, (int)n);
			}
			bool reached = fault_seen() >= n;
			fault_disarm();
			close(fd);
			turns(3);
			assert_int_equal(server.count, 0);
			assert_true(mem_in_use() <= before);
			if (!strstr(got, "200 OK") && !strstr(got, "404 Not"))
				bad++;
			if (!reached)
				break;
		}
	}
	assert_true(bad > 10);
}

int main(void)
{
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	json_setup();
	if (!mkdtemp(dir))
		return 1;
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(simple),
		T(problem),
		T(keep_alive_and_pipelining),
		T(every_cut_of_a_request),
		T(bodies),
		T(expect_continue),
		T(upload_with_back_pressure),
		T(large_reply),
		T(streaming),
		T(client_hangs_up),
		T(slow_reader),
		T(time_outs),
		T(hostile),
		T(too_many_connections),
		T(unix_socket_and_peer),
		T(other_user),
		T(close_waits),
		T(no_memory),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
