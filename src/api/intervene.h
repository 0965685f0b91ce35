/* intervene: people's commands to runs, on the owner's side: for the resources, and for verbs without an owner beside
 * them. */
#ifndef MUSTER_API_INTERVENE_H
#define MUSTER_API_INTERVENE_H

#include "api/api.h"

/* Give a command to a run.
 *
 * Where this process stays (needs->serving), it is written down first, durably and once per id, and then given: said
 * twice by a caller who did not hear the reply, or cut off by a stop of the program, it takes effect once. ERR_CONFLICT
 * and the like when the run refuses it. Elsewhere it is given at once; only an answer to a run that is not in memory is
 * left in the store for the next `muster resume`, since what follows it must be begun by a process that stays to see
 * its end: then *now is false. */
int intervene_apply(const struct api_needs *n, const json_t *run, const char *command_id, const json_t *command,
	bool *now, struct err *e);
/* Give what is left in the store for a run. What it refuses is logged; `id` names the one whose refusal is returned
 * (may be NULL). */
int intervene_take(const struct api_needs *n, const char *run, const char *id, struct err *e);
json_t *intervene_fork(const struct api_needs *n, const char *run, int64_t at, struct err *e); /* {run, at, from} */
/* {merged, already, commit, into, conflicts} */
json_t *intervene_merge(const struct api_needs *n, const char *run, const char *by, struct err *e);
/* What a merge came to is noted in the journal of a run that is not live; out is consumed, and returned. */
json_t *intervene_merged(const struct api_needs *n, const char *run, const char *by, json_t *out, struct err *e);
/* The open action of this run with this id or, when it is the only one, this name. rows: the run's actions. */
json_t *intervene_choose(const json_t *rows, const char *run, const char *name, struct err *e);
/* The same among those of the store. */
json_t *intervene_action(const struct api_needs *n, const char *run, const char *name, struct err *e);

#endif
