/* batch: runs one mode over many inputs, each in a project of its own, in this process: some runs live at once, a line
 * of output for each as it comes to rest.
 *
 * A line's run is the one that the journal has for this mode and the project PROJECTS/<the line's name>. So the same
 * call again goes on where the last one stopped, in whichever way: a run that did not end is resumed, one that did is
 * only told again; a line whose run was given other inputs is refused.
 *
 * Ctrl-C (SIGINT; also SIGTERM and SIGHUP) once: no line is begun any more, live runs are paused; twice: the process
 * ends at once. */
#ifndef MUSTER_CMD_BATCH_H
#define MUSTER_CMD_BATCH_H

#include "cmd/app.h"
#include "cmd/inputs.h"

struct batch_options {
	const char *file; /* the inputs, checked (inputs_check) */
	struct inputs_seen seen;
	const char *projects; /* absolute, without links */
	const struct mode *mode;
	const json_t *request; /* what house_create gets, but for inputs, project and title */
	const json_t *resumed; /* commands for runs that had begun before; array */
	int live;	       /* runs at once */
	double total_usd;      /* < 0: none */
	bool json;
};
/* Refuses a line that was changed after its run began, naming it; nothing is begun. */
int batch_check(struct app *a, const struct batch_options *o, struct err *e);
/* Returns the exit status of docs/contracts.md, or -1 when what broke concerns all lines. */
int batch(struct app *a, const struct batch_options *o, struct err *e);

#endif
