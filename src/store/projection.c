/* projection: the folds.
 *
 *   created ──▶ running ◀──▶ waiting, paused        (run.started, run.resumed, run.waiting, run.paused)
 *      └──────────┴────────────┴──▶ failed          (may start or resume again)
 *                              └──▶ completed, cancelled   (final: any further move is ERR_FINAL)
 * run.deleted, in the project's stream, turns any of them into deleted: a row without content that only keeps the run's
 * place among the parents of others. Nothing can be folded into it any more.
 *
 * Money: model.requested opens a row in `requests` and reserves its amount in the budgets of the run, its parent runs,
 * its project, its user and the house; model.answered and model.failed close it and turn the reservation into what was
 * really spent (usd) or is unknown (usd_unknown, which counts as spent). What a fork has of its origin was paid there:
 * it counts for the fork's own budget and for no other, and not as usage.
 *
 * Above 600 lines because a fold is one entry of one table, and most of them change the same rows. */
#include "store/projection.h"

#include <math.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sm.h"

#define PARENTS_MAX 16
#define MONTHLY 2			/* what is spent is also counted by the month; reservations end soon */
#define COLUMN_CAP (4 * CAP_EVENT_DATA) /* a part of a payload, printed anew */
/* Enough for any event: a run's row holds texts of six payloads, and a fold reads those of its parents too. */
#define ARENA_CAP ((PARENTS_MAX + 3) * 8 * CAP_EVENT_DATA)
#define USD_MAX 1e6

struct fold {
	struct rows *rows;
	struct span run;
	struct cell row[ROW_CELLS]; /* the run's row before this event */
	const struct event *ev;
	const json_t *data;
	bool house;	       /* of the stream house */
	int64_t usd;	       /* nano-dollars of the event, where its kind has some */
	char time[CLOCK_TEXT]; /* of the event, where it has money */
};

/* ---- states ---- */

enum run_state { CREATED, RUNNING, WAITING, PAUSED, FAILED, COMPLETED, CANCELLED, DELETED };
#define LIVE (SM_TO(RUNNING) | SM_TO(WAITING) | SM_TO(PAUSED) | SM_TO(FAILED) | SM_TO(COMPLETED) | SM_TO(CANCELLED))
static const struct sm_state run_states[] = {
	[CREATED] = {"created", LIVE},
	[RUNNING] = {"running", LIVE},
	[WAITING] = {"waiting", LIVE},
	[PAUSED] = {"paused", LIVE},
	[FAILED] = {"failed", LIVE},
	[COMPLETED] = {"completed", 0},
	[CANCELLED] = {"cancelled", 0},
	[DELETED] = {PROJECTION_DELETED, 0},
};

static struct cell data_text(const struct fold *f, const char *name)
{
	return cell_span(json_span(f->data, name));
}

static int change_run(const struct fold *f, const struct change *changes, size_t count, struct err *e)
{
	struct cell key = cell_span(f->run);

	return f->rows->ops->put(f->rows, TABLE_RUNS, &key, changes, count, false, e);
}

/* Move the run to a state and set what goes with it (at most 6 changes). */
static int move_run(const struct fold *f, enum run_state to, const struct change *more, size_t count, struct err *e)
{
	struct change changes[8] = {{RUNS_state, false, cell_text(run_states[to].name)}, {RUNS_waiting_on}};

	for (int from = 0; from <= DELETED; from++)
		if (span_is(f->row[RUNS_state].text, run_states[from].name) && !(run_states[from].next & SM_TO(to)))
			return err_set(e, ERR_FINAL, "run %.*s is %s and cannot become %s; fork it instead",
				(int)f->run.n, f->run.p, run_states[from].name, run_states[to].name);
	for (size_t i = 0; i < count; i++)
		changes[2 + i] = more[i];
	return change_run(f, changes, 2 + count, e);
}

/* ---- money ---- */

/* Dollars as nano-dollars. Absent is 0. */
static int nano(const struct fold *f, const char *name, int64_t *out, struct err *e)
{
	double usd = json_num(f->data, name, 0);

	if (!(usd >= 0 && usd <= USD_MAX))
		return err_set(e, ERR_INVALID, "%s of a %s event is %g; dollars must be between 0 and %g", name,
			event_kinds[f->ev->type].type, usd, USD_MAX);
	*out = llround(usd * 1e9);
	return 0;
}

