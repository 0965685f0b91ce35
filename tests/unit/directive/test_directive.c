#include "unit.h"

#include "base/arena.h"
#include "base/caps.h"
#include "base/fault.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "directive/calls.h"
#include "directive/grammar.h"
#include "directive/parse.h"
#include "directive/print.h"

#define TREES 20000

/* What parsing a reply gives, for tests that look at single members. */
struct parsed {
	struct arena arena;
	struct directive *d;
	struct span message;
	struct err e;
	int result;
};

static void parse(struct parsed *p, enum directive_language language, struct span reply)
{
	*p = (struct parsed){0};
	arena_init(&p->arena, 64 * MIB);
	p->result = directive_parse(language, PHASE_NONE, reply, &p->arena, &p->d, &p->message, &p->e);
	if (p->result == 0)
		assert_non_null(p->d);
	else
		assert_true(utf8_valid(span_of(p->e.text)) && p->e.text[0]);
}

/* A string of pieces that are awkward for a lexer. */
static struct span some_string(struct rng *r, struct arena *a)
{
	static const char *const pieces[] = {"a", "\"", "\"\"", "\"\"\"", "\\", "\\n", "\n", "\r\n", "\t", "\v\f\b",
		"//", ",", "=", "(", ")", "```", " ", "FINISH PROMPT=\"x\"", "\nREAD \"a\"\n", "ü", "日本", "🙂",
		"\x01\x7f", "'", "/"};
	cleanup_buf struct buf text = BUF_INIT(64 * KIB);

	for (uint64_t n = rng_below(r, 8); n > 0; n--)
		buf_adds(&text, pieces[rng_below(r, sizeof(pieces) / sizeof(pieces[0]))]);
	char *copy = arena_dup(a, buf_span(&text));
	assert_non_null(copy);
	return span_n(copy, text.len);
}

static struct directive_item *some_items(struct rng *r, struct arena *a, enum directive_shape shape)
{
	struct directive_item *items = NULL;

	for (uint64_t n = 1 + rng_below(r, 4); n > 0; n--) {
		struct directive_item *item = ARENA_NEW(a, struct directive_item);
		assert_non_null(item);
		if (shape != SHAPE_TESTERS) {
			item->target = rng_below(r, 2) ? TARGET_FILE : TARGET_FOLDER;
			item->path = some_string(r, a);
		}
		if (shape != SHAPE_TARGETS)
			item->prompt = some_string(r, a);
		item->next = items;
		items = item;
	}
	return items;
}

static struct directive_edit *some_edits(struct rng *r, struct arena *a, uint64_t n)
{
	struct directive_edit *edits = NULL;

	for (; n > 0; n--) {
		struct directive_edit *edit = ARENA_NEW(a, struct directive_edit);
		assert_non_null(edit);
		*edit = (struct directive_edit){edits, some_string(r, a), some_string(r, a)};
		edits = edit;
	}
	return edits;
}

static struct directive some_directive(struct rng *r, struct arena *a)
{
	size_t rows = 0;
	struct directive d = {0};

	while (directive_row(rows))
		rows++;
	d.row = directive_row(rng_below(r, rows));
	switch (d.row->shape) {
	case SHAPE_BARE:
	case SHAPE_CALL:
		break;
	case SHAPE_RUN:
		d.no_timeout = rng_below(r, 2);
		d.text = some_string(r, a);
		break;
	case SHAPE_CALL_OPTIONAL:
		if (rng_below(r, 2))
			d.text = some_string(r, a);
		break;
	case SHAPE_STRING:
	case SHAPE_ATTRIBUTE:
	case SHAPE_CALL_STRING:
		d.text = some_string(r, a);
		break;
	case SHAPE_TARGETS:
	case SHAPE_TARGET_PROMPTS:
	case SHAPE_TESTERS:
		d.items = some_items(r, a, d.row->shape);
		break;
	case SHAPE_EDIT:
		d.edits = some_edits(r, a, 1);
		break;
	case SHAPE_EDITS:
		d.edits = some_edits(r, a, 1 + rng_below(r, 4));
		break;
	}
	return d;
}

