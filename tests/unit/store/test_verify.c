/* Verification names what was changed; a backup is one moment of the journal. */
#include "fixture.h"

#include <fcntl.h>
#include <string.h>

static void differs(struct fixture *f, const char *stream, const char *part)
{
	struct store_verified v;
	struct err e = ERR_INIT;

	assert_int_equal(store_verify(f->store, stream, &v, &e), -1);
	assert_int_equal(e.code, ERR_VERIFY_DIFFERS);
	if (!strstr(e.text, part))
		fail_msg("\"%s\" does not say \"%s\"", e.text, part);
}

static void counts_what_it_checked(void **state)
{
	struct fixture *f = *state;
	struct store_verified v;
	struct err e = ERR_INIT;

	make_run(f, "run/a");
	must(append_logs(f, "run/a", 3, 100, &e), &e);
	must(append_logs(f, "run/b", 1, 7, &e), &e);
	must(store_verify(f->store, NULL, &v, &e), &e);
	assert_int_equal(v.streams, 2);
	assert_int_equal(v.events, 109);
	assert_int_equal(v.blobs, 1);
	must(store_verify(f->store, "run/b", &v, &e), &e);
	assert_int_equal(v.events, 7);
	assert_int_equal(store_verify(f->store, "run/none", &v, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

/* Each column of a stored event, one by one. */
static void any_changed_column_is_named(void **state)
{
	struct fixture *f = *state;
	static const char *const changes[] = {"id = x'00112233445566778899aabbccddeeff'", "at = at + 1",
		"type = 'flow.said'", "v = 0", "actor = 1", "actor_id = 'me'", "cause = 'x'",
		"data = replace(data, 'log', 'lig')",
		"hash = x'0011223344556677889900112233445566778899001122334455667788990011'"};
	struct err e = ERR_INIT;
	struct event out[8];

	must(append_logs(f, "run/a", 1, 9, &e), &e);
	must(append_logs(f, "run/b", 1, 9, &e), &e);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		char *change =
			mem_printf("CREATE TABLE kept AS SELECT * FROM events; UPDATE events SET %s WHERE seq = 5 "
				   "AND stream = (SELECT id FROM streams WHERE name = 'run/b')",
				changes[i]);
		sql(f, change);
		differs(f, NULL, "event 5 of run/b");
		differs(f, "run/b", "event 5 of run/b");
		assert_int_equal(store_read(f->store, "run/b", 0, out, 8, &e), -1); /* it is not executed */
		assert_int_equal(e.code, ERR_CORRUPT);
		sql(f, "DELETE FROM events; INSERT INTO events SELECT * FROM kept; DROP TABLE kept");
		verify_fine(f);
		mem_free(change);
	}
}

static void removed_and_swapped_events_are_named(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	must(append_logs(f, "run/a", 1, 9, &e), &e);
	sql(f, "CREATE TABLE kept AS SELECT * FROM events");
	sql(f, "UPDATE events SET seq = 100 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 4; UPDATE events SET "
	       "seq "
	       "= 4 WHERE seq = 100");
	differs(f, NULL, "event 3 of run/a");
	sql(f, "DELETE FROM events; INSERT INTO events SELECT * FROM kept");
	sql(f, "DELETE FROM events WHERE seq = 4");
	differs(f, NULL, "event 4 is missing");
	sql(f, "DELETE FROM events; INSERT INTO events SELECT * FROM kept");
	must(store_settle(f->store, &e), &e);
	sql(f, "DELETE FROM events WHERE seq > 7");
	differs(f, NULL, "the projections follow it to 9");
}

/* Cut back consistently, even with its head: the signed heads know better. */
static void a_shortened_journal_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char *heads = fs_join(f->data, "heads");
	struct buf text = BUF_INIT(1 << 20);

	must(append_logs(f, "run/a", 1, 9, &e), &e);
	fixture_close(f);
	must(fs_read(heads, &text, &e), &e);
	assert_non_null(strstr(text.data, "\n9 "));
	sql(f, "DELETE FROM events WHERE seq > 7; UPDATE streams SET folded = 7");
	f->store = fixture_try(f, STORE_READ, &e);
	assert_non_null(f->store);
	differs(f, NULL, "ends before seq 9");
	differs(f, "run/a", "ends before seq 9");
	text.data[text.len - 10] = text.data[text.len - 10] == 'a' ? 'b' : 'a';
	must(fs_replace(heads, buf_span(&text), 0600, &e), &e);
	differs(f, NULL, "not signed");
	must(fs_unlink(heads, &e), &e);
	differs(f, NULL, "missing");
	buf_release(&text);
	mem_free(heads);
}

static void damage_of_the_file_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	char *path = fs_join(f->data, "muster.db"), garbage[512];
	struct stat st;
	int fd;

	must(append_logs(f, "run/a", 1, 500, &e), &e);
	fixture_close(f);
	assert_int_equal(stat(path, &st), 0);
	memset(garbage, 0xfe, sizeof garbage);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, garbage, sizeof garbage, st.st_size - 4096), sizeof garbage);
	close(fd);
	assert_null(fixture_try(f, STORE_OWN, &e)); /* nothing is added to it */
	assert_int_equal(e.code, ERR_CORRUPT);
	err_clear(&e);
	f->store = fixture_try(f, STORE_READ, &e);
	assert_non_null(f->store);
	differs(f, NULL, "muster.db is damaged");
	mem_free(path);
}

