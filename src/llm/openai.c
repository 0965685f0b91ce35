/* openai: Chat Completions, streaming (developers.openai.com/api/reference: "Create chat completion" and "Chat
 * completion chunk"), and the servers that speak it too; what they do differently stands in the profiles.
 *
 * Stream: chunks with choices[0].delta.content and .tool_calls[] (id and name once, arguments in pieces, told apart by
 * index), at the end a finish_reason, then one chunk with usage and no choices, then [DONE]. Servers that leave the
 * index out send whole calls; some send arguments as an object. A refusal's text counts as text. */
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "llm/dialect.h"
#include "llm/prices.h"
#include "llm/problem.h"

#define MAX_COMPLETION "max_completion_tokens"
#define NO_THINKING ",\"thinking\":{\"type\":\"disabled\"}"

static const struct profile profiles[] = {
	{.name = "compatible",
		.max_tokens = "max_tokens",
		.stream_usage = true,
		.done_marker = true,
		.schema = true,
		.samples = true},
	{.name = "openai",
		.max_tokens = MAX_COMPLETION,
		.stream_usage = true,
		.done_marker = true,
		.schema = true,
		.no_thinking = ",\"reasoning_effort\":\"none\""},
	{.name = "deepseek",
		.max_tokens = "max_tokens",
		.stream_usage = true,
		.done_marker = true,
		.samples = true,
		.no_thinking = NO_THINKING},
	{.name = "xai",
		.max_tokens = MAX_COMPLETION,
		.stream_usage = true,
		.done_marker = true,
		.schema = true,
		.samples = true},
	{.name = "openrouter",
		.max_tokens = "max_tokens",
		.stream_usage = true,
		.done_marker = true,
		.schema = true,
		.samples = true},
	{.name = "vllm",
		.max_tokens = "max_tokens",
		.stream_usage = true,
		.done_marker = true,
		.schema = true,
		.samples = true},
	{.name = "llama.cpp",
		.max_tokens = "max_tokens",
		.stream_usage = true,
		.done_marker = true,
		.schema = true,
		.samples = true},
	/* For servers that know little: no options beyond the first version's, streams that just end. */
	{.name = "plain", .max_tokens = "max_tokens", .samples = true},
	{0},
};

/* ---- request ---- */

static void encode_tool(const json_t *tool, struct buf *out)
{
	buf_adds(out, "{\"type\":\"function\",\"function\":");
	encode_offer(out, tool, "parameters");
	buf_addc(out, '}');
}

static void encode_calls(const struct llm_message *m, struct buf *out)
{
	buf_adds(out, ",\"tool_calls\":[");
	for (size_t i = 0; i < m->call_count; i++) {
		buf_adds(out, i ? ",{\"id\":" : "{\"id\":");
		encode_id(out, m->calls[i].id);
		buf_adds(out, ",\"type\":\"function\",\"function\":{\"name\":");
		encode_text(out, span_of(m->calls[i].name));
		buf_adds(out, ",\"arguments\":");
		encode_arguments_text(out, &m->calls[i]);
		buf_adds(out, "}}");
	}
	buf_addc(out, ']');
}

static int encode_message(const struct llm_message *m, struct buf *out)
{
	static const char *const roles[] = {[LLM_USER] = "{\"role\":\"user\"",
		[LLM_ASSISTANT] = "{\"role\":\"assistant\"",
		[LLM_TOOL] = "{\"role\":\"tool\""};
	struct span text = span_n(m->text, m->text_len);

	buf_adds(out, roles[m->role]);
	if (m->role == LLM_TOOL) {
		buf_adds(out, ",\"tool_call_id\":");
		encode_id(out, m->call_id);
	}
	buf_adds(out, ",\"content\":");
	if (m->call_count && !text.n)
		buf_adds(out, "null");
	else
		encode_text(out, text);
	if (m->call_count)
		encode_calls(m, out);
	buf_addc(out, '}');
	return 0;
}

static int encode_messages(struct wire *w, const struct llm_call *c, struct err *e)
{
	if (c->system.n) {
		wire_lit(w, "{\"role\":\"system\",\"content\":");
		wire_text(w, c->system);
		wire_lit(w, c->message_count ? "}," : "}");
	}
	return wire_messages(w, c, LLM_WIRE_OPENAI, encode_message, e);
}

static int encode(struct wire *w, const struct llm_call *c, const char *model, const struct profile *p, unsigned flags,
	struct span tools, struct err *e)
{
	wire_lit(w, "{\"model\":");
	wire_text(w, span_of(model));
	wire_lit(w, ",\"stream\":true");
	if (p->stream_usage)
		wire_lit(w, ",\"stream_options\":{\"include_usage\":true}");
	wire_limits(w, c, p, flags);
	if (tools.n) {
		wire_lit(w, ",\"tools\":[");
		wire_add(w, tools);
		wire_lit(w, "]");
		if (flags & NO_THINK_TOOLS && p->no_thinking)
			wire_lit(w, p->no_thinking);
	} else if (c->output_schema && p->schema) {
		wire_lit(w, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\","
			    "\"strict\":false,\"schema\":");
		wire_json(w, c->output_schema);
		wire_lit(w, "}}");
	}
	wire_lit(w, ",\"messages\":[");
	if (encode_messages(w, c, e))
		return -1;
	wire_lit(w, "]}");
	return wire_check(w, e);
}

