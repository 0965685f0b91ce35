/* Budgets that runs share: what is told of them, by the month and once, also across a restart. */
#include "flow/budgets.h"
#include "flow/house_private.h"
#include "scene.h"

static void set(struct fixture *f, const char *scope, const char *change)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *v = json_parse(span_of(change), "change", &e);
	assert_non_null(v);
	must(budget_change(f->house, scope, v, "me", &e), &e);
}

static void spend(struct fixture *f, const char *scope, double usd)
{
	struct err e = ERR_INIT;
	budget_spend(f->house, scope, house_budget(f->house, scope, &e), 0, usd);
}

/* The shares that were told, newest first: "80 50 ". */
static void told_are(struct fixture *f, const char *want)
{
	struct err e = ERR_INIT;
	cleanup_buf struct buf text = BUF_INIT(1024);
	must(store_flush(f->store, &e), &e);
	cleanup_json json_t *rows =
		store_audit(f->store, &(struct audit_query){.what = "budget.alert", .limit = -1}, &e);
	size_t i;
	json_t *row;
	assert_non_null(rows);
	json_array_foreach(rows, i, row) buf_addf(&text, "%d ", (int)json_int(json_get(row, "detail"), "share", 0));
	assert_string_equal(text.data ? text.data : "", want);
}

static void days_pass(struct fixture *f, int64_t days)
{
	((struct clock *)loop_clock(f->loop))->fake_wall += days * INT64_C(86400000000);
}

static void each_share_of_a_month_is_told_once(void **state)
{
	struct fixture *f = *state;
	f->simulated = true; /* 2023-11-14 */
	fixture_open(f);
	spend(f, "house", 100); /* before there is a limit */
	told_are(f, "");
	set(f, "house", "{\"limit_usd\":1000,\"period\":\"month\",\"alerts\":[80,20,50]}");
	spend(f, "house", 99);
	told_are(f, "");
	spend(f, "house", 1);
	told_are(f, "20 ");
	spend(f, "house", 600); /* over two of them */
	spend(f, "house", 1);
	told_are(f, "80 50 20 ");
	spend(f, "run/x", 5000);
	spend(f, "user/x", 5000);
	told_are(f, "80 50 20 ");
	days_pass(f, 20);
	assert_float_equal(budget_counted(f->house, house_budget(f->house, "house", NULL)), 0, 1e-9);
	spend(f, "house", 210);
	told_are(f, "20 80 50 20 ");
	set(f, "house", "{\"limit_usd\":420}"); /* half of it: whoever sets it knows */
	spend(f, "house", 1);
	told_are(f, "20 80 50 20 ");
	spend(f, "house", 200);
	told_are(f, "80 20 80 50 20 ");
	set(f, "house", "{\"limit_usd\":null}");
	spend(f, "house", 2000);
	told_are(f, "80 20 80 50 20 ");
}

static void a_restart_tells_nothing_again_and_what_is_due(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	fixture_open(f);
	set(f, "project/p", "{\"limit_usd\":10}");
	struct event created = {.type = EVENT_RUN_CREATED, .seq = 1, .at = 1700000000000000};
	struct event paid = {.type = EVENT_MODEL_ANSWERED, .seq = 2, .at = 1700000000000000};
	static const char of_run[] = "{\"mode\":\"m\",\"project\":\"p\"}", of_answer[] = "{\"agent\":\"0\",\"usd\":9}";
	created.data = blob_new(of_run, strlen(of_run));
	paid.data = blob_new(of_answer, strlen(of_answer));
	struct event both[] = {created, paid};
	for (int i = 0; i < 2; i++)
		id_new(both[i].id, both[i].at, NULL);
	struct append a = {.stream = "run/r1", .events = both, .event_count = 2};
	must(store_append_wait(f->store, &a, &e), &e); /* and the program was killed before it could say so */
	event_release(&both[0]);
	event_release(&both[1]);
	for (int i = 0; i < 2; i++) {
		fixture_close(f);
		fixture_open(f);
		told_are(f, "80 50 ");
	}
	assert_float_equal(house_budget(f->house, "project/p", &e)->limit, 10, 1e-9);
	spend(f, "project/p", 1);
	told_are(f, "100 80 50 ");
}

static void what_is_no_budget_is_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const wrong[] = {"{\"limit_usd\":-1}", "{\"limit_usd\":1e10}", "{\"alerts\":[0]}",
		"{\"alerts\":[101]}", "{\"alerts\":[1,2,3,4,5,6,7,8,9]}"};
	fixture_open(f);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct err e = ERR_INIT;
		cleanup_json json_t *v = json_parse(span_of(wrong[i]), "change", &e);
		assert_int_equal(budget_change(f->house, "house", v, "me", &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_true(house_budget(f->house, "house", &e)->limit < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_share_of_a_month_is_told_once, scene_new, scene_free),
		cmocka_unit_test_setup_teardown(a_restart_tells_nothing_again_and_what_is_due, scene_new, scene_free),
		cmocka_unit_test_setup_teardown(what_is_no_budget_is_refused, scene_new, scene_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
