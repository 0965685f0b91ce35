#include "cases.h"

#include "base/caps.h"
#include "base/fault.h"
#include "base/id.h"
#include "tools/shell_line.h"

/* Cases of tests/cases/shell:
 *   the command line
 * then what it runs, in this order: "- " a command, "~ " each other spelling of it, "> " and "< " files of
 * redirections, "? " the doubt. */

static void add_line(struct buf *out, const char *mark, const char *text)
{
	cleanup_buf struct buf shown = BUF_INIT(4 * CAP_SHELL_LINE);

	for (; *text; text++)
		if (*text == SHELL_UNKNOWN)
			buf_adds(&shown, "…");
		else
			buf_addc(&shown, *text);
	buf_addf(out, "\n%s ", mark);
	case_encode(buf_span(&shown), out);
}

static void describe(const struct shell_line *line, struct buf *out)
{
	for (const struct shell_command *c = line->commands; c; c = c->next) {
		add_line(out, "-", c->text);
		for (const struct shell_form *form = c->others; form; form = form->next)
			add_line(out, "~", form->text);
	}
	for (const struct shell_file *f = line->files; f; f = f->next)
		add_line(out, f->writes ? ">" : "<", f->path);
	if (line->doubt)
		add_line(out, "?", line->doubt);
}

static void run_case(const struct test_case *c)
{
	cleanup_buf struct buf text = BUF_INIT(1 * MIB), expected = BUF_INIT(1 * MIB), found = BUF_INIT(1 * MIB);
	cleanup_arena struct arena a;
	struct shell_line line;
	struct err e = ERR_INIT;

	arena_init(&a, 16 * MIB);
	case_decode(c->lines[0], &text);
	must(shell_line_parse(buf_span(&text), &a, &line, &e), &e);
	describe(&line, &found);
	for (size_t i = 1; i < c->count; i++)
		buf_addf(&expected, "\n%.*s", (int)c->lines[i].n, c->lines[i].p);
	if (!span_eq(buf_span(&expected), buf_span(&found)))
		fail_msg("%s: %s\nexpected:%s\nfound:%s", c->where, text.data, buf_span(&expected).p,
			buf_span(&found).p);
}

static void test_cases(void **state)
{
	(void)state;
	size_t done = cases_run("shell", run_case);
	print_message("%zu cases\n", done);
	assert_true(done >= 100);
}

static void parse(const char *text, size_t n, struct arena *a, struct shell_line *line)
{
	struct err e = ERR_INIT;

	arena_init(a, 64 * MIB);
	must(shell_line_parse(span_n(text, n), a, line, &e), &e);
}

static void test_limits(void **state)
{
	cleanup_buf struct buf text = BUF_INIT(4 * MIB);
	struct shell_line line;
	struct arena a;
	size_t count = 0;

	(void)state;
	for (int i = 0; i < 2000; i++)
		buf_adds(&text, "true;");
	parse(text.data, text.len, &a, &line);
	for (const struct shell_command *c = line.commands; c; c = c->next)
		count++;
	assert_int_equal(count, CAP_SHELL_COMMANDS);
	assert_string_equal(line.doubt, "it has too many commands");
	arena_release(&a);

	static const char *const nests[] = {"$(", "( ", "`", "\"$(", "${x:-", "$((", "if ", "{ ", "while ",
		"case x in a) ", "<<E ", "sh -c '", "env ", "! ", "\\"};
	for (size_t i = 0; i < sizeof(nests) / sizeof(nests[0]); i++) {
		buf_clear(&text);
		while (text.len < 100000)
			buf_adds(&text, nests[i]);
		parse(text.data, text.len, &a, &line);
		if (i != 13 && i != 14) /* many ! and \ are just that */
			assert_non_null(line.doubt);
		arena_release(&a);
	}

	/* Each command in it has the whole as another spelling: the product of both is bounded. */
	buf_clear(&text);
	buf_adds(&text, "sh -c '");
	for (int i = 0; i < 500; i++)
		buf_adds(&text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;");
	buf_adds(&text, "'");
	parse(text.data, text.len, &a, &line);
	assert_string_equal(line.doubt, "it has too many commands");
	arena_release(&a);

	buf_clear(&text);
	buf_adds(&text, "git push ");
	while (text.len <= CAP_SHELL_LINE)
		buf_addc(&text, 'x');
	parse(text.data, text.len, &a, &line);
	assert_string_equal(line.doubt, "it is too long");
	arena_release(&a);
	parse(text.data, 30000, &a, &line);
	assert_null(line.doubt);
	assert_int_equal(strlen(line.commands->text), 30000);
	arena_release(&a);
}

/* Whatever the bytes: it ends, reads nothing beyond them, and gives valid lists. */
static void test_garbage(void **state)
{
	static const char *const pieces[] = {"git", "push", " ", "\n", ";", "&", "|", "<", ">", "<<E", "\nE\n", "(",
		")", "{", "}", "$", "$(", "${", "$((", "))", "`", "'", "\"", "\\", "if", "then", "fi", "for", "in",
		"do", "done", "case", "esac", "*", "[", "]", "x=", "#", "sh -c", "env", "find", "-exec", "xargs", "$'",
		"\xff", "\x01", "1", "!"};
	struct rng r = {99};
	size_t certain = 0;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		cleanup_buf struct buf text = BUF_INIT(64 * KIB), shown = BUF_INIT(1 * MIB);
		struct shell_line line;
		struct arena a;
		for (uint64_t n = rng_below(&r, 14); n > 0; n--)
			buf_adds(&text, pieces[rng_below(&r, sizeof(pieces) / sizeof(pieces[0]))]);
		char *exact = span_dup(buf_span(&text)); /* so that the sanitizer sees every byte read too much */
		assert_non_null(exact);
		parse(exact, text.len, &a, &line);
		describe(&line, &shown);
		certain += !line.doubt && line.commands;
		arena_release(&a);
		mem_free(exact);
	}
	assert_true(certain > 1000);
}

static void test_no_memory(void **state)
{
	static const char text[] =
		"a=1 env timeout 5 sh -c 'git push' && x `y` \"$(z)\" >f <<E | find . -exec rm {} \\;\n$(q)\nE\n";

	(void)state;
	size_t before = mem_in_use();
	for (uint64_t nth = 1;; nth++) {
		struct shell_line line;
		struct err e = ERR_INIT;
		struct arena a;
		arena_init(&a, 16 * MIB);
		fault_arm(FAULT_ALLOC, nth, false);
		int result = shell_line_parse(span_of(text), &a, &line, &e);
		bool hit = fault_seen() >= nth;
		fault_disarm();
		assert_int_equal(result, hit ? -1 : 0);
		assert_int_equal(e.code, hit ? ERR_NOMEM : ERR_OK);
		arena_release(&a);
		assert_int_equal(mem_in_use(), before);
		if (!hit)
			break;
	}
}

static void test_show(void **state)
{
	cleanup_buf struct buf out = BUF_INIT(1 * MIB);

	(void)state;
	shell_text_show("git \x01 push\x1b[0m", &out);
	assert_string_equal(out.data, "git … push\\x1b[0m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_show),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
