/* How long a sandbox takes to start, a `true` in a running one, a terminal's echo, and output through a pipe. The floor
 * beside them: posix_spawn of the same `true`, with no isolation at all. Limits are the defaults but for the processor
 * time (4 cpus), whose throttling would be measured otherwise. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "sandbox/sandbox.h"

enum { STARTS = 60, COMMANDS = 500, KEYS = 500, UID = 71950 };

static struct loop *loop;
static struct sandbox *box;
static struct sandbox_spec spec;
static char copy[] = "/tmp/muster-bench-XXXXXX";
static int done;
static size_t bytes_seen;

static void die(const struct err *e)
{
	fprintf(stderr, "%s\n", e->text);
	exit(1);
}

static double now(void)
{
	return (double)clock_mono(&clock_real) / 1e3;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void row(const char *name, double *ms, size_t n, const char *target)
{
	qsort(ms, n, sizeof(*ms), by_size);
	printf("%-34s median %8.3f ms   p95 %8.3f ms   %s\n", name, ms[n / 2], ms[n * 95 / 100], target);
	printf("{\"bench\":\"sandbox\",\"name\":\"%s\",\"median_ms\":%.4f,\"p95_ms\":%.4f,\"n\":%zu}\n", name,
		ms[n / 2], ms[n * 95 / 100], n);
}

static void on_done(struct sandbox_exec *x, const struct err *why)
{
	(void)x;
	if (why->code != ERR_OK)
		die(why);
	done = 1;
}

static bool on_output(struct sandbox_exec *x, struct span bytes)
{
	(void)x;
	bytes_seen += bytes.n;
	return true;
}

static void on_freed(void *ctx)
{
	(void)ctx;
	done = 1;
}

static void until_done(void)
{
	while (!done)
		loop_turn(loop, 1000);
	done = 0;
}

static double run(const char *line)
{
	static const char *const argv[] = {"true", NULL};
	struct sandbox_exec x = {.line = line, .argv = argv, .on_done = on_done, .on_output = on_output};
	struct err e = ERR_INIT;
	double start = now();
	if (sandbox_exec_start(&x, box, &e) != 0)
		die(&e);
	until_done();
	return now() - start;
}

static void open_box(void)
{
	struct err e = ERR_INIT;
	box = sandbox_new(loop, &spec, &e);
	if (!box)
		die(&e);
}

static void close_box(void)
{
	sandbox_free(box, on_freed, NULL);
	until_done();
}

static void bench_floor(void)
{
	static double ms[COMMANDS];
	char *argv[] = {(char *)(uintptr_t) "true", NULL}, *env[] = {NULL};
	for (int i = 0; i < COMMANDS; i++) {
		pid_t pid;
		double start = now();
		if (posix_spawn(&pid, "/usr/bin/true", NULL, NULL, argv, env) != 0)
			exit(1);
		waitpid(pid, NULL, 0);
		ms[i] = now() - start;
	}
	row("floor: posix_spawn of true", ms, COMMANDS, "");
}

static void bench_start(void)
{
	static double ms[STARTS], end[STARTS];
	for (int i = 0; i < STARTS; i++) {
		open_box();
		ms[i] = run(NULL);
		double start = now();
		close_box();
		end[i] = now() - start;
		usleep(30000);
	}
	row("new sandbox and true in it", ms, STARTS, "target 8 ms");
	row("end of a sandbox", end, STARTS, "");
}

static void bench_commands(void)
{
	static double ms[COMMANDS];
	open_box();
	run(NULL);
	for (int i = 0; i < COMMANDS; i++)
		ms[i] = run(NULL);
	row("true in a running sandbox", ms, COMMANDS, "target 0.8 ms");
	for (int i = 0; i < COMMANDS / 5; i++) {
		usleep(20000);
		ms[i] = run(NULL);
	}
	row("the same, 20 ms apart", ms, COMMANDS / 5, "target 0.8 ms");
	for (int i = 0; i < COMMANDS; i++)
		ms[i] = run("true");
	row("sh -c true in a running sandbox", ms, COMMANDS, "");
	bytes_seen = 0;
	double took = run("head -c 500000000 /dev/zero");
	printf("%-34s %.0f MB/s\n", "output", (double)bytes_seen / took / 1e3);
	printf("{\"bench\":\"sandbox\",\"name\":\"output\",\"mb_s\":%.1f}\n", (double)bytes_seen / took / 1e3);
	close_box();
}

static void on_term(struct sandbox_term *t, struct span bytes)
{
	(void)t;
	bytes_seen += bytes.n;
}

static void on_term_done(struct sandbox_term *t, const struct err *why)
{
	(void)t;
	(void)why;
	done = 1;
}

static void bench_keys(void)
{
	static double ms[KEYS];
	static const char *const argv[] = {"cat", NULL};
	struct sandbox_term t = {.argv = argv, .rows = 24, .cols = 80, .on_output = on_term, .on_done = on_term_done};
	struct err e = ERR_INIT;
	open_box();
	bytes_seen = 0;
	if (sandbox_term_start(&t, box, &e) != 0 || sandbox_term_write(&t, span_of("x"), &e) != 0)
		die(&e);
	while (bytes_seen < 1)
		loop_turn(loop, 1000);
	for (int i = 0; i < KEYS; i++) {
		size_t before = bytes_seen;
		double start = now();
		if (sandbox_term_write(&t, span_of(i % 60 ? "x" : "\n"), &e) != 0)
			die(&e);
		while (bytes_seen == before)
			loop_turn(loop, 1000);
		ms[i] = now() - start;
	}
	row("terminal, key to echo", ms, KEYS, "target 1 ms");
	sandbox_term_close(&t);
	until_done();
	close_box();
}

int main(void)
{
	struct err e = ERR_INIT;
	struct utsname u;
	loop = loop_new(&e);
	if (!loop)
		die(&e);
	if (!mkdtemp(copy))
		return 1;
	spec = (struct sandbox_spec){.copy = copy, .uid = UID};
	sandbox_limits_default(&spec.limits);
	spec.limits.cpus = 4;
	if (geteuid() == 0 && sandbox_own(copy, UID, &e) != 0)
		die(&e);
	const struct sandbox_host *h = sandbox_probe(&e);
	if (!h || uname(&u) != 0)
		die(&e);
	printf("%s %s %s, %ld processors, %s, level %d\n", u.sysname, u.release, u.machine,
		sysconf(_SC_NPROCESSORS_ONLN), h->root ? "root" : "ordinary user", (int)h->level);
	bench_floor();
	bench_start();
	bench_commands();
	bench_keys();
	loop_free(loop);
	return fs_remove_tree(copy, &e);
}
