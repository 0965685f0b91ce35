/* control: interventions from outside the process that works on a run: at a server that is named, through the owner's
 * socket when somebody owns the data folder, else as the owner for a moment.
 *
 * For a moment means: the command becomes an event, and nothing that it sets off is begun: that is for the next
 * `muster resume`. An answer is not even delivered then, but left in the store as a command that the next resume takes
 * up, because what follows an answer (an approved tool call, the flow's next step) must be begun by a process that
 * stays to see its end. */
#ifndef MUSTER_CMD_CONTROL_H
#define MUSTER_CMD_CONTROL_H

#include "cmd/app.h"
#include "cmd/remote.h"

struct control {
	struct app app;
	struct remote *remote; /* somebody owns the folder, and app is open for reading; or a server, without an app */
};
/* Open what is needed to give commands. */
int control_open(struct control *c, const struct args *args, struct err *e);
void control_close(struct control *c);
#define cleanup_control __attribute__((cleanup(control_close)))
/* The row of the run that is named; the command; true in *now: it is an event already, else it waits for a resume. */
json_t *control_run(struct control *c, const char *name, struct err *e);
int control_command(struct control *c, const json_t *run, const json_t *command, bool *now, struct err *e);
/* The open action of the run with this id or, when it is the only one, this name. */
json_t *control_action(struct control *c, const json_t *run, const char *name, struct err *e);
/* Remove the run (api/removal.h). */
int control_remove(struct control *c, const json_t *run, struct err *e);
/* POST to a resource of this run ("/fork"), or the same done here. */
json_t *control_post(struct control *c, const json_t *run, const char *what, const json_t *body, struct err *e);

#endif
