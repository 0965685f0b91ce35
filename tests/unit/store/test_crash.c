/* What was acknowledged survives: kill -9 at any instant, a disk that is full or fails, memory that runs out. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/fault.h"

/* ---- kill -9 ---- */

struct writing {
	struct fixture *f;
	int fd; /* told: one byte for each acknowledged append */
};

static void acknowledged(void *ctx, const struct err *why)
{
	const struct writing *w = ctx;

	if (why->code || write(w->fd, "x", 1) != 1)
		_exit(9);
}

/* The child: appends of 1 to 3 events with a run's money in them, some with a large blob, for ever. */
static void write_for_ever(struct fixture *f, int fd, int64_t head)
{
	struct writing w = {f, fd};
	struct err e = ERR_INIT;
	char big[70000];

	f->loop = loop_new(&e);
	fixture_open(f);
	memset(big, 'x', sizeof big);
	for (int64_t seq = head + 1;;) {
		struct event events[3];
		struct store_blob blob = {.bytes = NULL};
		struct append a = {.stream = "run/a", .events = events, .cb = acknowledged, .ctx = &w};
		a.event_count = (size_t)(seq % 3 + 1);
		for (size_t i = 0; i < a.event_count; i++)
			events[i] = event_of(seq++, EVENT_MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":1,\"usd\":0.5}");
		if (seq % 7 == 0) {
			memcpy(big, &seq, sizeof seq);
			blob = blob_of(big, sizeof big);
			a.blobs = &blob;
			a.blob_count = 1;
		}
		if (store_append(f->store, &a, &e))
			_exit(8);
		for (size_t i = 0; i < a.event_count; i++)
			event_release(&events[i]);
		blob_unref(blob.bytes);
		loop_turn(f->loop, seq % 5 ? 0 : 1);
	}
}

/* Which append of write_for_ever ends at this head? The number of appends since `from`, or -1. */
static int64_t appends_until(int64_t from, int64_t head)
{
	int64_t n = 0, seq = from + 1;

	while (seq <= head) {
		seq += seq % 3 + 1;
		n++;
	}
	return seq == head + 1 ? n : -1;
}

static void kill_at_any_instant(void **state)
{
	struct fixture *f = *state;
	struct rng rng = {.state = 20261120};
	struct err e = ERR_INIT;
	int64_t head;

	make_run(f, "run/a");
	fixture_close(f);
	for (int round = 0; round < 25; round++) {
		int told[2], status;
		int64_t acks = 0, appends;
		char bytes[4096];
		ssize_t n;
		pid_t pid;
		fixture_open(f);
		head = store_head(f->store, "run/a", &e);
		fixture_close(f);
		assert_int_equal(pipe(told), 0);
		pid = fork();
		if (pid == 0) {
			close(told[0]);
			write_for_ever(f, told[1], head);
		}
		close(told[1]);
		usleep((useconds_t)rng_below(&rng, 60000) + 5000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		while ((n = read(told[0], bytes, sizeof bytes)) > 0)
			acks += n;
		close(told[0]);
		fixture_open(f);
		verify_fine(f); /* chain, projections, blobs, integrity */
		appends = appends_until(head, store_head(f->store, "run/a", &e));
		assert_true(appends >= acks); /* everything acknowledged, and only whole appends */
		fixture_close(f);
	}
	fixture_open(f);
	assert_true(store_head(f->store, "run/a", &e) > 0);
}

/* ---- full disks ---- */

static void count_result(void *ctx, const struct err *why)
{
	int *counts = ctx;

	counts[why->code == ERR_OK ? 0 : why->code == ERR_DISK_FULL ? 1 : 2]++;
}

/* On a file system of 2 MiB: appends fail with disk_full, reads work; with room again, appends do. */
static int fill_the_disk(struct fixture *f)
{
	struct err e = ERR_INIT;
	int counts[3] = {0}, fd;
	char *ballast = fs_join(f->data, "ballast"), block[4096] = {0};
	char text[2000];
	struct event ev;
	struct append a = {.stream = "run/a", .events = &ev, .event_count = 1, .cb = count_result, .ctx = counts};
	struct store_verified v;
	int64_t head;

	if (mount("none", f->data, "tmpfs", 0, "size=2m"))
		return errno == EPERM || errno == EACCES ? 77 : 10;
	f->loop = loop_new(&e);
	fixture_open(f);
	memset(text, 'x', sizeof text);
	memcpy(text, "{\"text\":\"", 9);
	memcpy(text + sizeof text - 3, "\"}", 3);
	fd = open(ballast, O_CREAT | O_WRONLY, 0600);
	for (int i = 0; i < 100 && write(fd, block, sizeof block) == sizeof block; i++)
		;
	for (int64_t seq = 1; counts[1] == 0 && seq < 5000; seq++) {
		ev = event_of(seq, EVENT_FLOW_LOG, text);
		if (store_append(f->store, &a, &e))
			return 11;
		event_release(&ev);
		if (store_flush(f->store, &e))
			return 12;
		while (counts[0] + counts[1] + counts[2] < seq)
			loop_turn(f->loop, 10);
	}
	if (counts[1] == 0 || counts[2] || counts[0] < 10)
		return 13;
	head = store_head(f->store, "run/a", &e);
	if (head != counts[0] || store_verify(f->store, NULL, &v, &e))
		return 14;
	if (append_logs(f, "run/a", head + 1, 40, &e) == 0 || e.code != ERR_DISK_FULL)
		return 15;
	if (ftruncate(fd, 0))
		return 16;
	err_clear(&e);
	if (append_logs(f, "run/a", head + 1, 40, &e) || store_verify(f->store, NULL, &v, &e))
		return 17;
	close(fd);
	fixture_close(f);
	fixture_open(f);
	if (store_head(f->store, "run/a", &e) != head + 40 || store_verify(f->store, NULL, &v, &e))
		return 18;
	fixture_close(f);
	return 0;
}

/* An ordinary user may mount in a user namespace of its own, in which it is root. */
static int be_root_of_a_namespace(void)
{
	static const char *const files[] = {"/proc/self/setgroups", "/proc/self/uid_map", "/proc/self/gid_map"};
	char lines[3][64] = {"deny"};
	snprintf(lines[1], sizeof lines[1], "0 %u 1", getuid());
	snprintf(lines[2], sizeof lines[2], "0 %u 1", getgid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -1;
	for (int i = 0; i < 3; i++) {
		int fd = open(files[i], O_WRONLY);
		if (fd < 0 || write(fd, lines[i], strlen(lines[i])) < 0)
			return -1;
		close(fd);
	}
	return 0;
}

static void a_full_disk_rejects_and_recovers(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	fixture_close(f);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) && be_root_of_a_namespace())
			_exit(77);
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
		_exit(fill_the_disk(f));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	fixture_open(f);
	if (WEXITSTATUS(status) == 77) {
		print_message("no file system can be mounted here\n");
		skip();
	}
	assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 99, 0);
}

