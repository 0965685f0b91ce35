/* A run from its request to its end, and back: what a person relies on. */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

#define WORKER "tools: [read_file, write_file, edit_file, shell, run_tests, ask_human, finish]\nlimits: {turns: 30}"
#define CALL(name, args)                                                                                               \
	"{\"match\":{\"role\":\"worker\"},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"" name                  \
	"\",\"arguments\":" args "}]}}"

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	fixture_init(f);
	fixture_role(f, "worker", WORKER, "You work.");
	fixture_mode(f, "simple",
		"return function(run)\n  local a = agent { role = 'worker', task = 'do it' }\n  return "
		"a.result\nend\n");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

static void simple_script(struct fixture *f)
{
	fixture_line(f, CALL("write_file", "{\"path\":\"a.txt\",\"content\":\"hello\\n\"}"));
	fixture_line(f, CALL("shell", "{\"command\":\"cat a.txt > b.txt; cat b.txt\"}"));
	fixture_line(f, CALL("finish", "{\"result\":\"done\"}"));
}

static void an_agent_writes_runs_and_finishes(void **state)
{
	struct fixture *f = *state;
	simple_script(f);
	fixture_open(f);
	fixture_start(f, "simple", NULL);
	fixture_until(f, "completed");
	json_t *end = fixture_last(f, "run.completed");
	assert_string_equal(json_str(end, "result"), "done");
	assert_string_equal(json_str(end, "evidence"), "unchecked");
	json_decref(end);
	char *text = fixture_copy_file(f, "b.txt");
	assert_string_equal(text, "hello\n");
	mem_free(text);
	struct err e = ERR_INIT;
	struct store_verified v;
	must(store_verify(f->store, NULL, &v, &e), &e);
}

static void a_replay_matches_every_event(void **state)
{
	struct fixture *f = *state;
	simple_script(f);
	fixture_open(f);
	fixture_start(f, "simple", NULL);
	fixture_until(f, "completed");
	struct err e = ERR_INIT;
	char stream[80];
	snprintf(stream, sizeof(stream), "run/%s", f->id);
	int64_t matched = run_replay(f->house, f->id, &e);
	if (matched < 0)
		fail_msg("%s", e.text);
	assert_int_equal(matched, store_head(f->store, stream, &e));
}

static void a_reopened_run_goes_on(void **state)
{
	struct fixture *f = *state;
	fixture_mode(f, "asks",
		"return function(run)\n local x = ask { name = 'colour', title = 'Which?', options = { 'red', 'blue' } "
		"}\n"
		" write('colour.txt', x.option)\n return x.option\nend\n");
	fixture_open(f);
	fixture_start(f, "asks", NULL);
	fixture_until(f, "waiting");
	fixture_close(f);
	fixture_open(f);
	fixture_command(f, "{\"kind\":\"answer\",\"action\":\"a1\",\"option\":\"blue\",\"by\":\"ada\"}");
	fixture_until(f, "completed");
	char *text = fixture_copy_file(f, "colour.txt");
	assert_string_equal(text, "blue");
	mem_free(text);
	struct err e = ERR_INIT;
	if (run_replay(f->house, f->id, &e) < 0)
		fail_msg("%s", e.text);
}

static void branches_and_handlers_run_together(void **state)
{
	struct fixture *f = *state;
	fixture_mode(f, "team",
		"return function(run)\n"
		"  local log = {}\n"
		"  local out = parallel({ 'x', 'y', 'z' }, function(name)\n"
		"    local a = agent { role = 'worker', name = name, task = name, on = {\n"
		"      shout = { summary = 's', schema = { type = 'object', properties = {} }, run = function(args, "
		"info)\n"
		"        sleep(0.01)\n"
		"        return 'heard ' .. name\n"
		"      end } } }\n"
		"    return a.result\n"
		"  end)\n"
		"  return out\n"
		"end\n");
	for (int i = 0; i < 3; i++)
		fixture_line(f, CALL("shout", "{}"));
	for (int i = 0; i < 3; i++)
		fixture_line(f, CALL("finish", "{\"result\":\"ok\"}"));
	fixture_open(f);
	fixture_start(f, "team", NULL);
	fixture_until(f, "completed");
	assert_int_equal(fixture_count(f, "agent.finished"), 3);
	struct err e = ERR_INIT;
	if (run_replay(f->house, f->id, &e) < 0)
		fail_msg("%s", e.text);
}

static void a_person_pauses_steers_and_cancels(void **state)
{
	struct fixture *f = *state;
	fixture_mode(f, "asks",
		"return function(run)\n local a = agent { role = 'worker', task = 'x' }\n return a.result\nend\n");
	fixture_line(f, CALL("ask_human", "{\"name\":\"q\",\"title\":\"?\"}"));
	fixture_line(f, CALL("finish", "{\"result\":\"steered\"}"));
	fixture_open(f);
	fixture_start(f, "asks", NULL);
	fixture_until(f, "waiting");
	fixture_command(f, "{\"kind\":\"pause\",\"by\":\"ada\"}");
	fixture_until(f, "paused");
	fixture_command(f, "{\"kind\":\"steer\",\"agent\":\"0\",\"text\":\"be quick\",\"by\":\"ada\"}");
	fixture_command(f, "{\"kind\":\"resume\",\"by\":\"ada\"}");
	fixture_command(f, "{\"kind\":\"answer\",\"action\":\"a1\",\"text\":\"fine\",\"by\":\"ada\"}");
	fixture_until(f, "completed");
	json_t *said = fixture_last(f, "message.added");
	assert_string_equal(json_str(said, "from"), "person");
	json_decref(said);
	struct err e = ERR_INIT;
	if (run_replay(f->house, f->id, &e) < 0)
		fail_msg("%s", e.text);
}

static void a_fork_has_files_and_conversation(void **state)
{
	struct fixture *f = *state;
	simple_script(f);
	simple_script(f);
	fixture_open(f);
	fixture_start(f, "simple", NULL);
	fixture_until(f, "completed");
	struct err e = ERR_INIT;
	char fork_id[ID_TEXT];
	int64_t quiet;
	json_t *snapshot = fixture_last(f, "snapshot.taken");
	json_decref(snapshot);
	must(house_fork(f->house, f->id, 12, fork_id, &quiet, &e), &e);
	assert_true(quiet <= 12);
	snprintf(f->id, sizeof(f->id), "%s", fork_id);
	fixture_until(f, "paused");
	char *text = fixture_copy_file(f, "a.txt");
	assert_non_null(text);
	mem_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_agent_writes_runs_and_finishes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_replay_matches_every_event, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reopened_run_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(branches_and_handlers_run_together, setup, teardown),
		cmocka_unit_test_setup_teardown(a_person_pauses_steers_and_cancels, setup, teardown),
		cmocka_unit_test_setup_teardown(a_fork_has_files_and_conversation, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
