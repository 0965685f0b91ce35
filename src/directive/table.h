/* table: the keywords of the four directive languages, once.
 *
 * Each row says in bits which languages have it and, for the master, in which phases. Where a keyword has another form
 * in another language (READ, DELEGATE, RUN) it has a row for each form. The parser, the printer, prompts and error
 * messages all read this table; adding a directive is one kind and one row here and one case in calls.c. */
#ifndef MUSTER_DIRECTIVE_TABLE_H
#define MUSTER_DIRECTIVE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum directive_language { LANGUAGE_MASTER, LANGUAGE_MANAGER, LANGUAGE_CODER, LANGUAGE_TESTER, DIRECTIVE_LANGUAGES };

/* The master's phases. PHASE_NONE sets no limit; the other languages ignore the phase. */
enum directive_phase { PHASE_NONE, PHASE_UNDERSTANDING, PHASE_STRUCTURE, PHASE_DELEGATION, DIRECTIVE_PHASES };

enum directive_kind {
	DIRECTIVE_READ,
	DIRECTIVE_CREATE,
	DIRECTIVE_DELETE,
	DIRECTIVE_DELEGATE,
	DIRECTIVE_CHANGE,
	DIRECTIVE_REPLACE,
	DIRECTIVE_INSERT,
	DIRECTIVE_SCRATCH,
	DIRECTIVE_UPDATE_DOCUMENTATION,
	DIRECTIVE_UPDATE_README,
	DIRECTIVE_RUN,
	DIRECTIVE_RUN_COMMAND,
	DIRECTIVE_RUN_TESTS,
	DIRECTIVE_INSTALL_DEPENDENCIES,
	DIRECTIVE_GIT_INIT,
	DIRECTIVE_GIT_COMMIT,
	DIRECTIVE_GIT_BRANCH,
	DIRECTIVE_GIT_MERGE,
	DIRECTIVE_SPAWN,
	DIRECTIVE_WAIT,
	DIRECTIVE_FINISH,
	DIRECTIVE_KINDS
};

/* What follows the keyword. */
enum directive_shape {
	SHAPE_BARE,	      /* nothing */
	SHAPE_STRING,	      /* s */
	SHAPE_RUN,	      /* [NO_TIMEOUT] s */
	SHAPE_ATTRIBUTE,      /* NAME=s */
	SHAPE_TARGETS,	      /* (file|folder) s, … */
	SHAPE_TARGET_PROMPTS, /* (file|folder) s PROMPT=s, … */
	SHAPE_TESTERS,	      /* tester PROMPT=s, … */
	SHAPE_EDIT,	      /* FROM=s TO=s */
	SHAPE_EDITS,	      /* FROM=s TO=s, … */
	SHAPE_CALL,	      /* () */
	SHAPE_CALL_STRING,    /* (s) */
	SHAPE_CALL_OPTIONAL,  /* ([s]) */
};

struct directive_row {
	const char *word;
	enum directive_kind kind;
	enum directive_shape shape;
	unsigned languages;    /* bits 1 << enum directive_language */
	unsigned phases;       /* of the master: bits 1 << enum directive_phase */
	const char *attribute; /* SHAPE_ATTRIBUTE: PROMPT or CONTENT */
	const char *syntax;    /* for prompts and error messages */
	const char *effect;    /* one sentence for prompts */
	const char *example;   /* parses in every language of the row */
};

/* Rows in the order in which prompts show them; NULL past the last. */
const struct directive_row *directive_row(size_t index);
/* May this language use the row now? */
bool directive_allowed(const struct directive_row *row, enum directive_language language, enum directive_phase phase);
/* The row of a keyword in a language, whatever the phase; NULL: the language has none. */
const struct directive_row *directive_row_named(enum directive_language language, struct span word);
/* The first row of a keyword in any language; NULL: no language knows the word. Case-sensitive, as all keywords. */
const struct directive_row *directive_row_anywhere(struct span word);

/* "master", "structure"; the inverse gives -1 for an unknown name. */
const char *directive_language_name(enum directive_language language);
const char *directive_phase_name(enum directive_phase phase);
int directive_language_named(struct span name);
int directive_phase_named(struct span name);

/* Append the keywords that the language may use in the phase: "READ, RUN, FINISH". */
void directive_keywords(enum directive_language language, enum directive_phase phase, struct buf *out);

#endif
