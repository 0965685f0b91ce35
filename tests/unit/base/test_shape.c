#include "base/shape.h"

#include <string.h>

#include "base/mem.h"
#include "base/schema.h"
#include "unit.h"

static json_t *made(const char *fields, bool others)
{
	struct err e = ERR_INIT;
	json_t *v = shape_schema(fields, others, "#/s/", &e);
	must(v ? 0 : -1, &e);
	return v;
}

static bool takes(const json_t *schema, const char *value_text)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *value = json_parse(span_of(value_text), "test", &e);
	must(value ? 0 : -1, &e);
	return !schema_validate(schema, value, &e);
}

static void every_type_takes_what_it_names(void **state)
{
	(void)state;
	static const struct {
		const char *fields, *good, *bad;
	} cases[] = {
		{"v:s", "{\"v\":\"x\"}", "{\"v\":1}"},
		{"v:i", "{\"v\":1}", "{\"v\":1.5}"},
		{"v:t", "{\"v\":1}", "{\"v\":\"1\"}"},
		{"v:n", "{\"v\":1.5}", "{\"v\":\"1\"}"},
		{"v:b", "{\"v\":true}", "{\"v\":1}"},
		{"v:o", "{\"v\":{}}", "{\"v\":[]}"},
		{"v:a", "{\"v\":[1]}", "{\"v\":{}}"},
		{"v:h", "{\"v\":\"00\"}", "{\"v\":0}"},
		{"v:x", "{\"v\":[null]}", "{}"},
		{"v:(on|off)", "{\"v\":\"off\"}", "{\"v\":\"of\"}"},
		{"v:[i]", "{\"v\":[1,2]}", "{\"v\":[1,\"2\"]}"},
		{"v:[[s]]", "{\"v\":[[\"a\"],[]]}", "{\"v\":[\"a\"]}"},
		{"v:s~", "{\"v\":null}", "{\"v\":1}"},
		{"v:s?", "{}", "{\"v\":null}"},
		{"v:s w:i?", "{\"v\":\"\"}", "{\"w\":1}"},
		{"", "{}", "{\"v\":1}"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e = ERR_INIT;
		cleanup_json json_t *schema = made(cases[i].fields, false);
		must(schema_check(schema, &e), &e);
		if (!takes(schema, cases[i].good) || takes(schema, cases[i].bad))
			fail_msg("%s: %s, %s", cases[i].fields, cases[i].good, cases[i].bad);
	}
}

static void other_fields_only_where_they_are_fine(void **state)
{
	(void)state;
	cleanup_json json_t *closed = made("a:i?", false), *open = made("a:i?", true);
	assert_false(takes(closed, "{\"b\":1}"));
	assert_true(takes(open, "{\"b\":1}"));
}

static void a_name_refers_to_another_shape(void **state)
{
	(void)state;
	cleanup_json json_t *schema = made("runs:[@run]", false);
	cleanup_free char *text = json_text(schema);
	assert_non_null(strstr(text, "{\"items\":{\"$ref\":\"#/s/run\"},\"type\":\"array\"}"));
}

static void what_is_no_shape_is_shown(void **state)
{
	(void)state;
	static const char *const bad[] = {"v", "v:", ":s", "v:z", "v:s!", "v:(a", "v:()", "v:(a|)", "v:[s", "v:[]",
		"v:@", "v:s,w:s", "v:s?? w:s"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err e = ERR_INIT;
		json_t *v = shape_schema(bad[i], false, NULL, &e);
		if (v)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(e.code, ERR_INVALID);
		assert_non_null(strstr(e.text, bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_takes_what_it_names),
		cmocka_unit_test(other_fields_only_where_they_are_fine),
		cmocka_unit_test(a_name_refers_to_another_shape),
		cmocka_unit_test(what_is_no_shape_is_shown),
	};
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
