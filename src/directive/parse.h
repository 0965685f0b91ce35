/* parse: find the one directive in a model's reply and parse it.
 *
 * A directive starts a line (blanks before it are ignored) with a keyword of the agent's language. Whatever stands
 * around it is prose and kept as the message; a code fence that wraps just the directive is dropped from the message.
 *
 * A line of prose may begin with a keyword too ("INSERT INTO t …", "RUN apt-get …" in an explanation). Such a line is a
 * directive when the next thing on it can follow the keyword, or when it holds PROMPT=, CONTENT=, FROM= or TO=;
 * otherwise it is prose. When the reply holds no directive at all, the first such line is what the error is about. */
#ifndef MUSTER_DIRECTIVE_PARSE_H
#define MUSTER_DIRECTIVE_PARSE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "directive/tree.h"

/* Parse the reply of an agent. *out and *message (the prose before and after, trimmed, joined by an empty line; may be
 * empty; bytes as the model sent them) live in the arena, which needs room for twice the reply and 128 KiB.
 * -1 with ERR_PARSE: bad syntax; no directive; two directives; a directive of another language or phase. The message
 * names line and column, shows the line with a caret, and says what was expected or what may be used.
 * -1 with ERR_TOO_LARGE: more than CAP_DIRECTIVE bytes. -1 with ERR_NOMEM. */
int directive_parse(enum directive_language language, enum directive_phase phase, struct span reply, struct arena *a,
	struct directive **out, struct span *message, struct err *e);

#endif
