/* machine: the one loop of a run, in which inputs are delivered and what follows from them is emitted until all rests.
 *
 * Happy path, live: an effect ends → run_input appends its event and delivers it → the machine rests, emitting derived
 * events → the tick's flush appends all of them in one commit → effects that were announced start. While the journal
 * lasts (recovery, replay): run_emit compares with the recorded event instead of appending, and the loop in run_open
 * feeds the recorded inputs. Failure modes: a derived event that differs stops the run with ERR_FLOW_DIVERGED (nothing
 * is appended); a failed commit breaks the run in this process: what was not acknowledged was not acted on either. */
#include "flow/private.h"
#include "flow/program.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/caps.h"

#define AHEAD 256	  /* recorded events read at once */
#define DRAFTS_MAX 100000 /* derived events of one input */

/* ---- breaking and telling ---- */

void run_changed(struct run *r)
{
	r->told = false;
	tick_start(&r->flush);
}

void run_break(struct run *r, const struct err *why)
{
	if (r->broken)
		return;
	err_keep(&r->broken, why);
	list_for (it, &r->ops)
		op_drop(list_entry(it, struct op, link));
	run_changed(r);
}

static void break_nomem(struct run *r)
{
	struct err e = ERR_INIT;
	err_nomem(&e);
	run_break(r, &e);
}

void run_show(struct run *r, enum event_type type, json_t *data)
{
	if (!r->live || !data) {
		json_decref(data);
		return;
	}
	cleanup_free char *text = json_text(data);
	json_decref(data);
	struct event ev = {.type = type, .v = event_kinds[type].version, .at = clock_wall(loop_clock(r->loop))};
	ev.data = text ? blob_new(text, strlen(text)) : NULL;
	if (ev.data)
		store_show(r->store, r->stream, &ev);
	event_release(&ev);
}

/* ---- making events ---- */

static struct event *draft(struct run *r)
{
	if (r->draft_count == r->draft_room) {
		size_t room = r->draft_room ? r->draft_room * 2 : 4;
		struct event *bigger = room > DRAFTS_MAX ? NULL : mem_realloc(r->drafts, room * sizeof(*bigger));
		if (!bigger)
			return NULL;
		r->drafts = bigger;
		r->draft_room = room;
	}
	struct event *ev = &r->drafts[r->draft_count];
	memset(ev, 0, sizeof(*ev));
	return ev;
}

/* Append an event to what the next flush commits. text is stolen. */
static int make_event(struct run *r, enum event_type type, enum actor_kind actor, const char *actor_id, char *text)
{
	struct event *ev = text ? draft(r) : NULL;
	struct blob *data = ev ? blob_new(text, strlen(text)) : NULL;
	mem_free(text);
	if (!data) {
		break_nomem(r);
		return -1;
	}
	ev->data = data;
	ev->type = type;
	ev->v = event_kinds[type].version;
	ev->seq = ++r->seq;
	ev->at = event_kinds[type].class == EVENT_CLASS_INPUT ? clock_wall(loop_clock(r->loop)) : r->now;
	ev->actor = actor;
	if (actor_id)
		snprintf(ev->actor_id, sizeof(ev->actor_id), "%s", actor_id);
	id_new(ev->id, ev->at, r->rng);
	snprintf(ev->cause, sizeof(ev->cause), "%s", r->cause);
	r->draft_count++;
	tick_start(&r->flush);
	return 0;
}

/* Takes the reference when it succeeds. */
static int add_blob(struct run *r, const struct hash *h, struct blob *b, struct err *e)
{
	if (r->blob_count == r->blob_room) {
		size_t room = r->blob_room ? r->blob_room * 2 : 8;
		struct store_blob *bigger = mem_realloc(r->blobs, room * sizeof(*bigger));
		if (!bigger)
			return err_nomem(e);
		r->blobs = bigger;
		r->blob_room = room;
	}
	r->blobs[r->blob_count++] = (struct store_blob){.hash = *h, .bytes = b};
	return 0;
}

static bool has_blob(const struct run *r, const struct hash *h)
{
	for (size_t i = 0; i < r->blob_count; i++)
		if (hash_eq(&r->blobs[i].hash, h))
			return true;
	return false;
}

