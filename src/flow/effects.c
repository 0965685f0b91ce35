/* effects: keeps the operations that a run wants carried out, and the agents' side of asking for them.
 *
 *   WANTED ──announcement durable──▶ (HELD) ──▶ UNDERWAY ──ended──▶ (KEPT) ──▶ its input is delivered: gone
 *      └───────────── nobody wants it any more ──────────────────▶ DROPPED ──callback──▶ gone
 *
 * During recovery operations are made and ended by the recorded events without ever starting; those left at the
 * journal's end are the ones that a stop interrupted, and ops_recover applies the recovery table to them. */
#include "flow/house_private.h"
#include "flow/private.h"
#include "flow/program.h"

#include <stdio.h>

static void timer_fired(struct timer *t)
{
	struct op *op = container_of(t, struct op, timer);
	op->run->woken = false;
	if (action_is_timer(op)) {
		action_expire(op);
		return;
	}
	if (op->kind == OP_HOST) {
		op_done(op, EVENT_FLOW_RESULT, json_pack("{s:s, s:b, s:n}", "key", op->key, "ok", 1, "value"));
		return;
	}
	op_done(op, EVENT_FLOW_RESULT, json_pack("{s:s, s:b}", "key", op->key, "ok", 1));
}

void op_lasts(struct op *op, int64_t us)
{
	op->lasts_us = us;
	op->due_us = op->run->now + us;
}

int64_t op_left(const struct op *op, int64_t now)
{
	int64_t left = op->due_us - now;
	return left < 0 ? 0 : left < op->lasts_us ? left : op->lasts_us;
}

static void timer_op_start(struct op *op)
{
	struct err e = ERR_INIT;
	int64_t left = op_left(op, clock_wall(loop_clock(op->run->loop)));
	timer_init(&op->timer, op->run->loop, timer_fired);
	if (timer_start(&op->timer, (left + 999) / 1000, &e))
		op_broke(op, &e);
}

static void timer_op_cancel(struct op *op)
{
	timer_stop(&op->timer);
	op_end(op);
}

const struct op_type op_types[OP_KINDS] = {
	[OP_REQUEST] = {.name = "request",
		.at_once = true,
		.start = request_start,
		.cancel = request_cancel,
		.recover = request_start},
	[OP_ANSWER] = {.name = "answer",
		.start = answer_start,
		.cancel = answer_cancel,
		.recover = answer_recover,
		.release = answer_release},
	[OP_TOOL] = {.name = "tool",
		.start = tool_op_start,
		.cancel = tool_op_cancel,
		.recover = tool_op_recover,
		.release = tool_op_release},
	[OP_TIMER] = {.name = "timer",
		.waits = true,
		.start = timer_op_start,
		.cancel = timer_op_cancel,
		.recover = timer_op_start},
	[OP_SNAPSHOT] = {.name = "snapshot", .start = snap_start, .recover = snap_start, .release = snap_release},
	[OP_HOST] = {.name = "host call",
		.start = host_op_start,
		.cancel = host_op_cancel,
		.recover = host_op_recover,
		.release = host_op_release},
};

/* ---- the list ---- */

struct op *op_named(struct run *r, const char *key)
{
	list_for (it, &r->ops) {
		struct op *op = list_entry(it, struct op, link);
		if (op->state != OP_DROPPED && !strcmp(op->key, key))
			return op;
	}
	return NULL;
}

struct op *op_new(struct run *r, enum op_kind kind, const char *key, struct agent *a)
{
	bool small = kind == OP_REQUEST || kind == OP_ANSWER || kind == OP_TIMER;
	struct op *op = mem_calloc(1, small ? offsetof(struct op, tool) : sizeof(*op));
	char *copy = op ? mem_strdup(key) : NULL;
	if (!copy) {
		mem_free(op);
		struct err e = ERR_INIT;
		err_nomem(&e);
		run_break(r, &e);
		return NULL;
	}
	op->run = r;
	op->kind = kind;
	op->type = &op_types[kind];
	op->key = copy;
	op->agent = a;
	op->owner = a;
	op->announced = r->seq;
	op->order = ++r->ops_made;
	list_init(&op->queue);
	list_push(&r->ops, &op->link);
	return op;
}

