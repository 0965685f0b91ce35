/* grammar: the language explained to a model, made from the table. */
#ifndef MUSTER_DIRECTIVE_GRAMMAR_H
#define MUSTER_DIRECTIVE_GRAMMAR_H

#include "directive/table.h"

/* The rules of a reply, then for each directive that the language has (and, for the master, the phase allows): its
 * form, its effect and one example. At most 8 KiB; static memory; thread-safe; cannot fail. */
const char *directive_grammar(enum directive_language language, enum directive_phase phase);

#endif
