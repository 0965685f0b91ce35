/* agent: the state machine. Its conversation is in context.c, the calls of a turn in calls.c, watching itself in
 * progress.c.
 *
 * Happy path: agent_new → agent_step (IDLE → ASKING) → agent_requested (→ THINKING) → agent_answered (→ ACTING) → the
 * calls end → agent_step (→ ASKING) … until finish is accepted (→ ENDED). Failure modes: requests that fail rest and
 * are tried again, then by the next model; a model that cannot be reached at all blocks the agent until the run is
 * resumed; malformed replies are sent back at most three times. */
#include "agent/private.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/caps.h"
#include "base/schema.h"
#include "base/utf8.h"
#include "directive/calls.h"
#include "directive/parse.h"

static const struct sm_state agent_states[] = {
	[AGENT_IDLE] = {"idle", SM_TO(AGENT_ASKING) | SM_TO(AGENT_ENDED)},
	[AGENT_ASKING] = {"asking", SM_TO(AGENT_ASKING) /* of the next model */ | SM_TO(AGENT_THINKING) |
					    SM_TO(AGENT_BLOCKED) | SM_TO(AGENT_RESTING) | SM_TO(AGENT_ENDED)},
	[AGENT_THINKING] = {"thinking", SM_TO(AGENT_ACTING) | SM_TO(AGENT_RESTING) | SM_TO(AGENT_BLOCKED) |
						SM_TO(AGENT_ASKING) | SM_TO(AGENT_IDLE) | SM_TO(AGENT_ENDED)},
	[AGENT_ACTING] = {"working",
		SM_TO(AGENT_ASKING) | SM_TO(AGENT_IDLE) | SM_TO(AGENT_BLOCKED) | SM_TO(AGENT_ENDED)},
	[AGENT_RESTING] = {"resting", SM_TO(AGENT_ASKING) | SM_TO(AGENT_ENDED)},
	[AGENT_BLOCKED] = {"blocked", SM_TO(AGENT_ASKING) | SM_TO(AGENT_IDLE) | SM_TO(AGENT_ENDED)},
	[AGENT_ENDED] = {"ended", 0},
};

void agent_emit(struct agent *a, enum event_type type, json_t *data)
{
	if (data)
		json_object_set_new(data, "agent", json_string(a->id));
	a->host->emit(a, type, data);
}

/* ---- life ---- */

static char *dup_or_null(const char *s, bool *failed)
{
	char *copy = s && *s ? mem_strdup(s) : NULL;
	*failed |= s && *s && !copy;
	return copy;
}

/* The names of everything it may call: its role's tools and the flow's handlers; each must exist. */
static int name_tools(struct agent *a, const json_t *tools, struct err *e)
{
	size_t i;
	json_t *name;
	json_array_foreach((json_t *)tools, i, name)
	{
		const char *text = json_string_value(name);
		if (!text || (!tool_named(text) && !json_get(a->handlers, text)))
			return err_set(e, ERR_INVALID, "role %s: there is no tool \"%s\"; `muster describe` lists them",
				a->role->id, text ? text : "?");
		if (json_array_append(a->names, name))
			return err_nomem(e);
	}
	const char *key;
	json_t *handler;
	json_object_foreach(a->handlers, key, handler)
	{
		bool known = false;
		json_array_foreach(a->names, i, name) known |= !strcmp(json_string_value(name), key);
		if (!known && json_array_append_new(a->names, json_string(key)))
			return err_nomem(e);
	}
	return 0;
}

static int announce(struct agent *a, const struct agent_options *o, struct err *e)
{
	json_t *data = json_make(e, "{s:s, s:O, s:s, s:s?, s:s?, s:s?, s:s?}", "role", a->role->id, "task", o->task,
		"dialect", a->dialect == DIALECT_NATIVE ? "native" : "directive", "parent",
		*a->parent ? a->parent : NULL, "scope", a->scope, "name", a->name, "model", a->model);
	if (!data)
		return -1;
	agent_emit(a, EVENT_AGENT_STARTED, data);
	if (json_is_string(o->task))
		return agent_tell(a, "task", span_n(json_string_value(o->task), json_string_length(o->task)), e);
	cleanup_buf struct buf text = BUF_INIT(CAP_EVENT_DATA);
	json_print(o->task, &text);
	return buf_check(&text, "the agent's task", e) ? -1 : agent_tell(a, "task", buf_span(&text), e);
}

