/* calls: carries out what one answer asked for, from validation through the gate to the results.
 *
 * Order: the calls of an answer begin in its order; those that only read may run together, every other waits for all
 * before it. finish comes last: calls after it are not run. Every call ends exactly once, with a result for the model:
 * ok, error, denied or lost. Refusals (unknown tool, bad arguments, policy, missing evidence) are results too: the
 * model reads why and goes on.
 *
 * Evidence: an agent whose role needs it must have run the project's checks after its own last edit before finish is
 * accepted. */
#include "agent/private.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/schema.h"
#include "base/utf8.h"

static int call_begin(struct agent *a, struct agent_call *c, struct err *e);

static void call_release(struct agent_call *c)
{
	mem_free(c->name);
	mem_free(c->bad);
	mem_free(c->content);
	json_decref(c->args);
}

void calls_clear(struct agent *a)
{
	for (size_t i = 0; i < a->call_count; i++)
		call_release(&a->calls[i]);
	mem_free(a->calls);
	a->calls = NULL;
	a->call_count = 0;
}

int calls_from_answer(struct agent *a, const json_t *data, struct err *e)
{
	const json_t *list = json_get(data, "calls");
	size_t count = json_array_size(list);
	calls_clear(a);
	a->calls = mem_calloc(count, sizeof(*a->calls));
	if (!a->calls)
		return err_nomem(e);
	a->call_count = count;
	for (size_t i = 0; i < count; i++) {
		const json_t *from = json_array_get(list, i);
		struct agent_call *c = &a->calls[i];
		snprintf(c->id, sizeof(c->id), "c%d_%zu", a->turns_all, i + 1);
		c->name = mem_strdup(json_str(from, "name") ? json_str(from, "name") : "");
		if (!c->name)
			return err_nomem(e);
		const char *bad = json_str(from, "bad");
		c->bad = bad ? mem_strdup(bad) : NULL;
		if (bad && !c->bad)
			return err_nomem(e);
		c->args = bad ? NULL : json_incref(json_get(from, "arguments"));
		c->tool = tool_named(c->name);
		c->handler = json_get(a->handlers, c->name) != NULL;
	}
	return 0;
}

struct agent_call *agent_call_named(struct agent *a, const char *id)
{
	for (size_t i = 0; i < a->call_count; i++)
		if (!strcmp(a->calls[i].id, id))
			return &a->calls[i];
	return NULL;
}

bool calls_ended(const struct agent *a)
{
	for (size_t i = 0; i < a->call_count; i++)
		if (a->calls[i].state != CALL_ENDED)
			return false;
	return true;
}

void calls_names(const struct agent *a, struct buf *out)
{
	size_t i;
	json_t *name;
	json_array_foreach(a->names, i, name) buf_addf(out, "%s%s", i ? ", " : "", json_string_value(name));
}

static bool only_reads(const struct agent_call *c)
{
	return !c->handler && c->tool && c->tool->effects == TOOL_READS;
}

/* ---- ending a call ---- */

static int call_end(struct agent *a, struct agent_call *c, const char *status, struct span content, struct err *e)
{
	c->content = span_dup(content);
	if (!c->content)
		return err_nomem(e);
	c->content_len = content.n;
	c->status = status;
	c->state = CALL_ENDED;
	if (!strcmp(status, "lost"))
		a->after_lost = true;
	progress_call(a, c);
	return 0;
}

/* A call that the run itself fulfils: the answer is computed, so the event is a derived one. */
static int call_answer(struct agent *a, struct agent_call *c, const char *status, struct span content, struct err *e)
{
	json_t *words = json_from_span(content);
	json_t *data = words ? json_pack("{s:s, s:s, s:o}", "call", c->id, "status", status, "content", words) : NULL;
	if (!data)
		return err_nomem(e);
	agent_emit(a, EVENT_TOOL_ANSWERED, data);
	return call_end(a, c, status, content, e);
}

