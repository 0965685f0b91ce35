/* The tools that read and write files: what they tell, what they refuse, what they report as changed. */
#include "rig.h"

#include "base/caps.h"
#include "base/schema.h"

static void read_shows_a_file_or_some_lines_of_it(void **state)
{
	struct rig *r = *state;
	put(&r->s, "src/a.txt", "one\ntwo\nthree\nfour\n");
	assert_string_equal(rig_ok(r, "read_file", "{\"path\":\"src/a.txt\"}"), "one\ntwo\nthree\nfour\n");
	assert_string_equal(rig_ok(r, "read_file", "{\"path\":\"./src/a.txt\",\"from_line\":2,\"lines\":2}"),
		"[src/a.txt, lines 2 to 3 of 4]\ntwo\nthree\n");
	assert_string_equal(rig_ok(r, "read_file", "{\"path\":\"src/a.txt\",\"from_line\":4,\"lines\":100}"),
		"[src/a.txt, lines 4 to 4 of 4]\nfour\n");
	assert_string_equal(
		rig_ok(r, "read_file", "{\"path\":\"src/a.txt\",\"from_line\":9}"), "[src/a.txt has only 4 lines]");
	assert_string_equal(rig_ok(r, "read_file", "{\"path\":\"src/a.txt\",\"lines\":9223372036854775807}"),
		"one\ntwo\nthree\nfour\n");
	put(&r->s, "no_newline", "last");
	assert_string_equal(rig_ok(r, "read_file", "{\"path\":\"no_newline\"}"), "last");
	put(&r->s, "empty", "");
	assert_string_equal(rig_ok(r, "read_file", "{\"path\":\"empty\"}"), "[the file is empty]");
	assert_null(r->call.changed);
	assert_false(r->call.changed_unknown);
}

static void read_goes_through_a_long_file_in_parts(void **state)
{
	struct rig *r = *state;
	cleanup_buf struct buf text = BUF_INIT(4 * MIB);
	for (int i = 1; i <= 20000; i++)
		buf_addf(&text, "this is line %d\n", i);
	put_bytes(&r->s, "long.txt", text.data, text.len);
	char *seen = calloc(20001, 1), args[128];
	int64_t from = 1;
	for (int calls = 0; calls < 100 && from; calls++) {
		snprintf(args, sizeof(args), "{\"path\":\"long.txt\",\"from_line\":%lld}", (long long)from);
		const char *got_text = rig_ok(r, "read_file", args);
		assert_false(r->call.truncated);
		for (const char *p = got_text; (p = strstr(p, "this is line ")); p++)
			seen[atoi(p + 13)]++;
		const char *more = strstr(got_text, "go on with from_line ");
		from = more ? atoll(more + 21) : 0;
	}
	for (int i = 1; i <= 20000; i++)
		assert_int_equal(seen[i], 1);
	free(seen);
}

static void a_single_huge_line_keeps_its_ends_and_the_whole_as_a_blob(void **state)
{
	struct rig *r = *state;
	cleanup_buf struct buf text = BUF_INIT(MIB);
	struct err e = ERR_INIT;
	for (int i = 0; i < 20000; i++)
		buf_addf(&text, "é%05d", i);
	put_bytes(&r->s, "wide.txt", text.data, text.len);
	const char *shown = rig_ok(r, "read_file", "{\"path\":\"wide.txt\"}");
	assert_true(r->call.truncated);
	assert_has(shown, "é00000é00001");
	assert_has(shown, "é19998é19999");
	assert_has(shown, "bytes left out here");
	struct blob *whole = store_blob(r->store, &r->call.blob.hash, &e);
	assert_non_null(whole);
	assert_true(span_eq(blob_span(whole), buf_span(&text)));
	blob_unref(whole);
}