/* A file that may not grow (EFBIG: an input/output error): nothing is acknowledged from then on, and what was stands.
 */
static int grow_no_more(struct fixture *f, int fd)
{
	struct err e = ERR_INIT;
	struct rlimit limit = {400000, 400000};
	int64_t seq = 1;

	signal(SIGXFSZ, SIG_IGN);
	f->loop = loop_new(&e);
	fixture_open(f);
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return 10;
	while (append_logs(f, "run/a", seq, 10, &e) == 0)
		seq += 10;
	if (e.code != ERR_IO)
		return 11;
	if (append_logs(f, "run/b", 1, 1, &e) == 0 || e.code != ERR_IO || !strstr(e.text, "restart"))
		return 12;
	if (store_flush(f->store, &e) == 0 || store_head(f->store, "run/a", &e) != seq - 1)
		return 13;
	if (write(fd, &seq, sizeof seq) != sizeof seq)
		return 14;
	return 0;
}

static void a_failed_commit_stops_acknowledging(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	int told[2], status;
	int64_t seq = 0;
	pid_t pid;

	fixture_close(f);
	assert_int_equal(pipe(told), 0);
	pid = fork();
	if (pid == 0)
		_exit(grow_no_more(f, told[1]));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 99, 0);
	assert_int_equal(read(told[0], &seq, sizeof seq), sizeof seq);
	close(told[0]);
	close(told[1]);
	fixture_open(f);
	assert_true(seq > 100);
	assert_int_equal(store_head(f->store, "run/a", &e), seq - 1);
	verify_fine(f);
}

