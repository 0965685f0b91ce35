/* toolrun: carries out agents' tool calls, and takes the snapshots of what they changed.
 *
 * A call that may change the working copy holds it while it runs, and until the snapshot of what it changed is durable
 * nothing else changes the copy; reading and asking models go on meanwhile. A tool that knows what it changed has only
 * those paths looked at; after a command the whole tree is walked.
 *
 * Recovery: reads run again; edits decide by content (the tool's recover()); commands and everything that leaves the
 * house are lost: the agent is told, with what changed in the workspace since the last snapshot. */
#include "flow/private.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/caps.h"
#include "flow/house_private.h"

/* ---- who may change a working copy now ---- */

bool copy_acquire(struct workcopy *c, struct op *op)
{
	if (c->user == op)
		return true;
	if (c->user) {
		struct list *before = c->waiting.next;
		while (before != &c->waiting && list_entry(before, struct op, queue)->order < op->order)
			before = before->next;
		op->state = OP_HELD;
		list_push(before, &op->queue);
		return false;
	}
	if (c->free_at > op->run->durable) {
		op->announced = c->free_at;
		op->state = OP_WANTED;
		return false;
	}
	c->user = op;
	return true;
}

void copy_release_user(struct workcopy *c, struct op *op)
{
	if (!c || c->user != op)
		return;
	c->user = NULL;
	c->free_at = c->run->seq;
	tick_start(&c->run->flush);
}

void copies_wake(struct run *r)
{
	list_for (it, &r->copies) {
		struct workcopy *c = list_entry(it, struct workcopy, link);
		struct list *next = c->user ? NULL : list_shift(&c->waiting);
		struct op *op = next ? list_entry(next, struct op, queue) : NULL;
		if (!op)
			continue;
		op->state = OP_WANTED;
		if (op->kind == OP_SNAPSHOT) /* whatever is wanted meanwhile */
			c->user = op;
	}
}

static bool changes_files(const struct tool *t)
{
	return t->effects & (TOOL_WRITES | TOOL_EXECS | TOOL_GIT);
}

struct workcopy *tool_op_copy(const struct op *op)
{
	return changes_files(agent_call_named(op->agent, op->name)->tool) ? run_copy(op->run, op->agent->copy) : NULL;
}

/* ---- a call ---- */

static json_t *finished_json(struct op *op, struct tool_call *t)
{
	struct agent *a = op->agent;
	json_t *data = json_pack("{s:s, s:s, s:s, s:o, s:I}", "agent", a->id, "call", t->id, "status",
		t->code == ERR_OK ? "ok" : "error", "content", json_from_span(buf_span(&t->content)), "ms",
		(json_int_t)(t->took_us / 1000));
	if (!data)
		return NULL;
	if (t->truncated)
		json_object_set_new(data, "truncated", json_true());
	if (t->truncated) {
		char hex[HASH_HEX];
		hash_hex(&t->blob.hash, hex);
		json_object_set_new(data, "blob", json_string(hex));
	}
	if (t->exit >= 0)
		json_object_set_new(data, "exit", json_integer(t->exit));
	if (t->evidence)
		json_object_set(data, "evidence", t->evidence);
	if (t->changed)
		json_object_set(data, "changed", t->changed);
	if (t->changed_unknown)
		json_object_set_new(data, "walk", json_true());
	if (t->extra)
		json_object_set(data, "extra", t->extra);
	return data;
}

static void tool_op_done(struct tool_call *t)
{
	struct op *op = t->ctx;
	if (op->state == OP_DROPPED) {
		op_done(op, EVENT_TOOL_FINISHED, NULL);
		return;
	}
	op_done(op, EVENT_TOOL_FINISHED, finished_json(op, t));
}

static void tool_output(struct tool_call *t, struct span bytes)
{
	struct op *op = t->ctx;
	if (op->agent)
		run_show(op->run, EVENT_TOOL_OUTPUT,
			json_pack("{s:s, s:s, s:I, s:o}", "agent", op->agent->id, "call", t->id, "offset",
				(json_int_t)op->shown, "text", json_from_span(bytes)));
	op->shown += (int64_t)bytes.n;
}