static int call_refuse(struct agent *a, struct agent_call *c, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
#define call_malformed(a, c, ...) ((c)->malformed = true, call_refuse(a, c, __VA_ARGS__))
static int call_refuse(struct agent *a, struct agent_call *c, struct err *e, const char *fmt, ...)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_TOOL_RESULT);
	va_list ap;
	va_start(ap, fmt);
	buf_addv(&text, fmt, ap);
	va_end(ap);
	if (buf_check(&text, "a refusal", e))
		return -1;
	return call_answer(a, c, "error", buf_span(&text), e);
}

/* ---- the tools an agent fulfils itself ---- */

static int begin_note(struct agent *a, struct agent_call *c, struct err *e)
{
	const char *key = json_str(c->args, "key");
	const char *op = json_str(c->args, "op");
	const json_t *value = json_get(c->args, "value");
	bool drop = op && !strcmp(op, "delete");
	if (!drop && (!value || (op && !strcmp(op, "get")))) {
		const json_t *kept = json_get(a->notes, key);
		if (!kept)
			return call_refuse(a, c, e, "there is no note \"%s\"", key);
		cleanup_free char *text = json_is_string(kept) ? mem_strdup(json_string_value(kept)) : json_text(kept);
		return text ? call_answer(a, c, "ok", span_of(text), e) : err_nomem(e);
	}
	if (!drop && json_object_size(a->notes) >= 256 && !json_get(a->notes, key))
		return call_refuse(a, c, e, "the scratchpad is full (256 notes): overwrite one of them");
	if (drop ? (json_object_del(a->notes, key), 0) : json_object_set(a->notes, key, (json_t *)value))
		return err_nomem(e);
	json_t *data = json_make(e, "{s:s, s:O?}", "key", key, "value", drop ? NULL : value);
	if (!data)
		return -1;
	agent_emit(a, EVENT_MEMORY_CHANGED, data);
	return call_answer(a, c, "ok", span_of(drop ? "deleted" : "noted"), e);
}

static int begin_plan(struct agent *a, struct agent_call *c, struct err *e)
{
	size_t i;
	json_t *task;
	json_array_foreach(json_get(c->args, "tasks"), i, task)
	{
		json_t *data = json_make(e, "{s:O, s:O, s:O?, s:O?}", "task", json_get(task, "id"), "title",
			json_get(task, "title"), "role", json_get(task, "role"), "depends", json_get(task, "depends"));
		if (!data)
			return -1;
		agent_emit(a, EVENT_TASK_ADDED, data);
	}
	return call_answer(a, c, "ok", span_of("the plan is recorded"), e);
}

static int begin_ask_human(struct agent *a, struct agent_call *c, struct err *e)
{
	const char *priority = json_str(c->args, "priority");
	const json_t *options = json_get(c->args, "options");
	c->state = CALL_HANDLED;
	a->host->open_action(a, json_str(c->args, "name"), "question", json_str(c->args, "title"),
		json_str(c->args, "body"), options ? json_clone_deep(options) : NULL, priority ? priority : "medium", c,
		c->action);
	(void)e;
	return 0;
}

/* ---- finish ---- */

static bool checked_after_edit(const struct agent *a)
{
	return a->check_exit != -1 && a->check_tree >= a->edit_tree;
}

const char *calls_missing_evidence(const struct agent *a)
{
	if (a->check == CHECK_NONE || !a->edited)
		return NULL;
	if (!checked_after_edit(a))
		return "You changed files after the last run of the project's checks (or never ran them). Call "
		       "run_tests for the whole project, look at the result, mend what fails, then finish.";
	if (a->check == CHECK_PASS && a->check_exit > 0)
		return "The project's checks fail on the files as they are now. Mend them and run the checks again; "
		       "finish is accepted "
		       "when they pass.";
	return NULL;
}

static json_t *finish_value(const struct agent *a, const struct agent_call *c)
{
	if (a->output && !json_get(c->args, "result"))
		return json_incref(c->args);
	if (a->output)
		return json_incref(
			json_get(json_get(a->output, "properties"), "result") ? c->args : json_get(c->args, "result"));
	json_t *result = json_get(c->args, "result");
	return json_incref(result ? result : c->args);
}

static int finish_accept(struct agent *a, struct agent_call *c, struct err *e)
{
	json_t *value = finish_value(a, c);
	if (call_answer(a, c, "ok", span_of("finished"), e)) {
		json_decref(value);
		return -1;
	}
	return agent_end(a, "done", value, NULL, e);
}

