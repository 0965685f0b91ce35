/* tally: see tally.h. */
#include "cmd/tally.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd/out.h"
#include "cmd/summary.h"
#include "flow/run.h"

#define STATE_WIDTH 20 /* "completed, unchecked" */
#define TEXT_WIDTH 200 /* where standard output is no terminal */

/* What is said beside a number of lines, and the state of an outcome. */
static const char *const names[] = {[TALLY_COMPLETED] = "completed",
	[TALLY_FAILED] = "failed",
	[TALLY_CANCELLED] = "cancelled",
	[TALLY_PAUSED] = "paused",
	[TALLY_WAITING] = "waiting",
	[TALLY_ERROR] = "error"};

static enum tally_state state_of(const struct outcome *o)
{
	if (o->why || !o->run)
		return TALLY_ERROR;
	for (int i = 0; i < TALLY_STATES; i++)
		if (!strcmp(o->run->state, names[i]))
			return i;
	return TALLY_ERROR;
}

void tally_status(struct tally *t, int status)
{
	static const int worst[] = {130, 1, 4, 2, 6, 5, 3, 7};
	for (size_t i = 0; i < sizeof(worst) / sizeof(*worst); i++)
		if (worst[i] == status || worst[i] == t->status) {
			t->status = worst[i];
			return;
		}
}

static void print(struct tally *t, struct buf *out)
{
	struct err e = ERR_INIT;
	bool whole = !out->failed;
	if (t->silent || !out_write(out, &e))
		return;
	t->silent = whole; /* standard output is gone */
	if (e.code != ERR_OK)
		log_warn("batch", "%s is not shown: %s", whole ? "nothing more" : "a result", e.text);
}

static void print_json(struct tally *t, json_t *object)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	if (!object)
		out.failed = BUF_NOMEM;
	json_print(object, &out);
	buf_addc(&out, '\n');
	print(t, &out);
	json_decref(object);
}

/* ---- one line ---- */

static const char *error_of(const struct outcome *o)
{
	if (o->why)
		return o->why->text;
	return o->run && !strcmp(o->run->state, "failed") ? o->run->error : NULL;
}

