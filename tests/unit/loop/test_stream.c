/* Streams and listeners: bytes arrive whole and in order, back-pressure holds, ends and errors are told once. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "loop/stream.h"

static struct loop *loop;
static struct err e;

struct end {
	struct stream s;
	struct buf in;
	int ends, drains, closes;
	enum err_code why, write_why;
	bool close_on_read;
	struct span feed; /* written as room comes */
};

static void on_read(struct stream *s, struct span bytes, const struct err *why)
{
	struct end *x = container_of(s, struct end, s);
	buf_addspan(&x->in, bytes);
	if (bytes.n == 0) {
		x->ends++;
		x->why = why ? why->code : ERR_OK;
	}
	if (x->close_on_read)
		stream_close(s);
}

static void feed(struct end *x)
{
	while (x->feed.n > 0) {
		size_t n = x->feed.n < 5000 ? x->feed.n : 5000;
		if (stream_write(&x->s, span_n(x->feed.p, n), &e) != 0) {
			assert_int_equal(e.code, ERR_TOO_LARGE);
			return;
		}
		x->feed.p += n;
		x->feed.n -= n;
	}
	stream_finish(&x->s);
}

static void on_drain(struct stream *s, const struct err *why)
{
	struct end *x = container_of(s, struct end, s);
	x->drains++;
	if (why)
		x->write_why = why->code;
	else
		feed(x);
}

static void on_closed(struct stream *s)
{
	struct end *x = container_of(s, struct end, s);
	x->closes++;
	buf_release(&x->in);
}

static void open_end(struct end *x, int fd, size_t cap)
{
	memset(x, 0, sizeof(*x));
	x->s.on_read = on_read;
	x->s.on_drain = on_drain;
	x->s.on_closed = on_closed;
	buf_init(&x->in, 64u << 20);
	must(stream_open(&x->s, loop, fd, cap, &e), &e);
}

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	loop = loop_new(&e);
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void test_transfer_with_back_pressure(void **state)
{
	(void)state;
	enum { N = 3 * 1000 * 1000 };
	char *data = mem_alloc(N);
	for (size_t i = 0; i < N; i++)
		data[i] = (char)(i * 31 % 251);
	int fds[2];
	struct end a, b;
	pair(fds);
	open_end(&a, fds[0], 64 * 1024);
	open_end(&b, fds[1], 1024);
	must(stream_read_start(&b.s, &e), &e);
	a.feed = span_n(data, N);
	feed(&a);
	assert_true(a.feed.n > N - 70 * 1000); /* refused beyond the cap */
	assert_int_equal(a.drains, 0);	       /* never from inside */
	must(loop_run(loop, &e), &e);
	assert_int_equal(b.in.len, N);
	assert_memory_equal(b.in.data, data, N);
	assert_int_equal(b.ends, 1);
	assert_int_equal(b.why, ERR_OK);
	assert_true(a.drains > 10);
	/* The other direction still works after finish. */
	must(stream_write(&b.s, span_of("answer"), &e), &e);
	must(stream_read_start(&a.s, &e), &e);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	assert_int_equal(a.in.len, 6);
	assert_int_equal(stream_write(&a.s, span_of("x"), &e), -1);
	stream_close(&a.s);
	stream_close(&b.s);
	stream_close(&b.s);
	assert_int_equal(b.closes, 0);
	must(loop_run(loop, &e), &e);
	assert_int_equal(a.closes, 1);
	assert_int_equal(b.closes, 1);
	mem_free(data);
}

