/* attend: shows a run that another process works on, a server or the owner of the data folder, until it rests, and gets
 * its actions answered: what `drive` does for a run of this process.
 *
 * Ctrl-C (SIGINT; also SIGTERM and SIGHUP) once: pause it, wait for the calls under way, say how to resume: 130. Twice:
 * end this process; the run is paused by the other one all the same. */
#ifndef MUSTER_CMD_ATTEND_H
#define MUSTER_CMD_ATTEND_H

#include "cmd/remote.h"

struct talk;

struct attend_options {
	const struct args *args;
	const char *run;
	int64_t past;	   /* events up to here are known: they are not shown */
	int64_t from;	   /* only what it is at this event or later is how it rests */
	bool json;	   /* NDJSON instead of text */
	bool unattended;   /* nobody answers here */
	struct talk *talk; /* of a chat, as in drive.h; or NULL */
};
/* Returns the exit status of docs/contracts.md, or -1. */
int attend(struct remote *r, const struct attend_options *o, struct err *e);

#endif
