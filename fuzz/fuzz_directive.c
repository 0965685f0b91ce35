/* Fuzz the directive parser: the first byte chooses language and phase, the rest is the reply. Whatever parses must
 * print to text that parses to an equal tree, and must turn into tool calls. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/caps.h"
#include "base/json.h"
#include "directive/calls.h"
#include "directive/parse.h"
#include "directive/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(enum directive_language language, const struct directive *d)
{
	cleanup_buf struct buf text = BUF_INIT(16 * MIB);
	cleanup_arena struct arena a;
	struct directive_calls calls;
	struct directive *again;
	struct span message;
	struct err e = ERR_INIT;

	arena_init(&a, 32 * MIB);
	directive_print(d, &text);
	if (buf_check(&text, "text", &e) ||
		directive_parse(language, PHASE_NONE, buf_span(&text), &a, &again, &message, &e) ||
		!directive_equal(d, again) || message.n)
		BUG("printed as\n%s\n%s", text.data, e.text);
	if (directive_calls(d, "own", &calls, &e))
		BUG("no calls: %s", e.text);
	directive_calls_release(&calls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_arena struct arena a;
	struct directive *d;
	struct span message;
	struct err e = ERR_INIT;

	arena_init(&a, 32 * MIB);
	if (size == 0)
		return 0;
	enum directive_language language = (enum directive_language)(data[0] % DIRECTIVE_LANGUAGES);
	enum directive_phase phase = (enum directive_phase)(data[0] / DIRECTIVE_LANGUAGES % DIRECTIVE_PHASES);
	if (directive_parse(language, phase, span_n((const char *)data + 1, size - 1), &a, &d, &message, &e) == 0)
		check(language, d);
	return 0;
}
