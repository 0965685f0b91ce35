/* verb: one thing the command line can do, as a row of one table and a file of its own.
 *
 * A verb file exports one `const struct verb`; verbs.c lists them. The row says everything: what the parser accepts,
 * what --help and `muster describe` print, what shells complete. Adding a verb = one file and one name in VERBS. */
#ifndef MUSTER_CMD_VERB_H
#define MUSTER_CMD_VERB_H

#include <stdbool.h>

#include "base/err.h"

struct args;

struct verb_option {
	const char *name;  /* without the dashes */
	const char *value; /* what it takes, as shown ("DIR", "FILE", "NAME=TEXT"); NULL: a switch */
	bool repeats;	   /* may be given several times */
	const char *help;  /* one line */
};

struct verb {
	const char *name;
	const char *words;		   /* what stands after the name, as shown: "RUN [ACTION]"; "" nothing */
	int least, most;		   /* how many words; most -1: any number */
	const char *summary;		   /* one line */
	const char *help;		   /* paragraphs, below the options; NULL: none */
	const struct verb_option *options; /* ended by a row without a name; NULL: none of its own */
	/* The exit status, or -1 with the error, whose code gives the exit status. */
	int (*run)(const struct args *a, struct err *e);
};

#define VERBS(X)                                                                                                       \
	X(run)                                                                                                         \
	X(batch)                                                                                                       \
	X(resume)                                                                                                      \
	X(pause)                                                                                                       \
	X(cancel)                                                                                                      \
	X(steer)                                                                                                       \
	X(redirect)                                                                                                    \
	X(modify)                                                                                                      \
	X(actions)                                                                                                     \
	X(answer)                                                                                                      \
	X(chat)                                                                                                        \
	X(runs)                                                                                                        \
	X(show)                                                                                                        \
	X(log)                                                                                                         \
	X(diff)                                                                                                        \
	X(delete)                                                                                                      \
	X(rename)                                                                                                      \
	X(merge)                                                                                                       \
	X(fork)                                                                                                        \
	X(replay)                                                                                                      \
	X(verify)                                                                                                      \
	X(backup)                                                                                                      \
	X(restore)                                                                                                     \
	X(usage)                                                                                                       \
	X(modes)                                                                                                       \
	X(roles)                                                                                                       \
	X(auth)                                                                                                        \
	X(projects)                                                                                                    \
	X(users)                                                                                                       \
	X(audit)                                                                                                       \
	X(config)                                                                                                      \
	X(serve)                                                                                                       \
	X(doctor)                                                                                                      \
	X(demo)                                                                                                        \
	X(describe)                                                                                                    \
	X(completion)                                                                                                  \
	X(version)

#define X(name) extern const struct verb verb_##name;
VERBS(X)
#undef X

extern const struct verb *const verb_table[];  /* NULL-terminated */
extern const struct verb_option verb_common[]; /* options of every verb; ended by a row without a name */

#endif
