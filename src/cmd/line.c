/* line: see line.h. One function for each kind of event that people see, in one table. */
#include "cmd/line.h"

#include <inttypes.h>

#include "cmd/out.h"
#include "flow/run.h"

#define LONG 160 /* columns of a text that a model or tool wrote */
#define SHORT 80

static void add(struct buf *out, const char *text, size_t columns)
{
	text_fit(span_of(text ? text : ""), columns, out);
}

static void add_line(struct buf *out, struct span text, size_t columns)
{
	text_fit(text_first_line(text), columns, out);
}

static void add_agent(const char *id, const char *role, const char *name, struct buf *out)
{
	add(out, id, 64);
	buf_addc(out, ' ');
	add(out, role, SHORT);
	if (name && role && strcmp(name, role) != 0) {
		buf_adds(out, " (");
		add(out, name, SHORT);
		buf_addc(out, ')');
	}
}

void line_agent(const struct overview *o, const char *id, struct buf *out)
{
	const struct seen_agent *a = overview_agent(o, id);
	if (a)
		add_agent(id, a->role, a->name, out);
	else
		add(out, id, 64);
}

void line_options(const json_t *options, struct buf *out)
{
	size_t i;
	json_t *one;
	json_array_foreach(options, i, one)
	{
		buf_adds(out, i ? ", " : "");
		add(out, json_string_value(one), SHORT);
	}
}

typedef enum line_kind line_fn(const struct overview *o, const json_t *data, struct buf *out);

/* ---- the run ---- */

static enum line_kind run_made(const struct overview *o, const json_t *data, struct buf *out)
{
	buf_addf(out, "run %s: ", run_short(o->id));
	add(out, json_str(data, "title"), LONG);
	buf_adds(out, " (mode ");
	add(out, json_str(data, "mode"), SHORT);
	buf_adds(out, ") in ");
	add(out, json_str(data, "dir"), 512);
	if (json_get(data, "forked"))
		buf_addf(out, ", forked from %s at event %" PRId64,
			run_short(json_str(json_get(data, "forked"), "run") ? json_str(json_get(data, "forked"), "run")
									    : "?"),
			json_int(json_get(data, "forked"), "at", 0));
	return LINE_HEAD;
}

static enum line_kind run_phase(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_adds(out, "phase ");
	add(out, json_str(data, "name"), SHORT);
	return LINE_HEAD;
}

static enum line_kind run_waiting(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_adds(out, "waits for ");
	add(out, json_str(data, "on"), SHORT);
	return LINE_PLAIN;
}

static enum line_kind run_paused(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_adds(out, "paused");
	if (json_str(data, "by")) {
		buf_adds(out, " by ");
		add(out, json_str(data, "by"), SHORT);
	}
	return LINE_HEAD;
}

static enum line_kind run_intervened(const struct overview *o, const json_t *data, struct buf *out)
{
	const char *kind = json_str(data, "kind");
	if (!kind || !strcmp(kind, "pause") || !strcmp(kind, "cancel"))
		return LINE_NONE;
	add(out, json_str(data, "by"), SHORT);
	buf_addf(out, ": %s", kind);
	if (json_str(data, "agent")) {
		buf_addc(out, ' ');
		line_agent(o, json_str(data, "agent"), out);
	}
	static const char *const fields[] = {"role", "name", "text", NULL};
	for (const char *const *f = fields; *f; f++)
		if (json_str(data, *f)) {
			buf_adds(out, !strcmp(*f, "text") ? ": " : " ");
			add_line(out, json_span(data, *f), LONG);
		}
	return LINE_PLAIN;
}

void line_evidence(const char *evidence, const json_t *check, struct buf *out)
{
	const char *altered = json_str(check, "altered");
	if (evidence && !strcmp(evidence, "done"))
		buf_adds(out, "done: its check passes on the final files");
	else if (evidence && !strcmp(evidence, "failing"))
		buf_adds(out, "done, failing: its check does not pass");
	else if (altered)
		buf_addf(out, "done, unchecked: %s says what the check runs, and was changed by the run", altered);
	else
		buf_adds(out, "done, unchecked: no check ran on the final files");
}

static enum line_kind run_completed(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	const char *evidence = json_str(data, "evidence");
	buf_adds(out, "completed, ");
	line_evidence(evidence, json_get(data, "check"), out);
	return evidence && !strcmp(evidence, "done") ? LINE_GOOD : LINE_BAD;
}

static enum line_kind run_failed(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_adds(out, "failed: ");
	add(out, json_str(data, "text"), 1000);
	if (json_str(data, "where")) {
		buf_adds(out, " (");
		add(out, json_str(data, "where"), SHORT);
		buf_addc(out, ')');
	}
	return LINE_BAD;
}

