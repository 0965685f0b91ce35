/* The shipped modes, with a team that does the least that takes each of them through all its phases. */
#include <stdio.h>
#include <string.h>

#include "world.h"

#define C(name, args) "[{\"name\":\"" name "\",\"arguments\":" args "}]"
#define WRITE(path, text) C("write_file", "{\"path\":\"" path "\",\"content\":\"" text "\"}")
#define FINISH(text) C("finish", "{\"result\":\"" text "\"}")
#define TESTS C("run_tests", "{}")
#define WAIT C("wait", "{}")
#define ITEM(target, prompt) "{\"target\":\"" target "\",\"prompt\":\"" prompt "\"}"
#define DELEGATE(items) C("delegate", "{\"items\":[" items "]}")

static const struct line one_shot[] = {
	{"engineer", NULL, WRITE("test.sh", "have made.txt x\\n"), NULL},
	{"engineer", NULL, FINISH("done"), NULL}, /* refused: no check ran */
	{"engineer", NULL, TESTS, NULL},
	{"engineer", NULL, FINISH("done"), NULL}, /* refused: it fails */
	{"engineer", NULL, C("shell", "{\"command\":\"put made.txt x\"}"), NULL},
	{"engineer", NULL, TESTS, NULL},
	{"engineer", NULL, FINISH("really done"), NULL},
	{NULL},
};

#define ANALYSIS(confidence)                                                                                           \
	C("finish", "{\"analysis\":\"a\",\"user_stories\":[],\"risks\":[],\"success_metrics\":[],"                     \
		    "\"confidence\":" confidence ",\"next_steps\":[]}")
#define IMPLEMENTED                                                                                                    \
	C("finish",                                                                                                    \
		"{\"implementation_plan\":\"i\",\"code_modules\":[],\"api_endpoints\":[],\"database_schema\":\"\","    \
		"\"frontend_components\":[],\"confidence\":0.8,\"testing_notes\":\"\"}")
static const struct line pipeline[] = {
	{"analyst", "\"attempt\":1", ANALYSIS("0.4"), NULL},
	{"analyst", "\"attempt\":2", C("finish", "{\"analysis\":\"a\"}"), NULL}, /* does not fit its schema */
	{"analyst", "\"attempt\":2", ANALYSIS("0.9"), NULL},
	{"architect", NULL,
		C("finish", "{\"architecture\":\"a\",\"components\":[{\"name\":\"n\",\"path\":\"p\",\"purpose\":\"q\"}]"
			    ",\"tech_stack\":[],"
			    "\"api_design\":[],\"deployment_plan\":\"\",\"confidence\":0.8,\"concerns\":[]}"),
		NULL},
	{"developer", "failures", WRITE("ok", "yes"), NULL},
	{"developer", "failures", TESTS, NULL},
	{"developer", "failures", IMPLEMENTED, NULL},
	{"developer", NULL, WRITE("test.sh", "have ok yes\\n"), NULL},
	{"developer", NULL, TESTS, NULL},
	{"developer", NULL, IMPLEMENTED, NULL},
	{"tester", "\"round\":1", TESTS, NULL},
	{"tester", "\"round\":1",
		C("finish", "{\"summary\":\"bad\",\"passed\":false,\"issues\":[{\"title\":\"t\",\"severity\":\"high\","
			    "\"detail\":\"d\"}],"
			    "\"confidence\":0.9}"),
		NULL},
	{"tester", "\"round\":2", TESTS, NULL},
	{"tester", "\"round\":2",
		C("finish", "{\"summary\":\"good\",\"passed\":true,\"issues\":[],\"confidence\":0.9}"), NULL},
	{NULL},
};

static const char *pipeline_answers(const char *name, int nth)
{
	(void)nth;
	return !strcmp(name, "confidence") ? "{\"option\":\"revise\"}" : "{\"option\":\"approve\"}";
}

