/* nearest: the known name that a mistyped one probably meant, for messages. */
#ifndef MUSTER_CONFIG_NEAREST_H
#define MUSTER_CONFIG_NEAREST_H

#include <stddef.h>

#include "base/json.h"

#define NEAREST_WORD 64 /* longer words are not compared */

struct nearest {
	const char *word; /* borrowed */
	const char *best; /* borrowed; NULL while nothing is near enough */
	size_t distance;
	char hint[NEAREST_WORD + 32];
};

/* Offer candidates one by one; the first of the nearest wins. Near enough: at most a third of the word's letters (at
 * least 1) inserted, deleted, changed or swapped with their neighbour (optimal string alignment distance), letter case
 * ignored; or the candidate contains the word, of 3 letters at least, or begins with it. */
void nearest_init(struct nearest *n, const char *word);
void nearest_try(struct nearest *n, const char *candidate);
/* "; did you mean \"x\"?", or "" when nothing is near. Valid as long as n. */
const char *nearest_hint(struct nearest *n);
/* The first member of an object that is not in the NULL-terminated list `known` (borrowed), with n made ready for
 * nearest_hint; NULL: all are. */
const char *nearest_unknown(struct nearest *n, const json_t *obj, const char *const *known);
/* All at once over a NULL-terminated list: the name or NULL. */
const char *nearest(const char *word, const char *const *names);

#endif
