/* After a stop of the program: what each tool that changes something makes of a call that has no result. */
#include "rig.h"

#include "base/caps.h"

#define WRITE "{\"path\":\"a.txt\",\"content\":\"new\\n\"}"
#define EDIT "{\"path\":\"a.txt\",\"edits\":[{\"from\":\"old\",\"to\":\"older\"}]}"

static void write_is_judged_by_content(void **state)
{
	struct rig *r = *state;
	put(&r->s, "a.txt", "old\n");
	rig_snapshot(r);
	assert_int_equal(rig_recover(r, "write_file", WRITE), TOOL_RUN_AGAIN);
	put(&r->s, "a.txt", "new\n");
	assert_int_equal(rig_recover(r, "write_file", WRITE), TOOL_DONE);
	assert_string_equal(r->call.content.data, "overwrote a.txt (4 bytes)");
	assert_string_equal(rig_changed(r), "a.txt");
	put(&r->s, "a.txt", "somebody's\n");
	assert_int_equal(rig_recover(r, "write_file", WRITE), TOOL_LOST);
	assert_has(r->call.content.data, "a.txt was changed by somebody else");
	unlink(at(&r->s, "a.txt"));
	assert_int_equal(rig_recover(r, "write_file", WRITE), TOOL_LOST);
}

static void a_new_file_is_judged_by_content(void **state)
{
	struct rig *r = *state;
	assert_int_equal(rig_recover(r, "write_file", WRITE), TOOL_RUN_AGAIN);
	put(&r->s, "a.txt", "new\n");
	assert_int_equal(rig_recover(r, "write_file", "{\"path\":\"./a.txt\",\"content\":\"new\\n\",\"create\":true}"),
		TOOL_DONE);
	assert_string_equal(r->call.content.data, "created a.txt (4 bytes)");
	put(&r->s, "a.txt", "somebody's\n");
	assert_int_equal(rig_recover(r, "write_file", WRITE), TOOL_LOST);
	/* it was refused, and is so again */
	rig_snapshot(r);
	assert_int_equal(rig_recover(r, "write_file", "{\"path\":\"a.txt\",\"content\":\"new\\n\",\"create\":true}"),
		TOOL_RUN_AGAIN);
	assert_int_equal(
		rig_recover(r, "write_file", "{\"path\":\"d\",\"content\":\"\",\"kind\":\"folder\"}"), TOOL_RUN_AGAIN);
	assert_int_equal(mkdir(at(&r->s, "d"), 0755), 0);
	assert_int_equal(
		rig_recover(r, "write_file", "{\"path\":\"d\",\"content\":\"\",\"kind\":\"folder\",\"create\":true}"),
		TOOL_DONE);
	assert_string_equal(r->call.content.data, "created the folder d");
	rig_snapshot(r);
	assert_int_equal(
		rig_recover(r, "write_file", "{\"path\":\"d\",\"content\":\"\",\"kind\":\"folder\",\"create\":true}"),
		TOOL_RUN_AGAIN);
	assert_int_equal(rig_recover(r, "write_file", "{\"path\":\"d\",\"content\":\"x\"}"), TOOL_RUN_AGAIN);
}

static void edit_is_judged_by_what_it_makes(void **state)
{
	struct rig *r = *state;
	put(&r->s, "a.txt", "old\n");
	rig_snapshot(r);
	assert_int_equal(rig_recover(r, "edit_file", EDIT), TOOL_RUN_AGAIN);
	put(&r->s, "a.txt", "older\n"); /* what it replaces occurs in it again */
	assert_int_equal(rig_recover(r, "edit_file", EDIT), TOOL_DONE);
	assert_string_equal(r->call.content.data, "1 replacement made in a.txt");
	put(&r->s, "a.txt", "old and more\n");
	assert_int_equal(rig_recover(r, "edit_file", EDIT), TOOL_LOST);
	assert_int_equal(
		rig_recover(r, "edit_file", "{\"path\":\"a.txt\",\"edits\":[{\"from\":\"never\",\"to\":\"x\"}]}"),
		TOOL_RUN_AGAIN);
	assert_int_equal(
		rig_recover(r, "edit_file", "{\"path\":\"none\",\"edits\":[{\"from\":\"never\",\"to\":\"x\"}]}"),
		TOOL_RUN_AGAIN);
	put(&r->s, "a.txt", "\n"); /* a piece that is deleted */
	assert_int_equal(rig_recover(r, "edit_file", "{\"path\":\"a.txt\",\"edits\":[{\"from\":\"old\",\"to\":\"\"}]}"),
		TOOL_DONE);
}

