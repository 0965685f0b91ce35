/* routes: the tables of all resources as one; finding a row by method and path. */
#include <stdio.h>

#include "api/shapes.h"
#include "base/caps.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/schema.h"
#include "base/shape.h"

static const struct route *const tables[] = {
#define X(name) routes_##name,
	ROUTES(X)
#undef X
};

const char *const who_names[] = {[WHO_UNSAID] = "unsaid",
	[WHO_ANYONE] = "anyone",
	[WHO_KNOWN] = "known",
	[WHO_VIEWER] = "viewer",
	[WHO_MEMBER] = "member",
	[WHO_ADMIN] = "admin",
	[WHO_OWNER] = "owner",
	[WHO_LOCAL] = "local"};

void route_each(void (*each)(void *ctx, const struct route *r), void *ctx)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct route *r = tables[i]; r->method; r++)
			each(ctx, r);
}

/* ---- their shapes, read once ---- */

/* Schemas of query and body by row: {"METHOD path": [query or null, body or null]} */
static json_t *schemas;

static json_t *schema_of(const struct route *r, size_t which)
{
	char name[256];
	snprintf(name, sizeof(name), "%s %s", r->method, r->path);
	json_t *schema = json_array_get(json_get(schemas, name), which);
	return json_is_object(schema) ? schema : NULL;
}

const json_t *route_query_schema(const struct route *r)
{
	return schema_of(r, 0);
}

const json_t *route_body_schema(const struct route *r)
{
	return schema_of(r, 1);
}

static void setup_one(void *ctx, const struct route *r)
{
	struct err *e = ctx;
	char name[256];
	if (e->code != ERR_OK)
		return;
	snprintf(name, sizeof(name), "%s %s", r->method, r->path);
	if (r->who == WHO_UNSAID || !r->summary || !r->handle || json_get(schemas, name)) {
		err_set(e, ERR_INTERNAL, "route %s says not who may call it, or stands twice", name);
		return;
	}
	bool body = r->body && !r->raw;
	cleanup_json json_t *query = r->query ? shape_schema(r->query, false, NULL, e) : json_null();
	cleanup_json json_t *content = query && body ? shape_schema(r->body, false, NULL, e) : json_null();
	if ((json_is_object(query) && schema_check(query, e)) ||
		(json_is_object(content) && schema_check(content, e))) {
		err_wrap(e, "route %s", name); /* "@name", which nobody would check */
		return;
	}
	cleanup_json json_t *reply = content && r->reply ? shape_type(r->reply, SHAPE_PREFIX, e) : json_null();
	if (!reply)
		err_wrap(e, "route %s", name);
	else if (json_put(schemas, name, json_make(e, "[O, O]", query, content)))
		err_nomem(e);
}

int routes_setup(struct err *e)
{
	if (schemas)
		return 0;
	schemas = json_make(e, "{}");
	if (!schemas)
		return -1;
	route_each(setup_one, e);
	if (e->code == ERR_OK)
		return 0;
	routes_release();
	return -1;
}

void routes_release(void)
{
	json_decref(schemas);
	schemas = NULL;
}

/* ---- finding ---- */

/* Does the path fit, segment by segment? values receives what stands for {…}. */
static bool fits(const char *pattern, const char *path, struct span *values)
{
	while (*pattern && *path) {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		size_t n = strcspn(path, "/");
		if (!n)
			return false;
		*values++ = span_n(path, n);
		path += n;
		pattern = strchr(pattern, '}') + 1;
	}
	return !*pattern && !*path;
}

int route_find(const char *method, const char *path, struct route_match *out, struct err *e)
{
	char known[128] = "";
	size_t used = 0;
	if (!strcmp(method, "HEAD"))
		method = "GET";
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct route *r = tables[i]; r->method; r++) {
			if (!fits(r->path, path, out->values))
				continue;
			if (!strcmp(r->method, method)) {
				out->route = r;
				return 0;
			}
			if (used < sizeof(known))
				used += (size_t)snprintf(
					known + used, sizeof(known) - used, "%s%s", used ? ", " : "", r->method);
		}
	if (used)
		return err_set(e, ERR_METHOD, "%s takes %s, not %s", path, known, method);
	return err_set(e, ERR_NOT_FOUND, "there is no resource %s", path);
}

/* ---- describing ---- */

struct describing {
	json_t *list;
	struct err *e;
};

static void describe_one(void *ctx, const struct route *r)
{
	struct describing *d = ctx;
	char name[256];
	snprintf(name, sizeof(name), "%s %s", r->method, r->path);
	json_t *reply = r->reply ? shape_type(r->reply, SHAPE_PREFIX, d->e) : json_null();
	json_t *row = reply ? json_make(d->e, "{s:s, s:s, s:s, s:s, s:s, s:O?, s:O?, s:o}", "name", name, "method",
				      r->method, "path", r->path, "who", who_names[r->who], "summary", r->summary,
				      "query", route_query_schema(r), "schema", route_body_schema(r), "reply", reply)
			    : NULL;
	if (!row || json_array_append_new(d->list, row))
		d->e->code == ERR_OK ? err_nomem(d->e) : -1;
}

json_t *routes_describe(struct err *e)
{
	struct describing d = {.e = e, .list = routes_setup(e) ? NULL : json_make(e, "[]")};
	if (d.list)
		route_each(describe_one, &d);
	if (e->code == ERR_OK)
		return d.list;
	json_decref(d.list);
	return NULL;
}
