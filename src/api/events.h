/* events: a run's events over HTTP. */
#ifndef MUSTER_API_EVENTS_H
#define MUSTER_API_EVENTS_H

#include "api/route.h"

/* Takes the call over. */
json_t *run_events(struct ask *q, struct err *e);

#endif
