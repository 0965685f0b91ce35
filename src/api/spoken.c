/* spoken: see spoken.h. */
#include "api/spoken.h"

#include "base/schema.h"

static json_t *run_ask(struct ask *q, const json_t *message, struct err *e)
{
	json_t *body = json_get(message, "body");
	q->query = json_object();
	q->body = body ? json_incref(body) : json_object();
	if (!q->query || !q->body) {
		err_nomem(e);
		return NULL;
	}
	if (admit_again(q->api, &q->caller, e) || admit_known(q, e) ||
		schema_validate(route_body_schema(q->route), q->body, e))
		return NULL;
	ask_command(q, json_str(message, "key"));
	return q->route->handle(q, e);
}

json_t *spoken_ask(struct api *a, const struct caller *caller, const json_t *message, struct err *e)
{
	const char *path = json_str(message, "path"), *method = json_str(message, "method");
	if (!method)
		method = "POST";
	if (!path) {
		err_set(e, ERR_INVALID, "an ask is {\"ask\": id, \"path\": path, \"body\": {…}}");
		return NULL;
	}
	struct ask *q = ask_new(a, path, NULL, e);
	json_t *out = NULL;
	if (!q)
		return NULL;
	q->caller = *caller;
	if (!route_find(method, q->path, &q->match, e)) {
		q->route = q->match.route;
		if (q->route->spoken)
			out = run_ask(q, message, e);
		else
			err_set(e, ERR_METHOD, "%s %.200s is asked over HTTP only", method, path);
	}
	ask_told(q, method, "", out ? NULL : e);
	ask_forget(q);
	return out;
}
