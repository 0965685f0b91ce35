/* request: what `muster run` and `muster batch` ask of the house, made from a command line. */
#ifndef MUSTER_CMD_REQUEST_H
#define MUSTER_CMD_REQUEST_H

#include "cmd/app.h"
#include "flow/mode.h"

/* {mode, inputs, settings, model, budget_usd, policy, unattended, check, title} from the options that `muster run` and
 * `muster batch` share. Reads the files they name. */
json_t *request_of(const struct args *args, bool unattended, struct err *e);
/* What only `muster run` takes: project, record. */
int request_single(const struct args *args, json_t *request, struct err *e);
/* Its mode, to be freed with mode_free; NULL also when --yes names no gate of it. */
struct mode *request_mode(const struct args *args, const json_t *request, struct err *e);
/* Is there such a mode, are its inputs right? Before a data folder is made for it. */
int request_check_mode(const struct args *args, const json_t *request, struct err *e);
/* What the configuration adds: model and budget; ERR_NO_MODEL when nothing can answer. */
int request_complete(struct app *a, json_t *request, struct err *e);
/* "script:/absolute/path" of a --script, or the model; a new text, NULL with ERR_OK when neither is given. */
char *request_model(const struct args *args, struct err *e);
/* An absolute path; of a file that need not exist. */
char *absolute_path(const char *path, struct err *e);

#endif
