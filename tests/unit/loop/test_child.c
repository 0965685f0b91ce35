/* Children and terminals: exit statuses, descriptors, groups, folders, environment, clear errors. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/mem.h"
#include "loop/child.h"
#include "loop/pty.h"

static struct loop *loop;
static struct err e;
static int ends, status, signum;

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	ends = status = signum = 0;
	loop = loop_new(&e);
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void on_end(struct child *c, int st, int sig)
{
	(void)c;
	ends++;
	status = st;
	signum = sig;
}

static size_t drain(int fd, char *out, size_t room)
{
	size_t n = 0;
	ssize_t got;
	while (n < room - 1 && (got = read(fd, out + n, room - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = 0;
	close(fd);
	return n;
}

/* Run a shell script with its standard output in `out`. */
static void sh(const char *script, struct child_spec spec, const struct child_fd *more, char *out, size_t room)
{
	int fds[2];
	struct child c;
	struct child_fd map[8] = {{0}};
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	map[0] = (struct child_fd){fds[1], 1};
	size_t n = 1;
	for (; more && more->target; more++)
		map[n++] = *more;
	spec.file = "sh";
	spec.argv = (const char *[]){"sh", "-c", script, NULL};
	spec.fds = map;
	spec.fd_count = n;
	must(child_start(&c, loop, &spec, on_end, &e), &e);
	assert_int_equal(ends, 0);
	close(fds[1]);
	drain(fds[0], out, room);
	must(loop_run(loop, &e), &e);
	assert_int_equal(ends, 1);
	ends = 0;
}

static void test_exit_status(void **state)
{
	(void)state;
	char out[256];
	sh("echo hello; exit 7", (struct child_spec){0}, NULL, out, sizeof(out));
	assert_string_equal(out, "hello\n");
	assert_int_equal(status, 7);
	assert_int_equal(signum, 0);
}

static void test_kill_ends_the_group(void **state)
{
	(void)state;
	int fds[2];
	char out[64];
	struct child c;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	struct child_fd map = {fds[1], 1};
	struct child_spec spec = {.file = "sh",
		.argv = (const char *[]){"sh", "-c", "sleep 1000 & echo up; wait", NULL},
		.fds = &map,
		.fd_count = 1};
	must(child_start(&c, loop, &spec, on_end, &e), &e);
	close(fds[1]);
	assert_int_equal(read(fds[0], out, 3), 3);
	child_kill(&c, SIGKILL);
	must(loop_run(loop, &e), &e);
	assert_int_equal(ends, 1);
	assert_int_equal(status, -1);
	assert_int_equal(signum, SIGKILL);
	assert_int_equal(drain(fds[0], out, sizeof(out)), 0); /* the sleep is gone too: end of file */
	child_kill(&c, SIGKILL);
}

static void test_descriptors(void **state)
{
	(void)state;
	char out[256];
	int a[2], b[2], stray = dup2(2, 77);
	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	assert_int_equal(write(a[1], "from a\n", 7), 7);
	assert_int_equal(write(b[1], "from b\n", 7), 7);
	/* Crossed on purpose: each target is the other's number. */
	struct child_fd more[] = {{a[0], b[0]}, {b[0], a[0]}, {0}};
	char script[256];
	snprintf(script, sizeof(script), "head -n1 /dev/fd/%d; head -n1 /dev/fd/%d; ls /proc/self/fd | tr '\\n' ' '",
		b[0], a[0]);
	sh(script, (struct child_spec){0}, more, out, sizeof(out));
	assert_non_null(strstr(out, "from a\nfrom b\n"));
	assert_null(strstr(out, "77"));
	snprintf(script, sizeof(script), "%d", a[1]);
	assert_null(strstr(strstr(out, "from b"), script));
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
	close(stray);
	sh("readlink /proc/self/fd/0 /proc/self/fd/2", (struct child_spec){0}, NULL, out, sizeof(out));
	assert_string_equal(out, "/dev/null\n/dev/null\n");
	struct child_fd twice[] = {{1, 1}, {2, 1}};
	struct child c;
	struct child_spec bad = {.file = "true", .argv = (const char *[]){"true", NULL}, .fds = twice, .fd_count = 2};
	assert_int_equal(child_start(&c, loop, &bad, on_end, &e), -1);
}

