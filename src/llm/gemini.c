/* gemini: Google's streamGenerateContent (ai.google.dev/api/generate-content,
 * ai.google.dev/gemini-api/docs/function-calling).
 *
 * The model stands in the address. A message's stored bytes are its parts without the content around them, because the
 * results of parallel calls must stand in one content. Calls have no ids: results answer them by name and order. Models
 * that sign their thoughts want the signature back with a call; we keep no thoughts, and say instead, as the
 * documentation has it for calls of other models' making, that there is none (UNSIGNED).
 *
 * Stream: each event is a whole response with some parts more; the one with a finishReason is the last. Thoughts are
 * skipped, but count as output. A prompt that is blocked has no candidates. */
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "llm/dialect.h"
#include "llm/prices.h"
#include "llm/problem.h"

#define UNSIGNED ",\"thoughtSignature\":\"skip_thought_signature_validator\""

static const struct profile profiles[] = {
	{.name = "gemini", .max_tokens = "maxOutputTokens", .done_marker = true},
	{0},
};

/* ---- request ---- */

static int headers(struct wire *w, const char *key, struct http_header *out, int max)
{
	(void)w;
	BUG_ON(max < 1);
	if (!key)
		return 0;
	out[0] = (struct http_header){"x-goog-api-key", key};
	return 1;
}

static void encode_tool(const json_t *tool, struct buf *out)
{
	encode_offer(out, tool, "parametersJsonSchema");
}

static void encode_text_part(struct buf *out, struct span text)
{
	buf_adds(out, "{\"text\":");
	encode_text(out, text);
	buf_addc(out, '}');
}

static void encode_result(const struct llm_message *m, struct buf *out)
{
	buf_adds(out, "{\"functionResponse\":{\"name\":");
	encode_text(out, span_of(m->name));
	buf_adds(out, ",\"response\":{\"status\":");
	encode_text(out, span_of(m->status));
	buf_adds(out, ",\"content\":");
	encode_text(out, span_n(m->text, m->text_len));
	buf_adds(out, "}}}");
}

/* The parts of a message, joined by commas. */
static int encode_parts(const struct llm_message *m, struct buf *out)
{
	if (m->role == LLM_TOOL) {
		encode_result(m, out);
		return 0;
	}
	if (m->text_len || !m->call_count)
		encode_text_part(out, span_n(m->text, m->text_len));
	for (size_t i = 0; i < m->call_count; i++) {
		buf_adds(out, out->len ? ",{\"functionCall\":{\"name\":" : "{\"functionCall\":{\"name\":");
		encode_text(out, span_of(m->calls[i].name));
		buf_adds(out, ",\"args\":");
		encode_arguments(out, &m->calls[i]);
		buf_adds(out, i ? "}}" : "}" UNSIGNED "}"); /* the first speaks for those beside it */
	}
	return 0;
}

static int encode_contents(struct wire *w, const struct llm_call *c, struct err *e)
{
	size_t *order = arena_alloc(&w->arena, (c->message_count + 1) * sizeof *order);

	if (!order)
		return err_nomem(e);
	wire_order(c->messages, c->message_count, order);
	for (size_t from = 0, to; from < c->message_count; from = to) {
		to = wire_turn(c->messages, order, c->message_count, from);
		wire_lit(w, from ? ",{\"role\":" : "{\"role\":");
		wire_lit(w, c->messages[order[from]]->role == LLM_ASSISTANT ? "\"model\",\"parts\":["
									    : "\"user\",\"parts\":[");
		for (size_t i = from; i < to; i++) {
			struct span parts = message_wire(c->messages[order[i]], LLM_WIRE_GEMINI, encode_parts, e);
			if (!parts.n)
				return -1;
			if (i > from)
				wire_lit(w, ",");
			wire_add(w, parts);
		}
		wire_lit(w, "]}");
	}
	return 0;
}

static void encode_settings(
	struct wire *w, const struct llm_call *c, const struct profile *p, unsigned flags, bool tools)
{
	wire_lit(w, "\"generationConfig\":{\"candidateCount\":1");
	wire_limits(w, c, p, flags);
	if (!tools && c->output_schema) {
		wire_lit(w, ",\"responseMimeType\":\"application/json\",\"responseJsonSchema\":");
		wire_json(w, c->output_schema);
	}
	wire_lit(w, "}");
}

