/* An agent over many turns: what it is shown, when it is stuck, what it costs, what happens when models fail. */
#include "flow/budgets.h"
#include "scene.h"

#include <stdio.h>
#include <sys/stat.h>

#include "flow/house_private.h"

#define TOOLS "read_file, write_file, edit_file, shell, run_tests, note, ask_human, list, wait, finish"
#define FINISH "finish", "{\"result\":\"done\"}"

/* Facts of the script's model, as the configuration gives them. */
static void window(struct fixture *f, int context, int output)
{
	char name[128];
	snprintf(name, sizeof(name), "script:%s/script.jsonl", f->root);
	f->models = json_pack("{s:{s:i, s:i}}", name, "context", context, "max_output", output);
}

static void prices(struct fixture *f, double input, double output)
{
	char text[256];
	snprintf(
		text, sizeof(text), "{\"recording\":{\"v\":1,\"prices\":{\"input\":%g,\"output\":%g}}}", input, output);
	fixture_line(f, text);
}

/* ---- being stuck ---- */

static void the_same_call_again_brings_a_nudge_then_a_person(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	for (int i = 0; i < 6; i++)
		worker_calls(f, "list", "{\"path\":\"nowhere\"}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "waiting");
	assert_int_equal(fixture_count(f, "model.answered"), 6);
	assert_told(f, "0 muster: You have made the same call with the same result several times.");
	assert_told(f, "0 action stuck (escalation): Agent 0 (worker) seems stuck");
	scene_answer(f, "stuck", "continue", "look in src");
	fixture_until(f, "completed");
	assert_told(f, "0 person: look in src");
	assert_told(f, "0 ended done");
	scene_replays(f);
}

static void two_same_calls_a_turn_are_nudged_too(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	for (int i = 0; i < 3; i++)
		worker_calls(f, "list", "{\"path\":\"nowhere\"}", "list", "{\"path\":\"nowhere\"}");
	scene_play(f, "simple", NULL, "waiting");
	assert_told(f, "several times");
	scene_answer(f, "stuck", "stop", "enough");
	fixture_until(f, "completed");
	assert_told(f, "0 ended stopped  a person stopped it: enough");
	scene_replays(f);
}

static void turns_that_change_and_learn_nothing_are_noticed(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	fixture_file(f, "project/a", "a");
	fixture_file(f, "project/b", "b");
	for (int i = 0; i < 26; i++)
		worker_calls(f, "read_file", i % 2 ? "{\"path\":\"a\"}" : "{\"path\":\"b\"}");
	scene_play(f, "simple", NULL, "waiting");
	assert_told(f, "0 muster: For many turns now nothing has changed");
	assert_int_equal(fixture_count(f, "model.answered"), 26);
	scene_answer(f, "stuck", "stop", NULL);
	fixture_until(f, "completed");
	scene_replays(f);
}

static void work_is_no_alarm(void **state)
{
	struct fixture *f = *state;
	char args[128];
	scene_worker(f, TOOLS, NULL);
	for (int i = 0; i < 40; i++) { /* the same check after each edit; the same answer of people */
		snprintf(args, sizeof(args), "{\"path\":\"a\",\"content\":\"%d\"}", i);
		if (i % 2)
			worker_calls(f, "shell", "{\"command\":\"cat nothing\"}");
		else
			worker_calls(f, "write_file", args);
	}
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "completed");
	assert_int_equal(fixture_count(f, "action.opened"), 0);
	assert_not_told(f, "muster:");
	scene_replays(f);
}

