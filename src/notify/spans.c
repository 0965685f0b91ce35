/* spans: see spans.h. */
#include "notify/spans.h"

#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "base/mem.h"

enum span_kind { KIND_INTERNAL = 1, KIND_CLIENT = 3 }; /* of opentelemetry.proto.trace.v1.Span */
enum span_status { STATUS_OK = 1, STATUS_ERROR = 2 };

/* What began. */
struct began {
	int64_t at;
	char *name, *parent; /* of an agent its role and the agent above it, of a tool call the tool, of a model call
				the model */
};

struct run_began {
	struct map open; /* "run", "agent/A", "model/A", "tool/A/C" → struct began */
};

static void began_free(void *value)
{
	struct began *b = value;
	mem_free(b->name);
	mem_free(b->parent);
	mem_free(b);
}

static void run_began_free(void *value)
{
	struct run_began *r = value;
	map_release(&r->open, began_free);
	mem_free(r);
}

void spans_init(struct spans *s)
{
	map_init(&s->runs, CAP_TRACE_RUNS);
}

void spans_release(struct spans *s)
{
	map_release(&s->runs, run_began_free);
}

static int remember(struct spans *s, const char *run, const char *key, const struct event *ev, const char *name,
	const char *parent, struct err *e)
{
	struct run_began *r = map_get(&s->runs, span_of(run));
	void *old = NULL;
	if (!r) {
		r = MEM_NEW(struct run_began);
		if (!r)
			return err_nomem(e);
		map_init(&r->open, CAP_TRACE_OPEN);
		if (map_set(&s->runs, span_of(run), r, NULL, e)) {
			mem_free(r);
			return -1;
		}
	}
	struct began *b = MEM_NEW(struct began);
	if (!b)
		return err_nomem(e);
	b->at = ev->at;
	b->name = mem_strdup(name ? name : "");
	b->parent = mem_strdup(parent ? parent : "");
	if (!b->name || !b->parent || map_set(&r->open, span_of(key), b, &old, e)) {
		began_free(b);
		return e && e->code != ERR_OK ? -1 : err_nomem(e);
	}
	if (old)
		began_free(old);
	return 0;
}

static struct began *find(const struct spans *s, const char *run, const char *key)
{
	const struct run_began *r = map_get(&s->runs, span_of(run));
	return r ? map_get(&r->open, span_of(key)) : NULL;
}

static void forget(struct spans *s, const char *run, const char *key)
{
	struct run_began *r = map_get(&s->runs, span_of(run));
	struct began *b = r ? map_del(&r->open, span_of(key)) : NULL;
	if (b)
		began_free(b);
}

/* ---- a span ---- */

#define TRACE_ID 33
#define SPAN_ID 17

static void id_of(const char *run, const char *key, int digits, char *out)
{
	char place[512], hex[HASH_HEX];
	struct hash hash;
	snprintf(place, sizeof(place), "%s/%s", run, key);
	hash_bytes(&hash, NULL, span_of(place));
	hash_hex(&hash, hex);
	snprintf(out, (size_t)digits + 1, "%.*s", digits, hex);
}

static void add_text(json_t *attributes, const char *key, const char *value)
{
	if (value && *value)
		json_array_append_new(
			attributes, json_pack("{s:s, s:{s:s}}", "key", key, "value", "stringValue", value));
}

static void add_int(json_t *attributes, const char *key, int64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", (long long)value); /* 64 bits are a string in protobuf's JSON */
	json_array_append_new(attributes, json_pack("{s:s, s:{s:s}}", "key", key, "value", "intValue", text));
}

struct making {
	const char *run, *key, *parent; /* keys of the span and of the one above it; NULL: none is */
	const char *operation, *subject;
	enum span_kind kind;
	int64_t from, to;  /* microseconds */
	const char *error; /* a code; NULL: it went well */
	json_t *attributes;
};

static int make(struct making *m, struct buf *out, struct err *e)
{
	char trace[TRACE_ID], id[SPAN_ID], parent[SPAN_ID] = "", from[32], to[32];
	cleanup_free char *name = mem_printf("%s %s", m->operation, m->subject);
	json_t *all = m->attributes;
	id_of(m->run, "", TRACE_ID - 1, trace);
	id_of(m->run, m->key, SPAN_ID - 1, id);
	if (m->parent)
		id_of(m->run, m->parent, SPAN_ID - 1, parent);
	snprintf(from, sizeof(from), "%lld000", (long long)(m->from < m->to ? m->from : m->to));
	snprintf(to, sizeof(to), "%lld000", (long long)m->to);
	add_text(all, "gen_ai.operation.name", m->operation);
	add_text(all, "gen_ai.conversation.id", m->run);
	add_text(all, "error.type", m->error);
	cleanup_json json_t *span = json_make(e, "{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:O, s:{s:i}}", "traceId", trace,
		"spanId", id, "parentSpanId", parent, "name", name ? name : m->operation, "kind", (int)m->kind,
		"startTimeUnixNano", from, "endTimeUnixNano", to, "attributes", all, "status", "code",
		m->error ? STATUS_ERROR : STATUS_OK);
	json_decref(all);
	if (!span)
		return -1;
	if (!m->parent)
		json_object_del(span, "parentSpanId");
	json_print(span, out);
	return buf_check(out, "a span", e) ? -1 : 1;
}

