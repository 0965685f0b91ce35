/* responses: OpenAI's Responses API, streaming (developers.openai.com/api/reference: "Create a model response",
 * "Streaming events"). Nothing is kept at the provider (store false): each request brings the whole conversation.
 *
 * A conversation is a list of items: messages, function_call and function_call_output, tied by call_id. Stream: each
 * event names its type; output items are added, a function_call with its name, then its arguments come in pieces, told
 * apart by output_index; response.completed, or response.incomplete with the reason, ends it and says what was used. A
 * model's reasoning is not asked for and not sent back. A refusal's text counts as text. */
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "llm/dialect.h"
#include "llm/prices.h"
#include "llm/problem.h"

static const struct profile profiles[] = {
	{.name = "openai-responses", .max_tokens = "max_output_tokens", .done_marker = true},
	{0},
};

/* ---- request ---- */

static void encode_tool(const json_t *tool, struct buf *out)
{
	struct buf offer = BUF_INIT(out->cap);

	encode_offer(&offer, tool, "parameters");
	if (offer.failed)
		out->failed = offer.failed;
	/* The offer's members, with the type before them. */
	buf_adds(out, "{\"type\":\"function\",\"strict\":false,");
	buf_addspan(out, offer.len ? span_n(offer.data + 1, offer.len - 1) : SPAN_NONE);
	buf_release(&offer);
}

static void encode_call(const struct llm_tool_call *call, struct buf *out)
{
	buf_adds(out, "{\"type\":\"function_call\",\"call_id\":");
	encode_id(out, call->id);
	buf_adds(out, ",\"name\":");
	encode_text(out, span_of(call->name));
	buf_adds(out, ",\"arguments\":");
	encode_arguments_text(out, call);
	buf_addc(out, '}');
}

/* One item, or several with commas between them. */
static int encode_items(const struct llm_message *m, struct buf *out)
{
	struct span text = span_n(m->text, m->text_len);

	if (m->role == LLM_TOOL) {
		buf_adds(out, "{\"type\":\"function_call_output\",\"call_id\":");
		encode_id(out, m->call_id);
		buf_adds(out, ",\"output\":");
		encode_text(out, text);
		buf_addc(out, '}');
		return 0;
	}
	if (text.n || !m->call_count) {
		buf_addf(out, "{\"role\":\"%s\",\"content\":", m->role == LLM_USER ? "user" : "assistant");
		encode_text(out, text);
		buf_addc(out, '}');
	}
	for (size_t i = 0; i < m->call_count; i++) {
		if (i || text.n)
			buf_addc(out, ',');
		encode_call(&m->calls[i], out);
	}
	return 0;
}

static int encode(struct wire *w, const struct llm_call *c, const char *model, const struct profile *p, unsigned flags,
	struct span tools, struct err *e)
{
	wire_lit(w, "{\"model\":");
	wire_text(w, span_of(model));
	wire_lit(w, ",\"stream\":true,\"store\":false");
	wire_limits(w, c, p, flags);
	if (c->system.n) {
		wire_lit(w, ",\"instructions\":");
		wire_text(w, c->system);
	}
	if (tools.n) {
		wire_lit(w, ",\"tools\":[");
		wire_add(w, tools);
		wire_lit(w, "]");
	} else if (c->output_schema) {
		wire_lit(w, ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"answer\",\"strict\":false,"
			    "\"schema\":");
		wire_json(w, c->output_schema);
		wire_lit(w, "}}");
	}
	wire_lit(w, ",\"input\":[");
	if (wire_messages(w, c, LLM_WIRE_RESPONSES, encode_items, e))
		return -1;
	wire_lit(w, "]}");
	return wire_check(w, e);
}

/* ---- stream ---- */

static int item_added(struct decoder *d, const json_t *v, struct err *e)
{
	const json_t *item = json_get(v, "item");
	long index = (long)json_int(v, "output_index", -1);

	if (!span_is(json_span(item, "type"), "function_call"))
		return 0;
	if (index < 0 || decoder_find(d, index))
		return decoder_bad(e, "an item of the answer began twice, or has no output_index");
	return decoder_draft(d, index, json_span(item, "name"), e) ? 0 : -1;
}

static int arguments(struct decoder *d, const json_t *v, struct err *e)
{
	struct draft *t = decoder_find(d, (long)json_int(v, "output_index", -1));

	if (!t)
		return decoder_bad(e, "a piece of a tool call that never began");
	return decoder_add_arguments(d, t, json_span(v, "delta"), e);
}

