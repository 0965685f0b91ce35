/* program: see program.h. A program that ended is freed when everything rests, with what it has left under way. */
#include "flow/program.h"

#include <stdio.h>

#include "base/caps.h"
#include "flow/coro.h"
#include "flow/private.h"

#define BETWEEN '>' /* a call's key and the keys of the program that it runs */
#define DEPTH 4
#define PROGRAMS 64

struct program {
	struct list link; /* in the run, callers first */
	struct run *run;
	char *key; /* of the call that runs it; "": the run's own */
	struct flow *flow;
	struct bundle *bundle;
	json_t *given;
	uint64_t seed;
	bool restart; /* continue_as: a new segment begins at the next rest */
	bool ended;   /* its function returned or raised */
};

static void program_free(struct program *p)
{
	list_remove(&p->link);
	flow_free(p->flow);
	bundle_free(p->bundle);
	json_decref(p->given);
	mem_free(p->key);
	mem_free(p);
}

static bool is_own(const struct program *p)
{
	return !*p->key;
}

/* The program in which a call was made, and the call's key there; NULL when it has ended. */
static struct program *program_of(struct run *r, const char *key, const char **inner)
{
	const char *at = strrchr(key, BETWEEN);
	size_t n = at ? (size_t)(at - key) : 0;

	*inner = at ? at + 1 : key;
	list_for (it, &r->programs) {
		struct program *p = list_entry(it, struct program, link);
		if (!p->ended && strlen(p->key) == n && !strncmp(p->key, key, n))
			return p;
	}
	return NULL;
}

size_t program_prefix(const char *key)
{
	const char *at = strrchr(key, BETWEEN);
	return at ? (size_t)(at - key) + 1 : 0;
}

static void full_key(const struct program *p, const char *inner, char out[PROGRAM_KEY])
{
	char between[2] = {is_own(p) ? '\0' : BETWEEN, '\0'};
	int n = snprintf(out, PROGRAM_KEY, "%s%s%s", p->key, between, inner);
	BUG_ON(n >= PROGRAM_KEY); /* check_room and CORO_KEY see to it */
}

/* ---- what a flow tells its host ---- */

static struct span source_file(void *ctx, const char *name)
{
	return bundle_file(ctx, name);
}

static void on_call(void *ctx, const char *key, const char *name, const json_t *args, const json_t *handlers)
{
	struct program *p = ctx;
	char full[PROGRAM_KEY];
	if (p->ended) /* what it has left does nothing any more */
		return;
	full_key(p, key, full);
	host_call(p->run, full, name, args, handlers);
}

static void on_handled(void *ctx, const char *key, bool ok, const json_t *value, const struct err *error)
{
	struct program *p = ctx;
	char full[PROGRAM_KEY];
	if (p->ended)
		return;
	full_key(p, key, full);
	host_handled(p->run, full, ok, value, error);
}

static void on_background_failed(void *ctx, const char *key, const struct err *error)
{
	struct program *p = ctx;
	char full[PROGRAM_KEY];
	if (p->ended)
		return;
	full_key(p, key, full);
	run_emit(p->run, EVENT_ERROR, NULL,
		json_pack("{s:s, s:b, s:s, s:s}", "severity", "error", "recoverable", 1, "text", error->text, "key",
			full));
}

static void on_ended(void *ctx, bool ok, const json_t *value, const struct err *error)
{
	struct program *p = ctx;
	struct err named = ERR_INIT;
	if (p->restart)
		return;
	if (is_own(p)) {
		run_flow_ended(p->run, ok, value, error);
		return;
	}
	if (p->run->life == RUN_CANCELLED)
		return;
	p->ended = true;
	p->run->flow_ready = true;
	if (!ok)
		err_set(&named, error->code, "mode %s: %s", json_str(bundle_mode(p->bundle), "id"), error->text);
	run_answer(p->run, p->key, ok, value, ok ? NULL : &named);
}

/* ---- beginning ---- */