static const char *code_of(const json_t *data, const char *otherwise)
{
	const char *code = json_str(data, "code");
	return code ? code : otherwise;
}

/* ---- by kind of event ---- */

static int end_run(
	struct spans *s, const char *run, const struct event *ev, const json_t *data, struct buf *out, struct err *e)
{
	const struct began *b = find(s, run, "run");
	const char *error = ev->type == EVENT_RUN_FAILED      ? code_of(data, "failed")
			    : ev->type == EVENT_RUN_CANCELLED ? "cancelled"
							      : NULL;
	int rc = 0;
	if (b) {
		struct making m = {.run = run,
			.key = "run",
			.operation = "invoke_workflow",
			.subject = b->name,
			.kind = KIND_INTERNAL,
			.from = b->at,
			.to = ev->at,
			.error = error,
			.attributes = json_array()};
		add_text(m.attributes, "gen_ai.workflow.name", b->name);
		rc = make(&m, out, e);
	}
	struct run_began *r = ev->type == EVENT_RUN_FAILED ? NULL : map_del(&s->runs, span_of(run));
	if (r)
		run_began_free(r);
	return rc;
}

static int end_agent(
	struct spans *s, const char *run, const struct event *ev, const json_t *data, struct buf *out, struct err *e)
{
	char key[160], parent[160];
	const char *agent = json_str(data, "agent"), *status = json_str(data, "status");
	snprintf(key, sizeof(key), "agent/%s", agent ? agent : "");
	const struct began *b = find(s, run, key);
	if (!b)
		return 0;
	snprintf(parent, sizeof(parent), *b->parent ? "agent/%s" : "run", b->parent);
	struct making m = {.run = run,
		.key = key,
		.parent = parent,
		.operation = "invoke_agent",
		.subject = b->name,
		.kind = KIND_INTERNAL,
		.from = b->at,
		.to = ev->at,
		.attributes = json_array(),
		.error = status && strcmp(status, "done") != 0 ? status : NULL};
	add_text(m.attributes, "gen_ai.agent.id", agent);
	add_text(m.attributes, "gen_ai.agent.name", b->name);
	int rc = make(&m, out, e);
	forget(s, run, key);
	return rc;
}

/* "openai:gpt-5": who provides it, and its name there. */
static const char *split_model(const char *model, char *provider, size_t room)
{
	const char *colon = strchr(model, ':');
	snprintf(provider, room, "%.*s", colon ? (int)(colon - model) : 0, model);
	return colon ? colon + 1 : model;
}

static void add_usage(json_t *attributes, const json_t *data)
{
	const json_t *usage = json_get(data, "usage");
	const char *stop = json_str(data, "stop");
	if (usage) {
		add_int(attributes, "gen_ai.usage.input_tokens", json_int(usage, "input", 0));
		add_int(attributes, "gen_ai.usage.output_tokens", json_int(usage, "output", 0));
		add_int(attributes, "gen_ai.usage.cache_read.input_tokens", json_int(usage, "cached", 0));
		add_int(attributes, "gen_ai.usage.cache_creation.input_tokens", json_int(usage, "cache_write", 0));
	}
	if (stop)
		json_array_append_new(
			attributes, json_pack("{s:s, s:{s:{s:[{s:s}]}}}", "key", "gen_ai.response.finish_reasons",
					    "value", "arrayValue", "values", "stringValue", stop));
}

