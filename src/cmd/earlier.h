/* earlier: finds the run that a line of a batch has already: the newest of the mode in the line's project, as the
 * journal knows it. Forks of it are somebody else's. */
#ifndef MUSTER_CMD_EARLIER_H
#define MUSTER_CMD_EARLIER_H

#include "cmd/app.h"
#include "cmd/inputs.h"

/* The line's project as the journal writes it, absolute and without links; mem_free it. projects: such a path. */
char *earlier_project(const char *projects, const char *name, struct err *e);
/* The run's row; NULL with ERR_OK when there is none. ERR_INVALID: it began with other inputs than the line has now. */
json_t *earlier_run(
	struct app *a, const struct mode *m, const struct input_line *line, const char *project, struct err *e);
/* Resumed it would do nothing more, or fail again. */
bool earlier_ended(const json_t *row);

#endif