#define UNDERSTAND "Find out what is to be built"
#define STRUCTURE "Create the folders and files"
#define DELEGATION "The structure is approved"
static const struct line build[] = {
	{"master", UNDERSTAND,
		C("ask_human", "{\"name\":\"language\",\"title\":\"Which?\",\"options\":[\"sh\",\"c\"]}"), NULL},
	{"master", UNDERSTAND, C("document", "{\"target\":\"documentation\",\"content\":\"# Tool\\n\"}"), NULL},
	{"master", UNDERSTAND, FINISH("understood"), NULL},
	{"master", UNDERSTAND, FINISH("shorter"), NULL},
	{"master", STRUCTURE,
		C("create",
			"{\"items\":[{\"target\":\"src\",\"kind\":\"folder\"},{\"target\":\"src/"
			"tool.sh\",\"kind\":\"file\"},"
			"{\"target\":\"src/other.sh\",\"kind\":\"file\"},{\"target\":\"test.sh\",\"kind\":\"file\"}]}"),
		NULL},
	{"master", STRUCTURE, FINISH("src/tool.sh: the tool"), NULL},
	{"master", DELEGATION, DELEGATE(ITEM(".", "specify all")), NULL},
	{"master", DELEGATION, WAIT, NULL},
	{"master", DELEGATION, FINISH("specified"), NULL},
	{"manager", "specify all", C("document", "{\"target\":\".\",\"content\":\"# Root\\n\"}"), NULL},
	{"manager", "specify all", FINISH("specified"), NULL},
	{"master", DELEGATION, DELEGATE(ITEM(".", "write the tests")), NULL},
	{"master", DELEGATION, WAIT, NULL},
	{"master", DELEGATION, FINISH("tested"), NULL},
	{"manager", "write the tests", DELEGATE(ITEM("test.sh", "test both")), NULL},
	{"manager", "write the tests", WAIT, NULL},
	{"manager", "write the tests", FINISH("tests are there"), NULL},
	{"coder", "test both", WRITE("test.sh", "have src/tool.sh hello\\nhave src/other.sh world\\n"), NULL},
	{"coder", "test both", TESTS, NULL},
	{"coder", "test both", FINISH("fails as it should"), NULL},
	{"master", DELEGATION, DELEGATE(ITEM(".", "write the code")), NULL},
	{"master", DELEGATION, WAIT, NULL},
	{"master", DELEGATION, FINISH("all is built"), NULL},
	{"manager", "write the code", DELEGATE(ITEM("src", "code src")), NULL},
	{"manager", "write the code", WAIT, NULL},
	{"manager", "write the code", FINISH("coded"), NULL},
	{"manager", "code src", DELEGATE(ITEM("src/tool.sh", "print hello") "," ITEM("src/other.sh", "print world")),
		NULL},
	{"manager", "code src", WAIT, NULL},
	{"manager", "code src", FINISH("coded"), NULL},
	{"coder", "print hello", C("spawn", "{\"items\":[{\"role\":\"tester\",\"prompt\":\"try it\"}]}"), NULL},
	{"coder", "print hello", WAIT, NULL},
	{"coder", "print hello", WRITE("src/tool.sh", "echo hello\\n"), NULL},
	{"coder", "print hello", TESTS, NULL},
	{"coder", "print hello", FINISH("prints hello"), NULL},
	{"coder", "print world", WRITE("src/other.sh", "echo world\\n"), NULL},
	{"coder", "print world", TESTS, NULL},
	{"coder", "print world", FINISH("prints world"), NULL},
	{"build_tester", NULL, C("shell", "{\"command\":\"have src/tool.sh hello\"}"), NULL},
	{"build_tester", NULL, FINISH("not there yet"), NULL},
	{NULL},
};

static const char *build_answers(const char *name, int nth)
{
	if (!strcmp(name, "language") || !strcmp(name, "question"))
		return "{\"text\":\"sh\"}";
	if (!strcmp(name, "understanding") && nth == 0)
		return "{\"option\":\"revise\",\"text\":\"make it shorter\"}";
	return "{\"option\":\"approve\"}";
}

static const struct line directives[] = {
	{"master", UNDERSTAND, NULL, "FINISH PROMPT=\"Which language?\""},
	{"master", UNDERSTAND, NULL, "UPDATE_DOCUMENTATION CONTENT=\"\"\"# Tool\n\"\"\""},
	{"master", UNDERSTAND, NULL, "FINISH PROMPT=\"understood\""},
	{"master", UNDERSTAND, NULL, "FINISH PROMPT=\"shorter\""},
	{"master", STRUCTURE, NULL, "CREATE file \"test.sh\", file \"tool.sh\""},
	{"master", STRUCTURE, NULL, "FINISH PROMPT=\"tool.sh: the tool\""},
	{"master", DELEGATION, NULL, "DELEGATE PROMPT=\"code all\""},
	{"master", DELEGATION, NULL, "WAIT"},
	{"master", DELEGATION, NULL, "FINISH PROMPT=\"built\""},
	{"manager", "code all", NULL,
		"DELEGATE file \"tool.sh\" PROMPT=\"say hello\", file \"test.sh\" PROMPT=\"test it\""},
	{"manager", "code all", NULL, "WAIT"},
	{"manager", "code all", NULL, "FINISH PROMPT=\"built\""},
	{"coder", "say hello", NULL, "CHANGE CONTENT=\"echo hello\""},
	{"coder", "say hello", NULL, "run_tests("}, /* malformed: repaired */
	{"coder", "say hello", NULL, "run_tests()"},
	{"coder", "say hello", NULL, "FINISH PROMPT=\"done\""},
	{"coder", "test it", NULL, "Some prose.\nCHANGE CONTENT=\"have tool.sh hello\""},
	{"coder", "test it", NULL, "run_tests()"},
	{"coder", "test it", NULL, "FINISH PROMPT=\"done\""},
	{NULL},
};

const struct scene shipped_scenes[SHIPPED_SCENES] = {
	{.name = "one_shot",
		.mode = "one_shot",
		.request = "{\"inputs\":{\"task\":\"make it\"}}",
		.lines = one_shot,
		.evidence = "done",
		.talk = true},
	{.name = "pipeline",
		.mode = "pipeline",
		.request = "{\"inputs\":{\"name\":\"P\",\"requirements\":\"r\"}}",
		.lines = pipeline,
		.answer = pipeline_answers,
		.evidence = "done",
		.talk = true},
	{.name = "build",
		.mode = "build",
		.request = "{\"inputs\":{\"requirements\":\"a tool that says hello\"}}",
		.lines = build,
		.answer = build_answers,
		.evidence = "done"},
	{.name = "build-directives",
		.mode = "build",
		.request = "{\"inputs\":{\"requirements\":\"say "
			   "hello\"},\"settings\":{\"dialect\":\"directive\",\"waves\":[\"code\"]}}",
		.lines = directives,
		.answer = build_answers,
		.evidence = "done"},
};