/* What people must decide, without the long texts. */
static json_t *actions_of(const struct overview *run)
{
	json_t *list = json_array(), *action;
	const char *id;
	json_object_foreach(run->actions, id, action)
	{
		json_t *one = json_pack("{s:s, s:O?, s:O?, s:O?, s:O?}", "action", id, "kind", json_get(action, "kind"),
			"name", json_get(action, "name"), "title", json_get(action, "title"), "options",
			json_get(action, "options"));
		if (json_array_append_new(list, one)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static double seconds(int64_t us)
{
	return round((double)us / 1e3) / 1e3;
}

static json_t *outcome_json(const struct outcome *o)
{
	struct err e = ERR_INIT;
	const struct overview *run = o->run;
	const char *error = error_of(o);
	json_t *out = json_make(&e, "{s:I, s:s, s:s, s:i, s:o?}", "line", (json_int_t)o->number, "name", o->name,
		"project", o->project, "status", o->status, "error", error ? json_from_span(span_of(error)) : NULL);
	json_t *more = !run ? json_make(&e, "{s:n, s:n, s:f}", "run", "state", "usd", 0.0)
			    : json_make(&e, "{s:s, s:s, s:s?, s:f, s:f, s:O?, s:s?, s:o}", "run", run->id, "state",
				      run->state, "evidence", run->evidence, "usd", summary_usd(run), "seconds",
				      seconds(run->at - run->began), "result", run->result, "waiting_on",
				      *run->waiting_on ? run->waiting_on : NULL, "actions", actions_of(run));
	if (out && (!more || json_object_update(out, more))) {
		json_decref(out);
		out = NULL;
	}
	json_decref(more);
	return out;
}

/* What is most worth knowing of it, in some words. */
static void add_text(const struct outcome *o, size_t room, struct buf *out)
{
	const char *error = error_of(o), *id;
	json_t *action;
	cleanup_buf struct buf text = BUF_INIT(CAP_OUTPUT);
	if (error) {
		buf_adds(&text, error);
	} else if (o->run && *o->run->waiting_on) {
		json_object_foreach(o->run->actions, id, action)
		{
			buf_addf(&text, "%s%s \"", text.len ? "; " : "", id);
			buf_addspan(&text, json_span(action, "name"));
			buf_adds(&text, "\": ");
			buf_addspan(&text, json_span(action, "title"));
		}
	} else if (o->run) {
		buf_addspan(&text, summary_result(o->run));
	}
	text_fit(text_first_line(buf_span(&text)), room, out);
}

static void add_right(const struct buf *text, int width, struct buf *out)
{
	buf_addf(out, "%*s  ", width, text->data ? text->data : "");
}

static void outcome_text(const struct tally *t, const struct outcome *o, struct buf *out)
{
	cleanup_buf struct buf part = BUF_INIT(CAP_OUTPUT);
	const struct overview *run = o->run;
	int columns = terminal_columns(STDOUT_FILENO), used = t->widest + STATE_WIDTH + 38;
	buf_addf(out, "%*s  ", t->widest, o->name);
	buf_adds(&part, names[state_of(o)]);
	if (run && !o->why && (run->evidence || *run->waiting_on))
		buf_addf(&part, *run->waiting_on ? " for %s" : ", %s",
			*run->waiting_on ? run->waiting_on : run->evidence);
	text_pad(buf_span(&part), STATE_WIDTH, out);
	buf_addf(out, "  %-8s  ", run ? run_short(run->id) : "-");
	buf_clear(&part);
	text_usd(run ? summary_usd(run) : 0, &part);
	add_right(&part, 8, out);
	buf_clear(&part);
	text_period(run ? run->at - run->began : 0, &part);
	add_right(&part, 12, out);
	add_text(o, columns > used + 20 ? (size_t)(columns - used) : TEXT_WIDTH, out);
	buf_addc(out, '\n');
}

void tally_add(struct tally *t, const struct outcome *o)
{
	t->lines++;
	t->states[state_of(o)]++;
	t->usd += o->run ? summary_usd(o->run) : 0;
	tally_status(t, o->status);
	if (t->json) {
		print_json(t, outcome_json(o));
		return;
	}
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	outcome_text(t, o, &out);
	print(t, &out);
}

/* ---- the sum ---- */

static json_t *total_json(const struct tally *t, int64_t left, const char *reason, int64_t took)
{
	struct err e = ERR_INIT;
	json_int_t all = t->lines + left;
	json_t *total = json_make(&e, "{s:I, s:I, s:s?, s:f, s:f, s:i}", "lines", all, "left", (json_int_t)left,
		"why_left", reason, "usd", round(t->usd * 1e9) / 1e9, "seconds", seconds(took), "status", t->status);
	for (int i = 0; total && i < TALLY_STATES; i++)
		if (json_put_int(total, names[i], t->states[i])) {
			json_decref(total);
			total = NULL;
		}
	return total ? json_make(&e, "{s:o}", "total", total) : NULL;
}

/* Where results go to a file or program, a person hears of it all the same. */
static void say_incomplete(const struct tally *t, int64_t left)
{
	cleanup_free char *text =
		mem_printf("%" PRId64 " of %" PRId64 " lines completed", t->states[TALLY_COMPLETED], t->lines + left);
	if (t->status && !isatty(STDOUT_FILENO))
		out_error(text ? text : "not all lines completed");
}

void tally_end(struct tally *t, int64_t left, const char *reason, int64_t took)
{
	say_incomplete(t, left);
	if (t->json) {
		print_json(t, total_json(t, left, reason, took));
		return;
	}
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	const char *between = ": ";
	buf_addf(&out, "\n%" PRId64 " %s", t->lines + left, t->lines + left == 1 ? "line" : "lines");
	for (int i = 0; i < TALLY_STATES; i++)
		if (t->states[i]) {
			buf_addf(&out, "%s%" PRId64 " %s", between, t->states[i], names[i]);
			between = ", ";
		}
	if (left)
		buf_addf(&out, "%s%" PRId64 " not begun", between, left);
	buf_adds(&out, "; ");
	text_usd(t->usd, &out);
	buf_adds(&out, "; ");
	text_period(took, &out);
	buf_addc(&out, '\n');
	if (left && reason)
		buf_addf(&out, "not begun: %s\n", reason);
	if (t->states[TALLY_WAITING])
		buf_adds(&out, "what waits: muster actions; once answered, type the same command again\n");
	print(t, &out);
}
