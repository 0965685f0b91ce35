/* Beginnings: files given as inputs, branches and what is merged of them, and forks. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "scene.h"

#define CALL(name, args)                                                                                               \
	"{\"match\":{\"role\":\"worker\"},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"" name                  \
	"\",\"arguments\":" args "}]}}"

#define TOOLS "write_file, shell, ask_human, finish"

static int setup(void **state)
{
	scene_new(state);
	scene_worker(*state, TOOLS, NULL);
	return 0;
}

static void simple_script(struct fixture *f)
{
	fixture_line(f, CALL("write_file", "{\"path\":\"a.txt\",\"content\":\"hello\\n\"}"));
	fixture_line(f, CALL("shell", "{\"command\":\"cat a.txt > b.txt; cat b.txt\"}"));
	fixture_line(f, CALL("finish", "{\"result\":\"done\"}"));
}

/* ---- files given as inputs ---- */

static void file_mode(struct fixture *f)
{
	fixture_file(f, "modes/files/flow.lua", "return function(run)\n return table.concat(run.files, ' ')\nend\n");
	fixture_file(f, "modes/files/mode.yaml",
		"id: files\nname: Files\ndescription: A test.\nengine: planning\n"
		"inputs:\n  - {name: one, type: file}\n  - {name: two, type: file}\n");
}

static int create_with(struct fixture *f, const char *one, const char *two, struct err *e)
{
	char project[128], first[128], second[128];
	snprintf(project, sizeof(project), "%s/project", f->root);
	snprintf(first, sizeof(first), "%s/%s", f->root, one);
	snprintf(second, sizeof(second), "%s/%s", f->root, two);
	cleanup_json json_t *request = json_pack(
		"{s:s, s:s, s:{s:s, s:s}}", "mode", "files", "project", project, "inputs", "one", first, "two", second);
	return house_create(f->house, request, f->id, e);
}

static void input_files_lie_in_the_copy(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	file_mode(f);
	fixture_file(f, "given/a.csv", "a");
	fixture_file(f, "given/b.csv", "b");
	fixture_file(f, "other/a.csv", "another");
	fixture_open(f);
	must(create_with(f, "given/a.csv", "given/b.csv", &e), &e);
	must(house_resume(f->house, f->id, &e), &e);
	fixture_until(f, "completed");
	json_t *end = fixture_last(f, "run.completed");
	assert_string_equal(json_str(end, "result"), "input_files/a.csv input_files/b.csv");
	json_decref(end);
	char *text = fixture_copy_file(f, "input_files/a.csv");
	assert_string_equal(text, "a");
	mem_free(text);
	/* neither may take the other's place */
	assert_int_equal(create_with(f, "given/a.csv", "other/a.csv", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.text, "a.csv"));
}

/* A project may be somebody's: what it calls input_files is not followed out of the copy. */
static void input_files_do_not_leave_the_copy(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char link[128], outside[128];
	file_mode(f);
	fixture_file(f, "given/a.csv", "a");
	fixture_file(f, "given/b.csv", "b");
	fixture_file(f, "outside/keep", "mine");
	fixture_file(f, "project/readme", "x");
	snprintf(link, sizeof(link), "%s/project/input_files", f->root);
	snprintf(outside, sizeof(outside), "%s/outside", f->root);
	assert_int_equal(symlink(outside, link), 0);
	fixture_open(f);
	assert_int_equal(create_with(f, "given/a.csv", "given/b.csv", &e), -1);
	assert_int_equal(e.code, ERR_OUTSIDE);
	snprintf(link, sizeof(link), "%s/outside/a.csv", f->root);
	assert_int_not_equal(access(link, F_OK), 0);
	struct stat st;
	assert_int_equal(stat(outside, &st), 0);
	assert_int_equal(st.st_uid, getuid());
}

/* ---- forks ---- */

static void until_event(struct fixture *f, const char *type)
{
	for (int i = 0; i < 3000 && !fixture_count(f, type); i++)
		loop_turn(f->loop, 10);
	assert_int_not_equal(fixture_count(f, type), 0);
}

static void a_branch_is_merged_again_after_more_work(void **state)
{
	struct fixture *f = *state;
	fixture_mode(f, "sides",
		"return function(run)\n"
		"  write('base.txt', 'base')\n"
		"  branch { name = 'side' }\n"
		"  local out = {}\n"
		"  for n = 1, 3 do\n"
		"    exec { command = 'echo ' .. n .. ' > ' .. n, copy = 'side' }\n"
		"    out[n] = merge { branch = 'side' }.merged and read(n .. '')\n"
		"  end\n"
		"  return table.concat(out)\n"
		"end");
	fixture_gives(f, "sides", "1\n2\n3\n");
}

static void what_branches_made_is_merged_into_nothing(void **state)
{
	struct fixture *f = *state;
	fixture_mode(f, "sides",
		"return function(run)\n"
		"  branch { name = 'empty' }\n"
		"  branch { name = 'side' }\n"
		"  merge { branch = 'empty' }\n"
		"  exec { command = 'echo new > new', copy = 'side' }\n"
		"  merge { branch = 'side' }\n"
		"  return read 'new'\n"
		"end");
	fixture_gives(f, "sides", "new\n");
	json_t *end = fixture_last(f, "run.completed");
	assert_int_equal(strlen(json_str(end, "commit")), 40);
	json_decref(end);
}

