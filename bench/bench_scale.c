/* bench_scale: many runs at once against a model that takes its time: steps a second of one process on one core, and
 * the memory of each run.
 *
 * RUNS runs (default 1000) of STEPS steps (20), each in a project of its own, ask a Chat Completions server of this
 * program, on the other core, over plain HTTP; an answer takes 200 ms and calls write_file. Everything is durable.
 * Counted is the time in which all runs are at work: from when they have had two answers each to when the first is told
 * to finish. Memory is what the process has of its own (Private in smaps_rollup) at the end of that time, less what it
 * had before, divided by the runs. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "flow/house.h"
#include "flow/run.h"
#include "http/reply.h"

#define MODEL_MS 200

static int runs_wanted = 1000, steps_wanted = 20;

struct served {
	_Atomic long answers;
	_Atomic bool finishing;
};
static struct served *served; /* shared with the model's process */

static void must(int failed, const struct err *e)
{
	if (failed) {
		fprintf(stderr, "bench_scale: %s\n", e->text);
		exit(1);
	}
}

static double now_s(void)
{
	return (double)clock_mono(&clock_real) / 1e6;
}

static void pin(int core)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---- the model ---- */

struct question {
	struct server_request *r;
	struct timer timer;
	struct loop *loop;
};

static size_t steps_in(struct span body)
{
	size_t n = 0, at = 0;
	while ((at = span_find(body, span_of("\"role\":\"tool\""), at)) != (size_t)-1) {
		n++;
		at++;
	}
	return n;
}

static void answer(struct timer *t)
{
	struct question *q = container_of(t, struct question, timer);
	struct err e = ERR_INIT;
	char text[1024];
	static unsigned long count;
	size_t step = steps_in(q->r->body);
	const char *name = step < (size_t)steps_wanted ? "write_file" : "finish";
	served->answers++;
	served->finishing |= step >= (size_t)steps_wanted;
	char args[256];
	if (step < (size_t)steps_wanted)
		snprintf(args, sizeof(args), "{\\\"path\\\":\\\"f%zu.txt\\\",\\\"content\\\":\\\"%lu\\\"}", step,
			count++);
	else
		snprintf(args, sizeof(args), "{\\\"result\\\":\\\"done\\\"}");
	snprintf(text, sizeof(text),
		"data: "
		"{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":"
		"\"x\","
		"\"type\":\"function\",\"function\":{\"name\":\"%s\",\"arguments\":\"%s\"}}]}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":10}}\n\ndata: [DONE]\n\n",
		name, args);
	if (reply_start(q->r, 200, "text/event-stream", &e) == 0)
		reply_write(q->r, span_of(text), &e);
	reply_end(q->r);
	mem_free(q);
}

static void asked(struct server_request *r, const struct err *why)
{
	struct question *q = r->user;
	struct err e = ERR_INIT;
	if (why || timer_start(&q->timer, MODEL_MS, &e)) {
		reply_problem(r, why ? why : &e);
		mem_free(q);
	}
}

static void handle(struct server_request *r, void *ctx)
{
	struct question *q = MEM_NEW(struct question);
	*q = (struct question){.r = r, .loop = ctx};
	timer_init(&q->timer, ctx, answer);
	r->user = q;
	request_collect(r, 16 * MIB, asked);
}

static void serve(int say)
{
	struct err e = ERR_INIT;
	struct server s;
	int port = 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(1);
	struct loop *l = loop_new(&e);
	must(!l, &e);
	server_init(&s, l, handle, l);
	s.max_connections = 20000;
	s.idle_ms = 600000;
	must(server_tcp(&s, "127.0.0.1", &port, &e), &e);
	if (write(say, &port, sizeof(port)) != sizeof(port))
		exit(1);
	for (;;)
		loop_turn(l, -1);
}

/* ---- the runs ---- */

static void put(const char *root, const char *name, const char *text)
{
	struct err e = ERR_INIT;
	cleanup_free char *path = mem_printf("%s/%s", root, name), *dir = mem_strdup(path);
	*strrchr(dir, '/') = '\0';
	must(fs_mkdirs(dir, 0755, &e) || fs_replace(path, span_of(text), 0644, &e), &e);
}

static long private_kib(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	long kib = 0, n;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Private_Clean: %ld", &n) == 1 || sscanf(line, "Private_Dirty: %ld", &n) == 1)
			kib += n;
	if (f)
		fclose(f);
	return kib;
}

