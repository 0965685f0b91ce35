#include "directive/grammar.h"

#include <pthread.h>

#include "base/err.h"

/* Purpose: text for prompts. Happy path: all texts are written once into static memory at the first call, so that
 * building a prompt neither allocates nor fails here. Failure modes: a text that outgrows its room is a BUG, which the
 * unit test would meet first. */

#define TEXT_MAX 8192

static char texts[DIRECTIVE_LANGUAGES][DIRECTIVE_PHASES][TEXT_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char rules[] =
	"Act by writing directives. A reply holds exactly one directive, which begins a line with one of the keywords\n"
	"below, written exactly so; text before and after it is kept as your message.\n"
	"A string is \"…\" with the escapes \\\\ \\\" \\/ \\b \\f \\n \\r \\t \\v \\', or \"\"\"…\"\"\" taken "
	"verbatim: it "
	"begins right\n"
	"after the opening \"\"\" and cannot contain \"\"\". // begins a comment. Paths are relative to the project's "
	"root.\n";

static void add(char *text, size_t *n, const char *more)
{
	size_t length = strlen(more);

	BUG_ON(length >= TEXT_MAX - *n);
	memcpy(text + *n, more, length + 1);
	*n += length;
}

static void write_text(enum directive_language language, enum directive_phase phase)
{
	const struct directive_row *row;
	char *text = texts[language][phase];
	size_t n = 0;

	add(text, &n, rules);
	for (size_t i = 0; (row = directive_row(i)); i++) {
		if (!directive_allowed(row, language, phase))
			continue;
		const char *const parts[] = {
			"\n", row->syntax, "\n  ", row->effect, "\n  Example:\n", row->example, "\n"};
		for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++)
			add(text, &n, parts[k]);
	}
}

static void write_texts(void)
{
	for (int language = 0; language < DIRECTIVE_LANGUAGES; language++)
		for (int phase = 0; phase < DIRECTIVE_PHASES; phase++)
			write_text((enum directive_language)language, (enum directive_phase)phase);
}

const char *directive_grammar(enum directive_language language, enum directive_phase phase)
{
	BUG_ON(pthread_once(&once, write_texts) != 0);
	return texts[language][phase];
}
