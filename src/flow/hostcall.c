/* hostcall: what a flow can ask for, as one table.
 *
 * A row is served inside the machine (its result is computed, nothing is journaled but its own event), or outside (an
 * operation whose result is the input flow.result), by a tool or by a job on the worker pool. Adding a host call = one
 * function and one row here, and one row in lua_calls.c for its arguments. */
#include "flow/private.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/caps.h"
#include "base/fs.h"
#include "flow/house_private.h"

#define STEP_ARGS (2 * KIB) /* larger arguments are journaled by hash */

struct host_row {
	const char *name;
	/* inside: answers by run_answer, now or when something else happens */
	int (*inside)(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
	/* outside: by this tool, with these arguments renamed; or by this job on the pool */
	const char *tool;
	void (*job)(struct op *op);
	bool writes; /* changes the working copy or its refs */
	bool again;  /* after a stop it may simply be done again */
	bool waits;
};
static const struct host_row *host_row(const char *name);

void run_answer(struct run *r, const char *key, bool ok, const json_t *value, const struct err *error)
{
	struct err e = ERR_INIT;
	r->flow_ready = true;
	if (r->flow && flow_deliver(r->flow, key, ok, value, error, &e))
		run_break(r, &e);
}

static void answer_new(struct run *r, const char *key, json_t *value)
{
	if (!value) {
		struct err e = ERR_INIT;
		err_nomem(&e);
		run_break(r, &e);
		return;
	}
	run_answer(r, key, true, value, NULL);
	json_decref(value);
}

/* ---- agents ---- */

struct agent_entry *run_agent(struct run *r, const char *id)
{
	return map_get(&r->agents, span_of(id));
}

struct workcopy *run_copy(struct run *r, const char *name)
{
	if (!name || !*name || !strcmp(name, "run"))
		return r->main;
	list_for (it, &r->copies) {
		struct workcopy *c = list_entry(it, struct workcopy, link);
		if (!strcmp(c->name, name))
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

static int agent_ids(struct run *r, const char *parent, char *out, size_t room, struct err *e)
{
	struct agent_entry *above = parent ? run_agent(r, parent) : NULL;
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
	struct role *role = role_id ? bundle_role(r->bundle, role_id) : NULL;
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
	else if (map_count(&r->agents) >= CAP_AGENTS)
		err_set(e, ERR_TOO_LARGE, "the run has its %d agents", CAP_AGENTS);
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
				list_push(&r->awake, &entry->agent->link);
				return entry;
			}
			map_del(&r->agents, span_of(id));
		}
	}
	mem_free(entry->key);
	mem_free(entry);
	return NULL;
}

static int call_agent(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	struct agent_entry *entry = agent_begin(r, key, args, e);
	if (!entry)
		return -1;
	entry->waiter = mem_strdup(key);
	return entry->waiter ? 0 : err_nomem(e);
}

static int call_start(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	struct agent_entry *entry = agent_begin(r, key, args, e);
	if (!entry)
		return -1;
	answer_new(r, key, json_string(entry->agent->id));
	return 0;
}

void agent_outcome(struct run *r, struct agent *a)
{
	struct agent_entry *entry = run_agent(r, a->id);
	r->reap = true;
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
		json_object_set_new(entry->outcome, "checked",
			json_string(a->check_exit < 0 || a->check_tree < a->edit_tree ? "unchecked"
				    : a->check_exit				      ? "failing"
										      : "passing"));
	if (*a->error_text)
		json_object_set_new(entry->outcome, "error", json_string(a->error_text));
	flow_forget(r->flow, entry->key);
	if (entry->waiter) {
		run_answer(r, entry->waiter, true, entry->outcome, NULL);
		mem_free(entry->waiter);
		entry->waiter = NULL;
	}
}

static struct agent_entry *named_agent(struct run *r, const json_t *args, struct err *e)
{
	const char *id = json_str(args, "agent");
	struct agent_entry *entry = id ? run_agent(r, id) : NULL;
	if (!entry)
		err_set(e, ERR_NOT_FOUND, "there is no agent \"%s\"", id ? id : "");
	return entry;
}

