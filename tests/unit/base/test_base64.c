/* Bytes as text and back (RFC 4648, section 10, and what is refused). */
#include "unit.h"

#include <string.h>

#include "base/base64.h"

static void vectors(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *plain, *url;
	} rows[] = {{"", "", ""}, {"f", "Zg==", "Zg"}, {"fo", "Zm8=", "Zm8"}, {"foo", "Zm9v", "Zm9v"},
		{"foob", "Zm9vYg==", "Zm9vYg"}, {"fooba", "Zm9vYmE=", "Zm9vYmE"}, {"\xfb\xff", "+/8=", "-_8"}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (int kind = BASE64_PLAIN; kind <= BASE64_URL; kind++) {
			const char *text = kind == BASE64_PLAIN ? rows[i].plain : rows[i].url;
			cleanup_buf struct buf out = BUF_INIT(64);
			unsigned char back[8];
			base64_add(&out, (enum base64)kind, span_of(rows[i].bytes));
			assert_true(span_is(buf_span(&out), text));
			assert_int_equal(base64_take(span_of(text), (enum base64)kind, back, sizeof(back)),
				strlen(rows[i].bytes));
			assert_memory_equal(back, rows[i].bytes, strlen(rows[i].bytes));
		}
	}
}

static void refused(void **state)
{
	(void)state;
	static const char *const plain[] = {"Zg", "Zg=", "Zg===", "Zh==", "-_8=", "Zm 9v", "Zm9v\n", "Z"};
	static const char *const url[] = {"Zg==", "Zh", "+/8", "Zm 9v", "Z", "Zm9v\n"};
	unsigned char out[8];
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (base64_take(span_of(plain[i]), BASE64_PLAIN, out, sizeof(out)) >= 0)
			fail_msg("%s is taken", plain[i]);
	for (size_t i = 0; i < sizeof(url) / sizeof(*url); i++)
		if (base64_take(span_of(url[i]), BASE64_URL, out, sizeof(out)) >= 0)
			fail_msg("%s is taken", url[i]);
	assert_int_equal(base64_take(span_of("Zm9v"), BASE64_PLAIN, out, 2), -1);
	assert_int_equal(base64_take(span_of("Zm9v"), BASE64_PLAIN, out, 3), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(vectors), cmocka_unit_test(refused)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
