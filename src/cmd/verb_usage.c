/* usage: shows what runs spent, by role and model. */
#include "cmd/usage.h"

#include "cmd/source.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"json", NULL, false, "print a JSON array"},
	{NULL},
};

struct total {
	int64_t calls, input, cached, output;
	double usd, unknown;
};

static void add_money(struct table *t, double usd, double unknown)
{
	cleanup_buf struct buf cell = BUF_INIT(256);
	text_usd(usd, &cell);
	if (unknown > 0) {
		buf_adds(&cell, " + ");
		text_usd(unknown, &cell);
		buf_adds(&cell, " unknown");
	}
	table_take(t, &cell);
}

static void add_count(struct table *t, int64_t n)
{
	cleanup_buf struct buf cell = BUF_INIT(64);
	text_count(n, &cell);
	table_take(t, &cell);
}

static void add_numbers(struct table *t, const struct total *n)
{
	add_count(t, n->calls);
	add_count(t, n->input);
	add_count(t, n->cached);
	add_count(t, n->output);
	add_money(t, n->usd, n->unknown);
}

static void add_row(struct table *t, const json_t *row, bool with_runs, struct total *sum)
{
	struct total n = {json_int(row, "calls", 0), json_int(row, "input", 0), json_int(row, "cached", 0),
		json_int(row, "output", 0), json_num(row, "usd", 0), json_num(row, "usd_unknown", 0)};
	if (with_runs)
		table_adds(t, *json_str(row, "run") ? run_short(json_str(row, "run")) : "(gone)");
	table_adds(t, json_str(row, "role"));
	add_numbers(t, &n);
	table_adds(t, json_str(row, "model"));
	sum->calls += n.calls;
	sum->input += n.input;
	sum->cached += n.cached;
	sum->output += n.output;
	sum->usd += n.usd;
	sum->unknown += n.unknown;
}

int usage_table(const json_t *rows, bool with_runs, struct buf *out, struct err *e)
{
	static const char *const heads[] = {"RUN", "ROLE", "CALLS", "TOKENS IN", "CACHED", "OUT", "COST", "MODEL"};
	struct total sum = {0};
	struct table t;
	size_t i;
	json_t *row;
	if (!json_array_size(rows))
		return 0;
	table_init(&t, with_runs ? 8 : 7);
	for (i = with_runs ? 0 : 1; i < 8; i++)
		table_adds(&t, heads[i]);
	json_array_foreach(rows, i, row) add_row(&t, row, with_runs, &sum);
	if (i > 1) {
		if (with_runs)
			table_adds(&t, "all");
		table_adds(&t, with_runs ? "" : "all");
		add_numbers(&t, &sum);
		table_adds(&t, "");
	}
	int failed = table_print(&t, out, e);
	table_release(&t);
	return failed;
}

static int usage(const struct args *args, struct err *e)
{
	struct source s cleanup_source = {0};
	const char *name = args_word(args, 0);
	if (source_open(&s, args, e))
		return -1;
	cleanup_json json_t *run = name ? source_run(&s, name, e) : NULL;
	if (name && !run)
		return -1;
	cleanup_json json_t *rows = source_usage(&s, json_str(run, "run"), e);
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	if (!rows)
		return -1;
	if (args_has(args, "json"))
		return out_json(rows, e);
	if (!json_array_size(rows))
		buf_adds(&out, "nothing was spent\n");
	return usage_table(rows, !run, &out, e) ? -1 : out_write(&out, e);
}

const struct verb verb_usage = {
	.name = "usage",
	.words = "[RUN]",
	.most = 1,
	.summary = "show what was spent, by run, role and model",
	.options = options,
	.run = usage,
};
