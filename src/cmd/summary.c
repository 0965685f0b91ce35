/* summary: see summary.h. */
#include "cmd/summary.h"

#include <inttypes.h>
#include <math.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cmd/asking.h"
#include "cmd/line.h"
#include "cmd/out.h"
#include "flow/run.h"
#include "vcs/project.h"

#define FILES_SHOWN 40
#define COMMITS_SHOWN 12
#define LABEL "  %-9s "

static void add_files(const struct overview *o, struct buf *out)
{
	size_t total = 0, shown = 0, used = 0;
	const char *path;
	json_t *change;
	json_object_foreach(o->files, path, change) total += strcmp(json_string_value(change), "deleted") != 0;
	if (!total)
		return;
	buf_addf(out, LABEL "%zu", "files", total);
	json_object_foreach(o->files, path, change)
	{
		if (!strcmp(json_string_value(change), "deleted"))
			continue;
		if (shown++ == FILES_SHOWN) {
			buf_adds(out, " …");
			break;
		}
		if (used + strlen(path) > 84) {
			buf_addf(out, "\n" LABEL, "");
			used = 0;
		}
		buf_adds(out, used || shown == 1 ? "  " : "   ");
		text_fit(span_of(path), 80, out);
		used += strlen(path) + 2;
	}
	buf_addc(out, '\n');
}

static void add_check(const struct overview *o, struct buf *out)
{
	if (!o->check)
		return;
	buf_addf(out, LABEL, "check");
	text_fit(text_first_line(json_span(o->check, "command")), 120, out);
	buf_addf(out, ": exit %" PRId64, json_int(o->check, "exit", -1));
	if (o->checks > 1)
		buf_addf(out, " (%d checks ran, %d failed)", o->checks, o->failed_checks);
	buf_addc(out, '\n');
}

static int add_log(const struct overview *o, struct buf *out, struct err *e)
{
	const char *dir = json_str(o->created, "dir"), *base = json_str(o->created, "base"),
		   *branch = json_str(o->created, "branch");
	char head[OID_TEXT];
	cleanup_free char *git = dir ? fs_join(dir, ".git") : NULL;
	if (!git || !branch || !fs_exists(git))
		return 0;
	struct project *p = project_open(dir, NULL, e);
	cleanup_json json_t *log = NULL;
	if (p && !project_branch(p, branch, head, e) && *head)
		log = project_log(p, head, COMMITS_SHOWN + 1, e);
	project_close(p);
	size_t i;
	json_t *one;
	json_array_foreach(log, i, one)
	{
		const char *oid = json_str(one, "oid");
		if (!oid || (base && !strcmp(oid, base)))
			break;
		buf_addf(out, LABEL, i ? "" : "commits");
		if (i == COMMITS_SHOWN) {
			buf_adds(out, "…\n");
			break;
		}
		buf_addf(out, "%.8s ", oid);
		text_fit(text_first_line(json_span(one, "message")), 90, out);
		buf_addc(out, '\n');
	}
	return log ? 0 : -1;
}

static void add_cost(const struct overview *o, struct buf *out)
{
	buf_addf(out, LABEL, "cost");
	text_usd(o->usd, out);
	if (o->usd_unknown > 0) {
		buf_adds(out, " and ");
		text_usd(o->usd_unknown, out);
		buf_adds(out, " unknown (calls that were lost)");
	}
	buf_adds(out, "; ");
	text_count(o->input, out);
	buf_adds(out, " tokens in, ");
	text_count(o->output, out);
	buf_addf(out, " out; %zu agents; ", map_count(&o->agents));
	text_period(o->at - o->began, out);
	buf_addc(out, '\n');
}

static void add_actions(const struct overview *o, struct buf *out)
{
	const char *id;
	json_t *action;
	json_object_foreach(o->actions, id, action)
	{
		buf_addf(out, LABEL "%s ", "decide", id);
		text_fit(json_span(action, "kind"), 40, out);
		buf_adds(out, " \"");
		text_fit(json_span(action, "name"), 60, out);
		buf_adds(out, "\": ");
		text_fit(json_span(action, "title"), 120, out);
		if (json_array_size(json_get(action, "options"))) {
			buf_adds(out, " [");
			line_options(json_get(action, "options"), out);
			buf_addc(out, ']');
		}
		buf_addc(out, '\n');
	}
}

static void add_answers(const struct overview *o, const char *flag, struct buf *out)
{
	const char *id;
	json_t *action;
	json_object_foreach(o->actions, id, action)
	{
		const json_t *options = json_get(action, "options");
		buf_addf(out, "muster answer %s %s ", run_short(o->id), id);
		if (json_array_size(options))
			text_fit(span_of(json_string_value(json_array_get(options, 0))), 40, out);
		else
			buf_adds(out, "--text \"…\"");
		buf_addf(out, "%s\n" LABEL, flag, "");
	}
}

