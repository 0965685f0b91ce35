/* list, tree, glob, search: what they find, in which order, and where they stop. */
#include "unit.h"

#include "base/caps.h"
#include "base/mem.h"
#include "scratch.h"
#include "vcs/wild.h"
#include "workspace/files.h"

struct fixture {
	struct scratch s;
	struct files *f;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	struct err e = ERR_INIT;

	scratch_new(&x->s);
	x->f = files_open(x->s.dir, 0, &e);
	assert_non_null(x->f);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	files_close(x->f);
	scratch_free(&x->s);
	free(x);
	return 0;
}

/* The canonical text of a result must be this; takes the reference. */
static void is_json(json_t *v, const char *want, const struct err *e)
{
	if (!v)
		fail_msg("%s", e->text);
	cleanup_free char *text = json_text(v);
	assert_string_equal(text, want);
	json_decref(v);
}

static void patterns(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool match;
	} cases[] = {
		{"*.c", "a.c", true},
		{"*.c", "a.h", false},
		{"*.c", "d/a.c", false},
		{"*", ".env", true},
		{"**/*.c", "a.c", true},
		{"**/*.c", "d/e/a.c", true},
		{"src/**", "src/a", true},
		{"src/**", "src/a/b", true},
		{"src/**", "src", false},
		{"src/**/x", "src/x", true},
		{"src/**/x", "src/a/b/x", true},
		{"src/**/x/y", "src/x/a/x/y", true},
		{"**/a/**/b", "a/c/a/b", true},
		{"**/a/**/b", "c/b", false},
		{"**", "a/b", true},
		{"a/*/c", "a/b/c", true},
		{"a/*/c", "a/b/d/c", false},
		{"?", "ü", true},
		{"??", "ü", false},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{"[]]", "]", true},
		{"[", "[", false},
		{"[a", "[a", false},
		{"\\[a", "[a", true},
		{"[ä-ü]", "ö", true},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"a*b*c", "aXbYc", true},
		{"a*b*c", "aXbY", false},
		{"*a*b", "aaab", true},
		{"", "", true},
		{"", "a", false},
		{"***", "abc", true},
		{"a**", "abc", true},
		{"/a", "a", true},
		{"a/", "a", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (wild_path(span_of(cases[i].pattern), span_of(cases[i].path)) != cases[i].match)
			fail_msg("%s against %s", cases[i].pattern, cases[i].path);
	/* Bounded in time, however many stars. */
	char stars[400], text[4000];
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < sizeof(stars); i += 2)
		memcpy(stars + i, "*a", 2);
	stars[sizeof(stars) - 1] = 'b';
	assert_false(wild_name(span_n(stars, sizeof(stars)), span_n(text, sizeof(text))));
	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "a/", 2);
	assert_false(wild_path(span_of("**/a/**/a/**/a/**/a/**/a/**/a/**/b"), span_n(text, sizeof(text))));
}