static void read_describes_what_it_cannot_show(void **state)
{
	struct rig *r = *state;
	put_bytes(&r->s, "image.png", "\x89PNG\r\n\0\0", 8);
	assert_has(
		rig_error(r, "read_file", "{\"path\":\"image.png\"}", ERR_INVALID), "image.png is a binary file of 8");
	put_bytes(&r->s, "latin.txt", "caf\xe9\n", 5);
	assert_string_equal(rig_ok(r, "read_file", "{\"path\":\"latin.txt\"}"),
		"[not valid UTF-8: bad bytes are shown as U+FFFD]\ncaf\xef\xbf\xbd\n");
	assert_has(rig_error(r, "read_file", "{\"path\":\"nothing.c\"}", ERR_NOT_FOUND), "nothing.c");
	assert_has(rig_error(r, "read_file", "{\"path\":\"../secret\"}", ERR_OUTSIDE), "'..' is not allowed");
	rig_error(r, "read_file", "{\"path\":\"/etc/passwd\"}", ERR_OUTSIDE);
	rig_error(r, "read_file", "{\"path\":\".git/config\"}", ERR_DENIED);
	assert_int_equal(symlink("/etc/passwd", at(&r->s, "link")), 0);
	rig_error(r, "read_file", "{\"path\":\"link\"}", ERR_OUTSIDE);
	rig_error(r, "read_file", "{\"path\":\"\"}", ERR_INVALID);
	rig_error(r, "read_file", "{\"path\":7}", ERR_INVALID);
	rig_error(r, "read_file", "{}", ERR_INVALID);
	rig_error(r, "read_file", "{\"path\":\"a\",\"other\":1}", ERR_INVALID);
	rig_error(r, "read_file", "{\"path\":\"a\",\"from_line\":0}", ERR_INVALID);
	cleanup_free char *huge = mem_calloc(1, CAP_FILE_READ + 1);
	memset(huge, 'x', CAP_FILE_READ + 1);
	put_bytes(&r->s, "huge.txt", huge, CAP_FILE_READ + 1);
	assert_has(rig_error(r, "read_file", "{\"path\":\"huge.txt\"}", ERR_TOO_LARGE), "sed -n");
}

static void read_of_a_folder_gives_its_readme(void **state)
{
	struct rig *r = *state;
	assert_string_equal(rig_ok(r, "read_file", "{\"path\":\".\"}"), "# A project\n");
	put(&r->s, "src/main.c", "");
	assert_has(rig_error(r, "read_file", "{\"path\":\"src\"}", ERR_INVALID), "use list");
	put(&r->s, "src/README.md", "one\ntwo\n");
	assert_string_equal(rig_ok(r, "read_file", "{\"path\":\"src/\",\"from_line\":2}"),
		"[src/README.md, lines 2 to 2 of 2]\ntwo\n");
}

static void write_creates_and_overwrites(void **state)
{
	struct rig *r = *state;
	assert_string_equal(rig_ok(r, "write_file", "{\"path\":\"./new/dir/a.txt\",\"content\":\"hello\\n\"}"),
		"created new/dir/a.txt (6 bytes)");
	assert_string_equal(rig_changed(r), "new/dir/a.txt");
	assert_string_equal(got(&r->s, "new/dir/a.txt"), "hello\n");
	assert_string_equal(rig_ok(r, "write_file", "{\"path\":\"new/dir/a.txt\",\"content\":\"\"}"),
		"overwrote new/dir/a.txt (0 bytes)");
	assert_string_equal(got(&r->s, "new/dir/a.txt"), "");
	assert_has(rig_error(r, "write_file", "{\"path\":\"new/dir/a.txt\",\"content\":\"x\",\"create\":true}",
			   ERR_EXISTS),
		"exists already");
	rig_error(r, "write_file", "{\"path\":\"new/dir\",\"content\":\"x\"}", ERR_INVALID);
	assert_null(r->call.changed);
	assert_string_equal(
		rig_ok(r, "write_file", "{\"path\":\"f\",\"content\":\"\",\"create\":true,\"kind\":\"folder\"}"),
		"created the folder f");
	rig_error(r, "write_file", "{\"path\":\"f\",\"content\":\"\",\"create\":true,\"kind\":\"folder\"}", ERR_EXISTS);
	rig_error(r, "write_file", "{\"path\":\"new/dir/a.txt\",\"content\":\"\",\"kind\":\"folder\"}", ERR_EXISTS);
	assert_null(r->call.changed);
}