struct agent *agent_new(const struct agent_host *host, void *ctx, const struct agent_options *o, struct err *e)
{
	struct agent *a = MEM_NEW(struct agent);
	if (!a) {
		err_nomem(e);
		return NULL;
	}
	a->host = host;
	a->ctx = ctx;
	list_init(&a->link);
	snprintf(a->id, sizeof(a->id), "%s", o->id);
	snprintf(a->parent, sizeof(a->parent), "%s", o->parent ? o->parent : "");
	a->role = role_ref(o->role);
	sm_init(&a->sm, agent_states, AGENT_IDLE);
	bool failed = false;
	a->scope = dup_or_null(o->scope, &failed);
	a->file = dup_or_null(o->file, &failed);
	a->name = dup_or_null(o->name, &failed);
	a->copy = dup_or_null(o->copy, &failed);
	a->model = dup_or_null(o->model ? o->model : a->role->model ? a->role->model : a->role->class, &failed);
	a->dialect = o->dialect >= 0 ? (enum role_dialect)o->dialect : a->role->dialect;
	a->check = o->check >= 0 ? (enum role_check)o->check : a->role->check;
	a->phase = o->phase;
	a->unattended_deny = o->unattended_deny;
	a->tainted = o->tainted;
	a->turn_limit = o->turns > 0 ? o->turns : a->role->turns;
	a->max_tokens = a->role->output_tokens;
	a->check_exit = -1;
	a->handlers = o->handlers ? json_incref((json_t *)o->handlers) : json_object();
	a->output = json_incref((json_t *)(o->output ? o->output : a->role->output));
	a->names = json_array();
	a->inbox = json_array();
	a->memory = json_array();
	a->notes = json_object();
	if (failed || !a->handlers || !a->names || !a->inbox || !a->memory || !a->notes)
		err_nomem(e);
	else if (a->dialect == DIALECT_DIRECTIVE && !a->role->has_language)
		err_set(e, ERR_INVALID,
			"role %s has no directive language: set `language: master|manager|coder|tester`, or use the "
			"native dialect",
			a->role->id);
	else if (!name_tools(a, o->tools ? o->tools : a->role->tools, e) && !conversation_init(a, o->vars, e) &&
		 !announce(a, o, e))
		return a;
	agent_free(a);
	return NULL;
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	list_remove(&a->link);
	calls_clear(a);
	conversation_release(a);
	role_unref(a->role);
	json_decref(a->handlers);
	json_decref(a->output);
	json_decref(a->names);
	json_decref(a->inbox);
	json_decref(a->memory);
	json_decref(a->notes);
	json_decref(a->context);
	json_decref(a->result);
	mem_free(a->context_text);
	mem_free(a->scope);
	mem_free(a->file);
	mem_free(a->name);
	mem_free(a->model);
	mem_free(a->copy);
	mem_free(a->stop_why);
	mem_free(a);
}

const char *agent_checked(const struct agent *a)
{
	if (a->check_exit < 0 || a->check_altered || a->check_tree < a->edit_tree)
		return "unchecked";
	return a->check_exit ? "failing" : "passing";
}

