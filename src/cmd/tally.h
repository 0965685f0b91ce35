/* tally: how the lines of a batch ended: a line of output for each, their sum at the end, and the exit status of all.
 */
#ifndef MUSTER_CMD_TALLY_H
#define MUSTER_CMD_TALLY_H

#include "api/overview.h"

enum tally_state {
	TALLY_COMPLETED,
	TALLY_FAILED,
	TALLY_CANCELLED,
	TALLY_PAUSED,
	TALLY_WAITING,
	TALLY_ERROR,
	TALLY_STATES
};

struct tally {
	bool json;
	int widest; /* bytes of the longest name */
	int64_t lines, states[TALLY_STATES];
	double usd;
	int status;  /* the worst so far */
	bool silent; /* nobody reads any more */
};

struct outcome {
	int64_t number;
	const char *name, *project;
	const struct overview *run; /* NULL: there is none */
	int status;		    /* that the run alone would have had */
	const struct err *why;	    /* what broke, or why there is no run; NULL: nothing */
};

/* Print its line and count it. */
void tally_add(struct tally *t, const struct outcome *o);
/* Another exit status counts: the worse one stays. From the worst: 130 interrupted, 1 a journal that differs, 4 failed,
 * 2 refused, 6 cancelled, 5 waits on budget, 3 waits for a person, 7 paused by someone else, 0. */
void tally_status(struct tally *t, int status);
/* The sum. left: lines that were not begun; reason: why not (NULL: none is left). took: microseconds. */
void tally_end(struct tally *t, int64_t left, const char *reason, int64_t took);

#endif
