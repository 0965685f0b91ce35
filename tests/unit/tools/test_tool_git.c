/* The git tools: through the host's libgit2, on the run's own branch. */
#include "rig.h"

static void status_and_diff_tell_what_changed(void **state)
{
	struct rig *r = *state;
	char clean[128];
	snprintf(clean, sizeof(clean), "branch muster/test at %.10s, 0 changed\n", r->head);
	assert_string_equal(rig_ok(r, "git_status", "{}"), clean);
	assert_has(rig_ok(r, "git_log", "{}"), "muster: ");
	put(&r->s, "src/a.c", "int a;\n");
	put(&r->s, "README.md", "# Another\n");
	put(&r->s, ".gitignore", "*.o\n");
	put(&r->s, "src/a.o", "x");
	const char *status = rig_ok(r, "git_status", "{}");
	assert_has(status, "A src/a.c\n");
	assert_lacks(status, "a.o");
	const char *diff = rig_ok(r, "git_diff", "{}");
	assert_has(diff, "+# Another");
	assert_has(diff, "+int a;");
	diff = rig_ok(r, "git_diff", "{\"path\":\"src\"}");
	assert_lacks(diff, "README");
	assert_has(diff, "+int a;");
	assert_string_equal(rig_ok(r, "git_diff", "{\"path\":\"sr\"}"), "[no difference]");
	rig_ok(r, "git_commit", "{\"message\":\"all\"}");
	put(&r->s, "README.md", "# Third\n");
	assert_has(rig_ok(r, "git_status", "{}"), ", 1 changed\nM README.md\n");
	rig_error(r, "git_diff", "{\"path\":\"../x\"}", ERR_OUTSIDE);
}

static void a_project_may_have_no_commit(void **state)
{
	struct rig *r = *state;
	r->env.branch = "muster/other";
	r->env.head = "";
	put(&r->s, "README.md", "# Another\n");
	const char *status = rig_ok(r, "git_status", "{}");
	assert_has(status, "branch muster/other without a commit, ");
	assert_has(status, "A README.md\n");
	assert_string_equal(rig_ok(r, "git_log", "{}"), "[no commit yet]");
}

static void what_somebody_changed_is_reported_once(void **state)
{
	struct rig *r = *state;
	put(&r->s, "by_hand.txt", "x");
	rig_ok(r, "git_status", "{}");
	assert_string_equal(rig_changed(r), "by_hand.txt");
	rig_ok(r, "git_status", "{}");
	assert_null(r->call.changed);
	assert_false(r->call.changed_unknown);
}

static void commits_go_to_the_runs_branch(void **state)
{
	struct rig *r = *state;
	struct err e = ERR_INIT;
	char oid[OID_TEXT];
	put(&r->s, "a.txt", "one\n");
	assert_has(rig_ok(r, "git_commit", "{\"message\":\"add a\"}"), "committed ");
	must(project_branch(r->env.project, "muster/test", oid, &e), &e);
	assert_string_equal(json_str(json_get(r->call.extra, "commit"), "oid"), oid);
	/* upon the commit that the copy was made of */
	json_t *commits = project_log(r->env.project, oid, 10, &e);
	assert_int_equal(json_array_size(commits), 2);
	assert_string_equal(json_str(json_array_get(commits, 1), "oid"), r->head);
	json_decref(commits);
	assert_has(rig_ok(r, "git_commit", "{\"message\":\"again\"}"), "nothing has changed since");
	const char *log = rig_ok(r, "git_log", "{}");
	assert_has(log, "worker: add a\n");
	assert_lacks(log, "again");
	put(&r->s, "a.txt", "two\n");
	assert_has(rig_ok(r, "git_diff", "{\"ref\":\"muster/test\"}"), "-one");
	assert_has(rig_ok(r, "git_log", "{\"ref\":\"muster/test\"}"), "add a");
	rig_error(r, "git_diff", "{\"ref\":\"no-such-branch\"}", ERR_NOT_FOUND);
	rig_error(r, "git_log", "{\"ref\":\"no-such-branch\"}", ERR_NOT_FOUND);
	rig_error(r, "git_commit", "{\"message\":\"\"}", ERR_INVALID);
	must(project_branch(r->env.project, "master", oid, &e), &e);
	assert_has(rig_ok(r, "git_init", "{}"), "muster/test");
	rig_error(r, "git_branch", "{\"name\":\"x\"}", ERR_DENIED);
	rig_error(r, "git_merge", "{\"name\":\"x\"}", ERR_DENIED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_new, rig_free)
	const struct CMUnitTest tests[] = {
		TEST(status_and_diff_tell_what_changed),
		TEST(a_project_may_have_no_commit),
		TEST(what_somebody_changed_is_reported_once),
		TEST(commits_go_to_the_runs_branch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