static void tool_failed(struct op *op, const struct err *why)
{
	op_done(op, EVENT_TOOL_FINISHED,
		json_pack("{s:s, s:s, s:s, s:s}", "agent", op->agent->id, "call", op->name, "status", "error",
			"content", why->text));
}

/* Fill the call's request side; 0, or -1 when the copy cannot be used. */
static int prepare(struct op *op, struct err *e)
{
	struct agent *a = op->agent;
	struct agent_call *c = agent_call_named(a, op->name);
	op->copy = run_copy(op->run, a->copy);
	if (!op->copy || copy_ready(op->copy, e))
		return op->copy ? -1 : err_set(e, ERR_NOT_FOUND, "there is no working copy \"%s\"", a->copy);
	tool_call_init(&op->tool);
	op->tool.tool = c->tool;
	op->tool.env = &op->copy->env;
	op->tool.id = op->name;
	op->tool.agent = a->id;
	op->tool.role = a->role->id;
	op->tool.scope = a->scope;
	op->tool.own_file = a->file;
	op->tool.args = c->args;
	op->tool.notes = a->notes;
	op->tool.on_output = tool_output;
	op->tool.on_done = tool_op_done;
	op->tool.ctx = op;
	op->shown = 0;
	return 0;
}

void tool_op_start(struct op *op)
{
	struct err e = ERR_INIT;
	struct agent_call *c = agent_call_named(op->agent, op->name);
	struct workcopy *copy = run_copy(op->run, op->agent->copy);
	if (copy && changes_files(c->tool) && !copy_acquire(copy, op))
		return;
	if (prepare(op, &e)) {
		copy_release_user(copy, op);
		tool_failed(op, &e);
		return;
	}
	if (c->tool->effects & TOOL_EXECS)
		run_show(op->run, EVENT_AGENT_STATUS,
			json_pack(
				"{s:s, s:s, s:s}", "agent", op->agent->id, "status", "working", "text", c->tool->name));
	if (tool_call_start(&op->tool, &e))
		tool_failed(op, &e);
}

void tool_op_cancel(struct op *op)
{
	tool_call_cancel(&op->tool);
}

void tool_op_release(struct op *op)
{
	copy_release_user(op->copy, op);
	snapshot_release(&op->taken);
	if (op->tool.tool)
		tool_call_release(&op->tool);
}

/* ---- a call that a stop interrupted ---- */

static void recover_run(struct work *w)
{
	struct op *op = container_of(w, struct op, work);
	op->became = tool_call_recover(&op->tool, &op->error);
}

/* The agent is told what changed since the last snapshot; the event is itself a snapshot. */
static void lost_run(struct work *w)
{
	struct op *op = container_of(w, struct op, work);
	snapshot_take(op->copy->copy, NULL, 0, &op->taken, &op->error);
}

static void lost_done(struct work *w)
{
	struct op *op = container_of(w, struct op, work);
	struct agent *a = op->agent;
	if (op->state == OP_DROPPED) {
		op_done(op, EVENT_TOOL_LOST, NULL);
		return;
	}
	if (op->error.code != ERR_OK) {
		op_broke(op, &op->error);
		return;
	}
	cleanup_buf struct buf text = BUF_INIT(CAP_TOOL_RESULT);
	buf_adds(&text, "The program stopped while this ran, so its result is not known. It was not run again. ");
	buf_addspan(&text, buf_span(&op->tool.content));
	buf_adds(&text,
		op->taken.changes.count ? "Since then these files differ:\n" : "No file has changed since it began.");
	for (size_t i = 0; i < op->taken.changes.count && i < 100; i++)
		buf_addf(&text, "%s\n", op->taken.changes.items[i].path);
	char hex[HASH_HEX];
	hash_hex(&op->taken.root, hex);
	op_done(op, EVENT_TOOL_LOST,
		json_pack("{s:s, s:s, s:o, s:o, s:s}", "agent", a->id, "call", op->name, "content",
			json_from_span(buf_span(&text)), "changed", changes_json(&op->taken.changes, 200), "manifest",
			hex));
}