static int begin_finish(struct agent *a, struct agent_call *c, struct err *e)
{
	if (a->output) {
		struct err why = ERR_INIT;
		cleanup_json json_t *value = finish_value(a, c);
		if (schema_validate(a->output, value, &why))
			return call_malformed(a, c, e, "the result does not fit: %s", why.text);
	}
	const char *missing = calls_missing_evidence(a);
	if (missing && ++a->refusals > AGENT_REFUSALS) {
		struct err why = ERR_INIT;
		err_set(&why, ERR_CONFLICT, "it called finish %d times without evidence: %s", a->refusals, missing);
		return agent_end(a, "failed", finish_value(a, c), &why, e);
	}
	if (missing)
		return call_refuse(a, c, e, "finish is refused. %s", missing);
	if (c->handler) {
		c->state = CALL_HANDLED;
		a->host->want_handler(a, c);
		return 0;
	}
	return finish_accept(a, c, e);
}

/* ---- beginning a call ---- */

static bool is_named(const struct agent *a, const char *name)
{
	size_t i;
	json_t *known;
	json_array_foreach(a->names, i, known) if (!strcmp(json_string_value(known), name)) return true;
	return false;
}

static int ask_approval(struct agent *a, struct agent_call *c, const struct policy_verdict *v, struct err *e)
{
	cleanup_free char *args = json_text(c->args);
	cleanup_free char *title = mem_printf("Agent %s (%s) wants to use %s", a->id, a->role->id, c->name);
	cleanup_free char *body =
		args ? mem_printf("%s\n\n%.*s", v->reason, (int)utf8_cut(span_of(args), 2000), args) : NULL;
	json_t *options = json_pack("[s,s]", "approve", "deny");
	if (!title || !body || !options) {
		json_decref(options);
		return err_nomem(e);
	}
	c->state = CALL_APPROVAL;
	a->host->open_action(a, "approval", "approval", title, body, options, "high", c, c->action);
	return 0;
}

static int call_denied(struct agent *a, struct agent_call *c, const char *rule, const char *reason, struct err *e)
{
	json_t *data =
		json_make(e, "{s:s, s:s, s:s?, s:s}", "call", c->id, "tool", c->name, "rule", rule, "reason", reason);
	if (!data)
		return -1;
	agent_emit(a, EVENT_TOOL_DENIED, data);
	cleanup_free char *text = mem_printf("Not allowed: %s", reason);
	return text ? call_end(a, c, "denied", span_of(text), e) : err_nomem(e);
}

/* The gate. */
static int begin_outside(struct agent *a, struct agent_call *c, struct err *e)
{
	struct policy_verdict v;
	if (a->host->decide(a, c, &v, e))
		return -1;
	if (v.effect == POLICY_ASK && !a->unattended_deny)
		return ask_approval(a, c, &v, e);
	if (v.effect != POLICY_ALLOW)
		return call_denied(a, c, v.rule, v.reason, e);
	struct span subject = tool_subject(c->tool, c->args);
	cleanup_json json_t *shown = json_from_span(span_n(subject.p, subject.n < 200 ? subject.n : 200));
	json_t *data = shown ? json_pack("{s:s, s:s, s:O}", "call", c->id, "tool", c->name, "subject", shown) : NULL;
	if (!data)
		return err_nomem(e);
	c->state = CALL_RUNNING;
	agent_emit(a, EVENT_TOOL_STARTED, data);
	a->host->want_tool(a, c);
	return 0;
}