/* status: done, failed, stopped, cancelled. result is stolen. */
int agent_end(struct agent *a, const char *status, json_t *result, const struct err *why, struct err *e)
{
	if (sm_is(&a->sm) == AGENT_ENDED) {
		json_decref(result);
		return 0;
	}
	a->host->drop(a);
	for (size_t i = 0; i < a->call_count; i++)
		if (a->calls[i].state != CALL_ENDED && *a->calls[i].action)
			a->host->close_action(a, a->calls[i].action, "the agent has ended");
	if (*a->action)
		a->host->close_action(a, a->action, "the agent has ended");
	sm_move(&a->sm, AGENT_ENDED);
	a->end_status = status;
	json_decref(a->result);
	a->result = result;
	const char *checked = a->edited ? agent_checked(a) : NULL;
	json_t *data = json_make(
		e, "{s:s, s:i, s:f, s:s?}", "status", status, "turns", a->turns_all, "usd", a->usd, "checked", checked);
	if (!data)
		return -1;
	if (result)
		json_object_set(data, "result", result);
	if (why && why->code != ERR_OK)
		snprintf(a->error_text, sizeof(a->error_text), "%.*s",
			(int)utf8_cut(span_of(why->text), sizeof(a->error_text) - 1), why->text);
	if (why && why->code != ERR_OK)
		json_object_set_new(
			data, "error", json_pack("{s:s, s:s}", "code", err_name(why->code), "text", why->text));
	agent_emit(a, EVENT_AGENT_FINISHED, data);
	a->host->ended(a);
	return 0;
}

/* ---- messages and turns ---- */

int agent_tell(struct agent *a, const char *from, struct span text, struct err *e)
{
	if (sm_is(&a->sm) == AGENT_ENDED)
		return err_set(e, ERR_CONFLICT, "agent %s has ended", a->id);
	json_t *words = json_from_span(text);
	json_t *note = words ? json_pack("{s:s, s:o}", "from", from, "text", words) : NULL;
	return !note || json_array_append_new(a->inbox, note) ? err_nomem(e) : 0;
}

/* Everything that arrived joins the conversation as one message; each of its parts is an event of its own. */
static int join_inbox(struct agent *a, struct err *e)
{
	if (!json_array_size(a->inbox))
		return 0;
	cleanup_buf struct buf text = BUF_INIT(CAP_MODEL_REPLY);
	bool own = true;
	size_t i;
	json_t *note;
	json_array_foreach(a->inbox, i, note)
	{
		const char *from = json_str(note, "from");
		struct span words = json_span(note, "text");
		if (i)
			buf_adds(&text, "\n\n");
		buf_addspan(&text, words);
		own &= !strcmp(from, "task");
		json_t *data = json_make(e, "{s:s, s:O}", "from", from, "text", json_get(note, "text"));
		if (!data)
			return -1;
		agent_emit(a, EVENT_MESSAGE_ADDED, data);
	}
	json_array_clear(a->inbox);
	return buf_check(&text, "the messages to an agent", e) ? -1 : conversation_user(a, buf_span(&text), own, e);
}

int agent_ask(struct agent *a, struct err *e)
{
	(void)e;
	sm_move(&a->sm, AGENT_ASKING);
	a->host->want_request(a);
	return 0;
}

/* A turn that follows a lost call is not the agent's doing. */
static void count_turn(struct agent *a)
{
	a->turns_all++;
	if (!a->after_lost)
		a->turn++;
}

static int begin_turn(struct agent *a, struct err *e)
{
	if (a->wants_stop) {
		struct err why = ERR_INIT;
		err_set(&why, ERR_CANCELLED, "%s", a->stop_why ? a->stop_why : "stopped");
		return agent_end(a, "stopped", NULL, &why, e);
	}
	if (join_inbox(a, e))
		return -1;
	if (a->turns_all >= a->turn_limit) {
		struct err why = ERR_INIT;
		err_set(&why, ERR_FLOW_LIMIT, "the agent used all of its %d turns", a->turn_limit);
		return agent_end(a, "failed", NULL, &why, e);
	}
	a->compacting = conversation_full(a);
	if (!a->compacting)
		count_turn(a);
	a->attempt = 1;
	a->candidate = 0;
	a->shrunk = false;
	return agent_ask(a, e);
}

int agent_step(struct agent *a, struct err *e)
{
	switch (sm_is(&a->sm)) {
	case AGENT_IDLE:
		return json_array_size(a->inbox) || a->wants_stop ? begin_turn(a, e) : 0;
	case AGENT_ACTING:
		return calls_ended(a) ? begin_turn(a, e) : 0;
	default:
		return 0;
	}
}