static void waiting_for_people_is_no_alarm(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	for (int i = 0; i < 8; i++)
		worker_calls(f, "ask_human", "{\"name\":\"q\",\"title\":\"?\"}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "waiting");
	for (int i = 0; i < 8; i++) {
		scene_answer(f, "q", NULL, "yes");
		if (i < 7)
			fixture_until(f, "waiting");
	}
	fixture_until(f, "completed");
	assert_not_told(f, "muster:");
	scene_replays(f);
}

/* ---- children ---- */

static void children_report_and_waiting_for_them_is_no_alarm(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	fixture_role(f, "boss", "tools: [wait, finish]\nlimits: {turns: 60}", "You lead.");
	fixture_file(f, "modes/team/flow.lua",
		"return function(run)\n"
		"  local spawn = { summary = 'start one', schema = { type = 'object', properties = { n = { type = "
		"'integer' } } },\n"
		"    run = function(args, info)\n"
		"      background(function()\n"
		"        local a = agent { role = 'worker', parent = info.agent, task = 'part ' .. args.n }\n"
		"        tell(info.agent, '[part ' .. args.n .. '] ' .. a.result)\n"
		"      end)\n"
		"      return 'started'\n"
		"    end }\n"
		"  local a = agent { role = 'boss', task = 'lead', on = { start_one = spawn } }\n"
		"  return a.result\n"
		"end\n");
	fixture_file(f, "modes/team/mode.yaml",
		"id: team\nname: Team\ndescription: A test.\nengine: planning\ncategory: test\n"
		"inputs:\n  - {name: task, type: text, label: Task}\nroles: [worker, boss]\ngates: [plan]\n");
	for (int i = 0; i < 8; i++) {
		char n[32], said[32];
		snprintf(n, sizeof(n), "{\"n\":%d}", i);
		snprintf(said, sizeof(said), "{\"result\":\"report %d\"}", i);
		scene_says(f, "boss", "", "start_one", n, NULL);
		scene_says(f, "boss", "", "wait", "{}", NULL);
		worker_calls(f, "finish", said);
	}
	scene_says(f, "boss", "", FINISH, NULL);
	scene_play(f, "team", NULL, "completed");
	for (int i = 0; i < 8; i++) {
		char line[64];
		snprintf(line, sizeof(line), "0 flow: [part %d] report %d", i, i);
		assert_told(f, line);
	}
	assert_told(f, "0.7 ended done");
	assert_int_equal(fixture_count(f, "action.opened"), 0);
	assert_not_told(f, "0 muster:");
	scene_replays(f);
}

static void a_redirected_task_goes_to_another_role(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	fixture_role(f, "expert", "tools: [read_file, finish]", "You know.");
	fixture_file(f, "modes/two/flow.lua",
		"return function(run)\n  local a = agent { role = 'worker', task = 'the task itself' }\n  return "
		"a.result\nend\n");
	fixture_file(f, "modes/two/mode.yaml",
		"id: two\nname: Two\ndescription: A test.\nengine: planning\ncategory: test\n"
		"inputs:\n  - {name: task, type: text, label: Task}\nroles: [worker, expert]\ngates: [plan]\n");
	worker_calls(f, "write_file", "{\"path\":\"begun.txt\",\"content\":\"x\"}");
	worker_calls(f, "ask_human", "{\"name\":\"q\",\"title\":\"?\"}");
	scene_says(f, "expert", "", "read_file", "{\"path\":\"begun.txt\"}", NULL);
	scene_says(f, "expert", "", "finish", "{\"result\":\"by the expert\"}", NULL);
	scene_play(f, "two", NULL, "waiting");
	fixture_command(
		f, "{\"kind\":\"redirect\",\"agent\":\"0\",\"role\":\"expert\",\"text\":\"quickly\",\"by\":\"ada\"}");
	fixture_until(f, "completed");
	assert_told(f, "0 ended cancelled");
	assert_told(f, "1 task: the task itself");
	assert_told(f, "The person who handed it to you says: quickly");
	assert_string_equal(scene_last(f, "run.completed", "result"), "by the expert");
	scene_replays(f);
}

/* ---- the conversation's size ---- */

static void many_turns(struct fixture *f, int count)
{
	char args[400];
	for (int i = 0; i < count; i++) {
		snprintf(args, sizeof(args), "{\"path\":\"f%d.txt\",\"content\":\"%d %0250d\"}", i, i, i);
		worker_calls(f, "write_file", args);
	}
}

static void a_full_conversation_is_summarised_by_the_model(void **state)
{
	struct fixture *f = *state;
	window(f, 6000, 500);
	scene_worker(f, TOOLS, "limits: {turns: 200, output_tokens: 500}");
	fixture_line(f, "{\"match\":{\"contains\":\"about to be shortened\"},\"reply\":{\"text\":\"SUMMARY: files were "
			"written.\"},\"repeat\":true}");
	many_turns(f, 60);
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "completed");
	int compacted = fixture_count(f, "agent.compacted");
	assert_true(compacted >= 2 && compacted < 20);
	assert_told(f, "0 compacted by model");
	assert_not_told(f, "0 compacted by fallback");
	char *last = fixture_copy_file(f, "f59.txt");
	assert_non_null(last);
	mem_free(last);
	json_t *requested = fixture_last(f, "model.requested");
	assert_true(json_int(requested, "input", 0) < 6000);
	json_decref(requested);
	scene_replays(f);
}