static void test_folder_environment_signals(void **state)
{
	(void)state;
	char out[256];
	sh("pwd; echo $ONLY; echo ${HOME-none}; grep SigIgn /proc/self/status; ps -o pgid= -p $$ | tr -d ' ' | "
	   "grep -qx $$ && echo own group",
		(struct child_spec){.cwd = "/usr", .env = (const char *[]){"ONLY=this", "PATH=/usr/bin:/bin", NULL}},
		NULL, out, sizeof(out));
	assert_string_equal(out, "/usr\nthis\nnone\nSigIgn:\t0000000000000000\nown group\n");
}

static void test_clear_errors(void **state)
{
	(void)state;
	struct child c;
	size_t before = mem_in_use();
	struct child_spec spec = {.file = "no-such-program", .argv = (const char *[]){"x", NULL}};
	assert_int_equal(child_start(&c, loop, &spec, on_end, &e), -1);
	assert_int_equal(e.code, ERR_SPAWN);
	assert_non_null(strstr(e.text, "no-such-program was not found"));
	spec.file = "true";
	spec.cwd = "/no/such/folder";
	assert_int_equal(child_start(&c, loop, &spec, on_end, &e), -1);
	assert_non_null(strstr(e.text, "/no/such/folder"));
	spec.cwd = NULL;
	fault_arm(FAULT_SPAWN, 1, false);
	assert_int_equal(child_start(&c, loop, &spec, on_end, &e), -1);
	assert_int_equal(e.code, ERR_SPAWN);
	for (uint64_t n = 1; n <= 2; n++) { /* the second strikes after the start: the child is reaped */
		fault_arm(FAULT_ALLOC, n, false);
		assert_int_equal(child_start(&c, loop, &spec, on_end, &e), -1);
		fault_disarm();
		assert_int_equal(e.code, ERR_NOMEM);
	}
	child_kill(&c, SIGKILL);
	must(loop_run(loop, &e), &e);
	assert_int_equal(ends, 0);
	assert_int_equal(mem_in_use(), before);
}

static void test_terminal(void **state)
{
	(void)state;
	struct pty p;
	struct child c;
	char out[512];
	must(pty_open(&p, 24, 80, &e), &e);
	struct child_spec spec = {.file = "sh",
		.argv = (const char *[]){"sh", "-c",
			"tty; stty size; read x; stty size; ps -o tpgid= -p $$ >/dev/null && "
			"echo got $x >/dev/tty",
			NULL},
		.terminal = p.slave};
	must(child_start(&c, loop, &spec, on_end, &e), &e);
	fcntl(p.master, F_SETFL, 0); /* blocking, for this test */
	size_t n = 0;
	while (n < sizeof(out) - 1 && !strstr((out[n] = 0, out), "24 80")) {
		ssize_t got = read(p.master, out + n, sizeof(out) - 1 - n);
		assert_true(got > 0);
		n += (size_t)got;
	}
	must(pty_resize(p.master, 30, 100, &e), &e);
	assert_int_equal(write(p.master, "word\n", 5), 5);
	drain(p.master, out + n, sizeof(out) - n);
	must(loop_run(loop, &e), &e);
	assert_int_equal(ends, 1);
	assert_int_equal(status, 0);
	assert_non_null(strstr(out, p.slave));
	assert_non_null(strstr(out, "30 100"));
	assert_non_null(strstr(out, "got word"));
	assert_int_equal(pty_resize(1, 0, 80, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(exit_status),
		T(kill_ends_the_group),
		T(descriptors),
		T(folder_environment_signals),
		T(clear_errors),
		T(terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
