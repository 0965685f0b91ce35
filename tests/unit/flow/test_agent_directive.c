/* Agents that act in the directive languages, and runs killed by SIGKILL at random instants. */
#include "scene.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the directive dialect ---- */

static void coder(struct fixture *f, const char *front)
{
	char text[512];
	snprintf(text, sizeof(text),
		"tools: [read_file, write_file, edit_file, shell, run_tests, install_dependencies, note, finish]\n"
		"dialect: directive\nlanguage: coder\n%s\nlimits: {turns: 40}",
		front);
	fixture_role(f, "worker", text, "You code.");
	fixture_mode(f, "code",
		"return function(run)\n  local a = agent { role = 'worker', file = 'src/calc.py', task = 'write it' }\n"
		"  return a.result\nend\n");
}

static void a_coder_works_in_directives(void **state)
{
	struct fixture *f = *state;
	coder(f, "check: pass\ncontext: [memory]");
	fixture_file(f, "project/test.sh", "grep -q 'return a + b' src/calc.py\n");
	worker_says(f, "I begin.\nCHANGE CONTENT=\"\"\"def add(a, b):\n    return a - b\n\"\"\"");
	worker_says(f, "RUN \"cat src/calc.py\"");
	worker_says(f, "FINISH PROMPT=\"done\"");
	worker_says(f, "run_tests()");
	worker_says(f, "FINISH PROMPT=\"done\"");
	worker_says(f, "REPLACE FROM=\"nothing like it\" TO=\"x\"");
	worker_says(f, "REPLACE FROM=\"a - b\" TO=\"a + b\"");
	worker_says(f, "INSERT FROM=\"def add(a, b):\\n\" TO=\"    # adds\\n\"");
	worker_says(f, "READ \"test.sh\"");
	worker_says(f, "SCRATCH CONTENT=\"remember\"");
	worker_says(f, "run_tests()");
	fixture_line(f, "{\"match\":{\"role\":\"worker\",\"contains\":\"grep -q\"},\"reply\":{\"text\":\"FINISH "
			"PROMPT=\\\"it adds\\\"\"}}");
	scene_play(f, "code", NULL, "completed");
	char *text = fixture_copy_file(f, "src/calc.py");
	assert_string_equal(text, "def add(a, b):\n    # adds\n    return a + b\n");
	mem_free(text);
	assert_told(f, "0 ok: created src/calc.py");
	assert_told(f, "return a - b\n[exit status 0]");
	assert_told(f, "finish is refused. You changed files");
	assert_told(f, "finish is refused. The project's checks fail");
	assert_told(f, "does not occur");
	assert_told(f, "0 ended done \"it adds\"");
	assert_string_equal(scene_last(f, "run.completed", "evidence"), "done");
	scene_replays(f);
}

static void what_does_not_parse_comes_back_with_its_place(void **state)
{
	struct fixture *f = *state;
	coder(f, "");
	worker_says(f, "Well.\nCHANGE TEXT=\"x\"");
	worker_says(f, "RUN \"true\"\nRUN \"false\"");
	worker_says(f, "I have no idea.");
	worker_says(f, "RUN \"echo fine\"");
	worker_says(f, "FINISH PROMPT=\"done\"");
	scene_play(f, "code", NULL, "completed");
	char *talk = scene_talk(f);
	assert_non_null(strstr(talk, "line 2, column 8"));
	mem_free(talk);
	assert_int_equal(fixture_count(f, "tool.started"), 1);
	assert_told(f, "0 ended done");
	scene_replays(f);
}

static void a_coder_stays_in_its_file(void **state)
{
	struct fixture *f = *state;
	coder(f, "");
	worker_says(f, "READ \"../../etc/passwd\"");
	worker_says(f, "READ \"missing.txt\"");
	worker_says(f, "CHANGE CONTENT=\"x = 1\\n\"");
	worker_says(f, "FINISH PROMPT=\"done\"");
	scene_play(f, "code", NULL, "completed");
	assert_told(f, "'..' is not allowed");
	assert_told(f, "missing.txt");
	assert_told(f, "0 ended done");
	scene_replays(f);
}

static void four_unparsable_replies_end_it(void **state)
{
	struct fixture *f = *state;
	coder(f, "");
	for (int i = 0; i < 5; i++)
		worker_says(f, "FLY TO=\"the moon\"");
	scene_play(f, "code", NULL, "completed");
	assert_int_equal(fixture_count(f, "model.answered"), 4);
	assert_told(f, "0 ended failed");
	scene_replays(f);
}

/* ---- killed ---- */

