/* overview: see overview.h. One function for each kind of event that matters, in one table. */
#include "api/overview.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/mem.h"

static void set_text(struct overview *o, char **to, const char *text)
{
	char *copy = text ? mem_strdup(text) : NULL;
	if (text && !copy) {
		o->failed = true;
		return;
	}
	mem_free(*to);
	*to = copy;
}

static void set_span(struct overview *o, char **to, struct span text)
{
	char *copy = span_dup(text);
	if (!copy) {
		o->failed = true;
		return;
	}
	mem_free(*to);
	*to = copy;
}

static void put(struct overview *o, json_t *obj, const char *key, json_t *value)
{
	if (!key)
		json_decref(value);
	else if (json_object_set_new(obj, key, value))
		o->failed = true;
}

/* ---- the table's functions ---- */

typedef void fold(struct overview *o, const struct event *ev, const json_t *data);

static void state(struct overview *o, const char *name)
{
	snprintf(o->state, sizeof(o->state), "%s", name);
	*o->waiting_on = '\0';
}

static void run_created(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	json_decref(o->created);
	o->created = json_incref((json_t *)data);
	hash_parse(&o->files_at, json_span(data, "snapshot"));
	state(o, "created");
}

static void run_going(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	(void)data;
	state(o, "running");
}

static void run_waiting(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	state(o, "waiting");
	snprintf(o->waiting_on, sizeof(o->waiting_on), "%s", json_str(data, "on") ? json_str(data, "on") : "");
}

static void run_paused(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	(void)data;
	state(o, "paused");
}

static void run_phase(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	set_text(o, &o->phase, json_str(data, "name"));
}

static void run_completed(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	state(o, "completed");
	set_text(o, &o->evidence, json_str(data, "evidence"));
	set_text(o, &o->commit, json_str(data, "commit"));
	if (json_str(data, "merged"))
		set_text(o, &o->merged, json_str(data, "merged"));
	json_decref(o->result);
	o->result = json_incref(json_get(data, "result"));
	if (json_is_object(json_get(data, "check"))) {
		json_decref(o->check);
		o->check = json_incref(json_get(data, "check"));
	}
}

static void run_failed(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	state(o, "failed");
	set_text(o, &o->error, json_str(data, "text"));
	o->flow_failed = !json_str(data, "where");
}

static void run_cancelled(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	(void)data;
	state(o, "cancelled");
}

static void run_merged(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	set_text(o, &o->merged, json_str(data, "commit"));
}

/* ---- agents ---- */

static void free_agent(void *value)
{
	struct seen_agent *a = value;
	mem_free(a->role);
	mem_free(a->name);
	mem_free(a->parent);
	mem_free(a->activity);
	mem_free(a->task);
	mem_free(a->error);
	mem_free(a);
}

struct seen_agent *overview_agent(const struct overview *o, const char *id)
{
	return id ? map_get(&o->agents, span_of(id)) : NULL;
}

static struct seen_agent *agent_of(struct overview *o, const struct event *ev, const json_t *data)
{
	struct seen_agent *a = overview_agent(o, json_str(data, "agent"));
	if (a)
		a->since = ev->at;
	return a;
}

static void now(struct overview *o, struct seen_agent *a, const char *to, const char *activity)
{
	if (!a || a->ended)
		return;
	snprintf(a->state, sizeof(a->state), "%s", to);
	set_text(o, &a->activity, activity);
}

/* "run_tests: tests/" */
static void now_doing(struct overview *o, struct seen_agent *a, const char *tool, const char *subject)
{
	cleanup_free char *text = mem_printf("%s%s%s", tool, subject && *subject ? " " : "", subject ? subject : "");
	now(o, a, "working", text);
}

static void agent_started(struct overview *o, const struct event *ev, const json_t *data)
{
	const char *id = json_str(data, "agent");
	const json_t *task = json_get(data, "task");
	struct seen_agent *a = id ? MEM_NEW(struct seen_agent) : NULL;
	void *old = NULL;
	struct err e = ERR_INIT;
	if (!a || map_set(&o->agents, span_of(id), a, &old, &e)) {
		mem_free(a);
		o->failed = true;
		return;
	}
	if (old)
		free_agent(old);
	snprintf(a->id, sizeof(a->id), "%s", id);
	snprintf(a->state, sizeof(a->state), "started");
	set_text(o, &a->role, json_str(data, "role"));
	set_text(o, &a->name, json_str(data, "name"));
	set_text(o, &a->parent, json_str(data, "parent"));
	if (json_is_string(task))
		set_span(o, &a->task, span_n(json_string_value(task), json_string_length(task)));
	a->since = ev->at;
}

