/* wire: building requests out of pieces, and the encoding that all dialects share. Stored pieces (messages, tools) are
 * borrowed; only the small parts around them are made for each request. */
#include <stdio.h>
#include <string.h>

#include "base/blob.h"
#include "base/caps.h"
#include "base/mem.h"
#include "llm/dialect.h"
#include "llm/prices.h"

#define JOIN_MAX (16 * KIB)	/* what curl keeps for a body of several pieces */
#define DEFAULT_MAX_TOKENS 8192 /* where one must be given and nothing is known */

void wire_init(struct wire *w)
{
	*w = (struct wire){0};
	arena_init(&w->arena, CAP_REQUEST_BODY * 2);
}

void wire_release(struct wire *w)
{
	arena_release(&w->arena);
	mem_free(w->pieces);
	mem_free(w->joined);
	*w = (struct wire){0};
}

void wire_add(struct wire *w, struct span borrowed)
{
	if (w->failed || !borrowed.n)
		return;
	if (w->count == w->room) {
		size_t room = w->room ? w->room * 2 : 64;
		struct span *more = mem_realloc(w->pieces, room * sizeof *more);
		if (!more) {
			w->failed = true;
			return;
		}
		w->pieces = more;
		w->room = room;
	}
	w->pieces[w->count++] = borrowed;
	w->bytes += borrowed.n;
}

void wire_lit(struct wire *w, const char *literal)
{
	wire_add(w, span_of(literal));
}

void wire_copy(struct wire *w, struct span bytes)
{
	char *copy = arena_dup(&w->arena, bytes);

	if (!copy)
		w->failed = true;
	else
		wire_add(w, span_n(copy, bytes.n));
}

/* Copy a buffer into the wire and free it. */
static void wire_take(struct wire *w, struct buf *b)
{
	if (b->failed)
		w->failed = true;
	else
		wire_copy(w, buf_span(b));
	buf_release(b);
}

void wire_printf(struct wire *w, const char *fmt, ...)
{
	struct buf b = BUF_INIT(64 * KIB);
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	wire_take(w, &b);
}

void wire_text(struct wire *w, struct span text)
{
	struct buf b = BUF_INIT(CAP_REQUEST_BODY);

	encode_text(&b, text);
	wire_take(w, &b);
}

void wire_json(struct wire *w, const json_t *v)
{
	struct buf b = BUF_INIT(CAP_REQUEST_BODY);

	json_print(v, &b);
	wire_take(w, &b);
}

int wire_check(const struct wire *w, struct err *e)
{
	if (w->bytes > CAP_REQUEST_BODY)
		return err_set(e, ERR_TOO_LARGE, "the request to the model has %zu bytes, more than the allowed %lu",
			w->bytes, CAP_REQUEST_BODY);
	return w->failed ? err_nomem(e) : 0;
}

void wire_join(struct wire *w)
{
	struct span *one;
	char *to;

	if (w->failed || w->joined || !w->count || w->bytes > JOIN_MAX)
		return;
	to = w->joined = mem_alloc(w->bytes);
	if (!to) {
		w->failed = true;
		return;
	}
	for (size_t i = 0; i < w->count; i++) {
		memcpy(to, w->pieces[i].p, w->pieces[i].n);
		to += w->pieces[i].n;
	}
	arena_release(&w->arena);
	w->pieces[0] = span_n(w->joined, w->bytes);
	w->count = 1;
	one = mem_realloc(w->pieces, sizeof *one);
	if (one) {
		w->pieces = one;
		w->room = 1;
	}
}

/* ---- encoding ---- */

int bearer_header(struct wire *w, const char *key, struct http_header *out, int max)
{
	struct buf b = BUF_INIT(64 * KIB);
	char *value;

	BUG_ON(max < 1);
	if (!key)
		return 0;
	buf_addf(&b, "Bearer %s", key);
	value = b.failed ? NULL : arena_dup(&w->arena, buf_span(&b));
	buf_release(&b);
	if (!value) {
		w->failed = true;
		return 0;
	}
	out[0] = (struct http_header){"authorization", value};
	return 1;
}

void encode_text(struct buf *out, struct span text)
{
	buf_addc(out, '"');
	buf_add_json(out, text);
	buf_addc(out, '"');
}