static enum line_kind run_cancelled(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_adds(out, "cancelled by ");
	add(out, json_str(data, "by") ? json_str(data, "by") : "the system", SHORT);
	return LINE_HEAD;
}

static enum line_kind run_recovered(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_addf(out, "goes on after a stop; calls that were in flight: %zu", json_array_size(json_get(data, "lost")));
	return LINE_PLAIN;
}

static enum line_kind run_merged(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_adds(out, "merged into ");
	add(out, json_str(data, "into"), SHORT);
	buf_addf(out, " as %.8s", json_str(data, "commit") ? json_str(data, "commit") : "?");
	return LINE_GOOD;
}

static enum line_kind run_renamed(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_adds(out, "named: ");
	add(out, json_str(data, "name"), SHORT);
	return LINE_PLAIN;
}

static enum line_kind run_forked(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_addf(out, "forked at event %" PRId64 " as %s", json_int(data, "at", 0),
		json_str(data, "to") ? run_short(json_str(data, "to")) : "?");
	return LINE_PLAIN;
}

/* ---- agents ---- */

static enum line_kind agent_started(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	add_agent(json_str(data, "agent"), json_str(data, "role"), json_str(data, "name"), out);
	buf_adds(out, " begins: ");
	if (json_is_string(json_get(data, "task"))) {
		add_line(out, json_span(data, "task"), LONG);
	} else {
		cleanup_buf struct buf task = BUF_INIT(1u << 20);
		json_print(json_get(data, "task"), &task);
		add_line(out, buf_span(&task), LONG);
	}
	return LINE_PLAIN;
}

static enum line_kind agent_finished(const struct overview *o, const json_t *data, struct buf *out)
{
	const char *status = json_str(data, "status");
	const json_t *error = json_get(data, "error"), *result = json_get(data, "result");
	line_agent(o, json_str(data, "agent"), out);
	buf_addf(out, " %s after %d turns, ", status ? status : "ended", (int)json_int(data, "turns", 0));
	text_usd(json_num(data, "usd", 0), out);
	if (error) {
		buf_adds(out, ": ");
		add(out, json_is_string(error) ? json_string_value(error) : json_str(error, "text"), LONG);
	} else if (json_is_string(result)) {
		buf_adds(out, ": ");
		add_line(out, span_n(json_string_value(result), json_string_length(result)), LONG);
	}
	return status && !strcmp(status, "failed") ? LINE_BAD : LINE_GOOD;
}

static enum line_kind agent_compacted(const struct overview *o, const json_t *data, struct buf *out)
{
	line_agent(o, json_str(data, "agent"), out);
	buf_adds(out, ": the older part of its conversation was summarised");
	return LINE_PLAIN;
}

static enum line_kind message_added(const struct overview *o, const json_t *data, struct buf *out)
{
	const char *from = json_str(data, "from");
	if (!from || !strcmp(from, "task"))
		return LINE_NONE;
	line_agent(o, json_str(data, "agent"), out);
	buf_adds(out, " is told by ");
	add(out, from, SHORT);
	buf_adds(out, ": ");
	add_line(out, json_span(data, "text"), LONG);
	return LINE_PLAIN;
}

static enum line_kind model_answered(const struct overview *o, const json_t *data, struct buf *out)
{
	struct span text = text_first_line(json_span(data, "text"));
	if (!text.n)
		return LINE_NONE;
	line_agent(o, json_str(data, "agent"), out);
	buf_adds(out, ": ");
	text_fit(text, LONG, out);
	return LINE_PLAIN;
}

static enum line_kind model_failed(const struct overview *o, const json_t *data, struct buf *out)
{
	line_agent(o, json_str(data, "agent"), out);
	buf_adds(out, ": the model failed: ");
	add(out, json_str(data, "text"), LONG * 2);
	return LINE_BAD;
}

/* ---- tools ---- */

static bool is_command(const char *tool)
{
	return tool && (!strcmp(tool, "shell") || !strcmp(tool, "run_tests") || !strcmp(tool, "install_dependencies"));
}

static void add_call(const char *tool, const char *subject, struct buf *out)
{
	if (tool && !strcmp(tool, "shell") && subject && *subject) {
		buf_adds(out, "$ ");
		add_line(out, span_of(subject), LONG);
		return;
	}
	add(out, tool, SHORT);
	if (subject && *subject) {
		buf_addc(out, ' ');
		add_line(out, span_of(subject), LONG);
	}
}

static enum line_kind tool_started(const struct overview *o, const json_t *data, struct buf *out)
{
	if (!is_command(json_str(data, "tool")))
		return LINE_NONE;
	line_agent(o, json_str(data, "agent"), out);
	buf_adds(out, ": ");
	add_call(json_str(data, "tool"), json_str(data, "subject"), out);
	return LINE_PLAIN;
}

