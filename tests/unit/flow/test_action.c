/* What becomes of actions that nobody answers: decided in time, the same in a replay, never approved. */
#include "flow/house_private.h"
#include "scene.h"

#define ASKS "{\"policy\":[{\"ask\":\"shell(*)\"}],\"settings\":{\"answer_seconds\":3600}}"

static void asks(struct fixture *f, const char *flow)
{
	scene_worker(f, "finish", NULL);
	fixture_mode(f, "asks", flow);
}

/* Until the run has left memory for good, or is out of it and only waits for people without end. */
static void play_on(struct fixture *f)
{
	for (int i = 0; i < 3000 && (house_run(f->house, f->id) || map_count(&f->house->sleeping)); i++)
		loop_turn(f->loop, -1);
	assert_null(house_run(f->house, f->id));
	for (int i = 0; i < 3000 && f->house->open_count; i++)
		loop_turn(f->loop, -1);
}

static void play(struct fixture *f, const char *mode, const char *request)
{
	f->simulated = f->passivate = true;
	fixture_open(f);
	fixture_start(f, mode, request);
	play_on(f);
}

static void a_question_is_decided_as_its_flow_says(void **state)
{
	struct fixture *f = *state;
	asks(f, "return function(run)\n"
		"  local a = ask { name = 'a', options = { 'yes', 'no' }, expires = 3600, otherwise = 'no' }\n"
		"  local b = ask { name = 'b', expires = 3600, otherwise = 'as you like' }\n"
		"  local c = gate { name = 'c', expires = 3600, otherwise = 'revise' }\n"
		"  return table.concat({ a.option, a.by, tostring(a.expired), b.text, tostring(c.approved), c.reason "
		"}, "
		"'|')\n"
		"end\n");
	play(f, "asks", NULL);
	assert_string_equal(
		scene_last(f, "run.completed", "result"), "no|system|true|as you like|false|nobody answered in time");
	assert_int_equal(fixture_count(f, "action.resolved"), 3);
	scene_replays(f);
}

static void without_a_word_of_the_flow_the_call_fails(void **state)
{
	struct fixture *f = *state;
	asks(f, "return function(run)\n"
		"  local _, a = pcall(ask, { name = 'a', options = { 'yes', 'no' }, expires = 3600 })\n"
		"  local _, b = pcall(gate, { name = 'b', expires = 3600 })\n"
		"  return a.code .. ': ' .. a.message .. '; ' .. b.message\n"
		"end\n");
	play(f, "asks", NULL);
	assert_string_equal(scene_last(f, "run.completed", "result"),
		"timeout: nobody answered the question \"a\" in time; nobody answered the gate \"b\" in time");
	scene_replays(f);
}

static void what_a_flow_may_say_of_it(void **state)
{
	struct fixture *f = *state;
	asks(f, "local function why(call, args) local _, e = pcall(call, args) return e.message end\n"
		"return function(run)\n"
		"  return table.concat({ why(gate, { name = 'a', expires = 1, otherwise = 'approve' }),\n"
		"    why(ask, { name = 'a', options = { 'x' }, expires = 1, otherwise = 'y' }),\n"
		"    why(ask, { name = 'a', expires = 'soon' }), why(ask, { name = 'a', expires = -1 }) }, '\\n')\n"
		"end\n");
	play(f, "asks", NULL);
	assert_string_equal(scene_last(f, "run.completed", "result"),
		"gate: otherwise can only be \"revise\": what nobody looked at is not approved\n"
		"ask: otherwise must be one of the options\n"
		"expires must be a number of seconds; 0: never\n"
		"expires must be a number of seconds; 0: never");
	assert_int_equal(fixture_count(f, "action.opened"), 0);
}

static void an_answer_in_time_ends_the_wait(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	asks(f, "return function(run)\n"
		"  local a = ask { name = 'a', expires = 3600, otherwise = 'nothing' }\n"
		"  sleep(7200)\n"
		"  return a.text\n"
		"end\n");
	f->simulated = true;
	fixture_open(f);
	fixture_start(f, "asks", NULL);
	fixture_until(f, "waiting");
	scene_answer(f, "a", NULL, "something");
	fixture_until(f, "waiting"); /* of its timers only the sleep is left */
	assert_true(run_wakes_in(house_run(f->house, f->id), clock_wall(loop_clock(f->loop))) > INT64_C(5000000000));
	for (int i = 0; i < 100 && !fixture_count(f, "run.completed"); i++)
		loop_turn(f->loop, -1);
	fixture_until(f, "completed");
	assert_string_equal(scene_last(f, "run.completed", "result"), "something");
	assert_int_equal(fixture_count(f, "action.resolved"), 1);
	cleanup_json json_t *late = json_pack("{s:s, s:s, s:s}", "kind", "answer", "action", "a1", "text", "more");
	assert_int_equal(house_command(f->house, f->id, late, 0, &e), -1);
	scene_replays(f);
}

