#include "cases.h"

#include "base/arena.h"
#include "base/caps.h"
#include "directive/calls.h"
#include "directive/parse.h"
#include "directive/print.h"

/* Cases of tests/cases/directive:
 *   language [phase]
 *   reply
 *   the printed tree, or "! " and the error (only its first line when the case gives no more)
 * then optional lines: "> " and the message; "= " tool and arguments, one line a call. */

static const char *own_path(enum directive_language language)
{
	static const char *const paths[] = {NULL, "src/net", "src/own.c", "tests/own.sh"};
	return paths[language];
}

static void expect(const struct test_case *c, const char *what, struct span expected, struct span found)
{
	cleanup_buf struct buf text = BUF_INIT(1u << 20);

	case_encode(found, &text);
	if (!span_eq(expected, buf_span(&text)))
		fail_msg("%s: %s\n  expected: %.*s\n  found:    %s", c->where, what, (int)expected.n, expected.p,
			text.data);
}

static void expect_calls(const struct test_case *c, size_t line, const struct directive *d, const char *own)
{
	struct directive_calls calls;
	struct err e = ERR_INIT;

	must(directive_calls(d, own, &calls, &e), &e);
	if (line < c->count)
		assert_int_equal(c->count - line, calls.count);
	for (size_t i = 0; line < c->count; line++, i++) {
		cleanup_buf struct buf text = BUF_INIT(1u << 20);
		buf_addf(&text, "= %s ", calls.calls[i].tool);
		json_print(calls.calls[i].arguments, &text);
		must(buf_check(&text, "call", &e), &e);
		expect(c, "call", c->lines[line], buf_span(&text));
	}
	directive_calls_release(&calls);
}

static void expect_error(const struct test_case *c, struct span expected, const struct err *e)
{
	struct span rest = span_of(e->text), found = rest;

	assert_int_equal(e->code, ERR_PARSE);
	if (span_find(expected, span_of("¶"), 0) == (size_t)-1)
		span_line(&rest, &found);
	expect(c, "error", span_n(expected.p + 2, expected.n - 2), found);
}

static void run_case(const struct test_case *c)
{
	cleanup_buf struct buf reply = BUF_INIT(1u << 20), tree = BUF_INIT(1u << 20);
	cleanup_arena struct arena a;
	struct err e = ERR_INIT;
	struct directive *d;
	struct span message;

	if (c->count < 3)
		fail_msg("%s: a case has at least three lines", c->where);
	size_t gap = span_find(c->lines[0], span_of(" "), 0);
	struct span name = span_n(c->lines[0].p, gap == (size_t)-1 ? c->lines[0].n : gap);
	int language = directive_language_named(name);
	int phase = gap == (size_t)-1 ? PHASE_NONE
				      : directive_phase_named(span_n(c->lines[0].p + gap + 1, c->lines[0].n - gap - 1));
	if (language < 0 || phase < 0)
		fail_msg("%s: unknown language or phase", c->where);
	case_decode(c->lines[1], &reply);
	arena_init(&a, 1u << 20);
	bool wants_error = span_starts(c->lines[2], "! ");
	if (directive_parse((enum directive_language)language, (enum directive_phase)phase, buf_span(&reply), &a, &d,
		    &message, &e)) {
		if (!wants_error)
			fail_msg("%s: %s", c->where, e.text);
		expect_error(c, c->lines[2], &e);
		return;
	}
	directive_print(d, &tree);
	if (wants_error)
		fail_msg("%s: expected an error, parsed %s", c->where, tree.data);
	expect(c, "tree", c->lines[2], buf_span(&tree));
	size_t next = 3;
	if (next < c->count && span_starts(c->lines[next], ">")) {
		expect(c, "message", span_trim(span_n(c->lines[next].p + 1, c->lines[next].n - 1)), message);
		next++;
	}
	expect_calls(c, next, d, own_path((enum directive_language)language));
}

static void test_cases(void **state)
{
	(void)state;
	size_t done = cases_run("directive", run_case);
	print_message("%zu cases\n", done);
	assert_true(done >= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
