/* bench_large: what does not grow when things are large.
 *
 *   waiting   WAITING runs of one process that wait for a person, a timer, a signal (a run is made by its first event,
 *             as a working copy of its own is not what is measured)
 *   steps     a run of many steps in segments (continue_as), against one of a tenth
 *   agents    a tree of about 1,000 agents at three levels, against one of 100
 *   files     a project of 50,000 files, against one of 5,000
 *   file      a file of 100 MB
 *   talk      an agent whose conversation reaches 2 MB, against one of 200 KB
 *
 * All but the first run the program itself ($MUSTER) and tell the processor time and the most memory of each command:
 * figures that hardly depend on what else the machine does. usage: bench_large [PART…] */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "house_rig.h"

#define WAITING 10000
#define SEGMENT 100 /* steps */

/* A data folder with one mode. */
static void begin(const char *flow, const char *tools)
{
	rig_folder();
	must_sys(setenv("MUSTER_DATA", rig_path("data"), 1), "MUSTER_DATA");
	house_rig_mode(flow, tools);
}

/* ---- the program ---- */

struct cost {
	double cpu; /* seconds, of its own */
	long kib;   /* the most memory it had */
};

/* muster with these words, its output to "out" in the folder; it must succeed. */
static struct cost muster(const char *const *words)
{
	const char *program = getenv("MUSTER") ? getenv("MUSTER") : "build/muster";
	const char *argv[24] = {program}, *err = rig_path("err");
	struct rusage u;
	int status = -1;
	fflush(stdout);
	for (int i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	pid_t child = fork();
	if (child == 0) {
		if (chdir(rig_path("%s", "")) || !freopen("/dev/null", "r", stdin) || !freopen("out", "w", stdout) ||
			!freopen(err, "w", stderr))
			_exit(126);
		execv(program, (char *const *)argv);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &u) != child || status) {
		fprintf(stderr, "bench_large: %s %s ended with status %d; see %s\n", program, words[0], status, err);
		exit(1);
	}
	return (struct cost){rig_cpu_s(&u), u.ru_maxrss};
}
#define MUSTER(...) muster((const char *const[]){__VA_ARGS__, NULL})

static void head(const char *what)
{
	printf("%-52s %12s %12s\n", what, "processor", "memory");
}

static void row(const char *what, struct cost c)
{
	printf("  %-50s %10.3f s %8.1f MiB\n", what, c.cpu, (double)c.kib / 1024);
	fflush(stdout);
}

/* ---- a run of the mode ---- */

static struct buf script = {.cap = CAP_SCRIPT};
static char id[ID_TEXT]; /* of the last run, as people see it */

static void call(const char *tool, const char *args)
{
	house_rig_call(&script, "", tool, args);
}

/* With the script gathered so far; the budget is for a script with prices, else NULL. */
static struct cost run_mode(const char *input, const char *budget)
{
	struct err e = ERR_INIT;
	cleanup_buf struct buf text = BUF_INIT(KIB);
	house_rig_script(&script);
	struct cost c = MUSTER("run", "bench", "--input", input, "--project", "project", "--script", "script.jsonl",
		"--json", budget ? "--budget" : NULL, budget);
	MUSTER("runs", "--names", "--limit", "1");
	must(fs_read(rig_path("out"), &text, &e), &e);
	struct span name = span_trim(buf_span(&text));
	snprintf(id, sizeof(id), "%.*s", (int)name.n, name.p);
	return c;
}

/* With the calls gathered so far. */
static struct cost run_calls(void)
{
	call("finish", "{\"result\":\"x\"}");
	return run_mode("n=0", NULL);
}

static struct cost run_call(const char *tool, const char *args)
{
	call(tool, args);
	return run_calls();
}

/* ---- waiting runs ---- */

static const char waiting_flow[] = "return function(run)\n"
				   "  if run.inputs.n == 0 then return ask { name = 'go', title = 'Go?' }.text end\n"
				   "  if run.inputs.n == 3 then return 'first' end\n"
				   "  if run.inputs.n == 1 then sleep(86400) return 'slept' end\n"
				   "  background(function() sleep(86400) signal('go', 'late') end)\n"
				   "  return waitfor 'go'\n"
				   "end\n";

static void open_house(struct house_rig *h)
{
	house_rig_open(h, &(struct house_rig_options){.no_sync = true, .passivate = true});
}

static long private_bytes(void)
{
	malloc_trim(0);
	return rig_private_bytes();
}

