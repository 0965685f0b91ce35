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
 * figures that hardly depend on what else the machine does. Data lies in $TMPDIR. usage: bench_large [PART…]
 * Above 600 lines because the parts share the frame, and a table of six programs would be longer. */
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
#include "config/vault.h"
#include "flow/house.h"
#include "flow/run.h"

#define WAITING 10000
#define SEGMENT 100 /* steps */

static char root[256];

static void must(int failed, const struct err *e)
{
	if (failed) {
		fprintf(stderr, "bench_large: %s\n", e->text);
		exit(1);
	}
}

static void put_span(const char *name, struct span text)
{
	struct err e = ERR_INIT;
	cleanup_free char *path = mem_printf("%s/%s", root, name), *dir = mem_strdup(path);
	*strrchr(dir, '/') = '\0';
	must(fs_mkdirs(dir, 0755, &e) || fs_replace(path, text, 0644, &e), &e);
}

static void put(const char *name, const char *text)
{
	put_span(name, span_of(text));
}

/* A data folder of its own with one mode, whose roles all work alike. */
static void begin(const char *flow, const char *tools)
{
	struct err e = ERR_INIT;
	snprintf(root, sizeof(root), "%s/muster-bench-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp");
	must(!mkdtemp(root), &e);
	must(chmod(root, 0755) || setenv("MUSTER_DATA", mem_printf("%s/data", root), 1), &e);
	put("data/modes/bench/mode.yaml",
		"id: bench\nname: Bench\ndescription: Large.\nengine: planning\ncategory: test\n"
		"inputs: [{name: n, type: number}]\nroles: [lead, worker]\n");
	put("data/modes/bench/flow.lua", flow);
	for (int i = 0; i < 2; i++) {
		cleanup_free char *name = mem_printf("data/modes/bench/roles/%s.md", i ? "worker" : "lead");
		cleanup_free char *role =
			mem_printf("---\nid: %s\ntools: [%s]\ncheck: none\nlimits: {turns: 10000}\n---\nYou work.\n",
				i ? "worker" : "lead", tools);
		put(name, role);
	}
}

