/* hostagent: the flow's calls about agents and branches: agent, start, await, tell, stop, agents, signal, waitfor. All
 * are served inside the machine. */
#include <stdio.h>

#include "base/caps.h"
#include "flow/hostcall.h"
#include "flow/program.h"

struct agent_entry *run_agent(struct run *r, const char *id)
{
	return map_get(&r->agents, span_of(id));
}

/* By its name or its branch: `merge{branch = side.branch}` names it as `copy = side.copy` does. */
struct workcopy *run_copy(struct run *r, const char *name)
{
	if (!name || !*name || !strcmp(name, "run"))
		return r->main;
	list_for (it, &r->copies) {
		struct workcopy *c = list_entry(it, struct workcopy, link);
		if (!strcmp(c->name, name) || !strcmp(c->branch, name))
			return c;
	}
	return NULL;
}

/* The agent in whose handler this call was made: the longest prefix of the key that is a handler's coroutine. */
static const char *caller(struct run *r, const char *key)
{
	for (size_t n = strlen(key); n > 0; n--)
		if (key[n] == '.' || key[n] == '\0') {
			const json_t *who = map_get(&r->handlers, span_n(key, n));
			if (who)
				return json_str(who, "agent");
		}
	return NULL;
}

/* As the flow sees them. */
static struct agent_entry *known_agent(struct run *r, const char *id)
{
	struct agent_entry *entry = id ? run_agent(r, id) : NULL;
	return entry && !entry->forgotten ? entry : NULL;
}

static int agent_ids(struct run *r, const char *parent, char *out, size_t room, struct err *e)
{
	struct agent_entry *above = known_agent(r, parent);
	if (parent && !above)
		return err_set(e, ERR_NOT_FOUND, "there is no agent %s", parent);
	int n = above ? above->children++ : r->roots++;
	int len = above ? snprintf(out, room, "%s.%d", parent, n) : snprintf(out, room, "%d", n);
	return len < (int)room ? 0 : err_set(e, ERR_TOO_LARGE, "agents are nested too deeply below %s", parent);
}

static int dialect_of(const json_t *args, const json_t *settings)
{
	const char *name = json_str(args, "dialect") ? json_str(args, "dialect") : json_str(settings, "dialect");
	return !name			    ? -1
	       : !strcmp(name, "native")    ? DIALECT_NATIVE
	       : !strcmp(name, "directive") ? DIALECT_DIRECTIVE
					    : -1;
}

static int check_of(const json_t *args)
{
	const char *name = json_str(args, "check");
	return !name ? -1 : !strcmp(name, "pass") ? CHECK_PASS : !strcmp(name, "run") ? CHECK_RUN : CHECK_NONE;
}