static void agent_finished(struct overview *o, const struct event *ev, const json_t *data)
{
	struct seen_agent *a = agent_of(o, ev, data);
	const json_t *error = json_get(data, "error");
	if (!a)
		return;
	now(o, a, json_str(data, "status") ? json_str(data, "status") : "done", "");
	a->ended = true;
	a->turns = (int)json_int(data, "turns", a->turns);
	a->usd = json_num(data, "usd", a->usd);
	if (error)
		set_text(o, &a->error, json_is_string(error) ? json_string_value(error) : json_str(error, "text"));
}

static void agent_status(struct overview *o, const struct event *ev, const json_t *data)
{
	const char *status = json_str(data, "status"), *text = json_str(data, "text");
	if (status)
		now(o, agent_of(o, ev, data), status, text ? text : "");
}

static void model_requested(struct overview *o, const struct event *ev, const json_t *data)
{
	now(o, agent_of(o, ev, data), "thinking", "");
}

static void model_answered(struct overview *o, const struct event *ev, const json_t *data)
{
	const json_t *usage = json_get(data, "usage");
	struct seen_agent *a = agent_of(o, ev, data);
	o->usd += json_num(data, "usd", 0);
	o->input += json_int(usage, "input", 0);
	o->output += json_int(usage, "output", 0);
	o->cached += json_int(usage, "cached", 0);
	set_text(o, &o->model, json_str(data, "model"));
	now(o, a, "working", "");
	if (a) {
		a->turns = (int)json_int(data, "turn", a->turns);
		a->usd += json_num(data, "usd", 0);
	}
}

static void model_failed(struct overview *o, const struct event *ev, const json_t *data)
{
	o->usd_unknown += json_num(data, "usd_unknown", 0);
	now(o, agent_of(o, ev, data), "waiting", json_str(data, "text"));
}

static void message_delta(struct overview *o, const struct event *ev, const json_t *data)
{
	struct seen_agent *a = agent_of(o, ev, data);
	struct span text = json_span(data, "text"), line = SPAN_NONE, one;
	while (span_line(&text, &one))
		line = span_trim(one).n ? span_trim(one) : line;
	cleanup_free char *shown = line.n ? span_dup(line) : NULL;
	if (shown)
		now(o, a, "thinking", shown);
}

static void file_stream(struct overview *o, const struct event *ev, const json_t *data)
{
	now_doing(o, agent_of(o, ev, data), "writes", json_str(data, "path"));
}

/* ---- tools and files ---- */

static char *call_key(const json_t *data)
{
	const char *agent = json_str(data, "agent"), *call = json_str(data, "call");
	return agent && call ? mem_printf("%s/%s", agent, call) : NULL;
}

static void tool_started(struct overview *o, const struct event *ev, const json_t *data)
{
	cleanup_free char *key = call_key(data);
	const char *tool = json_str(data, "tool"), *subject = json_str(data, "subject");
	put(o, o->calls, key, json_pack("{s:s?, s:s?}", "tool", tool, "subject", subject));
	now_doing(o, agent_of(o, ev, data), tool ? tool : "", subject);
}

static void changed(struct overview *o, const json_t *list)
{
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one)
	{
		const char *path = json_is_string(one) ? json_string_value(one) : json_str(one, "path");
		const char *change = json_str(one, "change");
		const char *before = path ? json_str(o->files, path) : NULL;
		if (!path || (before && !change))
			continue;
		/* A file that is new to the run stays new. */
		bool still = before && change && !strcmp(before, "added") && !strcmp(change, "modified");
		put(o, o->files, path, json_string(still ? "added" : change ? change : "modified"));
	}
}

static void checked(struct overview *o, const json_t *data)
{
	json_t *evidence = json_get(data, "evidence");
	if (!json_is_object(evidence))
		return;
	o->checks++;
	o->failed_checks += json_int(evidence, "exit", 1) != 0;
	json_decref(o->check);
	o->check = json_incref(evidence);
}