int run_add_blob(struct run *r, struct span bytes, struct hash *out, struct err *e)
{
	store_blob_hash(bytes, out);
	if (!r->live || has_blob(r, out))
		return 0;
	struct blob *b = blob_new(bytes.p, bytes.n);
	if (!b)
		return err_nomem(e);
	if (!add_blob(r, out, b, e))
		return 0;
	blob_unref(b);
	return -1;
}

int run_carry(struct run *r, const struct store_blob *blobs, size_t count, struct err *e)
{
	for (size_t i = 0; i < count && r->live; i++)
		if (!has_blob(r, &blobs[i].hash)) {
			if (add_blob(r, &blobs[i].hash, blobs[i].bytes, e))
				return -1;
			blob_ref(blobs[i].bytes);
		}
	return 0;
}

/* ---- the recorded events ---- */

static struct event *peek(struct run *r)
{
	if (r->ahead_at < r->ahead_count)
		return &r->ahead[r->ahead_at];
	for (int i = 0; i < r->ahead_count; i++)
		event_release(&r->ahead[i]);
	r->ahead_at = r->ahead_count = 0;
	if (r->live)
		return NULL;
	if (!r->ahead && !(r->ahead = mem_calloc(AHEAD, sizeof(*r->ahead)))) {
		break_nomem(r);
		return NULL;
	}
	struct err e = ERR_INIT;
	int got = store_read(r->store, r->stream, r->read, r->ahead,
		r->upto && r->upto - r->read < AHEAD ? (int)(r->upto - r->read) : AHEAD, &e);
	if (got < 0) {
		run_break(r, &e);
		return NULL;
	}
	r->ahead_count = got;
	if (got)
		r->read = r->ahead[got - 1].seq;
	return got ? &r->ahead[0] : NULL;
}

static void consume(struct run *r)
{
	r->seq = r->durable = r->ahead[r->ahead_at].seq;
	event_release(&r->ahead[r->ahead_at++]);
	r->matched++;
}

static void diverged(struct run *r, const struct event *recorded, enum event_type type, const char *now)
{
	struct err e = ERR_INIT;
	err_set(&e, r->dry ? ERR_REPLAY_DIFFERS : ERR_FLOW_DIVERGED,
		"event %" PRId64 ": recorded %s %.300s; now %s %.300s", recorded->seq, event_kinds[recorded->type].type,
		blob_span(recorded->data).p, event_kinds[type].type, now);
	run_break(r, &e);
}

void run_emit(struct run *r, enum event_type type, const char *agent, json_t *data)
{
	if (r->broken) {
		json_decref(data);
		return;
	}
	struct err e = ERR_INIT;
	char *text = data ? spill_text(r, type, data, &e) : NULL;
	json_decref(data);
	if (!text || json_starved()) { /* an event that lacks a member is none */
		mem_free(text);
		break_nomem(r);
		return;
	}
	struct event *recorded = r->live ? NULL : peek(r);
	if (recorded) {
		if (recorded->type != type || strcmp(blob_span(recorded->data).p, text) != 0)
			diverged(r, recorded, type, text);
		else
			consume(r);
		mem_free(text);
		return;
	}
	if (r->broken) {
		mem_free(text);
		return;
	}
	if (r->dry) { /* the journal ended in the middle of what an input causes: a stop cut it there */
		mem_free(text);
		return;
	}
	make_event(r, type, agent ? ACTOR_AGENT : ACTOR_FLOW, agent, text);
}

/* ---- delivering ---- */

