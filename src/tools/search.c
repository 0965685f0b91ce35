/* search: finds the lines that match, below a folder. */
#include "tools/private.h"

#define SEARCH_MAX 200

/* What the result leaves out. */
static void say_rest(struct tool_call *c, const json_t *rest)
{
	int64_t more = json_int(rest, "more", 0), skipped = json_int(rest, "skipped", 0);
	if (more)
		buf_addf(&c->content, "[%lld more lines match: narrow the pattern or the path]\n", (long long)more);
	if (skipped)
		buf_addf(&c->content, "[%lld binary, huge or unreadable files were left out]\n", (long long)skipped);
	if (json_bool(rest, "late", false))
		buf_adds(&c->content, "[the search ran out of time: narrow the path]\n");
}

static void job(struct tool_call *c)
{
	cleanup_json json_t *hits = files_search(c->env->files, tool_arg(c, "pattern"),
		json_bool(c->args, "regex", false), c->path ? c->path : ".", SEARCH_MAX, &c->error);
	size_t i, count = 0;
	json_t *hit;
	const json_t *rest = NULL;
	if (!hits)
		return;
	json_array_foreach(hits, i, hit)
	{
		if (!json_get(hit, "path")) {
			rest = hit;
			continue;
		}
		count++;
		buf_addf(&c->content, "%s:%lld: %s\n", json_str(hit, "path"), (long long)json_int(hit, "line", 0),
			json_str(hit, "text"));
	}
	if (!count)
		buf_adds(&c->content, "[nothing matches]\n");
	say_rest(c, rest);
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
	.job = job,
};