static int call_await(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
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

static int call_tell(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
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

static int call_stop(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	struct agent_entry *entry = named_agent(r, args, e);
	const char *why = json_str(args, "why");
	if (!entry || (entry->agent && agent_stop(entry->agent, "stopped", why ? why : "stopped by the flow", e)))
		return -1;
	run_answer(r, key, true, NULL, NULL);
	return 0;
}

static int call_agents(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	(void)e;
	const char *below = json_str(args, "parent");
	json_t *list = json_array();
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&r->agents, &i));) {
		const struct agent_entry *entry = it->value;
		size_t n = below ? strlen(below) : 0;
		if (below && (strncmp(it->key, below, n) || it->key[n] != '.'))
			continue;
		json_array_append_new(list, entry->agent ? agent_json(entry->agent) : json_incref(entry->outcome));
	}
	answer_new(r, key, list);
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

static int call_signal(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	const char *name = json_str(args, "name");
	json_t *value = json_get(args, "value");
	json_t *waiting = name ? map_get(&r->waiters, span_of(name)) : NULL;
	if (!name)
		return err_set(e, ERR_INVALID, "signal needs a name");
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

static int call_waitfor(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	const char *name = json_str(args, "name");
	json_t *kept = name ? map_get(&r->signals, span_of(name)) : NULL;
	if (!name)
		return err_set(e, ERR_INVALID, "waitfor needs a name");
	if (json_array_size(kept)) {
		cleanup_json json_t *value = json_incref(json_array_get(kept, 0));
		json_array_remove(kept, 0);
		run_answer(r, key, true, value, NULL);
		return 0;
	}
	return append_to(&r->waiters, name, json_string(key), e);
}

/* ---- people ---- */

static int open_for_flow(
	struct run *r, const char *key, const json_t *args, const char *kind, json_t *options, struct err *e)
{
	const char *name = json_str(args, "name"), *title = json_str(args, "title"),
		   *priority = json_str(args, "priority");
	const json_t *body = json_get(args, "body") ? json_get(args, "body") : json_get(args, "show");
	cleanup_free char *text = !body || json_is_null(body) ? NULL
				  : json_is_string(body)      ? mem_strdup(json_string_value(body))
							      : json_text(body);
	if (!name && !title) {
		json_decref(options);
		return err_set(e, ERR_INVALID, "%s{} needs a name", kind);
	}
	char id[24];
	action_open(r, json_str(args, "agent"), key, name ? name : kind, kind, title ? title : name, text, options,
		priority ? priority : "medium", NULL, id);
	return 0;
}

static int call_ask(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	json_t *options = json_get(args, "options");
	return open_for_flow(r, key, args, "question", options ? json_incref(options) : NULL, e);
}

static int call_gate(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	size_t i;
	json_t *off;
	const char *name = json_str(args, "name");
	json_array_foreach(json_get(r->created, "gates_off"), i,
		off) if (name && json_is_string(off) && !strcmp(json_string_value(off), name))
	{
		answer_new(r, key, json_pack("{s:b, s:b}", "approved", 1, "skipped", 1));
		return 0;
	}
	json_t *options = json_pack("[s,s]", "approve", "revise");
	return options ? open_for_flow(r, key, args, "gate", options, e) : err_nomem(e);
}

/* ---- telling people ---- */

static int call_phase(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	const char *name = json_str(args, "name");
	if (!name)
		return err_set(e, ERR_INVALID, "phase needs a name");
	mem_free(r->phase);
	r->phase = mem_strdup(name);
	run_emit(r, EVENT_RUN_PHASE, NULL, json_pack("{s:s}", "name", name));
	run_answer(r, key, true, NULL, NULL);
	return 0;
}

static int call_progress(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	(void)e;
	run_show(r, EVENT_RUN_PROGRESS, json_incref((json_t *)args));
	run_answer(r, key, true, NULL, NULL);
	return 0;
}

static int say_as(struct run *r, const char *key, const json_t *args, enum event_type type, struct err *e)
{
	if (!json_str(args, "text"))
		return err_set(e, ERR_INVALID, "say and log need a text");
	run_emit(r, type, NULL, json_incref((json_t *)args));
	run_answer(r, key, true, NULL, NULL);
	return 0;
}

static int call_say(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	return say_as(r, key, args, EVENT_FLOW_SAID, e);
}

static int call_log(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	return say_as(r, key, args, EVENT_FLOW_LOG, e);
}

static int call_plan(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	size_t i;
	json_t *task;
	json_array_foreach(json_get(args, "tasks"), i, task)
	{
		if (!json_str(task, "id") || !json_str(task, "title"))
			return err_set(e, ERR_INVALID, "plan: task %zu needs id and title", i + 1);
		run_emit(r, EVENT_TASK_ADDED, NULL,
			json_pack("{s:O, s:O, s:O?, s:O?}", "task", json_get(task, "id"), "title",
				json_get(task, "title"), "role", json_get(task, "role"), "depends",
				json_get(task, "depends")));
	}
	run_answer(r, key, true, NULL, NULL);
	return 0;
}

static int call_task(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	if (!json_str(args, "id") || !json_str(args, "status"))
		return err_set(e, ERR_INVALID, "task needs an id and a status");
	run_emit(r, EVENT_TASK_CHANGED, NULL,
		json_pack("{s:O, s:O, s:O?, s:O?}", "task", json_get(args, "id"), "status", json_get(args, "status"),
			"agent", json_get(args, "agent"), "result", json_get(args, "result")));
	run_answer(r, key, true, NULL, NULL);
	return 0;
}

static int call_continue(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)key;
	(void)handlers;
	(void)e;
	json_decref(r->state);
	r->state = json_incref(json_get(args, "state"));
	r->restart = true;
	r->flow_ready = true;
	return 0;
}