/* ---- stream ---- */

static void take_usage(struct decoder *d, const json_t *u)
{
	const json_t *in = json_get(u, "prompt_tokens_details");
	struct llm_usage *to = &d->usage;
	int64_t total = decoder_tokens(u, "total_tokens", 0);

	if (!json_is_integer(json_get(u, "prompt_tokens")))
		return;
	d->usage_told = true;
	to->input = decoder_tokens(u, "prompt_tokens", 0);
	to->output = decoder_tokens(u, "completion_tokens", 0);
	/* Some count thinking only in the total; it is billed as output. */
	if (total - to->input > to->output)
		to->output = total - to->input;
	to->cached = decoder_tokens(in, "cached_tokens", decoder_tokens(u, "prompt_cache_hit_tokens", 0));
	to->cache_write = decoder_tokens(in, "cache_write_tokens", 0);
}

static int take_arguments(struct decoder *d, struct draft *t, const json_t *args, struct err *e)
{
	char *text;
	int rc;

	if (json_is_string(args))
		return decoder_add_arguments(d, t, span_n(json_string_value(args), json_string_length(args)), e);
	if (!json_is_object(args))
		return 0;
	text = json_text(args);
	rc = text ? decoder_add_arguments(d, t, span_of(text), e) : err_nomem(e);
	mem_free(text);
	return rc;
}

static int take_call(struct decoder *d, const json_t *v, struct err *e)
{
	const json_t *f = json_get(v, "function");
	struct span name = json_span(f, "name");
	bool indexed = json_is_integer(json_get(v, "index"));
	struct draft *t = NULL;

	/* Without an index a piece with a name begins a call and one without goes on with the last. */
	if (indexed)
		t = decoder_find(d, (long)json_int(v, "index", 0));
	else if (!name.n && d->draft_count)
		t = &d->drafts[d->draft_count - 1];
	if (!t) {
		if (!name.n)
			return decoder_bad(e, "a piece of a tool call that never began");
		t = decoder_draft(d, indexed ? (long)json_int(v, "index", 0) : -1 - (long)d->draft_count, name, e);
		if (!t)
			return -1;
	}
	return take_arguments(d, t, json_get(f, "arguments"), e);
}

static void take_reason(struct decoder *d, struct span reason)
{
	if (span_is(reason, "length"))
		d->stop = LLM_STOP_LENGTH;
	else if (span_is(reason, "content_filter"))
		d->stop = LLM_STOP_REFUSAL;
	else
		d->stop = d->draft_count ? LLM_STOP_TOOLS : LLM_STOP_END; /* "stop" and "tool_calls" are mixed up */
	d->state = STREAM_STOPPED;
}

static int take_choice(struct decoder *d, const json_t *choice, struct err *e)
{
	const json_t *delta = json_get(choice, "delta"), *call, *calls = json_get(delta, "tool_calls");
	struct span reason = json_span(choice, "finish_reason");
	size_t i;

	if (d->state == STREAM_STOPPED) {
		if (json_span(delta, "content").n || json_array_size(calls))
			return decoder_bad(e, "more of the answer after its finish_reason");
		return 0;
	}
	if (decoder_add_text(d, json_span(delta, "content"), e) || decoder_add_text(d, json_span(delta, "refusal"), e))
		return -1;
	json_array_foreach(calls, i, call)
	{
		if (take_call(d, call, e))
			return -1;
	}
	if (reason.n)
		take_reason(d, reason);
	return 0;
}

static int event(struct decoder *d, struct span name, struct span data, struct err *e)
{
	cleanup_json json_t *v = NULL;
	const json_t *choices, *error;

	if (decoder_done(d))
		return 0;
	if (span_is(span_trim(data), "[DONE]")) {
		if (d->state != STREAM_STOPPED)
			return decoder_bad(e, "[DONE] without a finish_reason");
		d->state = STREAM_ENDED;
		return 0;
	}
	v = decoder_json(data, "chunk", e);
	if (!v)
		return -1;
	error = json_get(v, "error");
	if ((error && !json_is_null(error)) || span_is(name, "error"))
		return problem_from_event(e, v);
	if (!json_is_object(v))
		return decoder_bad(e, "a chunk is no object");
	if (d->state == STREAM_START)
		d->state = STREAM_OPEN;
	decoder_model(d, json_str(v, "model"));
	take_usage(d, json_get(v, "usage"));
	choices = json_get(v, "choices");
	if (json_int(json_array_get(choices, 0), "index", 0) != 0)
		return 0;
	return json_array_size(choices) ? take_choice(d, json_array_get(choices, 0), e) : 0;
}

const struct dialect dialect_openai = {
	.name = "openai",
	.wire = LLM_WIRE_OPENAI,
	.profiles = profiles,
	.path = "/chat/completions",
	.headers = bearer_header,
	.encode = encode,
	.encode_tool = encode_tool,
	.event = event,
};