static void delete_is_judged_by_what_is_left(void **state)
{
	struct rig *r = *state;
	put(&r->s, "a.txt", "old\n");
	put(&r->s, "d/x", "x");
	put(&r->s, "d/y", "y");
	rig_snapshot(r);
	assert_int_equal(rig_recover(r, "delete_path", "{\"path\":\"a.txt\"}"), TOOL_RUN_AGAIN);
	assert_int_equal(rig_recover(r, "delete_path", "{\"path\":\"never\"}"), TOOL_RUN_AGAIN);
	put(&r->s, "a.txt", "somebody's\n");
	assert_int_equal(rig_recover(r, "delete_path", "{\"path\":\"a.txt\"}"), TOOL_LOST);
	unlink(at(&r->s, "a.txt"));
	assert_int_equal(rig_recover(r, "delete_path", "{\"path\":\"a.txt\"}"), TOOL_DONE);
	assert_string_equal(r->call.content.data, "deleted a.txt");
	assert_string_equal(rig_changed(r), "a.txt");
	unlink(at(&r->s, "d/x"));
	assert_int_equal(rig_recover(r, "delete_path", "{\"path\":\"d\"}"), TOOL_RUN_AGAIN);
	unlink(at(&r->s, "d/y"));
	rmdir(at(&r->s, "d"));
	assert_int_equal(rig_recover(r, "delete_path", "{\"path\":\"d\"}"), TOOL_DONE);
}

static void document_is_judged_like_a_file(void **state)
{
	struct rig *r = *state;
	assert_int_equal(rig_recover(r, "document", "{\"target\":\".\",\"content\":\"x\"}"), TOOL_RUN_AGAIN);
	put(&r->s, "README.md", "x");
	assert_int_equal(rig_recover(r, "document", "{\"target\":\".\",\"content\":\"x\"}"), TOOL_DONE);
	assert_string_equal(r->call.content.data, "updated README.md");
	put(&r->s, "README.md", "y");
	assert_int_equal(rig_recover(r, "document", "{\"target\":\".\",\"content\":\"x\"}"), TOOL_LOST);
}

static void commit_is_judged_by_the_branch(void **state)
{
	struct rig *r = *state;
	char text[128], oid[OID_TEXT];
	struct err e = ERR_INIT;
	put(&r->s, "a.txt", "new\n");
	assert_int_equal(rig_recover(r, "git_commit", "{\"message\":\"work\"}"), TOOL_RUN_AGAIN);
	assert_null(r->call.changed);
	rig_ok(r, "git_commit", "{\"message\":\"work\"}");
	snprintf(text, sizeof(text), "%s", r->call.content.data);
	must(project_branch(r->env.project, "muster/test", oid, &e), &e);
	assert_int_equal(rig_recover(r, "git_commit", "{\"message\":\"work\"}"), TOOL_DONE);
	assert_string_equal(r->call.content.data, text);
	assert_string_equal(json_str(json_get(r->call.extra, "commit"), "oid"), oid);
	snprintf(r->head, sizeof(r->head), "%s", oid); /* the result was journaled */
	assert_int_equal(rig_recover(r, "git_commit", "{\"message\":\"more\"}"), TOOL_RUN_AGAIN);
}

static void reads_are_repeated_and_commands_are_lost(void **state)
{
	(void)state;
	for (const struct tool *const *t = tool_table; *t; t++) {
		if ((*t)->effects & TOOL_EXECS)
			assert_null((*t)->recover); /* by effects: lost */
		if ((*t)->effects & TOOL_WRITES)
			assert_non_null((*t)->recover);
	}
	assert_int_equal(tool_named("read_file")->effects, TOOL_READS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_new, rig_free)
	const struct CMUnitTest tests[] = {
		TEST(write_is_judged_by_content),
		TEST(a_new_file_is_judged_by_content),
		TEST(edit_is_judged_by_what_it_makes),
		TEST(delete_is_judged_by_what_is_left),
		TEST(document_is_judged_like_a_file),
		TEST(commit_is_judged_by_the_branch),
		cmocka_unit_test(reads_are_repeated_and_commands_are_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