/* Appends go on while the backup is made: what it holds is the beginning of what the journal holds. */
static void a_backup_is_an_exact_prefix(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct event ev = event_of(0, EVENT_FLOW_LOG, "{\"text\":\"one of many\"}"), *here, *there;
	struct append a = {.stream = "run/a", .events = &ev, .event_count = 1};
	char big[70000];
	struct store_blob blob;
	char *to = fs_join(f->dir, "copy"), *to_db = fs_join(f->dir, "copy/muster.db-wal");
	struct store_options o = {.dir = to, .access = STORE_OWN, .chain_key = test_key};
	struct store_verified v;
	struct fixture copy = *f;
	int n;

	memset(big, 'x', sizeof big);
	blob = blob_of(big, sizeof big);
	make_run(f, "run/x");
	must(store_put_blobs(f->store, &blob, 1, &e), &e);
	for (int i = 1; i <= 3000; i++) {
		ev.seq = i;
		id_new(ev.id, ev.at, NULL);
		must(store_append(f->store, &a, &e), &e);
		if (i == 1500)
			must(store_backup(f->store, to, &e), &e);
	}
	must(store_flush(f->store, &e), &e);
	assert_int_equal(store_backup(f->store, to, &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
	assert_false(fs_exists(to_db));
	copy.store = store_open(f->loop, &o, &e);
	assert_non_null(copy.store);
	must(store_verify(copy.store, NULL, &v, &e), &e);
	assert_true(store_has_blob(copy.store, &blob.hash));
	struct blob *back = store_blob(copy.store, &blob.hash, &e);
	assert_non_null(back);
	blob_unref(back);
	here = mem_calloc(6000, sizeof *here);
	there = here + 3000;
	n = store_read(copy.store, "run/a", 0, there, 3000, &e);
	assert_int_equal(store_read(f->store, "run/a", 0, here, 3000, &e), 3000);
	assert_true(n >= 0 && n <= 3000);
	for (int i = 0; i < 3000; i++) {
		if (i < n) {
			assert_true(hash_eq(&here[i].hash, &there[i].hash));
			event_release(&there[i]);
		}
		event_release(&here[i]);
	}
	must(append_logs(&copy, "run/a", n + 1, 3, &e), &e); /* it goes on from there */
	fixture_close(&copy);
	verify_fine(f);
	must(loop_run(f->loop, &e), &e);
	mem_free(here);
	mem_free(to);
	mem_free(to_db);
	blob_unref(blob.bytes);
	event_release(&ev);
}

static void memory_cannot_be_backed_up(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_int_equal(store_backup(f->store, f->data, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
}

int main(void)
{
#define disk(t) cmocka_unit_test_setup_teardown(t, fixture_disk, fixture_end)
	const struct CMUnitTest tests[] = {
		disk(counts_what_it_checked),
		cmocka_unit_test_setup_teardown(counts_what_it_checked, fixture_memory, fixture_end),
		disk(any_changed_column_is_named),
		disk(removed_and_swapped_events_are_named),
		disk(a_shortened_journal_is_noticed),
		disk(damage_of_the_file_is_noticed),
		disk(a_backup_is_an_exact_prefix),
		cmocka_unit_test_setup_teardown(memory_cannot_be_backed_up, fixture_memory, fixture_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
