/* decoder: what the dialects' decoders share: gathering text and tool calls under one cap, and making calls of them at
 * the end. */
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "llm/dialect.h"
#include "llm/problem.h"

#define TOKENS_MOST INT64_C(1000000000000)

void decoder_init(struct decoder *d, const struct dialect *dialect, const struct profile *p)
{
	*d = (struct decoder){.dialect = dialect, .profile = p};
	buf_init(&d->text, CAP_MODEL_REPLY);
}

void decoder_release(struct decoder *d)
{
	for (size_t i = 0; i < d->draft_count; i++) {
		mem_free(d->drafts[i].name);
		buf_release(&d->drafts[i].args);
	}
	mem_free(d->drafts);
	mem_free(d->blocks);
	buf_release(&d->text);
	*d = (struct decoder){0};
}

bool decoder_done(const struct decoder *d)
{
	return d->state == STREAM_ENDED;
}

int decoder_bad(struct err *e, const char *fmt, ...)
{
	struct buf shown = BUF_INIT(8 * KIB);
	struct err said = ERR_INIT;
	va_list ap;

	va_start(ap, fmt);
	err_setv(&said, ERR_MODEL_REPLY, fmt, ap);
	va_end(ap);
	problem_show(span_of(said.text), &shown); /* a parser's words hold some of what it read */
	err_set(e, ERR_MODEL_REPLY, "the model's answer is malformed: %s", shown.data ? shown.data : "");
	buf_release(&shown);
	return -1;
}

json_t *decoder_json(struct span data, const char *what, struct err *e)
{
	struct err why = ERR_INIT;
	json_t *v = json_parse(data, what, &why);

	if (!v && why.code == ERR_NOMEM)
		err_nomem(e);
	else if (!v)
		decoder_bad(e, "%.200s", why.text);
	return v;
}

void decoder_model(struct decoder *d, const char *name)
{
	if (name && *name)
		snprintf(d->model, sizeof d->model, "%s", name);
}

int64_t decoder_tokens(const json_t *obj, const char *key, int64_t otherwise)
{
	int64_t n = json_int(obj, key, otherwise);

	return n < 0 ? 0 : n > TOKENS_MOST ? TOKENS_MOST : n;
}

int decoder_finish(struct decoder *d, struct err *e)
{
	if (decoder_done(d))
		return 0;
	if (d->state == STREAM_STOPPED && !d->profile->done_marker) {
		d->state = STREAM_ENDED;
		return 0;
	}
	if (d->state == STREAM_START)
		return err_set(e, ERR_MODEL_REPLY, "the model's answer is empty");
	return err_set(e, ERR_MODEL_REPLY, "the model's answer was cut off: its end marker never came");
}

static int grow(struct decoder *d, size_t n, struct err *e)
{
	d->bytes += n;
	if (d->bytes > CAP_MODEL_REPLY)
		return err_set(
			e, ERR_TOO_LARGE, "the model's answer is longer than the allowed %lu bytes", CAP_MODEL_REPLY);
	return 0;
}

int decoder_add_text(struct decoder *d, struct span piece, struct err *e)
{
	if (!piece.n)
		return 0;
	if (grow(d, piece.n, e))
		return -1;
	buf_addspan(&d->text, piece);
	if (buf_check(&d->text, "the model's answer", e))
		return -1;
	if (d->on_text)
		d->on_text(d->ctx, piece);
	return 0;
}

struct draft *decoder_find(struct decoder *d, long index)
{
	for (size_t i = 0; i < d->draft_count; i++)
		if (d->drafts[i].index == index)
			return &d->drafts[i];
	return NULL;
}

struct draft *decoder_draft(struct decoder *d, long index, struct span name, struct err *e)
{
	struct draft *t;

	if (d->draft_count == CAP_MODEL_TOOL_CALLS) {
		err_set(e, ERR_TOO_LARGE, "the model's answer has more than the allowed %d tool calls",
			CAP_MODEL_TOOL_CALLS);
		return NULL;
	}
	if (d->draft_count == d->draft_room) {
		size_t room = d->draft_room ? d->draft_room * 2 : 4;
		t = mem_realloc(d->drafts, room * sizeof *t);
		if (!t) {
			err_nomem(e);
			return NULL;
		}
		d->drafts = t;
		d->draft_room = room;
	}
	t = &d->drafts[d->draft_count];
	*t = (struct draft){.index = index, .name = span_dup(name)};
	buf_init(&t->args, CAP_MODEL_REPLY);
	if (!t->name) {
		err_nomem(e);
		return NULL;
	}
	d->draft_count++;
	return grow(d, name.n, e) ? NULL : t;
}

int decoder_add_arguments(struct decoder *d, struct draft *t, struct span piece, struct err *e)
{
	if (!piece.n)
		return 0;
	if (grow(d, piece.n, e))
		return -1;
	buf_addspan(&t->args, piece);
	if (buf_check(&t->args, "the model's answer", e))
		return -1;
	if (d->on_arguments)
		d->on_arguments(d->ctx, (int)(t - d->drafts), t->name, piece);
	return 0;
}

int decode_arguments(struct llm_tool_call *call, struct span raw, struct err *e)
{
	struct err why = ERR_INIT;

	raw = span_trim(raw);
	call->arguments = raw.n ? json_parse(raw, "arguments", &why) : json_object();
	if (why.code == ERR_NOMEM)
		return err_nomem(e);
	if (raw.n && !json_is_object(call->arguments)) {
		json_decref(call->arguments);
		call->arguments = NULL;
		call->bad = span_dup(raw);
	}
	return call->arguments || call->bad ? 0 : err_nomem(e);
}

static int make_call(struct llm_tool_call *call, struct draft *t, int turn, size_t n, struct err *e)
{
	call->id = mem_printf("c%d_%zu", turn, n);
	call->name = steal(&t->name);
	return call->id ? decode_arguments(call, buf_span(&t->args), e) : err_nomem(e);
}

int decoder_calls(struct decoder *d, int turn, struct llm_tool_call **calls, size_t *count, struct err *e)
{
	struct llm_tool_call *list;

	*calls = NULL;
	*count = 0;
	if (d->stop == LLM_STOP_LENGTH || d->draft_count == 0)
		return 0;
	list = mem_calloc(d->draft_count, sizeof *list);
	if (!list)
		return err_nomem(e);
	for (size_t i = 0; i < d->draft_count; i++) {
		if (!d->drafts[i].name[0]) {
			llm_tool_calls_free(list, d->draft_count);
			return decoder_bad(e, "a tool call has no name");
		}
		if (make_call(&list[i], &d->drafts[i], turn, i, e)) {
			llm_tool_calls_free(list, d->draft_count);
			return -1;
		}
	}
	*calls = list;
	*count = d->draft_count;
	return 0;
}
