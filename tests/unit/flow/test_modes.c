/* The shipped modes with a scripted model: every phase, gate and way back. */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	fixture_init(f);
	f->shipped = true;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

static void reply(struct fixture *f, const char *role, const char *tool, const char *args)
{
	cleanup_free char *line = mem_printf("{\"match\":{\"role\":\"%s\"},\"reply\":{\"text\":\"\",\"tool_calls\":[{"
					     "\"name\":\"%s\",\"arguments\":%s}]}}",
		role, tool, args);
	fixture_line(f, line);
}

static void says(struct fixture *f, const char *role, const char *text)
{
	cleanup_json json_t *v = json_pack("{s:{s:s}, s:{s:s}}", "match", "role", role, "reply", "text", text);
	cleanup_free char *line = json_text(v);
	fixture_line(f, line);
}

/* The same by the agent's id, whatever its role. */
static void by(struct fixture *f, const char *agent, const char *tool, const char *args)
{
	cleanup_free char *line = mem_printf("{\"match\":{\"agent\":\"%s\"},\"reply\":{\"text\":\"\",\"tool_calls\":[{"
					     "\"name\":\"%s\",\"arguments\":%s}]}}",
		agent, tool, args);
	fixture_line(f, line);
}

static void tells(struct fixture *f, const char *agent, const char *text)
{
	cleanup_json json_t *v = json_pack("{s:{s:s}, s:{s:s}}", "match", "agent", agent, "reply", "text", text);
	cleanup_free char *line = json_text(v);
	fixture_line(f, line);
}

static void answer(struct fixture *f, const char *action, const char *text)
{
	cleanup_free char *line = mem_printf("{\"match\":{\"action\":\"%s\"},\"answer\":\"%s\"}", action, text);
	fixture_line(f, line);
}

static void replays(struct fixture *f)
{
	struct err e = ERR_INIT;
	if (run_replay(f->house, f->id, &e) < 0)
		fail_msg("%s", e.text);
}

static void one_shot_ends_with_passing_checks(void **state)
{
	struct fixture *f = *state;
	reply(f, "engineer", "write_file", "{\"path\":\"test.sh\",\"content\":\"test -f made.txt\\n\"}");
	reply(f, "engineer", "finish", "{\"result\":\"done\"}"); /* refused: no check ran */
	reply(f, "engineer", "run_tests", "{}");
	reply(f, "engineer", "finish", "{\"result\":\"done\"}"); /* refused: it fails */
	reply(f, "engineer", "write_file", "{\"path\":\"made.txt\",\"content\":\"x\"}");
	reply(f, "engineer", "run_tests", "{}");
	reply(f, "engineer", "finish", "{\"result\":\"really done\"}");
	fixture_open(f);
	fixture_start(f, "one_shot", "{\"inputs\":{\"task\":\"make it\"}}");
	fixture_until(f, "completed");
	json_t *end = fixture_last(f, "run.completed");
	assert_string_equal(json_str(end, "evidence"), "done");
	json_decref(end);
	replays(f);
}

