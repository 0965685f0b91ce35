/* Runs that go with their events: what they spent stays, and the rest is as if they had never been. */
#include "fixture.h"

#include <string.h>

#define ANSWER "{\"agent\":\"0\",\"turn\":1,\"usd\":0.1,\"usage\":{\"input\":7,\"output\":1}}"

static int called;
static struct err told;

static void on_removed(void *ctx, const struct err *why)
{
	(void)ctx;
	told = *why;
	called++;
}

static void removed(struct fixture *f, const char *run)
{
	struct err e = ERR_INIT;

	called = 0;
	must(store_run_delete(f->store, run, on_removed, NULL, &e), &e);
	assert_int_equal(called, 0);
	turn_until(f, called);
	must(told.code == ERR_OK ? 0 : -1, &told);
}

/* A run that asked a model once, lost a call, and ended. */
static void make_ended(struct fixture *f, const char *stream)
{
	struct err e = ERR_INIT;

	make_run(f, stream);
	must(append_one(f, stream, 3, EVENT_MODEL_ANSWERED, ANSWER, &e), &e);
	must(append_one(f, stream, 4, EVENT_MODEL_FAILED,
		     "{\"agent\":\"0\",\"turn\":2,\"attempt\":1,\"code\":\"x\",\"text\":\"\",\"usd_unknown\":0.3}", &e),
		&e);
	must(append_one(f, stream, 5, EVENT_RUN_COMPLETED, "{\"evidence\":\"done\"}", &e), &e);
}

static char *all_rows(struct fixture *f)
{
	struct err e = ERR_INIT;
	struct usage_query usage = {.group = USAGE_RUNS, .limit = -1};
	cleanup_json json_t *all = json_make(&e, "[o, o, o, o]", store_runs(f->store, NULL, -1, &e),
		store_actions(f->store, NULL, -1, &e), store_usage(f->store, &usage, &e), store_budgets(f->store, &e));

	must(all ? 0 : -1, &e);
	return json_text(all);
}

/* What was spent in all, and of what runs share in this month. */
static json_t *spent(struct fixture *f)
{
	struct err e = ERR_INIT;
	char now[CLOCK_TEXT];
	struct usage_query usage = {.group = "user,project,role,model,day", .limit = -1};

	clock_text(now, clock_wall(&clock_real));
	now[strlen("2026-11")] = '\0';
	json_t *out =
		json_make(&e, "[o, o]", store_usage(f->store, &usage, &e), store_budgets_shared(f->store, now, &e));
	must(out ? 0 : -1, &e);
	assert_true(json_array_size(json_array_get(out, 0)) >= 1 && json_array_size(json_array_get(out, 1)) >= 2);
	return out;
}

static void a_run_goes_and_what_it_spent_stays(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct event ev;

	make_ended(f, "run/r1");
	make_ended(f, "run/r2");
	make_run(f, "run/idle");
	must(append_one(f, "run/idle", 3, EVENT_RUN_CANCELLED, "{}", &e), &e);
	must(store_settle(f->store, &e), &e);
	cleanup_json json_t *before = spent(f);
	removed(f, "r1");
	removed(f, "idle"); /* which spent nothing */
	assert_int_equal(store_read(f->store, "run/r1", 0, &ev, 1, &e), 0);
	assert_int_equal(store_head(f->store, "run/r1", &e), 0);
	assert_null(store_run(f->store, "r1", &e));
	err_clear(&e);
	cleanup_json json_t *after = spent(f);
	assert_true(json_equal(before, after));
	verify_fine(f);
	cleanup_free char *kept = all_rows(f);
	must(store_rebuild(f->store, &e), &e);
	cleanup_free char *anew = all_rows(f);
	assert_string_equal(kept, anew);
	cleanup_json json_t *again = spent(f);
	assert_true(json_equal(before, again));
	verify_fine(f);
	/* The name may be used again, and is not taken for what went. */
	make_ended(f, "run/r1");
	verify_fine(f);
	cleanup_free char *second = all_rows(f);
	must(store_rebuild(f->store, &e), &e);
	cleanup_free char *third = all_rows(f);
	assert_string_equal(second, third);
}

