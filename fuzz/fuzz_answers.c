/* What a model's endpoint may send, from the status line on, over a real connection: the first byte chooses the dialect
 * and whether a reset ends it, the second the size of the pieces. Whatever comes, the call ends once; a failed one
 * leaves no text and no part of a tool call, says why in words that can be shown, and asks for no absurd pause; and the
 * pieces do not matter. */
#include <stdint.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "llm/dialect.h"
#include "llm/llm.h"
#include "loopback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct asked {
	struct llm_call call;
	struct buf told;
	int dones;
	struct err why;
};

static struct loop *loop;
static struct loopback server;

static void on_text(struct llm_call *c, struct span text)
{
	struct asked *a = c->ctx;

	BUG_ON(a->dones);
	buf_addspan(&a->told, text);
}

static void on_done(struct llm_call *c, const struct err *why)
{
	struct asked *a = c->ctx;

	a->dones++;
	a->why = *why;
}

static struct llm *open_llm(const char *kind, const char *profile)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *config = json_make(&e, "{s:{s:{s:s, s:s, s:s, s:s}}}", "providers", "peer", "kind", kind,
		"base_url", server.url, "key", "sk-canary-4711", "profile", profile);
	struct llm_options o = {.loop = loop, .config = config};
	struct llm *l = config ? llm_new(&o, &e) : NULL;

	if (!l)
		BUG("%s", e.text);
	return l;
}

static void check(const struct asked *a)
{
	const struct llm_call *c = &a->call;

	BUG_ON(c->retry_ms < -1 || c->retry_ms > 86400000);
	if (a->why.code != ERR_OK) {
		BUG_ON(c->text || c->calls || c->call_count || !a->why.text[0]);
		BUG_ON(!utf8_valid(span_of(a->why.text)) || strstr(a->why.text, "sk-canary-4711"));
		BUG_ON(a->why.code == ERR_TIMEOUT && c->status != 408 && strstr(a->why.text, "was not done"));
		return;
	}
	BUG_ON(!span_eq(buf_span(&a->told), span_n(c->text, c->text_len)));
	BUG_ON(c->call_count && c->stop == LLM_STOP_LENGTH);
	BUG_ON(c->usage.input < 0 || c->usage.output < 0 || c->usage.cached < 0 || c->usage.cache_write < 0);
	for (size_t i = 0; i < c->call_count; i++)
		BUG_ON((c->calls[i].arguments == NULL) == (c->calls[i].bad == NULL));
}

static void ask(struct asked *a, const char *kind, const char *profile)
{
	struct err e = ERR_INIT;
	struct llm *l = open_llm(kind, profile);
	struct llm_message *m = llm_message_text(LLM_USER, span_of("go"), &e);
	struct llm_model model;

	if (!m || llm_resolve(l, "peer:m", &model, 1, &e) != 1)
		BUG("%s", e.text);
	buf_init(&a->told, CAP_MODEL_REPLY);
	a->call = (struct llm_call){.model = &model,
		.messages = &m,
		.message_count = 1,
		.temperature = -1,
		.total_ms = 20000,
		.on_text = on_text,
		.on_done = on_done,
		.ctx = a};
	if (llm_call_start(&a->call, l, &e))
		BUG("%s", e.text);
	while (!a->dones)
		loop_turn(loop, -1);
	BUG_ON(a->dones != 1);
	check(a);
	llm_message_unref(m);
	llm_free(l);
}

static void asked_release(struct asked *a)
{
	llm_call_release(&a->call);
	buf_release(&a->told);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct asked whole = {0}, cut = {0};
	const char *kind, *profile;
	struct err e = ERR_INIT;
	struct span bytes;

	if (!loop) {
		json_setup();
		loop = crypt_setup(&e) ? NULL : loop_new(&e);
		if (!loop)
			BUG("%s", e.text);
		loopback_open(&server, loop, NULL);
	}
	if (size < 2)
		return 0;
	if (data[0] & 0x61) {
		kind = profile = data[0] & 1 ? "anthropic" : data[0] & 0x40 ? "openai-responses" : "gemini";
	} else {
		kind = data[0] & 2 ? "openai" : "compatible";
		profile = dialect_openai.profiles[data[0] / 4 % 8].name;
	}
	bytes = span_n((const char *)data + 2, size - 2);
	loopback_answer(&server, bytes, bytes.n, false);
	ask(&whole, kind, profile);
	loopback_answer(&server, bytes, data[1] % 64 + 1u, data[0] & 0x80);
	ask(&cut, kind, profile);
	if (!server.reset && loopback_alike(bytes)) { /* a reset takes away what was not read yet */
		/* Of two things that are wrong with it the pieces decide which is met first. */
		if ((whole.why.code == ERR_OK) != (cut.why.code == ERR_OK))
			BUG("cut differently, read differently: %s, %s", whole.why.text, cut.why.text);
		BUG_ON(whole.call.text_len != cut.call.text_len || whole.call.call_count != cut.call.call_count);
		BUG_ON(whole.call.status != cut.call.status);
		BUG_ON(whole.why.code == ERR_OK && whole.call.usage.output != cut.call.usage.output);
	}
	loopback_hang_up(&server);
	asked_release(&whole);
	asked_release(&cut);
	return 0;
}
