/* How long a sandbox takes to start, a `true` in a running one, a terminal's echo, and output through a pipe. The floor
 * beside them: posix_spawn of the same `true`, with no isolation at all. Limits are the defaults but for the processor
 * time (4 cpus), whose throttling would be measured otherwise. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"
#include "sandbox/sandbox.h"

enum { STARTS = 60, COMMANDS = 500, KEYS = 500, OUTPUTS = 5, UID = 71950 };

static struct loop *loop;
static struct sandbox *box;
static struct sandbox_spec spec;
static int done;
static size_t bytes_seen;

/* A line of JSON for each row. */
static void row(const char *name, struct sample *ms, const char *target)
{
	double mid = sample_at(ms, 0.5), p95 = sample_at(ms, 0.95);
	printf("%-34s median %8.3f ms   p95 %8.3f ms   %s\n", name, mid, p95, target);
	printf("{\"bench\":\"sandbox\",\"name\":\"%s\",\"median_ms\":%.4f,\"p95_ms\":%.4f,\"n\":%zu}\n", name, mid, p95,
		ms->n);
}

static void on_done(struct sandbox_exec *x, const struct err *why)
{
	(void)x;
	must(why->code != ERR_OK, why);
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
	double start = rig_ms();
	must(sandbox_exec_start(&x, box, &e), &e);
	until_done();
	return rig_ms() - start;
}

static void open_box(void)
{
	struct err e = ERR_INIT;
	box = sandbox_new(loop, &spec, &e);
	must(!box, &e);
}

static void close_box(void)
{
	sandbox_free(box, on_freed, NULL);
	until_done();
}

static void bench_floor(void)
{
	static struct sample ms;
	char *argv[] = {(char *)(uintptr_t) "true", NULL}, *env[] = {NULL};
	for (int i = 0; i < COMMANDS; i++) {
		pid_t pid;
		double start = rig_ms();
		errno = posix_spawn(&pid, "/usr/bin/true", NULL, NULL, argv, env);
		must_sys(errno, "/usr/bin/true");
		waitpid(pid, NULL, 0);
		sample_add(&ms, rig_ms() - start);
	}
	row("floor: posix_spawn of true", &ms, "");
}

static void bench_start(void)
{
	static struct sample ms, end;
	for (int i = 0; i < STARTS; i++) {
		open_box();
		sample_add(&ms, run(NULL));
		double start = rig_ms();
		close_box();
		sample_add(&end, rig_ms() - start);
		usleep(30000);
	}
	row("new sandbox and true in it", &ms, "target 8 ms");
	row("end of a sandbox", &end, "");
}

static void repeat(const char *name, const char *line, int times, useconds_t apart, const char *target)
{
	struct sample ms = {0};
	for (int i = 0; i < times; i++) {
		if (apart)
			usleep(apart);
		sample_add(&ms, run(line));
	}
	row(name, &ms, target);
}

static void bench_commands(void)
{
	struct sample rates = {0};
	open_box();
	run(NULL);
	repeat("true in a running sandbox", NULL, COMMANDS, 0, "target 0.8 ms");
	repeat("the same, 20 ms apart", NULL, COMMANDS / 5, 20000, "target 0.8 ms");
	repeat("sh -c true in a running sandbox", "true", COMMANDS, 0, "");
	for (int i = 0; i < OUTPUTS; i++) {
		bytes_seen = 0;
		double took = run("head -c 100000000 /dev/zero");
		sample_add(&rates, (double)bytes_seen / took / 1e3);
	}
	double rate = sample_at(&rates, 0.5);
	printf("%-34s %.0f MB/s (%.0f-%.0f)\n", "output", rate, sample_at(&rates, 0.1), sample_at(&rates, 0.9));
	printf("{\"bench\":\"sandbox\",\"name\":\"output\",\"mb_s\":%.1f}\n", rate);
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
	struct sample ms = {0};
	static const char *const argv[] = {"cat", NULL};
	struct sandbox_term t = {.argv = argv, .rows = 24, .cols = 80, .on_output = on_term, .on_done = on_term_done};
	struct err e = ERR_INIT;
	open_box();
	bytes_seen = 0;
	must(sandbox_term_start(&t, box, &e) || sandbox_term_write(&t, span_of("x"), &e), &e);
	while (bytes_seen < 1)
		loop_turn(loop, 1000);
	for (int i = 0; i < KEYS; i++) {
		size_t before = bytes_seen;
		double start = rig_ms();
		must(sandbox_term_write(&t, span_of(i % 60 ? "x" : "\n"), &e), &e);
		while (bytes_seen == before)
			loop_turn(loop, 1000);
		sample_add(&ms, rig_ms() - start);
	}
	row("terminal, key to echo", &ms, "target 1 ms");
	sandbox_term_close(&t);
	until_done();
	close_box();
}

int main(void)
{
	struct err e = ERR_INIT;
	rig_setup("sandbox");
	rig_folder();
	loop = loop_new(&e);
	must(!loop, &e);
	spec = (struct sandbox_spec){.copy = rig_path("copy"), .uid = UID};
	sandbox_limits_default(&spec.limits);
	spec.limits.cpus = 4;
	must_sys(mkdir(spec.copy, 0700), spec.copy);
	must(geteuid() == 0 && sandbox_own(spec.copy, UID, &e), &e);
	const struct sandbox_host *h = sandbox_probe(&e);
	must(!h, &e);
	printf("%s, %s, level %d\n", rig_machine(), h->root ? "root" : "ordinary user", (int)h->level);
	bench_floor();
	bench_start();
	bench_commands();
	bench_keys();
	loop_free(loop);
	rig_folder_remove();
	return 0;
}