static void write_stays_where_the_agent_may(void **state)
{
	struct rig *r = *state;
	static const char *const scopes[] = {"src", "src/", NULL};
	put(&r->s, "src/a.c", "a");
	put(&r->s, "srcs/b.c", "b");
	for (const char *const *scope = scopes; *scope; scope++) {
		r->scope = *scope;
		rig_ok(r, "write_file", "{\"path\":\"./src/a.c\",\"content\":\"x\"}");
		assert_has(rig_error(r, "write_file", "{\"path\":\"srcs/b.c\",\"content\":\"x\"}", ERR_OUTSIDE),
			"outside your folder, src");
		rig_error(r, "edit_file", "{\"path\":\"srcs/b.c\",\"edits\":[{\"from\":\"b\",\"to\":\"c\"}]}",
			ERR_OUTSIDE);
		rig_error(r, "delete_path", "{\"path\":\"srcs\"}", ERR_OUTSIDE);
		rig_error(r, "document", "{\"target\":\"srcs\",\"content\":\"x\"}", ERR_OUTSIDE);
		rig_error(r, "document", "{\"target\":\"documentation\",\"content\":\"x\"}", ERR_OUTSIDE);
		rig_ok(r, "document", "{\"target\":\"src\",\"content\":\"x\"}");
		rig_ok(r, "read_file", "{\"path\":\"srcs/b.c\"}");
	}
	r->scope = "src";
	r->own_file = "src/a.c";
	rig_ok(r, "write_file", "{\"path\":\"src/a.c\",\"content\":\"y\"}");
	assert_has(rig_error(r, "write_file", "{\"path\":\"src/c.c\",\"content\":\"x\"}", ERR_OUTSIDE),
		"own file, src/a.c");
	assert_has(
		rig_error(r, "document", "{\"target\":\"src\",\"content\":\"x\"}", ERR_OUTSIDE), "own file, src/a.c");
	r->scope = ".";
	r->own_file = NULL;
	rig_ok(r, "write_file", "{\"path\":\"anywhere\",\"content\":\"x\"}");
}

static void a_persons_lock_binds_every_writing_tool(void **state)
{
	struct rig *r = *state;
	struct err e = ERR_INIT;
	put(&r->s, "src/a.c", "a");
	must(locks_take(&r->locks, "src/a.c", "person/ada", 0, 0, false, &e), &e);
	must(locks_take(&r->locks, "README.md", "person/ada", 0, 0, false, &e), &e);
	assert_has(rig_error(r, "write_file", "{\"path\":\"./src/a.c\",\"content\":\"x\"}", ERR_LOCKED), "person/ada");
	rig_error(r, "edit_file", "{\"path\":\"src/a.c\",\"edits\":[{\"from\":\"a\",\"to\":\"c\"}]}", ERR_LOCKED);
	rig_error(r, "delete_path", "{\"path\":\"src/a.c\"}", ERR_LOCKED);
	rig_error(r, "delete_path", "{\"path\":\"src\"}", ERR_LOCKED);
	rig_error(r, "document", "{\"target\":\".\",\"content\":\"x\"}", ERR_LOCKED);
	assert_string_equal(got(&r->s, "src/a.c"), "a");
	rig_ok(r, "write_file", "{\"path\":\"src/b.c\",\"content\":\"x\"}");
	rig_ok(r, "read_file", "{\"path\":\"src/a.c\"}");
}

static void edit_replaces_what_occurs_once(void **state)
{
	struct rig *r = *state;
	put(&r->s, "a.c", "int a;\nint b;\nint b;\n");
	assert_string_equal(
		rig_ok(r, "edit_file", "{\"path\":\"./a.c\",\"edits\":[{\"from\":\"int a;\",\"to\":\"long a;\"}]}"),
		"1 replacement made in a.c");
	assert_string_equal(rig_changed(r), "a.c");
	const char *why = rig_error(r, "edit_file",
		"{\"path\":\"a.c\",\"edits\":[{\"from\":\"long a\",\"to\":\"x\"},{\"from\":\"int "
		"b\",\"to\":\"x\"},{\"from\":\"nope\",\"to\":\"\"}]}",
		ERR_CONFLICT);
	assert_has(why, "edit 2: the text to replace occurs 2 times");
	assert_has(why, "edit 3: the text to replace does not occur");
	assert_null(r->call.changed);
	assert_string_equal(got(&r->s, "a.c"), "long a;\nint b;\nint b;\n");
	rig_error(r, "edit_file", "{\"path\":\"a.c\",\"edits\":[]}", ERR_INVALID);
	rig_error(r, "edit_file", "{\"path\":\"a.c\",\"edits\":[{\"from\":\"\",\"to\":\"\"}]}", ERR_INVALID);
	rig_error(r, "edit_file", "{\"path\":\"missing\",\"edits\":[{\"from\":\"a\",\"to\":\"\"}]}", ERR_NOT_FOUND);
}

