/* bench_run: the cost of one step of a run (a model's answer → the next request is about to be sent), durable, with a
 * scripted model, so that nothing but muster's own work is in it.
 *
 * Two runs of 500 steps: one with a file tool in this process, one with `echo` in the sandbox. The figures are read
 * from the journal's own times: from model.answered to the following model.requested. Floor: appending the same bytes
 * to a file with fdatasync, twice a step. */
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "house_rig.h"

#define STEPS 500
#define EDGE 50 /* so many steps around step 50, and at the end */

static void write_inputs(bool sandbox)
{
	struct buf script = BUF_INIT(CAP_SCRIPT);
	char args[100];

	house_rig_mode(house_rig_worker, "write_file, shell, finish");
	for (int i = 0; i < STEPS; i++) {
		if (sandbox) /* a new result each time, or the agent would be taken for stuck */
			snprintf(args, sizeof(args), "{\"command\":\"echo %d\"}", i);
		else
			snprintf(args, sizeof(args), "{\"path\":\"f%d.txt\",\"content\":\"%d\"}", i % 20, i);
		house_rig_call(&script, "", sandbox ? "shell" : "write_file", args);
	}
	house_rig_call(&script, "", "finish", "{\"result\":\"x\"}");
	house_rig_script(&script);
}

struct result {
	struct sample all, early, late; /* milliseconds */
	double disk_mb, total_s;
	int events;
};

/* Times between model.answered and the next model.requested. */
static void read_times(struct store *s, const char *id, struct result *out)
{
	struct event ev[64];
	struct err e = ERR_INIT;
	cleanup_free char *stream = mem_printf("run/%s", id);
	int64_t after = 0, answered = 0;
	int got;

	while ((got = store_read(s, stream, after, ev, 64, &e)) > 0)
		for (int i = 0; i < got; i++) {
			if (ev[i].type == EVENT_MODEL_ANSWERED)
				answered = ev[i].at;
			if (ev[i].type == EVENT_MODEL_REQUESTED && answered && out->all.n < STEPS)
				sample_add(&out->all, (double)(ev[i].at - answered) / 1000);
			after = ev[i].seq;
			out->events++;
			event_release(&ev[i]);
		}
	must(got < 0, &e);
	BUG_ON(out->all.n < 2 * EDGE);
	for (size_t i = 0; i < EDGE; i++) {
		sample_add(&out->early, out->all.v[EDGE / 2 + i]);
		sample_add(&out->late, out->all.v[out->all.n - EDGE + i]);
	}
}

static void bench(bool sandbox, struct result *out)
{
	struct err e = ERR_INIT;
	struct house_rig h;
	char id[ID_TEXT];

	rig_folder();
	write_inputs(sandbox);
	house_rig_open(&h, &(struct house_rig_options){0});
	cleanup_free char *model = mem_printf("script:%s", rig_path("script.jsonl"));
	house_rig_create(&h, "project", model, id);
	double begin = rig_ms();
	must(house_resume(h.house, id, &e), &e);
	while (house_rig_busy(&h, id))
		loop_turn(h.loop, 100);
	out->total_s = (rig_ms() - begin) / 1e3;
	must(store_flush(h.store, &e), &e);
	read_times(h.store, id, out);
	house_rig_close(&h);
	out->disk_mb = rig_megabytes("data/muster.db");
	rig_folder_remove();
}

static double growth(struct result *r)
{
	return sample_at(&r->late, 0.5) / sample_at(&r->early, 0.5);
}

int main(void)
{
	static struct result file, shell;
	static struct sample floor;

	rig_setup("run");
	printf("one step of a run, durable, %d steps, on %s\n", STEPS, rig_machine());
	bench(false, &file);
	rig_median("file tool in this process", "file_ms", "ms", &file.all, "target 0.6");
	rig_row("  its 95th percentile", "file_p95", sample_at(&file.all, 0.95), "ms", NULL, "");
	rig_median("  around step 50", NULL, "ms", &file.early, "");
	rig_median("  the last 50", NULL, "ms", &file.late, "");
	rig_row("  these against those", "file_growth", growth(&file), "times", NULL, "target 1.2");
	rig_row("  all steps", "file_total_s", file.total_s, "s", NULL, "");
	bench(true, &shell);
	rig_median("`echo` in the sandbox", "sandbox_ms", "ms", &shell.all, "target 1.5");
	rig_row("  its 95th percentile", "sandbox_p95", sample_at(&shell.all, 0.95), "ms", NULL, "target 4");
	rig_median("  around step 50", NULL, "ms", &shell.early, "");
	rig_median("  the last 50", NULL, "ms", &shell.late, "");
	rig_row("  these against those", "sandbox_growth", growth(&shell), "times", NULL, "target 1.2");
	rig_row("  all steps", "sandbox_total_s", shell.total_s, "s", NULL, "");
	rig_row("  their events", NULL, shell.events, "", NULL, "");
	rig_row("  disk for them", "disk_mb", shell.disk_mb, "MB", NULL, "target 2");
	sample_sync(&floor, 200, 2, 1024);
	rig_median("floor: two synced appends", "floor_ms", "ms", &floor, "");
	rig_finish();
	return 0;
}
