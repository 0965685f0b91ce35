/* list: shows the tree below a folder as indented text. */
#include "base/caps.h"
#include "tools/private.h"

static void job(struct tool_call *c)
{
	const char *path = c->path ? c->path : ".";
	bool folder;
	if (!files_exists(c->env->files, path, &folder))
		err_set(&c->error, ERR_NOT_FOUND, "%s does not exist", path);
	else if (!folder)
		err_set(&c->error, ERR_INVALID, "%s is a file: use read_file", path);
	else if (!files_tree(c->env->files, path, 500, &c->content, &c->error) && !c->content.len)
		buf_adds(&c->content, "[empty]");
}

const struct tool tool_list = {
	.name = "list",
	.summary = "Show the files and folders below a folder as a tree. Dependency and build folders are shown as one "
		   "line.",
	.schema = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
		  "\"path\":{\"type\":\"string\",\"description\":\"relative to the project's root; left out: the "
		  "root\"}}}",
	.directive = "",
	.effects = TOOL_READS,
	.policy = "allow",
	.job = job,
};