static int change_scope(const struct fold *f, const char *prefix, struct span id, const struct change *changes,
	size_t count, struct err *e)
{
	cleanup_buf struct buf scope = BUF_INIT(CAP_EVENT_DATA + 64); /* the id stood in a payload */

	buf_adds(&scope, prefix);
	buf_addspan(&scope, id);
	if (buf_check(&scope, "the name of a budget", e))
		return -1;
	struct cell key[] = {cell_span(buf_span(&scope)), cell_text("")};
	if (f->rows->ops->put(f->rows, TABLE_BUDGETS, key, changes, count, true, e))
		return -1;
	if (changes->column != BUDGETS_spent || !strcmp(prefix, "run/"))
		return 0;
	key[1] = cell_span(span_n(f->time, strlen("2026-11")));
	return f->rows->ops->put(f->rows, TABLE_BUDGETS, key, changes, MONTHLY, true, e);
}

static bool is_copied(const struct fold *f)
{
	return f->ev->seq <= f->row[RUNS_copied].i;
}

/* Move the budgets of the run, its parents, its project, its user and the house. */
static int change_budgets(const struct fold *f, const struct change *changes, size_t count, struct err *e)
{
	struct cell key = f->row[RUNS_parent], cells[ROW_CELLS];

	if (change_scope(f, "run/", f->run, changes, count, e))
		return -1;
	if (is_copied(f))
		return 0;
	if (f->row[RUNS_project].kind && change_scope(f, "project/", f->row[RUNS_project].text, changes, count, e))
		return -1;
	if (f->row[RUNS_user].kind && change_scope(f, "user/", f->row[RUNS_user].text, changes, count, e))
		return -1;
	for (int depth = 0; key.kind && depth < PARENTS_MAX; depth++) {
		int found = change_scope(f, "run/", key.text, changes, count, e);
		if (found == 0)
			found = f->rows->ops->get(f->rows, TABLE_RUNS, &key, cells, e);
		if (found < 0)
			return -1;
		key = found ? cells[RUNS_parent] : (struct cell){.kind = CELL_NULL};
	}
	return change_scope(f, "house", SPAN_NONE, changes, count, e);
}

static int model_requested(const struct fold *f, struct err *e)
{
	struct cell key[] = {cell_span(f->run), data_text(f, "agent"), cell_int(json_int(f->data, "turn", 0))};
	struct change request[] = {
		{REQUESTS_model, false, data_text(f, "model")}, {REQUESTS_reserved, true, cell_int(f->usd)}};
	struct change budget = {BUDGETS_reserved, true, cell_int(f->usd)};

	if (f->rows->ops->put(f->rows, TABLE_REQUESTS, key, request, 2, true, e))
		return -1;
	return change_budgets(f, &budget, 1, e);
}

static struct cell tokens(const struct fold *f, const char *name)
{
	int64_t n = json_int(json_get(f->data, "usage"), name, 0);

	return cell_int(n < 0 ? 0 : n > INT32_MAX ? INT32_MAX : n);
}

static struct cell or_empty(struct cell c)
{
	return c.kind ? c : cell_text("");
}

/* 20261122, UTC */
static int64_t day(const struct fold *f)
{
	return strtoll(f->time, NULL, 10) * 10000 + strtoll(f->time + 5, NULL, 10) * 100 +
	       strtoll(f->time + 8, NULL, 10);
}