static void delete_takes_files_folders_and_dangling_links(void **state)
{
	struct rig *r = *state;
	put(&r->s, "d/e/f", "x");
	put(&r->s, "g", "x");
	assert_has(rig_error(r, "delete_path", "{\"path\":\"g\",\"kind\":\"folder\"}", ERR_INVALID), "is a file");
	assert_string_equal(rig_ok(r, "delete_path", "{\"path\":\"g\"}"), "deleted g");
	assert_string_equal(rig_changed(r), "g");
	assert_string_equal(rig_ok(r, "delete_path", "{\"path\":\"d/\"}"), "deleted d");
	assert_false(there(&r->s, "d"));
	rig_error(r, "delete_path", "{\"path\":\"d\"}", ERR_NOT_FOUND);
	rig_error(r, "delete_path", "{\"path\":\".\"}", ERR_INVALID);
	rig_error(r, "delete_path", "{\"path\":\".git\"}", ERR_DENIED);
	assert_int_equal(symlink("nowhere", at(&r->s, "dangling")), 0);
	rig_ok(r, "delete_path", "{\"path\":\"dangling\"}");
	assert_false(there(&r->s, "dangling"));
	assert_true(there(&r->s, "README.md"));
}

static void list_glob_and_search_are_compact(void **state)
{
	struct rig *r = *state;
	put(&r->s, "src/a.c", "int main(void)\n{\n\treturn needle;\n}\n");
	put(&r->s, "src/b.h", "#define needle 1\n");
	put(&r->s, "node_modules/x/index.js", "needle\n");
	put_bytes(&r->s, "bin", "needle\0", 7);
	const char *tree = rig_ok(r, "list", "{}");
	assert_has(tree, "a.c");
	assert_lacks(tree, "index.js");
	assert_has(rig_ok(r, "list", "{\"path\":\"./src\"}"), "b.h");
	rig_error(r, "list", "{\"path\":\"src/a.c\"}", ERR_INVALID);
	rig_error(r, "list", "{\"path\":\"nope\"}", ERR_NOT_FOUND);
	rig_error(r, "list", "{\"path\":\"..\"}", ERR_OUTSIDE);
	assert_int_equal(mkdir(at(&r->s, "void"), 0755), 0);
	assert_string_equal(rig_ok(r, "list", "{\"path\":\"void\"}"), "[empty]");
	assert_string_equal(rig_ok(r, "glob", "{\"pattern\":\"**/*.{c,h}\"}"), "src/a.c\nsrc/b.h\n");
	assert_string_equal(rig_ok(r, "glob", "{\"pattern\":\"*.zig\"}"), "[nothing matches]");
	rig_error(r, "glob", "{\"pattern\":\"\"}", ERR_INVALID);
	const char *hits = rig_ok(r, "search", "{\"pattern\":\"needle\"}");
	assert_has(hits, "src/a.c:3: \treturn needle;\n");
	assert_has(hits, "src/b.h:1: #define needle 1\n");
	assert_has(hits, "[1 binary, huge or unreadable files were left out]");
	assert_lacks(hits, "index.js");
	assert_string_equal(rig_ok(r, "search", "{\"pattern\":\"^#def\",\"regex\":true,\"path\":\"src/b.h\"}"),
		"src/b.h:1: #define needle 1\n");
	assert_has(rig_ok(r, "search", "{\"pattern\":\"absent\",\"path\":\"src\"}"), "[nothing matches]");
	rig_error(r, "search", "{\"pattern\":\"(\",\"regex\":true}", ERR_INVALID);
	rig_error(r, "search", "{\"pattern\":\"x\",\"path\":\"../..\"}", ERR_OUTSIDE);
	for (int i = 0; i < 250; i++) {
		char name[32];
		snprintf(name, sizeof(name), "many/%d.txt", i);
		put(&r->s, name, "grain\n");
	}
	assert_has(rig_ok(r, "search", "{\"pattern\":\"grain\"}"), "[50 more lines match");
}

