/* messages: making, sharing and freeing the messages of a conversation. Texts are made valid UTF-8 here, once, because
 * every wire format demands it. */
#include <stdatomic.h>

#include "base/blob.h"
#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "llm/llm.h"

#define MESSAGE_OVERHEAD 8 /* tokens a provider spends on a message's frame */

void llm_tool_calls_free(struct llm_tool_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		mem_free(calls[i].id);
		mem_free(calls[i].name);
		json_decref(calls[i].arguments);
		mem_free(calls[i].bad);
		mem_free(calls[i].text);
	}
	mem_free(calls);
}

const char *llm_call_text(const struct llm_tool_call *call)
{
	return call->text ? call->text : call->bad ? call->bad : "";
}

static char *clean_text(struct span text, size_t *len, struct err *e)
{
	struct buf b;
	char *s;

	if (!text.n || utf8_valid(text)) {
		s = mem_strndup(text.n ? text.p : "", text.n);
		*len = text.n;
	} else {
		buf_init(&b, text.n * 3);
		utf8_clean(text, &b);
		*len = b.len;
		s = buf_take(&b);
	}
	if (!s)
		err_nomem(e);
	return s;
}

static unsigned estimate(const struct llm_message *m)
{
	int64_t n = MESSAGE_OVERHEAD + llm_estimate(span_n(m->text, m->text_len));

	for (size_t i = 0; i < m->call_count; i++)
		n += MESSAGE_OVERHEAD + llm_estimate(span_of(m->calls[i].name)) +
		     llm_estimate(span_of(llm_call_text(&m->calls[i])));
	return n > UINT32_MAX ? UINT32_MAX : (unsigned)n;
}

static struct llm_message *message_new(enum llm_role role, struct span text, struct err *e)
{
	struct llm_message *m = MEM_NEW(struct llm_message);

	if (!m) {
		err_nomem(e);
		return NULL;
	}
	m->refs = 1;
	m->role = role;
	m->text = clean_text(text, &m->text_len, e);
	if (!m->text) {
		llm_message_unref(m);
		return NULL;
	}
	return m;
}

struct llm_message *llm_message_text(enum llm_role role, struct span text, struct err *e)
{
	struct llm_message *m = message_new(role, text, e);

	if (m)
		m->tokens = estimate(m);
	return m;
}

static int keep_as_text(struct llm_tool_call *call, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_JSON_TEXT);

	json_print(call->arguments, &text);
	call->text = text.failed ? NULL : mem_strndup(text.data, text.len); /* no longer than need be */
	json_decref(steal(&call->arguments));
	return call->text ? 0 : err_nomem(e);
}

struct llm_message *llm_message_calls(struct span text, struct llm_tool_call *calls, size_t count, struct err *e)
{
	struct llm_message *m = message_new(LLM_ASSISTANT, text, e);

	if (!m) {
		llm_tool_calls_free(calls, count);
		return NULL;
	}
	m->calls = calls;
	m->call_count = count;
	for (size_t i = 0; i < count; i++)
		if (calls[i].arguments && keep_as_text(&calls[i], e)) {
			llm_message_unref(m);
			return NULL;
		}
	m->tokens = estimate(m);
	return m;
}

struct llm_message *llm_message_result(
	const char *call_id, const char *name, const char *status, struct span text, struct err *e)
{
	struct llm_message *m = message_new(LLM_TOOL, text, e);

	if (!m)
		return NULL;
	m->call_id = mem_strdup(call_id);
	m->name = mem_strdup(name);
	m->status = mem_strdup(status);
	if (!m->call_id || !m->name || !m->status) {
		err_nomem(e);
		llm_message_unref(m);
		return NULL;
	}
	m->tokens = estimate(m);
	return m;
}

struct llm_message *llm_message_ref(struct llm_message *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void llm_message_unref(struct llm_message *m)
{
	if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (int i = 0; i < LLM_WIRES; i++)
		blob_unref(m->encoded[i]);
	llm_tool_calls_free(m->calls, m->call_count);
	mem_free(m->text);
	mem_free(m->call_id);
	mem_free(m->name);
	mem_free(m->status);
	mem_free(m);
}