static void end(void)
{
	struct err e = ERR_INIT;
	fs_remove_tree(root, &e);
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static double cpu_now(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return seconds(&u.ru_utime) + seconds(&u.ru_stime);
}

/* ---- the program ---- */

struct cost {
	double cpu; /* seconds, of its own */
	long kib;   /* the most memory it had */
};

/* muster with these words, its output to root/out; it must succeed. */
static struct cost muster(const char *const *words)
{
	const char *program = getenv("MUSTER") ? getenv("MUSTER") : "build/muster";
	const char *argv[24] = {program};
	cleanup_free char *out = mem_printf("%s/out", root), *err = mem_printf("%s/err", root);
	struct rusage u;
	int status;
	fflush(stdout);
	for (int i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	pid_t child = fork();
	if (child == 0) {
		if (chdir(root) || !freopen("/dev/null", "r", stdin) || !freopen(out, "w", stdout) ||
			!freopen(err, "w", stderr))
			_exit(126);
		execv(program, (char *const *)argv);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &u) != child || status) {
		fprintf(stderr, "bench_large: %s %s ended with status %d; see %s\n", program, words[0], status, err);
		exit(1);
	}
	return (struct cost){seconds(&u.ru_utime) + seconds(&u.ru_stime), u.ru_maxrss};
}
#define MUSTER(...) muster((const char *const[]){__VA_ARGS__, NULL})

/* The id of the newest run. mem_free. */
static char *newest(void)
{
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(KIB);
	cleanup_free char *path = mem_printf("%s/out", root);
	MUSTER("runs", "--names", "--limit", "1");
	must(fs_read(path, &text, &e), &e);
	char *id = span_dup(span_trim(buf_span(&text)));
	buf_release(&text);
	return id;
}

static double megabytes(const char *name)
{
	struct stat st;
	cleanup_free char *path = mem_printf("%s/%s", root, name);
	return stat(path, &st) ? 0 : (double)st.st_size / 1e6;
}

static void head(const char *what)
{
	printf("%-52s %12s %12s\n", what, "processor", "memory");
}

static void row(const char *what, struct cost c)
{
	printf("  %-50s %10.3f s %8.1f MiB\n", what, c.cpu, (double)c.kib / 1024);
	fflush(stdout);
}

/* ---- waiting runs ---- */

static const char waiting_flow[] = "return function(run)\n"
				   "  if run.inputs.n == 0 then return ask { name = 'go', title = 'Go?' }.text end\n"
				   "  if run.inputs.n == 3 then return 'first' end\n"
				   "  if run.inputs.n == 1 then sleep(86400) return 'slept' end\n"
				   "  background(function() sleep(86400) signal('go', 'late') end)\n"
				   "  return waitfor 'go'\n"
				   "end\n";

struct place {
	struct loop *loop;
	struct store *store;
	struct house *house;
};

static long private_bytes(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	long kib = 0, n;
	malloc_trim(0);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Private_Clean: %ld", &n) == 1 || sscanf(line, "Private_Dirty: %ld", &n) == 1)
			kib += n;
	if (f)
		fclose(f);
	return kib * 1024;
}

static void open_place(struct place *p)
{
	struct err e = ERR_INIT;
	static char data[300], modes[300];
	snprintf(data, sizeof(data), "%s/data", root);
	snprintf(modes, sizeof(modes), "%s/data/modes", root);
	uint8_t key[KEY_SIZE];
	struct vault *vault = vault_open(data, false, &e);
	*p = (struct place){.loop = vault ? loop_new(&e) : NULL};
	must(!p->loop, &e);
	vault_chain_key(vault, key);
	vault_close(vault);
	p->store = store_open(p->loop,
		&(struct store_options){.dir = data,
			.access = STORE_OWN,
			.chain_key = key,
			.clock = loop_clock(p->loop),
			.no_sync = true},
		&e);
	must(!p->store, &e);
	p->house = house_new(&(struct house_options){.loop = p->loop,
				     .store = p->store,
				     .data_dir = data,
				     .modes_dir = modes,
				     .roles_dir = modes,
				     .user = "bench",
				     .passivate = true},
		&e);
	must(!p->house, &e);
}

static void closed(void *ctx)
{
	*(bool *)ctx = true;
}

static void close_place(struct place *p)
{
	bool done = false;
	house_close(p->house, closed, &done);
	while (!done)
		loop_turn(p->loop, 10);
	store_close(p->store);
	loop_free(p->loop);
}

/* What stands in the first event of the one run that the program made. */
static json_t *read_first(struct place *p)
{
	struct err e = ERR_INIT;
	struct event ev;
	cleanup_json json_t *rows = store_runs(p->store, NULL, 1, &e);
	cleanup_free char *stream = mem_printf("run/%s", json_str(json_array_get(rows, 0), "run"));
	must(store_read(p->store, stream, 0, &ev, 1, &e) != 1, &e);
	json_t *data = event_data(&ev, &e);
	must(!data, &e);
	event_release(&ev);
	return data;
}

/* A run like the first one, but for its id and what it waits for. */
static void make_like(struct place *p, const json_t *first, int n, char id[ID_TEXT])
{
	struct err e = ERR_INIT;
	char stream[EVENT_STREAM_MAX];
	int64_t fence;
	cleanup_json json_t *data = json_deep_copy(first);
	must(json_object_set_new(json_get(data, "inputs"), "n", json_integer(n % 3)), &e);
	cleanup_free char *text = json_text(data);
	id_new(id, clock_wall(&clock_real), NULL);
	snprintf(stream, sizeof(stream), "run/%s", id);
	struct event ev = {.seq = 1,
		.type = EVENT_RUN_CREATED,
		.v = event_kinds[EVENT_RUN_CREATED].version,
		.at = clock_wall(&clock_real),
		.actor = ACTOR_SYSTEM,
		.data = blob_new(text, strlen(text))};
	id_new(ev.id, ev.at, NULL);
	must(store_lease(p->store, stream, "folder", 3600000, &fence, &e), &e);
	struct append a = {.stream = stream, .fence = fence, .events = &ev, .event_count = 1};
	must(store_append(p->store, &a, &e), &e);
	event_release(&ev);
}

/* Until all of these sleep. */
static void settle(struct place *p, char (*ids)[ID_TEXT], int count)
{
	for (int i = 0; i < count;)
		if (house_run(p->house, ids[i]))
			loop_turn(p->loop, 10);
		else
			i++;
}

static void begin_runs(struct place *p, const json_t *first, char (*ids)[ID_TEXT], int from, int to)
{
	struct err e = ERR_INIT;
	for (; from < to; from += 100) {
		for (int i = from; i < from + 100; i++)
			make_like(p, first, i, ids[i]);
		must(store_flush(p->store, &e), &e);
		for (int i = from; i < from + 100; i++)
			must(house_resume(p->house, ids[i], &e), &e);
		settle(p, ids + from, 100);
	}
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
	struct place p;
	char(*ids)[ID_TEXT] = mem_calloc(WAITING, sizeof(*ids));
	begin(waiting_flow, "finish");
	put("script.jsonl", "{\"match\":{},\"reply\":{\"text\":\"\"}}\n");
	MUSTER("run", "bench", "--input", "n=3", "--project", "project", "--script", "script.jsonl");
	open_place(&p);
	json_t *first = read_first(&p);
	begin_runs(&p, first, ids, 0, WAITING / 2);
	long before = private_bytes();
	size_t held = mem_in_use();
	double cpu = cpu_now();
	begin_runs(&p, first, ids, WAITING / 2, WAITING);
	long after = private_bytes();
	printf("%d runs that wait for a person, a timer, a signal\n", WAITING);
	printf("  memory of each of the last %d  %.0f bytes, %.0f of them in use\n", WAITING / 2,
		(double)(after - before) / (WAITING / 2), (double)(mem_in_use() - held) / (WAITING / 2));
	printf("  processor time to begin one and put it to sleep  %.0f us\n", (cpu_now() - cpu) / (WAITING / 2) * 1e6);

	json_t *answer = json_pack("{s:s, s:s, s:s, s:s}", "kind", "answer", "action", "a1", "text", "yes", "by", "me");
	cpu = cpu_now();
	for (int i = 0; i < 300; i += 3) {
		must(house_command(p.house, ids[i], answer, 0, &e), &e);
		for (int k = 0; k < WAITING && i == 0; k++)
			must((house_run(p.house, ids[k]) != NULL) != (k == i), &e);
		settle(&p, ids + i, 1);
	}
	printf("  answering one of them, to its end: processor time  %.2f ms\n", (cpu_now() - cpu) * 10);
	close_place(&p);

	cpu = cpu_now();
	open_place(&p);
	printf("  a house that finds them: processor time  %.2f ms\n", (cpu_now() - cpu) * 1e3);
	cpu = cpu_now();
	int rows = rows_of(store_runs(p.store, NULL, 50, &e));
	printf("  the newest %d runs  %.2f ms\n", rows, (cpu_now() - cpu) * 1e3);
	cpu = cpu_now();
	cleanup_json json_t *open = json_pack("{s:s}", "state", "open");
	rows = rows_of(store_actions(p.store, open, -1, &e));
	printf("  the %d open actions  %.2f ms\n", rows, (cpu_now() - cpu) * 1e3);
	close_place(&p);
	row("muster runs", MUSTER("runs"));
	row("muster runs --state waiting --limit -1", MUSTER("runs", "--state", "waiting", "--limit", "-1"));
	row("muster actions", MUSTER("actions"));
	json_decref(answer);
	json_decref(first);
	mem_free(ids);
	end();
}

/* ---- segments ---- */

/* A line that is used again and again when it names its turn, else once. */
static void add_call(struct buf *to, const char *match, const char *tool, const char *args)
{
	buf_addf(to, "{\"match\":{%s},\"repeat\":%s,\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"%s\",", match,
		*match ? "true" : "false", tool);
	buf_adds(to, "\"arguments\":");
	buf_adds(to, args);
	buf_adds(to, "}]}}\n");
}

static void script(struct buf *text)
{
	struct err e = ERR_INIT;
	must(buf_check(text, "the script", &e), &e);
	put_span("script.jsonl", buf_span(text));
	buf_release(text);
}

static struct cost run_mode(const char *n, char **id)
{
	cleanup_free char *input = mem_printf("n=%s", n);
	struct cost c =
		MUSTER("run", "bench", "--input", input, "--project", "project", "--script", "script.jsonl", "--json");
	*id = newest();
	return c;
}

static void one_steps(int steps)
{
	struct buf text = BUF_INIT(CAP_SCRIPT);
	char args[100], match[32], n[16], what[80], *id;
	for (int i = 1; i <= SEGMENT;
		i++) { /* by turn, so that the script is as long for a long run as for a short one */
		snprintf(match, sizeof(match), "\"turn\":%d", i);
		snprintf(args, sizeof(args), "{\"path\":\"f%d.txt\",\"content\":\"%d\"}", i % 20, i);
		add_call(&text, match, i == SEGMENT ? "finish" : "write_file",
			i == SEGMENT ? "{\"result\":\"x\"}" : args);
	}
	begin("return function(run)\n"
	      "  local n = run.state and run.state.n or 1\n"
	      "  agent { role = 'worker', task = 'part ' .. n }\n"
	      "  if n < run.inputs.n then continue_as { n = n + 1 } end\n"
	      "  return n\n"
	      "end\n",
		"write_file, finish");
	script(&text);
	snprintf(n, sizeof(n), "%d", steps / SEGMENT);
	snprintf(what, sizeof(what), "%d steps in %s segments", steps, n);
	struct cost run = run_mode(n, &id);
	row(what, run);
	printf("  %-50s %10.0f us, %.0f bytes of journal\n", "  a step", run.cpu / steps * 1e6,
		megabytes("data/muster.db") * 1e6 / steps);
	row("  its replay", MUSTER("replay", id));
	row("  a fork from the first segment", MUSTER("fork", id, "--at", "250"));
	row("  muster show", MUSTER("show", id));
	mem_free(id);
	end();
}

static void part_steps(void)
{
	head("a run of many steps");
	one_steps(500);
	one_steps(5000);
}

/* ---- a tree of agents ---- */

static void one_tree(const char *n)
{
	struct buf text = BUF_INIT(CAP_SCRIPT);
	char what[80], *id;
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
	buf_adds(&text, "{\"recording\":{\"v\":1,\"model\":\"scripted\",\"date\":\"2026-11-20\",\"prices\":{\"input\":"
			"1,\"output\":1}}}\n");
	buf_adds(&text,
		"{\"match\":{\"role\":\"lead\",\"turn\":1},\"repeat\":true,\"reply\":{\"text\":\"\",\"tool_calls\":"
		"[{\"name\":\"fan\",\"arguments\":{}}]}}\n"
		"{\"match\":{\"role\":\"worker\",\"turn\":1},\"repeat\":true,\"reply\":{\"text\":\"\",\"tool_calls\":"
		"[{\"name\":\"note\",\"arguments\":{\"key\":\"k\",\"value\":\"v\"}}]}}\n"
		"{\"match\":{},\"repeat\":true,\"reply\":{\"text\":\"\",\"tool_calls\":"
		"[{\"name\":\"finish\",\"arguments\":{\"result\":\"ok\"}}]}}\n");
	script(&text);
	int k = atoi(n), agents = 1 + k + k * k + k * k * k, steps = 2 * agents;
	snprintf(what, sizeof(what), "%d agents, each by itself two turns", agents);
	struct cost run = MUSTER("run", "bench", "--input", mem_printf("n=%s", n), "--project", "project", "--script",
		"script.jsonl", "--budget", "1000", "--json");
	id = newest();
	row(what, run);
	printf("  %-50s %10.0f us\n", "  a step", run.cpu / steps * 1e6);
	row("  its replay", MUSTER("replay", id));
	row("  muster show", MUSTER("show", id));
	row("  muster log", MUSTER("log", id));
	mem_free(id);
	end();
}

static void part_agents(void)
{
	head("a tree of agents");
	one_tree("4");
	one_tree("9");
	one_tree("10");
}

/* ---- many files ---- */

static void make_files(int files)
{
	char path[512], text[1600];
	struct err e = ERR_INIT;
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < files; i++) {
		if (i % 100 == 0) {
			snprintf(path, sizeof(path), "%s/project/d%02d/e%03d", root, i / 100 % 50, i / 100);
			must(fs_mkdirs(path, 0755, &e), &e);
		}
		snprintf(path, sizeof(path), "%s/project/d%02d/e%03d/f%05d.c", root, i / 100 % 50, i / 100, i);
		FILE *f = fopen(path, "w");
		if (!f || fprintf(f, "int x%d;\n%.*s\n", i, 1000 + i % 500, text) < 0 || fclose(f)) {
			perror(path);
			exit(1);
		}
	}
}