static void listing(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;

	put(&x->s, "b.txt", "12345");
	put(&x->s, "a.txt", "1");
	put(&x->s, "z/inner", "1");
	put(&x->s, ".git/config", "1");
	assert_int_equal(symlink("a.txt", at(&x->s, "link")), 0);
	assert_int_equal(mkfifo(at(&x->s, "pipe"), 0600), 0);
	put(&x->s, ".muster-0123456789abcdef.tmp", "being written");
	is_json(files_list(x->f, ".", &e),
		"[{\"name\":\"z\",\"size\":0,\"type\":\"folder\"},{\"name\":\"a.txt\",\"size\":1,\"type\":\"file\"},"
		"{\"name\":\"b.txt\",\"size\":5,\"type\":\"file\"},{\"name\":\"link\",\"size\":0,\"type\":\"link\"},"
		"{\"name\":\"pipe\",\"size\":0,\"type\":\"other\"}]",
		&e);
	assert_null(files_list(x->f, "a.txt", &e));
	assert_int_equal(e.code, ERR_INVALID);
	assert_null(files_list(x->f, "none", &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	for (int i = 0; i < CAP_LIST_ENTRIES + 7; i++) {
		char name[32];
		snprintf(name, sizeof(name), "many/%05d", i);
		put(&x->s, name, "");
	}
	cleanup_json json_t *many = files_list(x->f, "many", &e);
	assert_int_equal(json_array_size(many), CAP_LIST_ENTRIES + 1);
	assert_int_equal(json_int(json_array_get(many, CAP_LIST_ENTRIES), "more", 0), 7);
}

static void tree_text(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	cleanup_buf struct buf out = BUF_INIT(10000);

	put(&x->s, "src/main.c", "x");
	put(&x->s, "src/util/a.c", "x");
	put(&x->s, "node_modules/left/pad.js", "x");
	put(&x->s, "node_modules/right.js", "x");
	put(&x->s, "sub/__pycache__/a.pyc", "x");
	put(&x->s, ".git/HEAD", "x");
	assert_int_equal(symlink("src", at(&x->s, "ln")), 0);
	must(files_tree(x->f, ".", 100, &out, &e), &e);
	assert_string_equal(out.data, "ln -> src\n"
				      "node_modules/ (2 entries, not shown)\n"
				      "src/\n"
				      "  main.c\n"
				      "  util/\n"
				      "    a.c\n"
				      "sub/\n"
				      "  __pycache__/ (1 entries, not shown)\n");
	buf_clear(&out);
	must(files_tree(x->f, ".", 3, &out, &e), &e);
	assert_string_equal(out.data, "ln -> src\nnode_modules/ (2 entries, not shown)\nsrc/\n… 5 more\n");
	buf_clear(&out);
	must(files_tree(x->f, "src", 100, &out, &e), &e);
	assert_string_equal(out.data, "main.c\nutil/\n  a.c\n");
}

static void deep_trees_end(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	cleanup_buf struct buf out = BUF_INIT(1 << 20);
	int fd = open(x->s.dir, O_RDONLY | O_DIRECTORY), next;

	for (int i = 0; i < 1500; i++) {
		assert_int_equal(mkdirat(fd, "dddd", 0755), 0);
		next = openat(fd, "dddd", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	close(fd);
	must(files_tree(x->f, ".", 5000, &out, &e), &e);
	assert_non_null(strstr(out.data, "could not be listed"));
	must(files_delete(x->f, "dddd", &e), &e);
	assert_false(there(&x->s, "dddd"));
}

static void globbing(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	char braces[200] = "";

	put(&x->s, "a.c", "");
	put(&x->s, "a.h", "");
	put(&x->s, "d/b.c", "");
	put(&x->s, "d-/z.c", "");
	put(&x->s, "build/gen.c", "");
	put(&x->s, ".git/x.c", "");
	assert_int_equal(symlink("d", at(&x->s, "ln")), 0);
	is_json(files_glob(x->f, "**/*.c", 10, &e), "[\"a.c\",\"d-/z.c\",\"d/b.c\"]", &e);
	is_json(files_glob(x->f, "./*.{c,h}", 10, &e), "[\"a.c\",\"a.h\"]", &e);
	is_json(files_glob(x->f, "{d,d-}/{b,z}.c", 10, &e), "[\"d-/z.c\",\"d/b.c\"]", &e);
	is_json(files_glob(x->f, "{a.{c,h},d/*}", 10, &e), "[\"a.c\",\"a.h\",\"d/b.c\"]", &e);
	is_json(files_glob(x->f, "build/*.c", 10, &e), "[\"build/gen.c\"]", &e);
	is_json(files_glob(x->f, "**/*.c", 1, &e), "[\"a.c\",{\"more\":2}]", &e);
	is_json(files_glob(x->f, "../*", 10, &e), "[]", &e);
	is_json(files_glob(x->f, "{x", 10, &e), "[]", &e);
	is_json(files_glob(x->f, "{}", 10, &e), "[]", &e);
	assert_null(files_glob(x->f, "", 10, &e));
	for (int i = 0; i < 16; i++)
		strcat(braces, "{a,b}");
	assert_null(files_glob(x->f, braces, 10, &e));
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

static void searching(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	char line[1200];

	put(&x->s, "a.txt", "one\ntwo needle\r\nneedle (x)\n");
	put(&x->s, "d/b.txt", "needle at the end");
	put(&x->s, "node_modules/c.txt", "needle");
	is_json(files_search(x->f, "needle", false, ".", 10, &e),
		"[{\"line\":2,\"path\":\"a.txt\",\"text\":\"two needle\"},"
		"{\"line\":3,\"path\":\"a.txt\",\"text\":\"needle (x)\"},"
		"{\"line\":1,\"path\":\"d/b.txt\",\"text\":\"needle at the end\"}]",
		&e);
	is_json(files_search(x->f, "(x)", false, ".", 10, &e),
		"[{\"line\":3,\"path\":\"a.txt\",\"text\":\"needle (x)\"}]", &e);
	is_json(files_search(x->f, "^(one|needle.*end)$", true, ".", 10, &e),
		"[{\"line\":1,\"path\":\"a.txt\",\"text\":\"one\"},"
		"{\"line\":1,\"path\":\"d/b.txt\",\"text\":\"needle at the end\"}]",
		&e);
	is_json(files_search(x->f, "needle", false, "d", 10, &e),
		"[{\"line\":1,\"path\":\"d/b.txt\",\"text\":\"needle at the end\"}]", &e);
	is_json(files_search(x->f, "needle", false, "a.txt", 1, &e),
		"[{\"line\":2,\"path\":\"a.txt\",\"text\":\"two needle\"},{\"late\":false,\"more\":1,\"skipped\":0}]",
		&e);
	/* Binary and huge files are counted, not searched. */
	put_bytes(&x->s, "bin", "needle\0needle", 13);
	put(&x->s, "huge", "needle");
	assert_int_equal(truncate(at(&x->s, "huge"), CAP_SEARCH_FILE + 1), 0);
	is_json(files_search(x->f, "two needle", false, ".", 10, &e),
		"[{\"line\":2,\"path\":\"a.txt\",\"text\":\"two needle\"},{\"late\":false,\"more\":0,\"skipped\":2}]",
		&e);
	/* Long lines are cut at characters. */
	for (size_t i = 0; i + 1 < sizeof(line); i += 2)
		memcpy(line + i, "ü", 2);
	line[sizeof(line) - 2] = 0;
	put(&x->s, "long", line);
	cleanup_json json_t *hit = files_search(x->f, "ü", false, "long", 10, &e);
	assert_int_equal(strlen(json_str(json_array_get(hit, 0), "text")), CAP_SEARCH_SHOWN);
	assert_null(files_search(x->f, "x", false, "none", 10, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void hostile_expressions(void **state)
{
	struct fixture *x = *state;
	static const char *const refused[] = {"(a*)*\\1", "((a{1,1000}){1,1000}){1,1000}", "(", "a{2,1", "[z-a]",
		"a{99999999999999999999}", "((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))"};
	struct err e = ERR_INIT;
	char text[4000];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	put(&x->s, "a", text);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		if (files_search(x->f, refused[i], true, ".", 10, &e))
			fail_msg("%s was accepted", refused[i]);
		assert_int_equal(e.code, ERR_INVALID);
	}
	alarm(30);
	is_json(files_search(x->f, "(a*)*(a*)*(a+)+b", true, ".", 10, &e), "[]", &e);
	is_json(files_search(x->f, "(a|a)*(aa|a)*c{1,20}", true, ".", 10, &e), "[]", &e);
	alarm(0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {cmocka_unit_test(patterns), T(listing), T(tree_text), T(deep_trees_end),
		T(globbing), T(searching), T(hostile_expressions)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
