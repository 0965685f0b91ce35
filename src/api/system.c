/* system: is this process well, and what does it serve? */
#include "api/openapi.h"
#include "api/route.h"

static json_t *health(struct ask *q, struct err *e)
{
	(void)q;
	return json_make(e, "{s:s, s:s}", "status", "ok", "version", MUSTER_VERSION);
}

static json_t *openapi(struct ask *q, struct err *e)
{
	(void)q;
	return openapi_document(e);
}

const struct route routes_system[] = {
	{"GET", "/health", WHO_ANYONE, "does this process serve?", NULL, NULL, "@health", 0, health},
	{"GET", "/api/v1/openapi.json", WHO_ANYONE, "this description, as OpenAPI 3.1", NULL, NULL, "o", 0, openapi},
	{0},
};