static void op_free(struct op *op)
{
	op->run->ops_ended++;
	if (op->type->release)
		op->type->release(op);
	list_remove(&op->link);
	list_remove(&op->queue);
	json_decref(op->args);
	json_decref(op->result);
	mem_free(op->key);
	mem_free(op->name);
	mem_free(op);
}

static bool callback_due(const struct op *op)
{
	return op->state == OP_UNDERWAY;
}

void op_end(struct op *op)
{
	if (!op)
		return;
	struct run *r = op->run;
	op_free(op);
	if (r->live || r->closing)
		tick_start(&r->flush);
}

void op_drop(struct op *op)
{
	if (!op || op->state == OP_DROPPED)
		return;
	bool wait = callback_due(op);
	op->state = OP_DROPPED;
	op->agent = NULL;
	if (!wait)
		op_end(op);
	else if (op->type->cancel)
		op->type->cancel(op);
}

bool ops_snapshot_due(const struct run *r, const char *agent)
{
	size_t n = strlen(agent);
	list_for (it, &r->ops) {
		const struct op *op = list_entry(it, struct op, link);
		if (op->kind == OP_SNAPSHOT && op->state != OP_DROPPED && op->name && !strncmp(op->name, agent, n) &&
			op->name[n] == '/')
			return true;
	}
	return false;
}

void op_broke(struct op *op, const struct err *why)
{
	struct run *r = op->run;
	struct err copy = *why; /* may lie in the operation */
	op->state = OP_DROPPED;
	run_break(r, &copy);
	op_end(op);
}

void op_nomem(struct op *op)
{
	struct err e = ERR_INIT;
	err_nomem(&e);
	op_broke(op, &e);
}

/* An answer is kept until the snapshot of its agent's last command was delivered, so that evidence is judged on known
 * files. */
static bool must_keep(const struct op *op)
{
	return op->kind == OP_ANSWER && op->agent && ops_snapshot_due(op->run, op->agent->id);
}

void op_done(struct op *op, enum event_type type, json_t *data)
{
	struct run *r = op->run;
	if (op->state == OP_DROPPED || r->broken || r->closing) {
		json_decref(data);
		op->state = OP_DROPPED;
		op_end(op);
		return;
	}
	if (must_keep(op)) {
		op->state = OP_KEPT;
		op->result = data;
		op->result_type = type;
		return;
	}
	op->state = OP_KEPT; /* its callback has come: ending it frees it */
	run_input(r, type, op->kind == OP_ANSWER || op->kind == OP_TOOL ? ACTOR_AGENT : ACTOR_SYSTEM,
		op->agent ? op->agent->id : NULL, data);
}

bool ops_calling(const struct run *r)
{
	list_for (it, &r->ops) {
		const struct op *op = list_entry(it, struct op, link);
		if (op->state != OP_DROPPED && (op->kind == OP_ANSWER || op->kind == OP_TOOL))
			return !r->broken;
	}
	return false;
}

bool ops_working(const struct run *r)
{
	list_for (it, &r->ops) {
		const struct op *op = list_entry(it, struct op, link);
		if (op->state != OP_DROPPED && !op->type->waits)
			return true;
	}
	return false;
}

/* Starting one may end others, also the next in the list: then from the beginning. */
static void start_wanted(struct run *r, bool durable)
{
	for (struct list *it = r->ops.next, *next; it != &r->ops; it = next) {
		struct op *op = list_entry(it, struct op, link);
		int64_t ended = r->ops_ended;
		next = it->next;
		bool may = op->type->at_once || (durable && op->announced <= r->durable);
		if (op->state != OP_WANTED || !may || (op->kind == OP_REQUEST && r->house->draining))
			continue;
		op->state = OP_UNDERWAY;
		if (op->was_announced)
			op->type->recover(op);
		else
			op->type->start(op);
		if (r->broken) /* the list is not what it was */
			return;
		if (r->ops_ended != ended)
			next = r->ops.next;
	}
}

