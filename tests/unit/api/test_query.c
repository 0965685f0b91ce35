#include "api/query.h"

#include <string.h>

#include "base/mem.h"
#include "base/shape.h"
#include "unit.h"

static json_t *schema;

static char *parsed(const char *raw, struct err *e)
{
	cleanup_json json_t *v = query_parse(span_of(raw), schema, e);
	return v ? json_text(v) : NULL;
}

static void values_become_what_the_shape_says(void **state)
{
	(void)state;
	static const struct {
		const char *raw, *json;
	} cases[] = {
		{"", "{}"},
		{"state=open", "{\"state\":\"open\"}"},
		{"state=a+b%26c&limit=-5", "{\"limit\":-5,\"state\":\"a b&c\"}"},
		{"follow=1", "{\"follow\":true}"},
		{"follow=false&&share=0.5", "{\"follow\":false,\"share\":0.5}"},
		{"kind=gate", "{\"kind\":\"gate\"}"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e = ERR_INIT;
		cleanup_free char *text = parsed(cases[i].raw, &e);
		must(text ? 0 : -1, &e);
		assert_string_equal(text, cases[i].json);
	}
}

static void bad_ones_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *raw, *says;
	} cases[] = {
		{"stat=1", "did you mean \"state\"?"},
		{"state=1&state=2", "state was given twice"},
		{"limit=", "limit must be a whole number"},
		{"limit=1x", "limit must be a whole number"},
		{"limit=99999999999999999999", "limit must be a whole number"},
		{"limit=+1", "limit must be a whole number"},
		{"share=nan", "share must be a number"},
		{"follow=yes", "follow must be 1 or 0"},
		{"kind=other", "kind"},
		{"state=%zz", ""},
		{"state=%00", ""},
		{"=1", "no parameter \"\""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e = ERR_INIT;
		char *text = parsed(cases[i].raw, &e);
		if (text || e.code != ERR_INVALID || !strstr(e.text, cases[i].says))
			fail_msg("%s: %s %s", cases[i].raw, text ? text : "", e.text);
	}
}

static void no_shape_takes_none(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	cleanup_json json_t *none = query_parse(span_of(""), NULL, &e);
	assert_non_null(none);
	assert_null(query_parse(span_of("a=1"), NULL, &e));
	assert_int_equal(e.code, ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_become_what_the_shape_says),
		cmocka_unit_test(bad_ones_are_named),
		cmocka_unit_test(no_shape_takes_none),
	};
	struct err e = ERR_INIT;
	json_setup();
	schema = shape_schema("state:s? limit:i? follow:b? share:n? kind:(gate|question)?", false, NULL, &e);
	int failed = schema ? cmocka_run_group_tests(tests, NULL, NULL) : -1;
	json_decref(schema);
	return failed;
}
