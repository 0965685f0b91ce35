/* actions: lists what people must decide. */
#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"
#include "cmd/line.h"
#include "cmd/out.h"
#include "cmd/source.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"all", NULL, false, "also those that were answered or closed"},
	{"limit", "N", false, "at most so many (default 50; -1: all)"},
	{"json", NULL, false, "print a JSON array"},
	{NULL},
};

/* The ids of actions whose answer waits for a resume: {"<run>/<action>": true}. At a server none does. */
static json_t *answered(const struct source *s, struct err *e)
{
	cleanup_json json_t *rows = s->app.store ? store_commands(s->app.store, NULL, e) : json_make(e, "[]");
	json_t *out = rows ? json_object() : NULL, *row;
	size_t i;
	json_array_foreach(rows, i, row)
	{
		const json_t *command = json_get(row, "command");
		const char *stream = json_str(row, "stream"), *action = json_str(command, "action");
		if (!out || !stream || !action || strncmp(stream, "run/", 4) != 0)
			continue;
		cleanup_buf struct buf key = BUF_INIT(1024);
		buf_addf(&key, "%s/%s", stream + 4, action);
		if (buf_check(&key, "an action", e) || json_put(out, key.data, json_true())) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

/* Rows that are open, and whether their answer is there already as "queued". At most limit, newest first; -1: all. */
static json_t *rows_of(struct source *s, const char *run, bool all, int limit, struct err *e)
{
	cleanup_json json_t *queue = answered(s, e);
	if (!queue)
		return NULL;
	int most =
		limit < 0 ? -1 : limit + (int)json_object_size(queue); /* the answered ones among them are left out */
	cleanup_json json_t *rows = source_actions(s, run, all, most, e);
	json_t *out = rows ? json_array() : NULL, *row;
	size_t i;
	json_array_foreach(rows, i, row)
	{
		cleanup_buf struct buf key = BUF_INIT(1024);
		buf_addf(&key, "%s/%s", json_str(row, "run"), json_str(row, "action"));
		bool queued = key.data && json_object_get(queue, key.data);
		if (queued && json_put(row, "state", json_string("answered")))
			err_nomem(e);
		if (out && (all || !queued || run) && (limit < 0 || json_array_size(out) < (size_t)limit))
			json_array_append(out, row);
	}
	return out;
}

static void add_detail(const json_t *row, struct buf *out)
{
	struct span body = json_span(row, "body"), line;
	buf_addf(out, "\n%s  ", json_str(row, "action"));
	text_fit(json_span(row, "kind"), 40, out);
	buf_adds(out, " \"");
	text_fit(json_span(row, "name"), 80, out);
	buf_addf(out, "\" (%s)\n", json_str(row, "state"));
	text_fit(json_span(row, "title"), 400, out);
	buf_addc(out, '\n');
	while (span_line(&body, &line)) {
		buf_adds(out, "  ");
		utf8_visible(line, false, out);
		buf_addc(out, '\n');
	}
	if (json_int(row, "expires", 0)) {
		buf_adds(out, "expires: ");
		text_time(json_int(row, "expires", 0), out);
		buf_addc(out, '\n');
	}
	if (json_array_size(json_get(row, "options"))) {
		buf_adds(out, "options: ");
		line_options(json_get(row, "options"), out);
		buf_addc(out, '\n');
	}
}

static int print_details(const json_t *rows, const char *run, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row) add_detail(row, &out);
	if (!json_array_size(rows))
		buf_adds(&out, "nothing to decide\n");
	else
		buf_addf(&out, "\nanswer with: muster answer %s ACTION OPTION, or --text TEXT\n", run_short(run));
	return out_write(&out, e);
}

static int print(const json_t *rows, int limit, struct err *e)
{
	static const char *const heads[] = {"RUN", "ACTION", "KIND", "NAME", "PRIORITY", "STATE", "OPENED", "TITLE"};
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	size_t i;
	json_t *row;
	struct table t;
	if (!json_array_size(rows)) {
		buf_adds(&out, "nothing to decide\n");
		return out_write(&out, e);
	}
	table_init(&t, 8);
	for (i = 0; i < 8; i++)
		table_adds(&t, heads[i]);
	json_array_foreach(rows, i, row)
	{
		cleanup_buf struct buf cell = BUF_INIT(256);
		table_adds(&t, run_short(json_str(row, "run")));
		table_adds(&t, json_str(row, "action"));
		table_adds(&t, json_str(row, "kind"));
		table_adds(&t, json_str(row, "name"));
		table_adds(&t, json_str(row, "priority"));
		table_adds(&t, json_str(row, "state"));
		text_time(json_int(row, "opened", 0), &cell);
		table_take(&t, &cell);
		table_adds(&t, json_str(row, "title"));
	}
	int failed = table_print(&t, &out, e);
	table_release(&t);
	if (json_array_size(rows) == (size_t)limit)
		buf_addf(&out, "these are the newest %d; muster actions --limit -1 shows all\n", limit);
	return failed ? -1 : out_write(&out, e);
}

static int actions(const struct args *args, struct err *e)
{
	struct source s cleanup_source = {0};
	int64_t limit;
	if (args_int(args, "limit", -1, 1000000, 50, &limit, e) || source_open(&s, args, e))
		return -1;
	const char *name = args_word(args, 0);
	cleanup_json json_t *run = name ? source_run(&s, name, e) : NULL;
	if (name && !run)
		return -1;
	cleanup_json json_t *rows = rows_of(&s, json_str(run, "run"), args_has(args, "all"), (int)limit, e);
	if (!rows || e->code != ERR_OK)
		return -1;
	if (args_has(args, "json"))
		return out_json(rows, e);
	return name ? print_details(rows, json_str(run, "run"), e) : print(rows, (int)limit, e);
}

const struct verb verb_actions = {
	.name = "actions",
	.words = "[RUN]",
	.most = 1,
	.summary = "list what people must decide; of one run with all details",
	.options = options,
	.run = actions,
};
