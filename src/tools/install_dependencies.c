/* install_dependencies: runs the package manager for a dependency file, as far as the sandbox's egress allow-list goes.
 */
#include "tools/detect.h"
#include "tools/private.h"

#define INSTALL_SECONDS 600

static int start(struct tool_call *c, struct err *e)
{
	char line[4400], path[4096];
	bool folder;
	if (files_path(span_of(tool_arg(c, "file")), path, sizeof(path), e) ||
		detect_install(path, line, sizeof(line), e))
		return -1;
	if (!files_exists(c->env->files, path, &folder) || folder)
		return err_set(e, ERR_NOT_FOUND, "%s does not exist", path);
	return tool_command(
		c, line, json_int(c->env->settings, "install_seconds", INSTALL_SECONDS) * 1000, false, NULL, e);
}

const struct tool tool_install_dependencies = {
	.name = "install_dependencies",
	.summary = "Install the dependencies that a file names (requirements.txt, package.json, Cargo.toml, go.mod, …) "
		   "with its package manager. "
		   "Works only as far as the sandbox's network allow-list goes.",
	.schema = "{\"type\":\"object\",\"required\":[\"file\"],\"additionalProperties\":false,\"properties\":{"
		  "\"file\":{\"type\":\"string\"}}}",
	.directive = "install_dependencies",
	.effects = TOOL_EXECS | TOOL_NET,
	.policy = "ask",
	.start = start,
	.cancel = tool_command_cancel,
};
