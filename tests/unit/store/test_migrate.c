/* A journal of an older program, and one of a newer: what an upgrade does, and what one that fails leaves. */
#include "fixture.h"

#include <dirent.h>

#include "store/sqlite.h"

static int bring_up(struct fixture *f, const char *second, const char *third, struct err *e)
{
	const char *const sql[] = {
		sqlite_released.sql[0], sqlite_released.sql[1], sqlite_released.sql[2], second, third};
	struct sqlite_steps steps = {sql, 5};
	struct clock clock = *loop_clock(f->loop);
	struct driver *d = sqlite_open(f->data, STORE_OWN, true, test_key, &clock, e);
	assert_non_null(d);
	int rc = sqlite_bring_up(sqlite_of(d), &steps, e);
	d->ops->close(d);
	return rc;
}

static void steps_are_taken_together_after_a_copy(void **state)
{
	struct fixture *f = *state, old;
	struct err e = ERR_INIT;

	make_run(f, "run/r1");
	must(append_logs(f, "run/r1", 3, 20, &e), &e);
	fixture_close(f);
	assert_int_equal(bring_up(f, "ALTER TABLE commands ADD COLUMN note TEXT", "this is no SQL", &e), -1);
	assert_non_null(strstr(e.text, "from format 3 to 5"));
	err_clear(&e);
	fixture_open(f); /* as it was */
	verify_fine(f);
	must(append_logs(f, "run/r1", 23, 1, &e), &e);
	fixture_close(f);

	must(bring_up(f, "ALTER TABLE commands ADD COLUMN note TEXT", "CREATE TABLE more(n INTEGER) STRICT", &e), &e);
	assert_int_equal(sql_int(f, "PRAGMA user_version"), 5);
	assert_int_equal(sql_int(f, "SELECT count(note) + (SELECT count(*) FROM more) FROM commands"), 0);
	assert_int_equal(
		sql_int(f, "SELECT count(*) FROM events"), 23 + sql_int(f, "SELECT count(*) FROM streams") - 1);
	for (int access = STORE_OWN; access <= STORE_READ; access++) {
		assert_null(fixture_try(f, (enum store_access)access, &e));
		assert_int_equal(e.code, ERR_NEWER);
	}

	/* The way back: the copy that was made first, with the older program. */
	old = *f;
	assert_true(snprintf(old.data, sizeof(old.data), "%s/before-format-5", f->data) < (int)sizeof(old.data));
	fixture_open(&old);
	verify_fine(&old);
	assert_int_equal(store_head(old.store, "run/r1", &e), 23);
	fixture_close(&old);
	sql(f, "DROP TABLE more; PRAGMA user_version = 3");
	fixture_open(f);
}

/* Format 2 had a table of limits, which nothing but tests wrote. */
static void what_is_not_used_any_more_goes(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	make_run(f, "run/r1");
	must(append_logs(f, "run/r1", 3, 5, &e), &e);
	fixture_close(f);
	sql(f, "CREATE TABLE limits(scope TEXT PRIMARY KEY, nano INTEGER NOT NULL) STRICT, WITHOUT ROWID; "
	       "INSERT INTO limits VALUES('house', 5); PRAGMA user_version = 2");
	fixture_open(f);
	verify_fine(f);
	assert_int_equal(sql_int(f, "PRAGMA user_version"), 3);
	assert_int_equal(sql_int(f, "SELECT count(*) FROM sqlite_master WHERE name = 'limits'"), 0);
	assert_int_equal(store_head(f->store, "run/r1", &e), 7);
}

static void projections_of_another_program_are_made_anew(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	make_run(f, "run/r1");
	must(append_logs(f, "run/r1", 3, 5, &e), &e);
	fixture_close(f);
	sql(f, "ALTER TABLE runs DROP COLUMN title; ALTER TABLE runs ADD COLUMN colour TEXT; CREATE TABLE moods(mood "
	       "TEXT); "
	       "DELETE FROM budgets; PRAGMA application_id = 7");
	assert_null(fixture_try(f, STORE_READ, &e));
	assert_int_equal(e.code, ERR_OLDER);
	err_clear(&e);
	fixture_open(f);
	verify_fine(f);
	assert_int_equal(sql_int(f, "SELECT count(*) FROM runs"), 1);
	assert_int_equal(
		sql_int(f, "SELECT count(*) FROM sqlite_master WHERE name = 'moods' OR sql LIKE '%colour%'"), 0);
	fixture_close(f);
	f->store = fixture_try(f, STORE_READ, &e);
	assert_non_null(f->store);
}

static int threads(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Making them anew may fail, on a full disk or of a damaged journal: then nobody owns the folder, and nobody writes. */
static void an_owner_that_cannot_make_them_anew_gives_up(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	int before;

	make_run(f, "run/r1");
	must(append_logs(f, "run/r1", 3, 5, &e), &e);
	before = threads();
	fixture_close(f);
	sql(f, "PRAGMA application_id = 7; UPDATE events SET data = replace(data, 'log', 'lig') WHERE seq = 5");
	for (int i = 0; i < 5; i++) {
		assert_null(fixture_try(f, STORE_OWN, &e));
		assert_int_equal(e.code, ERR_CORRUPT);
		err_clear(&e);
	}
	turn_until(f, threads() < before);
	sql(f, "UPDATE events SET data = replace(data, 'lig', 'log') WHERE seq = 5");
	fixture_open(f);
	verify_fine(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(steps_are_taken_together_after_a_copy, fixture_disk, fixture_end),
		cmocka_unit_test_setup_teardown(what_is_not_used_any_more_goes, fixture_disk, fixture_end),
		cmocka_unit_test_setup_teardown(
			projections_of_another_program_are_made_anew, fixture_disk, fixture_end),
		cmocka_unit_test_setup_teardown(
			an_owner_that_cannot_make_them_anew_gives_up, fixture_disk, fixture_end),
	};
	cmocka_set_test_filter(getenv("MUSTER_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