static void test_reading_is_pulled(void **state)
{
	(void)state;
	int fds[2];
	struct end a;
	pair(fds);
	open_end(&a, fds[0], 1024);
	assert_int_equal(write(fds[1], "abc", 3), 3);
	assert_false(loop_turn(loop, 0));
	assert_int_equal(a.in.len, 0);
	must(stream_read_start(&a.s, &e), &e);
	assert_true(loop_turn(loop, 1000));
	assert_int_equal(a.in.len, 3);
	stream_read_stop(&a.s);
	assert_int_equal(write(fds[1], "def", 3), 3);
	loop_turn(loop, 0);
	assert_int_equal(a.in.len, 3);
	must(stream_read_start(&a.s, &e), &e);
	close(fds[1]);
	must(loop_run(loop, &e), &e);
	assert_int_equal(a.in.len, 6);
	assert_int_equal(a.ends, 1);
	must(stream_read_start(&a.s, &e), &e);
	must(loop_run(loop, &e), &e);
	assert_int_equal(a.ends, 1);
	stream_close(&a.s);
	must(loop_run(loop, &e), &e);
}

static void test_close_inside_read(void **state)
{
	(void)state;
	int fds[2];
	struct end a;
	pair(fds);
	open_end(&a, fds[0], 1024);
	a.close_on_read = true;
	must(stream_read_start(&a.s, &e), &e);
	assert_int_equal(write(fds[1], "abc", 3), 3);
	must(loop_run(loop, &e), &e);
	assert_int_equal(a.closes, 1);
	close(fds[1]);
}

static void test_write_to_the_gone(void **state)
{
	(void)state;
	int fds[2];
	struct end a;
	pair(fds);
	close(fds[1]);
	open_end(&a, fds[0], 1024);
	must(stream_write(&a.s, span_of("x"), &e), &e);
	must(loop_run(loop, &e), &e);
	assert_int_equal(a.drains, 1);
	assert_int_equal(a.write_why, ERR_IO);
	assert_int_equal(stream_write(&a.s, span_of("x"), &e), -1);
	assert_int_equal(e.code, ERR_IO);
	stream_close(&a.s);
	must(loop_run(loop, &e), &e);
}

static void test_pipe_end(void **state)
{
	(void)state;
	int fds[2];
	struct end r, w;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	open_end(&r, fds[0], 1);
	open_end(&w, fds[1], 1024);
	must(stream_read_start(&r.s, &e), &e);
	must(stream_write(&w.s, span_of("bytes"), &e), &e);
	stream_finish(&w.s);
	must(loop_run(loop, &e), &e);
	assert_int_equal(r.in.len, 5);
	assert_int_equal(r.ends, 1);
	stream_close(&w.s);
	stream_close(&r.s);
	must(loop_run(loop, &e), &e);
	assert_int_equal(w.closes, 1);
}

static void test_faults(void **state)
{
	(void)state;
	int fds[2];
	struct end a;
	pair(fds);
	open_end(&a, fds[0], 4096);
	must(stream_write(&a.s, span_of("kept "), &e), &e);
	char *big = mem_calloc(1, 4000);
	fault_arm(FAULT_ALLOC, 1, false);
	assert_int_equal(stream_write(&a.s, span_n(big, 4000), &e), -1);
	fault_disarm();
	assert_int_equal(e.code, ERR_NOMEM);
	must(stream_write(&a.s, span_of("and more"), &e), &e);
	must(loop_run(loop, &e), &e);
	char got[32] = {0};
	assert_int_equal(read(fds[1], got, sizeof(got)), 13);
	assert_string_equal(got, "kept and more");
	must(stream_read_start(&a.s, &e), &e);
	assert_int_equal(write(fds[1], "x", 1), 1);
	fault_arm(FAULT_NET, 1, false);
	must(loop_run(loop, &e), &e);
	fault_disarm();
	assert_int_equal(a.ends, 1);
	assert_int_equal(a.why, ERR_IO);
	stream_close(&a.s);
	must(loop_run(loop, &e), &e);
	close(fds[1]);
	mem_free(big);
}

static struct listener listener;
static int accepted[8], accepted_count;

static void on_accept(struct listener *l, int fd)
{
	(void)l;
	accepted[accepted_count++] = fd;
}

