/* runs: lists runs, newest first. */
#include <stdio.h>
#include <string.h>

#include "cmd/out.h"
#include "cmd/source.h"
#include "config/nearest.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"state", "STATE", false,
		"only those that are created, running, waiting, paused, completed, failed or cancelled"},
	{"limit", "N", false, "at most so many (default 50; -1: all)"},
	{"json", NULL, false, "print a JSON array"},
	{"names", NULL, false, "print only the short ids, a line each"},
	{NULL},
};

static int check_state(const char *state, struct err *e)
{
	static const char *const states[] = {
		"created", "running", "waiting", "paused", "completed", "failed", "cancelled", NULL};
	struct nearest near;
	nearest_init(&near, state);
	for (const char *const *s = states; *s; s++) {
		if (!strcmp(*s, state))
			return 0;
		nearest_try(&near, *s);
	}
	return err_set(e, ERR_USAGE, "--state %s: there is no such state%s", state, nearest_hint(&near));
}

static void add_row(struct table *t, const json_t *row)
{
	cleanup_buf struct buf cell = BUF_INIT(CAP_OUTPUT);
	const char *on = json_str(row, "waiting_on"), *evidence = json_str(row, "evidence");
	const char *error = json_str(json_get(row, "error"), "text");
	table_adds(t, run_short(json_str(row, "run")));
	text_time(json_int(row, "created", 0), &cell);
	table_take(t, &cell);
	table_adds(t, json_str(row, "mode"));
	buf_adds(&cell, json_str(row, "state"));
	if (on || evidence)
		buf_addf(&cell, on ? " for %s" : ", %s", on ? on : evidence);
	table_take(t, &cell);
	text_usd(json_num(row, "usd", 0) + json_num(row, "usd_unknown", 0), &cell);
	table_take(t, &cell);
	table_adds(t, json_str(row, "phase"));
	buf_adds(&cell, json_str(row, "title") ? json_str(row, "title") : "");
	if (error && !strcmp(json_str(row, "state"), "failed"))
		buf_addf(&cell, " (%s)", error);
	table_take(t, &cell);
}

static int print(const json_t *rows, const char *where, struct err *e)
{
	static const char *const heads[] = {"RUN", "CREATED", "MODE", "STATE", "COST", "PHASE", "TITLE"};
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	size_t i;
	json_t *row;
	struct table t;
	table_init(&t, 7);
	for (i = 0; i < 7; i++)
		table_adds(&t, heads[i]);
	json_array_foreach(rows, i, row) add_row(&t, row);
	if (!json_array_size(rows))
		buf_addf(&out, "no runs in %s; start one with `muster run MODE`\n", where);
	int failed = json_array_size(rows) ? table_print(&t, &out, e) : 0;
	table_release(&t);
	return failed ? -1 : out_write(&out, e);
}

static int print_names(const json_t *rows, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row) buf_addf(&out, "%s\n", run_short(json_str(row, "run")));
	return out_write(&out, e);
}

static int runs(const struct args *args, struct err *e)
{
	struct source s cleanup_source = {0};
	const char *state = args_get(args, "state");
	int64_t limit;
	if (args_int(args, "limit", -1, 1000000, 50, &limit, e) || (state && check_state(state, e)) ||
		source_open(&s, args, e))
		return -1;
	cleanup_json json_t *rows = source_runs(&s, state, NULL, (int)limit, e);
	if (!rows)
		return -1;
	if (args_has(args, "names"))
		return print_names(rows, e);
	return args_has(args, "json") ? out_json(rows, e) : print(rows, s.name, e);
}

const struct verb verb_runs = {
	.name = "runs",
	.words = "",
	.summary = "list runs, newest first",
	.options = options,
	.run = runs,
};
