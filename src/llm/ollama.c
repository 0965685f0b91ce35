/* ollama: Ollama's own chat (github.com/ollama/ollama, docs/api.md, "Generate a chat completion").
 *
 * Its Chat Completions drop what is beyond a context of a few thousand tokens, without a word, and take no other size;
 * here num_ctx can be given, which is the model's known context. Calls have no ids: results answer them by name and
 * order.
 *
 * Stream: a JSON object a line, each with some text of message.content or whole calls in message.tool_calls; the one
 * with done is the last and has the counts. Thinking is skipped, and counts as output. */
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "llm/dialect.h"
#include "llm/prices.h"
#include "llm/problem.h"

#define CONTEXT 16384 /* of a model that nothing is known about; its own default, 4096, an agent's task soon fills */

static const struct profile profiles[] = {
	{.name = "ollama", .max_tokens = "num_predict", .done_marker = true, .schema = true, .samples = true},
	{0},
};

/* ---- request ---- */

static void encode_tool(const json_t *tool, struct buf *out)
{
	buf_adds(out, "{\"type\":\"function\",\"function\":");
	encode_offer(out, tool, "parameters");
	buf_addc(out, '}');
}

static int encode_message(const struct llm_message *m, struct buf *out)
{
	static const char *const roles[] = {[LLM_USER] = "{\"role\":\"user\",\"content\":",
		[LLM_ASSISTANT] = "{\"role\":\"assistant\",\"content\":",
		[LLM_TOOL] = "{\"role\":\"tool\",\"content\":"};

	buf_adds(out, roles[m->role]);
	encode_text(out, span_n(m->text, m->text_len));
	if (m->role == LLM_TOOL) {
		buf_adds(out, ",\"tool_name\":");
		encode_text(out, span_of(m->name));
	}
	for (size_t i = 0; i < m->call_count; i++) {
		buf_adds(out, i ? ",{\"function\":{\"name\":" : ",\"tool_calls\":[{\"function\":{\"name\":");
		encode_text(out, span_of(m->calls[i].name));
		buf_adds(out, ",\"arguments\":");
		encode_arguments(out, &m->calls[i]);
		buf_adds(out, i + 1 == m->call_count ? "}}]" : "}}");
	}
	buf_addc(out, '}');
	return 0;
}

static int encode(struct wire *w, const struct llm_call *c, const char *model, const struct profile *p, unsigned flags,
	struct span tools, struct err *e)
{
	wire_lit(w, "{\"model\":");
	wire_text(w, span_of(model));
	wire_printf(w, ",\"stream\":true,\"options\":{\"num_ctx\":%d", c->model->context ? c->model->context : CONTEXT);
	wire_limits(w, c, p, flags);
	wire_lit(w, "}");
	if (tools.n) {
		wire_lit(w, ",\"tools\":[");
		wire_add(w, tools);
		wire_lit(w, "]");
	} else if (c->output_schema) {
		wire_lit(w, ",\"format\":");
		wire_json(w, c->output_schema);
	}
	wire_lit(w, ",\"messages\":[");
	if (c->system.n) {
		wire_lit(w, "{\"role\":\"system\",\"content\":");
		wire_text(w, c->system);
		wire_lit(w, c->message_count ? "}," : "}");
	}
	if (wire_messages(w, c, LLM_WIRE_OLLAMA, encode_message, e))
		return -1;
	wire_lit(w, "]}");
	return wire_check(w, e);
}

/* ---- stream ---- */

static int take_call(struct decoder *d, const json_t *function, struct err *e)
{
	const json_t *args = json_get(function, "arguments");
	cleanup_free char *text = json_is_object(args) ? json_text(args) : NULL;
	struct draft *t;

	if (json_is_object(args) && !text)
		return err_nomem(e);
	t = decoder_draft(d, (long)d->draft_count, json_span(function, "name"), e);
	/* Arguments as a text are what some models' templates give. */
	return t ? decoder_add_arguments(d, t, text ? span_of(text) : json_span(function, "arguments"), e) : -1;
}

static int take_message(struct decoder *d, const json_t *m, struct err *e)
{
	const json_t *call;
	size_t i;

	if (decoder_add_text(d, json_span(m, "content"), e))
		return -1;
	json_array_foreach(json_get(m, "tool_calls"), i, call)
	{
		if (take_call(d, json_get(call, "function"), e))
			return -1;
	}
	return 0;
}

static int finished(struct decoder *d, const json_t *v, struct err *e)
{
	struct span reason = json_span(v, "done_reason");

	if (json_is_integer(json_get(v, "prompt_eval_count")) || json_is_integer(json_get(v, "eval_count"))) {
		d->usage_told = true;
		d->usage.input = decoder_tokens(v, "prompt_eval_count", 0);
		d->usage.output = decoder_tokens(v, "eval_count", 0);
	}
	if (span_is(reason, "length"))
		d->stop = LLM_STOP_LENGTH;
	else if (!reason.n || span_is(reason, "stop")) /* servers before 0.1.40 give none */
		d->stop = d->draft_count ? LLM_STOP_TOOLS : LLM_STOP_END;
	else
		return decoder_bad(e, "it ended with %.*s", (int)reason.n, reason.p);
	d->state = STREAM_ENDED;
	return 0;
}

static int event(struct decoder *d, struct span name, struct span data, struct err *e)
{
	cleanup_json json_t *v = NULL;

	(void)name;
	if (decoder_done(d))
		return 0;
	v = decoder_json(data, "line", e);
	if (!v)
		return -1;
	if (json_get(v, "error"))
		return problem_from_event(e, v);
	if (!json_is_object(v))
		return decoder_bad(e, "a line is no object");
	if (d->state == STREAM_START)
		d->state = STREAM_OPEN;
	decoder_model(d, json_str(v, "model"));
	if (take_message(d, json_get(v, "message"), e))
		return -1;
	return json_bool(v, "done", false) ? finished(d, v, e) : 0;
}

const struct dialect dialect_ollama = {
	.name = "ollama",
	.wire = LLM_WIRE_OLLAMA,
	.profiles = profiles,
	.path = "/api/chat",
	.lines = true,
	.headers = bearer_header,
	.encode = encode,
	.encode_tool = encode_tool,
	.event = event,
};
