/* yaml, frontmatter and nearest: what is read, what is refused, and which line is named. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/mem.h"
#include "config/frontmatter.h"
#include "config/nearest.h"
#include "config/yaml.h"

static void reads(const char *yaml, const char *json)
{
	struct err e = ERR_INIT;
	struct yaml_doc d;
	char *text;

	must(yaml_parse(&d, span_of(yaml), "t.yaml", 1, &e), &e);
	text = json_text(d.root);
	assert_string_equal(text, json);
	mem_free(text);
	yaml_release(&d);
}

static void refuses(const char *yaml, enum err_code code, const char *part)
{
	struct err e = ERR_INIT;
	struct yaml_doc d;

	if (yaml_parse(&d, span_of(yaml), "t.yaml", 1, &e) == 0)
		fail_msg("accepted: %s", yaml);
	assert_int_equal(e.code, code);
	if (!strstr(e.text, part))
		fail_msg("\"%s\" does not say \"%s\"", e.text, part);
}

static void test_scalars(void **state)
{
	(void)state;
	reads("", "null");
	reads("[~, null, Null, NULL, nUll]", "[null,null,null,null,\"nUll\"]");
	reads("[true, True, FALSE, yes, on, 'true']", "[true,true,false,\"yes\",\"on\",\"true\"]");
	reads("[0, -7, +12, 0o17, 0x1F, 012, '12']", "[0,-7,12,15,31,12,\"12\"]");
	reads("[1.5, -.5, 1e3, 5., .5e-1]", "[1.5,-0.5,1000.0,5.0,0.05]");
	reads("[1_000, 1e, -, +, ., 0x, 1.2.3, 12:30, 2026-01-01]",
		"[\"1_000\",\"1e\",\"-\",\"+\",\".\",\"0x\",\"1.2.3\",\"12:30\",\"2026-01-01\"]");
	reads("a: >\n  one\n  two\nb: |\n  x\n  y\n", "{\"a\":\"one two\\n\",\"b\":\"x\\ny\\n\"}");
	reads("a: \"\\u00e9\\x41\\n\"", "{\"a\":\"\xC3\xA9"
					"A\\n\"}");
	reads("9223372036854775807", "9223372036854775807");
	reads("5: x\ntrue: y\n", "{\"5\":\"x\",\"true\":\"y\"}");
	reads("a:\nb: {}\nc: []\n", "{\"a\":null,\"b\":{},\"c\":[]}");
}

static void test_refused(void **state)
{
	(void)state;
	refuses("a: 1\nb: &x 2\n", ERR_PARSE, "t.yaml:2: anchors");
	refuses("a: *x\n", ERR_PARSE, "t.yaml:1: aliases");
	refuses("a: !!str 1\n", ERR_PARSE, "t.yaml:1: tags");
	refuses("a: 1\nb: 2\na: 3\n", ERR_PARSE, "t.yaml:3: the key \"a\"");
	refuses("? [a]\n: 1\n", ERR_PARSE, "a key must be plain text");
	refuses("a: 1\n---\nb: 2\n", ERR_PARSE, "second document");
	refuses("a: .inf", ERR_PARSE, ".inf");
	refuses("a: 9223372036854775808", ERR_PARSE, "64 bits");
	refuses("a: 1e999", ERR_PARSE, "too large");
	refuses("a: [1, 2\nb: 3", ERR_PARSE, "t.yaml:2");
	refuses("a: b: c", ERR_PARSE, "t.yaml:1");
	refuses("\ta: 1", ERR_PARSE, "t.yaml:1");
	refuses("a: \"x\\0y\"", ERR_PARSE, "NUL");
	refuses("a: \xFF", ERR_PARSE, "UTF-8");
}

static void test_caps(void **state)
{
	struct buf b = BUF_INIT(2 * MIB);
	struct err e = ERR_INIT;
	struct yaml_doc d;

	(void)state;
	for (int i = 0; i <= CAP_YAML_DEPTH; i++)
		buf_addc(&b, '[');
	refuses(b.data, ERR_TOO_LARGE, "nested deeper");
	buf_clear(&b);
	for (int i = 0; i <= CAP_YAML_NODES; i++)
		buf_adds(&b, "- 1\n");
	refuses(b.data, ERR_TOO_LARGE, "values");
	while (b.len <= CAP_YAML)
		buf_adds(&b, "# comment\n");
	assert_int_equal(yaml_parse(&d, buf_span(&b), "t", 1, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	buf_release(&b);
}

static void test_lines(void **state)
{
	struct err e = ERR_INIT;
	struct yaml_doc d;
	static const char *const known[] = {"name", "type", "label", NULL};

	(void)state;
	must(yaml_parse(&d,
		     span_of("id: x\ninputs:\n  - name: a\n    type: text\n  - {name: b,\n     lable: 'B/~'}\n"
			     "\"a/b~c\": 1\n"),
		     "m.yaml", 10, &e),
		&e);
	assert_int_equal(yaml_line(&d, "/id"), 10);
	assert_int_equal(yaml_line(&d, "/inputs/0"), 12);
	assert_int_equal(yaml_line(&d, "/inputs/0/type"), 13);
	assert_int_equal(yaml_line(&d, "/inputs/1/lable"), 15);
	assert_int_equal(yaml_line(&d, "/inputs/1/missing"), 14);
	assert_int_equal(yaml_line(&d, "/a~1b~0c"), 16);
	must(yaml_known(&d, "/inputs/0", known, "input", &e), &e);
	assert_int_equal(yaml_known(&d, "/inputs/1", known, "input", &e), -1);
	assert_string_equal(e.text, "m.yaml:15: a input has no field \"lable\"; did you mean \"label\"?");
	assert_int_equal(yaml_known(&d, "/id", known, "input", &e), -1);
	assert_non_null(strstr(e.text, "m.yaml:10: "));
	yaml_release(&d);
}

static void test_frontmatter(void **state)
{
	struct err e = ERR_INIT;
	struct frontmatter f;

	(void)state;
	must(frontmatter_parse(&f, span_of("---\nid: x\nclass: fast\n---\nYou are {name}.\n---\nend\n"), "r.md", &e),
		&e);
	assert_string_equal(json_str(f.yaml.root, "class"), "fast");
	assert_int_equal(yaml_line(&f.yaml, "/class"), 3);
	assert_true(span_is(f.body, "You are {name}.\n---\nend\n"));
	assert_int_equal(f.body_line, 5);
	frontmatter_release(&f);
	must(frontmatter_parse(&f, span_of("\xEF\xBB\xBF---\r\nid: x\r\n---"), "r.md", &e), &e);
	assert_string_equal(json_str(f.yaml.root, "id"), "x");
	assert_int_equal(f.body.n, 0);
	frontmatter_release(&f);
	assert_int_equal(frontmatter_parse(&f, span_of("id: x\n---\n"), "r.md", &e), -1);
	assert_non_null(strstr(e.text, "r.md:1: "));
	assert_int_equal(frontmatter_parse(&f, span_of("---\nid: x\n"), "r.md", &e), -1);
	assert_non_null(strstr(e.text, "r.md:2: "));
	assert_int_equal(frontmatter_parse(&f, span_of("---\nid: x\nid: y\n---\n"), "r.md", &e), -1);
	assert_non_null(strstr(e.text, "r.md:3: "));
	assert_int_equal(frontmatter_parse(&f, SPAN_NONE, "r.md", &e), -1);
}

static void test_nearest(void **state)
{
	static const char *const names[] = {"pipeline", "research", "team", "log.level", "resume", "runs", NULL};

	(void)state;
	assert_string_equal(nearest("reserach", names), "research");
	assert_string_equal(nearest("Team", names), "team");
	assert_string_equal(nearest("taem", names), "team");
	assert_string_equal(nearest("run", names), "runs");
	assert_string_equal(nearest("level", names), "log.level");
	assert_string_equal(nearest("pipline", names), "pipeline");
	assert_null(nearest("banana", names));
	assert_null(nearest("", names));
	assert_null(nearest("a word that is far longer than any name that could ever have been meant by it", names));
}

/* Every allocation fails once, in turn: a clean error, nothing leaks. */
static void test_memory(void **state)
{
	struct err e = ERR_INIT;
	struct yaml_doc d;

	(void)state;
	for (uint64_t n = 1; n < 200; n++) {
		int rc;
		fault_arm(FAULT_ALLOC, n, false);
		rc = yaml_parse(&d, span_of("a: {b: [1, 2.5, x], c: null}\nd: \"text\"\n"), "t", 1, &e);
		fault_disarm();
		if (rc == 0) {
			yaml_release(&d);
			assert_true(n > 5);
			return;
		}
		assert_int_equal(e.code, ERR_NOMEM);
	}
	fail_msg("never succeeded");
}

/* A message too long for an error is cut, not lost. */
static void test_long_message(void **state)
{
	struct yaml_doc d;
	struct err e = ERR_INIT;
	char word[3 * ERR_TEXT_MAX];

	(void)state;
	memset(word, 'w', sizeof word - 1);
	word[sizeof word - 1] = 0;
	must(yaml_parse(&d, span_of("a: 1\n"), "file", 1, &e), &e);
	assert_int_equal(yaml_error(&d, "/a", &e, "%s", word), -1);
	assert_true(span_starts(span_of(e.text), "file:1: wwww"));
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	yaml_release(&d);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_frontmatter),
		cmocka_unit_test(test_long_message),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_memory),
	};
	json_setup();
	return cmocka_run_group_tests(all, NULL, NULL);
}