/* ---- outside, on the pool: read-only and git jobs ---- */

static void job_failed(struct op *op, const struct err *why)
{
	if (op->error.code == ERR_OK)
		op->error = *why;
}

static const char *job_path(struct op *op)
{
	const char *path = json_str(op->args, "path");
	return path ? path : ".";
}

static void job_read(struct op *op)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_FILE_READ);
	struct err e = ERR_INIT;
	if (files_read(op->copy->files, job_path(op), &text, NULL, &e))
		job_failed(op, &e);
	else
		op->result = json_from_span(buf_span(&text));
}

static void job_list(struct op *op)
{
	op->result = files_list(op->copy->files, job_path(op), &op->error);
}

static void job_glob(struct op *op)
{
	const char *pattern = json_str(op->args, "pattern");
	op->result = files_glob(op->copy->files, pattern ? pattern : "**", 10000, &op->error);
}

static void job_exists(struct op *op)
{
	bool folder;
	op->result = files_exists(op->copy->files, job_path(op), &folder) ? json_string(folder ? "folder" : "file")
									  : json_false();
}

static void job_tree(struct op *op)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_EVENT_DATA / 2);
	if (!files_tree(op->copy->files, job_path(op), (int)json_int(op->args, "max", 400), &text, &op->error))
		op->result = json_from_span(buf_span(&text));
}

static void job_now(struct op *op)
{
	op->result = json_real((double)clock_wall(loop_clock(op->run->loop)) / 1e6);
}

static void job_random(struct op *op)
{
	uint64_t bits;
	if (op->run->rng)
		bits = rng_next(op->run->rng);
	else
		crypt_random(&bits, sizeof(bits));
	op->result = json_real((double)(bits >> 11) / 9007199254740992.0);
}

/* The copy's files as a commit on its branch; the same again after a crash finds it done. */
static void job_commit(struct op *op)
{
	struct workcopy *c = op->copy;
	const char *message = json_str(op->args, "message");
	struct commit_author who = {.name = "muster", .email = "muster@localhost", .at_us = op->run->now};
	if (json_str(op->args, "author"))
		who.name = json_str(op->args, "author");
	char oid[OID_TEXT];
	snapshot_release(&op->taken);
	if (snapshot_take(c->copy, NULL, 0, &op->taken, &op->error) ||
		project_commit(c->env.project, op->run->store, &op->taken.root, c->branch, c->head, &who,
			message ? message : "Work of a run", oid, &op->error))
		return;
	op->result = json_pack("{s:s}", "commit", oid);
}

static void job_branch(struct op *op)
{
	struct run *r = op->run;
	const char *name = json_str(op->args, "name");
	if (!name || !*name || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(name) ||
		!strcmp(name, "run")) {
		err_set(&op->error, ERR_INVALID, "branch{name=}: use small letters, digits, - and _");
		return;
	}
	job_commit(op); /* what is in the run's copy now is where the branch begins */
	const char *from = json_str(op->result, "commit");
	if (!from)
		return;
	cleanup_free char *dir = mem_printf("%s-%s", r->main->dir, name);
	cleanup_free char *branch = mem_printf("%s-%s", r->main->branch, name);
	struct copy *copy = NULL;
	if (!dir || !branch)
		err_nomem(&op->error);
	else if (!fs_remove_tree(dir, &op->error) && !project_checkout(r->main->env.project, from, dir, branch,
							     r->main->uid, &copy, r->store, &op->error)) {
		copy_close(copy);
		json_t *value =
			json_pack("{s:s, s:s, s:s, s:s}", "copy", name, "branch", branch, "dir", dir, "from", from);
		json_decref(op->result);
		op->result = value;
	}
}

