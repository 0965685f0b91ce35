/* read_file: part or all of a text file, with its place in the file said first. */
#include <string.h>

#include "base/caps.h"
#include "base/utf8.h"
#include "tools/private.h"

static void add_range(struct tool_call *c, const char *path, struct span text)
{
	int64_t from = json_int(c->args, "from_line", 1), lines = json_int(c->args, "lines", 0), at = 0, shown = 0,
		total = 0;
	struct span rest = text, line;
	struct buf body;
	buf_init(&body, CAP_FILE_READ * 3);
	while (span_line(&rest, &line)) {
		at++;
		total++;
		if (at < from || (lines && shown >= lines))
			continue;
		buf_addspan(&body, line);
		buf_addc(&body, '\n');
		shown++;
	}
	if (from > 1 || (lines && shown < total))
		buf_addf(&c->content, "[%s, lines %lld to %lld of %lld]\n", path, (long long)from,
			(long long)(from + shown - 1), (long long)total);
	buf_addspan(&c->content, buf_span(&body));
	buf_release(&body);
}

static void job(struct tool_call *c)
{
	const char *path = tool_arg(c, "path");
	bool folder;
	if (files_exists(c->env->files, path, &folder) && folder) { /* a folder gives its README */
		char readme[4200];
		snprintf(readme, sizeof(readme), "%s/README.md", path);
		if (files_read(c->env->files, readme, &c->content, NULL, &c->error))
			err_set(&c->error, ERR_INVALID,
				"%s is a folder without a README.md; use list to see what is in it", path);
		return;
	}
	cleanup_buf struct buf raw = BUF_INIT(CAP_FILE_READ), clean = BUF_INIT(CAP_FILE_READ * 3);
	if (files_read(c->env->files, path, &raw, NULL, &c->error)) {
		if (c->error.code == ERR_TOO_LARGE)
			err_wrap(&c->error, "look at parts of it with shell (head, tail, sed -n)");
		return;
	}
	if (utf8_binary(buf_span(&raw)) && memchr(raw.data, 0, raw.len)) {
		err_set(&c->error, ERR_INVALID, "%s is a binary file of %zu bytes", path, raw.len);
		return;
	}
	bool fine = utf8_valid(buf_span(&raw));
	if (!fine) {
		utf8_clean(buf_span(&raw), &clean);
		buf_adds(&c->content, "[not valid UTF-8: bad bytes are shown as U+FFFD]\n");
	}
	add_range(c, path, fine ? buf_span(&raw) : buf_span(&clean));
	if (!raw.len)
		buf_adds(&c->content, "[the file is empty]");
}

static int start(struct tool_call *c, struct err *e)
{
	return tool_pool(c, job, e);
}

const struct tool tool_read_file = {
	.name = "read_file",
	.summary = "Read a text file, whole or some lines of it. A folder gives its README.md.",
	.schema = "{\"type\":\"object\",\"required\":[\"path\"],\"additionalProperties\":false,\"properties\":{"
		  "\"path\":{\"type\":\"string\",\"description\":\"relative to the project's root\"},"
		  "\"from_line\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"first line wanted, counted from "
		  "1\"},"
		  "\"lines\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"how many lines\"}}}",
	.directive = "READ",
	.effects = TOOL_READS,
	.policy = "allow",
	.start = start,
};
