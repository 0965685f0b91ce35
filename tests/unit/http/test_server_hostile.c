/* The HTTP server, ill used: malformed, slow, huge, foreign, out of memory. */
#include "server_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/mem.h"

static void handle_wrong_user(struct server_request *r, void *ctx)
{
	(void)ctx;
	reply_json(r, 200, span_of("{}"));
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

/* A crowd that never finishes a head does not keep others from being served, and goes in time. */
static void test_slow_crowd(void **state)
{
	(void)state;
	enum { CROWD = 300 };
	int fds[CROWD];
	server.head_ms = 1500;
	size_t before = mem_in_use();
	for (int i = 0; i < CROWD; i++) {
		fds[i] = dial();
		say(fds[i], "POST /echo HTTP/1.1\r\nHost: ");
		loop_turn(loop, 0);
	}
	turns(3);
	assert_int_equal(server.count, CROWD);
	assert_true(mem_in_use() - before < CROWD * 4096);
	has(ask(LAST("/hello")), "200 OK");
	for (int i = 0; i < CROWD; i++) {
		buf_clear(&heard);
		hear(fds[i], &heard, "HTTP/1.1 408 ");
		close(fds[i]);
	}
	turns(5);
	assert_int_equal(server.count, 0);
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

static void test_other_user(void **state)
{
	(void)state;
	if (geteuid() != 0) /* only root can become somebody else here */
		skip();
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
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(every_cut_of_a_request),
		T(time_outs),
		T(hostile),
		T(slow_crowd),
		T(too_many_connections),
		T(other_user),
		T(no_memory),
	};
	return run("test_server_hostile", tests, sizeof(tests) / sizeof(*tests));
}