/* The last line that is not blank, before the tool's own about the exit status: what a command ended with. */
static struct span last_line(struct span text)
{
	struct span line, last = SPAN_NONE;
	while (span_line(&text, &line)) {
		line = span_trim(line);
		if (line.n && !span_starts(line, "[exit status "))
			last = line;
	}
	return last;
}

static enum line_kind tool_finished(const struct overview *o, const json_t *data, struct buf *out)
{
	const char *agent = json_str(data, "agent"), *call = json_str(data, "call"), *status = json_str(data, "status");
	char key[160];
	snprintf(key, sizeof(key), "%s/%s", agent ? agent : "", call ? call : "");
	const json_t *known = json_get(o->calls, key);
	struct span content = json_span(data, "content");
	bool ok = status && !strcmp(status, "ok");
	int64_t exit = json_int(data, "exit", -1);
	line_agent(o, agent, out);
	buf_adds(out, ": ");
	add_call(known ? json_str(known, "tool") : call, json_str(known, "subject"), out);
	if (json_get(data, "exit")) {
		buf_addf(out, ": exit %" PRId64, exit);
		if (last_line(content).n) {
			buf_adds(out, ", ");
			text_fit(last_line(content), LONG, out);
		}
		return exit == 0 ? LINE_GOOD : LINE_BAD;
	}
	if (!ok) {
		buf_addf(out, ": %s: ", status ? status : "error");
		add_line(out, content, LONG);
	}
	return ok ? LINE_PLAIN : LINE_BAD;
}

static enum line_kind tool_lost(const struct overview *o, const json_t *data, struct buf *out)
{
	line_agent(o, json_str(data, "agent"), out);
	buf_adds(out, ": a call was interrupted and not run again: ");
	add_line(out, json_span(data, "content"), LONG);
	return LINE_BAD;
}

static enum line_kind tool_denied(const struct overview *o, const json_t *data, struct buf *out)
{
	line_agent(o, json_str(data, "agent"), out);
	buf_adds(out, ": ");
	add(out, json_str(data, "tool"), SHORT);
	buf_adds(out, " was refused: ");
	add(out, json_str(data, "reason"), LONG);
	return LINE_BAD;
}

/* ---- the flow ---- */

static enum line_kind flow_said(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	add_line(out, json_span(data, "text"), LONG * 2);
	return out->len ? LINE_PLAIN : LINE_NONE;
}

static enum line_kind flow_step(const struct overview *o, const json_t *data, struct buf *out)
{
	const char *call = json_str(data, "call");
	(void)o;
	if (!call || strcmp(call, "exec") != 0)
		return LINE_NONE;
	add_call("shell", json_str(json_get(data, "args"), "command"), out);
	return LINE_PLAIN;
}

static enum line_kind flow_result(const struct overview *o, const json_t *data, struct buf *out)
{
	const json_t *value = json_get(data, "value"), *evidence = json_get(data, "evidence");
	const char *key = json_str(data, "key"), *known = key ? json_str(o->steps, key) : NULL;
	if (!known)
		return LINE_NONE;
	int64_t exit = json_int(evidence ? evidence : value, "exit", -1);
	const char *command = evidence ? json_str(evidence, "command") : known;
	buf_adds(out, evidence ? "check $ " : "$ ");
	add_line(out, span_of(command ? command : known), LONG);
	if (json_bool(value, "lost", false))
		buf_adds(out, ": interrupted and not run again");
	else if (json_bool(data, "ok", true))
		buf_addf(out, ": exit %" PRId64, exit);
	else {
		buf_adds(out, ": ");
		add(out, json_str(json_get(data, "error"), "text"), LONG);
	}
	return exit == 0 ? LINE_GOOD : LINE_BAD;
}

static enum line_kind task_added(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_adds(out, "task ");
	add(out, json_str(data, "task"), SHORT);
	buf_adds(out, ": ");
	add_line(out, json_span(data, "title"), LONG);
	return LINE_PLAIN;
}

static enum line_kind task_changed(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_adds(out, "task ");
	add(out, json_str(data, "task"), SHORT);
	buf_adds(out, " is ");
	add(out, json_str(data, "status"), SHORT);
	return LINE_PLAIN;
}

static enum line_kind artifact_added(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_adds(out, "artifact ");
	add(out, json_str(data, "name"), SHORT);
	if (json_str(data, "path")) {
		buf_adds(out, ": ");
		add(out, json_str(data, "path"), SHORT);
	}
	return LINE_GOOD;
}

static enum line_kind problem(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	add(out, json_str(data, "severity") ? json_str(data, "severity") : "error", SHORT);
	buf_adds(out, ": ");
	add(out, json_str(data, "text"), 1000);
	return LINE_BAD;
}

