/* edit_file: exact replacements; all are checked before anything is written. */
#include "base/caps.h"
#include "tools/private.h"

static struct file_edit *edits_of(struct tool_call *c, size_t *count)
{
	const json_t *list = json_get(c->args, "edits");
	*count = json_array_size(list);
	struct file_edit *edits = mem_calloc(*count, sizeof(*edits));
	for (size_t i = 0; edits && i < *count; i++) {
		const json_t *one = json_array_get(list, i);
		edits[i] = (struct file_edit){.from = json_span(one, "from"), .to = json_span(one, "to")};
	}
	return edits;
}

static void job(struct tool_call *c)
{
	size_t count;
	struct hash before, after;
	cleanup_free struct file_edit *edits = edits_of(c, &count);
	if (!edits) {
		err_nomem(&c->error);
		return;
	}
	if (files_edit(c->env->files, tool_arg(c, "path"), edits, count, &before, &after, &c->error))
		return;
	tool_changed(c, tool_arg(c, "path"));
	buf_addf(&c->content, "%zu %s made in %s", count, count == 1 ? "replacement" : "replacements",
		tool_arg(c, "path"));
}

static int start(struct tool_call *c, struct err *e)
{
	return tool_pool(c, job, e);
}

/* Every `to` stands in the file and no edit can be made any more: it was done. All can be made: it was not. Else:
 * shown. */
static int recover(struct tool_call *c, struct err *e)
{
	size_t count;
	cleanup_free struct file_edit *edits = edits_of(c, &count);
	cleanup_buf struct buf content = BUF_INIT(CAP_FILE_WRITE);
	if (!edits)
		return err_nomem(e);
	if (files_read(c->env->files, tool_arg(c, "path"), &content, NULL, e)) {
		err_clear(e);
		return TOOL_LOST;
	}
	size_t can = 0, there = 0;
	for (size_t i = 0; i < count; i++) {
		can += span_find(buf_span(&content), edits[i].from, 0) != (size_t)-1;
		there += span_find(buf_span(&content), edits[i].to, 0) != (size_t)-1;
	}
	if (there == count && can < count) {
		tool_changed(c, tool_arg(c, "path"));
		buf_addf(&c->content, "%zu %s made in %s", count, count == 1 ? "replacement" : "replacements",
			tool_arg(c, "path"));
		return TOOL_DONE;
	}
	return can == count && there < count ? TOOL_RUN_AGAIN : TOOL_LOST;
}

const struct tool tool_edit_file = {
	.name = "edit_file",
	.summary = "Replace exact pieces of a file. Each `from` must occur exactly once in the file as it is now (add "
		   "lines around it until it "
		   "does); nothing is written when one of them does not.",
	.schema =
		"{\"type\":\"object\",\"required\":[\"path\",\"edits\"],\"additionalProperties\":false,\"properties\":{"
		"\"path\":{\"type\":\"string\",\"description\":\"relative to the project's root\"},"
		"\"edits\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":100,\"items\":{\"type\":\"object\","
		"\"required\":[\"from\",\"to\"],"
		"\"additionalProperties\":false,\"properties\":{\"from\":{\"type\":\"string\",\"minLength\":1},\"to\":{"
		"\"type\":\"string\"}}}}}}",
	.directive = "REPLACE, INSERT",
	.effects = TOOL_WRITES,
	.policy = "allow",
	.start = start,
	.recover = recover,
};
