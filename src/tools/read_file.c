/* read_file: shows part or all of a text file, with its place in the file said first. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "base/utf8.h"
#include "tools/private.h"

#define SHOWN (CAP_TOOL_RESULT - 512) /* room for what is said about the text */

/* The lines that were asked for, as far as they can be shown; which they are is said when it is not the whole file. */
static void add_range(struct tool_call *c, const char *path, struct span text)
{
	int64_t from = json_int(c->args, "from_line", 1), lines = json_int(c->args, "lines", INT64_MAX), total = 0,
		last = from - 1;
	size_t begin = text.n, end = text.n;
	struct span rest = text, line;
	bool cut = false;
	while (span_line(&rest, &line)) {
		size_t at = (size_t)(line.p - text.p), next = text.n - rest.n;
		total++;
		if (total < from || total - from >= lines || cut)
			continue;
		if (total == from)
			begin = at;
		cut = next - begin > SHOWN && total > from;
		if (cut)
			continue;
		end = next;
		last = total;
	}
	if (from > total && total)
		buf_addf(&c->content, "[%s has only %lld %s]", path, (long long)total, total == 1 ? "line" : "lines");
	else if (from > 1 || last < total)
		buf_addf(&c->content, "[%s, lines %lld to %lld of %lld]\n", path, (long long)from, (long long)last,
			(long long)total);
	if (begin < end)
		buf_add(&c->content, text.p + begin, end - begin);
	if (cut)
		buf_addf(&c->content, "[too long to show at once: go on with from_line %lld]", (long long)last + 1);
}

static void show(struct tool_call *c, const char *path)
{
	cleanup_buf struct buf raw = BUF_INIT(CAP_FILE_READ), clean = BUF_INIT(CAP_FILE_READ * 3);
	if (files_read(c->env->files, path, &raw, NULL, &c->error))
		return;
	struct span text = buf_span(&raw);
	if (memchr(text.p, 0, text.n)) {
		err_set(&c->error, ERR_INVALID, "%s is a binary file of %zu bytes", path, text.n);
		return;
	}
	if (!utf8_valid(text)) {
		utf8_clean(text, &clean);
		if (buf_check(&clean, path, &c->error))
			return;
		text = buf_span(&clean);
		buf_adds(&c->content, "[not valid UTF-8: bad bytes are shown as U+FFFD]\n");
	}
	add_range(c, path, text);
	if (!text.n)
		buf_adds(&c->content, "[the file is empty]");
}

static void job(struct tool_call *c)
{
	bool folder;
	if (!files_exists(c->env->files, c->path, &folder) || !folder) {
		show(c, c->path);
		return;
	}
	bool root = !strcmp(c->path, ".");
	char readme[4110];
	snprintf(readme, sizeof(readme), "%s%sREADME.md", root ? "" : c->path, root ? "" : "/");
	if (files_exists(c->env->files, readme, &folder) && !folder)
		show(c, readme);
	else
		err_set(&c->error, ERR_INVALID, "%s is a folder without a README.md; use list to see what is in it",
			c->path);
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
	.job = job,
};