/* So does the failure of the syncs and writes by which the log goes into the database, between commits. */
static void a_failed_checkpoint_stops_acknowledging(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	must(append_logs(f, "run/a", 1, 10, &e), &e);
	fault_arm(FAULT_DB, 1, false);
	for (int i = 0; i < 1000 && fault_seen() == 0; i++)
		usleep(10000);
	fault_disarm();
	for (int i = 0; i < 100 && store_flush(f->store, &e) == 0; i++)
		usleep(10000);
	assert_int_equal(append_logs(f, "run/a", 11, 1, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_non_null(strstr(e.text, "restart"));
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(store_head(f->store, "run/a", &e), 10);
	verify_fine(f);
}

/* ---- faults ---- */

/* What a round uses, made before a fault is armed. */
struct things {
	struct store_blob small, large;
	json_t *command;
	struct event events[2], later; /* later: a sum that waits for being folded */
};

static void things_init(struct things *t)
{
	static const char big[70000];

	t->small = blob_of("blob", 4);
	t->large = blob_of(big, sizeof big);
	t->command = json_object();
	t->events[0] = event_of(1, EVENT_RUN_CREATED, "{\"mode\":\"m\",\"project\":\"p\",\"user\":\"u\"}");
	t->events[1] = event_of(2, EVENT_MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":1,\"usd\":1}");
	t->later = event_of(3, EVENT_MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":2,\"usd\":1}");
}

static void things_release(struct things *t)
{
	json_decref(t->command);
	blob_unref(t->small.bytes);
	blob_unref(t->large.bytes);
	event_release(&t->events[0]);
	event_release(&t->events[1]);
	event_release(&t->later);
}

/* One round of everything; 0, or -1 when something failed cleanly. */
static int use_everything(struct fixture *f, const struct things *t, int64_t *acked, struct err *e)
{
	struct append a = {
		.stream = "run/a", .events = t->events, .event_count = 2, .blobs = &t->small, .blob_count = 1};
	struct append later = {.stream = "run/a", .events = &t->later, .event_count = 1};
	struct store_verified v;
	struct event out[4];
	json_t *rows = NULL;
	int rc = -1, n;

	f->store = fixture_try(f, STORE_OWN, e);
	if (!f->store)
		return -1;
	if (store_append_wait(f->store, &a, e))
		goto done;
	*acked += 2;
	if (store_append_wait(f->store, &later, e))
		goto done;
	*acked += 1;
	if (store_settle(f->store, e) || store_put_blobs(f->store, &t->large, 1, e) ||
		store_command(f->store, "c", "run/a", t->command, e))
		goto done;
	rows = store_runs(f->store, NULL, 5, e);
	n = rows ? store_read(f->store, "run/a", 0, out, 4, e) : -1;
	for (int i = 0; i < n; i++)
		event_release(&out[i]);
	rc = n < 0 ? -1 : store_rebuild(f->store, e);
	if (rc == 0)
		rc = store_verify(f->store, NULL, &v, e);
done:
	store_close(f->store);
	f->store = NULL;
	json_decref(rows);
	return rc;
}

/* Every n-th call fails once: a clean error or success, and the journal holds all that was acknowledged. */
static void each_fault(struct fixture *f, enum fault_kind kind, uint64_t step)
{
	struct err e = ERR_INIT;
	uint64_t seen = 1;
	size_t failures = 0;
	int64_t acked = 0, head;

	fixture_close(f);
	must(fs_remove_tree(f->data, &e), &e);
	f->no_sync = true;
	for (uint64_t nth = 1; seen >= nth; nth += step) {
		struct things things;
		int rc;
		things_init(&things);
		err_clear(&e);
		fault_arm(kind, nth, false);
		rc = use_everything(f, &things, &acked, &e);
		seen = fault_seen() < nth ? 0 : nth + step;
		fault_disarm();
		things_release(&things);
		if (rc) {
			failures++;
			assert_int_not_equal(e.code, ERR_OK);
		}
		if (!f->memory) {
			fixture_open(f);
			head = store_head(f->store, "run/a", &e);
			assert_true(head >= acked);
			verify_fine(f);
			fixture_close(f);
		}
		must(fs_remove_tree(f->data, &e), &e);
		acked = 0;
	}
	print_message("%zu clean failures\n", failures);
	assert_true(failures > 10);
	fixture_open(f);
}

static void every_database_fault(void **state)
{
	each_fault(*state, FAULT_DB, 1);
}

static void every_file_fault(void **state)
{
	each_fault(*state, FAULT_IO, 1);
}

static void every_allocation(void **state)
{
	struct fixture *f = *state;

	each_fault(f, FAULT_ALLOC, f->memory ? 1 : 13);
}

/* Where only memory was short, for one allocation or for a whole write, the next write is accepted again. */
static void short_memory_stops_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	bool hit[2] = {true, true};

	make_run(f, "run/a");
	f->no_sync = true;
	for (uint64_t nth = 2; hit[nth % 2]; nth += 3) {
		bool for_good = nth % 2;
		int64_t seq;
		fixture_close(f);
		fixture_open(f);
		seq = store_head(f->store, "run/a", &e) + 1;
		struct event ev = event_of(seq, EVENT_RUN_WAITING, "{\"on\":\"person\"}");
		struct append a = {.stream = "run/a", .events = &ev, .event_count = 1};
		fault_arm(FAULT_ALLOC, nth / 2, for_good);
		store_append_wait(f->store, &a, &e);
		store_flush(f->store, &e);
		hit[for_good] = fault_seen() >= nth / 2;
		fault_disarm();
		event_release(&ev);
		err_clear(&e);
		seq = store_head(f->store, "run/a", &e) + 1;
		if (append_one(f, "run/a", seq, EVENT_RUN_RESUMED, "{}", &e))
			fail_msg("after allocation %d: %s", (int)nth / 2, e.text);
	}
	verify_fine(f);
}

int main(void)
{
#define disk(t) cmocka_unit_test_setup_teardown(t, fixture_disk, fixture_end)
	const struct CMUnitTest tests[] = {
		disk(kill_at_any_instant),
		disk(a_full_disk_rejects_and_recovers),
		disk(a_failed_commit_stops_acknowledging),
		disk(a_failed_checkpoint_stops_acknowledging),
		disk(short_memory_stops_nothing),
		disk(every_database_fault),
		disk(every_file_fault),
		disk(every_allocation),
		cmocka_unit_test_setup_teardown(every_allocation, fixture_memory, fixture_end),
	};

	cmocka_set_test_filter(getenv("MUSTER_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