/* A run like the first one, but for its id and what it waits for. */
static void make_like(struct house_rig *h, const json_t *first, int n, char new_id[ID_TEXT])
{
	struct err e = ERR_INIT;
	char stream[EVENT_STREAM_MAX];
	int64_t fence;
	cleanup_json json_t *data = json_deep_copy(first);
	must(json_object_set_new(json_get(data, "inputs"), "n", json_integer(n % 3)), &e);
	cleanup_free char *text = json_text(data);
	id_new(new_id, clock_wall(&clock_real), NULL);
	snprintf(stream, sizeof(stream), "run/%s", new_id);
	struct event ev = {.seq = 1,
		.type = EVENT_RUN_CREATED,
		.v = event_kinds[EVENT_RUN_CREATED].version,
		.at = clock_wall(&clock_real),
		.actor = ACTOR_SYSTEM,
		.data = blob_new(text, strlen(text))};
	id_new(ev.id, ev.at, NULL);
	must(store_lease(h->store, stream, "folder", 3600000, &fence, &e), &e);
	struct append a = {.stream = stream, .fence = fence, .events = &ev, .event_count = 1};
	must(store_append(h->store, &a, &e), &e);
	event_release(&ev);
}

/* Until all of these sleep. */
static void settle(struct house_rig *h, char (*ids)[ID_TEXT], int count)
{
	for (int i = 0; i < count;)
		if (house_run(h->house, ids[i]))
			loop_turn(h->loop, 10);
		else
			i++;
}

static void begin_runs(struct house_rig *h, const json_t *first, char (*ids)[ID_TEXT], int from, int to)
{
	struct err e = ERR_INIT;
	for (; from < to; from += 100) {
		for (int i = from; i < from + 100; i++)
			make_like(h, first, i, ids[i]);
		must(store_flush(h->store, &e), &e);
		for (int i = from; i < from + 100; i++)
			must(house_resume(h->house, ids[i], &e), &e);
		settle(h, ids + from, 100);
	}
}

/* Processor time since the last call of this. */
static double lap_s(void)
{
	static double last;
	double now = rig_own_cpu_s(), took = now - last;
	last = now;
	return took;
}

static int rows_of(json_t *rows)
{
	int n = (int)json_array_size(rows);
	json_decref(rows);
	return n;
}

static void part_waiting(void)
{
	struct err e = ERR_INIT;
	struct house_rig h;
	char(*ids)[ID_TEXT] = mem_calloc(WAITING, sizeof(*ids));
	begin(waiting_flow, "finish");
	call("finish", "{}");
	run_mode("n=3", NULL);
	open_house(&h);
	cleanup_json json_t *made = store_run(h.store, id, &e);
	cleanup_json json_t *first = made ? run_created(h.store, json_str(made, "run"), NULL, &e) : NULL;
	must(!first, &e);
	begin_runs(&h, first, ids, 0, WAITING / 2);
	long before = private_bytes();
	double held = (double)mem_in_use();
	lap_s();
	begin_runs(&h, first, ids, WAITING / 2, WAITING);
	long after = private_bytes();
	printf("%d runs that wait for a person, a timer, a signal\n", WAITING);
	printf("  memory of each of the last %d  %.0f bytes, %.0f of them in use\n", WAITING / 2,
		(double)(after - before) / (WAITING / 2), ((double)mem_in_use() - held) / (WAITING / 2));
	printf("  processor time to begin one and put it to sleep  %.0f us\n", lap_s() / (WAITING / 2) * 1e6);

	cleanup_json json_t *answer =
		json_pack("{s:s, s:s, s:s, s:s}", "kind", "answer", "action", "a1", "text", "yes", "by", "me");
	lap_s();
	for (int i = 0; i < 300; i += 3) {
		must(house_command(h.house, ids[i], answer, 0, &e), &e);
		for (int k = 0; k < WAITING && i == 0; k++)
			must((house_run(h.house, ids[k]) != NULL) != (k == i), &e);
		settle(&h, ids + i, 1);
	}
	printf("  answering one of them, to its end: processor time  %.2f ms\n", lap_s() * 10);
	house_rig_close(&h);

	lap_s();
	open_house(&h);
	printf("  a house that finds them: processor time  %.2f ms\n", lap_s() * 1e3);
	int rows = rows_of(store_runs(h.store, NULL, 50, &e));
	printf("  the newest %d runs  %.2f ms\n", rows, lap_s() * 1e3);
	cleanup_json json_t *open = json_pack("{s:s}", "state", "open");
	rows = rows_of(store_actions(h.store, open, -1, &e));
	printf("  the %d open actions  %.2f ms\n", rows, lap_s() * 1e3);
	house_rig_close(&h);
	row("muster runs", MUSTER("runs"));
	row("muster runs --state waiting --limit -1", MUSTER("runs", "--state", "waiting", "--limit", "-1"));
	row("muster actions", MUSTER("actions"));
	mem_free(ids);
	rig_folder_remove();
}

