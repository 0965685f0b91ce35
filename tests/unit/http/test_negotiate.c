/* What clients ask for, and what becomes of it. */
#include "unit.h"

#include <string.h>

#include "http/negotiate.h"

static void test_codings(void **state)
{
	(void)state;
	enum { I = CODING_IDENTITY, G = CODING_GZIP, B = CODING_BROTLI };
	static const struct {
		const char *header;
		int offered, chosen;
	} cases[] = {
		{NULL, I | G | B, I},
		{"", I | G | B, I},
		{"gzip", I | G | B, G},
		{"gzip, deflate, br, zstd", I | G | B, B},
		{"gzip, deflate, br", I | G, G},
		{"br", I | G, I},
		{"br;q=0.5, gzip;q=0.8", I | G | B, G},
		{"br;q=0, gzip", I | G | B, G},
		{"gzip;q=0", I | G | B, I},
		{"*", I | G | B, B},
		{"*;q=0", I | G | B, I},
		{"*;q=0.1, gzip;q=0", I | G, I},
		{"identity;q=0, *;q=0.1", I | G, G},
		{"identity, gzip;q=0.5", I | G, I},
		{"GZIP;Q=1.0", I | G, G},
		{"x-gzip", I | G, G},
		{"gzip;q=1.001", I | G, I},
		{"gzip;q=abc", I | G, I},
		{"gzip;q=", I | G, I},
		{"gzip;q=0.000", I | G, I},
		{"gzip;q=0.001", I | G, G},
		{" ,, gzip ,", I | G, G},
		{"gzipx, brx", I | G | B, I},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (negotiate_coding(cases[i].header, cases[i].offered) != cases[i].chosen)
			fail_msg("%s: %d", cases[i].header, negotiate_coding(cases[i].header, cases[i].offered));
}

static void test_tags(void **state)
{
	(void)state;
	assert_true(negotiate_unchanged("\"a\"", "\"a\""));
	assert_true(negotiate_unchanged("\"x\", W/\"a\"", "\"a\""));
	assert_true(negotiate_unchanged("*", "\"a\""));
	assert_false(negotiate_unchanged(NULL, "\"a\""));
	assert_false(negotiate_unchanged("", "\"a\""));
	assert_false(negotiate_unchanged("a", "\"a\""));
	assert_false(negotiate_unchanged("\"ab\"", "\"a\""));
}

static void test_ranges(void **state)
{
	(void)state;
	static const struct {
		const char *range, *if_range;
		enum range kind;
		int64_t from, length;
	} cases[] = {
		{NULL, NULL, RANGE_ALL, 0, 1000},
		{"bytes=0-0", NULL, RANGE_PART, 0, 1},
		{"bytes=0-", NULL, RANGE_PART, 0, 1000},
		{"bytes=10-19", NULL, RANGE_PART, 10, 10},
		{"Bytes= 990 - 2000", NULL, RANGE_PART, 990, 10},
		{"bytes=-10", NULL, RANGE_PART, 990, 10},
		{"bytes=-5000", NULL, RANGE_PART, 0, 1000},
		{"bytes=999-999999999999999999999999999", NULL, RANGE_PART, 999, 1},
		{"bytes=1000-", NULL, RANGE_NONE, 0, 1000},
		{"bytes=99999999999999999999999-", NULL, RANGE_NONE, 0, 1000},
		{"bytes=-0", NULL, RANGE_NONE, 0, 1000},
		{"bytes=20-10", NULL, RANGE_ALL, 0, 1000},
		{"bytes=0-1,5-6", NULL, RANGE_ALL, 0, 1000},
		{"bytes=", NULL, RANGE_ALL, 0, 1000},
		{"bytes=-", NULL, RANGE_ALL, 0, 1000},
		{"bytes=a-b", NULL, RANGE_ALL, 0, 1000},
		{"bytes=--1", NULL, RANGE_ALL, 0, 1000},
		{"lines=0-1", NULL, RANGE_ALL, 0, 1000},
		{"bytes=0-1", "\"tag\"", RANGE_PART, 0, 2},
		{"bytes=0-1", "\"other\"", RANGE_ALL, 0, 1000},
		{"bytes=0-1", "W/\"tag\"", RANGE_ALL, 0, 1000},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t from, length;
		enum range kind = negotiate_range(cases[i].range, cases[i].if_range, "\"tag\"", 1000, &from, &length);
		if (kind != cases[i].kind ||
			(kind != RANGE_NONE && (from != cases[i].from || length != cases[i].length)))
			fail_msg("%s: %d, %lld, %lld", cases[i].range, kind, (long long)from, (long long)length);
	}
	int64_t from, length;
	assert_int_equal(negotiate_range("bytes=-1", NULL, "", 0, &from, &length), RANGE_NONE);
	assert_int_equal(negotiate_range("bytes=0-", NULL, "", 0, &from, &length), RANGE_NONE);
}

/* security.md, row 25. */
static void test_dispositions(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"report.pdf", "attachment; filename=\"report.pdf\"; filename*=UTF-8''report.pdf"},
		{"a b.txt", "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"},
		{"/etc/passwd", "attachment; filename=\"passwd\"; filename*=UTF-8''passwd"},
		{"..\\..\\x", "attachment; filename=\"x\"; filename*=UTF-8''x"},
		{"J\xc3\xb6.txt", "attachment; filename=\"J_.txt\"; filename*=UTF-8''J%C3%B6.txt"},
		{"a\"; filename=\"b",
			"attachment; filename=\"a__ filename=_b\"; filename*=UTF-8''a%22%3B%20filename%3D%22b"},
		{"a\r\nSet-Cookie: x",
			"attachment; filename=\"a__Set-Cookie: x\"; filename*=UTF-8''a__Set-Cookie%3A%20x"},
		{"invoice\xe2\x80\xae"
		 "fdp.exe",
			"attachment; filename=\"invoice_fdp.exe\"; filename*=UTF-8''invoice_fdp.exe"},
		{"bad\xff.txt", "attachment; filename=\"bad_.txt\"; filename*=UTF-8''bad_.txt"},
		{"..", "attachment; filename=\"_\"; filename*=UTF-8''_"},
		{"a/", "attachment; filename=\"_\"; filename*=UTF-8''_"},
		{"50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cleanup_buf struct buf out = BUF_INIT(1000);
		negotiate_disposition("attachment", span_of(cases[i][0]), &out);
		assert_string_equal(out.data, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codings),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_dispositions),
	};
	return cmocka_run_group_tests_name("negotiate", tests, NULL, NULL);
}