static int segment(struct program *p, struct err *e)
{
	struct flow_source source = {.file = source_file, .ctx = p->bundle};
	struct flow_host host = {.call = on_call,
		.handled = on_handled,
		.background_failed = on_background_failed,
		.ended = on_ended,
		.ctx = p};
	struct flow_limits limits = {.memory = CAP_FLOW_MEMORY,
		.slice_ms = CAP_FLOW_SLICE_MS,
		.steps = CAP_FLOW_STEPS,
		.parallel = CAP_FLOW_PARALLEL};
	struct flow *flow = flow_new(&source, &host, &limits, p->given, p->seed++, e);
	if (!flow)
		return -1;
	flow_free(p->flow);
	p->flow = flow;
	p->restart = false;
	if (is_own(p))
		run_segment_began(p->run);
	flow_start(p->flow);
	p->run->flow_ready = true;
	return 0;
}

/* Of the run's seed and the call: programs of one run draw different numbers, and the same in a replay. */
static uint64_t seed_of(const struct run *r, const char *key)
{
	uint64_t seed = r->seed;
	for (const char *c = key; *c; c++)
		seed = (seed ^ (uint8_t)*c) * 0x100000001b3;
	return seed >> 2;
}

static int check_room(struct run *r, const char *key, struct err *e)
{
	int depth = 0, count = 0;
	for (const char *c = key; *c; c++)
		depth += *c == BETWEEN;
	list_for (it, &r->programs)
		count++;
	if (depth >= DEPTH || strlen(key) >= PROGRAM_KEY - CORO_KEY)
		return err_set(e, ERR_TOO_LARGE, "call: modes are nested %d deep, more than %d", depth + 1, DEPTH);
	if (count > PROGRAMS)
		return err_set(e, ERR_TOO_LARGE, "call: %d called modes are under way already", PROGRAMS);
	return 0;
}

int program_begin(struct run *r, const char *key, struct bundle *bundle, json_t *given, struct err *e)
{
	struct program *p = MEM_NEW(struct program);
	if (!p || !(p->key = mem_strdup(key)) || !given) {
		mem_free(p ? p->key : NULL);
		mem_free(p);
		bundle_free(bundle);
		json_decref(given);
		return err_nomem(e);
	}
	p->run = r;
	p->bundle = bundle;
	p->given = given;
	p->seed = *key ? seed_of(r, key) : r->seed;
	list_push(&r->programs, &p->link);
	if (!check_room(r, key, e) && !segment(p, e))
		return 0;
	program_free(p);
	return -1;
}

/* ---- resting ---- */

/* Is this key of a flow's call one of the program's, or of one that it called? */
static bool is_within(const struct program *p, const char *key)
{
	size_t n = strlen(p->key);
	return key && !strncmp(key, p->key, n) && (is_own(p) || key[n] == BETWEEN);
}

static bool is_call(const struct op *op)
{
	return op->state != OP_DROPPED && (op->kind == OP_HOST || (op->kind == OP_TIMER && !op->owner));
}

static void stop_waiting(struct program *p)
{
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&p->run->agents, &i));) {
		struct agent_entry *entry = it->value;
		if (is_within(p, entry->waiter)) {
			mem_free(entry->waiter);
			entry->waiter = NULL;
		}
	}
	for (size_t i = 0; (it = map_next(&p->run->waiters, &i));)
		for (size_t k = json_array_size(it->value); k-- > 0;)
			if (is_within(p, json_string_value(json_array_get(it->value, k))))
				json_array_remove(it->value, k);
}

/* What a program has left under way is given up, as the run's is at its end: programs that it called, agents,
 * questions, calls, and what waits for something. */
static int give_up(struct program *p, struct err *e)
{
	struct run *r = p->run;
	struct map_entry *it;
	list_for (at, &r->programs) {
		struct program *inner = list_entry(at, struct program, link);
		inner->ended |= inner != p && is_within(p, inner->key);
	}
	stop_waiting(p);
	list_for (at, &r->awake) {
		struct agent *a = list_entry(at, struct agent, link);
		if (is_within(p, run_agent(r, a->id)->key) &&
			agent_stop(a, "cancelled", "the flow that began it has ended", e))
			return -1;
	}
	for (size_t i = 0; (it = map_next(&r->actions, &i));) {
		const struct action *action = it->value;
		if (!is_within(p, action->key))
			continue;
		action_close(r, action->id, "the flow that asked has ended");
		i = 0; /* the map changed */
	}
	list_for (at, &r->ops) {
		struct op *op = list_entry(at, struct op, link);
		if (is_call(op) && is_within(p, op->key))
			op_drop(op);
	}
	return 0;
}