static int deliver_agent(struct run *r, enum event_type type, const json_t *data, struct err *e)
{
	const char *id = json_str(data, "agent");
	struct agent_entry *entry = id ? run_agent(r, id) : NULL;
	struct agent *a = entry ? entry->agent : NULL;
	if (entry && (!a || sm_is(&a->sm) == AGENT_ENDED) && type == EVENT_MODEL_FAILED) {
		r->usd += json_num(data, "usd_unknown", 0);
		request_settled(r, entry, json_num(data, "usd_unknown", 0));
	}
	if (!a || sm_is(&a->sm) == AGENT_ENDED)
		return 0; /* its result came after it had ended */
	char key[160];
	switch (type) {
	case EVENT_MODEL_REQUESTED:
		snprintf(key, sizeof(key), "req:%s", id);
		op_end(op_named(r, key));
		return request_delivered(r, a, data, e) ? -1 : agent_requested(a, data, e);
	case EVENT_BUDGET_REACHED:
		snprintf(key, sizeof(key), "req:%s", id);
		op_end(op_named(r, key));
		r->reached = json_str(data, "scope");
		r->reached_limit = json_num(data, "limit", 0);
		return agent_budget_reached(a, data, e);
	case EVENT_MODEL_ANSWERED:
	case EVENT_MODEL_FAILED:
		snprintf(key, sizeof(key), "ans:%s", id);
		op_end(op_named(r, key));
		snprintf(key, sizeof(key), "req:%s", id);
		op_end(op_named(r, key));
		r->usd += json_num(data, "usd", 0) + json_num(data, "usd_unknown", 0);
		request_settled(r, entry, json_num(data, "usd", 0) + json_num(data, "usd_unknown", 0));
		return type == EVENT_MODEL_ANSWERED ? agent_answered(a, data, e) : agent_failed(a, data, e);
	default:
		snprintf(key, sizeof(key), "tool:%s:%s", id, json_str(data, "call") ? json_str(data, "call") : "");
		op_end(op_named(r, key));
		return tool_delivered(r, a, data, type == EVENT_TOOL_LOST, e);
	}
}

static int deliver(struct run *r, enum event_type type, const json_t *data, struct err *e)
{
	switch (type) {
	case EVENT_MODEL_REQUESTED:
	case EVENT_MODEL_ANSWERED:
	case EVENT_MODEL_FAILED:
	case EVENT_BUDGET_REACHED:
	case EVENT_TOOL_FINISHED:
	case EVENT_TOOL_LOST:
		return deliver_agent(r, type, data, e);
	case EVENT_FLOW_RESULT:
		return host_result(r, data, e);
	case EVENT_ACTION_RESOLVED:
		return action_resolved(r, data, e);
	case EVENT_RUN_INTERVENED:
		return run_intervened(r, data, e);
	case EVENT_SNAPSHOT_TAKEN:
		return snap_delivered(r, data, e);
	case EVENT_RUN_RECOVERED:
	case EVENT_RUN_FORKED:
	case EVENT_RUN_MERGED:
	case EVENT_RUN_RENAMED:
		return 0;
	default:
		return err_set(
			e, ERR_CORRUPT, "event %" PRId64 " (%s) cannot stand here", r->seq, event_kinds[type].type);
	}
}

void run_input(struct run *r, enum event_type type, enum actor_kind actor, const char *actor_id, json_t *data)
{
	if (!data || json_starved())
		break_nomem(r);
	if (r->broken) {
		json_decref(data);
		return;
	}
	BUG_ON(!r->live);
	*r->cause = '\0';
	struct err e = ERR_INIT;
	if (!make_event(r, type, actor, actor_id, spill_text(r, type, data, &e))) {
		const struct event *ev = &r->drafts[r->draft_count - 1];
		r->now = ev->at;
		snprintf(r->cause, sizeof(r->cause), "%s", ev->id);
		if (deliver(r, type, data, &e))
			run_break(r, &e);
		else
			run_rest(r);
	}
	json_decref(data);
}

/* ---- resting ---- */

static bool owns_operation(const struct run *r, const struct agent *a)
{
	list_for (it, &r->ops)
		if (list_entry(it, struct op, link)->owner == a)
			return true;
	return false;
}

/* Agents that ended are freed here, where nothing of theirs is on the stack and no dropped operation borrows from them.
 */
static void reap_agents(struct run *r)
{
	struct map_entry *it;
	bool left = false;
	if (!r->reap)
		return;
	for (size_t i = 0; (it = map_next(&r->agents, &i));) {
		struct agent_entry *entry = it->value;
		if (entry->agent && sm_is(&entry->agent->sm) != AGENT_ENDED)
			continue;
		if ((entry->agent && owns_operation(r, entry->agent)) || (entry->forgotten && entry->reserved > 0)) {
			left = true;
			continue;
		}
		agent_free(entry->agent);
		entry->agent = NULL;
		if (entry->forgotten)
			agent_entry_free(map_del(&r->agents, span_n(it->key, it->key_len)));
	}
	r->reap = left;
}

