/* .gitignore: every rule against every path must say what git says. */
#include "world.h"

#include "vcs/ignore.h"

static const char *const rules[] = {"*.o", "a", "/a", "a/", "/a/", "a/b", "a/*", "a/**", "**/b", "**/b/c", "a/**/c",
	"*", "/*", "*/", "b*", "?", "[ab]", "[!a]", "[a-c]*", "\\#x", "#x", "\\!x", "!x", "x\\ ", "x ", "*.o\n!keep.o",
	"*\n!*/\n!*.c", "/*\n!/a", "a\n!a", "**", "***", "a**", "a/**/", "b/", "b/c", "/b/c", "*/c", "*/*/c", "x.[oa]",
	"[", "[a", "\\a", "a//b", "\t", "ü", "\xef\xbb\xbf*.o", "a\r\n*.o\r\n"};
static const char *const files[] = {"a", "b/a", "a.o", "keep.o", "d/a.o", "d/keep.o", "e/a/b", "e/a/c", "b/c", "d/b/c",
	"d/e/b/c", "x.c", "d/x.c", "#x", "!x", "x", "x ", "x.o", "x.a", "[", "[a", "ü", "c", "bb"};

/* As export does it: a folder that is ignored hides what is below it. */
static bool ours(const struct ignore *g, const char *path)
{
	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
		if (ignore_match(g, span_n(path, (size_t)(p - path)), true))
			return true;
	return ignore_match(g, span_of(path), false);
}

static void as_git_does(void **state)
{
	struct world *w = *state;
	int ignored = 0;

	mem_free(shell(w->s.dir, "rmdir ../copy; mkdir ../copy; cd ../copy; git init -q"));
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		struct ignore g;
		struct err e = ERR_INIT;
		cleanup_buf struct buf list = BUF_INIT(4096), want = BUF_INIT(4096);

		put(&w->top, "rules", rules[i]);
		must(ignore_init(&g, NULL, SPAN_NONE, span_of(rules[i]), &e), &e);
		for (size_t k = 0; k < sizeof(files) / sizeof(*files); k++) {
			/* To git a character is a byte. */
			if (strcmp(files[k], "ü") == 0 && strpbrk(rules[i], "?["))
				continue;
			buf_adds(&list, files[k]), buf_addc(&list, '\n');
			if (ours(&g, files[k]))
				buf_adds(&want, files[k]), buf_addc(&want, '\n'), ignored++;
		}
		put(&w->top, "list", list.data);
		cleanup_free char *got =
			shell(w->s.dir, "cp ../rules .gitignore; git -c core.quotePath=false check-ignore --no-index "
					"--stdin < ../list || [ $? = 1 ]");
		if (strcmp(got, buf_span(&want).p) != 0)
			fail_msg("rule %zu: git ignores\n%sbut we\n%s", i, got, buf_span(&want).p);
		ignore_release(&g);
	}
	assert_true(ignored > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(as_git_does, world_new, world_free)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