static enum directive_language first_language(const struct directive_row *row)
{
	int language = 0;

	while (!(row->languages & (1u << language)))
		language++;
	return (enum directive_language)language;
}

/* parse(print(x)) == x, alone and amid prose and fences, and both give calls. */
static void test_round_trip(void **state)
{
	struct rng r = {20261120};
	size_t with_items = 0, with_edits = 0;

	(void)state;
	for (int i = 0; i < TREES; i++) {
		cleanup_arena struct arena a;
		cleanup_buf struct buf text = BUF_INIT(1 * MIB);
		struct err e = ERR_INIT;
		struct directive_calls calls;
		struct parsed p;

		arena_init(&a, 1 * MIB);
		struct directive d = some_directive(&r, &a);
		with_items += d.items != NULL;
		with_edits += d.edits != NULL;
		bool prose = i % 2;
		if (prose)
			buf_adds(&text, "Some words: ü\n\n```\n \t");
		directive_print(&d, &text);
		if (prose)
			buf_adds(&text, " // so\n```\nmore words");
		must(buf_check(&text, "text", &e), &e);
		parse(&p, first_language(d.row), buf_span(&text));
		if (p.result || !directive_equal(&d, p.d))
			fail_msg("tree %d: %s\n%s", i, p.e.text, text.data);
		assert_true(span_is(p.message, prose ? "Some words: ü\n\nmore words" : ""));
		must(directive_calls(p.d, "own", &calls, &e), &e);
		assert_true(calls.count >= 1);
		directive_calls_release(&calls);
		arena_release(&p.arena);
	}
	assert_true(with_items > 1000 && with_edits > 1000);
}

/* Two trees that differ in one thing are not equal: else the property above would prove nothing. */
static void test_equal_sees_differences(void **state)
{
	static const char *const replies[] = {"READ file \"a\"", "READ folder \"a\"", "READ file \"b\"",
		"READ file \"a\", file \"a\"", "RUN \"a\"", "RUN NO_TIMEOUT \"a\"", "run_tests()", "run_tests(\"\")",
		"SPAWN tester PROMPT=\"a\"", "SPAWN tester PROMPT=\"b\"", "WAIT", "FINISH PROMPT=\"a\""};
	const size_t count = sizeof(replies) / sizeof(replies[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < count; k++) {
			struct parsed a, b;
			parse(&a, LANGUAGE_MASTER, span_of(replies[i]));
			parse(&b, LANGUAGE_MASTER, span_of(replies[k]));
			assert_int_equal(directive_equal(a.d, b.d), i == k);
			arena_release(&a.arena);
			arena_release(&b.arena);
		}
	}
	struct parsed a, b;
	parse(&a, LANGUAGE_CODER, span_of("REPLACE FROM=\"a\" TO=\"b\""));
	parse(&b, LANGUAGE_CODER, span_of("REPLACE FROM=\"a\" TO=\"c\""));
	assert_false(directive_equal(a.d, b.d));
	arena_release(&a.arena);
	arena_release(&b.arena);
}

static void test_place(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, LANGUAGE_CODER, span_of("One.\nTwo.\n  READ \"x\"\n"));
	assert_int_equal(p.result, 0);
	assert_int_equal(p.d->line, 3);
	assert_int_equal(p.d->column, 3);
	arena_release(&p.arena);
}

/* Every example of the table parses in every language of its row, to that row. */
static void test_examples(void **state)
{
	const struct directive_row *row;
	struct parsed p;

	(void)state;
	for (size_t i = 0; (row = directive_row(i)); i++) {
		for (int language = 0; language < DIRECTIVE_LANGUAGES; language++) {
			if (!(row->languages & (1u << language)))
				continue;
			parse(&p, (enum directive_language)language, span_of(row->example));
			if (p.result)
				fail_msg("%s: %s", row->example, p.e.text);
			assert_ptr_equal(p.d->row, row);
			arena_release(&p.arena);
		}
	}
}