static void build_in_native(struct fixture *f)
{
	reply(f, "master", "ask_human", "{\"name\":\"language\",\"title\":\"Which?\",\"options\":[\"sh\",\"c\"]}");
	answer(f, "language", "sh");
	reply(f, "master", "document", "{\"target\":\"documentation\",\"content\":\"# Tool\\n\"}");
	reply(f, "master", "finish", "{\"result\":\"understood\"}");
	answer(f, "understanding", "make it shorter"); /* a reason: revise */
	reply(f, "master", "finish", "{\"result\":\"shorter\"}");
	answer(f, "understanding", "approve");
	reply(f, "master", "create",
		"{\"items\":[{\"target\":\"src\",\"kind\":\"folder\"},{\"target\":\"src/tool.sh\",\"kind\":\"file\"},"
		"{\"target\":\"test.sh\",\"kind\":\"file\"}]}");
	reply(f, "master", "finish", "{\"result\":\"src/tool.sh: the tool\"}");
	answer(f, "structure", "approve");
	/* specifications */
	by(f, "2", "delegate", "{\"items\":[{\"target\":\".\",\"prompt\":\"write the READMEs\"}]}");
	by(f, "2", "wait", "{}");
	by(f, "2.0", "document", "{\"target\":\".\",\"content\":\"# Root\\n\"}");
	by(f, "2.0", "finish", "{\"result\":\"specified\"}");
	by(f, "2", "finish", "{\"result\":\"specified\"}");
	/* tests */
	by(f, "2", "delegate", "{\"items\":[{\"target\":\".\",\"prompt\":\"write the tests\"}]}");
	by(f, "2", "wait", "{}");
	by(f, "2.1", "delegate", "{\"items\":[{\"target\":\"test.sh\",\"prompt\":\"test it\"}]}");
	by(f, "2.1", "wait", "{}");
	by(f, "2.1.0", "write_file", "{\"path\":\"test.sh\",\"content\":\"sh src/tool.sh | grep hello\\n\"}");
	by(f, "2.1.0", "run_tests", "{}");
	by(f, "2.1.0", "finish", "{\"result\":\"fails as it should\"}");
	by(f, "2.1", "finish", "{\"result\":\"tests are there\"}");
	by(f, "2", "finish", "{\"result\":\"tested\"}");
	/* code */
	by(f, "2", "delegate", "{\"items\":[{\"target\":\".\",\"prompt\":\"write the code\"}]}");
	by(f, "2", "wait", "{}");
	by(f, "2.2", "delegate", "{\"items\":[{\"target\":\"src\",\"prompt\":\"code it\"}]}");
	by(f, "2.2", "wait", "{}");
	by(f, "2.2.0", "delegate", "{\"items\":[{\"target\":\"src/tool.sh\",\"prompt\":\"print hello\"}]}");
	by(f, "2.2.0", "wait", "{}");
	by(f, "2.2.0.0", "write_file", "{\"path\":\"src/tool.sh\",\"content\":\"echo hello\\n\"}");
	by(f, "2.2.0.0", "run_tests", "{}");
	by(f, "2.2.0.0", "finish", "{\"result\":\"prints hello\"}");
	by(f, "2.2.0", "finish", "{\"result\":\"coded\"}");
	by(f, "2.2", "finish", "{\"result\":\"coded\"}");
	by(f, "2", "finish", "{\"result\":\"all is built\"}");
	answer(f, "delegation", "approve");
}

static void build_goes_through_all_phases(void **state)
{
	struct fixture *f = *state;
	build_in_native(f);
	fixture_open(f);
	fixture_start(f, "build", "{\"inputs\":{\"requirements\":\"a tool that says hello\"}}");
	fixture_until(f, "completed");
	json_t *end = fixture_last(f, "run.completed");
	assert_string_equal(json_str(end, "evidence"), "done");
	assert_non_null(json_str(end, "merged"));
	json_decref(end);
	char *readme = fixture_copy_file(f, "src/README.md");
	assert_non_null(strstr(readme, "`tool.sh` FINISHED"));
	mem_free(readme);
	replays(f);
}

static void build_goes_back_from_the_structure(void **state)
{
	struct fixture *f = *state;
	reply(f, "master", "document", "{\"target\":\"documentation\",\"content\":\"# Tool\\n\"}");
	reply(f, "master", "finish", "{\"result\":\"understood\"}");
	answer(f, "understanding", "approve");
	reply(f, "master", "create", "{\"items\":[{\"target\":\"test.sh\",\"kind\":\"file\"}]}");
	reply(f, "master", "finish", "{\"result\":\"test.sh: all\"}");
	answer(f, "structure", "without tests"); /* a reason: revise */
	reply(f, "master", "finish", "{\"result\":\"understood again\"}");
	answer(f, "understanding", "approve");
	reply(f, "master", "finish", "{\"result\":\"the same\"}");
	answer(f, "structure", "approve");
	reply(f, "master", "finish", "{\"result\":\"built\"}");
	answer(f, "delegation", "approve");
	fixture_open(f);
	fixture_start(
		f, "build", "{\"inputs\":{\"requirements\":\"nothing much\"},\"settings\":{\"waves\":[\"code\"]}}");
	fixture_until(f, "completed");
	assert_int_equal(fixture_count(f, "run.phase"), 6);
	cleanup_free char *journal = fixture_journal(f);
	assert_non_null(strstr(journal, "A later phase was sent back: without tests"));
	replays(f);
}