static void tool_lost(struct op *op)
{
	if (work_start(&op->work, op->run->loop, lost_run, lost_done, &op->error))
		op_broke(op, &op->error);
}

static void recovered(struct op *op)
{
	struct err e = ERR_INIT;
	switch (op->became) {
	case TOOL_RUN_AGAIN:
		if (tool_call_start(&op->tool, &e))
			tool_failed(op, &e);
		return;
	case TOOL_DONE:
		op_done(op, EVENT_TOOL_FINISHED, finished_json(op, &op->tool));
		return;
	default:
		tool_lost(op);
	}
}

static void recover_done(struct work *w)
{
	struct op *op = container_of(w, struct op, work);
	if (op->state == OP_DROPPED)
		op_done(op, EVENT_TOOL_LOST, NULL);
	else if (op->error.code != ERR_OK)
		tool_failed(op, &op->error);
	else
		recovered(op);
}

void tool_op_recover(struct op *op)
{
	struct err e = ERR_INIT;
	struct agent_call *c = agent_call_named(op->agent, op->name);
	struct workcopy *copy = run_copy(op->run, op->agent->copy);
	if (copy && changes_files(c->tool) && !copy_acquire(copy, op))
		return;
	if (prepare(op, &e)) {
		tool_failed(op, &e);
		return;
	}
	if (c->tool->recover) {
		if (work_start(&op->work, op->run->loop, recover_run, recover_done, &e))
			op_broke(op, &e);
		return;
	}
	op->became = c->tool->effects & ~TOOL_READS ? TOOL_LOST : TOOL_RUN_AGAIN;
	recovered(op);
}

/* ---- delivered ---- */

void check_recorded(struct workcopy *c, const json_t *evidence, const char *after)
{
	snprintf(c->check_after, sizeof(c->check_after), "%s", after);
	if (json_get(evidence, "path")) /* of one folder only */
		return;
	json_decref(c->check);
	c->check = json_incref((json_t *)evidence);
	c->check_version = c->version;
	if (json_bool(evidence, "found", false) && !c->fixed)
		c->fixed = mem_strdup(json_str(evidence, "command"));
}

int tool_delivered(struct run *r, struct agent *a, const json_t *data, bool lost, struct err *e)
{
	struct workcopy *c = run_copy(r, a->copy);
	const json_t *changed = json_get(data, "changed");
	const json_t *evidence = json_get(data, "evidence");
	const json_t *artifact = json_get(json_get(data, "extra"), "artifact");
	const json_t *commit = json_get(json_get(data, "extra"), "commit");
	char after[96];
	snprintf(after, sizeof(after), "%s/%s", a->id, json_str(data, "call"));
	if (json_array_size(changed))
		c->edit_version = ++c->version;
	if (lost && json_get(data, "manifest") && !hash_parse(&c->last, json_span(data, "manifest")))
		c->has_last = true;
	if (evidence)
		check_recorded(c, evidence, after);
	if (artifact)
		run_emit(r, EVENT_ARTIFACT_ADDED, a->id, json_incref((json_t *)artifact));
	if (commit && json_str(commit, "oid"))
		snprintf(c->head, sizeof(c->head), "%s", json_str(commit, "oid"));
	if (json_bool(data, "walk", false))
		snap_want(r, c, after, NULL);
	else if (!lost && json_array_size(changed)) /* that of a lost call was taken */
		snap_want(r, c, after, changed);
	return agent_tool_finished(a, data, lost, e);
}

/* ---- snapshots ---- */

void snap_want(struct run *r, struct workcopy *c, const char *after, const json_t *paths)
{
	char key[96];
	snprintf(key, sizeof(key), "snap:%s:%" PRId64, c->name, r->seq);
	struct op *op = op_new(r, OP_SNAPSHOT, key, NULL);
	if (!op)
		return;
	op->copy = c;
	op->args = json_incref((json_t *)paths);
	op->name = after ? mem_strdup(after) : NULL;
	if (!c->user) /* nothing changes the copy until it is taken */
		c->user = op;
	else {
		op->state = OP_HELD;
		op->order = 0; /* before all that would change it */
		list_unshift(&c->waiting, &op->queue);
	}
}

