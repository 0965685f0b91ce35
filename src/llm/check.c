/* check: STREAM ─▶ TOOLS ─▶ RESULT ─▶ OVER, one call each; a failed one goes straight to OVER. */
#include "llm/check.h"

#include <stdio.h>

#include "base/mem.h"
#include "llm/prices.h"

enum { STREAM, TOOLS, RESULT, OVER };
static const struct sm_state states[] = {
	[STREAM] = {"stream", SM_TO(TOOLS) | SM_TO(OVER)},
	[TOOLS] = {"tools", SM_TO(RESULT) | SM_TO(OVER)},
	[RESULT] = {"result", SM_TO(OVER)},
	[OVER] = {"over", 0},
};

#define TOOL                                                                                                           \
	"[{\"name\":\"add\",\"description\":\"Adds two integers.\",\"schema\":{\"type\":\"object\",\"properties\":{"   \
	"\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"integer\"}},\"required\":[\"a\",\"b\"],"                       \
	"\"additionalProperties\":false}}]"

static void row(struct llm_check *k, const char *name, bool ok, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void row(struct llm_check *k, const char *name, bool ok, const char *fmt, ...)
{
	struct buf detail = BUF_INIT(ERR_TEXT_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&detail, fmt, ap);
	va_end(ap);
	k->failed |= !ok;
	k->on_row(k, name, ok, detail.data ? detail.data : "");
	buf_release(&detail);
}

static void over(struct llm_check *k)
{
	sm_move(&k->sm, OVER);
	for (size_t i = 0; i < k->message_count; i++)
		llm_message_unref(k->messages[i]);
	k->message_count = 0;
	json_decref(steal(&k->tools));
	k->on_done(k, !k->failed);
}

/* This and all later rows fail for the same reason. */
static void give_up(struct llm_check *k, const struct err *why)
{
	static const char *const names[] = {[STREAM] = "stream", [TOOLS] = "tools", [RESULT] = "result"};

	for (int at = sm_is(&k->sm), i = at; i < (k->brief ? TOOLS : OVER); i++) {
		row(k, names[i], false, "%s%s", i == at ? "" : "not tried: ", why->text);
		if (i == STREAM)
			row(k, "usage", false, "not tried: %s", why->text);
	}
	over(k);
}

static int add_message(struct llm_check *k, struct llm_message *m)
{
	if (!m)
		return -1;
	k->messages[k->message_count++] = m;
	return 0;
}

static void on_text(struct llm_call *c, struct span text)
{
	struct llm_check *k = container_of(c, struct llm_check, call);

	(void)text;
	k->pieces++;
}

static void on_done(struct llm_call *c, const struct err *why);

static int ask(struct llm_check *k, bool with_tools, struct err *e)
{
	k->pieces = 0;
	k->call = (struct llm_call){
		.model = &k->chosen,
		.run = "check",
		.role = "check",
		.agent = "0",
		.turn = sm_is(&k->sm) + 1,
		.system = span_of("You are being tested. Do exactly what is asked, with as few words as possible."),
		.messages = k->messages,
		.message_count = k->message_count,
		.tools = with_tools ? k->tools : NULL,
		.temperature = -1,
		.max_tokens = 2000, /* thinking counts, too */
		.total_ms = k->total_ms,
		.on_text = on_text,
		.on_done = on_done,
	};
	return llm_call_start(&k->call, k->llm, e);
}

static void check_stream(struct llm_check *k)
{
	const struct llm_call *c = &k->call;
	const struct llm_usage *u = &c->usage;

	if (c->text_len && k->pieces)
		row(k, "stream", true, "%s answered in %lld ms, %d pieces", c->answered_by, (long long)c->took_ms,
			k->pieces);
	else
		row(k, "stream", false, "%s answered without text", c->answered_by);
	if (u->estimated)
		row(k, "usage", false, "the endpoint does not say what an answer used; costs are estimated");
	else if (u->input <= 0 || u->output <= 0)
		row(k, "usage", false, "implausible: %lld tokens in, %lld out", (long long)u->input,
			(long long)u->output);
	else
		row(k, "usage", true, "%lld tokens in, %lld out%s", (long long)u->input, (long long)u->output,
			k->chosen.priced ? "" : "; no price is known, so no money budget is possible");
}

static bool check_tools(struct llm_check *k)
{
	const struct llm_call *c = &k->call;
	const json_t *args = c->call_count ? c->calls[0].arguments : NULL;

	if (!c->call_count)
		row(k, "tools", false, "it did not call the tool that it was asked to call");
	else if (strcmp(c->calls[0].name, "add") != 0)
		row(k, "tools", false, "it called %.60s, which was not offered", c->calls[0].name);
	else if (!args || json_int(args, "a", 0) != 17 || json_int(args, "b", 0) != 25)
		row(k, "tools", false, "the tool's arguments are wrong");
	else
		row(k, "tools", true, "called with valid arguments");
	return c->call_count > 0;
}

static void check_result(struct llm_check *k)
{
	const struct llm_call *c = &k->call;

	if (span_find(span_n(c->text, c->text_len), span_of("42"), 0) != (size_t)-1)
		row(k, "result", true, "used in the answer");
	else
		row(k, "result", false, "the tool's result is not in its answer");
}

static int begin_tools(struct llm_check *k, struct err *e)
{
	llm_message_unref(k->messages[--k->message_count]);
	if (add_message(k, llm_message_text(LLM_USER, span_of("Call the tool add with a = 17 and b = 25."), e)))
		return -1;
	return ask(k, true, e);
}

/* `call` is consumed: one call, which the next message answers. */
static int begin_result(struct llm_check *k, struct llm_tool_call *call, struct err *e)
{
	char *id = mem_strdup(call->id);
	struct llm_message *m = llm_message_calls(SPAN_NONE, call, 1, e);
	int rc = id && m ? 0 : err_nomem(e);

	if (m)
		add_message(k, m);
	if (!rc)
		rc = add_message(k, llm_message_result(id, "add", "ok", span_of("42"), e));
	mem_free(id);
	return rc ? -1 : ask(k, true, e);
}

/* The answer's first call, given away; the others are freed. */
static struct llm_tool_call *first_call(struct llm_call *c)
{
	struct llm_tool_call *one = mem_calloc(1, sizeof *one);

	if (one) {
		*one = c->calls[0];
		c->calls[0] = (struct llm_tool_call){0};
	}
	return one;
}

static void on_done(struct llm_call *c, const struct err *why)
{
	struct llm_check *k = container_of(c, struct llm_check, call);
	struct llm_tool_call *first = NULL;
	struct err e = ERR_INIT;
	int rc = 0;

	if (why->code != ERR_OK) {
		k->why = why->code;
		k->status = c->status;
		llm_call_release(c);
		give_up(k, why);
		return;
	}
	switch (sm_is(&k->sm)) {
	case STREAM:
		check_stream(k);
		if (k->brief) {
			llm_call_release(c);
			over(k);
			return;
		}
		sm_move(&k->sm, TOOLS);
		llm_call_release(c);
		rc = begin_tools(k, &e);
		break;
	case TOOLS:
		if (!check_tools(k))
			err_set(&e, ERR_MODEL_REPLY, "not tried: there was no tool call");
		else if (!(first = first_call(c)))
			err_nomem(&e);
		sm_move(&k->sm, RESULT);
		llm_call_release(c);
		rc = first ? begin_result(k, first, &e) : -1;
		break;
	default:
		check_result(k);
		llm_call_release(c);
		over(k);
		return;
	}
	if (k->cancelled && !rc)
		llm_call_cancel(&k->call);
	if (rc)
		give_up(k, &e);
}

/* A provider's name stands for its fast model. */
static int choose(struct llm_check *k, struct err *e)
{
	const char *fast = strchr(k->model, ':') ? NULL : class_model("fast", k->model);
	char name[256];

	if (!fast)
		return llm_resolve(k->llm, k->model, &k->chosen, 1, e) < 0 ? -1 : 0;
	snprintf(name, sizeof name, "%s:%s", k->model, fast);
	return llm_resolve(k->llm, name, &k->chosen, 1, e) < 0 ? -1 : 0;
}

int llm_check_start(struct llm_check *k, struct err *e)
{
	sm_init(&k->sm, states, STREAM);
	k->message_count = 0;
	k->failed = k->cancelled = false;
	k->why = ERR_OK;
	k->status = 0;
	k->tools = NULL;
	if (choose(k, e))
		return -1;
	k->tools = json_parse(span_of(TOOL), "tool", e);
	if (!k->tools || add_message(k, llm_message_text(LLM_USER, span_of("Write the numbers from 1 to 20."), e)) ||
		ask(k, false, e)) {
		while (k->message_count)
			llm_message_unref(k->messages[--k->message_count]);
		json_decref(steal(&k->tools));
		return -1;
	}
	return 0;
}

void llm_check_cancel(struct llm_check *k)
{
	k->cancelled = true;
	llm_call_cancel(&k->call);
}
