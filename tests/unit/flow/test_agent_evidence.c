/* A false "done" is refused: the project's checks must have run after the agent's own last edit. */
#include "scene.h"

#define TOOLS "read_file, write_file, edit_file, delete_path, shell, run_tests, git_status, finish"
#define PASS "check: pass\nlimits: {turns: 40}"
#define RUN "check: run\nlimits: {turns: 40}"
#define WRITE_FAILING "write_file", "{\"path\":\"test.sh\",\"content\":\"exit 1\\n\"}"
#define WRITE_PASSING "write_file", "{\"path\":\"test.sh\",\"content\":\"exit 0\\n\"}"
#define CHECK "run_tests", "{}"
#define FINISH "finish", "{\"result\":\"done\"}"

#define NEVER_RAN "finish is refused. You changed files after the last run"
#define FAILS "finish is refused. The project's checks fail"

static int refusals(struct fixture *f)
{
	char *talk = scene_talk(f);
	int n = 0;
	for (const char *p = talk; (p = strstr(p, "finish is refused")); p++)
		n++;
	mem_free(talk);
	return n;
}

static void completes(struct fixture *f, const char *evidence, int refused)
{
	scene_play(f, "simple", NULL, "completed");
	assert_int_equal(refusals(f), refused);
	assert_string_equal(scene_last(f, "run.completed", "evidence"), evidence);
	scene_replays(f);
}

static void without_any_check(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, PASS);
	worker_calls(f, WRITE_FAILING);
	worker_calls(f, FINISH);
	worker_calls(f, CHECK);
	worker_calls(f, FINISH);
	worker_calls(f, "edit_file", "{\"path\":\"test.sh\",\"edits\":[{\"from\":\"1\",\"to\":\"0\"}]}");
	worker_calls(f, FINISH);
	worker_calls(f, CHECK);
	worker_calls(f, FINISH);
	completes(f, "done", 3);
	assert_told(f, NEVER_RAN);
	assert_told(f, FAILS);
	assert_string_equal(scene_last(f, "agent.finished", "checked"), "passing");
}

static void edited_by_a_command_after_the_check(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, PASS);
	worker_calls(f, WRITE_PASSING);
	worker_calls(f, CHECK);
	worker_calls(f, "shell", "{\"command\":\"echo 'exit 1' > test.sh\"}");
	worker_calls(f, FINISH);
	worker_calls(f, CHECK);
	worker_calls(f, FINISH);
	worker_calls(f, WRITE_PASSING);
	worker_calls(f, CHECK);
	worker_calls(f, FINISH);
	completes(f, "done", 2);
}

static void edited_by_a_command_in_the_same_answer(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, PASS);
	worker_calls(f, WRITE_PASSING);
	worker_calls(f, CHECK, "shell", "{\"command\":\"echo 'exit 1' > test.sh\"}", FINISH);
	worker_calls(f, WRITE_PASSING, CHECK, FINISH);
	completes(f, "done", 1);
	assert_told(f, NEVER_RAN);
}

static void deleted_after_the_check(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, PASS);
	worker_calls(f, WRITE_PASSING);
	worker_calls(f, "write_file", "{\"path\":\"main.c\",\"content\":\"int x;\"}");
	worker_calls(f, CHECK);
	worker_calls(f, "delete_path", "{\"path\":\"main.c\"}", FINISH);
	worker_calls(f, CHECK, FINISH);
	completes(f, "done", 1);
}

static void what_the_check_itself_writes_is_no_edit(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, PASS);
	worker_calls(f, "write_file", "{\"path\":\"test.sh\",\"content\":\"date > built.txt\\n\"}");
	worker_calls(f, CHECK);
	worker_calls(f, "git_status", "{}");
	worker_calls(f, FINISH);
	completes(f, "done", 0);
}