static int step_agents(struct run *r, bool *moved, struct err *e)
{
	list_for (it, &r->awake) {
		struct agent *a = list_entry(it, struct agent, link);
		int before = sm_is(&a->sm);
		if (agent_step(a, e))
			return -1;
		*moved |= sm_is(&a->sm) != before;
	}
	return 0;
}

/* What the run waits for, when nothing works: the state people see. */
static const char *waits_for(const struct run *r)
{
	if (r->life != RUN_ACTIVE || ops_working(r))
		return "";
	bool timers = false;
	list_for (it, &r->ops)
		timers |= list_entry(it, struct op, link)->type->waits;
	if (map_count(&r->actions))
		return actions_only_budget(r) ? "budget" : "person";
	return timers ? "timer" : "nothing";
}

static void tell_waiting(struct run *r)
{
	const char *now = waits_for(r);
	if (!strcmp(now, r->waits))
		return;
	if (!strcmp(now, "nothing")) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_FLOW, "nothing can go on: every agent and branch of the flow waits for another");
		run_fail(r, &e, NULL);
		return;
	}
	snprintf(r->waits, sizeof(r->waits), "%s", now);
	if (*now)
		run_emit(r, EVENT_RUN_WAITING, NULL, json_pack("{s:s}", "on", now));
	else if (r->life == RUN_ACTIVE)
		run_emit(r, EVENT_RUN_RESUMED, NULL, json_object());
	run_changed(r);
}

/* Run everything that is ready. */
static void run_ready(struct run *r)
{
	struct err e = ERR_INIT;
	while (!r->broken && r->life == RUN_ACTIVE) {
		bool moved = false;
		if (programs_rest(r, &e)) {
			if (e.code == ERR_FLOW_LIMIT || e.code == ERR_FLOW) {
				r->flow_failed = true;
				run_fail(r, &e, NULL);
			} else
				run_break(r, &e);
			break;
		}
		if (step_agents(r, &moved, &e)) {
			run_break(r, &e);
			break;
		}
		if (!moved && !r->flow_ready)
			break;
		r->flow_ready = false;
	}
	reap_agents(r);
}

void run_rest(struct run *r)
{
	do {
		run_ready(r);
		if (!r->broken && r->life == RUN_ACTIVE)
			run_conclude(r); /* stops agents that branches of the flow may wait for */
	} while (!r->broken && r->life == RUN_ACTIVE && r->flow_ready);
	if (!r->broken)
		tell_waiting(r);
}

void run_fail(struct run *r, const struct err *why, const char *where)
{
	if (r->life != RUN_ACTIVE)
		return;
	r->life = RUN_FAILED;
	err_keep(&r->error, why);
	*r->waits = '\0';
	run_emit(r, EVENT_RUN_FAILED, NULL,
		json_pack("{s:s, s:s, s:s?}", "code", err_name(why->code), "text", why->text, "where", where));
	run_changed(r);
}

/* ---- the journal, from its first event ---- */

int run_catch_up(struct run *r, struct err *e)
{
	struct event *ev;
	while (!r->broken && (ev = peek(r))) {
		if (event_kinds[ev->type].class != EVENT_CLASS_INPUT) {
			struct err why = ERR_INIT;
			err_set(&why, r->dry ? ERR_REPLAY_DIFFERS : ERR_FLOW_DIVERGED,
				"event %" PRId64 ": recorded %s %.300s; now the flow does nothing here", ev->seq,
				event_kinds[ev->type].type, blob_span(ev->data).p);
			run_break(r, &why);
			break;
		}
		enum event_type type = ev->type;
		json_t *data = event_data(ev, e);
		if (!data)
			return -1;
		r->now = ev->at;
		snprintf(r->cause, sizeof(r->cause), "%s", ev->id);
		consume(r);
		struct err why = ERR_INIT;
		if (spill_back(r->store, type, data, &why) || deliver(r, type, data, &why)) {
			err_wrap(&why, "event %" PRId64 " (%s)", r->seq, event_kinds[type].type);
			if (why.code == ERR_FLOW_DIVERGED && r->dry)
				why.code = ERR_REPLAY_DIFFERS;
			run_break(r, &why);
		} else {
			run_rest(r);
		}
		json_decref(data);
	}
	if (r->broken) {
		*e = *r->broken;
		return -1;
	}
	return 0;
}
