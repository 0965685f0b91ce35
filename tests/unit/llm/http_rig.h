/* What the tests of model calls over a real socket stand on: one loop, one peer, an llm with a provider for each
 * profile
 * ("house" speaks the anthropic dialect), and the fixtures. Included once in a program. */
#ifndef MUSTER_TESTS_HTTP_RIG_H
#define MUSTER_TESTS_HTTP_RIG_H

#include "fixture.h"
#include "llm_test.h"
#include "peer.h"

#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close"
#define JSON_TYPE "Content-Type: application/json\r\nConnection: close"

static struct loop *loop;
static struct peer peer;
static struct llm *l;
static struct fixture fixtures[FIXTURES];
static size_t fixture_count;
static struct llm_message *message;

/* What a shell command writes: bodies made by gzip. */
static inline void piped(const char *command, struct buf *out)
{
	FILE *f = popen(command, "r");
	char *to;

	assert_non_null(f);
	while ((to = buf_grow(out, 65536))) {
		size_t n = fread(to, 1, 65536, f);
		if (!n)
			break;
		buf_grew(out, n);
	}
	assert_int_equal(pclose(f), 0);
}

static inline const char *stream_of(const struct fixture *f)
{
	return f->dialect->lines ? "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close"
				 : STREAM;
}

static inline struct llm *open_llm(int64_t first_byte_ms, int64_t idle_ms)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *config = json_pack("{s:{s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}}}", "providers", "house",
		"kind", "anthropic", "base_url", peer.url, "key", "sk-canary-4711", "plain", "base_url", peer.url,
		"profile", "plain", "key", "sk-canary-4711");
	struct llm_options o = {.loop = loop, .config = config, .first_byte_ms = first_byte_ms, .idle_ms = idle_ms};
	const struct profile *p;
	struct llm *made;

	for (p = dialect_openai.profiles; p->name; p++) /* a provider for each profile */
		json_put(json_get(config, "providers"), p->name,
			json_pack(
				"{s:s, s:s, s:s}", "base_url", peer.url, "profile", p->name, "key", "sk-canary-4711"));
	json_put(json_get(config, "providers"), dialect_responses.profiles->name,
		json_pack(
			"{s:s, s:s, s:s}", "kind", "openai-responses", "base_url", peer.url, "key", "sk-canary-4711"));
	json_put(json_get(config, "providers"), dialect_gemini.profiles->name,
		json_pack("{s:s, s:s, s:s}", "kind", "gemini", "base_url", peer.url, "key", "sk-canary-4711"));
	json_put(json_get(config, "providers"), dialect_ollama.profiles->name,
		json_pack("{s:s, s:s, s:s}", "kind", "ollama", "base_url", peer.url, "key", "sk-canary-4711"));
	made = llm_new(&o, &e);
	if (!made)
		fail_msg("%s", e.text);
	return made;
}

static inline void prepare(struct asked *a, struct llm *with, const char *provider)
{
	struct err e = ERR_INIT;
	char model[80];

	asked_init(a, loop);
	snprintf(model, sizeof model, "%s:m", provider);
	if (llm_resolve(with, model, &a->model, 1, &e) != 1)
		fail_msg("%s", e.text);
	a->call.messages = &message;
	a->call.message_count = 1;
}

/* Let the peer's side of the last connection go. */
static inline void settle(void)
{
	for (int i = 0; i < 50 && peer.open; i++)
		loop_turn(loop, 1);
}

static inline int run_loop(struct asked *a, struct llm *with)
{
	struct err e = ERR_INIT;

	must(llm_call_start(&a->call, with, &e), &e);
	while (!a->done)
		loop_turn(loop, -1);
	return a->done;
}

static inline void ask_provider(struct asked *a, const char *provider)
{
	prepare(a, l, provider);
	assert_int_equal(run_loop(a, l), 1);
	assert_null(a->call.priv);
}

static inline const char *provider_of(const struct fixture *f)
{
	return f->dialect == &dialect_anthropic ? "house" : f->profile->name;
}

static inline void answered(const struct fixture *f, const struct asked *a)
{
	if (fixture_fails(f)) {
		assert_int_equal(a->why.code, err_code_named(json_str(f->expect, "error")));
		assert_int_equal(a->call.call_count, 0);
		return;
	}
	if (a->why.code != ERR_OK)
		fail_msg("%s: %s", f->name, a->why.text);
	fixture_check(f, span_n(a->call.text, a->call.text_len), a->call.calls, a->call.call_count, a->call.stop,
		&a->call.usage, a->call.answered_by);
}

static inline const struct fixture *fixture_named(const char *name)
{
	for (size_t k = 0; k < fixture_count; k++)
		if (strcmp(fixtures[k].name, name) == 0)
			return &fixtures[k];
	fail_msg("no fixture %s", name);
	return NULL;
}

/* clock NULL: the real one. */
static inline int rig_open(const struct clock *clock)
{
	struct err e = ERR_INIT;

	json_setup();
	if (crypt_setup(&e) || !(loop = loop_new(&e)))
		return -1;
	if (clock)
		loop_set_clock(loop, clock);
	fixture_count = fixtures_load(fixtures);
	peer_open(&peer, loop);
	l = open_llm(0, 0);
	message = user("go");
	return 0;
}

static inline void rig_close(void)
{
	llm_message_unref(message);
	llm_free(l);
	peer_close(&peer);
	while (loop_turn(loop, 0))
		;
	loop_free(loop);
	fixtures_free(fixtures, fixture_count);
}

#endif