/* A language has one row for a word, and each directive that the specification gives it. */
static void test_table(void **state)
{
	static const char master[] = "READ, CREATE, DELEGATE, UPDATE_DOCUMENTATION, RUN, run_command, run_tests, "
				     "install_dependencies, SPAWN, WAIT, FINISH";
	static const char manager[] =
		"READ, CREATE, DELETE, DELEGATE, UPDATE_README, RUN, run_command, run_tests, "
		"install_dependencies, git_init, git_commit, git_branch, git_merge, SPAWN, WAIT, FINISH";
	static const char coder[] = "READ, CHANGE, REPLACE, INSERT, SCRATCH, RUN, run_command, run_tests, "
				    "install_dependencies, SPAWN, WAIT, FINISH";
	static const char delegation[] = "READ, DELEGATE, UPDATE_DOCUMENTATION, RUN, run_command, run_tests, "
					 "install_dependencies, SPAWN, WAIT, FINISH";
	const char *const languages[] = {master, manager, coder, "READ, CHANGE, REPLACE, RUN, FINISH"};
	const char *const phases[] = {NULL, "READ, UPDATE_DOCUMENTATION, RUN, FINISH",
		"READ, CREATE, UPDATE_DOCUMENTATION, RUN, FINISH", delegation};
	const struct directive_row *row;

	(void)state;
	for (int i = 0; i < DIRECTIVE_LANGUAGES; i++) {
		cleanup_buf struct buf text = BUF_INIT(4096);
		directive_keywords((enum directive_language)i, PHASE_NONE, &text);
		assert_string_equal(text.data, languages[i]);
		assert_int_equal(
			directive_language_named(span_of(directive_language_name((enum directive_language)i))), i);
		for (size_t k = 0; (row = directive_row(k)); k++)
			if (row->languages & (1u << i))
				assert_ptr_equal(
					directive_row_named((enum directive_language)i, span_of(row->word)), row);
	}
	for (int i = PHASE_UNDERSTANDING; i < DIRECTIVE_PHASES; i++) {
		cleanup_buf struct buf text = BUF_INIT(4096);
		directive_keywords(LANGUAGE_MASTER, (enum directive_phase)i, &text);
		assert_string_equal(text.data, phases[i]);
		assert_int_equal(directive_phase_named(span_of(directive_phase_name((enum directive_phase)i))), i);
	}
	assert_int_equal(directive_language_named(span_of("robot")), -1);
	assert_null(directive_row_anywhere(span_of("read")));
}

/* The grammar of a language shows the form and example of each directive it has, and of no other. */
static void test_grammar(void **state)
{
	const struct directive_row *row;

	(void)state;
	for (int language = 0; language < DIRECTIVE_LANGUAGES; language++) {
		for (int phase = 0; phase < DIRECTIVE_PHASES; phase++) {
			const char *text =
				directive_grammar((enum directive_language)language, (enum directive_phase)phase);
			for (size_t i = 0; (row = directive_row(i)); i++) {
				bool shown = strstr(text, row->syntax) && strstr(text, row->example);
				bool has = directive_allowed(
					row, (enum directive_language)language, (enum directive_phase)phase);
				if (has)
					assert_true(shown);
				else if (!directive_row_named((enum directive_language)language, span_of(row->word)))
					assert_null(strstr(text, row->syntax));
			}
		}
	}
	assert_null(strstr(directive_grammar(LANGUAGE_MASTER, PHASE_UNDERSTANDING), "DELEGATE PROMPT"));
}

static void test_too_large(void **state)
{
	char *big = mem_alloc(CAP_DIRECTIVE + 1);
	struct parsed p;

	(void)state;
	memset(big, 'x', CAP_DIRECTIVE + 1);
	parse(&p, LANGUAGE_CODER, span_n(big, CAP_DIRECTIVE + 1));
	assert_int_equal(p.e.code, ERR_TOO_LARGE);
	arena_release(&p.arena);
	/* One string that fills the cap. */
	memcpy(big, "CHANGE CONTENT=\"", 16);
	big[CAP_DIRECTIVE - 1] = '"';
	parse(&p, LANGUAGE_CODER, span_n(big, CAP_DIRECTIVE));
	assert_int_equal(p.result, 0);
	assert_int_equal(p.d->text.n, CAP_DIRECTIVE - 17);
	arena_release(&p.arena);
	/* The same, not closed: an error, not a crash. */
	parse(&p, LANGUAGE_CODER, span_n(big, CAP_DIRECTIVE - 1));
	assert_int_equal(p.e.code, ERR_PARSE);
	arena_release(&p.arena);
	mem_free(big);
}