/* The item as it came out. Servers that send no pieces say the arguments here only. */
static int item_done(struct decoder *d, const json_t *v, struct err *e)
{
	struct span whole = json_span(json_get(v, "item"), "arguments");
	struct draft *t = decoder_find(d, (long)json_int(v, "output_index", -1));

	if (!t)
		return span_is(json_span(json_get(v, "item"), "type"), "function_call")
			       ? decoder_bad(e, "a tool call ended that never began")
			       : 0;
	if (!t->args.len)
		return decoder_add_arguments(d, t, whole, e);
	return span_eq(whole, buf_span(&t->args)) ? 0 : decoder_bad(e, "a tool call's arguments came in two ways");
}

static void take_usage(struct decoder *d, const json_t *u)
{
	if (!json_is_integer(json_get(u, "input_tokens")))
		return;
	d->usage_told = true;
	d->usage.input = decoder_tokens(u, "input_tokens", 0);
	d->usage.output = decoder_tokens(u, "output_tokens", 0);
	d->usage.cached = decoder_tokens(json_get(u, "input_tokens_details"), "cached_tokens", 0);
	d->usage.cache_write = decoder_tokens(json_get(u, "input_tokens_details"), "cache_write_tokens", 0);
}

/* completed or incomplete */
static int ended(struct decoder *d, const json_t *response, bool whole, struct err *e)
{
	struct span why = json_span(json_get(response, "incomplete_details"), "reason");

	take_usage(d, json_get(response, "usage"));
	if (whole)
		d->stop = d->draft_count ? LLM_STOP_TOOLS : LLM_STOP_END;
	else if (span_is(why, "max_output_tokens"))
		d->stop = LLM_STOP_LENGTH;
	else if (span_is(why, "content_filter"))
		d->stop = LLM_STOP_REFUSAL;
	else
		return decoder_bad(e, "it is incomplete for a reason that is not known: %.*s", (int)why.n, why.p);
	d->state = STREAM_ENDED;
	return 0;
}

/* response.failed says why in its response, an error event in itself or in an error of its own. */
static int failed(const json_t *v, struct err *e)
{
	json_t *error = json_get(json_get(v, "response"), "error");
	cleanup_json json_t *said = NULL;

	if (!error && json_is_object(json_get(v, "error")))
		return problem_from_event(e, v);
	said = error ? json_pack("{s:O}", "error", error)
		     : json_pack("{s:{s:O?, s:O?}}", "error", "code", json_get(v, "code"), "message",
			       json_get(v, "message"));
	return said ? problem_from_event(e, said) : err_nomem(e);
}

static int event(struct decoder *d, struct span name, struct span data, struct err *e)
{
	cleanup_json json_t *v = NULL;
	struct span type;

	if (decoder_done(d))
		return 0;
	v = decoder_json(data, "event", e);
	if (!v)
		return -1;
	if (!json_is_object(v))
		return decoder_bad(e, "an event is no object");
	type = json_span(v, "type").n ? json_span(v, "type") : name;
	if (d->state == STREAM_START)
		d->state = STREAM_OPEN;
	decoder_model(d, json_str(json_get(v, "response"), "model"));
	if (span_is(type, "error") || span_is(type, "response.failed") || (!type.n && json_get(v, "error")))
		return failed(v, e);
	if (span_is(type, "response.output_text.delta") || span_is(type, "response.refusal.delta"))
		return decoder_add_text(d, json_span(v, "delta"), e);
	if (span_is(type, "response.output_item.added"))
		return item_added(d, v, e);
	if (span_is(type, "response.function_call_arguments.delta"))
		return arguments(d, v, e);
	if (span_is(type, "response.output_item.done"))
		return item_done(d, v, e);
	if (span_is(type, "response.completed") || span_is(type, "response.incomplete"))
		return ended(d, json_get(v, "response"), span_is(type, "response.completed"), e);
	return 0; /* the rest repeats what these say, or is of tools that are not offered */
}

const struct dialect dialect_responses = {
	.name = "responses",
	.wire = LLM_WIRE_RESPONSES,
	.profiles = profiles,
	.path = "/responses",
	.headers = bearer_header,
	.encode = encode,
	.encode_tool = encode_tool,
	.event = event,
};