void ops_start(struct run *r)
{
	if (!r->live || r->closing || r->broken)
		return;
	list_for (it, &r->ops) {
		struct op *op = list_entry(it, struct op, link);
		if (op->state == OP_KEPT && op->result && !must_keep(op)) {
			json_t *data = steal(&op->result);
			op_done(op, op->result_type, data);
			tick_start(&r->flush);
			return; /* the list changed: again in the next tick */
		}
	}
	copies_wake(r);
	start_wanted(r, true);
}

void ops_start_at_once(struct run *r)
{
	if (r->live && !r->closing && !r->broken)
		start_wanted(r, false);
}

/* The working copy that an operation changes; NULL: none. */
static struct workcopy *copy_changed(const struct op *op)
{
	return op->kind == OP_TOOL ? tool_op_copy(op) : op->kind == OP_HOST ? host_op_copy(op) : NULL;
}

/* One after the other, in the order of the announcements, and each only after the end of the one before and the
 * snapshot of its changes are durable: so of those that are left, only the first can have begun. */
static bool can_have_begun(const struct op *op)
{
	struct workcopy *c = copy_changed(op);
	if (!c)
		return true;
	bool first = !c->user && !c->recovered;
	c->recovered = true;
	return first;
}

/* The power went between a call's end and the snapshot of its changes: the files are as before it (copy_ready). Its
 * agent is told; the person sees it in run.recovered. */
static bool changes_lost(struct op *op)
{
	struct err e = ERR_INIT;
	bool kept = true;
	if (op->kind != OP_SNAPSHOT || op->run->house->exec || project_copy_kept(op->copy->dir, &kept, &e) || kept)
		return false;
	const char *slash = op->name ? strchr(op->name, '/') : NULL;
	cleanup_free char *agent = slash ? mem_strndup(op->name, (size_t)(slash - op->name)) : NULL;
	if (agent)
		run_input(op->run, EVENT_RUN_INTERVENED, ACTOR_SYSTEM, NULL,
			json_pack("{s:s, s:s, s:s, s:s}", "kind", "steer", "by", "system", "agent", agent, "text",
				"The machine stopped before the files that your last call changed were saved: they are "
				"as they were before it. Look at them, and do again what is missing."));
	return true;
}

void ops_recover(struct run *r)
{
	json_t *lost = json_array();
	list_for (it, &r->ops) {
		struct op *op = list_entry(it, struct op, link);
		if (op->announced > r->durable) /* announced just now: it cannot have begun */
			continue;
		op->was_announced = can_have_begun(op);
		if (!op->was_announced)
			continue;
		if (op->kind == OP_ANSWER || op->kind == OP_TOOL || op->kind == OP_HOST || changes_lost(op))
			json_array_append_new(lost, json_string(op->key));
	}
	if (json_array_size(lost))
		run_input(r, EVENT_RUN_RECOVERED, ACTOR_SYSTEM, NULL, json_pack("{s:O}", "lost", lost));
	json_decref(lost);
	tick_start(&r->flush);
}

/* ---- what agents ask for ---- */

static struct run *run_of(struct agent *a)
{
	return a->ctx;
}

static void agent_emits(struct agent *a, enum event_type type, json_t *data)
{
	run_emit(run_of(a), type, a->id, data);
}

static void want(struct agent *a, enum op_kind kind, const char *prefix)
{
	char key[160];
	snprintf(key, sizeof(key), "%s:%s", prefix, a->id);
	op_new(run_of(a), kind, key, a);
}

static void want_request(struct agent *a)
{
	want(a, OP_REQUEST, "req");
}

static void want_answer(struct agent *a)
{
	want(a, OP_ANSWER, "ans");
}

static void want_tool(struct agent *a, struct agent_call *c)
{
	char key[160];
	snprintf(key, sizeof(key), "tool:%s:%s", a->id, c->id);
	struct op *op = op_new(run_of(a), OP_TOOL, key, a);
	if (op)
		op->name = mem_strdup(c->id);
	if (op && !op->name)
		op_nomem(op);
}

static void want_timer(struct agent *a, int64_t ms)
{
	char key[160];
	snprintf(key, sizeof(key), "timer:%s", a->id);
	struct op *op = op_new(run_of(a), OP_TIMER, key, a);
	if (op)
		op_lasts(op, ms * 1000);
}