static void too_late_is_told(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	asks(f, "return function(run)\n"
		"  ask { name = 'a', expires = 3600, otherwise = 'nothing' }\n"
		"  return ask { name = 'b' }.text\n"
		"end\n");
	play(f, "asks", NULL);
	cleanup_json json_t *late = json_pack("{s:s, s:s, s:s}", "kind", "answer", "action", "a1", "text", "more");
	assert_int_equal(house_command(f->house, f->id, late, 0, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_non_null(strstr(e.text, "expired"));
	scene_answer(f, "b", NULL, "x");
	play_on(f);
	assert_string_equal(scene_last(f, "run.completed", "result"), "x");
}

static void a_setting_gives_all_an_end_but_those_that_say_never(void **state)
{
	struct fixture *f = *state;
	asks(f, "return function(run)\n"
		"  local _, a = pcall(ask, { name = 'a' })\n"
		"  return a.code .. ' ' .. ask { name = 'b', expires = 0 }.text\n"
		"end\n");
	play(f, "asks", ASKS);
	assert_int_equal(fixture_count(f, "action.resolved"), 1);
	scene_answer(f, "b", NULL, "here");
	play_on(f);
	assert_string_equal(scene_last(f, "run.completed", "result"), "timeout here");
	scene_replays(f);
}

static void what_nobody_allowed_is_not_done(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, "shell, ask_human, finish", NULL);
	worker_calls(f, "shell", "{\"command\":\"touch never\"}");
	worker_calls(f, "ask_human", "{\"name\":\"which\",\"title\":\"Which?\"}");
	worker_calls(f, "finish", "{\"result\":\"x\"}");
	play(f, "simple", ASKS);
	assert_string_equal(scene_last(f, "run.completed", "result"), "x");
	assert_null(fixture_copy_file(f, "never"));
	assert_int_equal(fixture_count(f, "tool.started"), 0);
	assert_string_equal(scene_last(f, "tool.denied", "reason"), "nobody answered in time");
	assert_told(f, "Nobody answered in time. Go on by your own judgement");
	scene_replays(f);
}

static void money_that_nobody_gives_ends_the_agent(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, "finish", NULL);
	fixture_line(f,
		"{\"recording\":{\"v\":1,\"mode\":\"simple\",\"model\":\"x\",\"prices\":{\"input\":1,\"output\":1}}}");
	worker_calls(f, "finish", "{\"result\":\"x\"}");
	play(f, "simple", "{\"budget_usd\":0.000001,\"settings\":{\"answer_seconds\":60}}");
	assert_string_equal(scene_last(f, "action.resolved", "option"), "stop");
	assert_string_equal(scene_last(f, "agent.finished", "status"), "stopped");
	scene_replays(f);
}

/* Its time goes on while it is paused, as a sleep's does; what follows waits. */
static void a_paused_run_decides_nothing_more(void **state)
{
	struct fixture *f = *state;
	asks(f, "return function(run)\n"
		"  local a = ask { name = 'a', expires = 3600, otherwise = 'nothing' }\n"
		"  say('on')\n"
		"  return a.text\n"
		"end\n");
	f->simulated = true;
	fixture_open(f);
	fixture_start(f, "asks", NULL);
	fixture_until(f, "waiting");
	fixture_command(f, "{\"kind\":\"pause\",\"by\":\"ada\"}");
	for (int i = 0; i < 100 && !fixture_count(f, "action.resolved"); i++)
		loop_turn(f->loop, -1);
	fixture_until(f, "paused");
	assert_int_equal(fixture_count(f, "action.resolved"), 1);
	assert_int_equal(fixture_count(f, "flow.said"), 0);
	fixture_command(f, "{\"kind\":\"resume\",\"by\":\"ada\"}");
	fixture_until(f, "completed");
	assert_string_equal(scene_last(f, "run.completed", "result"), "nothing");
	scene_replays(f);
}

static void a_cancelled_run_has_no_timer_left(void **state)
{
	struct fixture *f = *state;
	asks(f, "return function(run) return ask { name = 'a', expires = 3600 }.text end\n");
	f->simulated = true;
	fixture_open(f);
	fixture_start(f, "asks", NULL);
	fixture_until(f, "waiting");
	fixture_command(f, "{\"kind\":\"cancel\",\"by\":\"ada\"}");
	fixture_until(f, "cancelled");
	assert_int_equal(run_wakes_in(house_run(f->house, f->id), 0), -1);
	assert_int_equal(fixture_count(f, "action.closed"), 1);
	scene_replays(f);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, scene_new, scene_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_question_is_decided_as_its_flow_says),
		TEST(without_a_word_of_the_flow_the_call_fails),
		TEST(what_a_flow_may_say_of_it),
		TEST(an_answer_in_time_ends_the_wait),
		TEST(too_late_is_told),
		TEST(a_setting_gives_all_an_end_but_those_that_say_never),
		TEST(what_nobody_allowed_is_not_done),
		TEST(money_that_nobody_gives_ends_the_agent),
		TEST(a_paused_run_decides_nothing_more),
		TEST(a_cancelled_run_has_no_timer_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
