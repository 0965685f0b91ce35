/* The journal's speed: durable appends one by one and batched, with and without projections; reading; blobs; disk.
 * Figures are the medians of ROUNDS rounds. The floor beside them: the same bytes by write and fdatasync, without any
 * database. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/store.h"

#define ROUNDS 5

static const uint8_t key[KEY_SIZE] = "a key of the benchmark, 32 bytes";
static struct loop *loop;
static struct store *store;
static char dir[] = "/tmp/muster-bench-XXXXXX";

static void die(const struct err *e)
{
	fprintf(stderr, "%s\n", e->text);
	exit(1);
}

static double now(void)
{
	return (double)clock_mono(&clock_real) / 1e6;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double at_share(double *values, size_t n, double share)
{
	qsort(values, n, sizeof *values, by_size);
	return values[(size_t)((double)(n - 1) * share)];
}

static void start(void)
{
	struct store_options o = {.dir = dir, .access = STORE_OWN, .chain_key = key};
	struct err e = ERR_INIT;

	loop = loop_new(&e);
	store = loop ? store_open(loop, &o, &e) : NULL;
	if (!store)
		die(&e);
}

static void stop(bool remove)
{
	struct err e = ERR_INIT;

	store_close(store);
	loop_free(loop);
	if (remove && fs_remove_tree(dir, &e))
		die(&e);
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
	char hex[HASH_HEX], *data;
	struct event ev;
	struct append a = {.stream = stream, .events = &ev, .event_count = 1, .blobs = &bundle, .blob_count = 1};

	store_blob_hash(blob_span(bundle.bytes), &bundle.hash);
	hash_hex(&bundle.hash, hex);
	data = mem_printf(
		"{\"bundle\":\"%s\",\"dir\":\"/somewhere\",\"mode\":\"pipeline\",\"project\":\"p\",\"title\":\"A run\","
		"\"user\":\"u\"}",
		hex);
	fill(&ev, 1, 5);
	ev.type = EVENT_RUN_CREATED;
	ev.data = blob_new(data, strlen(data));
	if (store_append_wait(store, &a, &e))
		die(&e);
	event_release(&ev);
	mem_free(data);
}

static double batched(int count, int each, bool steps, int runs)
{
	struct event events[8];
	struct append a = {.events = events, .event_count = (size_t)each};
	struct err e = ERR_INIT;
	char name[32];
	double begin;

	for (int r = 0; r < runs && steps; r++) {
		snprintf(name, sizeof name, "run/%d", r);
		create_run(name);
	}
	begin = now();
	for (int i = 0, n = 0; n < count; i++) {
		int64_t seq = (int64_t)(i / runs) * each + (steps ? 2 : 1);
		snprintf(name, sizeof name, "run/%d", i % runs);
		a.stream = name;
		for (int k = 0; k < each; k++, n++)
			fill(&events[k], seq + k, steps ? (int)((seq + k - 2) % 5) : 5);
		while (store_append(store, &a, &e)) {
			if (e.code != ERR_OVERLOADED)
				die(&e);
			loop_turn(loop, 1);
		}
		if (i % 64 == 0)
			loop_turn(loop, 0);
	}
	if (store_flush(store, &e))
		die(&e);
	return count / (now() - begin);
}

static double rate(int count, int each, bool steps, int runs)
{
	double rates[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		start();
		rates[r] = batched(count, each, steps, runs);
		stop(true);
	}
	return at_share(rates, ROUNDS, 0.5);
}

static void single(double *p50, double *p99)
{
	static double times[4000];
	struct event ev;
	struct append a = {.stream = "run/a", .events = &ev, .event_count = 1};
	struct err e = ERR_INIT;

	start();
	for (int i = 0; i < 4000; i++) {
		double begin = now();
		fill(&ev, i + 1, 5);
		if (store_append_wait(store, &a, &e))
			die(&e);
		times[i] = (now() - begin) * 1e3;
		if (i % 64 == 0)
			loop_turn(loop, 0);
	}
	stop(true);
	*p50 = at_share(times, 4000, 0.5);
	*p99 = at_share(times, 4000, 0.99);
}

struct delivery {
	double at;
};

static void delivered(void *ctx, const struct err *why)
{
	struct delivery *d = ctx;

	if (why->code)
		die(why);
	d->at = now();
}

/* As the engine does it: append, and the loop turns until the callback. */
static double through_the_loop(void)
{
	static double times[4000];
	struct delivery d;
	struct event ev;
	struct append a = {.stream = "run/a", .events = &ev, .event_count = 1, .cb = delivered, .ctx = &d};
	struct err e = ERR_INIT;

	start();
	for (int i = 0; i < 4000; i++) {
		double begin = now();
		d.at = 0;
		fill(&ev, i + 1, 5);
		if (store_append(store, &a, &e))
			die(&e);
		while (d.at == 0)
			loop_turn(loop, -1);
		times[i] = (d.at - begin) * 1e3;
	}
	stop(true);
	return at_share(times, 4000, 0.5);
}

