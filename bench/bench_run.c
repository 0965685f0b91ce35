/* bench_run: the cost of one step of a run (a model's answer → the next request is about to be sent), durable, with a
 * scripted model, so that nothing but muster's own work is in it.
 *
 * Two runs of 500 steps: one with a file tool in this process, one with `echo` in the sandbox. The figures are read
 * from the journal's own times: from model.answered to the following model.requested. Floor: appending the same bytes
 * to a file with fdatasync, twice a step. Data lies in $TMPDIR, which should be on a disk. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "flow/house.h"
#include "flow/run.h"

#define STEPS 500

static void must(int failed, const struct err *e)
{
	if (failed) {
		fprintf(stderr, "bench_run: %s\n", e->text);
		exit(1);
	}
}

static void put(const char *root, const char *name, struct span text)
{
	struct err e = ERR_INIT;
	char path[512], dir[512];
	snprintf(path, sizeof(path), "%s/%s", root, name);
	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	must(fs_mkdirs(dir, 0755, &e) || fs_replace(path, text, 0644, &e), &e);
}

static void write_inputs(const char *root, bool sandbox)
{
	struct buf script;
	buf_init(&script, 4 << 20);
	for (int i = 0; i < STEPS; i++) {
		if (sandbox) /* a new result each time, or the agent would be taken for stuck */
			buf_addf(&script,
				"{\"match\":{},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"shell\","
				"\"arguments\":{\"command\":"
				"\"echo %d\"}}]}}\n",
				i);
		else
			buf_addf(&script,
				"{\"match\":{},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"write_file\","
				"\"arguments\":{\"path\":"
				"\"f%d.txt\",\"content\":\"%d\"}}]}}\n",
				i % 20, i);
	}
	buf_adds(&script, "{\"match\":{},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"finish\",\"arguments\":{"
			  "\"result\":\"x\"}}]}}\n");
	put(root, "script.jsonl", buf_span(&script));
	buf_release(&script);
	put(root, "roles/worker.md",
		span_of("---\nid: worker\ntools: [write_file, shell, finish]\nlimits: {turns: 10000}\n---\nYou "
			"work.\n"));
	put(root, "modes/bench/mode.yaml",
		span_of("id: bench\nname: Bench\ndescription: Steps.\nengine: planning\ncategory: test\nroles: "
			"[worker]\n"));
	put(root, "modes/bench/flow.lua",
		span_of("return function(run) return agent { role = 'worker', task = 'go' }.result end\n"));
}

static int by_value(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;
	return d < 0 ? -1 : d > 0;
}

struct result {
	double median, p95, at50, at500, disk_mb, total_s;
	int events;
};

/* Times between model.answered and the next model.requested, in milliseconds. */
static void read_times(struct store *s, const char *id, struct result *out)
{
	struct event ev[64];
	struct err e = ERR_INIT;
	char stream[80];
	double ms[STEPS + 1];
	int64_t after = 0, answered = 0;
	int got, n = 0;
	snprintf(stream, sizeof(stream), "run/%s", id);
	while ((got = store_read(s, stream, after, ev, 64, &e)) > 0)
		for (int i = 0; i < got; i++) {
			if (ev[i].type == EVENT_MODEL_ANSWERED)
				answered = ev[i].at;
			if (ev[i].type == EVENT_MODEL_REQUESTED && answered && n < STEPS)
				ms[n++] = (double)(ev[i].at - answered) / 1000;
			after = ev[i].seq;
			out->events++;
			event_release(&ev[i]);
		}
	must(got < 0, &e);
	double early[50], late[50];
	for (int i = 0; i < 50; i++) {
		early[i] = ms[25 + i];
		late[i] = ms[n - 50 + i];
	}
	qsort(early, 50, sizeof(double), by_value);
	qsort(late, 50, sizeof(double), by_value);
	qsort(ms, (size_t)n, sizeof(double), by_value);
	out->median = ms[n / 2];
	out->p95 = ms[n * 95 / 100];
	out->at50 = early[25];
	out->at500 = late[25];
}

static void closed(void *ctx)
{
	*(bool *)ctx = true;
}

