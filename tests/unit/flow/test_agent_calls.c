/* What an agent may ask for, and what it is told: form, order, the gate, people. */
#include "scene.h"

#define TOOLS "read_file, write_file, edit_file, shell, note, plan, ask_human, list, wait, finish"
#define FINISH "finish", "{\"result\":\"done\"}"

static void ends_with(struct fixture *f, const char *text)
{
	assert_told(f, text);
	scene_replays(f);
}

static void wrong_calls_are_told_and_repaired(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, "fly", "{}");
	worker_calls(f, "write_file", "{\"path\":\"a\"}");
	worker_calls(f, "write_file", "{\"path\": no json");
	worker_calls(f, "list", "{}");
	worker_calls(f, "run_tests", "{}", "shell", "{\"command\":7}", "list", "{}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "completed");
	assert_told(f, "0 error: there is no tool \"fly\"; you have: read_file, write_file,");
	assert_told(f, "0 error: wrong arguments: ");
	assert_told(f, "content");
	assert_told(f, "0 error: the arguments are no JSON object: {\"path\": no json");
	assert_told(f, "0 error: there is no tool \"run_tests\"");
	ends_with(f, "0 ended done \"done\"");
}

static void the_fourth_malformed_reply_in_a_row_ends_the_agent(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	for (int i = 0; i < 5; i++)
		worker_calls(f, "write_file", "{}");
	scene_play(f, "simple", NULL, "completed");
	assert_int_equal(fixture_count(f, "model.answered"), 4);
	ends_with(f, "0 ended failed  4 replies in a row could not be used");
}

static void three_malformed_replies_are_sent_back(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	for (int round = 0; round < 2; round++) {
		worker_calls(f, "write_file", "{}");
		worker_says(f, "I will now write the file.");
		scene_cut(f, "worker", "I am writ");
		worker_calls(f, "note", "{\"key\":\"k\",\"value\":1}");
	}
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "completed");
	assert_told(f, "0 muster: Your reply has no tool call.");
	assert_told(f, "0 muster: Your reply was cut at the limit of output tokens");
	ends_with(f, "0 ended done");
}

static void only_text_ends_in_failure_after_three(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	for (int i = 0; i < 5; i++)
		worker_says(f, "Thinking aloud.");
	scene_play(f, "simple", NULL, "completed");
	assert_int_equal(fixture_count(f, "model.answered"), 4);
	ends_with(f, "0 ended failed");
}

static void a_role_without_finish_ends_by_text(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, "read_file", NULL);
	worker_says(f, "The answer is 42.");
	scene_play(f, "simple", NULL, "completed");
	ends_with(f, "0 ended done \"The answer is 42.\"");
}

#define OUTPUT                                                                                                         \
	"limits: {turns: 60}\noutput: {type: object, required: [score], additionalProperties: false, "                 \
	"properties: {score: {type: integer, minimum: 1}}}"

static void the_schema_binds_text(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, "read_file", OUTPUT);
	worker_says(f, "no JSON");
	worker_says(f, "{\"score\":0}");
	worker_says(f, "{\"score\":5}");
	scene_play(f, "simple", NULL, "completed");
	assert_told(f, "0 muster: Your reply must be one JSON value of the schema");
	ends_with(f, "0 ended done {\"score\":5}");
}

static void the_schema_binds_finish(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, "read_file, finish", OUTPUT);
	worker_calls(f, "finish", "{\"score\":\"five\"}");
	worker_calls(f, "finish", "{\"score\":1,\"more\":2}");
	worker_calls(f, "finish", "{\"score\":5}");
	scene_play(f, "simple", NULL, "completed");
	assert_told(f, "0 error: the result does not fit: ");
	ends_with(f, "0 ended done {\"score\":5}");
}

static void a_schema_that_is_no_object_is_wrapped(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, "read_file, finish", "output: {type: array, items: {type: string}}");
	worker_calls(f, "finish", "{\"result\":[\"a\",\"b\"]}");
	scene_play(f, "simple", NULL, "completed");
	ends_with(f, "0 ended done [\"a\",\"b\"]");
}

