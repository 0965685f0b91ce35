/* delete_path: deletes a file, or a folder with all in it. */
#include <string.h>

#include "tools/private.h"

static void say(struct tool_call *c)
{
	tool_changed(c, c->path);
	buf_addf(&c->content, "deleted %s", c->path);
}

static void job(struct tool_call *c)
{
	const char *kind = tool_arg(c, "kind");
	bool folder;
	if (kind && files_exists(c->env->files, c->path, &folder) && strcmp(kind, folder ? "folder" : "file") != 0)
		err_set(&c->error, ERR_INVALID, "%s is a %s", c->path, folder ? "folder" : "file");
	else if (!files_delete(c->env->files, c->path, &c->error))
		say(c);
}

static int start(struct tool_call *c, struct err *e)
{
	if (!strcmp(c->path, "."))
		return err_set(e, ERR_INVALID, "the project's root cannot be deleted; name what is to go");
	return tool_pool(c, job, e);
}

/* Gone, and there before: done. A file that is there as before is deleted now (a folder too: half of it may be gone);
 * one that somebody has changed meanwhile is not. */
static int recover(struct tool_call *c, struct err *e)
{
	struct blob *before;
	bool existed, folder;
	if (tool_before(c, c->path, &before, &existed, e))
		return TOOL_LOST;
	bool exists = files_exists(c->env->files, c->path, &folder);
	int what = TOOL_RUN_AGAIN;
	if (!exists && existed)
		what = TOOL_DONE;
	else if (exists && !folder && tool_judge_file(c, c->path, before, SPAN_NONE, e) == TOOL_LOST)
		what = TOOL_LOST;
	if (what == TOOL_DONE)
		say(c);
	blob_unref(before);
	return what;
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
