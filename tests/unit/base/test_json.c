#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "torture.h"
#include "unit.h"

static void same_text(const char *in, const char *expected)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *v = json_parse(span_of(in), "test", &e);
	cleanup_free char *out = NULL;

	if (!v)
		fail_msg("%s: %s", in, e.text);
	out = json_text(v);
	assert_string_equal(out, expected);
}

static void prints_canonically(void **state)
{
	(void)state;
	same_text("{ \"b\" : 1 , \"a\" : [ true , false , null ] }", "{\"a\":[true,false,null],\"b\":1}");
	same_text("{\"ab\":1,\"a\":2,\"\":3,\"é\":4,\"B\":5}", "{\"\":3,\"B\":5,\"a\":2,\"ab\":1,\"é\":4}");
	same_text("\"\\u00e9\\ud83d\\ude00\\n\\/\\u001f\"", "\"é😀\\n/\\u001f\"");
	same_text("[]", "[]");
	same_text("{}", "{}");
	same_text("9223372036854775807", "9223372036854775807");
	same_text("-9223372036854775808", "-9223372036854775808");
	same_text("0", "0");
	same_text("[0.1,1.0,1e300,-0.0,1e-300,1.5,100000.0,0.30000000000000004]",
		"[0.1,1.0,1e+300,-0.0,1e-300,1.5,100000.0,0.30000000000000004]");
}

/* Keys in any order, few and many, give the same bytes; and these are in order. */
static void sorts_large_objects(void **state)
{
	(void)state;
	for (int count = 1; count < 200; count += 7) {
		cleanup_json json_t *up = json_object(), *down = json_object();
		cleanup_free char *a = NULL, *b = NULL;
		char key[16], before[16] = "";
		const char *at;

		for (int i = 0; i < count; i++) {
			snprintf(key, sizeof key, "k%03d", i);
			assert_int_equal(json_put_int(up, key, i), 0);
			snprintf(key, sizeof key, "k%03d", count - 1 - i);
			assert_int_equal(json_put_int(down, key, count - 1 - i), 0);
		}
		a = json_text(up);
		b = json_text(down);
		assert_string_equal(a, b);
		at = a;
		for (int i = 0; i < count; i++) {
			at = strchr(at, 'k');
			assert_non_null(at);
			memcpy(key, at++, 4);
			key[4] = 0;
			assert_true(strcmp(before, key) < 0);
			memcpy(before, key, 5);
		}
	}
}

static void refuses(const char *text, size_t n, enum err_code code)
{
	struct err e = ERR_INIT;
	json_t *v = json_parse(span_n(text, n), "the reply", &e);

	if (v)
		fail_msg("accepted: %s", text);
	assert_int_equal(e.code, code);
	assert_memory_equal(e.text, "the reply: ", 11);
}