/* A call that nobody waits for any more does not keep the run from ever being quiet again. */
static void a_run_is_quiet_again_after_a_redirection(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char fifo[128], line[512], fork_id[ID_TEXT];
	int64_t quiet;
	fixture_role(f, "expert", "tools: [finish]", "You know.");
	fixture_mode(f, "hand",
		"return function(run)\n local a = agent { role = 'worker', task = 'x' }\n return a.result\nend\n");
	fixture_file(f, "modes/hand/mode.yaml",
		"id: hand\nname: Hand\ndescription: A test.\nengine: planning\nroles: [worker, expert]\n");
	snprintf(fifo, sizeof(fifo), "%s/fifo", f->root);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(line, sizeof(line), CALL("shell", "{\"command\":\"touch begun; cat %s\"}"), fifo);
	fixture_line(f, line);
	fixture_line(f,
		"{\"match\":{\"role\":\"expert\"},\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"finish\","
		"\"arguments\":{\"result\":\"done\"}}]}}");
	fixture_open(f);
	fixture_start(f, "hand", NULL);
	char *begun = NULL;
	for (int i = 0; i < 3000 && !(begun = fixture_copy_file(f, "begun")); i++)
		loop_turn(f->loop, 10);
	assert_non_null(begun);
	mem_free(begun);
	fixture_command(f, "{\"kind\":\"redirect\",\"agent\":\"0\",\"role\":\"expert\",\"by\":\"ada\"}");
	until_event(f, "agent.finished");
	int fd = open(fifo, O_WRONLY); /* the command ends */
	assert_true(fd >= 0);
	close(fd);
	fixture_until(f, "completed");
	must(house_fork(f->house, f->id, INT64_MAX, fork_id, &quiet, &e), &e);
	snprintf(f->id, sizeof(f->id), "%s", fork_id);
	fixture_until(f, "paused");
	assert_int_equal(fixture_count(f, "agent.started"), 2); /* it begins behind the redirection */
}

static void fork_newest(struct fixture *f)
{
	struct err e = ERR_INIT;
	char fork_id[ID_TEXT];
	int64_t quiet;
	must(house_fork(f->house, f->id, INT64_MAX, fork_id, &quiet, &e), &e);
	snprintf(f->id, sizeof(f->id), "%s", fork_id);
	fixture_until(f, "paused");
	fixture_command(f, "{\"kind\":\"resume\",\"by\":\"ada\"}");
}

/* Of a run that has ended, the newest moment is the last from which there is something to go on with. */
static void a_fork_of_an_ended_run_goes_on(void **state)
{
	struct fixture *f = *state;
	fixture_mode(f, "asks",
		"return function(run)\n local x = ask { name = 'q', title = '?' }\n"
		" if x.text == 'fail' then error('as told') end\n return x.text\nend\n");
	fixture_open(f);
	fixture_start(f, "asks", NULL);
	fixture_until(f, "waiting");
	fixture_command(f, "{\"kind\":\"cancel\",\"by\":\"ada\"}");
	fixture_until(f, "cancelled");
	fork_newest(f);
	fixture_until(f, "waiting");
	fixture_command(f, "{\"kind\":\"answer\",\"action\":\"a1\",\"text\":\"fail\",\"by\":\"ada\"}");
	fixture_until(f, "failed");
	fork_newest(f);
	fixture_until(f, "waiting");
	fixture_command(f, "{\"kind\":\"answer\",\"action\":\"a1\",\"text\":\"fine\",\"by\":\"ada\"}");
	fixture_until(f, "completed");
	fork_newest(f);
	fixture_until(f, "waiting");
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

/* In a project without a commit, of which one side or none has made one. */
static void branches_of_nothing_are_merged(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	fixture_mode(f, "sides",
		"return function(run)\n"
		"  branch { name = 'left' }\n"
		"  local idle = branch { name = 'idle' }\n"
		"  local out = { merge { branch = 'idle' }.merged }\n"
		"  local side = branch { name = 'side' }\n"
		"  exec { command = 'echo s >s.txt', copy = side.copy }\n"
		"  out[2] = merge { branch = 'side' }.merged\n"
		"  out[3] = merge { branch = 'idle' }.merged\n"
		"  return { out, read 's.txt' }\n"
		"end");
	fixture_open(f);
	fixture_start(f, "sides", NULL);
	fixture_until(f, "completed");
	json_t *end = fixture_last(f, "run.completed");
	cleanup_free char *result = json_text(json_get(end, "result"));
	assert_string_equal(result, "[[true,true,true],\"s\\n\"]");
	json_decref(end);
	/* and a fork does not work in the origin's branches */
	int64_t quiet;
	struct hash snapshot;
	assert_int_equal(run_quiet_point(f->house, f->id, INT64_MAX, &quiet, &snapshot, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scene_free)
	const struct CMUnitTest tests[] = {
		TEST(a_fork_has_files_and_conversation),
		TEST(a_branch_is_merged_again_after_more_work),
		TEST(what_branches_made_is_merged_into_nothing),
		TEST(a_run_is_quiet_again_after_a_redirection),
		TEST(a_fork_of_an_ended_run_goes_on),
		TEST(input_files_lie_in_the_copy),
		TEST(input_files_do_not_leave_the_copy),
		cmocka_unit_test_setup_teardown(branches_of_nothing_are_merged, setup, scene_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