/* Make the agent of an agent{} or start{} call; its entry waits for the outcome under key. */
struct agent_entry *agent_begin(struct run *r, const char *key, const json_t *args, struct err *e)
{
	const char *role_id = json_str(args, "role");
	struct role *role = role_id ? program_role(r, key, role_id) : NULL;
	const char *parent = json_str(args, "parent") ? json_str(args, "parent") : caller(r, key);
	struct agent_entry *entry = MEM_NEW(struct agent_entry);
	char id[64];
	if (!entry) {
		err_nomem(e);
		return NULL;
	}
	if (!role)
		err_set(e, ERR_NOT_FOUND,
			"agent{role = \"%s\"}: the mode names no such role; add it to `roles` in mode.yaml",
			role_id ? role_id : "");
	else if (!json_get(args, "task"))
		err_set(e, ERR_INVALID, "agent{role = \"%s\"} needs a task", role_id);
	else if (r->agent_count >= CAP_AGENTS)
		err_set(e, ERR_TOO_LARGE, "the run has its %d agents; continue_as begins a segment with new ones",
			CAP_AGENTS);
	else if (!agent_ids(r, parent, id, sizeof(id), e)) {
		const char *phase = json_str(args, "phase");
		struct agent_options o = {.id = id,
			.parent = parent,
			.role = role,
			.task = json_get(args, "task"),
			.vars = json_get(args, "vars"),
			.tools = json_get(args, "tools"),
			.output = json_get(args, "output"),
			.handlers = json_get(args, "on"),
			.scope = json_str(args, "scope"),
			.file = json_str(args, "file"),
			.name = json_str(args, "name"),
			.model = json_str(args, "model"),
			.copy = json_str(args, "copy"),
			.dialect = dialect_of(args, r->settings),
			.check = check_of(args),
			.phase = phase ? directive_phase_named(span_of(phase)) : PHASE_NONE,
			.turns = (int)json_int(json_get(args, "limits"), "turns", 0),
			.tainted = json_bool(r->created, "untrusted", false),
			.unattended_deny = json_bool(r->created, "unattended", false) &&
					   json_str(r->settings, "approvals") &&
					   !strcmp(json_str(r->settings, "approvals"), "deny")};
		entry->key = mem_strdup(key);
		if (!entry->key)
			err_nomem(e);
		else if (o.phase < 0)
			err_set(e, ERR_INVALID, "there is no phase \"%s\"", phase);
		else if (!map_set(&r->agents, span_of(id), entry, NULL, e)) {
			entry->agent = agent_new(&run_agent_host, r, &o, e);
			if (entry->agent) {
				entry->vars = json_incref(json_get(args, "vars"));
				list_push(&r->awake, &entry->agent->link);
				r->agent_count++;
				return entry;
			}
			map_del(&r->agents, span_of(id));
		}
	}
	mem_free(entry->key);
	mem_free(entry);
	return NULL;
}

int call_agent(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	struct agent_entry *entry = agent_begin(r, key, args, e);
	if (!entry)
		return -1;
	entry->waiter = mem_strdup(key);
	return entry->waiter ? 0 : err_nomem(e);
}

int call_start(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	struct agent_entry *entry = agent_begin(r, key, args, e);
	if (!entry)
		return -1;
	run_answer_new(r, key, json_string(entry->agent->id));
	return 0;
}

/* The call's handlers are those of the agent that took its task over. */
static bool taken_over(struct run *r, const struct agent *a, const char *key)
{
	list_for (it, &r->awake) {
		const struct agent *other = list_entry(it, struct agent, link);
		if (other != a && sm_is(&other->sm) != AGENT_ENDED && !strcmp(run_agent(r, other->id)->key, key))
			return true;
	}
	return false;
}

void agent_outcome(struct run *r, struct agent *a)
{
	struct agent_entry *entry = run_agent(r, a->id);
	r->reap = true;
	r->unpaid |= entry->reserved > 0;
	entry->outcome = json_pack("{s:s, s:s, s:O?, s:i, s:f, s:s?, s:s?, s:s?}", "agent", a->id, "status",
		a->end_status, "result", a->result, "turns", a->turns_all, "usd", a->usd, "name", a->name, "file",
		a->file, "scope", a->scope);
	if (!entry->outcome) {
		struct err e = ERR_INIT;
		err_nomem(&e);
		run_break(r, &e);
		return;
	}
	if (a->edited || a->check_exit >= 0)
		json_object_set_new(entry->outcome, "checked", json_string(agent_checked(a)));
	if (*a->error_text)
		json_object_set_new(entry->outcome, "error", json_string(a->error_text));
	if (!taken_over(r, a, entry->key))
		program_forget(r, entry->key);
	if (entry->waiter) {
		run_answer(r, entry->waiter, true, entry->outcome, NULL);
		mem_free(entry->waiter);
		entry->waiter = NULL;
	}
}

static struct agent_entry *named_agent(struct run *r, const json_t *args, struct err *e)
{
	const char *id = json_str(args, "agent");
	struct agent_entry *entry = known_agent(r, id);
	if (!entry)
		err_set(e, ERR_NOT_FOUND, "there is no agent \"%s\"", id ? id : "");
	return entry;
}

