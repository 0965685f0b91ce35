/* token: the lexer of the directive languages.
 *
 * White space and comments (from // to the end of the line) separate tokens and are skipped. A string is "…" with the
 * escapes \\ \" \/ \b \f \n \r \t \v \' or """…""" verbatim; both may span lines. Tokens are read one at a time and
 * only when asked for, so that prose after a directive is never lexed. */
#ifndef MUSTER_DIRECTIVE_TOKEN_H
#define MUSTER_DIRECTIVE_TOKEN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum token_kind { TOKEN_WORD, TOKEN_STRING, TOKEN_MARK, TOKEN_END };

struct token {
	enum token_kind kind;
	struct span text; /* a word's letters; a string's decoded value (arena-owned); the one character of a mark */
	size_t at;	  /* offset of its first byte in the reply */
};

struct lexer {
	struct span reply;
	size_t at; /* offset of the next byte */
	struct arena *arena;
};

/* Skip white space and comments, read one token. -1 with ERR_PARSE for a bad string, ERR_NOMEM. */
int lexer_next(struct lexer *lx, struct token *out, struct err *e);
/* What comes next, without consuming it and without decoding a string (whose text is then empty). */
struct token lexer_peek(const struct lexer *lx);
/* Is c the next mark? Then it is consumed; else nothing is. */
bool lexer_take(struct lexer *lx, char c);
/* The word (letters, digits, _; not beginning with a digit) at an offset; empty when there is none. */
struct span lexer_word_at(struct span reply, size_t at);
/* Skip spaces, tabs and carriage returns. */
size_t lexer_skip_blanks(struct span reply, size_t at);

/* Line and column (in characters), from 1, of an offset. */
void lexer_place(struct span reply, size_t at, size_t *line, size_t *column);
/* Set ERR_PARSE: "line 3, column 7: message", the line itself and a caret under the column; long lines are cut around
 * it. Returns -1. */
int lexer_fail(struct span reply, size_t at, struct err *e, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* "the word 'src'", "a string", "')'", "the end of the reply": into out, for messages. */
void token_describe(const struct token *t, struct buf *out);

#endif