/* Every file of the run's copy, with its hash. */
static char *tree_of(struct fixture *f)
{
	char line[600], piece[1024];
	struct buf out = BUF_INIT(1 << 20);
	snprintf(line, sizeof(line),
		"cd %s/data/copies/%s && find . -type f -not -path './.git*' | sort | xargs sha256sum", f->root, f->id);
	FILE *p = popen(line, "r");
	for (size_t n; (n = fread(piece, 1, sizeof(piece), p)) > 0;)
		buf_add(&out, piece, n);
	assert_int_equal(pclose(p), 0);
	return buf_take(&out);
}

/* What the agents were told, agent by agent; without the checks, which may be lost and are then run again. */
static char *results_of(struct fixture *f)
{
	char *talk = scene_talk(f);
	struct buf out = BUF_INIT(1 << 20);
	for (char agent = '0'; agent < '2'; agent++) {
		struct span rest = span_of(talk), line;
		while (span_line(&rest, &line))
			if (line.n > 6 && line.p[0] == agent && !strncmp(line.p + 1, " ok: ", 5) && line.p[6] != '[') {
				buf_addspan(&out, line);
				buf_addc(&out, '\n');
			}
	}
	mem_free(talk);
	return buf_take(&out);
}

static void story(struct fixture *f)
{
	scene_worker(f,
		"read_file, write_file, edit_file, delete_path, shell, run_tests, git_commit, document, note, finish",
		"check: run\nlimits: {turns: 60}");
	fixture_mode(f, "story",
		"return function(run)\n"
		"  phase 'work'\n"
		"  write('start.txt', 'begin')\n"
		"  local out = parallel({ 'x', 'y' }, function(name)\n"
		"    return agent { role = 'worker', name = name, task = name }.result\n"
		"  end)\n"
		"  local r = exec { command = 'cat *.txt | sort > all.out', again = true }\n"
		"  edit('start.txt', { { from = 'begin', to = 'end' } })\n"
		"  commit { message = 'the end' }\n"
		"  return out\n"
		"end\n");
	char args[256];
	for (int agent = 0; agent < 2; agent++)
		for (int turn = 1; turn <= 6; turn++) {
			const char *tool = "write_file";
			snprintf(args, sizeof(args), "{\"path\":\"a%d_%d.txt\",\"content\":\"%d %d\\n\"}", agent, turn,
				agent, turn);
			if (turn == 2) {
				tool = "edit_file";
				snprintf(args, sizeof(args),
					"{\"path\":\"a%d_1.txt\",\"edits\":[{\"from\":\"%d 1\",\"to\":\"%d 1 and "
					"1\"}]}",
					agent, agent, agent);
			} else if (turn == 3) {
				tool = "document";
				snprintf(
					args, sizeof(args), "{\"target\":\"part%d\",\"content\":\"# Part\\n\"}", agent);
			} else if (turn == 5) {
				tool = "delete_path";
				snprintf(args, sizeof(args), "{\"path\":\"a%d_4.txt\"}", agent);
			} else if (turn == 6) {
				tool = "run_tests";
				snprintf(args, sizeof(args), "{}");
			}
			char line[512];
			snprintf(line, sizeof(line),
				"{\"match\":{\"agent\":\"%d\",\"turn\":%d},\"reply\":{\"text\":\"\",\"tool_calls\":[{"
				"\"name\":\"%s\","
				"\"arguments\":%s}]}}",
				agent, turn, tool, args);
			fixture_line(f, line);
		}
	/* a check that was lost is run again */
	fixture_line(f,
		"{\"match\":{\"status\":\"lost\"},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"run_tests\","
		"\"arguments\":{}}]},\"repeat\":true}");
	fixture_line(f,
		"{\"match\":{\"role\":\"worker\"},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"finish\","
		"\"arguments\":{\"result\":\"ok\"}}]},\"repeat\":true}");
	fixture_file(f, "project/test.sh", "sleep 0.02\n");
}

static void begin(struct fixture *f, double budget)
{
	struct err e = ERR_INIT;
	char project[512], model[600];
	fixture_open(f);
	snprintf(project, sizeof(project), "%s/project", f->root);
	snprintf(model, sizeof(model), "script:%s/script.jsonl", f->root);
	json_t *q = json_pack("{s:s, s:s, s:{}, s:s}", "mode", "story", "project", project, "inputs", "model", model);
	if (budget > 0)
		json_object_set_new(q, "budget_usd", json_real(budget));
	must(house_create(f->house, q, f->id, &e), &e);
	json_decref(q);
	fixture_close(f);
}