static double floor_sync(void)
{
	static double times[4000];
	char block[512] = {1};
	int fd;

	if (mkdir(dir, 0700))
		return 0;
	fd = open("/tmp/muster-bench-floor", O_CREAT | O_WRONLY | O_TRUNC, 0600);
	for (int i = 0; i < 4000; i++) {
		double begin = now();
		if (write(fd, block, sizeof block) != sizeof block || fdatasync(fd))
			return 0;
		times[i] = (now() - begin) * 1e3;
	}
	close(fd);
	unlink("/tmp/muster-bench-floor");
	rmdir(dir);
	return at_share(times, 4000, 0.5);
}

static void reading(double *us100, double *verify_rate, double *rebuild_rate)
{
	struct event out[100];
	struct store_verified v;
	struct err e = ERR_INIT;
	double begin;
	int n, reads = 0;

	start();
	batched(100000, 5, true, 20);
	if (store_head(store, "run/0", &e) < 0) /* the connection is there then */
		die(&e);
	begin = now();
	for (int r = 0; r < 20; r++) {
		char name[32];
		snprintf(name, sizeof name, "run/%d", r);
		for (int64_t after = 0; (n = store_read(store, name, after, out, 100, &e)) > 0; after += n, reads++)
			for (int i = 0; i < n; i++)
				event_release(&out[i]);
	}
	*us100 = (now() - begin) / reads * 1e6;
	begin = now();
	if (store_verify(store, NULL, &v, &e))
		die(&e);
	*verify_rate = (double)v.events / (now() - begin);
	begin = now();
	if (store_rebuild(store, &e))
		die(&e);
	*rebuild_rate = (double)v.events / (now() - begin);
	stop(true);
}

static double disk(void)
{
	struct stat st;
	char path[64];

	start();
	batched(2500, 5, true, 1);
	stop(false);
	snprintf(path, sizeof path, "%s/muster.db", dir);
	if (stat(path, &st))
		st.st_size = 0;
	start();
	stop(true);
	return (double)st.st_size / 1e6;
}

int main(void)
{
	struct err e = ERR_INIT;
	struct utsname host;
	double p50, p99, us100, verified, rebuilt, bare, full, runs1000, one, loop_p50, floor_p50, mb, memory;

	json_setup();
	if (crypt_setup(&e) || !mkdtemp(dir))
		die(&e);
	rmdir(dir);
	for (int i = 0; i < 6; i++) {
		const char *text = i < 5 ? step[i].data : log_line;
		payloads[i] = blob_new(text, strlen(text));
	}
	uname(&host);
	floor_p50 = floor_sync();
	single(&p50, &p99);
	loop_p50 = through_the_loop();
	one = rate(60000, 1, false, 1);
	bare = rate(200000, 5, false, 20);
	full = rate(100000, 5, true, 20);
	runs1000 = rate(100000, 1, true, 1000);
	reading(&us100, &verified, &rebuilt);
	mb = disk();
	memory = (double)mem_in_use() / 1024;
	printf("store on %s %s, %ld processors\n", host.sysname, host.release, sysconf(_SC_NPROCESSORS_ONLN));
	printf("  one durable append, waited for       p50 %.3f ms, p99 %.3f ms (target 0.25; floor %.3f)\n", p50, p99,
		floor_p50);
	printf("  the same, called back on the loop    p50 %.3f ms\n", loop_p50);
	printf("  batched, 1 log event an append       %8.0f events/s\n", one);
	printf("  batched, 5 log events an append      %8.0f events/s (target 100000)\n", bare);
	printf("  batched, 5 of a step, projections    %8.0f events/s (target 40000)\n", full);
	printf("  1 of a step, 1000 runs, projections  %8.0f events/s\n", runs1000);
	printf("  reading 100 events, chain checked    %8.1f us\n", us100);
	printf("  verify / rebuild                     %8.0f / %.0f events/s\n", verified, rebuilt);
	printf("  disk for a run of 500 steps          %8.2f MB (target 2)\n", mb);
	printf("  memory left in use                   %8.1f KiB\n", memory);
	printf("{\"bench\":\"store\",\"append_ms_p50\":%.4f,\"append_ms_p99\":%.4f,\"loop_ms_p50\":%.4f,\"floor_ms_"
	       "p50\":"
	       "%.4f,\"single_events_s\":%.0f,\"bare_events_s\":%.0f,\"projected_events_s\":%.0f,\"runs1000_events_s\":"
	       "%.0f,\"read100_us\":%.1f,\"verify_events_s\":%.0f,\"rebuild_events_s\":%.0f,\"disk_mb\":%.3f}\n",
		p50, p99, loop_p50, floor_p50, one, bare, full, runs1000, us100, verified, rebuilt, mb);
	return 0;
}