/* Close the open request of this agent and turn: usage by role and model, the run's sums, the budgets. */
static int settle(const struct fold *f, int64_t usd, int64_t unknown, struct err *e)
{
	struct cell request_key[] = {cell_span(f->run), data_text(f, "agent"), cell_int(json_int(f->data, "turn", 0))};
	struct cell request[ROW_CELLS], agent[ROW_CELLS];
	struct rows *r = f->rows;
	int open = r->ops->get(r, TABLE_REQUESTS, request_key, request, e);
	int known = open < 0 ? -1 : r->ops->get(r, TABLE_AGENTS, request_key, agent, e);

	if (known < 0)
		return -1;
	struct cell model = open && request[REQUESTS_model].kind ? request[REQUESTS_model] : data_text(f, "model");
	int64_t reserved = open ? request[REQUESTS_reserved].i : 0;
	struct cell usage_key[] = {request_key[0], known ? or_empty(agent[AGENTS_role]) : cell_text(""),
		or_empty(model), cell_int(day(f)), or_empty(f->row[RUNS_project]), or_empty(f->row[RUNS_user])};
	struct change usage[] = {{USAGE_calls, true, cell_int(1)}, {USAGE_input, true, tokens(f, "input")},
		{USAGE_output, true, tokens(f, "output")}, {USAGE_cached, true, tokens(f, "cached")},
		{USAGE_usd, true, cell_int(usd)}, {USAGE_usd_unknown, true, cell_int(unknown)}};
	struct change run[] = {{RUNS_usd, true, cell_int(usd)}, {RUNS_usd_unknown, true, cell_int(unknown)},
		{RUNS_input_tokens, true, usage[1].value}, {RUNS_output_tokens, true, usage[2].value},
		{RUNS_cached_tokens, true, usage[3].value}};
	struct change budget[] = {
		{BUDGETS_spent, true, cell_int(usd + unknown)}, /* MONTHLY of them by the month, too */
		{BUDGETS_unknown, true, cell_int(unknown)}, {BUDGETS_reserved, true, cell_int(-reserved)}};
	if ((!is_copied(f) && r->ops->put(r, TABLE_USAGE, usage_key, usage, 6, true, e)) || change_run(f, run, 5, e) ||
		change_budgets(f, budget, 3, e))
		return -1;
	return open ? r->ops->drop(r, TABLE_REQUESTS, request_key, 3, e) : 0;
}

static int model_answered(const struct fold *f, struct err *e)
{
	return settle(f, f->usd, 0, e);
}

static int model_failed(const struct fold *f, struct err *e)
{
	return settle(f, 0, f->usd, e);
}

static int set_limit(const struct fold *f, const char *name, struct err *e)
{
	int64_t usd = 0;

	if (!json_is_number(json_get(f->data, name)))
		return 0;
	if (nano(f, name, &usd, e))
		return -1;
	struct change run = {RUNS_budget_usd, false, cell_int(usd)}, budget = {BUDGETS_limit_usd, false, cell_int(usd)};
	if (change_run(f, &run, 1, e))
		return -1;
	return change_scope(f, "run/", f->run, &budget, 1, e);
}

/* ---- runs ---- */

static int run_created(const struct fold *f, struct err *e)
{
	struct cell key = cell_span(f->run), parent = data_text(f, "parent"), cells[ROW_CELLS];
	struct change changes[] = {
		{RUNS_mode, false, data_text(f, "mode")},
		{RUNS_project, false, data_text(f, "project")},
		{RUNS_dir, false, data_text(f, "dir")},
		{RUNS_title, false, data_text(f, "title")},
		{RUNS_state, false, cell_text(run_states[CREATED].name)},
		{RUNS_created, false, cell_int(f->ev->at)},
		{RUNS_branch, false, data_text(f, "branch")},
		{RUNS_copy, false, data_text(f, "copy")},
		{RUNS_base, false, data_text(f, "base")},
		{RUNS_parent, false, parent},
		{RUNS_user, false, data_text(f, "user")},
		{RUNS_priority, false, cell_int(json_int(f->data, "priority", 0))},
		{RUNS_copied, false, cell_int(json_int(json_get(f->data, "forked"), "at", 0))},
	};

	if (f->row[RUNS_run].kind || f->ev->seq != 1)
		return err_set(e, ERR_CONFLICT, "run %.*s was created before", (int)f->run.n, f->run.p);
	if (parent.kind && !f->rows->again) {
		int found = f->rows->ops->get(f->rows, TABLE_RUNS, &parent, cells, e);
		if (found <= 0)
			return found < 0 ? -1
					 : err_set(e, ERR_NOT_FOUND, "the parent of run %.*s, %.*s, does not exist",
						   (int)f->run.n, f->run.p, (int)parent.text.n, parent.text.p);
	}
	if (f->rows->ops->put(f->rows, TABLE_RUNS, &key, changes, sizeof changes / sizeof *changes, true, e))
		return -1;
	return set_limit(f, "budget_usd", e);
}

