/* edit_file: replaces exact pieces of a file, all of which are checked before anything is written. */
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

static void say(struct tool_call *c, size_t count)
{
	tool_changed(c, c->path);
	buf_addf(&c->content, "%zu %s made in %s", count, count == 1 ? "replacement" : "replacements", c->path);
}

static void job(struct tool_call *c)
{
	size_t count;
	struct hash before, after;
	cleanup_free struct file_edit *edits = edits_of(c, &count);
	if (!edits)
		err_nomem(&c->error);
	else if (!files_edit(c->env->files, c->path, edits, count, &before, &after, &c->error))
		say(c, count);
}

/* What the edits make of the content from before the call tells whether they were made. */
static int recover(struct tool_call *c, struct err *e)
{
	size_t count;
	struct blob *before;
	bool existed;
	struct err why = ERR_INIT;
	cleanup_free struct file_edit *edits = edits_of(c, &count);
	cleanup_buf struct buf after = BUF_INIT(CAP_FILE_WRITE);
	if (!edits) {
		err_nomem(e);
		return TOOL_LOST;
	}
	if (tool_before(c, c->path, &before, &existed, e))
		return TOOL_LOST;
	int what = TOOL_RUN_AGAIN; /* what could not be edited gives the same error again */
	if (before && !edit_text(blob_span(before), edits, count, &after, &why))
		what = tool_judge_file(c, c->path, before, buf_span(&after), e);
	if (what == TOOL_DONE)
		say(c, count);
	blob_unref(before);
	return what;
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
	.job = job,
	.recover = recover,
};