static void job_merge(struct op *op)
{
	struct run *r = op->run;
	const char *name = json_str(op->args, "branch");
	struct workcopy *theirs = name ? run_copy(r, name) : NULL;
	struct commit_author who = {.name = "muster", .email = "muster@localhost", .at_us = r->now};
	char ours_oid[OID_TEXT], theirs_oid[OID_TEXT], oid[OID_TEXT];
	struct snapshot taken = {0};
	json_t *conflicts = NULL;
	if (!theirs || theirs == r->main) {
		err_set(&op->error, ERR_NOT_FOUND, "merge{branch=}: there is no branch \"%s\"", name ? name : "");
		return;
	}
	job_commit(op);
	if (op->error.code != ERR_OK)
		return;
	snprintf(ours_oid, sizeof(ours_oid), "%s", json_str(op->result, "commit"));
	if (copy_ready(theirs, &op->error) || snapshot_take(theirs->copy, NULL, 0, &taken, &op->error) ||
		project_commit(r->main->env.project, r->store, &taken.root, theirs->branch, theirs->head, &who,
			json_str(op->args, "message") ? json_str(op->args, "message") : "Work of an agent", theirs_oid,
			&op->error)) {
		snapshot_release(&taken);
		return;
	}
	snapshot_release(&taken);
	int failed = project_merge_branches(r->main->env.project, r->main->branch, ours_oid, theirs_oid, &who,
		json_str(op->args, "message") ? json_str(op->args, "message") : "Merge an agent's work", oid,
		&conflicts, &op->error);
	json_decref(op->result);
	op->result = NULL;
	if (failed && conflicts) {
		err_clear(&op->error);
		op->result = json_pack("{s:b, s:o, s:s, s:s}", "merged", 0, "conflicts", conflicts, "commit", ours_oid,
			"theirs", theirs_oid);
		return;
	}
	json_decref(conflicts);
	struct hash root;
	if (!failed && !project_tree(r->main->env.project, r->store, oid, &root, &op->error) &&
		!snapshot_restore(r->main->copy, &root, &op->error))
		op->result = json_pack("{s:b, s:s, s:s}", "merged", 1, "commit", oid, "theirs", theirs_oid);
}

static void job_artifact(struct op *op)
{
	const char *name = json_str(op->args, "name"), *type = json_str(op->args, "type");
	const json_t *content = json_get(op->args, "content");
	cleanup_buf struct buf bytes = BUF_INIT(CAP_BLOB);
	struct store_blob blob = {0};
	char hex[HASH_HEX];
	if (!name) {
		err_set(&op->error, ERR_INVALID, "artifact{} needs a name");
		return;
	}
	if (json_is_string(content))
		buf_addspan(&bytes, json_span(op->args, "content"));
	else if (content)
		json_print(content, &bytes);
	else if (files_read(op->copy->files, job_path(op), &bytes, NULL, &op->error))
		return;
	if (buf_check(&bytes, "an artifact", &op->error))
		return;
	store_blob_hash(buf_span(&bytes), &blob.hash);
	blob.bytes = blob_new(bytes.data ? bytes.data : "", bytes.len);
	if (!blob.bytes)
		err_nomem(&op->error);
	else if (!store_put_blobs(op->run->store, &blob, 1, &op->error)) {
		hash_hex(&blob.hash, hex);
		op->result = json_pack("{s:s, s:s, s:s?, s:s, s:I}", "name", name, "type",
			type	  ? type
			: content ? "text"
				  : "file",
			"path", content ? NULL : job_path(op), "blob", hex, "size", (json_int_t)bytes.len);
	}
	blob_unref(blob.bytes);
}

