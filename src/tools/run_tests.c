/* run_tests: the project's checks, with evidence. The command comes from the person or the plan, else from a detected
 * runner, and is fixed at its first use. */
#include <stdio.h>
#include <string.h>

#include "tools/detect.h"
#include "tools/private.h"

#define CHECK_SECONDS 600

static void record(struct tool_call *c)
{
	if (c->exit < 0)
		return;
	c->evidence = json_pack("{s:s, s:i, s:b}", "command", c->exec.line, "exit", c->exit, "passed", c->exit == 0);
}

static void detect(struct tool_call *c)
{
	char line[4400];
	const char *path = tool_arg(c, "path");
	if (!detect_tests(c->env->files, path ? path : ".", line, sizeof(line), &c->error))
		c->priv = mem_strdup(line);
}

/* After the detection on the pool: run what was found. */
static void detected(struct work *w)
{
	struct tool_call *c = container_of(w, struct tool_call, work);
	struct err e = c->error;
	err_clear(&c->error);
	cleanup_free char *line = c->priv;
	c->priv = NULL;
	const char *path = tool_arg(c, "path");
	if (e.code == ERR_OK && !line)
		err_nomem(&e);
	if (e.code == ERR_OK && !c->env->check && (!path || !strcmp(path, ".")))
		c->env->check = mem_strdup(line);
	if (e.code != ERR_OK || tool_command(c, line, CHECK_SECONDS * 1000, false, record, &e))
		tool_done(c, &e);
}

static void detect_run(struct work *w)
{
	detect(container_of(w, struct tool_call, work));
}

static int start(struct tool_call *c, struct err *e)
{
	const char *path = tool_arg(c, "path");
	const char *fixed = c->check				  ? c->check
			    : json_str(c->env->settings, "check") ? json_str(c->env->settings, "check")
								  : c->env->check;
	if (fixed && (!path || !strcmp(path, ".")))
		return tool_command(c, fixed, CHECK_SECONDS * 1000, false, record, e);
	return work_start(&c->work, c->env->loop, detect_run, detected, e);
}

const struct tool tool_run_tests = {
	.name = "run_tests",
	.summary = "Run the project's checks (its test runner is found by itself) and record the result as evidence. "
		   "Call it after your last edit.",
	.schema = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
		  "\"path\":{\"type\":\"string\",\"description\":\"a folder with tests of its own; left out: the whole "
		  "project\"}}}",
	.directive = "run_tests",
	.effects = TOOL_EXECS,
	.policy = "allow",
	.timeout_ms = CHECK_SECONDS * 1000,
	.start = start,
	.cancel = tool_command_cancel,
};
