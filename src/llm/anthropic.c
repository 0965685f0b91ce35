/* anthropic: the Messages API, streaming (platform.claude.com/docs/en/api/messages and build-with-claude/streaming).
 *
 * Request: system, tools and the last two user turns end in cache breakpoints, so that each request reads what the one
 * before it wrote. A message's stored bytes are its content blocks without the message around them, because the results
 * of parallel tool calls must stand in one user message; the breakpoint goes in before the last block's closing brace.
 * Thinking is neither configured nor sent back: its blocks are bound to a prefix that our request tails change.
 *
 * Stream: message_start, then for each block content_block_start, _delta…, _stop, then message_delta (stop_reason,
 * usage) and message_stop; ping and unknown events anywhere; error instead of the rest. Thinking and unknown blocks are
 * skipped. Wrong order is a malformed answer. */
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "llm/dialect.h"
#include "llm/prices.h"
#include "llm/problem.h"

#define VERSION "2023-06-01"
#define CACHE_MARK ",\"cache_control\":{\"type\":\"ephemeral\"}"
#define NOTHING "(empty)" /* the API refuses empty text blocks */

static const struct profile profiles[] = {
	{.name = "anthropic", .max_tokens = "max_tokens", .done_marker = true, .needs_max_tokens = true},
	{0},
};

/* ---- request ---- */

static int headers(struct wire *w, const char *key, struct http_header *out, int max)
{
	(void)w;
	BUG_ON(max < 2);
	out[0] = (struct http_header){"anthropic-version", VERSION};
	if (!key)
		return 1;
	out[1] = (struct http_header){"x-api-key", key};
	return 2;
}

static void encode_tool(const json_t *tool, struct buf *out)
{
	encode_offer(out, tool, "input_schema");
}

static void encode_text_block(struct buf *out, struct span text)
{
	buf_adds(out, "{\"type\":\"text\",\"text\":");
	encode_text(out, span_trim(text).n ? text : span_of(NOTHING));
	buf_addc(out, '}');
}

/* The content blocks of a message, joined by commas. */
static int encode_blocks(const struct llm_message *m, struct buf *out)
{
	struct span text = span_n(m->text, m->text_len);

	if (m->role == LLM_TOOL) {
		buf_adds(out, "{\"type\":\"tool_result\",\"tool_use_id\":");
		encode_id(out, m->call_id);
		if (strcmp(m->status, "ok") != 0)
			buf_adds(out, ",\"is_error\":true");
		buf_adds(out, ",\"content\":");
		encode_text(out, text);
		buf_addc(out, '}');
		return 0;
	}
	if (span_trim(text).n || !m->call_count)
		encode_text_block(out, text);
	for (size_t i = 0; i < m->call_count; i++) {
		if (out->len)
			buf_addc(out, ',');
		buf_adds(out, "{\"type\":\"tool_use\",\"id\":");
		encode_id(out, m->calls[i].id);
		buf_adds(out, ",\"name\":");
		encode_text(out, span_of(m->calls[i].name));
		buf_adds(out, ",\"input\":");
		encode_arguments(out, &m->calls[i]);
		buf_addc(out, '}');
	}
	return 0;
}

/* Messages order[from..to) as one turn; `mark` puts a cache breakpoint on its last block. */
static int encode_turn(struct wire *w, struct llm_message *const *messages, const size_t *order, size_t from, size_t to,
	bool mark, struct err *e)
{
	wire_lit(w, messages[order[from]]->role == LLM_ASSISTANT ? "{\"role\":\"assistant\",\"content\":["
								 : "{\"role\":\"user\",\"content\":[");
	for (size_t i = from; i < to; i++) {
		struct span blocks = message_wire(messages[order[i]], LLM_WIRE_ANTHROPIC, encode_blocks, e);
		if (!blocks.n)
			return -1;
		if (i > from)
			wire_lit(w, ",");
		if (mark && i == to - 1) {
			wire_add(w, span_n(blocks.p, blocks.n - 1));
			wire_lit(w, CACHE_MARK "}");
		} else {
			wire_add(w, blocks);
		}
	}
	wire_lit(w, "]}");
	return 0;
}