/* The run's branch into the person's project; only for runs whose project was new or empty, at their end. */
static void job_land(struct op *op)
{
	struct commit_author who = {.name = "muster", .email = "muster@localhost", .at_us = op->run->now};
	char oid[OID_TEXT];
	bool already;
	json_t *conflicts = NULL;
	if (!project_merge(
		    op->run->main->env.project, op->run->main->branch, &who, oid, &already, &conflicts, &op->error))
		op->result = json_pack("{s:s, s:b}", "landed", oid, "already", already);
	json_decref(conflicts);
}

/* ---- the table ---- */

static const struct host_row host_rows[] = {
	{.name = "agent", .inside = call_agent},
	{.name = "start", .inside = call_start},
	{.name = "await", .inside = call_await},
	{.name = "tell", .inside = call_tell},
	{.name = "stop", .inside = call_stop},
	{.name = "agents", .inside = call_agents},
	{.name = "signal", .inside = call_signal},
	{.name = "waitfor", .inside = call_waitfor},
	{.name = "ask", .inside = call_ask},
	{.name = "gate", .inside = call_gate},
	{.name = "phase", .inside = call_phase},
	{.name = "progress", .inside = call_progress},
	{.name = "say", .inside = call_say},
	{.name = "log", .inside = call_log},
	{.name = "plan", .inside = call_plan},
	{.name = "task", .inside = call_task},
	{.name = "continue_as", .inside = call_continue},
	{.name = "exec", .tool = "shell", .writes = true},
	{.name = "check", .tool = "run_tests", .writes = true, .again = true},
	{.name = "write", .tool = "write_file", .writes = true, .again = true},
	{.name = "edit", .tool = "edit_file", .writes = true},
	{.name = "remove", .tool = "delete_path", .writes = true, .again = true},
	{.name = "read", .job = job_read, .again = true},
	{.name = "list", .job = job_list, .again = true},
	{.name = "glob", .job = job_glob, .again = true},
	{.name = "exists", .job = job_exists, .again = true},
	{.name = "tree", .job = job_tree, .again = true},
	{.name = "now", .job = job_now, .again = true},
	{.name = "random", .job = job_random, .again = true},
	{.name = "sleep", .waits = true, .again = true},
	{.name = "commit", .job = job_commit, .writes = true, .again = true},
	{.name = "branch", .job = job_branch, .writes = true, .again = true},
	{.name = "merge", .job = job_merge, .writes = true, .again = true},
	{.name = "artifact", .job = job_artifact, .again = true},
	{.name = "end.commit", .job = job_commit, .writes = true, .again = true},
	{.name = "end.land", .job = job_land, .writes = true, .again = true},
};

static const struct host_row *host_row(const char *name)
{
	for (size_t i = 0; i < sizeof(host_rows) / sizeof(host_rows[0]); i++)
		if (!strcmp(host_rows[i].name, name))
			return &host_rows[i];
	return NULL;
}

/* What is journaled of a call: small arguments as they are, large ones by hash. */
static json_t *step_args(const json_t *args)
{
	cleanup_free char *text = json_text(args);
	if (!text)
		return NULL;
	if (strlen(text) <= STEP_ARGS)
		return json_incref((json_t *)args);
	struct hash h;
	char hex[HASH_HEX];
	hash_bytes(&h, NULL, span_of(text));
	hash_hex(&h, hex);
	return json_pack("{s:s, s:i}", "hash", hex, "size", (int)strlen(text));
}

void host_call(void *ctx, const char *key, const char *name, const json_t *args, const json_t *handlers)
{
	struct run *r = ctx;
	const struct host_row *row = host_row(name);
	struct err e = ERR_INIT;
	bool own_event =
		row && (row->inside == call_phase || row->inside == call_progress || row->inside == call_say ||
			       row->inside == call_log || row->inside == call_plan || row->inside == call_task ||
			       row->inside == call_await || row->inside == call_tell || row->inside == call_signal ||
			       row->inside == call_waitfor || row->inside == call_agents);
	if (!own_event)
		run_emit(r, EVENT_FLOW_STEP, NULL,
			json_pack("{s:s, s:s, s:o}", "key", key, "call", name, "args", step_args(args)));
	if (!row) {
		err_set(&e, ERR_NOT_FOUND, "there is no host call \"%s\"", name);
		run_answer(r, key, false, NULL, &e);
		return;
	}
	if (row->inside) {
		if (row->inside(r, key, args, handlers, &e))
			run_answer(r, key, false, NULL, &e);
		return;
	}
	host_want(r, key, name, args);
}