static int end_model(
	struct spans *s, const char *run, const struct event *ev, const json_t *data, struct buf *out, struct err *e)
{
	char key[160], own[160], parent[160], provider[64];
	const char *agent = json_str(data, "agent"), *answered = json_str(data, "model");
	snprintf(key, sizeof(key), "model/%s", agent ? agent : "");
	snprintf(own, sizeof(own), "event/%lld", (long long)ev->seq);
	snprintf(parent, sizeof(parent), "agent/%s", agent ? agent : "");
	const struct began *b = find(s, run, key);
	if (!b)
		return 0;
	const char *asked = split_model(b->name, provider, sizeof(provider));
	struct making m = {.run = run,
		.key = own,
		.parent = parent,
		.operation = "chat",
		.subject = asked,
		.kind = KIND_CLIENT,
		.from = b->at,
		.to = ev->at,
		.attributes = json_array(),
		.error = ev->type == EVENT_MODEL_FAILED ? code_of(data, "model") : NULL};
	add_text(m.attributes, "gen_ai.provider.name", provider);
	add_text(m.attributes, "gen_ai.request.model", asked);
	add_text(m.attributes, "gen_ai.agent.id", agent);
	if (answered)
		add_text(m.attributes, "gen_ai.response.model", split_model(answered, provider, sizeof(provider)));
	add_usage(m.attributes, data);
	int rc = make(&m, out, e);
	forget(s, run, key);
	return rc;
}

static int end_tool(
	struct spans *s, const char *run, const struct event *ev, const json_t *data, struct buf *out, struct err *e)
{
	char key[320], parent[160];
	const char *agent = json_str(data, "agent"), *call = json_str(data, "call"), *status = json_str(data, "status");
	snprintf(key, sizeof(key), "tool/%s/%s", agent ? agent : "", call ? call : "");
	snprintf(parent, sizeof(parent), "agent/%s", agent ? agent : "");
	const struct began *b = find(s, run, key);
	if (!b)
		return 0;
	bool lost = ev->type == EVENT_TOOL_LOST;
	struct making m = {.run = run,
		.key = key,
		.parent = parent,
		.operation = "execute_tool",
		.subject = b->name,
		.kind = KIND_INTERNAL,
		.from = b->at,
		.to = ev->at,
		.attributes = json_array(),
		.error = lost				       ? "lost"
			 : status && strcmp(status, "ok") != 0 ? status
							       : NULL};
	add_text(m.attributes, "gen_ai.tool.name", b->name);
	add_text(m.attributes, "gen_ai.tool.call.id", call);
	add_text(m.attributes, "gen_ai.tool.type", "function");
	add_text(m.attributes, "gen_ai.agent.id", agent);
	int rc = make(&m, out, e);
	forget(s, run, key);
	return rc;
}

static int begin(struct spans *s, const char *run, const struct event *ev, const json_t *data, struct err *e)
{
	char key[320];
	const char *agent = json_str(data, "agent"), *call = json_str(data, "call");
	if (ev->type == EVENT_RUN_CREATED)
		return remember(s, run, "run", ev, json_str(data, "mode"), NULL, e);
	if (!agent)
		return 0;
	if (ev->type == EVENT_AGENT_STARTED) {
		snprintf(key, sizeof(key), "agent/%s", agent);
		return remember(s, run, key, ev, json_str(data, "role"), json_str(data, "parent"), e);
	}
	if (ev->type == EVENT_MODEL_REQUESTED) {
		snprintf(key, sizeof(key), "model/%s", agent);
		return remember(s, run, key, ev, json_str(data, "model"), NULL, e);
	}
	snprintf(key, sizeof(key), "tool/%s/%s", agent, call ? call : "");
	return remember(s, run, key, ev, json_str(data, "tool"), NULL, e);
}

int spans_take(struct spans *s, const char *run, const struct event *ev, struct buf *out, struct err *e)
{
	static int (*const ends[EVENT_TYPES])(struct spans * s, const char *run, const struct event *ev,
		const json_t *data, struct buf *out, struct err *e) = {[EVENT_RUN_COMPLETED] = end_run,
		[EVENT_RUN_FAILED] = end_run,
		[EVENT_RUN_CANCELLED] = end_run,
		[EVENT_AGENT_FINISHED] = end_agent,
		[EVENT_MODEL_ANSWERED] = end_model,
		[EVENT_MODEL_FAILED] = end_model,
		[EVENT_TOOL_FINISHED] = end_tool,
		[EVENT_TOOL_ANSWERED] = end_tool,
		[EVENT_TOOL_LOST] = end_tool};
	bool begins = ev->type == EVENT_RUN_CREATED || ev->type == EVENT_AGENT_STARTED ||
		      ev->type == EVENT_MODEL_REQUESTED || ev->type == EVENT_TOOL_STARTED;
	if (!begins && !ends[ev->type])
		return 0;
	cleanup_json json_t *data = event_data(ev, e);
	if (!data)
		return -1;
	return begins ? begin(s, run, ev, data, e) : ends[ev->type](s, run, ev, data, out, e);
}