static void want_handler(struct agent *a, struct agent_call *c)
{
	struct run *r = run_of(a);
	struct agent_entry *entry = run_agent(r, a->id);
	struct err e = ERR_INIT;
	char key[PROGRAM_KEY];
	cleanup_json json_t *info =
		json_pack("{s:s, s:s, s:i, s:s}", "agent", a->id, "role", a->role->id, "turn", a->turn, "call", c->id);
	if (!info || !entry)
		err_nomem(&e);
	else if (!program_enter(r, entry->key, c->name, c->args, info, key, &e)) {
		json_t *who = json_pack("{s:s, s:s}", "agent", a->id, "call", c->id);
		if (who && !map_set(&r->handlers, span_of(key), who, NULL, &e)) {
			r->flow_ready = true;
			run_emit(r, EVENT_FLOW_STEP, NULL,
				json_pack("{s:s, s:s, s:{s:s, s:s, s:s}}", "key", key, "call", "handler", "args",
					"agent", a->id, "call", c->id, "tool", c->name));
			return;
		}
	}
	run_break(r, &e);
}

static void agent_opens(struct agent *a, const char *name, const char *kind, const char *title, const char *body,
	json_t *options, const char *priority, struct agent_call *c, char out[24])
{
	const char *scope = !strcmp(kind, "budget") ? run_of(a)->reached : NULL;
	struct action *open = scope ? action_of_scope(run_of(a), scope) : NULL;
	if (open) { /* one question for all that wait for the same money */
		json_decref(options);
		snprintf(out, sizeof(open->id), "%s", open->id);
		return;
	}
	action_open(run_of(a), a->id, NULL, name, kind, title, body, options, priority, c, NULL, out);
}

static void agent_closes(struct agent *a, const char *action, const char *why)
{
	list_for (it, &run_of(a)->awake) {
		const struct agent *other = list_entry(it, struct agent, link);
		if (other != a && !strcmp(other->action, action))
			return; /* another waits for it too */
	}
	action_close(run_of(a), action, why);
}

static void agent_drops(struct agent *a)
{
	struct run *r = run_of(a);
	list_for (it, &r->ops) {
		struct op *op = list_entry(it, struct op, link);
		if (op->agent == a && op->state != OP_DROPPED)
			op_drop(op);
	}
}

static int agent_decides(struct agent *a, const struct agent_call *c, struct policy_verdict *out, struct err *e)
{
	return policy_decide(run_of(a)->policy, c->name, tool_subject(c->tool, c->args), a->tainted, out, e);
}

static void agent_ends(struct agent *a)
{
	agent_outcome(run_of(a), a);
}

static void agent_blocked(struct agent *a, const struct err *why)
{
	run_fail(run_of(a), why, a->id);
}

static uint64_t agent_tree(struct agent *a)
{
	struct workcopy *c = run_copy(run_of(a), a->copy);
	return c ? c->version : 0;
}

static bool agent_is_settled(struct agent *a)
{
	return !ops_snapshot_due(run_of(a), a->id);
}

static bool agent_has_children(struct agent *a)
{
	struct map_entry *it;
	size_t n = strlen(a->id);
	for (size_t i = 0; (it = map_next(&run_of(a)->agents, &i));) {
		const struct agent_entry *entry = it->value;
		if (!strncmp(it->key, a->id, n) && it->key[n] == '.' && entry->agent &&
			sm_is(&entry->agent->sm) != AGENT_ENDED)
			return true;
	}
	return false;
}

const struct agent_host run_agent_host = {
	.emit = agent_emits,
	.want_request = want_request,
	.want_answer = want_answer,
	.want_tool = want_tool,
	.want_handler = want_handler,
	.want_timer = want_timer,
	.open_action = agent_opens,
	.close_action = agent_closes,
	.drop = agent_drops,
	.decide = agent_decides,
	.ended = agent_ends,
	.blocked = agent_blocked,
	.tree_version = agent_tree,
	.settled = agent_is_settled,
	.has_children = agent_has_children,
};
