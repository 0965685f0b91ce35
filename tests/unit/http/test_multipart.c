/* Forms with files, in any cutting. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/multipart.h"

static struct buf seen;

static int on_part(void *ctx, const struct multipart_part *part, struct err *e)
{
	(void)ctx;
	(void)e;
	buf_addf(&seen, "<%s|%s|%s>", part->name, part->filename ? part->filename : "-", part->type);
	return 0;
}

static int on_bytes(void *ctx, struct span bytes, struct err *e)
{
	(void)ctx;
	(void)e;
	assert_true(bytes.n > 0);
	buf_addspan(&seen, bytes);
	return 0;
}

static int on_part_end(void *ctx, struct err *e)
{
	(void)ctx;
	(void)e;
	buf_adds(&seen, "</>");
	return 0;
}

/* What comes out, or the error's name, when the text comes in pieces of this size. */
static const char *take(const char *type, struct span text, size_t step)
{
	struct multipart m;
	struct err e = ERR_INIT;
	buf_clear(&seen);
	int failed = multipart_init(&m, type, 5, &e);
	m.on_part = on_part;
	m.on_bytes = on_bytes;
	m.on_part_end = on_part_end;
	while (!failed && text.n) {
		size_t n = step < text.n ? step : text.n;
		failed = multipart_feed(&m, span_n(text.p, n), &e);
		text = span_n(text.p + n, text.n - n);
	}
	if (!failed)
		failed = multipart_end(&m, &e);
	multipart_release(&m);
	return failed ? err_name(e.code) : buf_span(&seen).p;
}

#define TYPE "multipart/form-data; boundary=xx"
#define PART(name) "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static void test_forms(void **state)
{
	(void)state;
	static const struct {
		const char *type, *text, *expected;
	} cases[] = {
		{TYPE, "--xx\r\n" PART("a") "1\r\n--xx--\r\n", "<a|-|text/plain>1</>"},
		{TYPE,
			"preamble\r\n--xx \t\r\n" PART("a") "1\r\n2\r\n--xx\r\n" PART(
				"b") "\r\n--xx--epilogue\r\n--xx\r\n",
			"<a|-|text/plain>1\r\n2</><b|-|text/plain></>"},
		{"Multipart/Form-Data;charset=utf-8 ; Boundary=\"a b\"",
			"--a b\r\ncontent-type: image/png\r\nCONTENT-DISPOSITION: form-data; "
			"filename=\"a;b\\\"c.png\"; name=f"
			"\r\n\r\n\r\n\r\n--a \r\n--a b--",
			"<f|a;b\"c.png|image/png>\r\n\r\n--a </>"},
		{TYPE,
			"--xx\r\nContent-Disposition: form-data; name=\"f\"; filename=\"C:\\dir\\x\"; "
			"filename*=UTF-8''y\r\n\r\n\r\r\n\r\n"
			"-\r\n--x\r\n--xx--",
			"<f|C:\\dir\\x|text/plain>\r\r\n\r\n-\r\n--x</>"},
		{TYPE, "--xx--", ""},
		{TYPE, "--xx\r\n" PART("a") "1\r\n--xx", "parse"},
		{TYPE, "--xx\r\n" PART("a") "1", "parse"},
		{TYPE, "", "parse"},
		{TYPE, "--xy\r\n" PART("a") "1\r\n--xy--", "parse"},
		{TYPE, "--xx\r\n" PART("a") "1\r\n--xxy\r\n--xx--", "parse"},
		{TYPE, "--xx\r\n\r\n1\r\n--xx--", "parse"},
		{TYPE, "--xx\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--xx--", "parse"},
		{TYPE, "--xx\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--xx--", "parse"},
		{TYPE, "--xx\r\nContent-Disposition: form-data; name=\"a\" b=c\r\n\r\n1\r\n--xx--", "parse"},
		/* The first of two counts, also when it has no name. */
		{TYPE,
			"--xx\r\nContent-Disposition: form-data; filename=a\r\nContent-Disposition: form-data; "
			"filename=b\r\n\r\n"
			"--xx--",
			"parse"},
		{"multipart/form-data", "", "media_type"},
		{"multipart/form-data; boundary=", "", "media_type"},
		{"multipart/form-data; boundary=\"a\"b", "", "media_type"},
		{"multipart/form-data; boundary=a\x01", "", "media_type"},
		{"multipart/form-data; boundary=\"a \"", "", "media_type"},
		{"multipart/mixed; boundary=xx", "", "media_type"},
		{"multipart/form-dataX; boundary=xx", "", "media_type"},
		{"application/json", "", "media_type"}, /* security.md, row 17 */
		{NULL, "", "media_type"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (size_t step = 1; step < strlen(cases[i].text) + 2; step++) {
			const char *got = take(cases[i].type, span_of(cases[i].text), step);
			if (strcmp(got, cases[i].expected) != 0)
				fail_msg("%s in pieces of %zu: %s", cases[i].text, step, got);
		}
}

static void test_limits(void **state)
{
	(void)state;
	cleanup_buf struct buf text = BUF_INIT(1 << 20);
	for (int i = 0; i < 6; i++)
		buf_adds(&text, "--xx\r\n" PART("a") "1\r\n");
	buf_adds(&text, "--xx--");
	assert_string_equal(take(TYPE, buf_span(&text), 1000), "too_large");
	buf_clear(&text);
	buf_adds(&text, "--xx\r\nX: ");
	for (size_t i = 0; i < CAP_MULTIPART_HEAD; i++)
		buf_addc(&text, 'x');
	assert_string_equal(take(TYPE, buf_span(&text), 1000), "too_large");
	buf_clear(&text);
	buf_adds(&text, "--xx");
	for (size_t i = 0; i < 100; i++)
		buf_addc(&text, ' ');
	assert_string_equal(take(TYPE, buf_span(&text), 1000), "parse");
	buf_clear(&text);
	buf_adds(&text, "--xx\r\nContent-Disposition: form-data; name=\"a");
	buf_addc(&text, 0);
	buf_adds(&text, "\"\r\n\r\n1\r\n--xx--");
	assert_string_equal(take(TYPE, buf_span(&text), 1000), "parse");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_limits),
	};
	buf_init(&seen, 1 << 20);
	int failed = cmocka_run_group_tests_name("multipart", tests, NULL, NULL);
	buf_release(&seen);
	return failed;
}