int agent_stop(struct agent *a, const char *status, const char *why, struct err *e)
{
	if (sm_is(&a->sm) == AGENT_ENDED)
		return 0;
	struct err reason = ERR_INIT;
	err_set(&reason, ERR_CANCELLED, "%s", why);
	int state = sm_is(&a->sm);
	if (!strcmp(status, "cancelled") || state == AGENT_IDLE || state == AGENT_BLOCKED || state == AGENT_RESTING)
		return agent_end(a, status, NULL, &reason, e);
	a->wants_stop = true;
	mem_free(a->stop_why);
	a->stop_why = mem_strdup(why);
	return a->stop_why ? 0 : err_nomem(e);
}

/* ---- deliveries: the model ---- */

int agent_out_of_place(struct agent *a, const char *event, struct err *e)
{
	return err_set(e, ERR_FLOW_DIVERGED, "agent %s got %s while it is %s", a->id, event, sm_name(&a->sm));
}

int agent_requested(struct agent *a, const json_t *data, struct err *e)
{
	if (sm_is(&a->sm) != AGENT_ASKING)
		return agent_out_of_place(a, "model.requested", e);
	if (!a->compacting) { /* a summary is made without it; the next request has it again */
		json_decref(a->context);
		a->context = json_incref(json_get(data, "context"));
	}
	a->context_limit = json_int(data, "window", 0);
	a->max_tokens = (int)json_int(data, "output", a->max_tokens);
	struct llm_message **messages;
	struct llm_message *extra;
	size_t count;
	struct hash prompt, own;
	if (agent_request(a, &messages, &count, &extra, &prompt, &own, e))
		return -1;
	mem_free(messages);
	llm_message_unref(extra);
	char hex[HASH_HEX];
	hash_hex(&prompt, hex);
	const char *recorded = json_str(data, "prompt");
	if (!recorded || strcmp(recorded, hex) != 0)
		return err_set(e, ERR_FLOW_DIVERGED, "the prompt of agent %s, turn %d, is %s; recorded is %s", a->id,
			a->turn, hex, recorded ? recorded : "none");
	sm_move(&a->sm, AGENT_THINKING);
	a->host->want_answer(a);
	return 0;
}

/* A reply that could not be used goes back to the model with the reason, a few times. */
static int repair(struct agent *a, const char *reason, struct err *e)
{
	if (++a->repairs > AGENT_REPAIRS) {
		struct err why = ERR_INIT;
		err_set(&why, ERR_MODEL_REPLY, "%d replies in a row could not be used; the last: %s", a->repairs,
			reason);
		return agent_end(a, "failed", NULL, &why, e);
	}
	sm_move(&a->sm, AGENT_IDLE);
	return agent_tell(a, "muster", span_of(reason), e);
}

/* A reply without calls is the result: as finish it needs evidence. result is stolen. */
static int end_by_text(struct agent *a, json_t *result, struct err *e)
{
	const char *missing = calls_missing_evidence(a);
	if (!missing)
		return agent_end(a, "done", result, NULL, e);
	if (++a->refusals > AGENT_REFUSALS) {
		struct err why = ERR_INIT;
		err_set(&why, ERR_CONFLICT, "it ended %d times without evidence: %s", a->refusals, missing);
		return agent_end(a, "failed", result, &why, e);
	}
	json_decref(result);
	sm_move(&a->sm, AGENT_IDLE);
	return agent_tell(a, "muster", span_of(missing), e);
}

static int text_only(struct agent *a, const char *text, struct err *e)
{
	bool finishes = false;
	size_t i;
	json_t *name;
	json_array_foreach(a->names, i, name) finishes |= !strcmp(json_string_value(name), "finish");
	if (a->output && !json_get(a->handlers, "finish")) {
		struct err why = ERR_INIT;
		json_t *value = json_parse(span_of(text), "the reply", &why);
		if (value && !schema_validate(a->output, value, &why))
			return end_by_text(a, value, e);
		json_decref(value);
		if (finishes)
			return repair(a,
				"Your reply has no tool call. Go on with a tool, or call finish with your result.", e);
		cleanup_free char *reason = mem_printf(
			"Your reply must be one JSON value of the schema you were given and nothing else. %s",
			why.text);
		return reason ? repair(a, reason, e) : err_nomem(e);
	}
	if (!finishes)
		return end_by_text(a, json_from_span(span_of(text)), e);
	return repair(a, "Your reply has no tool call. Go on with a tool, or call finish with your result.", e);
}