static enum line_kind budget_reached(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	buf_adds(out, "the budget of ");
	add(out, json_str(data, "scope"), SHORT);
	buf_adds(out, " is reached: ");
	text_usd(json_num(data, "spent", 0), out);
	buf_adds(out, " of ");
	text_usd(json_num(data, "limit", 0), out);
	buf_adds(out, " spent, ");
	text_usd(json_num(data, "need", 0), out);
	buf_adds(out, " needed");
	return LINE_BAD;
}

/* ---- people ---- */

static enum line_kind action_opened(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	add(out, json_str(data, "action"), SHORT);
	buf_addc(out, ' ');
	add(out, json_str(data, "kind"), SHORT);
	buf_adds(out, " \"");
	add(out, json_str(data, "name"), SHORT);
	buf_adds(out, "\": ");
	add_line(out, json_span(data, "title"), LONG);
	if (json_array_size(json_get(data, "options"))) {
		buf_adds(out, " [");
		line_options(json_get(data, "options"), out);
		buf_addc(out, ']');
	}
	return LINE_ASK;
}

static enum line_kind action_resolved(const struct overview *o, const json_t *data, struct buf *out)
{
	const char *id = json_str(data, "action");
	const json_t *action = id ? json_get(o->actions, id) : NULL;
	add(out, id, SHORT);
	buf_adds(out, " \"");
	add(out, json_str(action, "name"), SHORT);
	buf_adds(out, json_bool(data, "expired", false) ? "\" expired without an answer" : "\" answered by ");
	if (!json_bool(data, "expired", false))
		add(out, json_str(data, "by"), SHORT);
	static const char *const fields[] = {"option", "text", NULL};
	for (const char *const *f = fields; *f; f++)
		if (json_str(data, *f)) {
			buf_adds(out, ": ");
			add_line(out, json_span(data, *f), LONG);
		}
	return LINE_PLAIN;
}

static enum line_kind action_closed(const struct overview *o, const json_t *data, struct buf *out)
{
	(void)o;
	add(out, json_str(data, "action"), SHORT);
	buf_adds(out, " is closed: ");
	add(out, json_str(data, "why"), LONG);
	return LINE_PLAIN;
}

static line_fn *const lines[EVENT_TYPES] = {
	[EVENT_RUN_CREATED] = run_made,
	[EVENT_RUN_PHASE] = run_phase,
	[EVENT_RUN_WAITING] = run_waiting,
	[EVENT_RUN_PAUSED] = run_paused,
	[EVENT_RUN_INTERVENED] = run_intervened,
	[EVENT_RUN_COMPLETED] = run_completed,
	[EVENT_RUN_FAILED] = run_failed,
	[EVENT_RUN_CANCELLED] = run_cancelled,
	[EVENT_RUN_RECOVERED] = run_recovered,
	[EVENT_RUN_MERGED] = run_merged,
	[EVENT_RUN_FORKED] = run_forked,
	[EVENT_RUN_RENAMED] = run_renamed,
	[EVENT_RUN_PROGRESS] = flow_said,
	[EVENT_AGENT_STARTED] = agent_started,
	[EVENT_AGENT_FINISHED] = agent_finished,
	[EVENT_AGENT_COMPACTED] = agent_compacted,
	[EVENT_MESSAGE_ADDED] = message_added,
	[EVENT_MODEL_ANSWERED] = model_answered,
	[EVENT_MODEL_FAILED] = model_failed,
	[EVENT_TOOL_STARTED] = tool_started,
	[EVENT_TOOL_FINISHED] = tool_finished,
	[EVENT_TOOL_LOST] = tool_lost,
	[EVENT_TOOL_DENIED] = tool_denied,
	[EVENT_FLOW_SAID] = flow_said,
	[EVENT_FLOW_LOG] = flow_said,
	[EVENT_FLOW_STEP] = flow_step,
	[EVENT_FLOW_RESULT] = flow_result,
	[EVENT_TASK_ADDED] = task_added,
	[EVENT_TASK_CHANGED] = task_changed,
	[EVENT_ACTION_OPENED] = action_opened,
	[EVENT_ACTION_RESOLVED] = action_resolved,
	[EVENT_ACTION_CLOSED] = action_closed,
	[EVENT_ARTIFACT_ADDED] = artifact_added,
	[EVENT_BUDGET_REACHED] = budget_reached,
	[EVENT_ERROR] = problem,
};

enum line_kind line_of(const struct overview *o, const struct event *ev, const json_t *data, struct buf *out)
{
	if (ev->type >= EVENT_TYPES || !lines[ev->type])
		return LINE_NONE;
	return lines[ev->type](o, data, out);
}
