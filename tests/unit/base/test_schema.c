#include <string.h>

#include "base/schema.h"
#include "unit.h"

static json_t *parse(const char *text)
{
	struct err e = ERR_INIT;
	json_t *v = json_parse(span_of(text), "test", &e);

	if (!v)
		fail_msg("%s: %s", text, e.text);
	return v;
}

/* NULL when the value fits, else the complaints. */
static const char *complaints(const char *schema_text, const char *value_text)
{
	static struct err e;
	cleanup_json json_t *schema = parse(schema_text), *value = parse(value_text);

	must(schema_check(schema, &e), &e);
	if (schema_validate(schema, value, &e) == 0)
		return NULL;
	assert_int_equal(e.code, ERR_INVALID);
	return e.text;
}

static void accepts_and_refuses(void **state)
{
	(void)state;
	static const struct {
		const char *schema, *good, *bad;
	} cases[] = {
		{"{\"type\":\"string\"}", "\"x\"", "1"},
		{"{\"type\":\"integer\"}", "1", "1.5"},
		{"{\"type\":\"integer\"}", "1.0", "true"},
		{"{\"type\":\"number\"}", "1", "\"1\""},
		{"{\"type\":\"number\"}", "1.5", "null"},
		{"{\"type\":\"boolean\"}", "false", "0"},
		{"{\"type\":\"null\"}", "null", "false"},
		{"{\"type\":\"object\"}", "{}", "[]"},
		{"{\"type\":\"array\"}", "[]", "{}"},
		{"{\"type\":[\"string\",\"null\"]}", "null", "1"},
		{"{\"enum\":[\"a\",1,null]}", "1.0", "\"b\""},
		{"{\"enum\":[[1,{\"a\":2}]]}", "[1.0,{\"a\":2.0}]", "[1,{\"a\":2,\"b\":3}]"},
		{"{\"const\":3}", "3", "4"},
		{"{\"minimum\":1,\"maximum\":5}", "5", "6"},
		{"{\"minimum\":1.5}", "2", "1"},
		{"{\"maximum\":9223372036854775806}", "9223372036854775806", "9223372036854775807"},
		{"{\"minimum\":1}", "\"not a number\"", "0"},
		{"{\"minLength\":2,\"maxLength\":3}", "\"é€😀\"", "\"é\""},
		{"{\"maxLength\":1}", "\"😀\"", "\"ab\""},
		{"{\"minItems\":1,\"maxItems\":2}", "[1,2]", "[]"},
		{"{\"maxItems\":2}", "[1]", "[1,2,3]"},
		{"{\"items\":{\"type\":\"string\"}}", "[\"a\"]", "[\"a\",1]"},
		{"{\"required\":[\"a\"]}", "{\"a\":null}", "{\"b\":1}"},
		{"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"b\":1}", "{\"a\":1}"},
		{"{\"properties\":{\"a\":true},\"additionalProperties\":false}", "{\"a\":1}", "{\"b\":1}"},
		{"{\"additionalProperties\":{\"type\":\"integer\"}}", "{\"x\":1}", "{\"x\":\"1\"}"},
		{"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "null", "1"},
		{"{\"properties\":{\"a\":false}}", "{}", "{\"a\":1}"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *text = complaints(cases[i].schema, cases[i].good);
		if (text)
			fail_msg("%s refuses %s: %s", cases[i].schema, cases[i].good, text);
		if (!complaints(cases[i].schema, cases[i].bad))
			fail_msg("%s accepts %s", cases[i].schema, cases[i].bad);
	}
}

static void says_what_to_repair(void **state)
{
	(void)state;
	assert_string_equal(complaints("{\"type\":\"string\"}", "5"), "at the top: expected string, found 5");
	assert_string_equal(complaints("{\"properties\":{\"a\":{\"items\":{\"type\":\"integer\"}}}}",
				    "{\"a\":[1,\"two\\nlines\"]}"),
		"at /a/1: expected integer, found string \"two lines\"");
	assert_string_equal(complaints("{\"enum\":[\"red\",\"green\"]}", "\"blue\""),
		"at the top: expected one of red, green, found string \"blue\"");
	assert_string_equal(
		complaints("{\"properties\":{\"a\":{},\"b\":{}},\"additionalProperties\":false}", "{\"c\":1}"),
		"at the top: expected no member but a, b, found \"c\"");
	assert_string_equal(complaints("{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "[]"),
		"at the top: none of 2 alternatives fits: at the top: expected string, found array of 0; or at the "
		"top: expected null, found array of 0");
	assert_string_equal(complaints("{\"properties\":{\"a/b~c\":{\"type\":\"null\"}}}", "{\"a/b~c\":1}"),
		"at /a~1b~0c: expected null, found 1");
}

static void lists_five_complaints(void **state)
{
	(void)state;
	const char *text = complaints("{\"items\":{\"type\":\"null\"}}", "[1,2,3,4,5,6,7]");
	int lines = 1;

	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 5);
	assert_non_null(strstr(text, "/4"));
	assert_null(strstr(text, "/5"));
	assert_string_equal(complaints("{\"required\":[\"a\",\"b\"]}", "{}"),
		"at the top: expected a member \"a\", found none\nat the top: expected a member \"b\", found none");
}

static void long_things_are_cut(void **state)
{
	(void)state;
	char schema[4096] = "{\"enum\":[\"a\"", value[4096];

	for (int i = 0; i < 100; i++)
		strcat(schema, ",\"a word of a long list\"");
	strcat(schema, "]}");
	memset(value, 'x', sizeof value);
	value[0] = value[4000] = '"';
	value[4001] = 0;
	const char *text = complaints(schema, value);
	assert_true(strlen(text) < 400);
	assert_non_null(strstr(text, "a word of a long list"));
	assert_non_null(strstr(text, "found string \"xxx"));
	/* Deep paths are cut, not overrun. */
	schema[0] = value[0] = 0;
	for (int i = 0; i < 60; i++) {
		strcat(schema, "{\"additionalProperties\":");
		strcat(value, "{\"memberé\":");
	}
	strcat(schema, "{\"type\":\"null\"}");
	strcat(value, "1");
	for (int i = 0; i < 60; i++) {
		strcat(schema, "}");
		strcat(value, "}");
	}
	text = complaints(schema, value);
	assert_true(strlen(text) < 400);
	assert_non_null(strstr(text, "expected null, found 1"));
}

static void checks_the_schema(void **state)
{
	(void)state;
	static const struct {
		const char *schema, *says;
	} cases[] = {
		{"1", "a schema must be an object"},
		{"{\"type\":\"text\"}", "the top: \"type\""},
		{"{\"type\":[]}", "\"type\""},
		{"{\"type\":[\"string\",1]}", "\"type\""},
		{"{\"properties\":[]}", "\"properties\""},
		{"{\"properties\":{\"x\":{\"type\":\"int\"}}}", "at /properties/x: \"type\""},
		{"{\"properties\":{\"x\":1}}", "at /properties/x"},
		{"{\"required\":\"a\"}", "\"required\""},
		{"{\"required\":[1]}", "\"required\""},
		{"{\"items\":{\"pattern\":\"^a\"}}", "at /items: \"pattern\""},
		{"{\"items\":[{}]}", "at /items"},
		{"{\"enum\":[]}", "\"enum\""},
		{"{\"minItems\":-1}", "\"minItems\""},
		{"{\"maxLength\":1.5}", "\"maxLength\""},
		{"{\"minimum\":\"1\"}", "\"minimum\""},
		{"{\"anyOf\":[]}", "\"anyOf\""},
		{"{\"anyOf\":[{},{\"oneOf\":[]}]}", "at /anyOf/1: \"oneOf\""},
		{"{\"$ref\":\"#/x\"}", "\"$ref\""},
		{"{\"requierd\":[]}", "\"requierd\""},
		{"{\"additionalProperties\":\"no\"}", "at /additionalProperties"},
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cleanup_json json_t *schema = parse(cases[i].schema);
		if (schema_check(schema, &e) == 0)
			fail_msg("accepted: %s", cases[i].schema);
		assert_int_equal(e.code, ERR_INVALID);
		if (!strstr(e.text, cases[i].says))
			fail_msg("%s: %s", cases[i].schema, e.text);
	}
	assert_null(complaints("{\"title\":\"t\",\"description\":\"d\",\"default\":1,\"examples\":[1]}", "1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_and_refuses),
		cmocka_unit_test(says_what_to_repair),
		cmocka_unit_test(lists_five_complaints),
		cmocka_unit_test(long_things_are_cut),
		cmocka_unit_test(checks_the_schema),
	};
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