static void the_fallback_summarises_without_a_model(void **state)
{
	struct fixture *f = *state;
	window(f, 6000, 500);
	scene_worker(f, TOOLS, "limits: {turns: 200, output_tokens: 500}");
	fixture_line(f,
		"{\"match\":{\"contains\":\"about to be shortened\"},\"error\":{\"status\":400,\"message\":\"no\"},"
		"\"repeat\":true}");
	many_turns(f, 60);
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "completed");
	assert_true(fixture_count(f, "agent.compacted") >= 2);
	assert_told(f, "0 compacted by fallback");
	assert_not_told(f, "0 compacted by model");
	scene_replays(f);
}

static void a_small_window_leaves_room_for_the_conversation(void **state)
{
	struct fixture *f = *state;
	window(f, 6000, 0); /* the role wants more output than the model's whole window */
	scene_worker(f, TOOLS, "limits: {turns: 200, output_tokens: 8000}");
	fixture_line(
		f, "{\"match\":{\"contains\":\"about to be shortened\"},\"reply\":{\"text\":\"S\"},\"repeat\":true}");
	many_turns(f, 4);
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "completed");
	assert_int_equal(fixture_count(f, "agent.compacted"), 0);
	json_t *requested = fixture_last(f, "model.requested");
	assert_int_equal(json_int(requested, "output", 0), 3000);
	json_decref(requested);
	scene_replays(f);
}

static void what_never_fits_fails_with_a_reason(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	many_turns(f, 4);
	for (int i = 0; i < 3; i++)
		scene_fails(f, "worker", "{\"status\":400,\"code\":\"too_large\",\"message\":\"prompt is too long\"}");
	scene_play(f, "simple", NULL, "failed");
	assert_int_equal(fixture_count(f, "agent.compacted"), 1);
	assert_string_equal(scene_last(f, "run.failed", "code"), "too_large");
	scene_replays(f);
}

/* ---- what is read again for every turn ---- */

static void memory_shows_the_present_content(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, "context: [memory, tree]\nlimits: {turns: 20}");
	fixture_file(f, "project/src/a.txt", "FIRST content");
	fixture_file(f, "project/src/README.md", "about the FOLDER");
	worker_calls(f, "read_file", "{\"path\":\"src/a.txt\"}");
	worker_calls(f, "read_file", "{\"path\":\"src\"}");
	fixture_line(f,
		"{\"match\":{\"role\":\"worker\",\"contains\":\"FIRST "
		"content\"},\"reply\":{\"text\":\"\",\"tool_calls\":"
		"[{\"name\":\"write_file\",\"arguments\":{\"path\":\"src/a.txt\",\"content\":\"SECOND content\"}}]}}");
	fixture_line(f, "{\"match\":{\"role\":\"worker\",\"contains\":\"SECOND "
			"content\"},\"reply\":{\"text\":\"\",\"tool_calls\":"
			"[{\"name\":\"shell\",\"arguments\":{\"command\":\"rm src/a.txt\"}}]}}");
	fixture_line(f, "{\"match\":{\"role\":\"worker\",\"contains\":\"(it does not exist any "
			"more)\"},\"reply\":{\"text\":\"\","
			"\"tool_calls\":[{\"name\":\"list\",\"arguments\":{}}]}}");
	fixture_line(f, "{\"match\":{\"role\":\"worker\",\"contains\":\"about the FOLDER\"},\"reply\":{\"text\":\"\","
			"\"tool_calls\":[{\"name\":\"finish\",\"arguments\":{\"result\":\"done\"}}]}}");
	scene_play(f, "simple", NULL, "completed");
	assert_told(f, "0 ok: FIRST content");
	scene_replays(f);
}

