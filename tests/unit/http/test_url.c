/* Request targets: one reading or none. */
#include "unit.h"

#include "base/caps.h"
#include "http/url.h"

static struct err e;

static void test_split(void **state)
{
	(void)state;
	const struct {
		const char *target, *path, *query;
	} good[] = {
		{"/", "/", ""},
		{"/a/b?c=d&e", "/a/b", "c=d&e"},
		{"/a?b?c", "/a", "b?c"},
		{"http://host:80/a?b", "/a", "b"},
		{"http://host", "/", ""},
		{"http://host?a=/b", "/", "a=/b"},
		{"https://host?", "/", ""},
	};
	struct span path, query;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		must(url_split(span_of(good[i].target), &path, &query, &e), &e);
		assert_true(span_is(path, good[i].path));
		assert_true(span_is(query, good[i].query));
	}
	const char *bad[] = {"", "*", "a", "host:443", "ftp://host/", "/a#b"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(url_split(span_of(bad[i]), &path, &query, &e), -1);
}

static void test_path(void **state)
{
	(void)state;
	cleanup_buf struct buf out = BUF_INIT(CAP_HTTP_TARGET);
	must(url_path(span_of("/a%20b/%C3%A9/..c/d..+"), &out, &e), &e);
	assert_string_equal(out.data, "/a b/é/..c/d..+");
	const char *bad[] = {"/..", "/../a", "/a/../b", "/a/.", "/./a", "/%2e%2e/a", "/a%2f..%2fb", "/a/.%2E", "/%00",
		"/%", "/%4", "/%zz", "/%ff", "/%c0%af"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		buf_clear(&out);
		if (url_path(span_of(bad[i]), &out, &e) == 0)
			fail_msg("%s was accepted", bad[i]);
		assert_int_equal(e.code, ERR_INVALID);
	}
}

static void test_query(void **state)
{
	(void)state;
	cleanup_buf struct buf out = BUF_INIT(CAP_HTTP_TARGET);
	struct span q = span_of("a=1&b%5B%5D=x+y%26&empty=&flag&a=2");
	assert_int_equal(url_query(q, "a", &out, &e), 1);
	assert_string_equal(out.data, "1");
	buf_clear(&out);
	assert_int_equal(url_query(q, "b[]", &out, &e), 1);
	assert_string_equal(out.data, "x y&");
	buf_clear(&out);
	assert_int_equal(url_query(q, "empty", &out, &e), 1);
	assert_int_equal(url_query(q, "flag", &out, &e), 1);
	assert_int_equal(out.len, 0);
	assert_int_equal(url_query(q, "b", &out, &e), 0);
	assert_int_equal(url_query(SPAN_NONE, "b", &out, &e), 0);
	assert_int_equal(url_query(span_of("a=%zz"), "a", &out, &e), -1);
	buf_clear(&out);
	assert_int_equal(url_query(span_of("%00=1&a=1"), "a", &out, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_query),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
