/* What people chose to be told of, and by which way. */
#include "unit.h"

#include <string.h>

#include "notify/choices.h"

static struct err e;

static json_t *json(const char *text)
{
	json_t *v = json_parse(span_of(text), "test", &e);
	assert_non_null(v);
	return v;
}

static const struct {
	const char *kind, *occasion;
} rows[] = {
	{"question", "{\"type\":\"action.opened\",\"kind\":\"question\"}"},
	{"question", "{\"type\":\"action.reminder\",\"kind\":\"question\"}"},
	{"question", "{\"type\":\"action.opened\",\"kind\":\"escalation\"}"},
	{"approval", "{\"type\":\"action.opened\",\"kind\":\"approval\"}"},
	{"approval", "{\"type\":\"action.reminder\",\"kind\":\"gate\"}"},
	{"budget", "{\"type\":\"action.opened\",\"kind\":\"budget\"}"},
	{"budget", "{\"type\":\"budget.alert\"}"},
	{"failed", "{\"type\":\"run.ended\",\"state\":\"failed\"}"},
	{"finished", "{\"type\":\"run.ended\",\"state\":\"completed\"}"},
	{"finished", "{\"type\":\"run.ended\",\"state\":\"cancelled\"}"},
};
#define ROWS (sizeof(rows) / sizeof(*rows))

static void each_kind_for_itself(void **state)
{
	(void)state;
	for (size_t chosen = 0; chosen < ROWS; chosen++)
		for (size_t i = 0; i < ROWS; i++) {
			cleanup_json json_t *own = json_pack("{s:[s], s:[]}", "push", rows[chosen].kind, "mail");
			cleanup_json json_t *occasion = json(rows[i].occasion);
			must(choices_check(own, &e), &e);
			assert_int_equal(
				choices_want(own, "push", occasion), strcmp(rows[chosen].kind, rows[i].kind) == 0);
			assert_false(choices_want(own, "mail", occasion));
		}
}

static void what_is_told_without_a_choice(void **state)
{
	cleanup_json json_t *standard = choices_default(&e);
	(void)state;
	must(choices_check(standard, &e), &e);
	for (size_t i = 0; i < ROWS; i++) {
		cleanup_json json_t *occasion = json(rows[i].occasion);
		bool rare = strcmp(rows[i].kind, "failed") == 0 || strcmp(rows[i].kind, "budget") == 0;
		assert_true(choices_want(NULL, "push", occasion));
		assert_int_equal(choices_want(NULL, "mail", occasion), rare);
		assert_int_equal(choices_want(standard, "mail", occasion), rare);
		assert_true(choices_want(standard, "push", occasion));
	}
}

static void what_is_no_choice(void **state)
{
	static const char *const bad[] = {"{}", "{\"push\":[]}", "{\"mail\":[]}", "{\"push\":\"failed\",\"mail\":[]}",
		"{\"push\":[],\"mail\":[1]}", "{\"push\":[],\"mail\":[\"\"]}",
		"{\"push\":[\"failed\",\"failed\"],\"mail\":[]}", "{\"push\":[\"Failed\"],\"mail\":[]}"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		cleanup_json json_t *v = json(bad[i]);
		if (choices_check(v, &e) == 0)
			fail_msg("%s is taken", bad[i]);
		assert_int_equal(e.code, ERR_INVALID);
		err_clear(&e);
	}
}

int main(void)
{
	json_setup();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_for_itself),
		cmocka_unit_test(what_is_told_without_a_choice),
		cmocka_unit_test(what_is_no_choice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
