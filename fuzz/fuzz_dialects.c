/* A provider's stream into its decoder: the first byte chooses dialect, profile and size of the pieces. Whatever comes,
 * only a stream that is complete gives calls, they are well-formed, and the text told is the text kept. */
#include <stdint.h>

#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "llm/dialect.h"
#include "llm/problem.h"
#include "llm/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_event(struct sse *s, struct span name, struct span data, struct err *e)
{
	struct decoder *d = s->ctx;

	return d->dialect->event(d, name, data, e);
}

static void on_text(void *ctx, struct span text)
{
	buf_addspan(ctx, text);
}

static void check_calls(struct decoder *d)
{
	struct llm_tool_call *calls;
	size_t count;

	if (decoder_calls(d, 7, &calls, &count, NULL))
		return;
	BUG_ON(count && d->stop == LLM_STOP_LENGTH);
	for (size_t i = 0; i < count; i++) {
		BUG_ON(!calls[i].id || !calls[i].name[0]);
		BUG_ON((calls[i].arguments == NULL) == (calls[i].bad == NULL));
		BUG_ON(calls[i].arguments && !json_is_object(calls[i].arguments));
	}
	llm_tool_calls_free(calls, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct dialect *dialect;
	const struct profile *profile;
	struct buf told = BUF_INIT(16 * MIB);
	struct decoder d;
	struct sse s;
	struct err e = ERR_INIT;
	size_t step;
	int rc = 0;

	if (size < 1)
		return 0;
	dialect = data[0] & 1	    ? &dialect_anthropic
		  : data[0] >= 0xc0 ? &dialect_ollama
		  : data[0] & 0x40  ? &dialect_responses
		  : data[0] & 0x80  ? &dialect_gemini
				    : &dialect_openai;
	profile = dialect == &dialect_openai ? &dialect->profiles[data[0] / 2 % 8] : dialect->profiles;
	step = data[0] & 0x10 ? 1 : data[0] & 0x20 ? 7 : size;
	decoder_init(&d, dialect, profile);
	d.on_text = on_text;
	d.ctx = &told;
	sse_init(&s, CAP_MODEL_LINE, on_event);
	s.ctx = &d;
	s.plain = dialect->lines;
	for (size_t i = 1; i < size && !rc; i += step)
		rc = sse_feed(&s, span_n((const char *)data + i, size - i < step ? size - i : step), &e);
	BUG_ON(!span_eq(buf_span(&told), buf_span(&d.text)));
	BUG_ON(!utf8_valid(buf_span(&d.text)));
	if (!rc && decoder_finish(&d, &e) == 0)
		check_calls(&d);
	else
		BUG_ON(e.code == ERR_OK);
	decoder_release(&d);
	sse_release(&s);
	buf_release(&told);
	problem_from_body(&e, "peer", 400 + data[0], span_n((const char *)data + 1, size - 1));
	BUG_ON(e.code == ERR_OK || !utf8_valid(span_of(e.text)));
	return 0;
}
