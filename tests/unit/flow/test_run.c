/* A run from its request to its end, and back: what a person relies on. */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

#include "flow/house_private.h"

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

static void a_sleep_without_end_waits(void **state)
{
	struct fixture *f = *state;
	fixture_mode(f, "sleeps", "return function(run) sleep(1e300) end");
	fixture_open(f);
	fixture_start(f, "sleeps", NULL);
	assert_string_equal(run_waits_on(fixture_until(f, "waiting")), "timer");
}

static void options_may_be_numbers(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	fixture_mode(f, "asks",
		"return function(run)\n local x = ask { name = 'n', title = 'How many?', options = { 1, 2 } }\n"
		" return x.option\nend\n");
	fixture_open(f);
	fixture_start(f, "asks", NULL);
	fixture_until(f, "waiting");
	cleanup_json json_t *none =
		json_pack("{s:s, s:s, s:s, s:s}", "kind", "answer", "action", "a1", "option", "3", "by", "ada");
	assert_int_equal(house_command(f->house, f->id, none, 0, &e), -1);
	assert_non_null(strstr(e.text, "it has: 1, 2"));
	fixture_command(f, "{\"kind\":\"answer\",\"action\":\"a1\",\"option\":\"2\",\"by\":\"ada\"}");
	fixture_until(f, "completed");
	json_t *end = fixture_last(f, "run.completed");
	assert_string_equal(json_str(end, "result"), "2");
	json_decref(end);
}

