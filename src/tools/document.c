/* document: writes the project's documentation.md, or a folder's README.md. */
#include <stdio.h>
#include <string.h>

#include "tools/private.h"

static void job(struct tool_call *c)
{
	const char *target = tool_arg(c, "target");
	char path[4200];
	bool created;
	size_t n = strlen(target);
	while (n > 1 && target[n - 1] == '/')
		n--;
	if (!strcmp(target, "documentation") || !strcmp(target, "documentation.md"))
		snprintf(path, sizeof(path), "documentation.md");
	else if (n > 10 && !strncmp(target + n - 10, "/README.md", 10))
		snprintf(path, sizeof(path), "%.*s", (int)n, target);
	else if (!strncmp(target, "README.md", n) || !strncmp(target, ".", n))
		snprintf(path, sizeof(path), "README.md");
	else
		snprintf(path, sizeof(path), "%.*s/README.md", (int)n, target);
	if (c->scope && strcmp(c->scope, ".") &&
		(strncmp(path, c->scope, strlen(c->scope)) || path[strlen(c->scope)] != '/')) {
		err_set(&c->error, ERR_OUTSIDE, "%s lies outside your folder, %s", path, c->scope);
		return;
	}
	if (files_write(c->env->files, path, json_span(c->args, "content"), &created, &c->error))
		return;
	tool_changed(c, path);
	buf_addf(&c->content, "%s %s", created ? "wrote" : "updated", path);
}

static int start(struct tool_call *c, struct err *e)
{
	return tool_pool(c, job, e);
}

/* Writing it again is the same as once. */
static int recover(struct tool_call *c, struct err *e)
{
	(void)c;
	(void)e;
	return TOOL_RUN_AGAIN;
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