static int call_begin(struct agent *a, struct agent_call *c, struct err *e)
{
	if (!is_named(a, c->name)) {
		cleanup_buf struct buf names = BUF_INIT(CAP_TOOL_RESULT);
		calls_names(a, &names);
		return call_malformed(a, c, e, "there is no tool \"%.80s\"; you have: %s", c->name, buf_span(&names).p);
	}
	if (!c->args)
		return call_malformed(a, c, e, "the arguments are no JSON object: %.200s", c->bad ? c->bad : "");
	bool finish = !strcmp(c->name, "finish");
	const json_t *own = json_get(json_get(a->handlers, c->name), "schema");
	const json_t *schema = own ? own : c->tool && !(finish && a->output) ? tool_schema(c->tool) : NULL;
	struct err why = ERR_INIT;
	if (schema && schema_validate(schema, c->args, &why))
		return call_malformed(a, c, e, "wrong arguments: %s", why.text);
	if (finish)
		return begin_finish(a, c, e);
	if (c->handler) {
		c->state = CALL_HANDLED;
		a->host->want_handler(a, c);
		return 0;
	}
	if (!strcmp(c->name, "note"))
		return begin_note(a, c, e);
	if (!strcmp(c->name, "plan"))
		return begin_plan(a, c, e);
	if (!strcmp(c->name, "ask_human"))
		return begin_ask_human(a, c, e);
	if (!strcmp(c->name, "wait"))
		return a->host->has_children(a) || json_array_size(a->inbox)
			       ? call_answer(a, c, "ok", span_of("waiting"), e)
			       : call_refuse(a, c, e, "nobody is at work below you whose report you could wait for");
	if (!c->tool || (!c->tool->start && !c->tool->job))
		return call_refuse(a, c, e, "%s is not available in this mode", c->name);
	return begin_outside(a, c, e);
}

/* ---- the results ---- */

static int push_results(struct agent *a, struct err *e)
{
	if (a->dialect == DIALECT_NATIVE) {
		for (size_t i = 0; i < a->call_count; i++) {
			const struct agent_call *c = &a->calls[i];
			if (conversation_push(a,
				    llm_message_result(
					    c->id, c->name, c->status, span_n(c->content, c->content_len), e),
				    false, e))
				return -1;
		}
		return 0;
	}
	cleanup_buf struct buf text = BUF_INIT(CAP_EVENT_DATA);
	size_t share =
		(CAP_EVENT_DATA - KIB) / (a->call_count ? a->call_count : 1); /* of the message, for each result */
	for (size_t i = 0; i < a->call_count; i++) {
		const struct agent_call *c = &a->calls[i];
		struct span content = span_n(c->content, c->content_len);
		size_t cut = share > 256 ? utf8_cut(content, share - 256) : 0;
		buf_addf(&text, "%s[%.64s: %s]\n", i ? "\n\n" : "", c->name, c->status);
		buf_addspan(&text, span_n(content.p, cut));
		if (cut < content.n)
			buf_adds(&text, "\n… (cut here)");
	}
	return buf_check(&text, "the results of a turn", e) ? -1 : conversation_user(a, buf_span(&text), false, e);
}

/* All calls ended: their results join the conversation and the agent waits for its next turn. */
static int turn_end(struct agent *a, struct err *e)
{
	bool waits = false, malformed = true;
	for (size_t i = 0; i < a->call_count; i++) {
		waits |= !strcmp(a->calls[i].name, "wait") && !strcmp(a->calls[i].status, "ok");
		malformed &= a->calls[i].malformed;
	}
	a->repairs = malformed ? a->repairs + 1 : 0;
	if (push_results(a, e))
		return -1;
	if (a->repairs > AGENT_REPAIRS) {
		struct err why = ERR_INIT;
		err_set(&why, ERR_MODEL_REPLY, "%d replies in a row could not be used; the last: %.300s", a->repairs,
			a->calls[a->call_count - 1].content);
		return agent_end(a, "failed", NULL, &why, e);
	}
	if (progress_turn(a, e) || sm_is(&a->sm) != AGENT_ACTING)
		return sm_is(&a->sm) == AGENT_BLOCKED ? 0 : -1;
	if (waits) /* until a message arrives */
		sm_move(&a->sm, AGENT_IDLE);
	return 0;
}

int calls_advance(struct agent *a, struct err *e)
{
	bool others_run = false;
	for (size_t i = 0; i < a->call_count; i++) {
		struct agent_call *c = &a->calls[i];
		if (c->state == CALL_QUEUED && (!others_run || only_reads(c))) {
			if (!strcmp(c->name, "finish") && !a->host->settled(a))
				return 0; /* agent_settled goes on */
			if (call_begin(a, c, e))
				return -1;
			if (sm_is(&a->sm) == AGENT_ENDED)
				return 0;
		}
		if (c->state == CALL_ENDED)
			continue;
		if (!only_reads(c))
			return 0; /* the rest waits for it */
		others_run = true;
	}
	return others_run ? 0 : turn_end(a, e);
}

