/* routes: the resources under /api/v1, as one table: what is served, and what `muster describe` prints.
 *
 * A route's path has {run} and {action} segments, given as whole or shortened ids (store_run) and as an action's id or
 * name. A handler returns what is replied as JSON, or NULL with the error that becomes a problem document. */
#ifndef MUSTER_CMD_ROUTES_H
#define MUSTER_CMD_ROUTES_H

#include "cmd/app.h"
#include "http/reply.h"

struct ask {
	struct app *app;
	struct server_request *request;
	json_t *run;  /* the run's row, of paths with {run} */
	char *action; /* of paths with {action} */
	json_t *body; /* of POST: an object */
	bool taken;   /* the handler replies by itself */
};

struct route {
	const char *method, *path, *summary;
	const char *query; /* names of query parameters, separated by blanks */
	const char *body;  /* JSON Schema of the body; NULL: none */
	json_t *(*handle)(struct ask *a, struct err *e);
};

extern const struct route route_table[];
extern const size_t route_count;

/* The route for this method and decoded path, or NULL with ERR_NOT_FOUND; run and action as they stand in the path. */
const struct route *route_find(const char *method, const char *path, char **run, char **action, struct err *e);
/* [{name, method, path, summary, query, schema}] */
json_t *routes_describe(void);

/* GET …/events: taken over by stream.c. */
json_t *stream_events(struct ask *a, struct err *e);

#endif