static void test_item_cap(void **state)
{
	(void)state;
	for (int over = 0; over < 2; over++) {
		cleanup_buf struct buf text = BUF_INIT(1 * MIB);
		struct parsed p;
		buf_adds(&text, "READ file \"a\"");
		for (int i = 1; i < CAP_DIRECTIVE_ITEMS + over; i++)
			buf_adds(&text, ", file \"a\"");
		parse(&p, LANGUAGE_MANAGER, buf_span(&text));
		assert_int_equal(p.result, over ? -1 : 0);
		if (over)
			assert_non_null(strstr(p.e.text, "more than 256 in one directive"));
		arena_release(&p.arena);
	}
	cleanup_buf struct buf text = BUF_INIT(1 * MIB);
	struct parsed p;
	buf_adds(&text, "REPLACE FROM=\"a\" TO=\"b\"");
	for (int i = 0; i < CAP_DIRECTIVE_ITEMS; i++)
		buf_adds(&text, ", FROM=\"a\" TO=\"b\"");
	parse(&p, LANGUAGE_CODER, buf_span(&text));
	assert_int_equal(p.result, -1);
	arena_release(&p.arena);
}

/* Inputs that once broke parsers like this one. */
static void test_hostile(void **state)
{
	static const struct span inputs[] = {{NULL, 0}, {"", 0}, {"\n", 1}, {"READ", 4}, {"READ ", 5}, {"READ \"", 6},
		{"READ \"\\", 7}, {"READ \"\"\"", 8}, {"READ \"\"\"\"", 9}, {"READ \"\"\"\"\"", 10},
		{"READ \"a\0b\"", 10}, {"READ \"\xff\xfe\"", 9}, {"READ \"\xc3", 7}, {"READ \xc3\x28", 7},
		{"READ\0\"a\"", 8}, {"\0READ \"a\"", 9}, {"REPLACE FROM=", 13}, {"REPLACE FROM=\"a\"", 16},
		{"REPLACE FROM=\"a\" TO", 19}, {"run_tests(", 10}, {"run_tests(\"", 11}, {"WAIT,", 5},
		{"FINISH PROMPT==\"a\"", 18}, {"READ /", 6}, {"READ //", 7}, {"READ // \"a\"", 11}, {"```", 3},
		{"```\n", 4}, {"\xef\xbb\xbf", 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		struct parsed p;
		parse(&p, LANGUAGE_CODER, inputs[i]);
		assert_int_equal(p.result, -1);
		assert_int_equal(p.e.code, ERR_PARSE);
		arena_release(&p.arena);
	}
}

/* Prose may hold any bytes; they come back as they were. */
static void test_prose_bytes(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, LANGUAGE_CODER, span_n("a\0\xff\nWAIT\n\xfe\0b", 12));
	assert_int_equal(p.result, 0);
	assert_true(span_eq(p.message, span_n("a\0\xff\n\n\xfe\0b", 8)));
	arena_release(&p.arena);
}

static void test_no_recursion(void **state)
{
	cleanup_buf struct buf text = BUF_INIT(2 * MIB);
	struct parsed p;

	(void)state;
	buf_adds(&text, "run_command");
	for (int i = 0; i < 1000000; i++)
		buf_addc(&text, '(');
	parse(&p, LANGUAGE_CODER, buf_span(&text));
	assert_int_equal(p.result, -1);
	arena_release(&p.arena);
	buf_clear(&text);
	for (int i = 0; i < 100000; i++) /* many lines that look like directives but are prose */
		buf_adds(&text, "READ it\n");
	buf_adds(&text, "WAIT");
	parse(&p, LANGUAGE_CODER, buf_span(&text));
	assert_int_equal(p.result, 0);
	arena_release(&p.arena);
}

