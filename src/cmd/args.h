/* args: a command line, parsed by the table of its verb.
 *
 * Options are --name VALUE, --name=VALUE or --name, anywhere after the verb; "--" ends them, and a single "-" is a
 * word. Anything unknown is ERR_USAGE naming the nearest known. Values are borrowed from argv. */
#ifndef MUSTER_CMD_ARGS_H
#define MUSTER_CMD_ARGS_H

#include <stdint.h>

#include "base/buf.h"
#include "cmd/verb.h"

struct arg {
	const struct verb_option *option; /* NULL: a word */
	const char *value;		  /* NULL: a switch */
};

struct args {
	const struct verb *verb;
	struct arg *list; /* in the order in which they were given */
	int count, words;
};

/* The verb of this name, or NULL with ERR_USAGE. */
const struct verb *verb_named(const char *name, struct err *e);
/* argv: what follows the verb's name. */
int args_parse(struct args *a, const struct verb *v, int argc, char **argv, struct err *e);
void args_release(struct args *a);

const char *args_word(const struct args *a, int i); /* NULL: not given */
bool args_has(const struct args *a, const char *option);
const char *args_get(const struct args *a, const char *option); /* the last one given, or NULL */
/* for (int i = 0; (value = args_next(a, "input", &i));) */
const char *args_next(const struct args *a, const char *option, int *i);
/* A whole number between least and most; `otherwise` when the option was not given. ERR_USAGE. */
int args_int(const struct args *a, const char *option, int64_t least, int64_t most, int64_t otherwise, int64_t *out,
	struct err *e);
int args_number(const struct args *a, const char *option, double least, double most, double otherwise, double *out,
	struct err *e);
/* The part before the first "=" of NAME=VALUE; *value points behind it. ERR_USAGE naming the option. */
int args_pair(const char *option, const char *text, struct span *name, const char **value, struct err *e);

void help_usage(const struct verb *v, struct buf *out); /* "usage: muster run MODE [--project DIR] …" */
void help_verb(const struct verb *v, struct buf *out);	/* all of it */
void help_all(struct buf *out);				/* what `muster --help` prints */

#endif
