/* call: the common frame of one model call; the provider's service does the work between start and call_end. Also the
 * cache of encoded tools. */
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "llm/private.h"

void call_reset(struct llm_call *c)
{
	c->text = NULL;
	c->text_len = 0;
	c->calls = NULL;
	c->call_count = 0;
	c->stop = LLM_STOP_END;
	c->usage = (struct llm_usage){0};
	c->answered_by[0] = 0;
	c->status = 0;
	c->retry_ms = -1;
	c->line = 0;
	c->took_ms = 0;
	c->priv = NULL;
}

void llm_call_release(struct llm_call *c)
{
	mem_free(steal(&c->text));
	llm_tool_calls_free(steal(&c->calls), c->call_count);
	c->call_count = 0;
	c->text_len = 0;
}

int llm_call_start(struct llm_call *c, struct llm *l, struct err *e)
{
	call_reset(c);
	if (!c->message_count)
		return err_set(e, ERR_INVALID, "a model call needs at least one message");
	if (call_target(c)->provider->service->start(c, l, e))
		return -1;
	l->calls++;
	return 0;
}

void llm_call_cancel(struct llm_call *c)
{
	if (c->priv)
		call_target(c)->provider->service->cancel(c);
}

void call_end(struct llm_call *c, struct llm *l, int64_t began_us, const struct err *why)
{
	l->calls--;
	c->priv = NULL;
	c->took_ms = (clock_mono(loop_clock(l->loop)) - began_us) / 1000;
	if (why->code != ERR_OK) {
		struct llm_usage told = c->usage;
		llm_call_release(c);
		c->usage = told;
	}
	c->on_done(c, why);
}

static void estimate(struct llm_call *c, const struct decoder *d)
{
	c->usage = (struct llm_usage){.estimated = true, .input = llm_estimate(c->system)};
	for (size_t i = 0; i < c->message_count; i++)
		c->usage.input += c->messages[i]->tokens;
	if (c->tools) {
		char *tools = json_text(c->tools);
		c->usage.input += llm_estimate(span_of(tools));
		mem_free(tools);
	}
	c->usage.output = llm_estimate(buf_span(&d->text));
	for (size_t i = 0; i < d->draft_count; i++)
		c->usage.output += llm_estimate(buf_span(&d->drafts[i].args));
}

int call_take(struct llm_call *c, struct decoder *d, struct err *e)
{
	c->stop = d->stop;
	if (d->usage_told)
		c->usage = d->usage;
	else
		estimate(c, d);
	snprintf(c->answered_by, sizeof c->answered_by, "%s", d->model);
	if (decoder_calls(d, c->turn, &c->calls, &c->call_count, e))
		return -1;
	c->text_len = d->text.len;
	c->text = buf_take(&d->text);
	return c->text ? 0 : err_nomem(e);
}

/* ---- tools ---- */

int encode_tools(const struct dialect *d, const json_t *tools, struct buf *out, struct err *e)
{
	const json_t *tool;
	size_t i;

	json_array_foreach(tools, i, tool)
	{
		if (!json_str(tool, "name") || !json_is_object(json_get(tool, "schema")))
			return err_set(e, ERR_INVALID, "a tool needs a name and a schema");
		if (i)
			buf_addc(out, ',');
		d->encode_tool(tool, out);
	}
	return 0;
}

const struct blob *llm_offer(struct llm *l, const json_t *tools, const struct dialect *dialect, struct err *e)
{
	struct offer *slot = &l->offers[0];
	struct buf b = BUF_INIT(CAP_REQUEST_BODY);
	struct blob *bytes = NULL;

	for (size_t i = 0; i < OFFER_CACHE; i++) {
		struct offer *o = &l->offers[i];
		if (o->tools == tools && o->wire == dialect->wire && o->bytes) {
			o->used = ++l->offer_clock;
			return o->bytes;
		}
		if (o->used < slot->used)
			slot = o;
	}
	if (!encode_tools(dialect, tools, &b, e) && !buf_check(&b, "the tools offered to a model", e)) {
		bytes = blob_new(b.data ? b.data : "", b.len);
		if (!bytes)
			err_nomem(e);
	}
	buf_release(&b);
	if (!bytes)
		return NULL;
	json_decref(slot->tools);
	blob_unref(slot->bytes);
	*slot = (struct offer){json_incref((json_t *)tools), dialect->wire, bytes, ++l->offer_clock};
	return bytes;
}