static void tool_finished(struct overview *o, const struct event *ev, const json_t *data)
{
	cleanup_free char *key = call_key(data);
	changed(o, json_get(data, "changed"));
	checked(o, data);
	if (key)
		json_object_del(o->calls, key);
	now(o, agent_of(o, ev, data), "working", "");
}

static void snapshot_taken(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	changed(o, json_get(data, "changed"));
	if (json_str(data, "copy") && !strcmp(json_str(data, "copy"), "run"))
		hash_parse(&o->files_at, json_span(data, "manifest"));
}

static void flow_step(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	const char *call = json_str(data, "call");
	if (!call || (strcmp(call, "exec") != 0 && strcmp(call, "check") != 0))
		return;
	const char *command = json_str(json_get(data, "args"), "command");
	put(o, o->steps, json_str(data, "key"), json_string(command ? command : "check"));
}

static void flow_result(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	changed(o, json_get(data, "changed"));
	checked(o, data);
	const char *key = json_str(data, "key");
	if (key)
		json_object_del(o->steps, key);
}

/* ---- people ---- */

static void task_added(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	json_t *task = json_clone(data);
	put(o, task, "status", json_string("open"));
	put(o, o->tasks, json_str(data, "task"), task);
}

static void task_changed(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	const char *id = json_str(data, "task");
	json_t *task = id ? json_object_get(o->tasks, id) : NULL;
	if (task && json_object_update(task, (json_t *)data))
		o->failed = true;
}

static void action_opened(struct overview *o, const struct event *ev, const json_t *data)
{
	put(o, o->actions, json_str(data, "action"), json_incref((json_t *)data));
	now(o, agent_of(o, ev, data), "waiting", json_str(data, "title"));
}

static void action_over(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	const char *id = json_str(data, "action");
	const char *agent = id ? json_str(json_object_get(o->actions, id), "agent") : NULL;
	now(o, overview_agent(o, agent), "working", "");
	if (id)
		json_object_del(o->actions, id);
}

static void artifact_added(struct overview *o, const struct event *ev, const json_t *data)
{
	(void)ev;
	if (json_array_append(o->artifacts, (json_t *)data))
		o->failed = true;
}

static fold *const folds[EVENT_TYPES] = {
	[EVENT_RUN_CREATED] = run_created,
	[EVENT_RUN_STARTED] = run_going,
	[EVENT_RUN_RESUMED] = run_going,
	[EVENT_RUN_WAITING] = run_waiting,
	[EVENT_RUN_PAUSED] = run_paused,
	[EVENT_RUN_PHASE] = run_phase,
	[EVENT_RUN_COMPLETED] = run_completed,
	[EVENT_RUN_FAILED] = run_failed,
	[EVENT_RUN_CANCELLED] = run_cancelled,
	[EVENT_RUN_MERGED] = run_merged,
	[EVENT_AGENT_STARTED] = agent_started,
	[EVENT_AGENT_FINISHED] = agent_finished,
	[EVENT_AGENT_STATUS] = agent_status,
	[EVENT_MODEL_REQUESTED] = model_requested,
	[EVENT_MODEL_ANSWERED] = model_answered,
	[EVENT_MODEL_FAILED] = model_failed,
	[EVENT_MESSAGE_DELTA] = message_delta,
	[EVENT_FILE_STREAM] = file_stream,
	[EVENT_TOOL_STARTED] = tool_started,
	[EVENT_TOOL_FINISHED] = tool_finished,
	[EVENT_TOOL_LOST] = tool_finished,
	[EVENT_SNAPSHOT_TAKEN] = snapshot_taken,
	[EVENT_FLOW_STEP] = flow_step,
	[EVENT_FLOW_RESULT] = flow_result,
	[EVENT_TASK_ADDED] = task_added,
	[EVENT_TASK_CHANGED] = task_changed,
	[EVENT_ACTION_OPENED] = action_opened,
	[EVENT_ACTION_RESOLVED] = action_over,
	[EVENT_ACTION_CLOSED] = action_over,
	[EVENT_ARTIFACT_ADDED] = artifact_added,
};

/* ---- the whole ---- */

