/* What a house keeps of runs that wait: nothing but their timers. */
#include "flow/house_private.h"
#include "scene.h"

#define RUNS 6

static void ask_mode(struct fixture *f)
{
	scene_worker(f, "finish", NULL);
	fixture_mode(f, "asking",
		"return function(run)\n"
		"  agent { role = 'worker', task = 'before' }\n"
		"  if run.inputs.nap then sleep(86400) end\n"
		"  ask { name = 'go', title = 'Go on?' }\n"
		"  return agent { role = 'worker', task = 'after' }.result\n"
		"end\n");
	fixture_file(f, "modes/asking/mode.yaml",
		"id: asking\nname: Asking\ndescription: Test.\nengine: planning\ncategory: test\n"
		"inputs: [{name: nap, type: boolean}]\nroles: [worker]\n");
	fixture_line(f,
		"{\"recording\":{\"v\":1,\"mode\":\"asking\",\"model\":\"x\",\"prices\":{\"input\":1,\"output\":"
		"1}}}");
	fixture_line(f, "{\"match\":{},\"repeat\":true,\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"finish\","
			"\"arguments\":{\"result\":\"x\"}}],\"usage\":{\"input\":20000,\"output\":10000}}}");
	f->passivate = true;
}

/* Until the run is out of memory. */
static void sleeps(struct fixture *f)
{
	for (int i = 0; i < 3000 && house_run(f->house, f->id); i++)
		loop_turn(f->loop, 10);
	assert_null(house_run(f->house, f->id));
	for (int i = 0; i < 3000 && f->house->open_count; i++)
		loop_turn(f->loop, 10);
}

static void only_timers_are_kept_of_waiting_runs(void **state)
{
	struct fixture *f = *state;
	char ids[RUNS][ID_TEXT];
	ask_mode(f);
	fixture_open(f);
	for (int i = 0; i < RUNS; i++) {
		fixture_start(f, "asking", i == 3 ? "{\"inputs\":{\"nap\":true}}" : NULL);
		sleeps(f);
		memcpy(ids[i], f->id, ID_TEXT);
	}
	assert_int_equal(map_count(&f->house->sleeping), 1);
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&f->house->budgets, &i));)
		if (!strncmp(it->key, "run/", 4))
			fail_msg("%s is kept", it->key);
	double before = house_budget(f->house, "house", NULL)->spent;
	assert_true(before > 0);

	memcpy(f->id, ids[4], ID_TEXT);
	scene_answer(f, "go", NULL, "yes");
	for (int i = 0; i < RUNS; i++)
		assert_int_equal(house_run(f->house, ids[i]) != NULL, i == 4);
	sleeps(f);
	assert_string_equal(scene_last(f, "run.completed", "evidence"), "unchecked");

	fixture_close(f);
	fixture_open(f); /* a later process: what is shared is known, of single runs nothing */
	assert_true(house_budget(f->house, "house", NULL)->spent > before);
	for (size_t i = 0; (it = map_next(&f->house->budgets, &i));)
		assert_true(strncmp(it->key, "run/", 4) != 0);
}

static void a_run_that_wakes_knows_what_it_has_spent(void **state)
{
	struct fixture *f = *state;
	ask_mode(f);
	fixture_open(f);
	fixture_start(f, "asking", "{\"budget_usd\":0.031}"); /* an agent costs 0.03 */
	sleeps(f);
	scene_answer(f, "go", NULL, "yes");
	sleeps(f);
	assert_told(f, "1 action budget (budget): The budget of run is reached");
	scene_answer(f, "budget", "extend", "1");
	sleeps(f);
	assert_string_equal(scene_last(f, "run.completed", "result"), "x");
}

static void a_clock_set_back_does_not_keep_a_run_asleep(void **state)
{
	struct fixture *f = *state;
	ask_mode(f);
	f->simulated = true;
	fixture_open(f);
	fixture_start(f, "asking", "{\"inputs\":{\"nap\":true}}");
	sleeps(f);
	((struct clock *)loop_clock(f->loop))->fake_wall -= 10 * 365 * 86400 * INT64_C(1000000);
	for (int i = 0; i < 1000 && !scene_told(f, "action go"); i++)
		loop_turn(f->loop, -1);
	assert_told(f, "- action go (question): Go on?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_timers_are_kept_of_waiting_runs, scene_new, scene_free),
		cmocka_unit_test_setup_teardown(a_clock_set_back_does_not_keep_a_run_asleep, scene_new, scene_free),
		cmocka_unit_test_setup_teardown(a_run_that_wakes_knows_what_it_has_spent, scene_new, scene_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