/* ---- segments ---- */

static void one_steps(int steps)
{
	char args[100], match[32], input[16], what[80];
	/* by turn, so that the script is as long for a long run as for a short one */
	for (int i = 1; i <= SEGMENT; i++) {
		snprintf(match, sizeof(match), "\"turn\":%d", i);
		snprintf(args, sizeof(args), "{\"path\":\"f%d.txt\",\"content\":\"%d\"}", i % 20, i);
		house_rig_call(&script, match, i == SEGMENT ? "finish" : "write_file",
			i == SEGMENT ? "{\"result\":\"x\"}" : args);
	}
	begin("return function(run)\n"
	      "  local n = run.state and run.state.n or 1\n"
	      "  agent { role = 'worker', task = 'part ' .. n }\n"
	      "  if n < run.inputs.n then continue_as { n = n + 1 } end\n"
	      "  return n\n"
	      "end\n",
		"write_file, finish");
	snprintf(input, sizeof(input), "n=%d", steps / SEGMENT);
	snprintf(what, sizeof(what), "%d steps in %d segments", steps, steps / SEGMENT);
	struct cost run = run_mode(input, NULL);
	row(what, run);
	printf("  %-50s %10.0f us, %.0f bytes of journal\n", "  a step", run.cpu / steps * 1e6,
		rig_megabytes("data/muster.db") * 1e6 / steps);
	row("  its replay", MUSTER("replay", id));
	row("  a fork from the first segment", MUSTER("fork", id, "--at", "250"));
	row("  muster show", MUSTER("show", id));
	rig_folder_remove();
}

static void part_steps(void)
{
	head("a run of many steps");
	one_steps(500);
	one_steps(5000);
}

/* ---- a tree of agents ---- */

static void one_tree(int n)
{
	char input[16], what[80];
	begin("local function fan(run, depth)\n"
	      "  local list = {}\n"
	      "  for i = 1, run.inputs.n do list[i] = i end\n"
	      "  return { fan = { summary = 's', schema = { type = 'object', properties = {} }, run = function(_, "
	      "info)\n"
	      "    local done = 0\n"
	      "    parallel(list, function(i)\n"
	      "      local last = depth == 2\n"
	      "      local a = agent { role = last and 'worker' or 'lead', task = 'part ' .. i, parent = info.agent,\n"
	      "        on = not last and fan(run, depth + 1) or nil }\n"
	      "      if a.status == 'done' then done = done + 1 end\n"
	      "    end)\n"
	      "    return 'done ' .. done\n"
	      "  end } }\n"
	      "end\n"
	      "return function(run)\n"
	      "  return agent { role = 'lead', task = 'lead', on = fan(run, 0) }.result\n"
	      "end\n",
		"note, finish");
	buf_adds(&script,
		"{\"recording\":{\"v\":1,\"model\":\"scripted\",\"date\":\"2026-11-20\",\"prices\":{\"input\":"
		"1,\"output\":1}}}\n");
	house_rig_call(&script, "\"role\":\"lead\",\"turn\":1", "fan", "{}");
	house_rig_call(&script, "\"role\":\"worker\",\"turn\":1", "note", "{\"key\":\"k\",\"value\":\"v\"}");
	house_rig_call(&script, "\"turn\":2", "finish", "{\"result\":\"ok\"}");
	int agents = 1 + n + n * n + n * n * n;
	snprintf(what, sizeof(what), "%d agents, each by itself two turns", agents);
	snprintf(input, sizeof(input), "n=%d", n);
	struct cost run = run_mode(input, "1000");
	row(what, run);
	printf("  %-50s %10.0f us\n", "  a step", run.cpu / (2 * agents) * 1e6);
	row("  its replay", MUSTER("replay", id));
	row("  muster show", MUSTER("show", id));
	row("  muster log", MUSTER("log", id));
	rig_folder_remove();
}

static void part_agents(void)
{
	head("a tree of agents");
	one_tree(4);
	one_tree(9);
	one_tree(10);
}

/* ---- many files ---- */

static void make_files(int files)
{
	char x[1500], name[64];
	memset(x, 'x', sizeof(x));
	for (int i = 0; i < files; i++) {
		struct buf text = BUF_INIT(2 * KIB);
		buf_addf(&text, "int x%d;\n%.*s\n", i, 1000 + i % 500, x);
		snprintf(name, sizeof(name), "project/d%02d/e%03d/f%05d.c", i / 100 % 50, i / 100, i);
		rig_put(name, buf_span(&text));
		buf_release(&text);
	}
}