/* seq of the n-th event of a type whose data holds a text */
static int64_t seq_of(struct fixture *f, const char *type, const char *holds, int nth)
{
	struct event ev[64];
	struct err e = ERR_INIT;
	char stream[80];
	int64_t after = 0, found = 0;
	int got;
	snprintf(stream, sizeof(stream), "run/%s", f->id);
	while ((got = store_read(f->store, stream, after, ev, 64, &e)) > 0)
		for (int i = 0; i < got; i++) {
			after = ev[i].seq;
			if (!found && !strcmp(event_kinds[ev[i].type].type, type) &&
				strstr(blob_span(ev[i].data).p, holds) && !nth--)
				found = after;
			event_release(&ev[i]);
		}
	if (!found)
		fail_msg("no %s with %s", type, holds);
	return found;
}

static void reads_run_together_and_the_rest_in_order(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	fixture_file(f, "project/a.txt", "A");
	worker_calls(f, "read_file", "{\"path\":\"a.txt\"}", "list", "{}", "shell",
		"{\"command\":\"sleep 0.1; echo B > a.txt\"}", "read_file", "{\"path\":\"a.txt\"}", "write_file",
		"{\"path\":\"b.txt\",\"content\":\"\"}", FINISH);
	scene_play(f, "simple", NULL, "completed");
	int64_t second_begins = seq_of(f, "tool.started", "c1_2", 0),
		first_ends = seq_of(f, "tool.finished", "c1_1", 0);
	assert_true(second_begins < first_ends);
	assert_true(seq_of(f, "tool.started", "c1_3", 0) > first_ends);
	assert_true(seq_of(f, "tool.started", "c1_3", 0) > seq_of(f, "tool.finished", "c1_2", 0));
	assert_true(seq_of(f, "tool.started", "c1_4", 0) > seq_of(f, "tool.finished", "c1_3", 0));
	assert_true(seq_of(f, "tool.started", "c1_5", 0) > seq_of(f, "tool.finished", "c1_4", 0));
	assert_told(f, "0 ok: A");
	assert_told(f, "0 ok: B");
	ends_with(f, "0 ended done");
}

static void calls_after_an_accepted_finish_are_not_run(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, FINISH, "shell", "{\"command\":\"touch never\"}");
	scene_play(f, "simple", NULL, "completed");
	assert_int_equal(fixture_count(f, "tool.started"), 0);
	ends_with(f, "0 ended done");
}

static void notes_are_kept_read_and_deleted(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, "note", "{\"key\":\"k\",\"value\":{\"a\":[1]}}", "note", "{\"key\":\"t\",\"value\":\"text\"}");
	worker_calls(f, "note", "{\"key\":\"k\"}", "note", "{\"key\":\"t\",\"op\":\"get\"}");
	worker_calls(f, "note", "{\"key\":\"k\",\"op\":\"delete\"}");
	worker_calls(f, "note", "{\"key\":\"k\"}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "completed");
	assert_told(f, "0 ok: {\"a\":[1]}");
	assert_told(f, "0 ok: text");
	assert_told(f, "0 ok: deleted");
	assert_told(f, "0 error: there is no note \"k\"");
	ends_with(f, "0 ended done");
}

static void a_redirected_task_keeps_its_values_or_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	scene_worker(f, TOOLS, NULL);
	fixture_role(f, "expert", "tools: [finish]", "You mend {path}.");
	fixture_role(f, "stranger", "tools: [finish]", "You know {nothing}.");
	fixture_mode(f, "hand",
		"return function(run)\n"
		"  local a = agent { role = 'worker', task = 'the task', vars = { path = 'src/a.c' } }\n"
		"  return a.result\nend\n");
	fixture_file(f, "modes/hand/mode.yaml",
		"id: hand\nname: Hand\ndescription: A test.\nengine: planning\ncategory: test\n"
		"inputs:\n  - {name: task, type: text, label: Task}\nroles: [worker, expert, stranger]\n");
	worker_calls(f, "ask_human", "{\"name\":\"q\",\"title\":\"?\"}");
	scene_says(f, "expert", "", "finish", "{\"result\":\"by the expert\"}", NULL);
	scene_play(f, "hand", NULL, "waiting");
	json_t *command =
		json_pack("{s:s, s:s, s:s, s:s}", "kind", "redirect", "agent", "0", "role", "stranger", "by", "ada");
	assert_int_equal(house_command(f->house, f->id, command, 0, &e), -1);
	json_decref(command);
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.text, "{nothing}"));
	fixture_command(f, "{\"kind\":\"redirect\",\"agent\":\"0\",\"role\":\"expert\",\"by\":\"ada\"}");
	fixture_until(f, "completed");
	assert_told(f, "1 ended done \"by the expert\"");
	scene_replays(f);
}