static void what_goes_on_stays(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	make_run(f, "run/r1");
	assert_int_equal(store_run_delete(f->store, "r1", on_removed, NULL, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	err_clear(&e);
	make_ended(f, "run/r2");
	struct event ev = event_of(APPEND_AT_END, EVENT_RUN_DELETED, "{\"hash\":\"x\",\"run\":\"r2\",\"seq\":4}");
	struct append a = {
		.stream = "project/p1", .events = &ev, .event_count = 1, .drop_stream = "run/r2", .drop_seq = 4};
	assert_int_equal(store_append_wait(f->store, &a, &e), -1); /* its last event is 5 */
	assert_int_equal(e.code, ERR_CONFLICT);
	event_release(&ev);
	assert_int_equal(store_head(f->store, "run/r2", &e), 5);
	assert_int_equal(store_head(f->store, "project/p1", &e), 0);
	verify_fine(f);
	must(append_one(f, "run/r2", 6, EVENT_RUN_MERGED, "{\"commit\":\"c\",\"into\":\"main\"}", &e), &e);
	verify_fine(f);
}

static void the_ended_are_listed_by_age(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	make_ended(f, "run/r1");
	make_ended(f, "run/r2");
	make_run(f, "run/r3");
	cleanup_json json_t *all = store_runs_ended(f->store, INT64_MAX, INT64_MAX, 10, &e);
	assert_int_equal(json_array_size(all), 2);
	assert_string_equal(json_str(json_array_get(all, 0), "run"), "r2");
	int64_t begun = json_int(json_array_get(all, 0), "created", 0);
	cleanup_json json_t *older = store_runs_ended(f->store, INT64_MAX, begun, 10, &e);
	assert_int_equal(json_array_size(older), 1);
	assert_string_equal(json_str(json_array_get(older, 0), "run"), "r1");
	cleanup_json json_t *none =
		store_runs_ended(f->store, json_int(json_array_get(older, 0), "updated", 0), INT64_MAX, 10, &e);
	assert_int_equal(json_array_size(none), 0);
}

/* The heads of a moment ago still name it. */
static void signed_heads_of_before_agree(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char heads[100];
	cleanup_buf struct buf old = BUF_INIT(1 << 16);

	make_ended(f, "run/r1");
	make_ended(f, "run/r2");
	fixture_close(f);
	snprintf(heads, sizeof heads, "%s/heads", f->data);
	must(fs_read(heads, &old, &e), &e);
	fixture_open(f);
	removed(f, "r1");
	fixture_close(f);
	must(fs_replace(heads, buf_span(&old), 0600, &e), &e);
	f->store = fixture_try(f, STORE_READ, &e);
	must(f->store ? 0 : -1, &e);
	verify_fine(f);
	fixture_close(f);
	sql(f, "DELETE FROM events WHERE stream = (SELECT id FROM streams WHERE name = 'run/r2');"
	       "DELETE FROM streams WHERE name = 'run/r2'");
	f->store = fixture_try(f, STORE_READ, &e);
	struct store_verified v;
	assert_int_equal(store_verify(f->store, NULL, &v, &e), -1);
	assert_int_equal(e.code, ERR_VERIFY_DIFFERS);
	assert_non_null(strstr(e.text, "events were removed"));
}

#define in_both(fn)                                                                                                    \
	cmocka_unit_test_setup_teardown(fn, fixture_disk, fixture_end),                                                \
		cmocka_unit_test_setup_teardown(fn, fixture_memory, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_both(a_run_goes_and_what_it_spent_stays),
		in_both(what_goes_on_stays),
		in_both(the_ended_are_listed_by_age),
		cmocka_unit_test_setup_teardown(signed_heads_of_before_agree, fixture_disk, fixture_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