static const char one_flow[] = "return function(run) return agent { role = 'worker', task = 'go' }.result end\n";

/* A run of these calls, as a script; each is one tool call. */
static struct cost calls(const char *const *pairs, char **id)
{
	struct buf text = BUF_INIT(CAP_SCRIPT);
	for (; pairs[0]; pairs += 2)
		add_call(&text, "", pairs[0], pairs[1]);
	add_call(&text, "", "finish", "{\"result\":\"x\"}");
	script(&text);
	return run_mode("0", id);
}

static void one_files(int files)
{
	char what[80], *id;
	begin(one_flow, "read_file, write_file, list, glob, search, shell, git_commit, finish");
	make_files(files);
	snprintf(what, sizeof(what), "%d files: import, copy, snapshot, nothing done", files);
	row(what, calls((const char *const[]){NULL}, &id));
	row("  a second run", calls((const char *const[]){NULL}, &id));
	row("  an edit",
		calls((const char *const[]){"write_file", "{\"path\":\"d00/e000/f00000.c\",\"content\":\"y\"}", NULL},
			&id));
	row("  twenty edits", calls(
				      (const char *const[]){
#define EDIT(n) "write_file", "{\"path\":\"d01/e001/g" #n ".c\",\"content\":\"" #n "\"}",
					      EDIT(1) EDIT(2) EDIT(3) EDIT(4) EDIT(5) EDIT(6) EDIT(7) EDIT(8) EDIT(9)
						      EDIT(10) EDIT(11) EDIT(12) EDIT(13) EDIT(14) EDIT(15) EDIT(16)
							      EDIT(17) EDIT(18) EDIT(19) EDIT(20) NULL},
				      &id));
	row("  a command", calls((const char *const[]){"shell", "{\"command\":\"echo z >d00/z.txt\"}", NULL}, &id));
	row("  list, glob, search",
		calls((const char *const[]){"list", "{}", "glob", "{\"pattern\":\"**/*.c\"}", "search",
			      "{\"pattern\":\"x4242;\"}", "search", "{\"pattern\":\"x\"}", NULL},
			&id));
	row("  a fork of the last", MUSTER("fork", id));
	row("  muster diff", MUSTER("diff", id));
	mem_free(id);
	end();
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
	char *id;
	begin(one_flow, "read_file, write_file, list, glob, search, shell, finish");
	head("a file of 100 MB");
	row("a run without it", calls((const char *const[]){"shell", "{\"command\":\"true\"}", NULL}, &id));
	row("  a command makes it",
		calls((const char *const[]){"shell", "{\"command\":\"" MAKE_LARGE "\"}", NULL}, &id));
	row("  a fork restores it", MUSTER("fork", id));
	row("  merged into the project", MUSTER("merge", id));
	row("  a second run", calls((const char *const[]){"shell", "{\"command\":\"true\"}", NULL}, &id));
	row("  read, list, search", calls((const char *const[]){"read_file", "{\"path\":\"large.txt\"}", "read_file",
						  "{\"path\":\"large.txt\",\"from\":20000,\"to\":20010}", "list", "{}",
						  "search", "{\"pattern\":\"4242\"}", NULL},
					    &id));
	row("  a line is added",
		calls((const char *const[]){"shell", "{\"command\":\"echo x >>large.txt\"}", NULL}, &id));
	row("  muster diff", MUSTER("diff", id));
	end();
}

