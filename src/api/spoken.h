/* spoken: a route asked over a WebSocket, for a caller who has it open. Rule, shapes and handler are those of the
 * table; only routes that say so (route.h: spoken) can be asked like this. */
#ifndef MUSTER_API_SPOKEN_H
#define MUSTER_API_SPOKEN_H

#include "api/private.h"

/* message: {path, method: POST if it says none, body?, key? (as Idempotency-Key)}. What is replied; or NULL with the
 * error of which HTTP would make a problem document. */
json_t *spoken_ask(struct api *a, const struct caller *caller, const json_t *message, struct err *e);

#endif