void overview_init(struct overview *o, const char *id)
{
	*o = (struct overview){0};
	snprintf(o->id, sizeof(o->id), "%s", id);
	map_init(&o->agents, CAP_AGENTS * 2);
	o->calls = json_object();
	o->steps = json_object();
	o->tasks = json_object();
	o->actions = json_object();
	o->artifacts = json_array();
	o->files = json_object();
}

void overview_release(struct overview *o)
{
	char *texts[] = {o->phase, o->model, o->evidence, o->merged, o->error, o->commit};
	map_release(&o->agents, free_agent);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		mem_free(texts[i]);
	json_decref(o->created);
	json_decref(o->calls);
	json_decref(o->steps);
	json_decref(o->tasks);
	json_decref(o->actions);
	json_decref(o->artifacts);
	json_decref(o->files);
	json_decref(o->check);
	json_decref(o->result);
	*o = (struct overview){0};
}

void overview_event(struct overview *o, const struct event *ev, const json_t *data)
{
	if (ev->seq)
		o->seq = ev->seq;
	if (!o->began)
		o->began = ev->at;
	o->at = ev->at;
	if (ev->type < EVENT_TYPES && folds[ev->type])
		folds[ev->type](o, ev, data);
}

int overview_read(struct overview *o, struct store *s, struct err *e)
{
	char stream[EVENT_STREAM_MAX];
	struct event events[64];
	int64_t at = 0;
	int got;
	snprintf(stream, sizeof(stream), "run/%s", o->id);
	while ((got = store_read(s, stream, at, events, 64, e)) > 0)
		for (int i = 0; i < got; i++) {
			json_t *data = event_data(&events[i], e);
			if (data)
				overview_event(o, &events[i], data);
			json_decref(data);
			at = events[i].seq;
			event_release(&events[i]);
		}
	if (got == 0 && o->failed)
		return err_nomem(e);
	return got < 0 || e->code != ERR_OK ? -1 : 0;
}

/* Ids are creation paths: numbers with dots between them. */
static int by_path(const void *left, const void *right)
{
	const char *a = (*(const struct seen_agent *const *)left)->id,
		   *b = (*(const struct seen_agent *const *)right)->id;
	while (*a && *b) {
		char *a_end, *b_end;
		long m = strtol(a, &a_end, 10), n = strtol(b, &b_end, 10);
		if (m != n)
			return m < n ? -1 : 1;
		a = a_end + (*a_end == '.');
		b = b_end + (*b_end == '.');
		if (a == a_end && b == b_end) /* no numbers: as they are */
			return strcmp(a, b);
	}
	return (*a != '\0') - (*b != '\0');
}

const struct seen_agent **overview_tree(const struct overview *o)
{
	size_t count = map_count(&o->agents), n = 0;
	const struct seen_agent **list = mem_calloc(count + 1, sizeof(*list));
	const struct map_entry *it;
	for (size_t i = 0; list && (it = map_next(&o->agents, &i));)
		list[n++] = it->value;
	if (list)
		qsort(list, n, sizeof(*list), by_path);
	return list;
}

json_t *overview_agents(const struct overview *o)
{
	cleanup_json json_t *list = json_array();
	const struct seen_agent **agents = overview_tree(o);
	size_t i = 0;
	for (; list && agents && agents[i]; i++) {
		const struct seen_agent *a = agents[i];
		json_t *one = json_pack("{s:s, s:s?, s:s?, s:s?, s:s, s:i, s:f, s:s?, s:s?}", "agent", a->id, "role",
			a->role, "name", a->name, "parent", a->parent, "state", a->state, "turns", a->turns, "usd",
			a->usd, "task", a->task, "error", a->error);
		if (!one || json_array_append_new(list, one))
			break;
	}
	bool whole = list && agents && !agents[i];
	mem_free(agents);
	return whole ? steal(&list) : NULL;
}

json_t *overview_tasks(const struct overview *o)
{
	cleanup_json json_t *list = json_array();
	const char *id;
	json_t *task;
	json_object_foreach(o->tasks, id, task) if (!list || json_array_append(list, task)) return NULL;
	return steal(&list);
}

int overview_depth(const struct overview *o, const struct seen_agent *a)
{
	int depth = 0;
	while (a && a->parent && depth < 16) {
		a = overview_agent(o, a->parent);
		depth += a != NULL;
	}
	return depth;
}
