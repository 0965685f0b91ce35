#include "base/utf8.h"
#include "unit.h"

/* Every sequence of RFC 3629's table at its borders. */
static void knows_valid_from_invalid(void **state)
{
	(void)state;
	static const char *good[] = {"", "ascii", "\x7f", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
		"\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "12345678é12345678"};
	static const char *bad[] = {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80",
		"\xEF\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x82z",
		"12345678\xFF"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!utf8_valid(span_of(good[i])))
			fail_msg("good %zu", i);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (utf8_valid(span_of(bad[i])))
			fail_msg("bad %zu", i);
	assert_true(utf8_valid(SPAN_NONE));
}

/* All code points, encoded by the definition, come back. */
static void decodes_every_code_point(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x110000; c++) {
		unsigned char p[4];
		size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		uint32_t got;

		for (size_t i = n; i-- > 1;)
			p[i] = (unsigned char)(0x80 | ((c >> (6 * (n - 1 - i))) & 0x3F));
		p[0] = (unsigned char)(n == 1 ? c : (0xF00u >> n & 0xFF) | c >> (6 * (n - 1)));
		size_t used = utf8_char(span_n((char *)p, n), &got);
		if (c >= 0xD800 && c <= 0xDFFF) {
			assert_int_equal(got, UTF8_BAD);
		} else if (got != c || used != n) {
			fail_msg("U+%04X", c);
		}
	}
}

/* Examples of the Unicode Standard, table 3-8: one U+FFFD for each maximal subpart. */
static void cleans(void **state)
{
	(void)state;
	cleanup_buf struct buf b = BUF_INIT(100);

	utf8_clean(span_of("a\xF1\x80\x80\xE1\x80\xC2"
			   "b\x80"
			   "c\x80\xBF"
			   "d"),
		&b);
	assert_string_equal(b.data, "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
	buf_clear(&b);
	utf8_clean(span_of("fine é"), &b);
	assert_string_equal(b.data, "fine é");
}

static void cuts_between_characters(void **state)
{
	(void)state;
	struct span s = span_of("aé€😀"); /* 1 2 3 4 bytes */
	static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};

	for (size_t n = 0; n < sizeof expected / sizeof *expected; n++)
		assert_int_equal(utf8_cut(s, n), expected[n]);
	assert_int_equal(utf8_cut(span_of("\x80\x80\x80\x80\x80"), 4), 4);
	assert_int_equal(utf8_cut(SPAN_NONE, 0), 0);
}

static void tells_binary_from_text(void **state)
{
	(void)state;
	static char text[10000];

	assert_false(utf8_binary(SPAN_NONE));
	assert_false(utf8_binary(span_of("text é")));
	assert_true(utf8_binary(span_n("a\0b", 3)));
	assert_true(utf8_binary(span_of("\xFFtext")));
	/* A character across the 8 KiB border is no sign of binary, nor is what comes after it. */
	memset(text, 'a', sizeof text);
	memcpy(text + 8190, "€\xFF", 4);
	assert_false(utf8_binary(span_n(text, sizeof text)));
	text[8000] = '\xFF';
	assert_true(utf8_binary(span_n(text, sizeof text)));
}

static void makes_control_visible(void **state)
{
	(void)state;
	cleanup_buf struct buf b = BUF_INIT(1000);

	utf8_visible(span_of("a\x1b[31m\n\tb\x7f\xC2\x85\u202e\u2069é\xFF"), false, &b);
	assert_string_equal(b.data, "a\\x1b[31m\\x0a\\x09b\\x7f\\u{0085}\\u{202e}\\u{2069}é\\xff");
	buf_clear(&b);
	utf8_visible(span_of("a\n\tb\r"), true, &b);
	assert_string_equal(b.data, "a\n\tb\\x0d");
	buf_clear(&b);
	utf8_visible(span_n("\0", 1), true, &b);
	assert_string_equal(b.data, "\\x00");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_valid_from_invalid),
		cmocka_unit_test(decodes_every_code_point),
		cmocka_unit_test(cleans),
		cmocka_unit_test(cuts_between_characters),
		cmocka_unit_test(tells_binary_from_text),
		cmocka_unit_test(makes_control_visible),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
