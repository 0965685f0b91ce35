/* The journal's speed: durable appends one by one and batched, with and without projections; reading; blobs; disk.
 * Figures are the medians of ROUNDS rounds. The floor beside them: the same bytes by write and fdatasync, without any
 * database. */
#include <stdio.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "rig.h"
#include "store/store.h"

#define ROUNDS 5
#define APPENDS 4000
#define REPEATS 3

static const uint8_t key[KEY_SIZE] = "a key of the benchmark, 32 bytes";
static struct loop *loop;
static struct store *store;

static void open_store(void)
{
	struct err e = ERR_INIT;

	rig_folder();
	struct store_options o = {.dir = rig_path("data"), .access = STORE_OWN, .chain_key = key};
	loop = loop_new(&e);
	store = loop ? store_open(loop, &o, &e) : NULL;
	must(!store, &e);
}

static void close_store(void)
{
	store_close(store);
	loop_free(loop);
}

static void stop(void)
{
	close_store();
	rig_folder_remove();
}

/* The five durable events of one step of an agent, or one log line. */
static const struct {
	enum event_type type;
	const char *data;
} step[] = {
	{EVENT_MODEL_REQUESTED,
		"{\"agent\":\"0\",\"attempt\":1,\"input\":1200,\"model\":\"x:m\",\"output\":800,\"prompt\":"
		"\"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9\",\"reserved\":0.01,"
		"\"turn\":1}"},
	{EVENT_MODEL_ANSWERED,
		"{\"agent\":\"0\",\"calls\":[{\"args\":{\"command\":\"true\"},\"call\":\"0.1.1\",\"tool\":\"shell\"}],"
		"\"model\":\"x:m\",\"ms\":200,\"stop\":\"tool\",\"turn\":1,\"usage\":{\"cached\":900,\"input\":1200,"
		"\"output\":40},\"usd\":0.002}"},
	{EVENT_TOOL_STARTED, "{\"agent\":\"0\",\"args\":{\"command\":\"true\"},\"call\":\"0.1.1\",\"tool\":\"shell\"}"},
	{EVENT_TOOL_FINISHED, "{\"agent\":\"0\",\"call\":\"0.1.1\",\"content\":\"hello world\",\"exit\":0,\"ms\":1,"
			      "\"status\":\"ok\"}"},
	{EVENT_FLOW_LOG, "{\"text\":\"one step was done\"}"},
};
static const char log_line[] = "{\"text\":\"one line of a log, as long as lines are\"}";
static struct blob *payloads[6];

static void fill(struct event *ev, int64_t seq, int which)
{
	memset(ev, 0, sizeof *ev);
	ev->seq = seq;
	ev->at = clock_wall(&clock_real);
	id_new(ev->id, ev->at, NULL);
	ev->actor = ACTOR_AGENT;
	strcpy(ev->actor_id, "0");
	ev->type = which < 5 ? step[which].type : EVENT_FLOW_LOG;
	ev->data = payloads[which];
}

static void create_run(const char *stream)
{
	struct err e = ERR_INIT;
	struct store_blob bundle = {.bytes = payloads[5]};
	char hex[HASH_HEX];
	struct event ev;
	struct append a = {.stream = stream, .events = &ev, .event_count = 1, .blobs = &bundle, .blob_count = 1};

	store_blob_hash(blob_span(bundle.bytes), &bundle.hash);
	hash_hex(&bundle.hash, hex);
	cleanup_free char *data = mem_printf(
		"{\"bundle\":\"%s\",\"dir\":\"/somewhere\",\"mode\":\"pipeline\",\"project\":\"p\",\"title\":\"A run\","
		"\"user\":\"u\"}",
		hex);
	fill(&ev, 1, 5);
	ev.type = EVENT_RUN_CREATED;
	ev.data = blob_new(data, strlen(data));
	must(store_append_wait(store, &a, &e), &e);
	event_release(&ev);
}

static double batched(int count, int each, bool steps, int runs)
{
	struct event events[8];
	struct append a = {.events = events, .event_count = (size_t)each};
	struct err e = ERR_INIT;
	char name[32];

	for (int r = 0; r < runs && steps; r++) {
		snprintf(name, sizeof name, "run/%d", r);
		create_run(name);
	}
	double begin = rig_ms();
	for (int i = 0, n = 0; n < count; i++) {
		int64_t seq = (int64_t)(i / runs) * each + (steps ? 2 : 1);
		snprintf(name, sizeof name, "run/%d", i % runs);
		a.stream = name;
		for (int k = 0; k < each; k++, n++)
			fill(&events[k], seq + k, steps ? (int)((seq + k - 2) % 5) : 5);
		while (store_append(store, &a, &e)) {
			must(e.code != ERR_OVERLOADED, &e);
			loop_turn(loop, 1);
		}
		if (i % 64 == 0)
			loop_turn(loop, 0);
	}
	must(store_flush(store, &e), &e);
	return count / (rig_ms() - begin) * 1e3;
}

