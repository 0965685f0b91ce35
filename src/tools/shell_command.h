/* shell_command: finds, from the words of one simple command, the commands that it starts. Private to shell_line. */
#ifndef MUSTER_TOOLS_SHELL_COMMAND_H
#define MUSTER_TOOLS_SHELL_COMMAND_H

#include "tools/shell_line.h"

/* One shell_line_parse at work. `stopped`: nothing more is read, because of a doubt about the syntax or no memory. */
struct shell_work {
	struct arena *arena;
	struct shell_line *out;
	struct shell_command **tail;
	struct shell_file **files_tail;
	size_t count, bytes; /* of commands; of all their spellings */
	bool stopped, no_memory;
};

struct shell_words {
	const char **words;
	size_t count, room;
};

/* Note a doubt (the first one is kept); shell_stop also ends the parsing. */
void shell_doubt(struct shell_work *w, const char *why);
void shell_stop(struct shell_work *w, const char *why);
void shell_no_memory(struct shell_work *w);

void shell_words_add(struct shell_work *w, struct shell_words *list, struct span word);
/* Is it NAME=… or NAME+=…? *name gets the name. */
bool shell_assignment(struct span word, struct span *name);
/* Doubt when the variable changes what commands run. */
void shell_check_variable(struct shell_work *w, struct span name);

/* List the command and whatever it wraps. `outer`: spellings of the commands around it. */
void shell_command_add(
	struct shell_work *w, const char *const *words, size_t count, const struct shell_form *outer, unsigned depth);
/* Take another text (of sh -c, of backticks) apart into the same result. */
void shell_line_into(struct shell_work *w, struct span text, const struct shell_form *outer, unsigned depth);

#endif