static int encode_messages(struct wire *w, const struct llm_call *c, struct err *e)
{
	size_t n = c->message_count, users = 0, seen = 0;
	size_t *order = arena_alloc(&w->arena, (n + 1) * sizeof *order);

	if (!order)
		return err_nomem(e);
	wire_order(c->messages, n, order);
	for (size_t i = 0; i < n; i = wire_turn(c->messages, order, n, i))
		users += c->messages[order[i]]->role != LLM_ASSISTANT;
	for (size_t i = 0, to; i < n; i = to) {
		const struct llm_message *m = c->messages[order[i]];
		to = wire_turn(c->messages, order, n, i);
		seen += m->role != LLM_ASSISTANT;
		if (i)
			wire_lit(w, ",");
		if (encode_turn(w, c->messages, order, i, to, m->role != LLM_ASSISTANT && seen + 2 > users, e))
			return -1;
	}
	return 0;
}

static int encode(struct wire *w, const struct llm_call *c, const char *model, const struct profile *p, unsigned flags,
	struct span tools, struct err *e)
{
	wire_lit(w, "{\"model\":");
	wire_text(w, span_of(model));
	wire_printf(w, ",\"max_tokens\":%d,\"stream\":true", wire_max_tokens(c, p));
	if (c->temperature >= 0 && flags & TEMPERATURE)
		wire_printf(w, ",\"temperature\":%.6g", c->temperature > 1 ? 1 : c->temperature);
	if (c->system.n) {
		wire_lit(w, ",\"system\":[{\"type\":\"text\",\"text\":");
		wire_text(w, c->system);
		wire_lit(w, CACHE_MARK "}]");
	}
	if (tools.n) {
		wire_lit(w, ",\"tools\":[");
		wire_add(w, tools);
		wire_lit(w, "]");
	}
	wire_lit(w, ",\"messages\":[");
	if (encode_messages(w, c, e))
		return -1;
	wire_lit(w, "]}");
	return wire_check(w, e);
}

/* ---- stream ---- */

enum { BLOCK_TEXT = -1, BLOCK_OTHER = -2, BLOCK_CLOSED = -3 }; /* ≥ 0: the draft's number */

static void take_usage(struct decoder *d, const json_t *u)
{
	struct llm_usage *to = &d->usage;

	if (!json_is_object(u))
		return;
	d->usage_told = true;
	/* Both events count from the beginning; what one does not name keeps the other's figure. */
	to->cached = decoder_tokens(u, "cache_read_input_tokens", to->cached);
	to->cache_write = decoder_tokens(u, "cache_creation_input_tokens", to->cache_write);
	if (json_is_integer(json_get(u, "input_tokens")))
		to->input = decoder_tokens(u, "input_tokens", 0) + to->cached + to->cache_write;
	to->output = decoder_tokens(u, "output_tokens", to->output);
}

static int on_message_start(struct decoder *d, const json_t *v, struct err *e)
{
	const json_t *m = json_get(v, "message");
	const char *model = json_str(m, "model");

	if (d->state != STREAM_START)
		return decoder_bad(e, "a second message_start");
	snprintf(d->model, sizeof d->model, "%s", model ? model : "");
	take_usage(d, json_get(m, "usage"));
	d->state = STREAM_OPEN;
	return 0;
}

static int add_block(struct decoder *d, int what, struct err *e)
{
	if (d->block_count == DECODER_BLOCKS)
		return err_set(e, ERR_TOO_LARGE, "the model's answer has more than the allowed %d content blocks",
			DECODER_BLOCKS);
	if (d->block_count == d->block_room) {
		size_t room = d->block_room ? d->block_room * 2 : 8;
		int *more = mem_realloc(d->blocks, room * sizeof *more);
		if (!more)
			return err_nomem(e);
		d->blocks = more;
		d->block_room = room;
	}
	d->blocks[d->block_count++] = what;
	return 0;
}

static int on_block_start(struct decoder *d, const json_t *v, struct err *e)
{
	const json_t *block = json_get(v, "content_block"), *input = json_get(block, "input");
	struct span type = json_span(block, "type");
	struct draft *t;

	if (json_int(v, "index", -1) != (int64_t)d->block_count || !type.n)
		return decoder_bad(e, "content_block_start out of order");
	if (span_is(type, "text"))
		return add_block(d, BLOCK_TEXT, e) || decoder_add_text(d, json_span(block, "text"), e) ? -1 : 0;
	if (!span_is(type, "tool_use"))
		return add_block(d, BLOCK_OTHER, e);
	if (!json_span(block, "name").n)
		return decoder_bad(e, "a tool call has no name");
	t = decoder_draft(d, (long)d->block_count, json_span(block, "name"), e);
	if (!t || add_block(d, (int)d->draft_count - 1, e))
		return -1;
	if (json_object_size(input)) { /* servers that do not stream arguments */
		char *text = json_text(input);
		int rc = text ? decoder_add_arguments(d, t, span_of(text), e) : err_nomem(e);
		mem_free(text);
		return rc;
	}
	return 0;
}

