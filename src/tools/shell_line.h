/* shell_line: the commands that a shell command line would run, so that policy can decide about each of them.
 *
 * The parser reads the POSIX shell language and what agents use of bash: quoting ('…', "…", $'…', \), pipes, && || ; &,
 * line ends, comments, ( ) and { }, if/while/until/for/select/case, redirections, here-documents, $(…) and backticks.
 * Commands inside of substitutions, here-documents and compound commands are listed as well, and so is what these
 * start: command, builtin, exec, env, nohup, nice, ionice, setsid, stdbuf, timeout, time, busybox, xargs, find -exec,
 * sh -c. What a program starts on its own (make, python -c, a script) cannot be seen: there the policy decides about
 * the program.
 *
 * It never guesses. Where it cannot say with certainty what runs, the line is *in doubt* and says why: syntax that it
 * does not know, a command's name or a wrapper's options that are only known when the line runs, eval, source, trap,
 * alias, sudo, a shell that reads its input, functions, process substitution, arrays, arithmetic on variables (bash
 * runs $(…) inside their values), assignments to PATH, IFS, LD_*, GIT_* and their like. Commands found up to then are
 * listed all the same.
 *
 * A command is its words joined by one space, quotes removed, redirections and assignments dropped. A part that is only
 * known when the line runs (variables, substitutions, * ? [ ] and { } patterns) is the byte SHELL_UNKNOWN, which stands
 * for any text, none included; when a whole word is unknown, it stands for the blank after it, too. */
#ifndef MUSTER_TOOLS_SHELL_LINE_H
#define MUSTER_TOOLS_SHELL_LINE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define SHELL_UNKNOWN '\x01'

struct shell_form {
	const char *text;
	const struct shell_form *next;
};

struct shell_command {
	struct shell_command *next;
	const char *text;
	/* Other spellings of the same command: without the folder of its name, without unknown words at the end, and
	 * the commands that wrap it ("timeout 5 git push" of "git push"). A rule that forbids one of them means this.
	 */
	const struct shell_form *others;
};

struct shell_file { /* of a redirection */
	struct shell_file *next;
	const char *path; /* as written, quotes removed; may hold SHELL_UNKNOWN */
	bool writes;
};

struct shell_line {
	struct shell_command *commands; /* in the order met */
	struct shell_file *files;
	const char *doubt; /* NULL: everything that runs is listed; else why not (static text) */
};

/* Take the line apart into the arena (which needs about 8 times its size). A line in doubt is a success. -1: ERR_NOMEM.
 */
int shell_line_parse(struct span line, struct arena *a, struct shell_line *out, struct err *e);

/* Append a command's text for people: … for the unknown parts, control characters made visible. */
void shell_text_show(const char *text, struct buf *out);

#endif