static void the_nearest_agents_md_is_shown(void **state)
{
	struct fixture *f = *state;
	static const char *const places[][2] = {{"scope = 'src/api'", "NEAREST notes"},
		{"file = 'src/api/x.c'", "NEAREST notes"}, {"scope = 'src/other'", "SRC notes"},
		{"name = 'x'", "ROOT notes"}};
	scene_worker(f, TOOLS, NULL);
	fixture_file(f, "project/AGENTS.md", "ROOT notes");
	fixture_file(f, "project/src/AGENTS.md", "SRC notes");
	fixture_file(f, "project/src/api/AGENTS.md", "NEAREST notes");
	char flow[1024] = "return function(run)\n";
	for (int i = 0; i < 4; i++) {
		char line[512];
		snprintf(flow + strlen(flow), sizeof(flow) - strlen(flow),
			"  agent { role = 'worker', task = 't', %s }\n", places[i][0]);
		for (int turn = 0; turn < 2; turn++) {
			snprintf(line, sizeof(line),
				"{\"match\":{\"agent\":\"%d\",\"contains\":\"%s\"},\"reply\":{\"text\":\"\",\"tool_"
				"calls\":[{\"name\":"
				"\"%s\",\"arguments\":{%s}}]}}",
				i, places[i][1], turn ? "finish" : "list", turn ? "\"result\":1" : "");
			fixture_line(f, line);
		}
	}
	strcat(flow, "end\n");
	fixture_mode(f, "notes", flow);
	scene_play(f, "notes", NULL, "completed");
	scene_replays(f);
}

static void agents_md_outlives_a_compaction(void **state)
{
	struct fixture *f = *state;
	window(f, 6000, 500);
	scene_worker(f, TOOLS, "limits: {turns: 200, output_tokens: 500}");
	fixture_file(f, "project/AGENTS.md", "ROOT notes");
	fixture_line(f,
		"{\"match\":{\"contains\":\"about to be shortened\"},\"error\":{\"status\":400,\"message\":\"no\"},"
		"\"repeat\":true}");
	many_turns(f, 60);
	fixture_line(f,
		"{\"match\":{\"role\":\"worker\",\"contains\":\"ROOT notes\"},\"reply\":{\"text\":\"\",\"tool_calls\":"
		"[{\"name\":\"finish\",\"arguments\":{\"result\":\"done\"}}]}}");
	scene_play(f, "simple", NULL, "completed");
	assert_true(fixture_count(f, "agent.compacted") >= 1);
	scene_replays(f);
}

/* ---- models that fail ---- */

static void failed_requests_are_tried_again(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	scene_fails(f, "worker", "{\"status\":529,\"message\":\"busy\"}");
	scene_fails(f, "worker", "{\"status\":429,\"retry_after\":0,\"message\":\"slow down\"}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "completed");
	assert_int_equal(fixture_count(f, "model.failed"), 2);
	assert_int_equal(fixture_count(f, "model.requested"), 3);
	json_t *requested = fixture_last(f, "model.requested");
	assert_int_equal(json_int(requested, "attempt", 0), 3);
	assert_int_equal(json_int(requested, "turn", 0), 1);
	json_decref(requested);
	scene_replays(f);
}

static void a_run_blocked_by_its_model_is_resumed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, "write_file", "{\"path\":\"a\",\"content\":\"a\"}");
	scene_fails(f, "worker", "{\"status\":401,\"message\":\"wrong key\"}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", NULL, "failed");
	assert_told(f, "0 ok: created a");
	fixture_close(f);
	fixture_open(f);
	must(house_resume(f->house, f->id, &e), &e);
	fixture_until(f, "completed");
	assert_told(f, "0 ended done");
	scene_replays(f);
}

static void the_next_model_takes_over(void **state)
{
	struct fixture *f = *state;
	char name[128];
	scene_worker(f, TOOLS, NULL);
	fixture_file(
		f, "broken.jsonl", "{\"match\":{},\"error\":{\"status\":400,\"message\":\"never\"},\"repeat\":true}\n");
	worker_calls(f, FINISH);
	char broken[128];
	snprintf(broken, sizeof(broken), "script:%s/broken.jsonl", f->root);
	snprintf(name, sizeof(name), "script:%s/script.jsonl", f->root);
	f->classes = json_pack("{s:[s, s]}", "strong", broken, name);
	scene_play(f, "simple", "{\"model\":\"strong\"}", "completed");
	assert_int_equal(fixture_count(f, "model.failed"), 1);
	assert_told(f, "0 ended done");
	scene_replays(f);
}

/* ---- money ---- */

