#include "directive/grammar.h"

#include <pthread.h>
#include <stdio.h>

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

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int added = vsnprintf(text + *n, TEXT_MAX - *n, fmt, ap);
	va_end(ap);
	BUG_ON(added < 0 || (size_t)added >= TEXT_MAX - *n);
	*n += (size_t)added;
}

static void write_texts(void)
{
	const struct directive_row *row;

	for (int language = 0; language < DIRECTIVE_LANGUAGES; language++) {
		for (int phase = 0; phase < DIRECTIVE_PHASES; phase++) {
			char *text = texts[language][phase];
			size_t n = 0;
			add(text, &n, "%s", rules);
			for (size_t i = 0; (row = directive_row(i)); i++)
				if (directive_allowed(
					    row, (enum directive_language)language, (enum directive_phase)phase))
					add(text, &n, "\n%s\n  %s\n  Example:\n%s\n", row->syntax, row->effect,
						row->example);
		}
	}
}

const char *directive_grammar(enum directive_language language, enum directive_phase phase)
{
	BUG_ON(pthread_once(&once, write_texts) != 0);
	return texts[language][phase];
}