/* ---- a long conversation ---- */

/* Turns that each read 20 KB, with a model whose window has room for all. */
static void one_talk(int turns)
{
	struct buf text = BUF_INIT(CAP_SCRIPT);
	char args[100], what[80], *id;
	begin(one_flow, "read_file, finish");
	cleanup_free char *config =
		mem_printf("models:\n  \"script:%s/script.jsonl\": {context: 4000000, max_output: 1000}\n", root);
	put("data/config.yaml", config);
	for (int i = 0; i < turns; i++) {
		struct buf file = BUF_INIT(MIB);
		for (int k = 0; k < 400; k++)
			buf_addf(&file, "%04d line %04d of a file that an agent reads, quite ordinary\n", i, k);
		snprintf(args, sizeof(args), "project/f%d.txt", i);
		put_span(args, buf_span(&file));
		buf_release(&file);
		snprintf(args, sizeof(args), "{\"path\":\"f%d.txt\"}", i);
		add_call(&text, "", "read_file", args);
	}
	add_call(&text, "", "finish", "{\"result\":\"x\"}");
	script(&text);
	snprintf(what, sizeof(what), "a conversation of %d KB in %d turns", turns * 22, turns);
	struct cost run = run_mode("0", &id);
	row(what, run);
	printf("  %-50s %10.0f us\n", "  a turn", run.cpu / turns * 1e6);
	row("  its replay", MUSTER("replay", id));
	mem_free(id);
	end();
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
	struct err e = ERR_INIT;
	int failed = 0;
	json_setup();
	must(crypt_setup(&e), &e);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		bool wanted = argc == 1;
		for (int k = 1; k < argc; k++)
			wanted |= !strcmp(argv[k], parts[i].name);
		if (wanted)
			failed |= run_part(parts[i].run);
	}
	return failed;
}
