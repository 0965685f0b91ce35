/* Scripts: whatever loads can be played to its end, and each line is used once unless it repeats. */
#include <stdint.h>

#include "base/mem.h"
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
		BUG_ON(!json_bool(line, "repeat", false) && n <= last);
		if (!json_bool(line, "repeat", false))
			last = n;
		reply_take(c, line, "line", &cancelled, NULL);
		llm_call_release(c);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct llm_model model = {.name = "script:input"};
	struct llm_message *m = llm_message_text(LLM_USER, span_of("do it"), NULL);
	struct llm_call c = {
		.model = &model, .role = "coder", .agent = "0", .turn = 1, .messages = &m, .message_count = 1};
	struct script *s = script_parse(span_n((const char *)data, size), "input", NULL);
	cleanup_json json_t *line = NULL;

	if (s && m) {
		play(s, &c);
		c.play = "other";
		play(s, &c);
		script_take_answer(s, NULL, "gate", &line, NULL);
		script_forget(s, "other");
	}
	script_free(s);
	llm_message_unref(m);
	return 0;
}