static void build_in_directives(void **state)
{
	struct fixture *f = *state;
	says(f, "master", "FINISH PROMPT=\"Which language?\"");
	answer(f, "question", "sh");
	says(f, "master", "UPDATE_DOCUMENTATION CONTENT=\"\"\"# Tool\n\"\"\"");
	says(f, "master", "FINISH PROMPT=\"understood\"");
	answer(f, "understanding", "approve");
	says(f, "master", "CREATE file \"test.sh\", file \"tool.sh\"");
	says(f, "master", "FINISH PROMPT=\"tool.sh: the tool\"");
	answer(f, "structure", "approve");
	tells(f, "2", "DELEGATE PROMPT=\"code\"");
	tells(f, "2", "WAIT");
	tells(f, "2.0", "DELEGATE file \"tool.sh\" PROMPT=\"say hello\", file \"test.sh\" PROMPT=\"test it\"");
	tells(f, "2.0", "WAIT");
	tells(f, "2.0.0", "CHANGE CONTENT=\"echo hello\"");
	tells(f, "2.0.1", "Some prose.\nCHANGE CONTENT=\"sh tool.sh | grep hello\"");
	tells(f, "2.0.0", "run_tests()");
	tells(f, "2.0.1", "run_tests(");
	tells(f, "2.0.1", "run_tests()");
	tells(f, "2.0.0", "FINISH PROMPT=\"done\"");
	tells(f, "2.0.1", "FINISH PROMPT=\"done\"");
	tells(f, "2.0", "git_branch(\"side\")");
	tells(f, "2.0", "git_commit(\"tool: says hello\")");
	tells(f, "2.0", "FINISH PROMPT=\"built\"");
	tells(f, "2", "FINISH PROMPT=\"built\"");
	answer(f, "delegation", "approve");
	fixture_open(f);
	fixture_start(f, "build",
		"{\"inputs\":{\"requirements\":\"say "
		"hello\"},\"settings\":{\"dialect\":\"directive\",\"waves\":[\"code\"]}}");
	fixture_until(f, "completed");
	json_t *end = fixture_last(f, "run.completed");
	assert_string_equal(json_str(end, "evidence"), "done");
	json_decref(end);
	cleanup_free char *journal = fixture_journal(f);
	assert_non_null(strstr(journal, "share one branch"));
	assert_non_null(strstr(journal, "committed as "));
	replays(f);
}

static void pipeline_hands_over_and_escalates(void **state)
{
	struct fixture *f = *state;
	static const char analysis[] = "{\"analysis\":\"a\",\"user_stories\":[],\"risks\":[],\"success_metrics\":[],"
				       "\"confidence\":%s,\"next_steps\":[]}";
	char sure[512], unsure[512];
	snprintf(sure, sizeof(sure), analysis, "0.9");
	snprintf(unsure, sizeof(unsure), analysis, "0.4");
	reply(f, "analyst", "finish", unsure);
	answer(f, "confidence", "revise");
	reply(f, "analyst", "finish", "{\"analysis\":\"a\"}"); /* does not fit its schema */
	reply(f, "analyst", "finish", sure);
	reply(f, "architect", "finish",
		"{\"architecture\":\"a\",\"components\":[{\"name\":\"n\",\"path\":\"p\",\"purpose\":\"q\"}],\"tech_"
		"stack\":[],"
		"\"api_design\":[],\"deployment_plan\":\"\",\"confidence\":0.8,\"concerns\":[]}");
	for (int i = 0; i < 2; i++) {
		reply(f, "developer", "write_file",
			i ? "{\"path\":\"ok\",\"content\":\"\"}"
			  : "{\"path\":\"test.sh\",\"content\":\"test -f ok\\n\"}");
		reply(f, "developer", "run_tests", "{}");
		reply(f, "developer", "finish",
			"{\"implementation_plan\":\"i\",\"code_modules\":[],\"api_endpoints\":[],\"database_schema\":"
			"\"\","
			"\"frontend_components\":[],\"confidence\":0.8,\"testing_notes\":\"\"}");
		reply(f, "tester", "run_tests", "{}");
		reply(f, "tester", "finish",
			i ? "{\"summary\":\"good\",\"passed\":true,\"issues\":[],\"confidence\":0.9}"
			  : "{\"summary\":\"bad\",\"passed\":false,\"issues\":[{\"title\":\"t\",\"severity\":\"high\","
			    "\"detail\":\"d\"}],\"confidence\":0.9}");
	}
	fixture_open(f);
	fixture_start(f, "pipeline", "{\"inputs\":{\"name\":\"P\",\"requirements\":\"r\"}}");
	fixture_until(f, "completed");
	json_t *end = fixture_last(f, "run.completed");
	assert_string_equal(json_str(end, "evidence"), "done");
	assert_non_null(strstr(json_str(json_get(end, "result"), "report"), "passes"));
	json_decref(end);
	assert_int_equal(fixture_count(f, "artifact.added"), 1);
	replays(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_shot_ends_with_passing_checks, setup, teardown),
		cmocka_unit_test_setup_teardown(build_goes_through_all_phases, setup, teardown),
		cmocka_unit_test_setup_teardown(build_goes_back_from_the_structure, setup, teardown),
		cmocka_unit_test_setup_teardown(build_in_directives, setup, teardown),
		cmocka_unit_test_setup_teardown(pipeline_hands_over_and_escalates, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
