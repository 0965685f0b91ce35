/* shell_word: the characters and words of a shell line: quotes, expansions, patterns. Private to shell_line. */
#ifndef MUSTER_TOOLS_SHELL_WORD_H
#define MUSTER_TOOLS_SHELL_WORD_H

#include "tools/shell_command.h"

struct shell_heredoc {
	struct shell_heredoc *next;
	struct span end; /* the line that ends it */
	bool quoted, strip_tabs;
};

/* A text being read. Once work->stopped, every look gives 0, so that all loops end. */
struct shell_parser {
	struct shell_work *w;
	struct span in;
	size_t at;
	unsigned depth;
	const struct shell_form *outer;
	struct shell_heredoc *heredocs; /* whose bodies follow after this line */
};

extern const char shell_unfinished[]; /* the doubt about syntax */

/* The character `ahead` of here; 0 at the end. */
char shell_look(const struct shell_parser *p, size_t ahead);
bool shell_looks_at(const struct shell_parser *p, const char *text);
/* Skip the text if it stands here. */
bool shell_take(struct shell_parser *p, const char *text);
bool shell_is_meta(char c); /* does it end a word? */
bool shell_is_digit(char c);
bool shell_is_name(char c); /* a letter or _ */
/* Blanks, continued lines, comments. */
void shell_skip_blanks(struct shell_parser *p);
/* Read a word, quotes removed; its substitutions are listed. False when none stands here. */
bool shell_parse_word(struct shell_parser *p, struct buf *word);
/* Text of an unquoted here-document: its substitutions are listed. */
void shell_parse_text(struct shell_parser *p, struct span text);
/* Of shell_line.c: the commands up to a ), a ;;, a reserved word of `stops`, or the end. */
void shell_parse_list(struct shell_parser *p, unsigned stops);

#endif