/* The open block an event speaks of, or NULL. */
static int *open_block(struct decoder *d, const json_t *v)
{
	int64_t i = json_int(v, "index", -1);

	return i >= 0 && (size_t)i < d->block_count && d->blocks[i] != BLOCK_CLOSED ? &d->blocks[i] : NULL;
}

static int on_block_delta(struct decoder *d, const json_t *v, struct err *e)
{
	const json_t *delta = json_get(v, "delta");
	struct span type = json_span(delta, "type");
	int *block = open_block(d, v);

	if (!block)
		return decoder_bad(e, "content_block_delta for a block that is not open");
	if (span_is(type, "text_delta")) {
		if (*block != BLOCK_TEXT)
			return decoder_bad(e, "text in a block that is none");
		return decoder_add_text(d, json_span(delta, "text"), e);
	}
	if (span_is(type, "input_json_delta")) {
		if (*block == BLOCK_OTHER) /* a tool of the server's own */
			return 0;
		if (*block < 0)
			return decoder_bad(e, "arguments in a block that is no tool call");
		return decoder_add_arguments(d, &d->drafts[*block], json_span(delta, "partial_json"), e);
	}
	return 0; /* thinking, signatures, citations, and what comes later */
}

static int on_block_stop(struct decoder *d, const json_t *v, struct err *e)
{
	int *block = open_block(d, v);

	if (!block)
		return decoder_bad(e, "content_block_stop for a block that is not open");
	*block = BLOCK_CLOSED;
	return 0;
}

static int on_message_delta(struct decoder *d, const json_t *v, struct err *e)
{
	struct span reason = json_span(json_get(v, "delta"), "stop_reason");

	(void)e;
	take_usage(d, json_get(v, "usage"));
	if (!reason.n)
		return 0;
	if (span_is(reason, "max_tokens") || span_is(reason, "model_context_window_exceeded"))
		d->stop = LLM_STOP_LENGTH;
	else if (span_is(reason, "refusal"))
		d->stop = LLM_STOP_REFUSAL;
	else if (span_is(reason, "tool_use"))
		d->stop = LLM_STOP_TOOLS;
	else
		d->stop = LLM_STOP_END;
	d->state = STREAM_STOPPED;
	return 0;
}

static int on_message_stop(struct decoder *d, const json_t *v, struct err *e)
{
	(void)v;
	if (d->state != STREAM_STOPPED)
		return decoder_bad(e, "message_stop without a stop reason");
	for (size_t i = 0; i < d->block_count; i++)
		if (d->blocks[i] != BLOCK_CLOSED)
			return decoder_bad(e, "message_stop while a content block is open");
	d->state = STREAM_ENDED;
	return 0;
}

static const struct {
	const char *type;
	int (*on)(struct decoder *d, const json_t *v, struct err *e);
	bool started; /* only between message_start and message_stop */
} events[] = {
	{"message_start", on_message_start, false},
	{"content_block_start", on_block_start, true},
	{"content_block_delta", on_block_delta, true},
	{"content_block_stop", on_block_stop, true},
	{"message_delta", on_message_delta, true},
	{"message_stop", on_message_stop, true},
};

static int event(struct decoder *d, struct span name, struct span data, struct err *e)
{
	cleanup_json json_t *v = NULL;
	struct span type;

	(void)name; /* the data says it too */
	if (decoder_done(d))
		return 0;
	v = decoder_json(data, "event", e);
	if (!v)
		return -1;
	type = json_span(v, "type");
	if (span_is(type, "error"))
		return problem_from_event(e, v);
	for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
		if (!span_is(type, events[i].type))
			continue;
		if (events[i].started && d->state == STREAM_START)
			return decoder_bad(e, "%s before message_start", events[i].type);
		return events[i].on(d, v, e);
	}
	return type.n ? 0 : decoder_bad(e, "an event without a type"); /* ping, and what comes later */
}

const struct dialect dialect_anthropic = {
	.name = "anthropic",
	.wire = LLM_WIRE_ANTHROPIC,
	.profiles = profiles,
	.path = "/v1/messages",
	.headers = headers,
	.encode = encode,
	.encode_tool = encode_tool,
	.event = event,
};
