/* run_tests: runs the project's checks and records what they show as evidence. The command comes from the person or the
 * plan, else from a detected runner, and is fixed at its first use. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tools/definition.h"
#include "tools/detect.h"
#include "tools/private.h"

#define CHECK_SECONDS 600

/* unittest succeeds when it found no test at all (before Python 3.12): that is no evidence. */
#define NONE_RAN "Ran 0 tests in"
#define EXIT_NONE 5 /* what newer versions of it, and pytest, end with */

static bool whole_project(const struct tool_call *c)
{
	return !c->path || !strcmp(c->path, ".");
}

static void record(struct tool_call *c)
{
	json_t *evidence = c->evidence;
	const char *altered = json_str(evidence, "altered");
	if (c->exit < 0) {
		json_decref(steal(&c->evidence));
		return;
	}
	if (c->exit == 0 && span_find(buf_span(&c->content), span_of(NONE_RAN), 0) != (size_t)-1) {
		c->exit = EXIT_NONE;
		buf_adds(&c->content, "\n[no test ran: this counts as failing]");
	}
	json_object_set_new(evidence, "command", json_from_span(span_of(c->exec.line)));
	json_object_set_new(evidence, "exit", json_integer(c->exit));
	json_object_set_new(evidence, "passed", json_boolean(c->exit == 0));
	if (!whole_project(c))
		json_object_set_new(evidence, "path", json_string(c->path));
	else if (!c->check) /* the project's own, from now on; what a flow names holds once */
		json_object_set_new(evidence, "found", json_true());
	if (altered)
		buf_addf(&c->content,
			"\n[%s was changed since the work began, and says what this check runs: it is no evidence any "
			"more, "
			"a person will have to look]",
			altered);
}

/* The command that is given or fixed already; NULL: to be detected. */
static const char *known(const struct tool_call *c)
{
	const char *given = json_str(c->env->settings, "check");
	const char *fixed = c->check ? c->check : given && *given ? given : c->env->check;
	return whole_project(c) ? fixed : NULL;
}

/* On the pool: which command, and does it still mean what it meant when the run began? */
static void find_run(struct work *w)
{
	struct tool_call *c = container_of(w, struct tool_call, work);
	char line[8192], altered[256];
	const char *fixed = known(c);
	if (!fixed && detect_tests(c->env->files, c->path ? c->path : ".", line, sizeof(line), &c->error))
		return;
	c->priv = mem_strdup(fixed ? fixed : line);
	c->evidence = json_object();
	if (!c->priv || !c->evidence)
		err_nomem(&c->error);
	else if (c->env->base &&
		 definition_changed(c->env->files, c->env->store, c->env->base, c->priv, altered, sizeof(altered)))
		json_object_set_new(c->evidence, "altered", json_from_span(span_of(altered)));
}

/* After the pool: run it. */
static void found(struct work *w)
{
	struct tool_call *c = container_of(w, struct tool_call, work);
	struct err e = c->error;
	err_clear(&c->error);
	cleanup_free char *line = c->priv;
	c->priv = NULL;
	if (c->cancelled)
		err_set(&e, ERR_CANCELLED, "cancelled");
	if (e.code == ERR_OK && whole_project(c) && !known(c) && !(c->env->check = mem_strdup(line)))
		err_nomem(&e);
	if (e.code == ERR_OK && !tool_command(c, line, CHECK_SECONDS * 1000, false, record, &e))
		return;
	json_decref(steal(&c->evidence));
	tool_done(c, &e);
}

static int start(struct tool_call *c, struct err *e)
{
	return work_start(&c->work, c->env->loop, find_run, found, e);
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
	.start = start,
	.cancel = tool_command_cancel,
};