static void document_writes_the_documentation_and_readmes(void **state)
{
	struct rig *r = *state;
	assert_string_equal(rig_ok(r, "document", "{\"target\":\"documentation\",\"content\":\"# D\\n\"}"),
		"wrote documentation.md");
	assert_string_equal(rig_changed(r), "documentation.md");
	assert_string_equal(rig_ok(r, "document", "{\"target\":\".\",\"content\":\"# R\\n\"}"), "updated README.md");
	assert_string_equal(
		rig_ok(r, "document", "{\"target\":\"src/api/\",\"content\":\"# A\\n\"}"), "wrote src/api/README.md");
	assert_string_equal(rig_ok(r, "document", "{\"target\":\"src/api/README.md\",\"content\":\"# B\\n\"}"),
		"updated src/api/README.md");
	assert_string_equal(got(&r->s, "src/api/README.md"), "# B\n");
	rig_error(r, "document", "{\"target\":\"../x\",\"content\":\"\"}", ERR_OUTSIDE);
	rig_error(r, "document", "{\"target\":\"R\",\"content\":1}", ERR_INVALID);
	assert_string_equal(rig_ok(r, "document", "{\"target\":\"R\",\"content\":\"x\"}"), "wrote R/README.md");
}

static void artifact_keeps_the_content_of_this_moment(void **state)
{
	struct rig *r = *state;
	struct err e = ERR_INIT;
	struct hash h;
	put(&r->s, "out/report.md", "# Report\n");
	assert_has(rig_ok(r, "artifact", "{\"name\":\"report\",\"type\":\"markdown\",\"path\":\"./out/report.md\"}"),
		"report");
	const json_t *kept = json_get(r->call.extra, "artifact");
	assert_string_equal(json_str(kept, "path"), "out/report.md");
	assert_int_equal(hash_parse(&h, json_span(kept, "blob")), 0);
	put(&r->s, "out/report.md", "other");
	struct blob *b = store_blob(r->store, &h, &e);
	assert_string_equal(blob_span(b).p, "# Report\n");
	blob_unref(b);
	rig_error(r, "artifact", "{\"name\":\"x\",\"type\":\"markdown\",\"path\":\"none\"}", ERR_NOT_FOUND);
	rig_error(r, "artifact", "{\"name\":\"x\",\"type\":\"movie\",\"path\":\"out/report.md\"}", ERR_INVALID);
}

static void every_row_of_the_table_is_whole(void **state)
{
	struct err e = ERR_INIT;
	(void)state;
	for (const struct tool *const *t = tool_table; *t; t++) {
		const json_t *schema = tool_schema(*t);
		if (!schema || schema_check(schema, &e))
			fail_msg("%s: %s", (*t)->name, e.text);
		assert_false(json_bool(schema, "additionalProperties", true));
		assert_ptr_equal(tool_named((*t)->name), *t);
		assert_true(strlen((*t)->summary) > 10);
		assert_non_null((*t)->directive);
		assert_true(!strcmp((*t)->policy, "allow") || !strcmp((*t)->policy, "ask"));
		bool outside = (*t)->start || (*t)->job;
		assert_false((*t)->start && (*t)->job);
		assert_true(!((*t)->effects & TOOL_RUN) == outside);
		json_decref(tool_offer(*t));
	}
	json_t *all = tools_describe();
	assert_true(json_array_size(all) > 20);
	json_decref(all);
	assert_null(tool_named("nope"));
	tools_release();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_new, rig_free)
	const struct CMUnitTest tests[] = {
		TEST(read_shows_a_file_or_some_lines_of_it),
		TEST(read_goes_through_a_long_file_in_parts),
		TEST(a_single_huge_line_keeps_its_ends_and_the_whole_as_a_blob),
		TEST(read_describes_what_it_cannot_show),
		TEST(read_of_a_folder_gives_its_readme),
		TEST(write_creates_and_overwrites),
		TEST(write_stays_where_the_agent_may),
		TEST(a_persons_lock_binds_every_writing_tool),
		TEST(edit_replaces_what_occurs_once),
		TEST(delete_takes_files_folders_and_dangling_links),
		TEST(list_glob_and_search_are_compact),
		TEST(document_writes_the_documentation_and_readmes),
		TEST(artifact_keeps_the_content_of_this_moment),
		cmocka_unit_test(every_row_of_the_table_is_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