static void add_next(const struct overview *o, int status, const struct args *args, struct buf *out)
{
	const char *run = run_short(o->id), *dir = json_str(o->created, "dir");
	const char *data = args_get(args, "data"), *url = args_get(args, "url");
	cleanup_free char *named = url ? mem_printf(" --url %s", url) : data ? mem_printf(" --data %s", data) : NULL;
	const char *flag = named ? named : "";
	buf_addf(out, LABEL, "next");
	if (!strcmp(o->state, "completed") && o->merged && dir) {
		buf_adds(out, "cd ");
		text_fit(span_of(dir), 200, out);
		buf_adds(out, " && git log --stat\n");
	} else if (!strcmp(o->state, "completed")) {
		buf_addf(out, "muster diff %s%s    then    muster merge %s%s\n", run, flag, run, flag);
	} else if (!strcmp(o->state, "cancelled") || (!strcmp(o->state, "failed") && o->flow_failed)) {
		buf_addf(out, "muster fork %s%s    to go on from an earlier event\n", run, flag);
	} else if (asking_turn(o)) {
		buf_addf(out, "muster chat send %s%s \"…\"\n", run, flag);
	} else {
		if (status == 3 || status == 5)
			add_answers(o, flag, out);
		buf_addf(out, "muster resume %s%s\n", run, flag);
	}
}

static void add_head(const struct overview *o, int status, const struct err *why, struct buf *out)
{
	buf_addf(out, "run %s ", run_short(o->id));
	if (why)
		buf_adds(out, "was left by this process");
	else if (!strcmp(o->state, "completed")) {
		buf_adds(out, "is ");
		line_evidence(o->evidence, o->check, out);
	} else if (status == 130)
		buf_adds(out, "was paused by you");
	else
		buf_addf(out, "%s", *o->waiting_on ? "waits" : "is ");
	if (!why && status != 130 && strcmp(o->state, "completed") != 0 && !*o->waiting_on)
		buf_adds(out, o->state);
	if (!why && *o->waiting_on)
		buf_addf(out, " for a %s", !strcmp(o->waiting_on, "budget") ? "larger budget" : o->waiting_on);
	buf_addc(out, '\n');
	const char *text = why ? why->text : !strcmp(o->state, "failed") ? o->error : NULL;
	if (text) {
		buf_addf(out, LABEL, "why");
		text_fit(span_of(text), 1000, out);
		buf_addc(out, '\n');
	}
}

struct span summary_result(const struct overview *o)
{
	static const char *const fields[] = {"summary", "report", "text", NULL};
	struct span text = json_is_string(o->result)
				   ? span_n(json_string_value(o->result), json_string_length(o->result))
				   : SPAN_NONE;
	for (const char *const *f = fields; *f && !text.n; f++)
		text = json_span(o->result, *f);
	return text_first_line(text);
}

static void add_result(const struct overview *o, struct buf *out)
{
	struct span text = summary_result(o);
	if (!text.n)
		return;
	buf_addf(out, LABEL, "result");
	text_fit(text, 200, out);
	buf_addc(out, '\n');
}

void summary_text(const struct overview *o, int status, const struct err *why, const struct args *args, struct buf *out)
{
	struct err e = ERR_INIT;
	const char *dir = json_str(o->created, "dir");
	add_head(o, status, why, out);
	add_result(o, out);
	add_files(o, out);
	add_check(o, out);
	if (add_log(o, out, &e) && e.code != ERR_OK)
		buf_addf(out, LABEL "%s\n", "commits", e.text);
	add_cost(o, out);
	if (dir) {
		buf_addf(out, LABEL, "where");
		text_fit(span_of(dir), 300, out);
		if (!o->merged)
			buf_addf(out, ", branch %s",
				json_str(o->created, "branch") ? json_str(o->created, "branch") : "?");
		buf_addc(out, '\n');
	}
	add_actions(o, out);
	add_next(o, status, args, out);
}

void summary_show(struct view *v, const struct overview *o, int status, const struct err *why, const struct args *args)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_OUTPUT);
	struct err e = ERR_INIT;
	cleanup_json json_t *last = summary_json(o, status, &e);
	summary_text(o, status, why, args, &text);
	if (last && !buf_check(&text, "the summary", &e))
		v->ops->end(v, buf_span(&text), last);
	if (status == 4 && !why && !isatty(STDOUT_FILENO)) {
		cleanup_free char *what =
			mem_printf("run %s failed: %s", run_short(o->id), o->error ? o->error : "no reason is known");
		out_error(what ? what : "the run failed");
	}
	if (status == 130 && (!isatty(STDOUT_FILENO) || args_has(args, "json"))) {
		cleanup_free char *how = mem_printf("paused; go on with: muster resume %s\n", run_short(o->id));
		out_say(span_of(how ? how : "paused\n"));
	}
}

/* Sums of dollars without the noise of binary fractions. */
static double nano(double usd)
{
	return round(usd * 1e9) / 1e9;
}

double summary_usd(const struct overview *o)
{
	return nano(o->usd + o->usd_unknown);
}

json_t *summary_json(const struct overview *o, int status, struct err *e)
{
	return json_make(e, "{s:s, s:s, s:s?, s:i, s:f, s:f, s:s?, s:O?, s:s?, s:O?, s:s?}", "run", o->id, "state",
		o->state, "evidence", o->evidence, "exit", status, "cost", summary_usd(o), "cost_unknown",
		nano(o->usd_unknown), "waiting_on", *o->waiting_on ? o->waiting_on : NULL, "check", o->check, "error",
		!strcmp(o->state, "failed") ? o->error : NULL, "result", o->result, "dir", json_str(o->created, "dir"));
}