static void a_reached_budget_asks_and_goes_on(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	prices(f, 10, 10); /* 8000 tokens of output: 0.08 dollars a request at most */
	scene_worker(f, TOOLS, NULL);
	for (int i = 0; i < 3; i++)
		worker_calls(f, "note", i % 2 ? "{\"key\":\"a\",\"value\":1}" : "{\"key\":\"b\",\"value\":2}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", "{\"budget_usd\":0.05}", "waiting");
	assert_string_equal(run_waits_on(house_run(f->house, f->id)), "budget");
	assert_int_equal(fixture_count(f, "model.requested"), 0);
	assert_told(f, "0 action budget (budget): The budget of run is reached");
	fixture_close(f);
	fixture_open(f);
	json_t *nonsense = json_pack(
		"{s:s, s:s, s:s, s:s}", "kind", "answer", "action", "a1", "option", "extend", "text", "a little");
	assert_int_equal(house_command(f->house, f->id, nonsense, 0, &e), -1);
	assert_non_null(strstr(e.text, "no number"));
	json_decref(nonsense);
	scene_answer(f, "budget", "extend", "0.20");
	fixture_until(f, "completed");
	json_t *rows = store_budgets(f->store, &e);
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		if (json_num(row, "reserved", 1) > 1e-9)
			fail_msg("%s keeps %f reserved", json_str(row, "scope"), json_num(row, "reserved", 1));
	}
	json_decref(rows);
	scene_replays(f);
}

/* The limit of all runs together is raised where it is kept, so that other runs and later processes see it. */
static void a_budget_of_the_house_is_extended_for_good(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	prices(f, 10, 10);
	fixture_open(f);
	cleanup_json json_t *limit = json_pack("{s:f}", "limit_usd", 0.05);
	must(budget_change(f->house, "house", limit, "ada", &e), &e);
	fixture_close(f);
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, "note", "{\"key\":\"a\",\"value\":1}");
	worker_calls(f, FINISH);
	scene_play(f, "simple", "{}", "waiting");
	assert_told(f, "0 action budget (budget): The budget of house is reached");
	scene_answer(f, "budget", "extend", "0.5");
	fixture_until(f, "completed");
	fixture_close(f);
	fixture_open(f);
	struct budget *house = house_budget(f->house, "house", &e);
	assert_float_equal(house->limit, 0.55, 1e-6);
	assert_true(house->spent <= house->limit);
	scene_replays(f);
}

static void a_budget_can_end_the_agent(void **state)
{
	struct fixture *f = *state;
	prices(f, 10, 10);
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, FINISH);
	scene_play(f, "simple", "{\"budget_usd\":0.01}", "waiting");
	scene_answer(f, "budget", "stop", NULL);
	fixture_until(f, "completed");
	assert_told(f, "0 ended stopped");
	scene_replays(f);
}

static void a_budget_needs_prices(void **state)
{
	struct fixture *f = *state;
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, FINISH);
	scene_play(f, "simple", "{\"budget_usd\":1}", "failed");
	assert_string_equal(scene_last(f, "run.failed", "code"), "no_price");
	scene_replays(f);
}

static void a_model_without_a_price_gives_way_to_the_next(void **state)
{
	struct fixture *f = *state;
	char unpriced[128], priced[128];
	prices(f, 1, 1);
	scene_worker(f, TOOLS, NULL);
	worker_calls(f, FINISH);
	fixture_file(f, "unpriced.jsonl", "{\"match\":{},\"reply\":{\"text\":\"never asked\"}}\n");
	snprintf(unpriced, sizeof(unpriced), "script:%s/unpriced.jsonl", f->root);
	snprintf(priced, sizeof(priced), "script:%s/script.jsonl", f->root);
	f->classes = json_pack("{s:[s, s]}", "strong", unpriced, priced);
	scene_play(f, "simple", "{\"model\":\"strong\",\"budget_usd\":1}", "completed");
	assert_string_equal(scene_last(f, "model.failed", "code"), "no_price");
	assert_told(f, "0 ended done");
	scene_replays(f);
}