static int answered_native(struct agent *a, const json_t *data, struct err *e)
{
	const char *stop = json_str(data, "stop");
	if (stop && !strcmp(stop, "length"))
		return repair(a,
			"Your reply was cut at the limit of output tokens, so none of it was run. Answer in smaller "
			"steps.",
			e);
	if (!json_array_size(json_get(data, "calls")))
		return text_only(a, json_str(data, "text") ? json_str(data, "text") : "", e);
	if (calls_from_answer(a, data, e))
		return -1;
	sm_move(&a->sm, AGENT_ACTING);
	return calls_advance(a, e);
}

/* The text must hold one directive; it becomes calls. */
static int answered_directive(struct agent *a, const json_t *data, struct err *e)
{
	struct span reply = json_span(data, "text");
	const char *stop = json_str(data, "stop");
	if (stop && !strcmp(stop, "length"))
		return repair(a,
			"Your reply was cut at the limit of output tokens, so it was not run. Answer in smaller steps.",
			e);
	cleanup_arena struct arena arena;
	arena_init(&arena, 3 * CAP_DIRECTIVE);
	struct directive *d;
	struct span message;
	struct err why = ERR_INIT;
	if (directive_parse(a->role->language, (enum directive_phase)a->phase, reply, &arena, &d, &message, &why)) {
		if (why.code == ERR_NOMEM)
			return err_nomem(e);
		return repair(a, why.text, e);
	}
	struct directive_calls list;
	if (directive_calls(d, a->file ? a->file : a->scope, &list, &why))
		return why.code == ERR_NOMEM ? err_nomem(e) : repair(a, why.text, e);
	json_t *calls = json_array();
	int failed = !calls;
	for (size_t i = 0; i < list.count && !failed; i++)
		failed = json_array_append_new(calls,
			json_pack("{s:s, s:O}", "name", list.calls[i].tool, "arguments", list.calls[i].arguments));
	directive_calls_release(&list);
	cleanup_json json_t *parsed = failed ? NULL : json_pack("{s:o}", "calls", calls);
	if (!parsed)
		return err_nomem(e);
	if (calls_from_answer(a, parsed, e))
		return -1;
	sm_move(&a->sm, AGENT_ACTING);
	return calls_advance(a, e);
}

/* The assistant's message as it goes back into the next request. */
static int push_answer(struct agent *a, const json_t *data, struct err *e)
{
	struct span text = json_span(data, "text");
	const json_t *calls = json_get(data, "calls");
	size_t count = a->dialect == DIALECT_NATIVE ? json_array_size(calls) : 0;
	struct llm_tool_call *list = count ? mem_calloc(count, sizeof(*list)) : NULL;
	if (count && !list)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++) {
		const json_t *call = json_array_get(calls, i);
		list[i].id = mem_printf("c%d_%zu", a->turns_all, i + 1);
		list[i].name = mem_strdup(json_str(call, "name") ? json_str(call, "name") : "");
		list[i].arguments = json_incref(json_get(call, "arguments"));
		list[i].bad = json_str(call, "bad") ? mem_strdup(json_str(call, "bad")) : NULL;
	}
	return conversation_push(a, llm_message_calls(text, list, count, e), false, e);
}

