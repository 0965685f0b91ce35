/* show: shows one run: state, agents, tasks, actions, artifacts, files, money. */
#include <inttypes.h>
#include <string.h>

#include "cmd/line.h"
#include "cmd/out.h"
#include "cmd/source.h"
#include "cmd/summary.h"
#include "cmd/usage.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"json", NULL, false, "print a JSON object"},
	{NULL},
};

static int fold(void *ctx, const struct event *ev, const json_t *data, struct err *e)
{
	struct overview *o = ctx;
	overview_event(o, ev, data);
	return o->failed ? err_nomem(e) : 0;
}

/* ---- text ---- */

static void head(struct buf *out, const char *name)
{
	buf_addf(out, "\n%s\n", name);
}

static int add_table(struct buf *out, const char *name, struct table *t, struct err *e)
{
	int failed = 0;
	if (t->count > (size_t)t->columns) {
		head(out, name);
		failed = table_print(t, out, e);
	}
	table_release(t);
	return failed;
}

static void heads(struct table *t, int columns, const char *const *names)
{
	table_init(t, columns);
	for (int i = 0; i < columns; i++)
		table_adds(t, names[i]);
}

static int add_agents(const struct overview *o, struct buf *out, struct err *e)
{
	static const char *const names[] = {"AGENT", "ROLE", "STATE", "TURNS", "COST", "NAME, WHAT IT DOES"};
	const struct seen_agent **agents = overview_tree(o);
	struct table t;
	if (!agents)
		return err_nomem(e);
	heads(&t, 6, names);
	for (size_t i = 0; agents[i]; i++) {
		const struct seen_agent *a = agents[i];
		cleanup_buf struct buf cell = BUF_INIT(CAP_OUTPUT);
		table_adds(&t, a->id);
		table_adds(&t, a->role);
		table_adds(&t, a->state);
		buf_addf(&cell, "%d", a->turns);
		table_take(&t, &cell);
		text_usd(a->usd, &cell);
		table_take(&t, &cell);
		const char *what = a->error ? a->error : a->activity && *a->activity ? a->activity : a->task;
		if (a->name)
			buf_addf(&cell, "%s: ", a->name);
		text_fit(text_first_line(span_of(what ? what : "")), 200, &cell);
		table_take(&t, &cell);
	}
	mem_free(agents);
	return add_table(out, "agents", &t, e);
}

static int add_tasks(const struct overview *o, struct buf *out, struct err *e)
{
	static const char *const names[] = {"TASK", "STATUS", "ROLE", "AGENT", "TITLE"};
	const char *id;
	json_t *task;
	struct table t;
	heads(&t, 5, names);
	json_object_foreach(o->tasks, id, task)
	{
		table_adds(&t, id);
		table_adds(&t, json_str(task, "status"));
		table_adds(&t, json_str(task, "role"));
		table_adds(&t, json_str(task, "agent"));
		table_adds(&t, json_str(task, "title"));
	}
	return add_table(out, "tasks", &t, e);
}

static int add_actions(const json_t *actions, struct buf *out, struct err *e)
{
	static const char *const names[] = {"ACTION", "KIND", "NAME", "STATE", "TITLE"};
	size_t i;
	struct table t;
	heads(&t, 5, names);
	for (i = json_array_size(actions); i-- > 0;) {
		const json_t *row = json_array_get(actions, i), *answer = json_get(row, "answer");
		cleanup_buf struct buf cell = BUF_INIT(CAP_OUTPUT);
		table_adds(&t, json_str(row, "action"));
		table_adds(&t, json_str(row, "kind"));
		table_adds(&t, json_str(row, "name"));
		table_adds(&t, json_str(row, "state"));
		buf_adds(&cell, json_str(row, "title") ? json_str(row, "title") : "");
		static const char *const fields[] = {"option", "text", "why", NULL};
		const char *between = " → ";
		for (const char *const *f = fields; *f; f++)
			if (json_str(answer, *f)) {
				buf_adds(&cell, between);
				text_fit(text_first_line(json_span(answer, *f)), 120, &cell);
				between = ": ";
			}
		table_take(&t, &cell);
	}
	return add_table(out, "actions", &t, e);
}

static int add_usage(const json_t *usage, struct buf *out, struct err *e)
{
	if (json_array_size(usage))
		head(out, "money");
	return usage_table(usage, false, out, e);
}

static int add_artifacts(const struct overview *o, struct buf *out, struct err *e)
{
	static const char *const names[] = {"ARTIFACT", "TYPE", "BYTES", "PATH"};
	size_t i;
	json_t *row;
	struct table t;
	heads(&t, 4, names);
	json_array_foreach(o->artifacts, i, row)
	{
		cleanup_buf struct buf cell = BUF_INIT(256);
		table_adds(&t, json_str(row, "name"));
		table_adds(&t, json_str(row, "type"));
		buf_addf(&cell, "%" PRId64, json_int(row, "size", 0));
		table_take(&t, &cell);
		table_adds(&t, json_str(row, "path"));
	}
	return add_table(out, "artifacts", &t, e);
}

static int print(const struct overview *o, const json_t *row, const json_t *actions, const json_t *usage,
	const struct args *args, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	buf_addf(&out, "%s  ", o->id);
	text_fit(json_span(row, "title"), 120, &out);
	buf_addf(&out, " (mode %s), begun ", json_str(row, "mode") ? json_str(row, "mode") : "?");
	text_time(json_int(row, "created", 0), &out);
	if (o->phase)
		buf_addf(&out, ", phase %s", o->phase);
	buf_addf(&out, ", %" PRId64 " events\n", o->seq);
	summary_text(o, 3, NULL, args, &out);
	if (add_agents(o, &out, e) || add_tasks(o, &out, e) || add_actions(actions, &out, e) ||
		add_artifacts(o, &out, e) || add_usage(usage, &out, e))
		return -1;
	return out_write(&out, e);
}

/* ---- JSON ---- */

static int print_json(
	const struct overview *o, const json_t *row, const json_t *actions, const json_t *usage, struct err *e)
{
	cleanup_json json_t *all = json_make(e, "{s:O, s:O?, s:o, s:o, s:O, s:O, s:O, s:O, s:O?, s:O?}", "run", row,
		"created", o->created, "agents", overview_agents(o), "tasks", overview_tasks(o), "actions", actions,
		"artifacts", o->artifacts, "usage", usage, "files", o->files, "check", o->check, "result", o->result);
	return all ? out_json(all, e) : -1;
}

static int show(const struct args *args, struct err *e)
{
	struct source from cleanup_source = {0};
	if (source_open(&from, args, e))
		return -1;
	cleanup_json json_t *row = source_run(&from, args_word(args, 0), e);
	const char *run = json_str(row, "run");
	cleanup_json json_t *actions = row ? source_actions(&from, run, true, -1, e) : NULL;
	cleanup_json json_t *usage = actions ? source_usage(&from, run, e) : NULL;
	struct overview o;
	if (!usage)
		return -1;
	overview_init(&o, run);
	int status = source_events(&from, run, false, fold, &o, e) ? -1
		     : args_has(args, "json")			   ? print_json(&o, row, actions, usage, e)
								   : print(&o, row, actions, usage, args, e);
	overview_release(&o);
	return status;
}

const struct verb verb_show = {
	.name = "show",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "show one run: state, agents, tasks, actions, files, money",
	.options = options,
	.run = show,
};