static int run_going(const struct fold *f, struct err *e)
{
	return move_run(f, RUNNING, NULL, 0, e);
}

static int run_waiting(const struct fold *f, struct err *e)
{
	struct change on = {RUNS_waiting_on, false, data_text(f, "on")};

	return move_run(f, WAITING, &on, 1, e);
}

static int run_paused(const struct fold *f, struct err *e)
{
	return move_run(f, PAUSED, NULL, 0, e);
}

static int run_completed(const struct fold *f, struct err *e)
{
	struct change changes[] = {{RUNS_evidence, false, data_text(f, "evidence")},
		{RUNS_snapshot, false, data_text(f, "snapshot")}, {RUNS_commit, false, data_text(f, "commit")},
		{RUNS_error}};

	return move_run(f, COMPLETED, changes, 4, e);
}

static int run_failed(const struct fold *f, struct err *e)
{
	struct change error = {RUNS_error, false, cell_span(blob_span(f->ev->data))};

	return move_run(f, FAILED, &error, 1, e);
}

static int run_cancelled(const struct fold *f, struct err *e)
{
	return move_run(f, CANCELLED, NULL, 0, e);
}

static int run_phase(const struct fold *f, struct err *e)
{
	struct change phase = {RUNS_phase, false, data_text(f, "name")};

	return change_run(f, &phase, 1, e);
}

static int run_merged(const struct fold *f, struct err *e)
{
	struct change merged = {RUNS_merged, false, data_text(f, "commit")};

	return change_run(f, &merged, 1, e);
}

static int run_renamed(const struct fold *f, struct err *e)
{
	struct change title = {RUNS_title, false, data_text(f, "name")};

	return change_run(f, &title, 1, e);
}

/* A person extends the run's budget: kind "budget", value the new limit in dollars. */
static int run_intervened(const struct fold *f, struct err *e)
{
	return span_is(json_span(f->data, "kind"), "budget") ? set_limit(f, "value", e) : 0;
}

/* One row of what a run spent whose events went: it stays, under no run. counted: the budgets know of it. */
static int keep_usage(const struct fold *f, const json_t *row, bool counted, struct err *e)
{
	struct span project = json_span(f->data, "project"), user = json_span(f->data, "user");
	int64_t on = json_int(row, "day", 0), usd = json_int(row, "usd_nano", 0);
	int64_t unknown = json_int(row, "unknown_nano", 0);
	const struct cell key[] = {cell_text(""), cell_span(json_span(row, "role")), cell_span(json_span(row, "model")),
		cell_int(on), cell_span(project), cell_span(user)};
	const struct change usage[] = {{USAGE_calls, true, cell_int(json_int(row, "calls", 0))},
		{USAGE_input, true, cell_int(json_int(row, "input", 0))},
		{USAGE_output, true, cell_int(json_int(row, "output", 0))},
		{USAGE_cached, true, cell_int(json_int(row, "cached", 0))}, {USAGE_usd, true, cell_int(usd)},
		{USAGE_usd_unknown, true, cell_int(unknown)}};
	const struct change spent[] = {
		{BUDGETS_spent, true, cell_int(usd + unknown)}, {BUDGETS_unknown, true, cell_int(unknown)}};
	struct fold then = *f;

	if (f->rows->ops->put(f->rows, TABLE_USAGE, key, usage, 6, true, e))
		return -1;
	if (counted)
		return 0;
	snprintf(then.time, sizeof then.time, "%04d-%02d", (int)(on / 10000 % 10000), (int)(on / 100 % 100));
	return (project.n && change_scope(&then, "project/", project, spent, 2, e)) ||
			       (user.n && change_scope(&then, "user/", user, spent, 2, e)) ||
			       change_scope(&then, "house", SPAN_NONE, spent, 2, e)
		       ? -1
		       : 0;
}

