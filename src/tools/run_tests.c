/* run_tests: the project's checks, with evidence. The command comes from the person or the plan, else from a detected
 * runner, and is fixed at its first use. */
#include <stdio.h>
#include <string.h>

#include "tools/detect.h"
#include "tools/private.h"

#define CHECK_SECONDS 600

/* unittest succeeds when it found no test at all (before Python 3.12): that is no evidence. */
#define NONE_RAN "Ran 0 tests in"
#define EXIT_NONE 5 /* what newer versions of it, and pytest, end with */

static void record(struct tool_call *c)
{
	if (c->exit < 0)
		return;
	if (c->exit == 0 && span_find(buf_span(&c->content), span_of(NONE_RAN), 0) != (size_t)-1) {
		c->exit = EXIT_NONE;
		buf_adds(&c->content, "\n[no test ran: this counts as failing]");
	}
	c->evidence = json_pack("{s:s, s:i, s:b}", "command", c->exec.line, "exit", c->exit, "passed", c->exit == 0);
	if (c->path && strcmp(c->path, ".") != 0)
		json_object_set_new(c->evidence, "path", json_string(c->path));
	else if (!c->check) /* the project's own, from now on; what a flow names holds once */
		json_object_set_new(c->evidence, "found", json_true());
}

static bool whole_project(const struct tool_call *c)
{
	return !c->path || !strcmp(c->path, ".");
}

static void detect_run(struct work *w)
{
	struct tool_call *c = container_of(w, struct tool_call, work);
	char line[8192];
	if (!detect_tests(c->env->files, c->path ? c->path : ".", line, sizeof(line), &c->error)) {
		c->priv = mem_strdup(line);
		if (!c->priv)
			err_nomem(&c->error);
	}
}

/* After the detection on the pool: run what was found. */
static void detected(struct work *w)
{
	struct tool_call *c = container_of(w, struct tool_call, work);
	struct err e = c->error;
	err_clear(&c->error);
	cleanup_free char *line = c->priv;
	c->priv = NULL;
	if (c->cancelled)
		err_set(&e, ERR_CANCELLED, "cancelled");
	if (e.code == ERR_OK && whole_project(c) && !c->env->check && !(c->env->check = mem_strdup(line)))
		err_nomem(&e);
	if (e.code != ERR_OK || tool_command(c, line, CHECK_SECONDS * 1000, false, record, &e))
		tool_done(c, &e);
}

static int start(struct tool_call *c, struct err *e)
{
	const char *given = json_str(c->env->settings, "check");
	const char *fixed = c->check ? c->check : given && *given ? given : c->env->check;
	if (fixed && whole_project(c))
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