static void refuses_what_is_not_strict(void **state)
{
	(void)state;
	static const char *bad[] = {"", " ", "{", "[1,]", "{\"a\":1,\"a\":2}", "[1] x", "'a'", "nul", "01", "+1", "1.",
		"[\"\xFF\"]", "\"\xED\xA0\x80\"", "\"\\ud800\"", "\"\\u0000\"", "{\"\\u0000\":1}", "\"a\nb\"",
		"9223372036854775808", "1e999", "NaN", "[1 2]", "\xEF\xBB\xBF{}", "// x\n1"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refuses(bad[i], strlen(bad[i]), ERR_PARSE);
	refuses("[1]\0", 4, ERR_PARSE);
	refuses("\"a\0b\"", 5, ERR_PARSE);
	refuses(NULL, 0, ERR_PARSE);
}

static void says_where(void **state)
{
	(void)state;
	struct err e = ERR_INIT;

	assert_null(json_parse(span_of("{\n  \"a\": 1,\n  \"b\": x\n}"), "file.json", &e));
	assert_non_null(strstr(e.text, "file.json"));
	assert_non_null(strstr(e.text, "line 3"));
}

static char *nested(size_t depth)
{
	char *p = mem_alloc(2 * depth + 1);

	assert_non_null(p);
	memset(p, '[', depth);
	memset(p + depth, ']', depth);
	p[2 * depth] = 0;
	return p;
}

static void caps_depth_and_size(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	cleanup_free char *most = nested(CAP_JSON_DEPTH), *more = nested(CAP_JSON_DEPTH + 1), *far = nested(1000000);
	cleanup_json json_t *v = NULL;
	cleanup_buf struct buf out = BUF_INIT(10000);
	cleanup_free char *brackets = NULL;

	same_text(most, most);
	refuses(more, strlen(more), ERR_TOO_LARGE);
	refuses(far, strlen(far), ERR_TOO_LARGE);
	/* Brackets in strings are no depth. */
	brackets = mem_alloc(1003);
	memset(brackets, '[', 1002);
	brackets[0] = brackets[1001] = '"';
	memcpy(brackets + 5, "\\\"", 2);
	brackets[1002] = 0;
	same_text(brackets, brackets);
	refuses(most, CAP_JSON_TEXT + 1, ERR_TOO_LARGE); /* the size is looked at before the bytes */
	/* What the parser would not take back is not printed. */
	v = json_parse(span_of(most), "x", &e);
	v = json_pack("[o]", v);
	buf_adds(&out, "kept");
	json_print(v, &out);
	assert_int_equal(out.failed, BUF_FULL);
	assert_string_equal(out.data, "kept");
	assert_null(json_text(v));
}

static void reals_survive(void **state)
{
	(void)state;
	static const double numbers[] = {0.1, 1.0 / 3, 2.0 / 3, 1e22, 1e23, 123456789.125, 4.35, 1.7976931348623157e308,
		2.2250738585072014e-308, 9007199254740993.0, -1e-7, 5e-324};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		struct err e = ERR_INIT;
		cleanup_json json_t *v = json_real(numbers[i]), *back = NULL;
		cleanup_free char *text = json_text(v);
		back = json_parse(span_of(text), "x", &e);
		assert_true(json_is_real(back));
		assert_true(json_real_value(back) == numbers[i]);
	}
}

/* Any bytes, at any place in a word of eight: what is printed parses to the same string. */
static void strings_survive(void **state)
{
	(void)state;
	static const char *pieces[] = {"a", "abcdefg", "\"", "\\", "\n", "\x01", "\x1f", " ", "\x7f", "é", "😀", "\xFF",
		"!", "#", "[", "]", "\x80"};
	struct rng r = {3};

	for (int round = 0; round < 20000; round++) {
		cleanup_buf struct buf text = BUF_INIT(1000);
		cleanup_json json_t *v = NULL, *back = NULL;
		cleanup_free char *printed = NULL;
		struct err e = ERR_INIT;

		for (uint64_t n = rng_below(&r, 12); n > 0; n--)
			buf_adds(&text, pieces[rng_below(&r, sizeof pieces / sizeof *pieces)]);
		v = json_from_span(buf_span(&text));
		printed = json_text(v);
		back = json_parse(span_of(printed), "x", &e);
		if (!back)
			fail_msg("%s: %s", printed, e.text);
		assert_true(json_equal(v, back));
		buf_clear(&text); /* buf_add_json alone says the same */
		buf_addc(&text, '"');
		buf_add_json(&text, span_n(json_string_value(v), json_string_length(v)));
		buf_addc(&text, '"');
		assert_string_equal(text.data, printed);
	}
}

static void getters_give_defaults(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	cleanup_json json_t *v = json_parse(span_of("{\"s\":\"text\",\"i\":7,\"r\":2.5,\"w\":5.0,\"t\":true,"
						    "\"huge\":1e30,\"n\":null}"),
		"x", &e);

	assert_string_equal(json_str(v, "s"), "text");
	assert_null(json_str(v, "i"));
	assert_null(json_str(v, "absent"));
	assert_true(span_is(json_span(v, "s"), "text"));
	assert_null(json_span(v, "i").p);
	assert_int_equal(json_int(v, "i", -1), 7);
	assert_int_equal(json_int(v, "w", -1), 5);
	assert_int_equal(json_int(v, "r", -1), -1);
	assert_int_equal(json_int(v, "huge", -1), -1);
	assert_int_equal(json_int(v, "s", -1), -1);
	assert_true(json_num(v, "r", 0) == 2.5 && json_num(v, "i", 0) == 7.0 && json_num(v, "s", 1) == 1.0);
	assert_true(json_bool(v, "t", false));
	assert_true(json_bool(v, "n", true));
	assert_true(json_is_null(json_get(v, "n")));
	assert_null(json_get(v, "absent"));
	assert_null(json_get(NULL, "s"));
	assert_null(json_str(json_get(v, "s"), "s"));
}