static void killed_at_any_instant_it_ends_the_same(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const char *seed = getenv("MUSTER_SEED"), *rounds = getenv("MUSTER_ROUNDS");
	unsigned at = seed ? (unsigned)atoi(seed) : 7;
	char *wanted = NULL, *said = NULL;
	int lost = 0, kills = 0;
	story(f);
	for (int round = 0; round < (rounds ? atoi(rounds) : 6); round++) {
		begin(f, 0);
		for (int i = 0; round && i < 12; i++) {
			scene_play_until_killed(f, 15000 + (useconds_t)(rand_r(&at) % 120000));
			kills++;
		}
		fixture_open(f);
		if (house_resume(f->house, f->id, &e) && e.code != ERR_FINAL)
			fail_msg("%s", e.text);
		err_clear(&e);
		if (house_run(f->house, f->id) && !run_final(house_run(f->house, f->id)))
			fixture_until(f, "completed");
		scene_replays(f);
		char *tree = tree_of(f), *results = results_of(f);
		if (!round)
			said = results;
		else {
			assert_string_equal(results, said);
			mem_free(results);
		}
		if (!round)
			wanted = tree;
		else if (strcmp(tree, wanted) != 0) {
			char *talk = scene_talk(f);
			fprintf(stderr, "round %d:\n%s\nnot\n%s\n%s\n", round, tree, wanted, talk);
			fail_msg("the files differ");
		} else
			mem_free(tree);
		json_t *end = fixture_last(f, "run.completed");
		assert_int_equal(json_array_size(json_get(end, "result")), 2);
		json_decref(end);
		lost += fixture_count(f, "tool.lost");
		assert_int_equal(fixture_count(f, "agent.finished"), 2);
		fixture_close(f);
		char project[512]; /* the next round begins with a project as new as this one's was */
		snprintf(project, sizeof(project), "%s/project", f->root);
		must(fs_remove_tree(project, &e), &e);
		fixture_file(f, "project/test.sh", "sleep 0.02\n");
	}
	mem_free(wanted);
	mem_free(said);
	print_message("%d kills, %d lost calls\n", kills, lost);
}

/* Lost calls keep their reservation as spent, so that no number of kills gets more than the budget. */
static void killed_a_hundred_agents_never_exceed_a_dollar(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	unsigned at = 3;
	double reserved = 0;
	fixture_line(f, "{\"recording\":{\"v\":1,\"prices\":{\"input\":1,\"output\":1}}}");
	scene_worker(f, "note, finish", NULL);
	fixture_mode(f, "story",
		"return function(run)\n  local l = {}\n  for i = 1, 100 do l[i] = i end\n"
		"  parallel(l, function(i) agent { role = 'worker', task = 'part ' .. i } end)\nend\n");
	fixture_line(f,
		"{\"match\":{\"turn\":1},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"note\",\"arguments\":"
		"{\"key\":\"k\",\"value\":1}}],\"usage\":{\"input\":50,\"output\":7900}},\"repeat\":true}");
	fixture_line(f,
		"{\"match\":{\"turn\":2},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"finish\",\"arguments\":"
		"{\"result\":1}}],\"usage\":{\"input\":50,\"output\":7900}},\"repeat\":true}");
	begin(f, 1);
	for (int i = 0; i < 12; i++) {
		scene_play_until_killed(f, 40000 + (useconds_t)(rand_r(&at) % 100000));
		fixture_open(f);
		double usd = scene_spent(f, &reserved);
		if (usd + reserved > 1 + 1e-6)
			fail_msg("%f spent, %f reserved", usd, reserved);
		fixture_close(f);
	}
	fixture_open(f);
	must(house_resume(f->house, f->id, &e), &e);
	fixture_until(f, "waiting");
	assert_string_equal(run_waits_on(house_run(f->house, f->id)), "budget");
	assert_true(scene_spent(f, &reserved) <= 1 + 1e-6);
	assert_true(scene_spent(f, &reserved) > 0.97);
	assert_true(reserved < 1e-9);
	scene_replays(f);
	print_message("%d lost requests\n", fixture_count(f, "model.failed"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_new, scene_free)
	const struct CMUnitTest tests[] = {
		TEST(a_coder_works_in_directives),
		TEST(what_does_not_parse_comes_back_with_its_place),
		TEST(a_coder_stays_in_its_file),
		TEST(four_unparsable_replies_end_it),
		TEST(killed_at_any_instant_it_ends_the_same),
		TEST(killed_a_hundred_agents_never_exceed_a_dollar),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
