/* prompt: one line from the person at the terminal, or from standard input where that is none. */
#ifndef MUSTER_CMD_PROMPT_H
#define MUSTER_CMD_PROMPT_H

#include <stdbool.h>

#include "base/err.h"

/* Asks with `question` on standard error where standard input is a terminal; secret: what is typed is not shown. The
 * line without its end, to be wiped and freed by prompt_free. NULL: ERR_USAGE when nothing comes. */
char *prompt_line(const char *question, bool secret, struct err *e);
void prompt_free(char *line); /* NULL is legal */

#endif