static int encode(struct wire *w, const struct llm_call *c, const char *model, const struct profile *p, unsigned flags,
	struct span tools, struct err *e)
{
	(void)model;
	wire_lit(w, "{");
	encode_settings(w, c, p, flags, tools.n > 0);
	if (c->system.n) {
		wire_lit(w, ",\"systemInstruction\":{\"parts\":[{\"text\":");
		wire_text(w, c->system);
		wire_lit(w, "}]}");
	}
	if (tools.n) {
		wire_lit(w, ",\"tools\":[{\"functionDeclarations\":[");
		wire_add(w, tools);
		wire_lit(w, "]}]");
	}
	wire_lit(w, ",\"contents\":[");
	if (encode_contents(w, c, e))
		return -1;
	wire_lit(w, "]}");
	return wire_check(w, e);
}

/* ---- stream ---- */

static void take_usage(struct decoder *d, const json_t *u)
{
	if (!json_is_integer(json_get(u, "promptTokenCount")))
		return;
	d->usage_told = true;
	d->usage.input = decoder_tokens(u, "promptTokenCount", 0);
	d->usage.output = decoder_tokens(u, "candidatesTokenCount", 0) + decoder_tokens(u, "thoughtsTokenCount", 0);
	d->usage.cached = decoder_tokens(u, "cachedContentTokenCount", 0);
}

static int take_call(struct decoder *d, const json_t *call, struct err *e)
{
	const json_t *args = json_get(call, "args");
	cleanup_free char *text = args ? json_text(args) : NULL;
	struct draft *t;

	if (args && !text)
		return err_nomem(e);
	t = decoder_draft(d, (long)d->draft_count, json_span(call, "name"), e);
	return t ? decoder_add_arguments(d, t, span_of(text), e) : -1;
}

static int take_part(struct decoder *d, const json_t *part, struct err *e)
{
	const json_t *call = json_get(part, "functionCall");

	if (call)
		return take_call(d, call, e);
	return json_bool(part, "thought", false) ? 0 : decoder_add_text(d, json_span(part, "text"), e);
}

static int finished(struct decoder *d, struct span reason, struct err *e)
{
	static const char *const refusals[] = {
		"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", NULL};
	size_t i = 0;

	while (refusals[i] && !span_is(reason, refusals[i]))
		i++;
	if (refusals[i])
		d->stop = LLM_STOP_REFUSAL;
	else if (span_is(reason, "MAX_TOKENS"))
		d->stop = LLM_STOP_LENGTH;
	else if (span_is(reason, "STOP"))
		d->stop = d->draft_count ? LLM_STOP_TOOLS : LLM_STOP_END;
	else
		return decoder_bad(e, "it ended with %.*s", (int)reason.n, reason.p);
	d->state = STREAM_ENDED;
	return 0;
}

static int take_candidate(struct decoder *d, const json_t *candidate, struct err *e)
{
	struct span reason = json_span(candidate, "finishReason");
	const json_t *part;
	size_t i;

	json_array_foreach(json_get(json_get(candidate, "content"), "parts"), i, part)
	{
		if (take_part(d, part, e))
			return -1;
	}
	return reason.n ? finished(d, reason, e) : 0;
}

static int event(struct decoder *d, struct span name, struct span data, struct err *e)
{
	cleanup_json json_t *v = NULL;
	const json_t *candidate;

	(void)name;
	if (decoder_done(d))
		return 0;
	v = decoder_json(data, "response", e);
	if (!v)
		return -1;
	if (json_get(v, "error"))
		return problem_from_event(e, v);
	if (!json_is_object(v))
		return decoder_bad(e, "a response is no object");
	if (d->state == STREAM_START)
		d->state = STREAM_OPEN;
	decoder_model(d, json_str(v, "modelVersion"));
	take_usage(d, json_get(v, "usageMetadata"));
	candidate = json_array_get(json_get(v, "candidates"), 0);
	if (candidate)
		return take_candidate(d, candidate, e);
	return json_get(json_get(v, "promptFeedback"), "blockReason") ? finished(d, span_of("SAFETY"), e) : 0;
}

const struct dialect dialect_gemini = {
	.name = "gemini",
	.wire = LLM_WIRE_GEMINI,
	.profiles = profiles,
	.path = "/v1beta/models/{model}:streamGenerateContent?alt=sse",
	.headers = headers,
	.encode = encode,
	.encode_tool = encode_tool,
	.event = event,
};
