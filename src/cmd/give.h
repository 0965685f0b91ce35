/* give: what the verbs of interventions have in common: RUN as the first word, a command, a word of thanks. */
#ifndef MUSTER_CMD_GIVE_H
#define MUSTER_CMD_GIVE_H

#include "base/json.h"
#include "cmd/args.h"

/* Give the command (`given`, consumed; NULL: no memory) to the run named by the first word. Prints `live` when a
 * process works on the run, else `still`. */
int give(const struct args *args, json_t *given, const char *live, const char *still, struct err *e);
/* The same to a run that stands elsewhere on the command line. */
int give_to(
	const struct args *args, const char *name, json_t *given, const char *live, const char *still, struct err *e);
/* Remove the run of this name for good. */
int give_up(const struct args *args, const char *name, struct err *e);
/* The words from this one on as one text. */
int give_words(const struct args *args, int from, struct buf *out, struct err *e);

#endif