/* Agents that ended in this segment: a run that goes on for ever would else keep an outcome for each. */
static void forget_agents(struct program *p)
{
	struct run *r = p->run;
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&r->agents, &i));) {
		struct agent_entry *entry = it->value;
		if (entry->forgotten || !entry->outcome || !is_within(p, entry->key))
			continue;
		entry->forgotten = true;
		r->agent_count--;
		r->reap = true;
	}
}

static int rest_one(struct program *p, struct err *e)
{
	if (!p->ended && flow_rest(p->flow, e))
		return -1;
	if (p->ended) {
		int failed = give_up(p, e);
		program_free(p);
		return failed;
	}
	if (!p->restart)
		return 0;
	if (give_up(p, e))
		return -1;
	forget_agents(p);
	return segment(p, e);
}

int programs_rest(struct run *r, struct err *e)
{
	list_for (it, &r->programs)
		if (rest_one(list_entry(it, struct program, link), e))
			return -1;
	return 0;
}

/* ---- by key ---- */

static int has_ended(const char *key, struct err *e)
{
	return err_set(e, ERR_FLOW_DIVERGED, "call %s belongs to a program that has ended", key);
}

int program_deliver(
	struct run *r, const char *key, bool ok, const json_t *value, const struct err *error, struct err *e)
{
	const char *inner;
	struct program *p = program_of(r, key, &inner);
	return p ? flow_deliver(p->flow, inner, ok, value, error, e) : 0; /* nobody waits for it any more */
}

int program_enter(struct run *r, const char *key, const char *handler, const json_t *args, const json_t *info,
	char out[PROGRAM_KEY], struct err *e)
{
	const char *inner;
	struct program *p = program_of(r, key, &inner);
	char own[PROGRAM_KEY];
	if (!p)
		return has_ended(key, e);
	if (flow_enter(p->flow, inner, handler, args, info, own, e))
		return -1;
	full_key(p, own, out);
	return 0;
}

void program_forget(struct run *r, const char *key)
{
	const char *inner;
	struct program *p = program_of(r, key, &inner);
	if (p)
		flow_forget(p->flow, inner);
}

int program_continue(struct run *r, const char *key, const json_t *state, struct err *e)
{
	const char *inner;
	struct program *p = program_of(r, key, &inner);
	if (!p)
		return has_ended(key, e);
	if (!state)
		json_object_del(p->given, "state");
	else if (json_object_set(p->given, "state", (json_t *)state))
		return err_nomem(e);
	p->restart = true;
	r->flow_ready = true;
	return 0;
}

struct role *program_role(struct run *r, const char *key, const char *id)
{
	const char *inner;
	struct program *p = program_of(r, key, &inner);
	return p ? bundle_role(p->bundle, id) : NULL;
}

struct bundle *program_called(struct run *r, const char *key, const char *mode, struct err *e)
{
	const char *inner;
	struct program *p = program_of(r, key, &inner);
	if (p)
		return bundle_called(p->bundle, mode, e);
	has_ended(key, e);
	return NULL;
}

/* ---- all ---- */

int programs_set_var(struct run *r, const char *name, const json_t *value, struct err *e)
{
	list_for (it, &r->programs) {
		struct program *p = list_entry(it, struct program, link);
		if (!p->ended && flow_set_var(p->flow, name, value, e))
			return -1;
	}
	return 0;
}

void programs_cancel(struct run *r, bool (*allowed)(const char *name), int clean_up_calls)
{
	struct err ignored = ERR_INIT;
	for (struct list *it = r->programs.prev; it != &r->programs; it = it->prev) {
		struct program *p = list_entry(it, struct program, link);
		if (p->ended)
			continue;
		flow_cancel(p->flow, allowed, clean_up_calls);
		flow_rest(p->flow, &ignored);
	}
}

void programs_release(struct run *r)
{
	list_for (it, &r->programs)
		program_free(list_entry(it, struct program, link));
}