/* Its events are gone as well: what they added to what runs share is known from here alone when all is folded anew. */
static int events_went(const struct fold *f, bool here, struct err *e)
{
	const struct cell key = cell_span(f->run);
	cleanup_free char *scope = mem_printf("run/%.*s", (int)f->run.n, f->run.p);
	const json_t *row;
	size_t i;

	if (!scope)
		return err_nomem(e);
	const struct cell budget = cell_text(scope);
	if (here && (f->rows->ops->drop(f->rows, TABLE_RUNS, &key, 1, e) ||
			    f->rows->ops->drop(f->rows, TABLE_BUDGETS, &budget, 1, e)))
		return -1;
	json_array_foreach(json_get(f->data, "usage"), i, row) if (keep_usage(f, row, here, e)) return -1;
	return 0;
}

/* In a project's stream: the run's rows go, what it spent stays in the budgets. */
static int run_deleted(const struct fold *f, struct err *e)
{
	static const enum table_id others[] = {TABLE_ACTIONS, TABLE_AGENTS, TABLE_REQUESTS, TABLE_USAGE};
	struct cell key = cell_span(f->run);
	struct change changes[RUNS_COUNT];
	size_t count = 0;
	bool went = json_get(f->data, "seq") != NULL;
	/* a later run may have the same id */
	bool here = f->row[RUNS_run].kind && (!went || f->row[RUNS_created].i <= f->ev->at);

	if (!here)
		return went ? events_went(f, false, e) : 0;
	for (int c = 1; c < RUNS_COUNT; c++) {
		const struct column *column = &store_tables[TABLE_RUNS].columns[c];
		if (column->type == COLUMN_SEQ || column->type == COLUMN_AT || c == RUNS_parent)
			continue;
		changes[count].column = c;
		changes[count].add = false;
		changes[count++].value = c == RUNS_state ? cell_text(PROJECTION_DELETED)
					 : column->zero	 ? cell_int(0)
							 : (struct cell){.kind = CELL_NULL};
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (f->rows->ops->drop(f->rows, others[i], &key, 1, e))
			return -1;
	return went ? events_went(f, true, e) : change_run(f, changes, count, e);
}

static int agent_started(const struct fold *f, struct err *e)
{
	struct cell key[] = {cell_span(f->run), data_text(f, "agent")};
	struct change role = {AGENTS_role, false, data_text(f, "role")}, one = {RUNS_agents, true, cell_int(1)};

	if (f->rows->ops->put(f->rows, TABLE_AGENTS, key, &role, 1, true, e))
		return -1;
	return change_run(f, &one, 1, e);
}

/* ---- actions ---- */

/* The member of this name as canonical text in the rows' arena; NULL cell when it is absent. */
static int data_json(const struct fold *f, const json_t *v, struct cell *out, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(COLUMN_CAP);
	char *copy;

	*out = (struct cell){.kind = CELL_NULL};
	if (!v || json_is_null(v))
		return 0;
	json_print(v, &text);
	if (buf_check(&text, "a column", e))
		return -1;
	copy = arena_dup(&f->rows->arena, buf_span(&text));
	if (!copy)
		return err_nomem(e);
	*out = cell_span(span_n(copy, text.len));
	return 0;
}

static int action_opened(const struct fold *f, struct err *e)
{
	struct cell key[] = {cell_span(f->run), data_text(f, "action")}, options;
	int64_t expires = json_int(f->data, "expires", 0);

	if (data_json(f, json_get(f->data, "options"), &options, e))
		return -1;
	struct change changes[] = {
		{ACTIONS_name, false, data_text(f, "name")},
		{ACTIONS_kind, false, data_text(f, "kind")},
		{ACTIONS_title, false, data_text(f, "title")},
		{ACTIONS_body, false, data_text(f, "body")},
		{ACTIONS_blob, false, data_text(f, "blob")},
		{ACTIONS_options, false, options},
		{ACTIONS_priority, false, data_text(f, "priority")},
		{ACTIONS_state, false, cell_text("open")},
		{ACTIONS_opened, false, cell_int(f->ev->at)},
		{ACTIONS_resolved},
		{ACTIONS_answer},
		{ACTIONS_agent, false, data_text(f, "agent")},
		{ACTIONS_call, false, data_text(f, "call")},
		{ACTIONS_call_hash, false, data_text(f, "call_hash")},
		{ACTIONS_seq, false, cell_int(f->ev->seq)},
		{ACTIONS_project, false, f->row[RUNS_project]},
		{ACTIONS_expires, false, expires ? cell_int(expires) : (struct cell){.kind = CELL_NULL}},
	};
	return f->rows->ops->put(f->rows, TABLE_ACTIONS, key, changes, sizeof changes / sizeof *changes, true, e);
}

static int action_ended(const struct fold *f, struct err *e)
{
	struct cell key[] = {cell_span(f->run), data_text(f, "action")};
	struct change changes[] = {
		{ACTIONS_state, false, cell_text(f->ev->type == EVENT_ACTION_RESOLVED ? "resolved" : "closed")},
		{ACTIONS_resolved, false, cell_int(f->ev->at)},
		{ACTIONS_answer, false, cell_span(blob_span(f->ev->data))},
	};

	return f->rows->ops->put(f->rows, TABLE_ACTIONS, key, changes, 3, false, e);
}

/* ---- who did what, and records ---- */

static int name_check(const struct fold *f, struct span name, const char *of, struct err *e)
{
	if (name.n > 0 && name.n <= CAP_RECORD_NAME)
		return 0;
	return err_set(e, ERR_INVALID, "the %s of a %s event must have 1 to %d bytes, not %zu", of,
		event_kinds[f->ev->type].type, CAP_RECORD_NAME, name.n);
}

static int change_record(const struct fold *f, const json_t *record, struct err *e)
{
	struct cell key[] = {cell_span(json_span(record, "kind")), cell_span(json_span(record, "id"))}, value;
	const json_t *v = json_get(record, "value");

	if (!v)
		return err_set(e, ERR_INVALID, "a record of an audit.recorded event has no value; null deletes it");
	if (name_check(f, key[0].text, "records' kind", e) || name_check(f, key[1].text, "records' id", e))
		return -1;
	if (json_is_null(v))
		return f->rows->ops->drop(f->rows, TABLE_RECORDS, key, 2, e);
	if (data_json(f, v, &value, e))
		return -1;
	struct change changes[] = {{RECORDS_value, false, value}, {RECORDS_at, false, cell_int(f->ev->at)},
		{RECORDS_seq, false, cell_int(f->ev->seq)}};
	return f->rows->ops->put(f->rows, TABLE_RECORDS, key, changes, 3, true, e);
}

static int audit_recorded(const struct fold *f, struct err *e)
{
	const json_t *records = json_get(f->data, "records");
	struct cell key = cell_int(f->ev->seq), detail;

	if (!f->house)
		return !records ? 0
				: err_set(e, ERR_INVALID,
					  "only audit.recorded events of the stream house can change records");
	if (records && !json_is_array(records))
		return err_set(e, ERR_INVALID, "the records of an audit.recorded event must be an array");
	if (name_check(f, data_text(f, "who").text, "who", e) || name_check(f, data_text(f, "what").text, "what", e) ||
		(data_text(f, "object").kind && name_check(f, data_text(f, "object").text, "object", e)) ||
		data_json(f, json_get(f->data, "detail"), &detail, e))
		return -1;
	struct change changes[] = {{AUDIT_at, false, cell_int(f->ev->at)}, {AUDIT_who, false, data_text(f, "who")},
		{AUDIT_what, false, data_text(f, "what")}, {AUDIT_object, false, data_text(f, "object")},
		{AUDIT_detail, false, detail}};
	if (f->rows->ops->put(f->rows, TABLE_AUDIT, &key, changes, 5, true, e))
		return -1;
	for (size_t i = 0; i < json_array_size(records); i++)
		if (change_record(f, json_array_get(records, i), e))
			return -1;
	return 0;
}

/* ---- the table ---- */

static const struct {
	int (*fold)(const struct fold *f, struct err *e);
	const char *keys[2]; /* text fields that must be there: they are keys of rows */
	const char *usd;     /* the field with the event's dollars. Such kinds change nothing but sums. */
} folds[EVENT_TYPES] = {
	[EVENT_RUN_CREATED] = {run_created},
	[EVENT_RUN_STARTED] = {run_going},
	[EVENT_RUN_RESUMED] = {run_going},
	[EVENT_RUN_PHASE] = {run_phase},
	[EVENT_RUN_WAITING] = {run_waiting},
	[EVENT_RUN_PAUSED] = {run_paused},
	[EVENT_RUN_INTERVENED] = {run_intervened},
	[EVENT_RUN_MERGED] = {run_merged},
	[EVENT_RUN_RENAMED] = {run_renamed, {"name"}},
	[EVENT_RUN_COMPLETED] = {run_completed},
	[EVENT_RUN_FAILED] = {run_failed},
	[EVENT_RUN_CANCELLED] = {run_cancelled},
	[EVENT_RUN_DELETED] = {run_deleted, {"run"}},
	[EVENT_AGENT_STARTED] = {agent_started, {"agent", "role"}},
	[EVENT_MODEL_REQUESTED] = {model_requested, {"agent", "model"}, "reserved"},
	[EVENT_MODEL_ANSWERED] = {model_answered, {"agent"}, "usd"},
	[EVENT_MODEL_FAILED] = {model_failed, {"agent"}, "usd_unknown"},
	[EVENT_ACTION_OPENED] = {action_opened, {"action"}},
	[EVENT_ACTION_RESOLVED] = {action_ended, {"action"}},
	[EVENT_ACTION_CLOSED] = {action_ended, {"action"}},
	[EVENT_AUDIT] = {audit_recorded, {"who", "what"}},
};

bool projection_wants(enum event_type type)
{
	return folds[type].fold != NULL;
}

bool projection_may_wait(enum event_type type)
{
	return folds[type].usd != NULL;
}

/* The run's row; an event of a run that does not exist, or no longer, cannot be folded. */
static int get_row(struct fold *f, struct err *e)
{
	struct cell key = cell_span(f->run);
	int found = f->rows->ops->get(f->rows, TABLE_RUNS, &key, f->row, e);

	if (found < 0)
		return -1;
	if (!found)
		memset(f->row, 0, sizeof f->row);
	if (f->ev->type == EVENT_RUN_DELETED && (found || f->rows->again))
		return 0;
	if (!found && f->ev->type != EVENT_RUN_CREATED)
		return err_set(e, ERR_NOT_FOUND, "run %.*s does not exist: its stream begins with run.created",
			(int)f->run.n, f->run.p);
	if (span_is(f->row[RUNS_state].text, PROJECTION_DELETED))
		return err_set(e, ERR_FINAL, "run %.*s was deleted", (int)f->run.n, f->run.p);
	return 0;
}

static bool concerns(const char *stream, const struct event *ev)
{
	if (ev->type == EVENT_AUDIT)
		return true;
	return folds[ev->type].fold && span_starts(span_of(stream), "run/") == (ev->type != EVENT_RUN_DELETED);
}

/* What every fold of this kind relies on; fills in the rest of f. */
static int begin(struct fold *f, const char *stream, struct err *e)
{
	enum event_type type = f->ev->type;

	for (int i = 0; i < 2 && folds[type].keys[i]; i++)
		if (!json_str(f->data, folds[type].keys[i]))
			return err_set(e, ERR_INVALID, "a %s event needs the text field \"%s\"", event_kinds[type].type,
				folds[type].keys[i]);
	if (type == EVENT_AUDIT) {
		f->house = strcmp(stream, "house") == 0;
		return 0;
	}
	f->run = type == EVENT_RUN_DELETED ? json_span(f->data, "run") : span_of(stream + strlen("run/"));
	if (folds[type].usd && nano(f, folds[type].usd, &f->usd, e))
		return -1;
	if (folds[type].usd)
		clock_text(f->time, f->ev->at);
	return get_row(f, e);
}

static int check_or_fold(
	bool folding, struct rows *r, const char *stream, const struct event *ev, const json_t *data, struct err *e)
{
	struct fold f = {.rows = r, .ev = ev, .data = data};
	int rc;

	if (!concerns(stream, ev))
		return 0;
	arena_init(&r->arena, ARENA_CAP);
	rc = begin(&f, stream, e);
	if (rc == 0 && folding)
		rc = folds[ev->type].fold(&f, e);
	arena_release(&r->arena);
	return rc;
}

int projection_check(struct rows *r, const char *stream, const struct event *ev, const json_t *data, struct err *e)
{
	return check_or_fold(false, r, stream, ev, data, e);
}

int projection_fold(struct rows *r, const char *stream, const struct event *ev, const json_t *data, struct err *e)
{
	return check_or_fold(true, r, stream, ev, data, e);
}