static void a_hundred_agents_never_exceed_a_dollar(void **state)
{
	struct fixture *f = *state;
	double reserved = 0;
	char flow[256];
	prices(f, 1, 1); /* 8000 tokens: less than 0.01 dollars a request */
	scene_worker(f, TOOLS, NULL);
	snprintf(flow, sizeof(flow),
		"return function(run)\n  local l = {}\n  for i = 1, 100 do l[i] = i end\n"
		"  parallel(l, function(i) agent { role = 'worker', task = 'part ' .. i } end)\nend\n");
	fixture_mode(f, "crowd", flow);
	fixture_line(f,
		"{\"match\":{\"turn\":1},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"note\",\"arguments\":"
		"{\"key\":\"k\",\"value\":1}}],\"usage\":{\"input\":900,\"output\":7900}},\"repeat\":true}");
	fixture_line(f,
		"{\"match\":{\"turn\":2},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"finish\",\"arguments\":"
		"{\"result\":1}}],\"usage\":{\"input\":900,\"output\":7900}},\"repeat\":true}");
	scene_play(f, "crowd", "{\"budget_usd\":1}", "waiting");
	for (int i = 0; i < 200; i++) {
		double usd = scene_spent(f, &reserved);
		if (usd + reserved > 1 + 1e-6)
			fail_msg("%f spent, %f reserved", usd, reserved);
		if (i == 0) {
			assert_true(usd > 0.98);
			assert_true(reserved < 1e-9);
			assert_string_equal(run_waits_on(house_run(f->house, f->id)), "budget");
		}
		loop_turn(f->loop, 0);
	}
	scene_replays(f);
	scene_answer(f, "budget", "extend", "2");
	fixture_until(f, "completed");
	assert_true(scene_spent(f, &reserved) > 1.7);
	assert_true(scene_spent(f, &reserved) < 3);
	assert_int_equal(fixture_count(f, "agent.finished"), 100);
}

static void a_stopped_agents_request_is_accounted_for(void **state)
{
	struct fixture *f = *state;
	char path[256], request[400];
	double reserved = 0;
	prices(f, 10, 10);
	scene_worker(f, TOOLS, NULL);
	fixture_file(f, "slow.sh", "#!/bin/sh\ncat > /dev/null\nsleep 30\n");
	snprintf(path, sizeof(path), "%s/slow.sh", f->root);
	assert_int_equal(chmod(path, 0755), 0);
	snprintf(request, sizeof(request), "{\"model\":\"exec:%s\"}", path);
	char model[300];
	snprintf(model, sizeof(model), "exec:%s", path);
	f->prices = json_pack("{s:{s:i, s:i}}", model, "input", 10, "output", 10);
	fixture_open(f);
	fixture_start(f, "simple", request);
	for (int i = 0; i < 300 && !fixture_count(f, "model.requested"); i++)
		loop_turn(f->loop, 10);
	assert_true(scene_spent(f, &reserved) < 1e-9);
	assert_true(reserved > 0.05);
	double was = reserved;
	fixture_command(f, "{\"kind\":\"cancel\",\"by\":\"ada\"}");
	fixture_until(f, "cancelled");
	for (int i = 0; i < 50; i++)
		loop_turn(f->loop, 1);
	double usd = scene_spent(f, &reserved);
	assert_true(reserved < 1e-9); /* not for ever */
	assert_true(usd > was - 1e-9);
	scene_replays(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_new, scene_free)
	const struct CMUnitTest tests[] = {
		TEST(the_same_call_again_brings_a_nudge_then_a_person),
		TEST(two_same_calls_a_turn_are_nudged_too),
		TEST(turns_that_change_and_learn_nothing_are_noticed),
		TEST(work_is_no_alarm),
		TEST(waiting_for_people_is_no_alarm),
		TEST(children_report_and_waiting_for_them_is_no_alarm),
		TEST(a_redirected_task_goes_to_another_role),
		TEST(a_full_conversation_is_summarised_by_the_model),
		TEST(the_fallback_summarises_without_a_model),
		TEST(a_small_window_leaves_room_for_the_conversation),
		TEST(what_never_fits_fails_with_a_reason),
		TEST(memory_shows_the_present_content),
		TEST(the_nearest_agents_md_is_shown),
		TEST(agents_md_outlives_a_compaction),
		TEST(failed_requests_are_tried_again),
		TEST(a_run_blocked_by_its_model_is_resumed),
		TEST(the_next_model_takes_over),
		TEST(a_reached_budget_asks_and_goes_on),
		TEST(a_budget_of_the_house_is_extended_for_good),
		TEST(a_budget_can_end_the_agent),
		TEST(a_budget_needs_prices),
		TEST(a_model_without_a_price_gives_way_to_the_next),
		TEST(a_hundred_agents_never_exceed_a_dollar),
		TEST(a_stopped_agents_request_is_accounted_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
