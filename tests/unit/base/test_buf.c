#include "base/buf.h"
#include "base/mem.h"
#include "torture.h"
#include "unit.h"

static void grows_and_stays_terminated(void **state)
{
	(void)state;
	cleanup_buf struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	assert_string_equal(buf_span(&b).p, "");
	for (int i = 0; i < 10000; i++) {
		buf_addc(&b, (char)('a' + i % 26));
		assert_int_equal(b.data[b.len], 0);
	}
	must(buf_check(&b, "it", &e), &e);
	assert_int_equal(b.len, 10000);
	assert_int_equal(b.data[9999], 'a' + 9999 % 26);
	buf_cut(&b, 3);
	assert_string_equal(b.data, "abc");
	buf_addf(&b, "%s=%d", "x", 5);
	buf_addspan(&b, span_n("yz", 1));
	assert_string_equal(b.data, "abcx=5y");
	buf_drop(&b, 3);
	assert_string_equal(b.data, "x=5y");
	buf_clear(&b);
	assert_string_equal(b.data, "");
}

static void stops_at_its_cap_and_keeps_the_content(void **state)
{
	(void)state;
	cleanup_buf struct buf b = BUF_INIT(10);
	struct err e = ERR_INIT;

	buf_adds(&b, "0123456789");
	must(buf_check(&b, "it", &e), &e);
	buf_addc(&b, 'x');
	assert_int_equal(b.failed, BUF_FULL);
	assert_string_equal(b.data, "0123456789");
	assert_int_equal(buf_check(&b, "the reply", &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_non_null(strstr(e.text, "the reply"));
	buf_cut(&b, 5);
	buf_adds(&b, "x"); /* no-op after a failure, though it would fit */
	assert_string_equal(b.data, "01234");
	assert_null(buf_take(&b));
	buf_adds(&b, "again");
	assert_string_equal(b.data, "again");
	buf_clear(&b);
	buf_addf(&b, "%s", "01234567890");
	assert_int_equal(b.failed, BUF_FULL);
	assert_string_equal(b.data, "");
	buf_clear(&b);
	assert_null(buf_grow(&b, SIZE_MAX));
}

static void a_formatted_add_that_fails_changes_nothing(void **state)
{
	(void)state;
	cleanup_buf struct buf b = BUF_INIT(100);

	buf_adds(&b, "keep");
	buf_addf(&b, "%099d", 1);
	assert_int_equal(b.failed, BUF_FULL);
	assert_string_equal(b.data, "keep");
	assert_int_equal(b.len, 4);
}

static void memory_failure_is_reported_once(void **state)
{
	(void)state;
	cleanup_buf struct buf b = BUF_INIT(1000);
	struct err e = ERR_INIT;

	fault_arm(FAULT_ALLOC, 1, false);
	buf_adds(&b, "lost");
	fault_disarm();
	buf_adds(&b, "also lost");
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_check(&b, "it", &e), -1);
	assert_int_equal(e.code, ERR_NOMEM);
}

static void take_gives_a_string(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(10);
	cleanup_free char *empty = buf_take(&b), *full = NULL;

	assert_string_equal(empty, "");
	buf_adds(&b, "full");
	full = buf_take(&b);
	assert_string_equal(full, "full");
	assert_null(b.data);
	assert_int_equal(b.cap, 10);
}

static void grow_and_grew(void **state)
{
	(void)state;
	cleanup_buf struct buf b = BUF_INIT(100);
	char *to;

	buf_adds(&b, "ab");
	to = buf_grow(&b, 98);
	assert_non_null(to);
	memset(to, 'x', 98);
	buf_grew(&b, 2);
	assert_string_equal(b.data, "abxx");
	assert_null(buf_grow(&b, 97));
}

static void json_escapes(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		size_t n;
		const char *out;
	} cases[] = {
		{"plain", 5, "plain"},
		{"\"\\/", 3, "\\\"\\\\/"},
		{"\b\f\n\r\t", 5, "\\b\\f\\n\\r\\t"},
		{"a\0\x1f\x7f", 4, "a\\u0000\\u001f\x7f"},
		{"é€😀", 9, "é€😀"},
		{"x\xff\xc3", 3, "x\xEF\xBF\xBD\xEF\xBF\xBD"},
		{"\xE2\x82", 2, "\xEF\xBF\xBD"},
		{NULL, 0, ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cleanup_buf struct buf b = BUF_INIT(100);
		buf_add_json(&b, span_n(cases[i].in, cases[i].n));
		assert_string_equal(buf_span(&b).p, cases[i].out);
	}
}

static void spans(void **state)
{
	(void)state;
	struct span s = span_of("  \t hello\r\n"), rest = span_of("one\r\ntwo\n\nlast\r"), line;

	assert_true(span_is(span_trim(s), "hello"));
	assert_true(span_is(span_trim(span_of(" \n ")), ""));
	assert_true(span_is(span_trim(SPAN_NONE), ""));
	assert_true(span_starts(span_of("abc"), "ab") && !span_starts(span_of("a"), "ab"));
	assert_true(span_ends(span_of("abc"), "bc") && !span_ends(span_of("c"), "bc"));
	assert_true(span_starts(SPAN_NONE, "") && span_eq(SPAN_NONE, span_of("")));
	assert_false(span_eq(span_of("a"), span_of("b")));
	assert_int_equal(span_find(span_of("abcabc"), span_of("c"), 0), 2);
	assert_int_equal(span_find(span_of("abcabc"), span_of("c"), 3), 5);
	assert_int_equal(span_find(span_of("abcabc"), span_of("x"), 0), (size_t)-1);
	assert_int_equal(span_find(span_of("abc"), span_of("c"), 4), (size_t)-1);
	assert_int_equal(span_find(span_of("abc"), SPAN_NONE, 3), 3);
	assert_true(span_line(&rest, &line) && span_is(line, "one"));
	assert_true(span_line(&rest, &line) && span_is(line, "two"));
	assert_true(span_line(&rest, &line) && span_is(line, ""));
	assert_true(span_line(&rest, &line) && span_is(line, "last\r"));
	assert_false(span_line(&rest, &line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(stops_at_its_cap_and_keeps_the_content),
		cmocka_unit_test(a_formatted_add_that_fails_changes_nothing),
		cmocka_unit_test(memory_failure_is_reported_once),
		cmocka_unit_test(take_gives_a_string),
		cmocka_unit_test(grow_and_grew),
		cmocka_unit_test(json_escapes),
		cmocka_unit_test(spans),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