/* ---- the gate ---- */

#define ASKS "{\"policy\":[{\"ask\":\"shell(*)\"},{\"deny\":\"write_file(secret*)\"}]}"

static void a_person_approves_or_denies(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, "shell", "{\"command\":\"echo one > one.txt\"}");
	worker_calls(f, "shell", "{\"command\":\"echo two > two.txt\"}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", ASKS, "waiting");
	assert_int_equal(fixture_count(f, "tool.started"), 0);
	assert_int_equal(strlen(scene_last(f, "action.opened", "call_hash")), 64);
	assert_null(fixture_copy_file(f, "one.txt"));
	fixture_close(f); /* the wait survives */
	fixture_open(f);
	scene_answer(f, "approval", "approve", NULL);
	fixture_until(f, "waiting");
	char *text = fixture_copy_file(f, "one.txt");
	assert_string_equal(text, "one\n");
	mem_free(text);
	scene_answer(f, "approval", "deny", "not this way");
	fixture_until(f, "completed");
	assert_null(fixture_copy_file(f, "two.txt"));
	assert_told(f, "0 denied: a person refused it");
	ends_with(f, "0 ended done");
}

static void large_reports_join_together(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	fixture_mode(f, "reports",
		"return function(run)\n"
		"  local id = start { role = 'worker', task = 'collect' }\n"
		"  for n = 1, 3 do tell(id, n .. string.rep('r', 500000)) end\n"
		"  return await(id).result\nend\n");
	worker_calls(f, FINISH);
	scene_play(f, "reports", NULL, "completed");
	assert_told(f, "0 flow: 3rrr");
	scene_replays(f);
}

/* What the person is shown of it is cut; not within a character, which no journal takes. */
static void an_approval_may_be_about_a_long_text(void **state)
{
	struct fixture *f = *state;
	for (size_t before = 0; before < 3; before++) { /* a character of three bytes is cut in each way */
		struct buf args = BUF_INIT(1 << 16);
		buf_addf(&args, "{\"command\":\"%.*s", (int)before, "::");
		for (int i = 0; i < 1000; i++)
			buf_adds(&args, "€");
		buf_adds(&args, "\"}");
		worker_calls(f, "shell", args.data);
		buf_release(&args);
	}
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, FINISH);
	scene_play(f, "simple", ASKS, "waiting");
	for (int i = 0; i < 3; i++) {
		assert_non_null(strstr(scene_last(f, "action.opened", "body"), "€€"));
		scene_answer(f, "approval", "deny", NULL);
		fixture_until(f, i < 2 ? "waiting" : "completed");
	}
	scene_replays(f);
}

static void policy_denies_without_a_person(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, "write_file", "{\"path\":\"secret.txt\",\"content\":\"x\"}", "write_file",
		"{\"path\":\"open.txt\",\"content\":\"x\"}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", ASKS, "completed");
	assert_null(fixture_copy_file(f, "secret.txt"));
	assert_int_equal(fixture_count(f, "tool.denied"), 1);
	assert_int_equal(fixture_count(f, "action.opened"), 0);
	ends_with(f, "0 ended done");
}

/* The path that policy sees is the one that is written. */
static void a_path_in_disguise_does_not_pass_the_policy(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, "write_file", "{\"path\":\"./secret.txt\",\"content\":\"x\"}");
	worker_calls(f, "write_file", "{\"path\":\"././secret.txt\",\"content\":\"x\"}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", ASKS, "completed");
	assert_null(fixture_copy_file(f, "secret.txt"));
	assert_int_equal(fixture_count(f, "tool.denied"), 2);
	scene_replays(f);
}