void encode_id(struct buf *out, const char *id)
{
	buf_addc(out, '"');
	for (; *id; id++) {
		bool plain = (*id >= '0' && *id <= '9') || (*id >= 'a' && *id <= 'z') || (*id >= 'A' && *id <= 'Z') ||
			     *id == '-';
		buf_addc(out, plain ? *id : '_');
	}
	buf_addc(out, '"');
}

void encode_arguments(struct buf *out, const struct llm_tool_call *call)
{
	if (call->text) {
		buf_adds(out, call->text);
		return;
	}
	buf_adds(out, "{\"invalid_json\":");
	encode_text(out, span_of(llm_call_text(call)));
	buf_addc(out, '}');
}

void encode_offer(struct buf *out, const json_t *tool, const char *schema)
{
	buf_adds(out, "{\"name\":");
	encode_text(out, json_span(tool, "name"));
	buf_adds(out, ",\"description\":");
	encode_text(out, json_span(tool, "description"));
	buf_addf(out, ",\"%s\":", schema);
	json_print(json_get(tool, "schema"), out);
	buf_addc(out, '}');
}

void encode_arguments_text(struct buf *out, const struct llm_tool_call *call)
{
	struct buf args = BUF_INIT(out->cap);

	encode_arguments(&args, call);
	if (args.failed)
		out->failed = args.failed;
	encode_text(out, buf_span(&args));
	buf_release(&args);
}

struct span message_wire(struct llm_message *m, enum llm_wire wire,
	int (*encode)(const struct llm_message *m, struct buf *out), struct err *e)
{
	struct buf b = BUF_INIT(CAP_REQUEST_BODY);

	if (m->encoded[wire])
		return blob_span(m->encoded[wire]);
	if (encode(m, &b) || buf_check(&b, "a message to the model", e)) {
		buf_release(&b);
		return SPAN_NONE;
	}
	m->encoded[wire] = blob_new(b.data, b.len);
	buf_release(&b);
	if (!m->encoded[wire])
		err_nomem(e);
	return blob_span(m->encoded[wire]);
}

void wire_order(struct llm_message *const *messages, size_t count, size_t *order)
{
	size_t n = 0, i = 0;

	while (i < count) {
		size_t from = i;
		if (messages[i]->role == LLM_ASSISTANT) {
			order[n++] = i++;
			continue;
		}
		for (; i < count && messages[i]->role != LLM_ASSISTANT; i++)
			if (messages[i]->role == LLM_TOOL)
				order[n++] = i;
		for (size_t k = from; k < i; k++)
			if (messages[k]->role != LLM_TOOL)
				order[n++] = k;
	}
}

int wire_messages(struct wire *w, const struct llm_call *c, enum llm_wire wire,
	int (*encode)(const struct llm_message *m, struct buf *out), struct err *e)
{
	size_t *order = arena_alloc(&w->arena, (c->message_count + 1) * sizeof *order);

	if (!order)
		return err_nomem(e);
	wire_order(c->messages, c->message_count, order);
	for (size_t i = 0; i < c->message_count; i++) {
		struct span bytes = message_wire(c->messages[order[i]], wire, encode, e);
		if (!bytes.n)
			return -1;
		if (i)
			wire_lit(w, ",");
		wire_add(w, bytes);
	}
	return 0;
}

size_t wire_turn(struct llm_message *const *messages, const size_t *order, size_t count, size_t from)
{
	bool assistant = messages[order[from]]->role == LLM_ASSISTANT;
	size_t to = from + 1;

	while (to < count && (messages[order[to]]->role == LLM_ASSISTANT) == assistant)
		to++;
	return to;
}

int wire_max_tokens(const struct llm_call *c, const struct profile *p)
{
	int most = c->model->max_output, want = c->max_tokens;

	if (want <= 0)
		want = !p->needs_max_tokens ? 0 : most ? most : DEFAULT_MAX_TOKENS;
	return most && want > most ? most : want;
}

void wire_limits(struct wire *w, const struct llm_call *c, const struct profile *p, unsigned flags)
{
	int max_tokens = wire_max_tokens(c, p);

	if (max_tokens)
		wire_printf(w, ",\"%s\":%d", p->max_tokens, max_tokens);
	if (c->temperature >= 0 && flags & TEMPERATURE)
		wire_printf(w, ",\"temperature\":%.6g", c->temperature);
}

const struct profile *profile_named(const struct profile *list, const char *name)
{
	for (; list->name; list++)
		if (strcmp(list->name, name) == 0)
			return list;
	return NULL;
}
