/* Files are shown as the model writes them, whatever way the stream is cut. */
#include <stdio.h>

#include "agent/filestream.h"
#include "unit.h"

struct seen {
	struct buf text;
	char path[64];
	int64_t next;
};

static void show(void *ctx, const char *path, int64_t offset, struct span text)
{
	struct seen *s = ctx;
	assert_int_equal(offset, s->next);
	s->next += (int64_t)text.n;
	buf_addspan(&s->text, text);
	snprintf(s->path, sizeof(s->path), "%s", path);
}

static void feed(struct filestream *f, const char *all, size_t step, struct seen *s)
{
	size_t n = strlen(all);
	*s = (struct seen){0};
	buf_init(&s->text, 4096);
	for (size_t i = 0; i < n; i += step)
		filestream_feed(f, span_n(all + i, n - i < step ? n - i : step), show, s);
	filestream_release(f);
}

static void content_is_decoded_however_it_is_cut(void **state)
{
	static const char json[] = "{\"x\": [1, {\"content\": \"no\\\"\"}], \"path\" : \"src/a.c\", "
				   "\"content\":\"a\\n\\u00e4\\ud83d\\ude00\\\"q\\\"\xc3\xbc\"}";
	(void)state;
	for (size_t step = 1; step < sizeof(json); step++) {
		struct filestream f;
		struct seen s;
		filestream_init(&f);
		feed(&f, json, step, &s);
		assert_string_equal(s.text.data, "a\n\xc3\xa4\xf0\x9f\x98\x80\"q\"\xc3\xbc");
		assert_string_equal(s.path, "src/a.c");
		buf_release(&s.text);
	}
}

static void another_member_is_shown(void **state)
{
	static const char json[] = "{\"content\":\"no\",\"result\":\"It is\\nthere.\"}";
	(void)state;
	for (size_t step = 1; step < sizeof(json); step++) {
		struct filestream f;
		struct seen s;
		filestream_init(&f);
		f.wanted = "result";
		feed(&f, json, step, &s);
		assert_string_equal(s.text.data, "It is\nthere.");
		buf_release(&s.text);
	}
}

static void a_directive_is_shown_without_its_quotes(void **state)
{
	static const char text[] = "Here it is.\nCHANGE CONTENT=\"\"\"int x = \"\"1\"\";\n\"\"\"\nmore";
	(void)state;
	for (size_t step = 1; step < sizeof(text); step++) {
		struct filestream f;
		struct seen s;
		filestream_init_raw(&f, "own.c");
		feed(&f, text, step, &s);
		assert_string_equal(s.text.data, "int x = \"\"1\"\";\n");
		buf_release(&s.text);
	}
}

static void malformed_input_only_ends_the_stream(void **state)
{
	static const char *const bad[] = {
		"", "[1,2]", "{\"content\":5}", "{\"content\":\"\\u12", "}}}}", "{\"content\":[\"x\"]}"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct filestream f;
		struct seen s;
		filestream_init(&f);
		feed(&f, bad[i], 1, &s);
		assert_int_equal(s.text.len, 0);
		buf_release(&s.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_is_decoded_however_it_is_cut),
		cmocka_unit_test(another_member_is_shown),
		cmocka_unit_test(a_directive_is_shown_without_its_quotes),
		cmocka_unit_test(malformed_input_only_ends_the_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