static void rate(const char *what, const char *tag, const char *note, int count, int each, bool steps, int runs)
{
	struct sample rates = {0};

	for (int r = 0; r < ROUNDS; r++) {
		open_store();
		sample_add(&rates, batched(count, each, steps, runs));
		stop();
	}
	rig_median(what, tag, "events/s", &rates, note);
}

static double durable_at;

static void delivered(void *ctx, const struct err *why)
{
	(void)ctx;
	must(why->code != ERR_OK, why);
	durable_at = rig_ms();
}

/* One by one: waited for, or as the engine does it, where the loop turns until the callback. */
static void appends(struct sample *ms, bool wait)
{
	struct event ev;
	struct append a = {.stream = "run/a", .events = &ev, .event_count = 1, .cb = delivered};
	struct err e = ERR_INIT;

	open_store();
	for (int i = 0; i < APPENDS; i++) {
		double begin = rig_ms();
		durable_at = 0;
		fill(&ev, i + 1, 5);
		must(wait ? store_append_wait(store, &a, &e) : store_append(store, &a, &e), &e);
		if (wait)
			durable_at = rig_ms();
		while (durable_at == 0)
			loop_turn(loop, -1);
		sample_add(ms, durable_at - begin);
		if (wait && i % 64 == 0)
			loop_turn(loop, 0);
	}
	stop();
}

static void read_all(struct sample *us)
{
	struct event out[100];
	struct err e = ERR_INIT;

	for (int r = 0; r < 20; r++) {
		char name[32];
		int n;
		snprintf(name, sizeof name, "run/%d", r);
		for (int64_t after = 0;; after += n) {
			double begin = rig_ms();
			n = store_read(store, name, after, out, 100, &e);
			must(n < 0, &e);
			for (int i = 0; i < n; i++)
				event_release(&out[i]);
			if (n == 0)
				break;
			sample_add(us, (rig_ms() - begin) * 1e3);
		}
	}
}

static void reading(void)
{
	struct sample us = {0}, verified = {0}, rebuilt = {0};
	struct store_verified v;
	struct err e = ERR_INIT;

	open_store();
	batched(100000, 5, true, 20);
	must(store_head(store, "run/0", &e) < 0, &e); /* the connection is there then */
	read_all(&us);
	for (int r = 0; r < REPEATS; r++) {
		double begin = rig_ms();
		must(store_verify(store, NULL, &v, &e), &e);
		sample_add(&verified, (double)v.events / (rig_ms() - begin) * 1e3);
		begin = rig_ms();
		must(store_rebuild(store, &e), &e);
		sample_add(&rebuilt, (double)v.events / (rig_ms() - begin) * 1e3);
	}
	stop();
	rig_median("reading 100 events, chain checked", "read100_us", "us", &us, "");
	rig_median("verify", "verify_events_s", "events/s", &verified, "");
	rig_median("rebuild", "rebuild_events_s", "events/s", &rebuilt, "");
}

static void disk(void)
{
	open_store();
	batched(2500, 5, true, 1);
	close_store();
	rig_row("disk for a run of 500 steps", "disk_mb", rig_megabytes("data/muster.db"), "MB", NULL, "target 2");
	rig_folder_remove();
}

int main(void)
{
	static struct sample floor, waited, called;

	rig_setup("store");
	for (int i = 0; i < 6; i++) {
		const char *text = i < 5 ? step[i].data : log_line;
		payloads[i] = blob_new(text, strlen(text));
	}
	printf("store on %s\n", rig_machine());
	appends(&waited, true);
	rig_median("one durable append, waited for", "append_ms_p50", "ms", &waited, "target 0.25");
	rig_row("  its 99th percentile", "append_ms_p99", sample_at(&waited, 0.99), "ms", NULL, "");
	appends(&called, false);
	rig_median("the same, called back on the loop", "loop_ms_p50", "ms", &called, "");
	sample_sync(&floor, APPENDS, 1, 512);
	rig_median("  floor: the same bytes by write and fdatasync", "floor_ms_p50", "ms", &floor, "");
	rate("batched, 1 log event an append", "single_events_s", "", 60000, 1, false, 1);
	rate("batched, 5 log events an append", "bare_events_s", "target 100000", 200000, 5, false, 20);
	rate("batched, 5 of a step, projections", "projected_events_s", "target 40000", 100000, 5, true, 20);
	rate("1 of a step, 1000 runs, projections", "runs1000_events_s", "", 100000, 1, true, 1000);
	reading();
	disk();
	rig_row("memory left in use", NULL, (double)mem_in_use() / 1024, "KiB", NULL, "");
	rig_finish();
	return 0;
}