void host_want(struct run *r, const char *key, const char *name, const json_t *args)
{
	const struct host_row *row = host_row(name);
	struct op *op = op_new(r, row->waits ? OP_TIMER : OP_HOST, key, NULL);
	if (!op)
		return;
	op->args = json_deep_copy(args);
	op->name = mem_strdup(name);
	if (row->waits)
		op->due_us = r->now + (int64_t)(json_num(args, "seconds", 0) * 1e6);
	if (!op->args || !op->name)
		op_drop(op);
}

void host_handled(void *ctx, const char *key, bool ok, const json_t *value, const struct err *error)
{
	struct run *r = ctx;
	cleanup_json json_t *who = map_del(&r->handlers, span_of(key));
	struct agent_entry *entry = who ? run_agent(r, json_str(who, "agent")) : NULL;
	if (!entry || !entry->agent)
		return;
	struct err e = ERR_INIT;
	cleanup_json json_t *text = ok ? json_incref((json_t *)value) : json_string(error->text);
	r->flow_ready = true;
	if (agent_call_answer(entry->agent, json_str(who, "call"), ok ? "ok" : "error", text, &e))
		run_break(r, &e);
}

/* ---- outside ---- */

static void host_done(struct op *op)
{
	bool ok = op->error.code == ERR_OK && op->result;
	json_t *data = json_pack("{s:s, s:b}", "key", op->key, "ok", ok);
	if (data && ok)
		json_object_set(data, "value", op->result);
	else if (data)
		json_object_set_new(data, "error",
			json_pack("{s:s, s:s}", "code", err_name(op->error.code == ERR_OK ? ERR_NOMEM : op->error.code),
				"text", op->error.code == ERR_OK ? "out of memory" : op->error.text));
	if (data && op->copy && op->copy != op->run->main)
		json_object_set_new(data, "copy", json_string(op->copy->name));
	op_done(op, EVENT_FLOW_RESULT, data);
}

static void job_run(struct work *w)
{
	struct op *op = container_of(w, struct op, work);
	host_row(op->name)->job(op);
}

static void job_done(struct work *w)
{
	struct op *op = container_of(w, struct op, work);
	if (op->state == OP_DROPPED)
		op_done(op, EVENT_FLOW_RESULT, NULL);
	else
		host_done(op);
}

static void host_tool_done(struct tool_call *t)
{
	struct op *op = t->ctx;
	if (op->state == OP_DROPPED) {
		op_done(op, EVENT_FLOW_RESULT, NULL);
		return;
	}
	bool ran = t->exit >= 0;
	json_t *content = json_from_span(buf_span(&t->content));
	json_t *value = t->evidence ? json_deep_copy(t->evidence) : json_object();
	if (ran)
		json_object_set_new(value, "exit", json_integer(t->exit));
	json_object_set_new(value, "output", content);
	if (t->truncated)
		json_object_set_new(value, "truncated", json_true());
	json_t *data = json_pack("{s:s, s:b, s:o}", "key", op->key, "ok",
		t->code == ERR_OK || ran || t->evidence != NULL, "value", value);
	if (data && t->code != ERR_OK && !ran && !t->evidence)
		json_object_set_new(data, "error",
			json_pack("{s:s, s:o}", "code", err_name(t->code), "text",
				json_from_span(buf_span(&t->content))));
	if (data && t->changed)
		json_object_set(data, "changed", t->changed);
	if (data && t->changed_unknown)
		json_object_set_new(data, "walk", json_true());
	if (data && t->evidence)
		json_object_set(data, "evidence", t->evidence);
	if (data && op->copy != op->run->main)
		json_object_set_new(data, "copy", json_string(op->copy->name));
	op_done(op, EVENT_FLOW_RESULT, data);
}

/* A flow's arguments as the tool wants them. */
static json_t *tool_args(const json_t *args, const char *tool)
{
	json_t *out = json_object();
	if (!strcmp(tool, "shell")) {
		json_object_set(out, "command", json_get(args, "command"));
		if (json_get(args, "timeout"))
			json_object_set(out, "timeout_s", json_get(args, "timeout"));
		return out;
	}
	json_object_update(out, (json_t *)args);
	if (json_get(args, "text")) {
		json_object_set(out, "content", json_get(args, "text"));
		json_object_del(out, "text");
	}
	json_object_del(out, "copy");
	json_object_del(out, "command");
	return out;
}

