/* openapi: one path item for each path, one operation for each route. */
#include "api/openapi.h"

#include <ctype.h>
#include <stdio.h>

#include "api/shapes.h"
#include "base/shape.h"

struct document {
	json_t *paths, *tags;
	struct err *e;
};

static int append(json_t *list, json_t *one, struct err *e)
{
	return !one || json_array_append_new(list, one) ? (e->code == ERR_OK ? err_nomem(e) : -1) : 0;
}

/* {name} segments, then what the query takes. */
static json_t *parameters(const struct route *r, struct err *e)
{
	json_t *list = json_make(e, "[]");
	const char *key;
	json_t *schema;
	for (const char *at = r->path; list && (at = strchr(at, '{')); at = strchr(at, '}')) {
		char name[64];
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(at + 1, "}"), at + 1);
		if (append(list,
			    json_make(e, "{s:s, s:s, s:b, s:{s:s}}", "name", name, "in", "path", "required", 1,
				    "schema", "type", "string"),
			    e)) {
			json_decref(list);
			return NULL;
		}
	}
	json_object_foreach(json_get(route_query_schema(r), "properties"), key,
		schema) if (list &&
			    append(list, json_make(e, "{s:s, s:s, s:O}", "name", key, "in", "query", "schema", schema),
				    e))
	{
		json_decref(list);
		return NULL;
	}
	return list;
}

/* get_runs_run_events: unique, since method and path are. */
static void operation_id(const struct route *r, char *out, size_t size)
{
	size_t n = 0;
	for (const char *p = r->method; *p && n + 1 < size; p++)
		out[n++] = (char)tolower((unsigned char)*p);
	const char *path = strncmp(r->path, "/api/v1", 7) ? r->path : r->path + 7;
	for (; *path && n + 1 < size; path++)
		if (isalnum((unsigned char)*path))
			out[n++] = *path;
		else if (n && out[n - 1] != '_' && *path != '}')
			out[n++] = '_';
	out[n] = '\0';
}

/* Of each type that stands there, something that is no JSON. */
static json_t *contents(const char *types, struct err *e)
{
	json_t *out = json_make(e, "{}");
	for (size_t n; out && *types; types += n + strspn(types + n, " ")) {
		char type[64];
		n = strcspn(types, " ");
		snprintf(type, sizeof(type), "%.*s", (int)n, types);
		if (json_put(out, type, json_make(e, "{s:{s:s}}", "schema", "type", "string"))) {
			json_decref(out);
			return err_nomem(e), NULL;
		}
	}
	return out;
}

static json_t *responses(const struct route *r, struct err *e)
{
	char status[8];
	snprintf(status, sizeof(status), "%d", r->status ? r->status : r->reply || r->content_type ? 200 : 204);
	json_t *good = json_make(e, "{s:s}", "description", r->summary);
	json_t *schema = r->reply && !r->content_type ? shape_type(r->reply, SHAPE_PREFIX, e) : NULL;
	json_t *content = schema	    ? json_make(e, "{s:{s:o}}", "application/json", "schema", schema)
			  : r->content_type ? contents(r->content_type, e)
					    : NULL;
	if (content && (!good || json_put(good, "content", content)))
		err_nomem(e);
	return json_make(e, "{s:o, s:{s:s}, s:{s:s}}", status, good, "4XX", "$ref", "#/components/responses/problem",
		"5XX", "$ref", "#/components/responses/problem");
}

/* The resource that it belongs to: the first segment that names one. */
static struct span resource(const struct route *r)
{
	const char *path = strncmp(r->path, "/api/v1/", 8) ? "/system" : r->path + 7;
	return span_n(path + 1, strcspn(path + 1, "/."));
}

static json_t *tag(const struct route *r, struct err *e)
{
	struct span name = resource(r);
	return json_make(e, "[s%]", name.p, name.n);
}

static int add_tag(struct document *d, const struct route *r)
{
	struct span name = resource(r);
	size_t i;
	json_t *one;
	json_array_foreach(d->tags, i, one) if (span_eq(json_span(one, "name"), name)) return 0;
	return append(d->tags, json_make(d->e, "{s:s%}", "name", name.p, name.n), d->e);
}