static void unattended_runs_may_deny_what_would_ask(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, "shell", "{\"command\":\"touch never\"}");
	worker_calls(f, FINISH);
	scene_play(f, "simple",
		"{\"unattended\":true,\"settings\":{\"approvals\":\"deny\"},\"policy\":[{\"ask\":\"shell(*)\"}]}",
		"completed");
	assert_int_equal(fixture_count(f, "tool.denied"), 1);
	assert_int_equal(fixture_count(f, "action.opened"), 0);
	ends_with(f, "0 ended done");
}

static void a_question_waits_for_its_answer(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, "ask_human", "{\"name\":\"storage\",\"title\":\"Where?\",\"options\":[\"file\",\"database\"]}",
		"list", "{}");
	worker_calls(f, "ask_human", "{\"name\":\"more\",\"title\":\"What else?\"}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "waiting");
	scene_answer(f, "storage", "database", "sqlite please");
	fixture_until(f, "waiting");
	assert_told(f, "{\"option\":\"database\",\"text\":\"sqlite please\"}");
	scene_answer(f, "more", NULL, "nothing");
	fixture_until(f, "completed");
	ends_with(f, "0 ended done");
}

static void a_steer_joins_between_turns(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, "ask_human", "{\"name\":\"q\",\"title\":\"?\"}", "list", "{}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "waiting");
	fixture_command(f, "{\"kind\":\"steer\",\"agent\":\"0\",\"text\":\"be brief\",\"by\":\"ada\"}");
	fixture_command(f, "{\"kind\":\"steer\",\"agent\":\"0\",\"text\":\"and kind\",\"by\":\"ada\"}");
	assert_not_told(f, "be brief");
	scene_answer(f, "q", NULL, "yes");
	fixture_until(f, "completed");
	assert_told(f, "0 person: be brief\n0 person: and kind\n0 call finish");
	scene_replays(f);
}

static void waiting_for_nobody_is_refused(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, "wait", "{}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "completed");
	assert_told(f, "0 error: nobody is at work below you");
	ends_with(f, "0 ended done");
}

static void the_limit_of_turns_ends_the_agent(void **state)
{
	struct fixture *f = *state;
	char name[64];
	scene_worker(f, TOOLS, "limits: {turns: 3}");
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "{\"path\":\"f%d\",\"content\":\"\"}", i);
		worker_calls(f, "write_file", name);
	}
	scene_play(f, "simple", NULL, "completed");
	assert_int_equal(fixture_count(f, "model.answered"), 3);
	ends_with(f, "0 ended failed  the agent used all of its 3 turns");
}

static void sizes_are_bounded(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	size_t n = 1500000;
	char *args = mem_alloc(n + 64), *p = args + sprintf(args, "{\"key\":\"k\",\"value\":\"");
	memset(p, 'x', n);
	strcpy(p + n, "\"}");
	worker_calls(f, "note", args);
	worker_calls(f, FINISH);
	mem_free(args);
	scene_play(f, "simple", NULL, "completed");
	ends_with(f, "0 ended done");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_new, scene_free)
	const struct CMUnitTest tests[] = {
		TEST(wrong_calls_are_told_and_repaired),
		TEST(the_fourth_malformed_reply_in_a_row_ends_the_agent),
		TEST(three_malformed_replies_are_sent_back),
		TEST(only_text_ends_in_failure_after_three),
		TEST(a_role_without_finish_ends_by_text),
		TEST(the_schema_binds_text),
		TEST(the_schema_binds_finish),
		TEST(a_schema_that_is_no_object_is_wrapped),
		TEST(reads_run_together_and_the_rest_in_order),
		TEST(calls_after_an_accepted_finish_are_not_run),
		TEST(notes_are_kept_read_and_deleted),
		TEST(a_person_approves_or_denies),
		TEST(large_reports_join_together),
		TEST(a_redirected_task_keeps_its_values_or_is_refused),
		TEST(an_approval_may_be_about_a_long_text),
		TEST(policy_denies_without_a_person),
		TEST(a_path_in_disguise_does_not_pass_the_policy),
		TEST(unattended_runs_may_deny_what_would_ask),
		TEST(a_question_waits_for_its_answer),
		TEST(a_steer_joins_between_turns),
		TEST(waiting_for_nobody_is_refused),
		TEST(the_limit_of_turns_ends_the_agent),
		TEST(sizes_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
