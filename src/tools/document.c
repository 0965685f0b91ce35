/* document: writes the project's documentation.md, or a folder's README.md. */
#include <stdio.h>
#include <string.h>

#include "tools/private.h"

/* The file that a target means, in normal form. */
static int set_path(struct tool_call *c, struct err *e)
{
	const char *target = tool_arg(c, "target");
	char place[4096], path[4110];
	if (!strcmp(target, "documentation") || !strcmp(target, "documentation.md"))
		snprintf(path, sizeof(path), "documentation.md");
	else if (files_path(json_span(c->args, "target"), place, sizeof(place), e))
		return -1;
	else if (!strcmp(place, ".") || !strcmp(place, "README.md"))
		snprintf(path, sizeof(path), "README.md");
	else if (span_ends(span_of(place), "/README.md"))
		snprintf(path, sizeof(path), "%s", place);
	else
		snprintf(path, sizeof(path), "%s/README.md", place);
	c->path = mem_strdup(path);
	return c->path ? 0 : err_nomem(e);
}

static void say(struct tool_call *c, bool created)
{
	tool_changed(c, c->path);
	buf_addf(&c->content, "%s %s", created ? "wrote" : "updated", c->path);
}

static void job(struct tool_call *c)
{
	bool created;
	if (!files_write(c->env->files, c->path, json_span(c->args, "content"), &created, &c->error))
		say(c, created);
}

static int start(struct tool_call *c, struct err *e)
{
	return (!c->path && set_path(c, e)) || tool_check_place(c, c->path, e) ? -1 : tool_pool(c, job, e);
}

static int recover(struct tool_call *c, struct err *e)
{
	struct blob *before;
	bool existed;
	if ((!c->path && set_path(c, e)) || tool_before(c, c->path, &before, &existed, e))
		return TOOL_LOST;
	int what = tool_judge_file(c, c->path, before, json_span(c->args, "content"), e);
	if (what == TOOL_DONE)
		say(c, !existed);
	blob_unref(before);
	return what;
}

const struct tool tool_document = {
	.name = "document",
	.summary = "Write the project's documentation.md (target \"documentation\"), or the README.md of a folder "
		   "(target: the folder).",
	.schema = "{\"type\":\"object\",\"required\":[\"target\",\"content\"],\"additionalProperties\":false,"
		  "\"properties\":{"
		  "\"target\":{\"type\":\"string\",\"minLength\":1,\"description\":\"documentation, or a folder such "
		  "as src or .\"},"
		  "\"content\":{\"type\":\"string\",\"description\":\"the complete new content, Markdown\"}}}",
	.directive = "UPDATE_DOCUMENTATION, UPDATE_README",
	.effects = TOOL_WRITES,
	.policy = "allow",
	.start = start,
	.recover = recover,
};
