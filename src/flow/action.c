/* action: keeps what people must decide. An action is opened by the machine (a derived event), resolved once by an
 * input: of a person, or of its timer, when it has one and nobody answered in time. Then it is decided as the flow said
 * (`otherwise`), else against what was asked: nothing is ever approved by waiting. */
#include "flow/hostcall.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "flow/budgets.h"
#include "flow/house_private.h"

#define TIMER "expires:" /* of the keys of their timers */

static void action_free(struct action *a)
{
	if (!a)
		return;
	mem_free(a->name);
	mem_free(a->kind);
	mem_free(a->key);
	mem_free(a->scope);
	mem_free(a->otherwise);
	json_decref(a->options);
	mem_free(a);
}

void action_free_value(void *a)
{
	action_free(a);
}

/* What an approval is bound to: the exact call. */
static void call_hash(const struct agent_call *c, char hex[HASH_HEX])
{
	struct hash_stream h;
	struct hash out;
	char *args = json_text(c->args);
	hash_start(&h, NULL);
	hash_update(&h, c->name, strlen(c->name) + 1);
	if (args)
		hash_update(&h, args, strlen(args));
	hash_end(&h, &out);
	hash_hex(&out, hex);
	mem_free(args);
}

/* ---- time ---- */

/* For how long an action may wait, in microseconds; 0: for ever. */
static int64_t lasts(const struct run *r, const struct deadline *end)
{
	double seconds = end && end->seconds >= 0 ? end->seconds : json_num(r->settings, "answer_seconds", 0);
	return seconds > 0 ? (int64_t)(fmin(seconds, CAP_FLOW_SLEEP) * 1e6) : 0;
}

static struct op *timer_of(struct run *r, const char *id)
{
	char key[sizeof(TIMER) + 24];
	snprintf(key, sizeof(key), TIMER "%s", id);
	return op_named(r, key);
}

static void start_timer(struct run *r, const char *id, int64_t us)
{
	char key[sizeof(TIMER) + 24];
	snprintf(key, sizeof(key), TIMER "%s", id);
	struct op *op = op_new(r, OP_TIMER, key, NULL);
	if (op)
		op_lasts(op, us);
}

bool action_is_timer(const struct op *op)
{
	return !strncmp(op->key, TIMER, strlen(TIMER));
}

/* What it counts as is said for those who read the inbox; agents are told that nobody answered. */
void action_expire(struct op *timer)
{
	static const char *const against[][2] = {{"approval", "deny"}, {"budget", "stop"}, {"escalation", "stop"}};
	const char *id = timer->key + strlen(TIMER);
	const struct action *a = map_get(&timer->run->actions, span_of(id));
	const char *decided = a ? a->otherwise : NULL;
	bool option = false;
	size_t i;
	json_t *one;
	for (i = 0; a && !decided && i < sizeof(against) / sizeof(*against); i++)
		decided = strcmp(a->kind, against[i][0]) ? NULL : against[i][1];
	json_array_foreach(a ? a->options : NULL, i, one) option |=
		decided && json_is_string(one) && !strcmp(json_string_value(one), decided);
	op_done(timer, EVENT_ACTION_RESOLVED,
		json_pack("{s:s, s:s*, s:s, s:b}", "action", id, option ? "option" : "text", decided, "by", "system",
			"expired", 1));
}

void action_open(struct run *r, const char *agent, const char *key, const char *name, const char *kind,
	const char *title, const char *body, json_t *options, const char *priority, const struct agent_call *call,
	const struct deadline *end, char out[24])
{
	struct err e = ERR_INIT;
	struct action *a = MEM_NEW(struct action);
	const char *scope = !strcmp(kind, "budget") ? r->reached : NULL;
	const char *otherwise = end ? end->otherwise : NULL;
	int64_t us = lasts(r, end);
	snprintf(out, 24, "a%d", ++r->action_count);
	if (a) {
		snprintf(a->id, sizeof(a->id), "%s", out);
		a->name = mem_strdup(name ? name : kind);
		a->kind = mem_strdup(kind);
		a->key = key ? mem_strdup(key) : NULL;
		a->scope = scope ? mem_strdup(scope) : NULL;
		a->limit = r->reached_limit;
		a->otherwise = otherwise ? mem_strdup(otherwise) : NULL;
		a->options = options ? json_incref(options) : NULL;
		if (agent)
			snprintf(a->agent, sizeof(a->agent), "%s", agent);
	}
	if (!a || !a->name || !a->kind || (key && !a->key) || (scope && !a->scope) || (otherwise && !a->otherwise) ||
		map_set(&r->actions, span_of(out), a, NULL, &e)) {
		action_free(a);
		json_decref(options);
		err_nomem(&e);
		run_break(r, &e);
		return;
	}
	json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:o?, s:s, s:s?}", "action", out, "name", a->name, "kind",
		kind, "title", title ? title : a->name, "body", body, "options", options, "priority",
		priority ? priority : "medium", "agent", agent);
	if (data && call) {
		json_object_set_new(data, "call", json_string(call->id));
		if (!strcmp(kind, "approval")) {
			char hex[HASH_HEX];
			call_hash(call, hex);
			json_object_set_new(data, "call_hash", json_string(hex));
		}
	}
	if (data && us)
		json_object_set_new(data, "expires", json_integer(r->now + us));
	run_emit(r, EVENT_ACTION_OPENED, agent, data);
	if (us)
		start_timer(r, out, us);
	run_changed(r);
}

