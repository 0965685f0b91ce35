/* remote: speaking to the owner of a data folder over its socket. */
#ifndef MUSTER_CMD_REMOTE_H
#define MUSTER_CMD_REMOTE_H

#include "cmd/app.h"

/* Does somebody serve the socket? */
bool remote_there(const struct app *a);
/* One request; the reply's JSON, or NULL with the error that the owner gave. body NULL: GET. */
json_t *remote_call(struct app *a, const char *path, const json_t *body, struct err *e);

#endif
