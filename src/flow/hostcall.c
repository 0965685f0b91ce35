/* hostcall: what a flow can ask for, as one table.
 *
 * A row is served inside the machine (its result is computed, nothing is journaled but its own event), or outside (an
 * operation whose result is the input flow.result), by a tool or by a job on the worker pool. Adding a host call = one
 * function and one row here, and one row in lua_calls.c for its arguments. */
#include "flow/hostcall.h"

#include <math.h>
#include <stdio.h>

#include "base/caps.h"
#include "flow/program.h"

#define STEP_ARGS (2 * KIB) /* larger arguments are journaled by hash */

struct host_row {
	const char *name;
	/* inside: answers by run_answer, now or when something else happens */
	int (*inside)(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
	bool plain; /* inside, without an event flow.step: its own event says it all, or there is nothing to say */
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
	if (program_deliver(r, key, ok, value, error, &e))
		run_break(r, &e);
}

void run_answer_new(struct run *r, const char *key, json_t *value)
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
	(void)handlers;
	return program_continue(r, key, json_get(args, "state"), e);
}

/* ---- the table ---- */

static const struct host_row host_rows[] = {
	{.name = "agent", .inside = call_agent},
	{.name = "start", .inside = call_start},
	{.name = "await", .inside = call_await, .plain = true},
	{.name = "tell", .inside = call_tell, .plain = true},
	{.name = "stop", .inside = call_stop},
	{.name = "agents", .inside = call_agents, .plain = true},
	{.name = "signal", .inside = call_signal, .plain = true},
	{.name = "waitfor", .inside = call_waitfor, .plain = true},
	{.name = "ask", .inside = call_ask},
	{.name = "gate", .inside = call_gate},
	{.name = "phase", .inside = call_phase, .plain = true},
	{.name = "progress", .inside = call_progress, .plain = true},
	{.name = "say", .inside = call_say, .plain = true},
	{.name = "log", .inside = call_log, .plain = true},
	{.name = "plan", .inside = call_plan, .plain = true},
	{.name = "task", .inside = call_task, .plain = true},
	{.name = "call", .inside = call_mode},
	{.name = "continue_as", .inside = call_continue},
	{.name = "exec", .tool = "shell", .writes = true},
	{.name = "check", .tool = "run_tests", .writes = true, .again = true},
	{.name = "write", .tool = "write_file", .writes = true},
	{.name = "edit", .tool = "edit_file", .writes = true},
	{.name = "remove", .tool = "delete_path", .writes = true},
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
	{.name = "end.commit", .job = job_end_commit, .writes = true, .again = true},
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

int host_check_size(const char *name, const json_t *value, struct err *e)
{
	cleanup_free char *text = json_text(value);
	if (!text)
		return err_nomem(e);
	return strlen(text) <= CAP_FLOW_SAID
		       ? 0
		       : err_set(e, ERR_TOO_LARGE,
				 "%s: %zu bytes are more than the %lu that it takes; files and artifacts may be larger",
				 name, strlen(text), CAP_FLOW_SAID);
}

void host_call(struct run *r, const char *key, const char *name, const json_t *args, const json_t *handlers)
{
	const struct host_row *row = host_row(name);
	struct err e = ERR_INIT;
	if (!row || !row->plain)
		run_emit(r, EVENT_FLOW_STEP, NULL,
			json_pack("{s:s, s:s, s:o}", "key", key, "call", name, "args", step_args(args)));
	if (!row) {
		err_set(&e, ERR_NOT_FOUND, "there is no host call \"%s\"", name);
		run_answer(r, key, false, NULL, &e);
		return;
	}
	if (row->inside) {
		if ((row->plain && host_check_size(name, args, &e)) || row->inside(r, key, args, handlers, &e)) {
			if (e.code == ERR_NOMEM) /* of this process: no event says so */
				run_break(r, &e);
			else
				run_answer(r, key, false, NULL, &e);
		}
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
	op->args = json_clone_deep(args);
	op->name = mem_strdup(name);
	if (row->waits)
		op_lasts(op, (int64_t)(fmin(json_num(args, "seconds", 0), CAP_FLOW_SLEEP) * 1e6));
	if (!op->args || !op->name)
		op_nomem(op);
}

void host_handled(struct run *r, const char *key, bool ok, const json_t *value, const struct err *error)
{
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

/* Trouble of this machine, none of the flow's: done again once it is mended, it can succeed. Not so ERR_IO, which a
 * file can cause by what it is. */
static bool is_of_the_machine(enum err_code code)
{
	return code == ERR_NOMEM || code == ERR_DISK_FULL || code == ERR_DATABASE || code == ERR_SPAWN ||
	       code == ERR_SANDBOX || code == ERR_NO_SANDBOX;
}

static void host_done(struct op *op)
{
	if (is_of_the_machine(op->error.code)) {
		op_broke(op, &op->error);
		return;
	}
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
	if (!ran && !t->evidence && is_of_the_machine(t->code)) {
		struct err why = ERR_INIT;
		err_set(&why, t->code, "%.*s", (int)t->content.len, t->content.data);
		op_broke(op, &why);
		return;
	}
	json_t *content = json_from_span(buf_span(&t->content));
	json_t *value = t->evidence ? json_clone_deep(t->evidence) : json_object();
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

/* A merge commits the branch's copy too: nothing else may use that meanwhile. It is taken behind the run's own, for
 * which nobody waits who holds a branch's. False: it waits. */
static bool take_theirs(struct op *op)
{
	const char *name = json_str(op->args, "branch");
	struct workcopy *theirs = name && !strcmp(op->name, "merge") ? run_copy(op->run, name) : NULL;
	op->theirs = theirs != op->copy ? theirs : NULL;
	return !op->theirs || copy_acquire(op->theirs, op);
}

/* Take the working copy and fill the tool's call. False: it waits for the copy, or has ended with an error. */
static bool host_op_ready(struct op *op, const struct host_row *row)
{
	const char *copy = json_str(op->args, "copy");
	op->copy = run_copy(op->run, copy);
	if (!op->copy)
		err_set(&op->error, ERR_NOT_FOUND, "there is no working copy \"%s\"", copy);
	else if (row->writes && (!copy_acquire(op->copy, op) || !take_theirs(op)))
		return false;
	if (op->copy && !strcmp(op->name, "branch") && json_str(op->args, "name") &&
		run_copy(op->run, json_str(op->args, "name")) != NULL)
		err_set(&op->error, ERR_CONFLICT, "branch{}: the run has a branch \"%s\" already",
			json_str(op->args, "name"));
	if (op->error.code != ERR_OK || !op->copy || copy_ready(op->copy, &op->error) ||
		(op->theirs && copy_ready(op->theirs, &op->error))) {
		host_done(op);
		return false;
	}
	if (row->job)
		return true;
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
	op->tool.cwd = json_str(op->args, "cwd");
	return true;
}

struct workcopy *host_op_copy(const struct op *op)
{
	return host_row(op->name)->writes ? run_copy(op->run, json_str(op->args, "copy")) : NULL;
}

static void host_tool_start(struct op *op)
{
	if (tool_call_start(&op->tool, &op->error))
		host_done(op);
}

void host_op_start(struct op *op)
{
	const struct host_row *row = host_row(op->name);
	struct err e = ERR_INIT;
	if (!host_op_ready(op, row))
		return;
	if (!row->job)
		host_tool_start(op);
	else if (work_start(&op->work, op->run->loop, job_run, job_done, &e))
		op_broke(op, &e);
}

void host_op_cancel(struct op *op)
{
	if (op->tool.tool)
		tool_call_cancel(&op->tool);
}

void host_op_release(struct op *op)
{
	copy_release_user(op->copy, op);
	copy_release_user(op->theirs, op);
	snapshot_release(&op->taken);
	if (op->tool.tool)
		tool_call_release(&op->tool);
}

static void host_lost(struct op *op)
{
	json_t *data = json_pack("{s:s, s:b, s:{s:b, s:s}, s:b}", "key", op->key, "ok", 1, "value", "lost", 1, "output",
		"the program stopped while this ran; its result is not known", "walk", 1);
	if (data && json_str(op->args, "copy"))
		json_object_set(data, "copy", json_get(op->args, "copy"));
	op_done(op, EVENT_FLOW_RESULT, data);
}

static void recover_run(struct work *w)
{
	struct op *op = container_of(w, struct op, work);
	op->became = tool_call_recover(&op->tool, &op->error);
}

static void recover_done(struct work *w)
{
	struct op *op = container_of(w, struct op, work);
	if (op->state == OP_DROPPED)
		op_done(op, EVENT_FLOW_RESULT, NULL);
	else if (op->error.code != ERR_OK)
		host_done(op);
	else if (op->became == TOOL_RUN_AGAIN)
		host_tool_start(op);
	else if (op->became == TOOL_DONE)
		host_tool_done(&op->tool);
	else
		host_lost(op);
}

/* Edits of files are decided by their content; other calls are done again when that is harmless, else they are lost. */
void host_op_recover(struct op *op)
{
	const struct host_row *row = host_row(op->name);
	struct err e = ERR_INIT;
	if (row->tool && tool_named(row->tool)->recover) {
		if (host_op_ready(op, row) && work_start(&op->work, op->run->loop, recover_run, recover_done, &e))
			op_broke(op, &e);
	} else if (row->again || json_bool(op->args, "again", false)) {
		host_op_start(op);
	} else {
		host_lost(op);
	}
}

static int add_branch(struct run *r, const json_t *value, struct err *e)
{
	const char *from = json_str(value, "from");
	struct workcopy *c =
		copy_add(r, json_str(value, "copy"), json_str(value, "dir"), json_str(value, "branch"), from, e);
	snprintf(r->main->head, sizeof(r->main->head), "%s", from ? from : ""); /* what was there is committed */
	if (c && !hash_parse(&c->last, json_span(value, "manifest")))
		c->has_last = true;
	return c ? 0 : -1;
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
	bool merge = name && !strcmp(name, "merge");
	struct workcopy *theirs = merge ? run_copy(r, json_str(op->args, "branch")) : NULL;
	op_end(op);
	const json_t *value = json_get(data, "value");
	struct workcopy *c = run_copy(r, json_str(data, "copy"));
	if (json_array_size(json_get(data, "changed")))
		c->edit_version = ++c->version;
	const json_t *evidence = json_get(data, "evidence");
	if (evidence)
		check_recorded(c, evidence, key);
	if (json_bool(data, "walk", false) || merge)
		snap_want(r, c, key, NULL);
	else if (json_array_size(json_get(data, "changed")))
		snap_want(r, c, key, json_get(data, "changed"));
	bool ok = json_bool(data, "ok", false);
	if (ok && json_str(value, "commit"))
		snprintf(c->head, sizeof(c->head), "%s", json_str(value, "commit"));
	if (ok && theirs && json_str(value, "theirs"))
		snprintf(theirs->head, sizeof(theirs->head), "%s", json_str(value, "theirs"));
	if (ok && name && !strcmp(name, "branch") && add_branch(r, value, e))
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
