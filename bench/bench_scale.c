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
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "house_rig.h"
#include "http/reply.h"

#define MODEL_MS 200
#define PART_MS 500

static int runs_wanted = 1000, steps_wanted = 20;

struct served {
	_Atomic long answers;
	_Atomic bool finishing;
};
static struct served *served; /* shared with the model's process */

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
	*q = (struct question){.r = r};
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

struct count {
	long steps;
	double at_ms, cpu_s;
};

static struct count count_now(void)
{
	return (struct count){.steps = served->answers, .at_ms = rig_ms(), .cpu_s = rig_own_cpu_s()};
}

static double rate_of(struct count from, struct count to)
{
	return (double)(to.steps - from.steps) / (to.at_ms - from.at_ms) * 1e3;
}

static double cpu_of(struct count from, struct count to)
{
	return (to.cpu_s - from.cpu_s) / (double)(to.steps - from.steps) * 1e6;
}

struct scale {
	struct sample create_ms;
	struct count from, to;
	struct sample rate, cpu_us; /* of each PART_MS between these */
	double run_kib;
};

/* Until one is told to finish. */
static void work(struct loop *l, struct scale *out)
{
	struct count last = out->from = count_now();
	while (!served->finishing) {
		loop_turn(l, 20);
		if (rig_ms() - last.at_ms < PART_MS || served->answers == last.steps)
			continue;
		struct count now = count_now();
		sample_add(&out->rate, rate_of(last, now));
		sample_add(&out->cpu_us, cpu_of(last, now));
		last = now;
	}
	out->to = count_now();
}

static bool any_busy(struct house_rig *h, char (*ids)[ID_TEXT])
{
	int n = 0;
	for (int i = 0; i < runs_wanted; i++)
		n += house_rig_busy(h, ids[i]);
	return n > 0;
}

static void measure(struct house_rig *h, struct scale *out)
{
	struct err e = ERR_INIT;
	char(*ids)[ID_TEXT] = mem_calloc((size_t)runs_wanted, sizeof(*ids));
	for (int i = 0; i < runs_wanted; i++) {
		cleanup_free char *project = mem_printf("projects/%d", i);
		double begin = rig_ms();
		house_rig_create(h, project, "mock:m", ids[i]);
		sample_add(&out->create_ms, rig_ms() - begin);
	}
	long before = rig_private_bytes();
	for (int i = 0; i < runs_wanted; i++)
		must(house_resume(h->house, ids[i], &e), &e);
	while (served->answers < 2L * runs_wanted)
		loop_turn(h->loop, 20);
	work(h->loop, out);
	out->run_kib = (double)(rig_private_bytes() - before) / KIB / runs_wanted;
	while (any_busy(h, ids)) {
		double until = rig_ms() + 100;
		while (rig_ms() < until)
			loop_turn(h->loop, 20);
	}
	mem_free(ids);
}

/* The model's process, which listens on *port. */
static pid_t start_model(int *port)
{
	int pipes[2];
	must_sys(pipe(pipes), "pipe");
	pid_t peer = fork();
	must_sys(peer < 0, "fork");
	if (peer == 0)
		serve(pipes[1]);
	must_sys(read(pipes[0], port, sizeof(*port)) != sizeof(*port), "the model's port");
	return peer;
}

int main(int argc, char **argv)
{
	static struct scale got;
	struct house_rig h;
	struct rlimit files = {65536, 65536};
	int port;
	if (argc > 1)
		runs_wanted = (int)strtol(argv[1], NULL, 10);
	if (argc > 2)
		steps_wanted = (int)strtol(argv[2], NULL, 10);
	rig_setup("scale");
	setrlimit(RLIMIT_NOFILE, &files);
	served = mmap(NULL, sizeof(*served), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must_sys(served == MAP_FAILED, "mmap");
	pid_t peer = start_model(&port);
	pin(0);
	rig_folder();
	house_rig_mode(house_rig_worker, "write_file, finish");
	cleanup_free char *url = mem_printf("http://127.0.0.1:%d/v1", port);
	house_rig_open(&h, &(struct house_rig_options){.base_url = url});
	measure(&h, &got);
	house_rig_close(&h);
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	rig_folder_remove();
	double bound = runs_wanted * 1e3 / MODEL_MS;
	cleanup_free char *note = mem_printf("target 4500 (bound by the model: %.0f)", bound);
	printf("%d runs at once, an answer after %d ms, %ld steps counted; spread over parts of %d ms\n", runs_wanted,
		MODEL_MS, got.to.steps - got.from.steps, PART_MS);
	rig_json("runs", runs_wanted);
	rig_row("steps a second", "steps_s", rate_of(got.from, got.to), "", &got.rate, note);
	rig_json("bound_steps_s", bound);
	rig_row("processor time of a step", "cpu_us", cpu_of(got.from, got.to), "us", &got.cpu_us, "");
	rig_row("private memory of a run", "run_kib", got.run_kib, "KiB", NULL, "target 96");
	rig_median("creating a run", "create_ms", "ms", &got.create_ms, "");
	rig_finish();
	return 0;
}
