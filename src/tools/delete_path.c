/* delete_path: a file, or a folder with all in it. */
#include <string.h>

#include "tools/private.h"

static void job(struct tool_call *c)
{
	const char *path = tool_arg(c, "path"), *kind = tool_arg(c, "kind");
	bool folder;
	if (!files_exists(c->env->files, path, &folder)) {
		err_set(&c->error, ERR_NOT_FOUND, "%s does not exist", path);
		return;
	}
	if (kind && strcmp(kind, folder ? "folder" : "file")) {
		err_set(&c->error, ERR_INVALID, "%s is a %s", path, folder ? "folder" : "file");
		return;
	}
	if (files_delete(c->env->files, path, &c->error))
		return;
	tool_changed(c, path);
	buf_addf(&c->content, "deleted %s", path);
}

static int start(struct tool_call *c, struct err *e)
{
	return tool_pool(c, job, e);
}

static int recover(struct tool_call *c, struct err *e)
{
	bool folder;
	(void)e;
	if (files_exists(c->env->files, tool_arg(c, "path"), &folder))
		return TOOL_RUN_AGAIN;
	tool_changed(c, tool_arg(c, "path"));
	buf_addf(&c->content, "deleted %s", tool_arg(c, "path"));
	return TOOL_DONE;
}

const struct tool tool_delete_path = {
	.name = "delete_path",
	.summary = "Delete a file, or a folder with everything in it.",
	.schema = "{\"type\":\"object\",\"required\":[\"path\"],\"additionalProperties\":false,\"properties\":{"
		  "\"path\":{\"type\":\"string\",\"description\":\"relative to the project's "
		  "root\"},\"kind\":{\"enum\":[\"file\",\"folder\"]}}}",
	.directive = "DELETE",
	.effects = TOOL_WRITES,
	.policy = "allow",
	.start = start,
	.recover = recover,
};