static struct result bench(bool sandbox)
{
	struct err e = ERR_INIT;
	struct result out = {0};
	char root[256], path[512], modes[512], roles[512], data[512], model[600], project[512], id[ID_TEXT];
	static uint8_t key[KEY_SIZE] = {1};
	snprintf(root, sizeof(root), "%s/muster-bench-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp");
	if (!mkdtemp(root))
		must(1, &e);
	chmod(root, 0755);
	write_inputs(root, sandbox);
	snprintf(data, sizeof(data), "%s/data", root);
	snprintf(modes, sizeof(modes), "%s/modes", root);
	snprintf(roles, sizeof(roles), "%s/roles", root);
	snprintf(project, sizeof(project), "%s/project", root);
	snprintf(model, sizeof(model), "script:%s/script.jsonl", root);
	struct loop *l = loop_new(&e);
	must(!l, &e);
	struct store *s = store_open(l,
		&(struct store_options){.dir = data, .access = STORE_OWN, .chain_key = key, .clock = loop_clock(l)},
		&e);
	must(!s, &e);
	struct llm *m = llm_new(&(struct llm_options){.loop = l, .allow_local = true}, &e);
	must(!m, &e);
	struct house *h = house_new(&(struct house_options){.loop = l,
					    .store = s,
					    .llm = m,
					    .data_dir = data,
					    .modes_dir = modes,
					    .roles_dir = roles,
					    .user = "bench"},
		&e);
	must(!h, &e);
	json_t *q = json_pack("{s:s, s:s, s:s, s:{}}", "mode", "bench", "project", project, "model", model, "inputs");
	must(house_create(h, q, id, &e), &e);
	json_decref(q);
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	must(house_resume(h, id, &e), &e);
	struct run *r;
	while ((r = house_run(h, id)) && strcmp(run_state(r), "completed")) {
		if (run_broken(r)->code != ERR_OK)
			must(1, run_broken(r));
		if (!strcmp(run_state(r), "failed"))
			must(1, run_error(r));
		loop_turn(l, 100);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	out.total_s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	must(store_flush(s, &e), &e);
	read_times(s, id, &out);
	bool done = false;
	house_close(h, closed, &done);
	while (!done)
		loop_turn(l, 10);
	store_close(s);
	struct stat st;
	snprintf(path, sizeof(path), "%s/muster.db", data);
	out.disk_mb = stat(path, &st) ? 0 : (double)st.st_size / 1e6;
	llm_free(m);
	fs_remove_tree(root, &e);
	return out;
}

/* Two synced appends of 1 KB: what durability alone costs. */
static double floor_ms(void)
{
	char path[256], block[1024] = {0};
	double ms[200];
	snprintf(path, sizeof(path), "%s/muster-bench-floor-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp",
		(int)getpid());
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	for (int i = 0; i < 200; i++) {
		struct timespec a, b;
		clock_gettime(CLOCK_MONOTONIC, &a);
		for (int k = 0; k < 2; k++)
			if (write(fd, block, sizeof(block)) < 0 || fdatasync(fd))
				return -1;
		clock_gettime(CLOCK_MONOTONIC, &b);
		ms[i] = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
	}
	close(fd);
	unlink(path);
	qsort(ms, 200, sizeof(double), by_value);
	return ms[100];
}

int main(void)
{
	struct err e = ERR_INIT;
	json_setup();
	must(crypt_setup(&e), &e);
	double floor = floor_ms();
	struct result file = bench(false), shell = bench(true);
	printf("one step of a run, durable, %d steps      median     p95   at 50  at 500   target\n", STEPS);
	printf("  file tool in this process           %8.3f %7.3f %7.3f %7.3f   0.6 ms\n", file.median, file.p95,
		file.at50, file.at500);
	printf("  `echo` in the sandbox               %8.3f %7.3f %7.3f %7.3f   1.5 ms, p95 4\n", shell.median,
		shell.p95, shell.at50, shell.at500);
	printf("  floor: two synced appends           %8.3f\n", floor);
	printf("  step 500 against step 50            %8.2f times (file), %.2f (sandbox)   1.2\n",
		file.at500 / file.at50, shell.at500 / shell.at50);
	printf("  disk after %d sandbox steps, %d events %6.2f MB   2\n", STEPS, shell.events, shell.disk_mb);
	printf("{\"bench\":\"run\",\"file_ms\":%.4f,\"file_p95\":%.4f,\"sandbox_ms\":%.4f,\"sandbox_p95\":%.4f,\"floor_"
	       "ms\":%.4f,\"file_growth\":%.3f,"
	       "\"disk_mb\":%.3f,\"file_total_s\":%.3f,\"sandbox_total_s\":%.3f}\n",
		file.median, file.p95, shell.median, shell.p95, floor, file.at500 / file.at50, shell.disk_mb,
		file.total_s, shell.total_s);
	return 0;
}
