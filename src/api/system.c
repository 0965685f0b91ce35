/* system: is this process well, and what does it serve? */
#include "api/openapi.h"
#include "api/route.h"
#include "flow/queue.h"

static json_t *health(struct ask *q, struct err *e)
{
	(void)q;
	return json_make(e, "{s:s, s:s}", "status", "ok", "version", MUSTER_VERSION);
}

/* Behind a balancer: send no more requests here while it closes. */
static json_t *ready(struct ask *q, struct err *e)
{
	return json_make(e, "{s:s, s:I}", "status", "ready", "queued",
		(json_int_t)(q->needs->queue ? queue_waiting(q->needs->queue) : 0));
}

static json_t *openapi(struct ask *q, struct err *e)
{
	(void)q;
	return openapi_document(e);
}

const struct route routes_system[] = {
	{"GET", "/health", WHO_ANYONE, "does this process serve?", NULL, NULL, "@health", 0, health},
	{"GET", "/ready", WHO_ANYONE, "does it take work?", NULL, NULL, "@ready", 0, ready},
	{"GET", "/api/v1/openapi.json", WHO_ANYONE, "this description, as OpenAPI 3.1", NULL, NULL, "o", 0, openapi},
	{0},
};
