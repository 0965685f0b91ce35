/* action: what the verbs that ask a server have in common: the first word says what to do (without one, the first of
 * the table), and who is asked is the server that is named or who serves the data folder. */
#ifndef MUSTER_CMD_ACTION_H
#define MUSTER_CMD_ACTION_H

#include "cmd/remote.h"

struct action {
	const char *name; /* NULL: the end of the table */
	int words;	  /* how many must follow */
	int (*run)(struct remote *r, const struct args *args, struct err *e);
};

int action_do(const struct args *args, const struct action *table, struct err *e);
/* The row that the first word names. ERR_USAGE. */
const struct action *action_find(const struct args *args, const struct action *table, struct err *e);
/* Rows as a table of these fields (a time: its name ends with "@"), or JSON with --json. none: said when there are
 * none. */
int action_print(
	const struct args *args, const json_t *rows, const char *const *fields, const char *none, struct err *e);

#endif
