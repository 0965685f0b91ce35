/* history: what a run's agents said, are and did, page by page.
 *
 * All of it is read from the journal when it is asked for, on the pool: folds of the whole run (overview.h) for what it
 * adds up to, its events alone for the conversation. */
#include <stdio.h>

#include "api/overview.h"
#include "api/page.h"
#include "base/caps.h"
#include "base/mem.h"
#include "flow/run.h"

/* ---- what the run adds up to ---- */

static json_t *read_list(struct ask *q, struct page *p, json_t *(*list)(const struct overview *o), struct err *e)
{
	struct overview o;
	overview_init(&o, q->run_id);
	json_t *out = overview_read(&o, q->needs->store, e) ? NULL : page_part(p, list(&o), e);
	overview_release(&o);
	return out;
}

static json_t *read_agents(struct ask *q, struct page *p, struct err *e)
{
	return read_list(q, p, overview_agents, e);
}

static json_t *read_tasks(struct ask *q, struct page *p, struct err *e)
{
	return read_list(q, p, overview_tasks, e);
}

static json_t *get_agents(struct ask *q, struct err *e)
{
	return page_start(q, read_agents, PAGE_MOST, e);
}

static json_t *get_tasks(struct ask *q, struct err *e)
{
	return page_start(q, read_tasks, PAGE_MOST, e);
}

/* ---- the conversation ---- */

#define LOOKED_AT 5000 /* events for one page: of a run in which other agents talk it may be short, or empty */

/* Which of an event's fields a message has, besides seq, at, kind and agent. */
static const struct {
	enum event_type type;
	const char *kind;
	const char *fields[8];
} spoken[] = {
	{EVENT_AGENT_STARTED, "began", {"role", "name", "parent", "model"}},
	{EVENT_MESSAGE_ADDED, "message", {"from", "text"}},
	{EVENT_MODEL_ANSWERED, "answer", {"turn", "text", "calls", "stop", "model", "usd", "usage"}},
	{EVENT_MODEL_FAILED, "failure", {"turn", "code", "text"}},
	{EVENT_TOOL_FINISHED, "result", {"call", "status", "content", "exit", "truncated", "changed"}},
	{EVENT_TOOL_LOST, "result", {"call", "content", "changed"}},
	{EVENT_TOOL_ANSWERED, "result", {"call", "status", "content"}},
	{EVENT_TOOL_DENIED, "denial", {"call", "tool", "rule", "reason"}},
	{EVENT_AGENT_COMPACTED, "compaction", {"upto", "how"}},
	{EVENT_AGENT_FINISHED, "end", {"status", "result", "turns", "usd", "error"}},
};

/* NULL without an error: it is no message, or another agent's. */
static json_t *message_of(struct store *s, const struct event *ev, const char *agent, struct err *e)
{
	size_t k = 0, n = sizeof(spoken) / sizeof(*spoken);
	while (k < n && spoken[k].type != ev->type)
		k++;
	if (k == n)
		return NULL;
	cleanup_json json_t *data = event_data(ev, e);
	const char *who = json_str(data, "agent");
	if (!data || !who || (agent && strcmp(agent, who) != 0) || spill_back(s, ev->type, data, e))
		return NULL;
	json_t *out = json_make(e, "{s:I, s:I, s:s, s:s}", "seq", (json_int_t)ev->seq, "at", (json_int_t)ev->at, "kind",
		spoken[k].kind, "agent", who);
	for (const char *const *field = spoken[k].fields; out && *field; field++)
		if (json_get(data, *field) && json_put(out, *field, json_incref(json_get(data, *field)))) {
			json_decref(out);
			err_nomem(e);
			return NULL;
		}
	return out;
}

/* Its size, roughly: what is large in it came with the event or from a blob. */
static size_t size_of(const json_t *message)
{
	cleanup_free char *text = json_text(message);
	return text ? strlen(text) : CAP_MESSAGES_PAGE;
}

static json_t *read_messages(struct ask *q, struct page *p, struct err *e)
{
	char stream[EVENT_STREAM_MAX];
	struct event events[64];
	cleanup_json json_t *out = json_array();
	const char *agent = json_str(q->query, "agent");
	int64_t at = p->after, looked = 0;
	size_t bytes = 0;
	bool full = false;
	int got = 1;
	snprintf(stream, sizeof(stream), "run/%s", q->run_id);
	while (out && !full && e->code == ERR_OK &&
		(got = store_read(q->needs->store, stream, at, events, 64, e)) > 0) {
		for (int i = 0; i < got; i++) {
			json_t *one =
				full || e->code != ERR_OK ? NULL : message_of(q->needs->store, &events[i], agent, e);
			if (one) {
				bytes += size_of(one);
				if (json_array_append_new(out, one))
					err_nomem(e);
			}
			if (!full)
				at = events[i].seq;
			full = full || json_array_size(out) >= (size_t)p->limit || bytes >= CAP_MESSAGES_PAGE ||
			       ++looked >= LOOKED_AT;
			event_release(&events[i]);
		}
	}
	if (!out)
		err_nomem(e);
	if (got < 0 || e->code != ERR_OK)
		return NULL;
	p->next = full ? at : 0;
	return steal(&out);
}

static json_t *get_messages(struct ask *q, struct err *e)
{
	return page_start(q, read_messages, 100, e);
}

/* ---- money ---- */

static json_t *get_cost(struct ask *q, struct err *e)
{
	static const char *const sums[] = {
		"run", "usd", "usd_unknown", "budget_usd", "input_tokens", "output_tokens", "cached_tokens", NULL};
	cleanup_json json_t *filter = json_make(e, "{s:s}", "run", q->run_id);
	struct usage_query query = {.group = USAGE_RUNS, .filter = filter, .limit = -1};
	cleanup_json json_t *usage = filter ? store_usage(q->needs->store, &query, e) : NULL;
	double spent = json_num(q->run, "usd", 0) + json_num(q->run, "usd_unknown", 0);
	double budget = json_num(q->run, "budget_usd", -1);
	json_t *out =
		usage ? json_make(e, "{s:O, s:I, s:o}", "by", usage, "took_us",
				(json_int_t)(json_int(q->run, "updated", 0) - json_int(q->run, "created", 0)),
				"left_usd", budget < 0 ? json_null() : json_real(budget > spent ? budget - spent : 0))
		      : NULL;
	for (const char *const *name = sums; out && *name; name++)
		if (json_put(out, *name, json_incref(json_get(q->run, *name)))) {
			json_decref(out);
			err_nomem(e);
			return NULL;
		}
	return out;
}

const struct route routes_history[] = {
	{"GET", API "/runs/{run}/messages", WHO_VIEWER, "what was said to, by and about the run's agents, oldest first",
		"agent:s? " PAGE_QUERY, NULL, "[@message]", 0, get_messages},
	{"GET", API "/runs/{run}/agents", WHO_VIEWER, "its agents, each behind its parent", PAGE_QUERY, NULL,
		"[@agent]", 0, get_agents},
	{"GET", API "/runs/{run}/tasks", WHO_VIEWER, "its plan, in the order in which it was made", PAGE_QUERY, NULL,
		"[@task]", 0, get_tasks},
	{"GET", API "/runs/{run}/cost", WHO_VIEWER, "what it has spent, on what, and what is left of its budget", NULL,
		NULL, "@cost", 0, get_cost},
	{0},
};