static void test_unix_listener(void **state)
{
	(void)state;
	char dir[] = "/tmp/muster-test-XXXXXX", path[512], deep[400];
	struct stat st;
	uid_t uid;
	pid_t pid;
	assert_non_null(mkdtemp(dir));
	for (int round = 0; round < 2; round++) {
		int n = snprintf(path, sizeof(path), "%s", dir);
		if (round == 1) { /* longer than a socket address */
			memset(deep, 'd', 150);
			deep[150] = 0;
			n += snprintf(path + n, sizeof(path) - (size_t)n, "/%s", deep);
			assert_int_equal(mkdir(path, 0700), 0);
		}
		snprintf(path + n, sizeof(path) - (size_t)n, "/sock");
		accepted_count = 0;
		must(listener_unix(&listener, loop, path, 0600, on_accept, &e), &e);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		struct listener second;
		assert_int_equal(listener_unix(&second, loop, path, 0600, on_accept, &e), -1);
		assert_int_equal(e.code, ERR_EXISTS);
		while (accepted_count < 1) /* the look at who serves it */
			loop_turn(loop, 1000);
		close(accepted[0]);
		int fd = socket_connect_unix(path, &e);
		assert_true(fd >= 0);
		while (accepted_count < 2)
			loop_turn(loop, 1000);
		must(socket_peer(accepted[1], &uid, &pid, &e), &e);
		assert_int_equal(uid, getuid());
		assert_int_equal(pid, getpid());
		close(fd);
		close(accepted[1]);
		listener_close(&listener);
		listener_close(&listener);
		assert_int_equal(access(path, F_OK), -1);
		assert_int_equal(socket_connect_unix(path, &e), -1);
		assert_int_equal(e.code, ERR_NOT_FOUND);
	}
	/* A socket left by a process that died is replaced; anything else is not. */
	snprintf(path, sizeof(path), "%s/sock", dir);
	must(listener_unix(&listener, loop, path, 0600, on_accept, &e), &e);
	char kept[520];
	snprintf(kept, sizeof(kept), "%s/kept", dir);
	assert_int_equal(link(path, kept), 0);
	listener_close(&listener);
	assert_int_equal(rename(kept, path), 0);
	must(listener_unix(&listener, loop, path, 0600, on_accept, &e), &e);
	listener_close(&listener);
	int file = open(path, O_CREAT | O_WRONLY, 0600);
	close(file);
	assert_int_equal(listener_unix(&listener, loop, path, 0600, on_accept, &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
	assert_int_equal(access(path, F_OK), 0);
	char command[600];
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static int tcp_connect(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void test_tcp_listener(void **state)
{
	(void)state;
	accepted_count = 0;
	must(listener_tcp(&listener, loop, "127.0.0.1", 0, on_accept, &e), &e);
	assert_true(listener.port > 0);
	struct listener second;
	assert_int_equal(listener_tcp(&second, loop, "127.0.0.1", listener.port, on_accept, &e), -1);
	assert_int_equal(listener_tcp(&second, loop, "localhost", 0, on_accept, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	int fd = tcp_connect(listener.port);
	while (accepted_count < 1)
		loop_turn(loop, 1000);
	close(fd);
	close(accepted[0]);
	/* Out of descriptors: rests, then takes the waiting connection. */
	fd = tcp_connect(listener.port);
	fault_arm(FAULT_NET, 1, false);
	int64_t from = clock_mono(loop_clock(loop));
	while (accepted_count < 2)
		loop_turn(loop, 1000);
	fault_disarm();
	assert_true(clock_mono(loop_clock(loop)) - from >= 100 * 1000);
	close(fd);
	close(accepted[1]);
	listener_close(&listener);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(transfer_with_back_pressure),
		T(reading_is_pulled),
		T(close_inside_read),
		T(write_to_the_gone),
		T(pipe_end),
		T(faults),
		T(unix_listener),
		T(tcp_listener),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