static void a_command_of_the_flow_has_its_folder(void **state)
{
	struct fixture *f = *state;
	fixture_mode(f, "inside",
		"return function(run)\n write('sub/a.txt', 'a')\n"
		" return exec { command = 'ls', cwd = 'sub' }.output\nend\n");
	fixture_gives(f, "inside", "a.txt\n[exit status 0]");
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

/* What was left for a run while nobody worked on it is looked at once, also when it does not fit any more. */
static void a_command_that_is_refused_does_not_come_back(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	fixture_mode(f, "asks", "return function(run) return ask { name = 'q' } end");
	fixture_open(f);
	fixture_start(f, "asks", NULL);
	fixture_until(f, "waiting");
	cleanup_json json_t *unfit = json_pack("{s:s, s:s, s:s}", "kind", "answer", "action", "a7", "text", "late");
	must(store_command(f->store, "c1", "run/x", unfit, &e), &e);
	cleanup_json json_t *rows = store_commands(f->store, NULL, &e);
	assert_int_equal(json_array_size(rows), 1);
	int64_t n = json_int(json_array_get(rows, 0), "n", 0);
	assert_int_equal(house_command(f->house, f->id, unfit, n, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	fixture_command(f, "{\"kind\":\"answer\",\"action\":\"a1\",\"text\":\"fine\",\"by\":\"ada\"}");
	fixture_until(f, "completed");
	cleanup_json json_t *left = store_commands(f->store, NULL, &e);
	assert_int_equal(json_array_size(left), 0);
}

/* Also of a run that makes no further event of its own. */
static void a_command_that_comes_too_late_does_not_come_back(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	fixture_mode(f, "brief", "return function(run) return 1 end");
	fixture_open(f);
	fixture_start(f, "brief", NULL);
	fixture_until(f, "completed");
	cleanup_json json_t *late = json_pack("{s:s, s:s}", "kind", "pause", "by", "ada");
	must(store_command(f->store, "c1", "run/x", late, &e), &e);
	cleanup_json json_t *rows = store_commands(f->store, NULL, &e);
	assert_int_equal(house_command(f->house, f->id, late, json_int(json_array_get(rows, 0), "n", 0), &e), -1);
	size_t left = 1;
	for (int i = 0; i < 1000 && left; i++) {
		loop_turn(f->loop, 10);
		cleanup_json json_t *open = store_commands(f->store, NULL, &e);
		left = json_array_size(open);
	}
	assert_int_equal(left, 0);
}

/* A flow that says or returns too much is told so; the journal never holds more than it can. */
static void what_a_flow_says_has_a_size(void **state)
{
	struct fixture *f = *state;
	fixture_mode(f, "loud",
		"return function(run)\n"
		"  local big = string.rep('x', 1100000)\n"
		"  local ok, why = pcall(say, big)\n"
		"  local ok2, why2 = pcall(plan, { { id = '1', title = big } })\n"
		"  assert(not ok and not ok2 and why2.code == 'too_large', 'accepted')\n"
		"  say(why.message)\n"
		"  return big\n"
		"end");
	fixture_open(f);
	fixture_start(f, "loud", NULL);
	struct run *r = fixture_until(f, "failed");
	assert_int_equal(run_error(r)->code, ERR_TOO_LARGE);
	assert_non_null(strstr(run_error(r)->text, "the flow's result"));
	json_t *said = fixture_last(f, "flow.said");
	assert_non_null(strstr(json_str(said, "text"), "say: 11000"));
	json_decref(said);
}

static int broken_shell(void *ctx, const char *line, const char *dir, struct buf *out, int *status)
{
	(void)ctx, (void)line, (void)dir, (void)out, (void)status;
	return -1;
}

/* The machine could not start a program: no failure of the flow, which goes on when the machine can. */
static void trouble_of_the_machine_is_no_failure_of_the_flow(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	fixture_mode(f, "runs", "return function(run) return exec { command = 'echo hi' }.exit end");
	fixture_open(f);
	f->house->exec = broken_shell;
	fixture_start(f, "runs", NULL);
	for (int i = 0;
		i < 1000 && (!house_run(f->house, f->id) || run_broken(house_run(f->house, f->id))->code == ERR_OK);
		i++)
		loop_turn(f->loop, 10);
	assert_int_equal(run_broken(house_run(f->house, f->id))->code, ERR_SPAWN);
	fixture_close(f);
	fixture_open(f);
	must(house_resume(f->house, f->id, &e), &e);
	fixture_until(f, "completed");
	assert_int_equal(fixture_count(f, "run.failed"), 0);
}

/* A mode that calls another: its flow, roles, libraries and inputs are its own; files, agents and budget the run's. */
static void calling_modes(struct fixture *f, const char *outer, const char *inner)
{
	static const char *const head = "name: x\ndescription: x\nengine: planning\nroles: [worker]\n";
	char text[1024];
	fixture_mode(f, "inner", inner); /* makes the folders */
	fixture_mode(f, "outer", outer);
	snprintf(text, sizeof(text), "id: outer\n%scalls: [inner]\n", head);
	fixture_file(f, "modes/outer/mode.yaml", text);
	snprintf(text, sizeof(text),
		"id: inner\n%ssettings: {tone: calm}\ninputs:\n  - {name: what, type: text, required: true}\n"
		"  - {name: times, type: number, default: 2}\n",
		head);
	fixture_file(f, "modes/inner/mode.yaml", text);
	fixture_file(f, "modes/inner/lib/words.lua", "return { of = function(s) return s .. '!' end }");
	fixture_file(f, "modes/inner/roles/worker.md",
		"---\nid: worker\nname: Inner\nclass: strong\ntools: [write_file, finish]\n---\nYou are the inner "
		"one.");
}

static void a_mode_calls_another(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	calling_modes(f,
		"return function(run)\n"
		"  local parts = parallel({ 'a', 'b' }, function(name) return call('inner', { what = name }, { tone = "
		"name }) end)\n"
		"  local ok, why = pcall(call, 'inner', { whom = 1 })\n"
		"  local ok2, why2 = pcall(call, 'other', {})\n"
		"  local ok3, why3 = pcall(call, 'inner', { what = 'fail' })\n"
		"  assert(not ok and not ok2 and not ok3)\n"
		"  log(why.message) log(why2.message) log(why3.message)\n"
		"  return parts\n"
		"end",
		"local words = require 'words'\n"
		"return function(run)\n"
		"  if run.inputs.what == 'fail' then error('no such luck') end\n"
		"  if not run.state then continue_as { n = run.inputs.times } end\n"
		"  write(run.inputs.what .. '.txt', words.of(run.settings.tone))\n"
		"  background(function() ask { name = 'never answered' } end)\n"
		"  local left = start { role = 'worker', task = 'left alone' }\n"
		"  stop(left)\n"
		"  local answer = ask { name = 'go ' .. run.inputs.what }\n"
		"  local work = agent { role = 'worker', task = 'x', on = { finish = function() log('handled') return "
		"true end } }\n"
		"  return { n = run.state.n, said = answer.text, result = work.result, empty = exists(run.inputs.what "
		".. '.txt') }\n"
		"end");
	for (int i = 0; i < 4; i++)
		fixture_line(f, CALL("finish", "{\"result\":\"inner is done\"}"));
	fixture_open(f);
	fixture_start(f, "outer", NULL);
	fixture_until(f, "waiting");
	fixture_close(f); /* and the same after a restart */
	fixture_open(f);
	must(house_resume(f->house, f->id, &e), &e);
	fixture_until(f, "waiting");
	cleanup_json json_t *filter = json_pack("{s:s, s:s}", "run", f->id, "state", "open");
	cleanup_json json_t *open = store_actions(f->store, filter, 100, &e);
	assert_int_equal(json_array_size(open), 4);
	for (size_t i = 0; i < 4; i++) {
		const json_t *a = json_array_get(open, i);
		char command[256];
		snprintf(command, sizeof(command),
			"{\"kind\":\"answer\",\"action\":\"%s\",\"text\":\"yes\",\"by\":\"ada\"}",
			json_str(a, "action"));
		if (!strncmp(json_str(a, "name"), "go ", 3))
			fixture_command(f, command);
	}
	fixture_until(f, "completed");
	json_t *end = fixture_last(f, "run.completed");
	cleanup_free char *result = json_text(json_get(end, "result"));
	assert_string_equal(result, "[{\"empty\":\"file\",\"n\":2,\"result\":\"inner is done\",\"said\":\"yes\"},"
				    "{\"empty\":\"file\",\"n\":2,\"result\":\"inner is done\",\"said\":\"yes\"}]");
	json_decref(end);
	cleanup_free char *a = fixture_copy_file(f, "a.txt"), *journal = fixture_journal(f);
	assert_string_equal(a, "a!");
	assert_non_null(strstr(journal, "there is no input") ? journal : strstr(journal, "has no input \\\"whom\\\""));
	assert_non_null(strstr(journal, "does not name \\\"other\\\""));
	assert_non_null(strstr(journal, "no such luck"));
	assert_int_equal(fixture_count(f, "action.closed"), 2); /* what nobody answered was given up with its mode */
	if (run_replay(f->house, f->id, &e) < 0)
		fail_msg("%s", e.text);
}

/* What a called mode leaves when it returns, and what a segment leaves when the next one begins: nothing of it can hold
 * the run up, now or after a restart. */
static void what_is_left_behind_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	calling_modes(f,
		"return function(run)\n"
		"  if not run.state then\n"
		"    parallel {\n"
		"      function() call('inner', { what = 'asks' }) end,\n"
		"      function() waitfor 'never' end,\n"
		"      function() exec { command = 'sleep 0.3' } end,\n"
		"      function() sleep(1) continue_as { second = true } end }\n"
		"  end\n"
		"  local out = {}\n"
		"  for _, what in ipairs { 'logs', 'agent', 'deep', 'waits', 'awaits' } do\n"
		"    out[#out + 1] = call('inner', { what = what })\n"
		"  end\n"
		"  signal('stop', 'mine')\n"
		"  out[#out + 1] = waitfor 'stop'\n"
		"  pcall(branch, { name = 'one' })\n"
		"  local ok, why = pcall(branch, { name = 'one' })\n"
		"  out[#out + 1] = not ok and why.code\n"
		"  if run.state.second == true then continue_as { second = 'done' } end\n"
		"  return out\n"
		"end",
		"return function(run)\n"
		"  local what = run.inputs.what\n"
		"  if what == 'asks' then ask { name = 'q' }\n"
		"  elseif what == 'logs' then background(function() log 'x' log 'y' write('late.txt', 'x') end)\n"
		"  elseif what == 'agent' then background(function() agent { role = 'worker', task = 'x' } end) "
		"sleep(0.01)\n"
		"  elseif what == 'deep' then background(function() call('innermost', {}) end) sleep(0.01)\n"
		"  elseif what == 'waits' then background(function() waitfor 'stop' end)\n"
		"  elseif what == 'awaits' then\n"
		"    local id = start { role = 'worker', task = 'y' }\n"
		"    background(function() await(id) end)\n"
		"  end\n"
		"  return what\n"
		"end");
	fixture_file(f, "modes/inner/mode.yaml",
		"id: inner\nname: x\ndescription: x\nengine: planning\nroles: [worker]\ncalls: [innermost]\ninputs:\n"
		"  - {name: what, type: text}\n");
	fixture_file(f, "modes/innermost/mode.yaml",
		"id: innermost\nname: x\ndescription: x\nengine: planning\nroles: [worker]\n");
	fixture_file(f, "modes/innermost/flow.lua",
		"return function(run) agent { role = 'worker', task = 'deep' } ask { name = 'deepest' } return 1 end");
	for (int i = 0; i < 20; i++)
		fixture_line(f, CALL("ask_human", "{\"name\":\"never\",\"title\":\"?\"}"));
	fixture_open(f);
	fixture_start(f, "outer", NULL);
	struct run *r = fixture_until(f, "completed");
	(void)r;
	json_t *end = fixture_last(f, "run.completed");
	cleanup_free char *result = json_text(json_get(end, "result"));
	assert_string_equal(result, "[\"logs\",\"agent\",\"deep\",\"waits\",\"awaits\",\"mine\",\"conflict\"]");
	json_decref(end);
	cleanup_json json_t *filter = json_pack("{s:s, s:s}", "run", f->id, "state", "open");
	cleanup_json json_t *open = store_actions(f->store, filter, 100, &e);
	assert_int_equal(json_array_size(open), 0);
	if (run_replay(f->house, f->id, &e) < 0)
		fail_msg("%s", e.text);
}

/* Who takes a started agent's task over has its handlers. */
static void a_redirected_agent_has_its_handlers(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	fixture_mode(f, "hands_over",
		"return function(run)\n"
		"  local id = start { role = 'worker', task = 'x', on = { finish = function() signal('heard', 1) end } "
		"}\n"
		"  background(function() await(id) end)\n"
		"  return waitfor 'heard'\n"
		"end");
	fixture_line(f, CALL("ask_human", "{\"name\":\"q\",\"title\":\"?\"}"));
	fixture_line(f, CALL("finish", "{\"result\":\"r\"}"));
	fixture_open(f);
	fixture_start(f, "hands_over", NULL);
	fixture_until(f, "waiting");
	fixture_command(f, "{\"kind\":\"redirect\",\"agent\":\"0\",\"role\":\"worker\",\"by\":\"ada\"}");
	fixture_until(f, "completed");
	if (run_replay(f->house, f->id, &e) < 0)
		fail_msg("%s", e.text);
}

/* Branches that nobody waits for: what they are about when the flow returns is done, what they wait for is given up. */
static void what_the_flow_leaves_behind_ends_before_the_run(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	fixture_mode(f, "leaves",
		"return function(run)\n"
		"  background(function() agent { role = 'worker', task = 'x' } artifact { name = 'a', type = 'text', "
		"content = 'x' } end)\n"
		"  background(function() ask { name = 'q' } write('late.txt', 'x') end)\n"
		"  background(function() sleep(0.001) write('late.txt', 'x') end)\n"
		"  return 1\n"
		"end");
	fixture_open(f);
	fixture_start(f, "leaves", NULL);
	fixture_until(f, "completed");
	cleanup_json json_t *last = fixture_last(f, "artifact.added");
	assert_string_equal(json_str(last, "name"), "a");
	cleanup_json json_t *which = json_pack("{s:s}", "state", "open");
	cleanup_json json_t *open = store_actions(f->store, which, -1, &e);
	assert_int_equal(json_array_size(open), 0);
	must(run_replay(f->house, f->id, &e) < 0, &e);
}

static void a_mode_never_calls_itself(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char id[ID_TEXT];
	calling_modes(f, "return function(run) end", "return function(run) end");
	fixture_file(
		f, "modes/inner/mode.yaml", "id: inner\nname: x\ndescription: x\nengine: planning\ncalls: [outer]\n");
	fixture_open(f);
	char project[128];
	snprintf(project, sizeof(project), "%s/project", f->root);
	cleanup_json json_t *q = json_pack("{s:s, s:s, s:{}}", "mode", "outer", "project", project, "inputs");
	assert_int_equal(house_create(f->house, q, id, &e), -1);
	assert_non_null(strstr(e.text, "the mode outer would call itself"));
}

static void a_cancelled_run_cancels_the_modes_it_called(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	calling_modes(f, "return function(run) return call('inner', { what = 'x' }) end",
		"return function(run) local ok = pcall(ask, { name = 'q' }) log('tidied up') end");
	fixture_open(f);
	fixture_start(f, "outer", NULL);
	fixture_until(f, "waiting");
	fixture_command(f, "{\"kind\":\"cancel\",\"by\":\"ada\"}");
	fixture_until(f, "cancelled");
	json_t *said = fixture_last(f, "flow.log");
	assert_string_equal(json_str(said, "text"), "tidied up");
	json_decref(said);
	if (run_replay(f->house, f->id, &e) < 0)
		fail_msg("%s", e.text);
}

static void many_questions_at_once_are_all_in_the_inbox(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	fixture_mode(f, "curious",
		"return function(run)\n"
		"  local asked = {}\n"
		"  for i = 1, 60 do asked[i] = function() ask { name = 'q' .. i, title = 'Question ' .. i } end end\n"
		"  parallel(asked)\n"
		"end");
	fixture_open(f);
	fixture_start(f, "curious", NULL);
	fixture_until(f, "waiting");
	cleanup_json json_t *row = store_run(f->store, f->id, &e);
	char stream[EVENT_STREAM_MAX];
	snprintf(stream, sizeof(stream), "project/%s", json_str(row, "project"));
	struct event events[128];
	int n = store_read(f->store, stream, 0, events, 128, &e), referred = 0;
	for (int i = 0; i < n; i++) {
		referred += events[i].type == EVENT_ACTION_STATE;
		event_release(&events[i]);
	}
	assert_int_equal(referred, 60);
}

/* What the run has written before a branch begins is committed for it; then both go on, and are merged. */
static void a_branch_begins_with_what_is_there(void **state)
{
	struct fixture *f = *state;
	fixture_mode(f, "sides",
		"return function(run)\n"
		"  write('a.txt', 'a')\n"
		"  branch { name = 'side' }\n"
		"  write('b.txt', 'b')\n"
		"  local m = merge { branch = 'side' }\n"
		"  commit { message = 'end' }\n"
		"  return { m.merged, read 'a.txt', read 'b.txt' }\n"
		"end");
	fixture_open(f);
	fixture_start(f, "sides", NULL);
	fixture_until(f, "completed");
	json_t *end = fixture_last(f, "run.completed");
	cleanup_free char *result = json_text(json_get(end, "result"));
	assert_string_equal(result, "[true,\"a\",\"b\"]");
	json_decref(end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_agent_writes_runs_and_finishes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_replay_matches_every_event, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reopened_run_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(branches_and_handlers_run_together, setup, teardown),
		cmocka_unit_test_setup_teardown(a_person_pauses_steers_and_cancels, setup, teardown),
		cmocka_unit_test_setup_teardown(a_command_that_is_refused_does_not_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_command_that_comes_too_late_does_not_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_flow_says_has_a_size, setup, teardown),
		cmocka_unit_test_setup_teardown(trouble_of_the_machine_is_no_failure_of_the_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(a_mode_calls_another, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_left_behind_is_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(a_redirected_agent_has_its_handlers, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_flow_leaves_behind_ends_before_the_run, setup, teardown),
		cmocka_unit_test_setup_teardown(a_mode_never_calls_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cancelled_run_cancels_the_modes_it_called, setup, teardown),
		cmocka_unit_test_setup_teardown(many_questions_at_once_are_all_in_the_inbox, setup, teardown),
		cmocka_unit_test_setup_teardown(a_branch_begins_with_what_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sleep_without_end_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(options_may_be_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(a_command_of_the_flow_has_its_folder, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