static void builds(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	cleanup_json json_t *v =
		json_make(&e, "{s:s, s:I, s:o?, s:b}", "a", "x", "i", (json_int_t)1, "none", NULL, "b", 1);
	cleanup_free char *text = NULL;
	size_t before;

	assert_non_null(v);
	assert_int_equal(json_put_span(v, "odd", span_n("a\xFF\0b", 4)), 0);
	assert_int_equal(json_put_span(v, "empty", SPAN_NONE), 0);
	text = json_text(v);
	assert_string_equal(
		text, "{\"a\":\"x\",\"b\":true,\"empty\":\"\",\"i\":1,\"none\":null,\"odd\":\"a\uFFFD\uFFFDb\"}");
	before = mem_in_use();
	assert_null(json_make(&e, "{s:o, s:s}", "list", json_array(), "bad", "\xFF")); /* the array is consumed */
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(mem_in_use(), before);
	assert_int_equal(json_put(v, "x", NULL), -1);
	assert_int_equal(json_put(NULL, "x", json_array()), -1);
	assert_int_equal(mem_in_use(), before);
}

/* Strings longer than the parser's first buffer, so that growing fails too. */
static int round_trip(struct err *e)
{
	static char text[2000];
	cleanup_buf struct buf out = BUF_INIT(10000);
	json_t *v;
	int rc;

	if (!text[0]) {
		memset(text, 'a', sizeof text - 1);
		memcpy(text, "[{\"key\":1.5,\"other\":[1,{}]},\"", 29);
		memcpy(text + sizeof text - 3, "\"]", 2);
	}
	v = json_parse(span_of(text), "x", e);
	if (!v)
		return -1;
	json_print(v, &out);
	json_decref(v);
	rc = buf_check(&out, "it", e);
	if (rc == 0)
		assert_int_equal(out.len, sizeof text - 1);
	return rc;
}

/* Strings of every length: somewhere it is the quote at the end that finds no room. */
static int all_lengths(struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(100000);
	cleanup_json json_t *v = NULL;

	buf_addc(&text, '{');
	for (int i = 0; i < 80; i++)
		buf_addf(&text, "%s\"%0*d\":\"%.*s\"", i ? "," : "", i + 2, i, i,
			"................................................................................");
	buf_addc(&text, '}');
	if (buf_check(&text, "it", e))
		return -1;
	v = json_parse(buf_span(&text), "x", e);
	if (v)
		assert_int_equal(json_object_size(v), 80);
	return v ? 0 : -1;
}

static int build(struct err *e)
{
	json_t *inner = json_from_span(span_of("bad \xFF byte")), *v;
	int rc;

	if (!inner)
		return err_nomem(e);
	v = json_make(e, "{s:o, s:[i,i], s:s}", "inner", inner, "list", 1, 2, "text", "long enough to be copied");
	if (!v)
		return -1;
	rc = json_put_span(v, "more", span_of("text")) || json_put_int(v, "n", 1) ? err_nomem(e) : 0;
	json_decref(v);
	return rc;
}

static void survives_every_allocation_failure(void **state)
{
	(void)state;
	assert_true(torture(FAULT_ALLOC, ERR_NOMEM, round_trip) > 10);
	assert_true(torture(FAULT_ALLOC, ERR_NOMEM, all_lengths) > 100);
	assert_true(torture(FAULT_ALLOC, ERR_NOMEM, build) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_canonically),
		cmocka_unit_test(sorts_large_objects),
		cmocka_unit_test(refuses_what_is_not_strict),
		cmocka_unit_test(says_where),
		cmocka_unit_test(caps_depth_and_size),
		cmocka_unit_test(reals_survive),
		cmocka_unit_test(strings_survive),
		cmocka_unit_test(getters_give_defaults),
		cmocka_unit_test(builds),
		cmocka_unit_test(survives_every_allocation_failure),
	};
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