int agent_answered(struct agent *a, const json_t *data, struct err *e)
{
	if (sm_is(&a->sm) != AGENT_THINKING)
		return agent_out_of_place(a, "model.answered", e);
	a->usd += json_num(data, "usd", 0);
	if (a->compacting) {
		a->compacting = false;
		if (conversation_compact(a, json_str(data, "text"), e))
			return -1;
		count_turn(a);
		return agent_ask(a, e);
	}
	const char *stop = json_str(data, "stop");
	bool cut = stop && !strcmp(stop, "length");
	a->after_lost = false;
	if (cut) {
		cleanup_json json_t *text = json_pack("{s:O?}", "text", json_get(data, "text"));
		if (!text || push_answer(a, text, e))
			return text ? -1 : err_nomem(e);
	} else if (push_answer(a, data, e)) {
		return -1;
	}
	return a->dialect == DIALECT_NATIVE ? answered_native(a, data, e) : answered_directive(a, data, e);
}

/* Back-off: what the provider asked for, else 1, 2, 4 s, plus up to a quarter drawn from the agent's place in the run.
 */
static int64_t rest_ms(const struct agent *a, const json_t *data)
{
	int64_t asked = json_int(data, "retry_ms", -1);
	if (asked >= 0)
		return asked;
	int64_t base = 1000ll << (a->attempt - 1);
	struct rng rng = {.state = (uint64_t)a->turns_all * 1000003u + (uint64_t)a->attempt};
	for (const char *p = a->id; *p; p++)
		rng.state = rng.state * 31 + (unsigned char)*p;
	return base + (int64_t)rng_below(&rng, (uint64_t)base / 4 + 1);
}

int agent_failed(struct agent *a, const json_t *data, struct err *e)
{
	int state = sm_is(&a->sm);
	if (state != AGENT_THINKING && state != AGENT_ASKING)
		return agent_out_of_place(a, "model.failed", e);
	a->usd += json_num(data, "usd_unknown", 0);
	const char *code_name = json_str(data, "code");
	if (code_name && !strcmp(code_name, "lost"))
		return agent_ask(a, e);
	enum err_code code = err_code_named(code_name ? code_name : "");
	if (a->compacting) { /* the model cannot even summarise: the fallback always can */
		a->compacting = false;
		if (conversation_compact(a, NULL, e))
			return -1;
		count_turn(a);
		return agent_ask(a, e);
	}
	if (code == ERR_TOO_LARGE && !a->shrunk && a->message_count > 3 && !json_bool(data, "reply", false)) {
		a->shrunk = true; /* once: what is too large after that stays so */
		if (conversation_compact(a, NULL, e))
			return -1;
		return agent_ask(a, e);
	}
	if (err_retryable(code) && a->attempt < AGENT_TRIES) {
		sm_move(&a->sm, AGENT_RESTING);
		a->host->want_timer(a, rest_ms(a, data));
		a->attempt++;
		return 0;
	}
	if (code != ERR_SCRIPT_EXHAUSTED && a->candidate + 1 < json_int(data, "candidates", 1)) {
		a->candidate++;
		a->attempt = 1;
		return agent_ask(a, e);
	}
	struct err why = ERR_INIT;
	err_set(&why, code == ERR_CODES ? ERR_MODEL : code, "%s", json_str(data, "text") ? json_str(data, "text") : "");
	sm_move(&a->sm, AGENT_BLOCKED);
	a->block = BLOCK_FAILED;
	a->host->blocked(a, &why);
	return 0;
}

int agent_timer(struct agent *a, struct err *e)
{
	return sm_is(&a->sm) == AGENT_RESTING ? agent_ask(a, e) : 0;
}

int agent_resume(struct agent *a, struct err *e)
{
	if (sm_is(&a->sm) != AGENT_BLOCKED || a->block != BLOCK_FAILED)
		return 0;
	a->attempt = 1;
	a->candidate = 0;
	return agent_ask(a, e);
}

json_t *agent_json(const struct agent *a)
{
	return json_pack("{s:s, s:s, s:s?, s:s, s:s, s:i, s:f, s:s?, s:s?}", "agent", a->id, "role", a->role->id,
		"name", a->name, "parent", a->parent, "state", a->end_status ? a->end_status : sm_name(&a->sm), "turn",
		a->turn, "usd", a->usd, "scope", a->scope, "file", a->file);
}
