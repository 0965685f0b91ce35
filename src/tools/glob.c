/* glob: finds paths by a pattern. */
#include "tools/private.h"

#define GLOB_MAX 1000

static void job(struct tool_call *c)
{
	cleanup_json json_t *paths = files_glob(c->env->files, tool_arg(c, "pattern"), GLOB_MAX, &c->error);
	size_t i;
	json_t *path;
	if (!paths)
		return;
	json_array_foreach(paths, i, path)
	{
		if (json_is_string(path))
			buf_addf(&c->content, "%s\n", json_string_value(path));
		else
			buf_addf(&c->content, "… and %lld more\n", (long long)json_int(path, "more", 0));
	}
	if (!json_array_size(paths))
		buf_adds(&c->content, "[nothing matches]");
}

const struct tool tool_glob = {
	.name = "glob",
	.summary = "Find files by a pattern such as src/**/*.py (`*` within a name, `**` any folders, `?`, `[a-z]`, "
		   "`{a,b}`).",
	.schema = "{\"type\":\"object\",\"required\":[\"pattern\"],\"additionalProperties\":false,\"properties\":{"
		  "\"pattern\":{\"type\":\"string\"}}}",
	.directive = "",
	.effects = TOOL_READS,
	.policy = "allow",
	.job = job,
};