static double cpu_s(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

struct count {
	long steps;
	double at, cpu;
};

static struct count count_now(void)
{
	return (struct count){.steps = served->answers, .at = now_s(), .cpu = cpu_s()};
}

static void closed(void *ctx)
{
	*(bool *)ctx = true;
}

/* How many are still at work. */
static int left(struct house *h, char (*ids)[ID_TEXT])
{
	int n = 0;
	for (int i = 0; i < runs_wanted; i++) {
		struct run *r = house_run(h, ids[i]);
		if (!r)
			continue;
		must(run_broken(r)->code != ERR_OK, run_broken(r));
		must(!strcmp(run_state(r), "failed"), run_error(r));
		n += !run_final(r) || !run_quiet(r);
	}
	return n;
}

struct scale {
	double create_ms, steps, rate, cpu_us, run_kib;
};

static void measure(struct loop *l, struct house *h, const char *root, struct scale *out)
{
	struct err e = ERR_INIT;
	char(*ids)[ID_TEXT] = mem_calloc((size_t)runs_wanted, sizeof(*ids));
	double begin = now_s();
	for (int i = 0; i < runs_wanted; i++) {
		cleanup_free char *project = mem_printf("%s/projects/%d", root, i);
		json_t *q = json_pack(
			"{s:s, s:s, s:s, s:{}}", "mode", "bench", "project", project, "model", "mock:m", "inputs");
		must(house_create(h, q, ids[i], &e), &e);
		json_decref(q);
	}
	out->create_ms = (now_s() - begin) / runs_wanted * 1e3;
	long before = private_kib();
	for (int i = 0; i < runs_wanted; i++)
		must(house_resume(h, ids[i], &e), &e);
	while (served->answers < 2L * runs_wanted)
		loop_turn(l, 20);
	struct count from = count_now();
	while (!served->finishing)
		loop_turn(l, 20);
	struct count to = count_now();
	out->run_kib = (double)(private_kib() - before) / runs_wanted;
	out->steps = (double)(to.steps - from.steps);
	out->rate = out->steps / (to.at - from.at);
	out->cpu_us = (to.cpu - from.cpu) / out->steps * 1e6;
	while (left(h, ids)) {
		double until = now_s() + 0.1;
		while (now_s() < until)
			loop_turn(l, 20);
	}
	mem_free(ids);
}

/* A house in root, whose model listens on port. */
static struct scale bench(const char *root, int port)
{
	struct err e = ERR_INIT;
	struct scale out = {0};
	static uint8_t key[KEY_SIZE] = {1};
	cleanup_free char *data = fs_join(root, "data"), *modes = fs_join(root, "modes"),
			  *roles = fs_join(root, "roles"), *url = mem_printf("http://127.0.0.1:%d/v1", port);
	struct loop *l = loop_new(&e);
	must(!l, &e);
	struct store *s = store_open(l,
		&(struct store_options){.dir = data, .access = STORE_OWN, .chain_key = key, .clock = loop_clock(l)},
		&e);
	must(!s, &e);
	cleanup_json json_t *config =
		json_pack("{s:{s:{s:s, s:s}}}", "providers", "mock", "base_url", url, "profile", "compatible");
	struct llm *m = llm_new(&(struct llm_options){.loop = l, .config = config, .allow_local = true}, &e);
	must(!m, &e);
	struct house_options o = {.loop = l,
		.store = s,
		.llm = m,
		.data_dir = data,
		.modes_dir = modes,
		.roles_dir = roles,
		.user = "bench"};
	struct house *h = house_new(&o, &e);
	must(!h, &e);
	measure(l, h, root, &out);
	bool done = false;
	house_close(h, closed, &done);
	while (!done)
		loop_turn(l, 10);
	store_close(s);
	llm_free(m);
	return out;
}

static void write_inputs(const char *root)
{
	put(root, "roles/worker.md",
		"---\nid: worker\ntools: [write_file, finish]\ncheck: none\nlimits: {turns: 10000}\n---\nYou work.\n");
	put(root, "modes/bench/mode.yaml",
		"id: bench\nname: Bench\ndescription: Steps.\nengine: planning\ncategory: test\nroles: [worker]\n");
	put(root, "modes/bench/flow.lua",
		"return function(run) return agent { role = 'worker', task = 'go' }.result end\n");
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int pipes[2], port;
	if (argc > 1)
		runs_wanted = (int)strtol(argv[1], NULL, 10);
	if (argc > 2)
		steps_wanted = (int)strtol(argv[2], NULL, 10);
	served = mmap(NULL, sizeof(*served), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(served == MAP_FAILED, &e);
	struct rlimit files = {65536, 65536};
	setrlimit(RLIMIT_NOFILE, &files);
	json_setup();
	must(crypt_setup(&e), &e);
	must(pipe(pipes), &e);
	pid_t peer = fork();
	if (peer == 0)
		serve(pipes[1]);
	must(read(pipes[0], &port, sizeof(port)) != sizeof(port), &e);
	pin(0);
	cleanup_free char *root =
		mem_printf("%s/muster-bench-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp");
	if (!mkdtemp(root))
		return 1;
	chmod(root, 0755);
	write_inputs(root);
	struct scale got = bench(root, port);
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	fs_remove_tree(root, &e);
	double bound = runs_wanted * 1e3 / MODEL_MS;
	printf("%d runs at once, an answer after %d ms, %.0f steps counted   target\n", runs_wanted, MODEL_MS,
		got.steps);
	printf("  steps a second                     %10.0f   4500 (bound by the model: %.0f)\n", got.rate, bound);
	printf("  processor time of a step           %10.1f us\n", got.cpu_us);
	printf("  private memory of a run            %10.1f KiB   96\n", got.run_kib);
	printf("  creating a run                     %10.2f ms\n", got.create_ms);
	printf("{\"bench\":\"scale\",\"runs\":%d,\"steps_s\":%.0f,\"bound_steps_s\":%.0f,\"cpu_us\":%.1f,\"run_kib\":%."
	       "1f,"
	       "\"create_ms\":%.2f}\n",
		runs_wanted, got.rate, bound, got.cpu_us, got.run_kib, got.create_ms);
	return 0;
}
