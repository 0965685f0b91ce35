/* write_file: writes a whole file, new or replaced. */
#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "tools/private.h"

static bool wants_folder(const struct tool_call *c)
{
	const char *kind = tool_arg(c, "kind");
	return kind && !strcmp(kind, "folder");
}

static void say(struct tool_call *c, bool created)
{
	tool_changed(c, c->path);
	if (wants_folder(c))
		buf_addf(&c->content, "created the folder %s", c->path);
	else
		buf_addf(&c->content, "%s %s (%zu bytes)", created ? "created" : "overwrote", c->path,
			json_span(c->args, "content").n);
}

static void job(struct tool_call *c)
{
	struct span content = json_span(c->args, "content");
	bool folder, created = true, exists = files_exists(c->env->files, c->path, &folder);
	if (json_bool(c->args, "create", false) && exists)
		err_set(&c->error, ERR_EXISTS, "%s exists already", c->path);
	else if (wants_folder(c) ? !files_mkdir(c->env->files, c->path, &c->error)
				 : !files_write(c->env->files, c->path, content, &created, &c->error))
		say(c, created);
}

static int recover(struct tool_call *c, struct err *e)
{
	struct blob *before;
	bool existed, folder;
	if (tool_before(c, c->path, &before, &existed, e))
		return TOOL_LOST;
	int what = TOOL_RUN_AGAIN;
	bool refused = existed && (!before || json_bool(c->args, "create", false)); /* it will be so again */
	if (wants_folder(c) && !(existed && json_bool(c->args, "create", false)))
		what = files_exists(c->env->files, c->path, &folder) && folder ? TOOL_DONE : TOOL_RUN_AGAIN;
	else if (!wants_folder(c) && !refused)
		what = tool_judge_file(c, c->path, before, json_span(c->args, "content"), e);
	if (what == TOOL_DONE)
		say(c, !existed);
	blob_unref(before);
	return what;
}

const struct tool tool_write_file = {
	.name = "write_file",
	.summary = "Write a whole file: a new one (its folders are made) or in place of the old content.",
	.schema = "{\"type\":\"object\",\"required\":[\"path\",\"content\"],\"additionalProperties\":false,"
		  "\"properties\":{"
		  "\"path\":{\"type\":\"string\",\"description\":\"relative to the project's root\"},"
		  "\"content\":{\"type\":\"string\",\"description\":\"the complete new content\"},"
		  "\"create\":{\"type\":\"boolean\",\"description\":\"true: refuse when it exists\"},"
		  "\"kind\":{\"enum\":[\"file\",\"folder\"]}}}",
	.directive = "CHANGE, CREATE",
	.effects = TOOL_WRITES,
	.policy = "allow",
	.job = job,
	.recover = recover,
};
