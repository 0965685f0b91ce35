/* decisions: what people decide for an agent: a budget that is reached, an agent that is stuck, an approval, the answer
 * to its question. */
#include "agent/private.h"

int agent_budget_reached(struct agent *a, const json_t *data, struct err *e)
{
	if (sm_is(&a->sm) != AGENT_ASKING)
		return agent_out_of_place(a, "budget.reached", e);
	const char *scope = json_str(data, "scope");
	cleanup_free char *title = mem_printf("The budget of %s is reached", scope ? scope : "the run");
	cleanup_free char *body =
		mem_printf("$%.4f of $%.4f are spent, $%.4f are reserved; agent %s (%s) needs up to $%.4f for "
			   "its next request. Answer `extend`, with the number of dollars to add as text, or `stop`.",
			json_num(data, "spent", 0), json_num(data, "limit", 0), json_num(data, "reserved", 0), a->id,
			a->role->id, json_num(data, "need", 0));
	json_t *options = json_pack("[s,s]", "extend", "stop");
	if (!title || !body || !options) {
		json_decref(options);
		return err_nomem(e);
	}
	sm_move(&a->sm, AGENT_BLOCKED);
	a->block = BLOCK_BUDGET;
	a->host->open_action(a, "budget", "budget", title, body, options, "high", NULL, a->action);
	return 0;
}

/* A blocked agent's action: budget (extend, stop) or stuck (continue, stop). */
static int unblock(struct agent *a, const char *option, const char *text, struct err *e)
{
	bool expired = !option && !text;
	*a->action = '\0';
	if (expired || (option && !strcmp(option, "stop"))) {
		struct err why = ERR_INIT;
		err_set(&why, ERR_CANCELLED, "%s%s%s",
			expired ? "nobody decided in time whether it goes on" : "a person stopped it",
			text && *text ? ": " : "", text ? text : "");
		return agent_end(a, "stopped", NULL, &why, e);
	}
	progress_reset(a);
	if (a->block == BLOCK_STUCK) { /* between turns */
		sm_move(&a->sm, AGENT_IDLE);
		return agent_tell(
			a, "person", text && *text ? span_of(text) : span_of("A person looked at this: go on."), e);
	}
	return agent_ask(a, e);
}

static int call_refused(struct agent *a, struct agent_call *c, const char *reason, const char *told, struct err *e)
{
	json_t *data = json_make(e, "{s:s, s:s, s:s}", "call", c->id, "tool", c->name, "reason", reason);
	if (!data)
		return -1;
	agent_emit(a, EVENT_TOOL_DENIED, data);
	cleanup_json json_t *content = json_string(told);
	return content ? agent_call_answer(a, c->id, "denied", content, e) : err_nomem(e);
}

/* Nobody answered in time. */
static int call_expired(struct agent *a, struct agent_call *c, struct err *e)
{
	if (c->state != CALL_HANDLED)
		return call_refused(a, c, "nobody answered in time",
			"Nobody answered in time whether this call is allowed, so it is not.", e);
	cleanup_json json_t *told =
		json_string("Nobody answered in time. Go on by your own judgement, and say what you took for granted.");
	return told ? agent_call_answer(a, c->id, "error", told, e) : err_nomem(e);
}

int agent_action(struct agent *a, const char *action, const char *option, const char *text, struct err *e)
{
	if (sm_is(&a->sm) == AGENT_BLOCKED && !strcmp(a->action, action))
		return unblock(a, option, text, e);
	for (size_t i = 0; i < a->call_count; i++) {
		struct agent_call *c = &a->calls[i];
		if (c->state == CALL_ENDED || strcmp(c->action, action) != 0)
			continue;
		*c->action = '\0';
		if (!option && !text)
			return call_expired(a, c, e);
		if (c->state == CALL_HANDLED) { /* ask_human */
			cleanup_json json_t *answer = json_pack("{s:s?, s:s?}", "option", option, "text", text);
			return answer ? agent_call_answer(a, c->id, "ok", answer, e) : err_nomem(e);
		}
		if (option && !strcmp(option, "approve")) {
			json_t *data = json_make(e, "{s:s, s:s}", "call", c->id, "tool", c->name);
			if (!data)
				return -1;
			c->state = CALL_RUNNING;
			agent_emit(a, EVENT_TOOL_STARTED, data);
			a->host->want_tool(a, c);
			return 0;
		}
		cleanup_free char *said =
			mem_printf("A person refused this call%s%s", text && *text ? ": " : ".", text ? text : "");
		return said ? call_refused(a, c, "a person refused it", said, e) : err_nomem(e);
	}
	return 0; /* nobody waits for it any more */
}