void host_op_start(struct op *op)
{
	const struct host_row *row = host_row(op->name);
	struct err e = ERR_INIT;
	const char *copy = json_str(op->args, "copy");
	op->copy = run_copy(op->run, copy);
	if (!op->copy)
		err_set(&op->error, ERR_NOT_FOUND, "there is no working copy \"%s\"", copy);
	else if (row->writes && !copy_acquire(op->copy, op))
		return;
	if (!op->copy || copy_ready(op->copy, &op->error)) {
		host_done(op);
		return;
	}
	if (row->job) {
		if (work_start(&op->work, op->run->loop, job_run, job_done, &e))
			run_break(op->run, &e);
		return;
	}
	tool_call_init(&op->tool);
	cleanup_json json_t *args = tool_args(op->args, row->tool);
	json_object_set(op->args, "tool", args);
	op->tool.tool = tool_named(row->tool);
	op->tool.env = &op->copy->env;
	op->tool.id = op->key;
	op->tool.agent = "flow";
	op->tool.role = "flow";
	op->tool.args = json_get(op->args, "tool");
	op->tool.on_done = host_tool_done;
	op->tool.ctx = op;
	op->tool.check = !strcmp(op->name, "check") ? json_str(op->args, "command") : NULL;
	if (tool_call_start(&op->tool, &op->error))
		host_done(op);
}

void host_op_cancel(struct op *op)
{
	if (op->tool.tool)
		tool_call_cancel(&op->tool);
}

void host_op_release(struct op *op)
{
	copy_release_user(op->copy, op);
	snapshot_release(&op->taken);
	if (op->tool.tool)
		tool_call_release(&op->tool);
}

void host_op_recover(struct op *op)
{
	if (host_row(op->name)->again || json_bool(op->args, "again", false)) {
		host_op_start(op);
		return;
	}
	json_t *data = json_pack("{s:s, s:b, s:{s:b, s:s}, s:b}", "key", op->key, "ok", 1, "value", "lost", 1, "output",
		"the program stopped while this ran; its result is not known", "walk", 1);
	op_done(op, EVENT_FLOW_RESULT, data);
}

/* The input flow.result: timers of agents, and every outside call. */
int host_result(struct run *r, const json_t *data, struct err *e)
{
	const char *key = json_str(data, "key");
	if (!key)
		return err_set(e, ERR_CORRUPT, "flow.result without key");
	struct op *op = op_named(r, key);
	if (!strncmp(key, "timer:", 6)) {
		struct agent_entry *entry = run_agent(r, key + 6);
		op_end(op);
		return entry && entry->agent ? agent_timer(entry->agent, e) : 0;
	}
	if (!op)
		return 0;
	cleanup_free char *name = op->name ? mem_strdup(op->name) : NULL;
	cleanup_json json_t *args = json_incref(op->args);
	op_end(op);
	const json_t *value = json_get(data, "value");
	struct workcopy *c = run_copy(r, json_str(data, "copy"));
	if (json_array_size(json_get(data, "changed")))
		c->edit_version = ++c->version;
	if (json_get(data, "evidence")) {
		json_decref(c->check);
		c->check = json_incref(json_get(data, "evidence"));
		c->check_version = c->version;
	}
	if (json_bool(data, "walk", false) || (name && !strcmp(name, "merge")))
		snap_want(r, c, key, NULL);
	else if (json_array_size(json_get(data, "changed")))
		snap_want(r, c, key, json_get(data, "changed"));
	bool ok = json_bool(data, "ok", false);
	if (ok && json_str(value, "commit"))
		snprintf(c->head, sizeof(c->head), "%s", json_str(value, "commit"));
	if (ok && name && !strcmp(name, "branch") &&
		!copy_add(r, json_str(value, "copy"), json_str(value, "dir"), json_str(value, "branch"),
			json_str(value, "from"), e))
		return -1;
	if (ok && name && !strcmp(name, "artifact"))
		run_emit(r, EVENT_ARTIFACT_ADDED, NULL, json_incref((json_t *)value));
	if (name && !strncmp(name, "end.", 4))
		return run_ending(r, name, ok, data, e);
	struct err why = ERR_INIT;
	if (!ok)
		err_set(&why, err_code_named(json_str(json_get(data, "error"), "code")), "%s",
			json_str(json_get(data, "error"), "text"));
	run_answer(r, key, ok, value, &why);
	return 0;
}
