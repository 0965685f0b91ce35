/* shell: runs a command line in the sandbox, from the project's root. */
#include "tools/private.h"

#define COMMAND_SECONDS 120

static int start(struct tool_call *c, struct err *e)
{
	int64_t seconds =
		json_int(c->args, "timeout_s", json_int(c->env->settings, "command_seconds", COMMAND_SECONDS));
	return tool_command(
		c, tool_arg(c, "command"), seconds * 1000, json_bool(c->args, "background", false), NULL, e);
}

const struct tool tool_shell = {
	.name = "shell",
	.summary = "Run a command line (sh) in the sandbox, from the project's root. No network, no input. The output "
		   "and the exit status come "
		   "back; long output is shortened in the middle.",
	.schema = "{\"type\":\"object\",\"required\":[\"command\"],\"additionalProperties\":false,\"properties\":{"
		  "\"command\":{\"type\":\"string\",\"minLength\":1},"
		  "\"timeout_s\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":604800,\"description\":\"seconds; 120 "
		  "when left out, 0 for none\"},"
		  "\"background\":{\"type\":\"boolean\",\"description\":\"true: return at once and let it run, as a "
		  "server does\"}}}",
	.directive = "RUN, run_command",
	.effects = TOOL_EXECS,
	.policy = "allow",
	.start = start,
	.cancel = tool_command_cancel,
};