void action_close(struct run *r, const char *id, const char *why)
{
	struct action *a = map_del(&r->actions, span_of(id));
	if (!a)
		return;
	op_drop(timer_of(r, a->id));
	run_emit(r, EVENT_ACTION_CLOSED, NULL, json_pack("{s:s, s:s}", "action", a->id, "why", why));
	action_free(a);
}

struct action *action_of_scope(struct run *r, const char *scope)
{
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&r->actions, &i));) {
		struct action *a = it->value;
		if (a->scope && !strcmp(a->scope, scope))
			return a;
	}
	return NULL;
}

bool actions_only_budget(const struct run *r)
{
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&r->actions, &i));)
		if (strcmp(((struct action *)it->value)->kind, "budget") != 0)
			return false;
	return true;
}

/* A budget of several runs. One that was raised since it was reached is not raised once more. */
static void extend_shared(struct run *r, const struct action *action, double more, const char *by)
{
	struct err e = ERR_INIT;
	struct budget *b = house_budget(r->house, action->scope, &e);
	if (!b || b->limit < 0 || b->limit > action->limit + 1e-9)
		return;
	double limit = fmin(1e9, b->limit + (more > 0 ? more : b->limit > 0 ? b->limit : 1));
	cleanup_json json_t *change = json_make(&e, "{s:f}", "limit_usd", limit);
	if (!change || budget_change(r->house, action->scope, change, by ? by : "system", &e))
		run_break(r, &e);
}

/* `text` says by how many dollars; without it the limit doubles. The run's own limit is machine state, which the
 * house's counter follows when live. */
static void extend_budget(struct run *r, const struct action *a, const char *text, const char *by)
{
	double more = text ? strtod(text, NULL) : 0;
	if (a->scope && strcmp(a->scope, "run") != 0) {
		if (r->live)
			extend_shared(r, a, more, by);
		return;
	}
	if (r->budget_usd >= 0)
		r->budget_usd += more > 0 ? more : r->budget_usd > 0 ? r->budget_usd : 1;
	struct err e = ERR_INIT;
	struct budget *b = r->live ? house_budget(r->house, r->scopes[0], &e) : NULL;
	if (b)
		b->limit = r->budget_usd;
}

/* The value of the flow's call, or no memory. */
static json_t *answer_of(const struct action *a, const json_t *data)
{
	const char *option = json_str(data, "option"), *text = json_str(data, "text"), *by = json_str(data, "by");
	bool expired = json_bool(data, "expired", false);
	json_t *value = !strcmp(a->kind, "gate")
				? json_pack("{s:b, s:s?, s:s}", "approved", option && !strcmp(option, "approve"),
					  "reason", expired ? "nobody answered in time" : text, "by", by)
				: json_pack("{s:s?, s:s?, s:s}", "option", option, "text", text, "by", by);
	if (value && expired)
		json_object_set_new(value, "expired", json_true());
	return value;
}

int action_resolved(struct run *r, const json_t *data, struct err *e)
{
	const char *id = json_str(data, "action"), *option = json_str(data, "option"), *text = json_str(data, "text");
	struct action *a = id ? map_del(&r->actions, span_of(id)) : NULL;
	if (!a)
		return err_set(e, ERR_FLOW_DIVERGED, "action %s is not open", id ? id : "?");
	int failed = 0;
	bool expired = json_bool(data, "expired", false);
	op_drop(timer_of(r, id));
	if (expired && !a->key)
		option = text = NULL; /* as agent_action wants it */
	if (!strcmp(a->kind, "budget") && option && !strcmp(option, "extend"))
		extend_budget(r, a, text, json_str(data, "by"));
	if (!strcmp(a->kind, "budget")) {
		list_for (it, &r->awake) {
			struct agent *who = list_entry(it, struct agent, link);
			if (!failed && !strcmp(who->action, id))
				failed = agent_action(who, id, option, text, e);
		}
	} else if (*a->agent && !a->key) {
		struct agent_entry *entry = run_agent(r, a->agent);
		if (entry && entry->agent)
			failed = agent_action(entry->agent, id, option, text, e);
	} else if (a->key && expired && !a->otherwise) {
		struct err why = ERR_INIT;
		err_set(&why, ERR_TIMEOUT, "nobody answered the %s \"%s\" in time", a->kind, a->name);
		run_answer(r, a->key, false, NULL, &why);
	} else if (a->key) {
		json_t *value = answer_of(a, data);
		if (!value)
			failed = err_nomem(e);
		else
			run_answer(r, a->key, true, value, NULL);
		json_decref(value);
	}
	action_free(a);
	run_changed(r);
	return failed;
}