/* What a finished tool means for evidence, memory and the scratchpad. */
static int learn(struct agent *a, struct agent_call *c, const json_t *data, struct err *e)
{
	uint64_t tree = a->host->tree_version(a);
	const json_t *evidence = json_get(data, "evidence");
	bool ok = !strcmp(c->status, "ok");
	a->tainted |= c->tool && (c->tool->effects & TOOL_NET);
	/* a folder's check is no pass of the project's */
	if (evidence && !(json_get(evidence, "path") && a->check == CHECK_PASS)) {
		a->check_exit = (int)json_int(evidence, "exit", 1);
		a->check_tree = tree;
		a->check_altered = json_get(evidence, "altered") != NULL;
	}
	if (json_array_size(json_get(data, "changed"))) {
		a->edited = true;
		a->edit_tree = tree;
	}
	if (ok && !strcmp(c->name, "read_file") && (a->role->context & CONTEXT_MEMORY)) {
		const json_t *path = json_get(c->args, "path");
		size_t i;
		json_t *known;
		json_array_foreach(a->memory, i, known) if (json_equal(known, (json_t *)path)) return 0;
		return json_array_append(a->memory, (json_t *)path) ? err_nomem(e) : 0;
	}
	return 0;
}

int agent_tool_finished(struct agent *a, const json_t *data, bool lost, struct err *e)
{
	const char *id = json_str(data, "call");
	struct agent_call *c = id ? agent_call_named(a, id) : NULL;
	if (!c || c->state != CALL_RUNNING)
		return err_set(e, ERR_FLOW_DIVERGED, "agent %s got a result for call %s, which is not running", a->id,
			id ? id : "?");
	const char *status = lost ? "lost" : json_str(data, "status");
	struct span content = json_span(data, "content");
	bool remembered = !lost && status && !strcmp(status, "ok") && !strcmp(c->name, "read_file") &&
			  (a->role->context & CONTEXT_MEMORY);
	if (lost && !content.n)
		content = span_of("The program stopped while this ran, so its result is not known. It was not run "
				  "again: look at the files "
				  "before you decide whether to repeat it.");
	else if (remembered)
		content = span_of("It is in your memory now: its present content is shown to you in every turn.");
	if (call_end(a, c,
		    status && !strcmp(status, "ok") ? "ok"
		    : lost			    ? "lost"
						    : "error",
		    content, e) ||
		learn(a, c, data, e))
		return -1;
	return calls_advance(a, e);
}

int agent_settled(struct agent *a, struct err *e)
{
	return sm_is(&a->sm) == AGENT_ACTING && a->host->settled(a) ? calls_advance(a, e) : 0;
}

void agent_changed_files(struct agent *a)
{
	a->edited = true;
	a->edit_tree = a->host->tree_version(a);
}

int agent_call_answer(struct agent *a, const char *call, const char *status, const json_t *content, struct err *e)
{
	struct agent_call *c = agent_call_named(a, call);
	if (sm_is(&a->sm) == AGENT_ENDED || !c || c->state == CALL_ENDED)
		return 0;				   /* the agent went on without it */
	const char *go_on = json_str(content, "continue"); /* the flow's handler does not let it finish yet */
	if (!strcmp(c->name, "finish") && c->state == CALL_HANDLED && !strcmp(status, "ok") && !go_on)
		return finish_accept(a, c, e);
	cleanup_free char *text = go_on				      ? mem_strdup(go_on)
				  : !content || json_is_null(content) ? mem_strdup("done")
				  : json_is_string(content)	      ? mem_strdup(json_string_value(content))
								      : json_text(content);
	if (!text)
		return err_nomem(e);
	const char *fixed = !strcmp(status, "ok") ? "ok" : !strcmp(status, "denied") ? "denied" : "error";
	int failed = !strcmp(fixed, "denied") ? call_end(a, c, fixed, span_of(text), e)
					      : call_answer(a, c, fixed, span_of(text), e);
	return failed ? -1 : calls_advance(a, e);
}