static void one_files(int files)
{
	char what[80], args[80];
	begin(house_rig_worker, "read_file, write_file, list, glob, search, shell, git_commit, finish");
	make_files(files);
	snprintf(what, sizeof(what), "%d files: import, copy, snapshot, nothing done", files);
	row(what, run_calls());
	row("  a second run", run_calls());
	row("  an edit", run_call("write_file", "{\"path\":\"d00/e000/f00000.c\",\"content\":\"y\"}"));
	for (int i = 1; i <= 20; i++) {
		snprintf(args, sizeof(args), "{\"path\":\"d01/e001/g%d.c\",\"content\":\"%d\"}", i, i);
		call("write_file", args);
	}
	row("  twenty edits", run_calls());
	row("  a command", run_call("shell", "{\"command\":\"echo z >d00/z.txt\"}"));
	call("list", "{}");
	call("glob", "{\"pattern\":\"**/*.c\"}");
	call("search", "{\"pattern\":\"x4242;\"}");
	row("  list, glob, search", run_call("search", "{\"pattern\":\"x\"}"));
	row("  a fork of the last", MUSTER("fork", id));
	row("  muster diff", MUSTER("diff", id));
	rig_folder_remove();
}

static void part_files(void)
{
	head("a project of many files");
	one_files(5000);
	one_files(50000);
}

/* ---- a large file ---- */

#define MAKE_LARGE "for i in $(seq 25600); do printf '%04095d\\\\n' $i; done >large.txt"

static void part_file(void)
{
	begin(house_rig_worker, "read_file, write_file, list, glob, search, shell, finish");
	head("a file of 100 MB");
	row("a run without it", run_call("shell", "{\"command\":\"true\"}"));
	row("  a command makes it", run_call("shell", "{\"command\":\"" MAKE_LARGE "\"}"));
	row("  a fork restores it", MUSTER("fork", id));
	row("  merged into the project", MUSTER("merge", id));
	row("  a second run", run_call("shell", "{\"command\":\"true\"}"));
	call("read_file", "{\"path\":\"large.txt\"}");
	call("read_file", "{\"path\":\"large.txt\",\"from\":20000,\"to\":20010}");
	call("list", "{}");
	row("  read, list, search", run_call("search", "{\"pattern\":\"4242\"}"));
	row("  a line is added", run_call("shell", "{\"command\":\"echo x >>large.txt\"}"));
	row("  muster diff", MUSTER("diff", id));
	rig_folder_remove();
}

/* ---- a long conversation ---- */

/* Turns that each read 20 KB, with a model whose window has room for all. */
static void one_talk(int turns)
{
	char args[100], what[80];
	begin(house_rig_worker, "read_file, finish");
	cleanup_free char *config = mem_printf(
		"models:\n  \"script:%s\": {context: 4000000, max_output: 1000}\n", rig_path("script.jsonl"));
	rig_put("data/config.yaml", span_of(config));
	for (int i = 0; i < turns; i++) {
		struct buf file = BUF_INIT(MIB);
		for (int k = 0; k < 400; k++)
			buf_addf(&file, "%04d line %04d of a file that an agent reads, quite ordinary\n", i, k);
		snprintf(args, sizeof(args), "project/f%d.txt", i);
		rig_put(args, buf_span(&file));
		buf_release(&file);
		snprintf(args, sizeof(args), "{\"path\":\"f%d.txt\"}", i);
		call("read_file", args);
	}
	snprintf(what, sizeof(what), "a conversation of %d KB in %d turns", turns * 22, turns);
	struct cost run = run_calls();
	row(what, run);
	printf("  %-50s %10.0f us\n", "  a turn", run.cpu / turns * 1e6);
	row("  its replay", MUSTER("replay", id));
	rig_folder_remove();
}

static void part_talk(void)
{
	head("a long conversation");
	one_talk(10);
	one_talk(100);
	one_talk(200);
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {{"waiting", part_waiting}, {"steps", part_steps}, {"agents", part_agents}, {"files", part_files},
	{"file", part_file}, {"talk", part_talk}};

/* Each in a process of its own: what one leaves in memory is not the next one's. */
static int run_part(void (*part)(void))
{
	int status;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		part();
		fflush(stdout);
		_exit(0);
	}
	return child < 0 || waitpid(child, &status, 0) != child || status;
}

int main(int argc, char **argv)
{
	int failed = 0;
	rig_setup("large");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		bool wanted = argc == 1;
		for (int k = 1; k < argc; k++)
			wanted |= !strcmp(argv[k], parts[i].name);
		if (wanted)
			failed |= run_part(parts[i].run);
	}
	return failed;
}