int call_await(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	struct agent_entry *entry = named_agent(r, args, e);
	if (!entry)
		return -1;
	if (entry->outcome) {
		run_answer(r, key, true, entry->outcome, NULL);
		return 0;
	}
	if (entry->waiter)
		return err_set(e, ERR_CONFLICT, "another branch awaits agent %s already", json_str(args, "agent"));
	entry->waiter = mem_strdup(key);
	return entry->waiter ? 0 : err_nomem(e);
}

int call_tell(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	struct agent_entry *entry = named_agent(r, args, e);
	if (!entry)
		return -1;
	const char *from = json_str(args, "from");
	if (entry->agent && sm_is(&entry->agent->sm) != AGENT_ENDED &&
		agent_tell(entry->agent, from ? from : "flow", json_span(args, "text"), e))
		return -1;
	cleanup_json json_t *told = json_boolean(entry->agent && sm_is(&entry->agent->sm) != AGENT_ENDED);
	run_answer(r, key, true, told, NULL);
	return 0;
}

int call_stop(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	struct agent_entry *entry = named_agent(r, args, e);
	const char *why = json_str(args, "why");
	if (!entry || (entry->agent && agent_stop(entry->agent, "stopped", why ? why : "stopped by the flow", e)))
		return -1;
	run_answer(r, key, true, NULL, NULL);
	return 0;
}

int call_agents(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	(void)e;
	const char *below = json_str(args, "parent");
	json_t *list = json_array();
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&r->agents, &i));) {
		const struct agent_entry *entry = it->value;
		size_t n = below ? strlen(below) : 0;
		if (entry->forgotten || (below && (strncmp(it->key, below, n) != 0 || it->key[n] != '.')))
			continue;
		json_array_append_new(list, entry->outcome ? json_incref(entry->outcome) : agent_json(entry->agent));
	}
	run_answer_new(r, key, list);
	return 0;
}

/* ---- signals between branches ---- */

static int append_to(struct map *m, const char *name, json_t *value, struct err *e)
{
	json_t *list = map_get(m, span_of(name));
	if (!list) {
		list = json_array();
		if (!list || map_set(m, span_of(name), list, NULL, e)) {
			json_decref(list);
			json_decref(value);
			return list ? -1 : err_nomem(e);
		}
	}
	return json_array_append_new(list, value) ? err_nomem(e) : 0;
}

/* Signals of a called mode are its own. */
static char *signal_name(const char *key, const json_t *args, struct err *e)
{
	const char *name = json_str(args, "name");
	char *full = name ? mem_printf("%.*s%s", (int)program_prefix(key), key, name) : NULL;
	if (!name)
		err_set(e, ERR_INVALID, "signal and waitfor need a name");
	else if (!full)
		err_nomem(e);
	return full;
}

int call_signal(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	cleanup_free char *name = signal_name(key, args, e);
	json_t *value = json_get(args, "value");
	json_t *waiting = name ? map_get(&r->waiters, span_of(name)) : NULL;
	if (!name)
		return -1;
	if (json_array_size(waiting)) {
		cleanup_json json_t *first = json_incref(json_array_get(waiting, 0));
		json_array_remove(waiting, 0);
		run_answer(r, json_string_value(first), true, value, NULL);
	} else if (append_to(&r->signals, name, value ? json_incref(value) : json_null(), e)) {
		return -1;
	}
	run_answer(r, key, true, NULL, NULL);
	return 0;
}

int call_waitfor(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	cleanup_free char *name = signal_name(key, args, e);
	json_t *kept = name ? map_get(&r->signals, span_of(name)) : NULL;
	if (!name)
		return -1;
	if (json_array_size(kept)) {
		cleanup_json json_t *value = json_incref(json_array_get(kept, 0));
		json_array_remove(kept, 0);
		run_answer(r, key, true, value, NULL);
		return 0;
	}
	return append_to(&r->waiters, name, json_string(key), e);
}
