/* write_file: a whole file, new or replaced. */
#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "tools/private.h"

static void job(struct tool_call *c)
{
	const char *path = tool_arg(c, "path"), *kind = tool_arg(c, "kind");
	struct span content = json_span(c->args, "content");
	bool folder, created, exists = files_exists(c->env->files, path, &folder);
	if (json_bool(c->args, "create", false) && exists) {
		err_set(&c->error, ERR_EXISTS, "%s exists already", path);
		return;
	}
	if (kind && !strcmp(kind, "folder")) {
		if (!files_mkdir(c->env->files, path, &c->error))
			buf_addf(&c->content, "created the folder %s", path);
		tool_changed(c, path);
		return;
	}
	if (content.n > CAP_FILE_WRITE) {
		err_set(&c->error, ERR_TOO_LARGE, "%s: %zu bytes are more than one call may write (%lu)", path,
			content.n, CAP_FILE_WRITE);
		return;
	}
	if (files_write(c->env->files, path, content, &created, &c->error))
		return;
	tool_changed(c, path);
	buf_addf(&c->content, "%s %s (%zu bytes)", created ? "created" : "overwrote", path, content.n);
}

static int start(struct tool_call *c, struct err *e)
{
	return tool_pool(c, job, e);
}

/* Writing the same content again is the same as once, whether it was done or not. */
static int recover(struct tool_call *c, struct err *e)
{
	struct hash want, have;
	bool exists;
	hash_bytes(&want, NULL, json_span(c->args, "content"));
	if (tool_file_hash(c, tool_arg(c, "path"), &have, &exists, e))
		return TOOL_LOST;
	if (!exists || !hash_eq(&want, &have))
		return TOOL_RUN_AGAIN;
	buf_addf(&c->content, "wrote %s (%zu bytes)", tool_arg(c, "path"), json_span(c->args, "content").n);
	tool_changed(c, tool_arg(c, "path"));
	return TOOL_DONE;
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
	.start = start,
	.recover = recover,
};
