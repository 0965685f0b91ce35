/* drive: works on one run in this process until it rests: completed, failed, cancelled, paused, or waiting for a person
 * who is not here. Meanwhile it shows the run, gets its actions answered and serves the data folder's socket.
 *
 * Ctrl-C (SIGINT; also SIGTERM and SIGHUP) once: pause, wait for the calls under way, say how to resume: 130. Twice:
 * end the process at once. */
#ifndef MUSTER_CMD_DRIVE_H
#define MUSTER_CMD_DRIVE_H

#include "cmd/app.h"

struct talk;

struct drive_options {
	bool json;		/* NDJSON instead of text */
	bool unattended;	/* nobody answers here */
	bool quiet_past;	/* what happened before is known: do not show it */
	const json_t *commands; /* given as soon as the run goes on; array, may be NULL */
	struct talk *talk;	/* of a chat, shown as one: its turn of the person is exit status 0; or NULL */
};
/* Returns the exit status of docs/contracts.md, or -1 when the run cannot be worked on at all. */
int drive(struct app *a, const char *id, const struct drive_options *o, struct err *e);

#endif