/* Bytes and pieces in random order never crash, and what parses round-trips. */
static void test_garbage(void **state)
{
	static const char *const pieces[] = {"READ", "REPLACE", "CHANGE", "DELEGATE", "SPAWN", "RUN", "WAIT", "FINISH",
		"run_tests", "git_init", " ", "\n", "\"", "\"\"\"", "\"a\"", "\\", "file", "folder", "tester", "PROMPT",
		"CONTENT", "FROM", "TO", "=", ",", "(", ")", "//", "```", "\xff", "\xc3\xbc", "x"};
	struct rng r = {7};
	size_t parsed = 0;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		cleanup_buf struct buf text = BUF_INIT(64 * KIB), again = BUF_INIT(1 * MIB);
		struct parsed p, q;
		for (uint64_t n = rng_below(&r, 12); n > 0; n--)
			buf_adds(&text, pieces[rng_below(&r, sizeof(pieces) / sizeof(pieces[0]))]);
		enum directive_language language = (enum directive_language)rng_below(&r, DIRECTIVE_LANGUAGES);
		parse(&p, language, buf_span(&text));
		if (p.result == 0) {
			parsed++;
			directive_print(p.d, &again);
			parse(&q, language, buf_span(&again));
			assert_int_equal(q.result, 0);
			assert_true(directive_equal(p.d, q.d));
			arena_release(&q.arena);
		}
		arena_release(&p.arena);
	}
	assert_true(parsed > 100);
}

static void test_own_path(void **state)
{
	struct directive_calls calls;
	struct err e = ERR_INIT;
	struct parsed p;

	(void)state;
	parse(&p, LANGUAGE_CODER, span_of("CHANGE CONTENT=\"x\""));
	assert_int_equal(directive_calls(p.d, NULL, &calls, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(calls.count, 0);
	arena_release(&p.arena);
	parse(&p, LANGUAGE_MANAGER, span_of("UPDATE_README CONTENT=\"x\""));
	must(directive_calls(p.d, "documentation", &calls, &e), &e);
	assert_string_equal(json_str(calls.calls[0].arguments, "target"), "documentation/");
	directive_calls_release(&calls);
	arena_release(&p.arena);
}

/* Each allocation fails once, in turn: always ERR_NOMEM, never a leak or a wrong tree. */
static void test_no_memory(void **state)
{
	static const char *const replies[] = {"DELEGATE file \"a\" PROMPT=\"\"\"x\"\"\", folder \"b\" PROMPT=\"y\"",
		"SPAWN tester PROMPT=\"a\", tester PROMPT=\"b\"", "READ folder \"a\", file \"b\"", "CREATE file \"a\"",
		"READ file", "git_commit(\"a\")"};

	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		size_t before = mem_in_use();
		for (uint64_t nth = 1;; nth++) {
			struct directive_calls calls = {0};
			struct err e = ERR_INIT;
			struct parsed p;
			fault_arm(FAULT_ALLOC, nth, false);
			parse(&p, LANGUAGE_MANAGER, span_of(replies[i]));
			int bad = p.result ? -1 : directive_calls(p.d, NULL, &calls, &e);
			bool hit = fault_seen() >= nth;
			fault_disarm();
			if (hit && p.e.code != ERR_NOMEM && e.code != ERR_NOMEM)
				fail_msg("%s, allocation %d: %d %s, %d %s", replies[i], (int)nth, p.result, p.e.text,
					bad, e.text);
			directive_calls_release(&calls);
			arena_release(&p.arena);
			assert_int_equal(mem_in_use(), before);
			if (!hit)
				break;
			assert_true(nth < 1000);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_equal_sees_differences),
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_item_cap),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_prose_bytes),
		cmocka_unit_test(test_no_recursion),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_own_path),
		cmocka_unit_test(test_no_memory),
	};
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
