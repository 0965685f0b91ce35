/* The HTTP server, well used: over a Unix socket and TCP on 127.0.0.1. */
#include "server_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/client.h"

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

static struct clock clock;

static void wake(struct timer *t)
{
	(void)t;
}

static void pass(int ms)
{
	struct timer t;
	timer_init(&t, loop, wake);
	must(timer_start(&t, 0, &e), &e);
	clock_advance(&clock, ms * 1000ll);
	turns(5);
}

static void test_close_gives_up_bodies(void **state)
{
	(void)state;
	clock_fake(&clock, 1000000);
	loop_set_clock(loop, &clock);
	int fd = dial();
	say(fd, "POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nx");
	for (int i = 0; i < 1000 && streamed != 1; i++)
		loop_turn(loop, 10);
	server_close(&server, on_closed);
	turns(5);
	pass(1000); /* what is nearly there may come to its end */
	assert_non_null(held);
	assert_int_equal(closed, 0);
	for (int i = 0; i < 100 && !closed; i++) {
		send(fd, "y", 1, MSG_NOSIGNAL); /* never too slow */
		pass(500);
	}
	assert_int_equal(why_code, ERR_NETWORK);
	assert_int_equal(closed, 1);
	assert_true(clock_mono(&clock) < 10 * 1000000);
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(simple),
		T(problem),
		T(keep_alive_and_pipelining),
		T(bodies),
		T(expect_continue),
		T(upload_with_back_pressure),
		T(large_reply),
		T(streaming),
		T(client_hangs_up),
		T(slow_reader),
		T(unix_socket_and_peer),
		T(close_waits),
		T(close_gives_up_bodies),
	};
	return run("test_server", tests, sizeof(tests) / sizeof(*tests));
}
