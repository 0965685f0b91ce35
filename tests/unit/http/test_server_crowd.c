/* A thousand slow clients of each kind (security.md, row 15): little memory, others are served meanwhile, and all are
 * gone when their time is over, by a clock that is moved. How fast the others are served, bench_http prints. */
#include "server_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "http/reply_file.h"

enum { CROWD = 1000 };

static struct clock clock;
static char file[140];
static int fds[CROWD], crowd, hellos;

static void on_body(struct server_request *r, struct span bytes, const struct err *why)
{
	(void)bytes;
	if (why)
		reply_problem(r, why);
}

static void handle_crowd(struct server_request *r, void *ctx)
{
	struct reply_file how = {.type = "application/octet-stream"};
	(void)ctx;
	if (strcmp(r->path, "/file") == 0) {
		int fd = fs_open(file, O_RDONLY, 0, &e);
		assert_true(fd >= 0);
		reply_file(r, fd, &how);
	} else if (strcmp(r->path, "/body") == 0) {
		request_stream(r, on_body);
	} else {
		hellos++;
		reply_json(r, 200, span_of("{}"));
	}
}

static int setup_crowd(void **state)
{
	struct rlimit files;
	if (setup(state) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0)
		return -1;
	files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
	setrlimit(RLIMIT_NOFILE, &files);
	crowd = files.rlim_cur > 4 * CROWD ? CROWD : (int)files.rlim_cur / 4; /* client, server, file; some to spare */
	clock_fake(&clock, 1000000);
	loop_set_clock(loop, &clock);
	server.handle = handle_crowd;
	hellos = 0;
	snprintf(file, sizeof(file), "%s/file", dir);
	return 0;
}

static int teardown_crowd(void **state)
{
	int failed = teardown(state);
	unlink(file);
	return failed;
}

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
	turns(2);
}

/* They come, say this, and do nothing more; then somebody else asks, and in the end they are let go. */
static void come_and_stall(const char *text, size_t each, int rest_ms)
{
	size_t before = mem_in_use();
	for (int i = 0; i < crowd; i++) {
		fds[i] = dial();
		say(fds[i], text);
		if (i % 50 == 0)
			loop_turn(loop, 0);
	}
	for (int i = 0; i < 2000 && (int)server.count < crowd; i++)
		loop_turn(loop, 10);
	turns(100);
	assert_int_equal(server.count, crowd);
	if (mem_in_use() - before > (size_t)crowd * each)
		fail_msg("%d clients hold %zu bytes", crowd, mem_in_use() - before);
	for (int i = 0; i < 10; i++)
		starts(ask(LAST("/hello")), "HTTP/1.1 200 OK\r\n");
	assert_int_equal(hellos, 10);
	turns(2);
	assert_int_equal(server.count, crowd);
	for (int i = 0; i < 100 && server.count; i++)
		pass(rest_ms);
	assert_int_equal(server.count, 0);
	for (int i = 0; i < crowd; i++)
		close(fds[i]);
	buf_release(&heard);
	size_t left = (size_t)crowd * 64; /* the loop keeps its room for timers */
	for (int i = 0; i < 1000 && mem_in_use() > before + left; i++)
		loop_turn(loop, 10);
	assert_true(mem_in_use() <= before + left);
}

static void test_slow_heads(void **state)
{
	(void)state;
	come_and_stall("GET / HTTP/1.1\r\nHost: ", 4 * KIB, TIME_HTTP_HEAD);
}

static void test_slow_bodies(void **state)
{
	(void)state;
	come_and_stall("POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nx", 4 * KIB, TIME_HTTP_STALL);
}

static void test_slow_readers(void **state)
{
	(void)state;
	int fd = fs_open(file, O_WRONLY | O_CREAT, 0600, &e);
	assert_int_equal(ftruncate(fd, 64 << 20), 0); /* more than the kernel takes for a client */
	close(fd);
	come_and_stall(GET("/file"), 256 * KIB, TIME_HTTP_STALL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup_crowd, teardown_crowd)
	const struct CMUnitTest tests[] = {
		T(slow_heads),
		T(slow_bodies),
		T(slow_readers),
	};
	return run("test_server_crowd", tests, sizeof(tests) / sizeof(*tests));
}