/* Somebody edits a file of the copy after the check while the last answer is written: nobody reported it. */
static void edited_by_a_person_at_the_end(void **state)
{
	struct fixture *f = *state;
	char path[128];
	scene_worker(f, TOOLS, PASS);
	worker_calls(f, WRITE_PASSING);
	worker_calls(f, CHECK);
	worker_calls(f, FINISH);
	fixture_mode(
		f, "asks", "return function(run) agent { role = 'worker', task = 'x' } ask { name = 'ready' } end");
	scene_play(f, "asks", NULL, "waiting");
	snprintf(path, sizeof(path), "data/copies/%s/test.sh", f->id);
	fixture_file(f, path, "exit 1\n");
	scene_answer(f, "ready", NULL, "yes");
	fixture_until(f, "completed");
	assert_string_equal(scene_last(f, "run.completed", "evidence"), "unchecked");
	scene_replays(f);
}

/* A command that the flow names for one check is not the project's check, neither at once nor after a restart. */
static void a_flows_own_check_holds_once(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, PASS);
	worker_calls(f, WRITE_PASSING);
	worker_calls(f, CHECK);
	worker_calls(f, FINISH);
	fixture_mode(f, "asks",
		"return function(run) agent { role = 'worker', task = 'x' } check { command = 'exit 3' }"
		" ask { name = 'ready' } return check {} end");
	scene_play(f, "asks", NULL, "waiting");
	fixture_close(f);
	fixture_open(f);
	scene_answer(f, "ready", NULL, "yes");
	fixture_until(f, "completed");
	assert_string_equal(scene_last(f, "run.completed", "evidence"), "done");
	scene_replays(f);
}

static void a_check_of_a_folder_is_none_of_the_run(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, RUN);
	worker_calls(f, WRITE_FAILING);
	worker_calls(f, "write_file", "{\"path\":\"part/test.sh\",\"content\":\"exit 0\"}");
	worker_calls(f, "run_tests", "{\"path\":\"part\"}");
	worker_calls(f, FINISH);
	completes(f, "unchecked", 0);
}

static void level_run_accepts_a_failing_check(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, RUN);
	worker_calls(f, WRITE_FAILING);
	worker_calls(f, FINISH);
	worker_calls(f, CHECK);
	worker_calls(f, FINISH);
	completes(f, "failing", 1);
}

static void level_none_needs_nothing(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, "check: none");
	worker_calls(f, WRITE_FAILING);
	worker_calls(f, FINISH);
	completes(f, "unchecked", 0);
}

static void who_changed_nothing_needs_nothing(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, PASS);
	worker_calls(f, "shell", "{\"command\":\"ls\"}");
	worker_calls(f, FINISH);
	completes(f, "unchecked", 0);
}

/* The schema's value as plain text is no way round. */
static void a_result_as_text_needs_evidence_too(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, PASS "\noutput: {type: object, required: [ok], properties: {ok: {type: boolean}}}");
	worker_calls(f, WRITE_PASSING);
	worker_says(f, "{\"ok\":true}");
	worker_calls(f, CHECK);
	worker_says(f, "{\"ok\":true}");
	scene_play(f, "simple", NULL, "completed");
	assert_told(f, "You changed files after the last run");
	assert_int_equal(fixture_count(f, "model.answered"), 4);
	scene_replays(f);
}

static void the_sixth_refusal_ends_the_agent(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, PASS);
	worker_calls(f, WRITE_FAILING);
	for (int i = 0; i < 6; i++)
		worker_calls(f, FINISH, "shell", i % 2 ? "{\"command\":\"echo 1\"}" : "{\"command\":\"echo 2\"}");
	scene_play(f, "simple", NULL, "completed");
	assert_int_equal(refusals(f), 5);
	assert_told(f, "0 ended failed");
	scene_replays(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_new, scene_free)
	const struct CMUnitTest tests[] = {
		TEST(without_any_check),
		TEST(edited_by_a_command_after_the_check),
		TEST(edited_by_a_command_in_the_same_answer),
		TEST(deleted_after_the_check),
		TEST(what_the_check_itself_writes_is_no_edit),
		TEST(edited_by_a_person_at_the_end),
		TEST(a_flows_own_check_holds_once),
		TEST(a_check_of_a_folder_is_none_of_the_run),
		TEST(level_run_accepts_a_failing_check),
		TEST(level_none_needs_nothing),
		TEST(who_changed_nothing_needs_nothing),
		TEST(a_result_as_text_needs_evidence_too),
		TEST(the_sixth_refusal_ends_the_agent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