/* ---- the flow's calls: ask, gate ---- */

/* `otherwise` is one of the options, as an answer is; a gate's is not to approve. */
static int check_deadline(const json_t *args, const json_t *options, bool gate, struct deadline *out, struct err *e)
{
	const json_t *seconds = json_get(args, "expires"), *otherwise = json_get(args, "otherwise");
	bool known = !json_array_size(options);
	size_t i;
	json_t *one;
	out->seconds = seconds ? json_number_value(seconds) : -1;
	out->otherwise = json_str(args, "otherwise");
	if (seconds && (!json_is_number(seconds) || !(out->seconds >= 0)))
		return err_set(e, ERR_INVALID, "expires must be a number of seconds; 0: never");
	if (otherwise && !out->otherwise)
		return err_set(e, ERR_INVALID, "otherwise must be a text");
	if (gate && out->otherwise && strcmp(out->otherwise, "revise") != 0)
		return err_set(e, ERR_INVALID,
			"gate: otherwise can only be \"revise\": what nobody looked at is not approved");
	json_array_foreach(options, i, one) known |=
		out->otherwise && json_is_string(one) && !strcmp(json_string_value(one), out->otherwise);
	return !out->otherwise || known ? 0 : err_set(e, ERR_INVALID, "ask: otherwise must be one of the options");
}

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
	struct deadline end;
	if (check_deadline(args, options, !strcmp(kind, "gate"), &end, e)) {
		json_decref(options);
		return -1;
	}
	char id[24];
	action_open(r, json_str(args, "agent"), key, name ? name : kind, kind, title ? title : name, text, options,
		priority ? priority : "medium", NULL, &end, id);
	return 0;
}

/* Options are texts; a number stands for its own, as people see and type it. NULL: none, or an error. */
static json_t *options_of(const json_t *args, struct err *e)
{
	const json_t *given = json_get(args, "options");
	json_t *out = given ? json_array() : NULL, *one;
	size_t i;
	if (!given || json_is_null(given))
		return NULL;
	if (!json_is_array(given) && json_object_size(given))
		err_set(e, ERR_INVALID, "ask: options must be a list of texts");
	json_array_foreach(given, i, one)
	{
		cleanup_free char *text = json_is_number(one) ? json_text(one) : NULL;
		if (!json_is_string(one) && !json_is_number(one))
			err_set(e, ERR_INVALID, "ask: option %zu is no text", i + 1);
		else if (json_array_append_new(out, text ? json_string(text) : json_incref(one)))
			err_nomem(e);
	}
	if (e->code == ERR_OK && out)
		return out;
	if (!out)
		err_nomem(e);
	json_decref(out);
	return NULL;
}

int call_ask(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	json_t *options = options_of(args, e);
	return e->code == ERR_OK ? open_for_flow(r, key, args, "question", options, e) : -1;
}

int call_gate(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	size_t i;
	json_t *off;
	const char *name = json_str(args, "name");
	json_array_foreach(json_get(r->created, "gates_off"), i,
		off) if (name && json_is_string(off) && !strcmp(json_string_value(off), name))
	{
		run_answer_new(r, key, json_pack("{s:b, s:b}", "approved", 1, "skipped", 1));
		return 0;
	}
	json_t *options = json_pack("[s,s]", "approve", "revise");
	return options ? open_for_flow(r, key, args, "gate", options, e) : err_nomem(e);
}

/* ---- answers of a script ---- */

/* A script (or recording) may hold people's answers too. */
void actions_try_script(struct run *r)
{
	const char *model = r->model;
	if (!model || strncmp(model, "script:", 7) != 0 || !r->house->llm || r->life != RUN_ACTIVE)
		return;
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&r->actions, &i));) {
		struct action *a = it->value;
		cleanup_free char *answer = NULL;
		int64_t line;
		struct err e = ERR_INIT;
		if (a->asked_script)
			continue;
		a->asked_script = true;
		int got = llm_script_answer_in(r->house->llm, model + 7, r->id, a->name, &answer, &line, &e);
		if (got < 0) {
			run_break(r, &e);
			return;
		}
		if (!got)
			continue;
		bool is_option = false;
		size_t k;
		json_t *option;
		json_array_foreach(a->options, k, option) is_option |=
			json_is_string(option) && !strcmp(json_string_value(option), answer);
		run_input(r, EVENT_ACTION_RESOLVED, ACTOR_PERSON, "script",
			json_pack("{s:s, s:s, s:s, s:I}", "action", a->id, is_option ? "option" : "text", answer, "by",
				"script", "line", (json_int_t)line));
		return; /* the map changed; the next tick goes on */
	}
}
