/* removal: a run goes, with its working copies and its events; what it spent stays counted. One that waits or is paused
 * is cancelled first. */
#ifndef MUSTER_API_REMOVAL_H
#define MUSTER_API_REMOVAL_H

#include "api/api.h"
#include "base/sm.h"

#define REMOVAL_PIN "pinned_run" /* kind of the records of runs that stay for ever */

struct removal {
	/* Set by the caller: once, on the loop's thread, not from within removal_start. */
	void (*over)(struct removal *r, const struct err *why);
	/* private */
	struct api_needs needs;
	struct sm sm;
	char run[ID_TEXT], who[ID_TEXT * 2];
	struct release release;
	int looks;
	struct timer timer;
	struct work work;
	struct err why;
};
/* row: the run's; who: says so in the audit. -1: ERR_CONFLICT when it is at work or pinned; over() is not called. */
int removal_start(struct removal *r, const struct api_needs *n, const json_t *row, const char *who, struct err *e);
/* In doubt it is. */
bool removal_pinned(struct store *s, const char *run);

#endif