static json_t *description(const struct route *r, struct err *e)
{
	static const char *const whom[] = {[WHO_ANYONE] = "For anyone, without a login.",
		[WHO_KNOWN] = "For everyone who is logged in.",
		[WHO_VIEWER] = "For viewers",
		[WHO_MEMBER] = "For members",
		[WHO_ADMIN] = "For administrators",
		[WHO_OWNER] = "For owners",
		[WHO_LOCAL] = "For the data folder's owner, over its socket."};
	bool project = strstr(r->path, "{run}") || strstr(r->path, "{project}");
	bool role = r->who >= WHO_VIEWER && r->who <= WHO_OWNER;
	json_t *text = json_sprintf("%s%s", whom[r->who],
		!role	  ? ""
		: project ? " of the project."
			  : " of the installation.");
	if (!text)
		err_nomem(e);
	return text;
}

static void add_operation(void *ctx, const struct route *r)
{
	struct document *d = ctx;
	struct err *e = d->e;
	char id[128];
	if (e->code != ERR_OK)
		return;
	operation_id(r, id, sizeof(id));
	json_t *operation = json_make(e, "{s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "operationId", id, "summary",
		r->summary, "description", description(r, e), "x-who", who_names[r->who], "tags", tag(r, e),
		"parameters", parameters(r, e), "responses", responses(r, e), "security",
		r->who == WHO_ANYONE ? json_make(e, "[]") : json_make(e, "[{s:[]}, {s:[]}]", "key", "session"));
	const json_t *body = route_body_schema(r);
	json_t *item = json_get(d->paths, r->path);
	char method[8];
	for (size_t i = 0; i < sizeof(method); i++)
		method[i] = (char)tolower((unsigned char)r->method[i < strlen(r->method) ? i : strlen(r->method)]);
	bool bad =
		!operation ||
		(body && json_put(operation, "requestBody",
				 json_make(e, "{s:{s:{s:O}}}", "content", "application/json", "schema", body))) ||
		(r->raw &&
			json_put(operation, "requestBody",
				json_make(e, "{s:{s:{s:{s:s}}}}", "content",
					r->body ? r->body : "application/octet-stream", "schema", "type", "string"))) ||
		(!item && (json_put(d->paths, r->path, json_make(e, "{}")) || !(item = json_get(d->paths, r->path))));
	if (bad || json_object_set(item, method, operation) || add_tag(d, r))
		e->code == ERR_OK ? err_nomem(e) : -1;
	json_decref(operation);
}

json_t *openapi_document(struct err *e)
{
	cleanup_json json_t *paths = routes_setup(e) ? NULL : json_make(e, "{}");
	cleanup_json json_t *schemas = paths ? shapes_schemas(e) : NULL;
	if (!schemas)
		return NULL;
	cleanup_json json_t *tags = json_make(e, "[]");
	struct document d = {.paths = paths, .tags = tags, .e = e};
	if (!tags)
		return NULL;
	route_each(add_operation, &d);
	if (e->code != ERR_OK)
		return NULL;
	return json_make(e,
		"{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:s}], s:O, s:O, s:{s:O, s:{s:{s:s, s:{s:{s:{s:s}}}}}, "
		"s:{s:{s:s, s:s}, "
		"s:{s:s, s:s, s:s}}}}",
		"openapi", "3.1.0", "info", "title", "muster", "version", MUSTER_VERSION, "description",
		"Teams of software agents: projects, runs, people's decisions, live events.", "license", "name",
		"Apache 2.0", "identifier", "Apache-2.0", "servers", "url", "/", "paths", paths, "tags", tags,
		"components", "schemas", schemas, "responses", "problem", "description",
		"what went wrong, and what to do (RFC 9457)", "content", "application/problem+json", "schema", "$ref",
		SHAPE_PREFIX "problem", "securitySchemes", "key", "type", "http", "scheme", "bearer", "session", "type",
		"apiKey", "in", "cookie", "name", "__Host-muster");
}