static void snapshot_run(struct work *w)
{
	struct op *op = container_of(w, struct op, work);
	size_t count = json_array_size(op->args);
	cleanup_free const char **paths = count ? mem_calloc(count, sizeof(*paths)) : NULL;
	for (size_t i = 0; i < count && paths; i++)
		paths[i] = json_string_value(json_array_get(op->args, i));
	if (count && !paths)
		err_nomem(&op->error);
	else
		snapshot_carry(op->copy->copy, paths, count, &op->taken, &op->error);
}

static void snapshot_done(struct work *w)
{
	struct op *op = container_of(w, struct op, work);
	struct err e = ERR_INIT;
	if (run_carry(op->run, op->taken.blobs, op->taken.blob_count, &e)) { /* also when nobody wants it any more */
		op_broke(op, &e);
		return;
	}
	if (op->state == OP_DROPPED) {
		op_done(op, EVENT_SNAPSHOT_TAKEN, NULL);
		return;
	}
	if (op->error.code != ERR_OK) {
		err_wrap(&op->error, "taking a snapshot of %s", op->copy->dir);
		op_broke(op, &op->error);
		return;
	}
	char hex[HASH_HEX];
	hash_hex(&op->taken.root, hex);
	op_done(op, EVENT_SNAPSHOT_TAKEN,
		json_pack("{s:s, s:s, s:s, s:s?, s:o, s:I, s:I}", "key", op->key, "copy", op->copy->name, "manifest",
			hex, "after", op->name, "changed", changes_json(&op->taken.changes, 200), "files",
			(json_int_t)op->taken.files, "bytes", (json_int_t)op->taken.bytes));
}

void snap_start(struct op *op)
{
	struct err e = ERR_INIT;
	if (!copy_acquire(op->copy, op))
		return;
	if (copy_ready(op->copy, &e) || work_start(&op->work, op->run->loop, snapshot_run, snapshot_done, &e))
		op_broke(op, &e);
}

void snap_release(struct op *op)
{
	snapshot_release(&op->taken);
	copy_release_user(op->copy, op);
}

/* What tools strew over a tree by running is no edit of anybody. */
static bool is_litter(const char *path)
{
	static const char *const litter[] = {
		"__pycache__/", ".pytest_cache/", ".mypy_cache/", "node_modules/", ".ruff_cache/", NULL};
	for (const char *const *name = litter; *name; name++)
		if (strstr(path, *name))
			return true;
	return false;
}

size_t edits_in(const json_t *changed)
{
	size_t n = 0, i;
	json_t *item;
	json_array_foreach(changed, i, item) n += !json_str(item, "path") || !is_litter(json_str(item, "path"));
	return n;
}

int snap_delivered(struct run *r, const json_t *data, struct err *e)
{
	const char *name = json_str(data, "copy"), *after = json_str(data, "after"), *key = json_str(data, "key");
	struct workcopy *c = name ? run_copy(r, name) : NULL;
	if (!c || hash_parse(&c->last, json_span(data, "manifest")))
		return err_set(e, ERR_CORRUPT, "snapshot.taken names no working copy or manifest");
	c->has_last = true;
	size_t changed = edits_in(json_get(data, "changed"));
	bool by_check = after && *c->check_after && !strcmp(after, c->check_after);
	struct agent *whose = NULL;
	if (after && strchr(after, '/')) { /* an agent's call, no flow's */
		char id[64];
		snprintf(id, sizeof(id), "%.*s", (int)strcspn(after, "/"), after);
		struct agent_entry *entry = run_agent(r, id);
		whose = entry ? entry->agent : NULL;
	}
	if (changed && !by_check) {
		c->edit_version = ++c->version;
		if (whose)
			agent_changed_files(whose);
	}
	op_end(key ? op_named(r, key) : NULL);
	return whose ? agent_settled(whose, e) : 0;
}
