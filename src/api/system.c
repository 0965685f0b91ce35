/* system: is this process well, and what does it serve? */
#include "api/openapi.h"
#include "api/private.h"
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

/* Anybody may ask for it, and making it takes milliseconds: it is made once. */
static json_t *openapi(struct ask *q, struct err *e)
{
	struct server_request *r = q->request;
	struct api *a = q->api;
	cleanup_json json_t *made = a->document ? NULL : openapi_document(e);
	if (made && !(a->document = json_text(made)))
		err_nomem(e);
	if (!a->document)
		return NULL;
	a->replies[2]++;
	ask_forget(q);
	reply_json(r, 200, span_of(a->document));
	return NULL;
}

const struct route routes_system[] = {
	{"GET", "/health", WHO_ANYONE, "does this process serve?", NULL, NULL, "@health", 0, health},
	{"GET", "/ready", WHO_ANYONE, "does it take work?", NULL, NULL, "@ready", 0, ready},
	{"GET", "/api/v1/openapi.json", WHO_ANYONE, "this description, as OpenAPI 3.1", NULL, NULL, "o", 0, openapi},
	{0},
};
