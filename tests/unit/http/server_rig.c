#include "server_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"

struct loop *loop;
struct server server;
struct err e;
int port, closed, handled, gone, drains, collected;
enum err_code why_code;
struct server_request *held;
size_t streamed, most_queued;
char dir[64] = "/tmp/muster-test-XXXXXX", path[128];
struct buf heard;

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

void on_collected(struct server_request *r, const struct err *why)
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

int dial(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

bool hear(int fd, struct buf *out, const char *until)
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

const char *ask(const char *text)
{
	int fd = dial();
	buf_clear(&heard);
	say(fd, text);
	hear(fd, &heard, NULL);
	close(fd);
	return buf_span(&heard).p;
}

void turns(int n)
{
	while (n--)
		loop_turn(loop, 5);
}

int setup(void **state)
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

void on_closed(struct server *s)
{
	assert_ptr_equal(s, &server);
	closed++;
}

int teardown(void **state)
{
	(void)state;
	if (!closed) {
		server_close(&server, on_closed);
		assert_int_equal(closed, 0);
		for (int64_t stop = clock_mono(&clock_real) + 60000000; !closed; loop_turn(loop, 1000))
			if (clock_mono(&clock_real) > stop)
				fail_msg("the server does not end: a request was not answered");
	}
	assert_int_equal(closed, 1);
	buf_release(&heard);
	loop_free(loop);
	return 0;
}

void starts(const char *text, const char *with)
{
	if (strncmp(text, with, strlen(with)) != 0)
		fail_msg("%.200s does not start with %s", text, with);
}

void has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("%.600s does not hold %s", text, what);
}

int run(const char *name, const struct CMUnitTest *tests, size_t count)
{
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	json_setup();
	if (!mkdtemp(dir))
		return 1;
	int failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
	rmdir(dir);
	return failed;
}
