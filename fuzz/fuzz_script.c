/* Scripts: whatever loads can be played to its end, and each line is used once unless it repeats. */
#include <stdint.h>

#include "base/mem.h"
#include "llm/prices.h"
#include "llm/reply.h"
#include "llm/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void play(struct script *s, struct llm_call *c)
{
	int64_t last = 0;
	bool cancelled = false;

	for (int i = 0; i < 64; i++) {
		cleanup_json json_t *line = NULL;
		int64_t n = script_take(s, c, &line, NULL);
		if (n < 0)
			return;
		/* a recorded prompt goes before the order of the lines */
		BUG_ON(!json_bool(line, "repeat", false) && n == last);
		BUG_ON(!c->prompt && !json_bool(line, "repeat", false) && n < last);
		if (!json_bool(line, "repeat", false))
			last = n;
		reply_take(c, line, "line", &cancelled, NULL);
		llm_call_release(c);
	}
}

/* What was given back, and nothing else, can be taken again; what was marked cannot. */
static void give_back(struct script *s, struct llm_call *c)
{
	cleanup_json json_t *line = NULL, *again = NULL, *other = NULL;
	int64_t n = script_take(s, c, &line, NULL);

	if (n < 0)
		return;
	script_give_back(s, c->play, n);
	BUG_ON(script_take(s, c, &again, NULL) != n || !json_equal(line, again));
	script_give_back(s, c->play, n);
	if (script_mark(s, c->play, n, NULL))
		BUG("line %lld is not there", (long long)n);
	BUG_ON(script_take(s, c, &other, NULL) == n && !json_bool(line, "repeat", false));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct llm_model model = {.name = "script:input"};
	struct llm_message *m[] = {llm_message_text(LLM_USER, span_of("do it"), NULL),
		llm_message_result("c1_0", "shell", "ok", span_of("do more"), NULL)};
	struct llm_call c = {
		.model = &model, .role = "coder", .agent = "0", .turn = 1, .messages = m, .message_count = 1};
	struct script *s = script_parse(span_n((const char *)data, size), "input", NULL);
	cleanup_json json_t *line = NULL;
	const json_t *header;
	struct llm_price price;

	if (s && m[0] && m[1]) {
		header = script_header(s);
		BUG_ON(header && (!json_is_object(header) || json_int(header, "v", 1) > 1));
		if (price_read(&price, json_get(header, "prices"), "input", NULL) == 0)
			BUG_ON(!(price.input >= 0 && price.output >= 0 && price.cached >= 0 && price.cache_write >= 0));
		c.prompt = "x"; /* of a recording */
		c.play = "recorded";
		play(s, &c);
		script_forget(s, c.play);
		give_back(s, &c);
		script_forget(s, c.play);
		c.prompt = NULL;
		c.play = "other";
		c.turn = 2;
		c.message_count = 2;
		play(s, &c);
		c.play = NULL; /* what this playing uses is used for all */
		c.turn = 1;
		c.message_count = 1;
		play(s, &c);
		script_take_answer(s, NULL, "gate", &line, NULL);
		script_forget(s, "other");
	}
	script_free(s);
	llm_message_unref(m[0]);
	llm_message_unref(m[1]);
	return 0;
}
