/* search: lines that match, below a folder. */
#include "tools/private.h"

#define SEARCH_MAX 200

static void job(struct tool_call *c)
{
	const char *path = tool_arg(c, "path");
	cleanup_json json_t *hits = files_search(c->env->files, tool_arg(c, "pattern"),
		json_bool(c->args, "regex", false), path ? path : ".", SEARCH_MAX, &c->error);
	size_t i;
	json_t *hit;
	if (!hits)
		return;
	json_array_foreach(hits, i, hit)
	{
		if (json_get(hit, "path"))
			buf_addf(&c->content, "%s:%lld: %s\n", json_str(hit, "path"),
				(long long)json_int(hit, "line", 0), json_str(hit, "text"));
		else {
			cleanup_free char *more = json_text(hit);
			buf_addf(&c->content, "… %s\n", more ? more : "");
		}
	}
	if (!json_array_size(hits))
		buf_adds(&c->content, "[nothing matches]");
}

static int start(struct tool_call *c, struct err *e)
{
	return tool_pool(c, job, e);
}

const struct tool tool_search = {
	.name = "search",
	.summary = "Find lines that hold a text (or match an extended regular expression) in the files below a folder.",
	.schema = "{\"type\":\"object\",\"required\":[\"pattern\"],\"additionalProperties\":false,\"properties\":{"
		  "\"pattern\":{\"type\":\"string\",\"minLength\":1},"
		  "\"path\":{\"type\":\"string\",\"description\":\"folder or file; left out: the whole project\"},"
		  "\"regex\":{\"type\":\"boolean\",\"description\":\"true: the pattern is an extended regular "
		  "expression\"}}}",
	.directive = "",
	.effects = TOOL_READS,
	.policy = "allow",
	.start = start,
};
