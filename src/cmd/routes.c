/* routes: see routes.h. */
#include "cmd/routes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cmd/control.h"
#include "flow/run.h"

/* ---- parameters ---- */

/* 1, 0 not given, -1. */
static int query_text(const struct ask *a, const char *name, struct buf *out, struct err *e)
{
	int got = request_query(a->request, name, out, e);
	return got > 0 && buf_check(out, name, e) ? -1 : got;
}

static int query_int(const struct ask *a, const char *name, int64_t otherwise, int64_t *out, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(64);
	int got = query_text(a, name, &text, e);
	char *end = NULL;
	*out = otherwise;
	if (got <= 0)
		return got;
	*out = strtoll(text.data ? text.data : "", &end, 10);
	return text.len && !*end && *out >= -1 ? 0 : err_set(e, ERR_INVALID, "%s must be a whole number", name);
}

static const char *run_of(const struct ask *a)
{
	return json_str(a->run, "run");
}

/* ---- handlers ---- */

static json_t *get_runs(struct ask *a, struct err *e)
{
	cleanup_buf struct buf state = BUF_INIT(64);
	int64_t limit;
	if (query_text(a, "state", &state, e) < 0 || query_int(a, "limit", 100, &limit, e))
		return NULL;
	cleanup_json json_t *filter = state.len ? json_pack("{s:s}", "state", state.data) : NULL;
	return store_runs(a->app->store, filter, (int)limit, e);
}

static json_t *get_run(struct ask *a, struct err *e)
{
	(void)e;
	return json_incref(a->run);
}

static json_t *list_actions(struct ask *a, const char *run, struct err *e)
{
	cleanup_buf struct buf state = BUF_INIT(64);
	if (query_text(a, "state", &state, e) < 0)
		return NULL;
	cleanup_json json_t *filter = json_object();
	if (!filter || json_put(filter, "state", json_string(state.len ? state.data : "open")) ||
		(run && json_put(filter, "run", json_string(run)))) {
		err_nomem(e);
		return NULL;
	}
	return store_actions(a->app->store, filter, -1, e);
}

static json_t *get_actions(struct ask *a, struct err *e)
{
	return list_actions(a, NULL, e);
}

static json_t *get_run_actions(struct ask *a, struct err *e)
{
	return list_actions(a, run_of(a), e);
}

static json_t *get_usage(struct ask *a, struct err *e)
{
	cleanup_json json_t *filter = json_pack("{s:s}", "run", run_of(a));
	return store_usage(a->app->store, filter, e);
}

static json_t *done(bool now)
{
	return json_pack("{s:b, s:b}", "ok", 1, "queued", !now);
}

static json_t *post_command(struct ask *a, struct err *e)
{
	bool now;
	return control_apply(a->app, a->run, a->body, &now, e) ? NULL : done(now);
}

static json_t *post_answer(struct ask *a, struct err *e)
{
	bool now;
	cleanup_json json_t *command = json_clone(a->body);
	if (!command || json_put(command, "kind", json_string("answer")) ||
		json_put(command, "action", json_string(a->action))) {
		err_nomem(e);
		return NULL;
	}
	return control_apply(a->app, a->run, command, &now, e) ? NULL : done(now);
}

static json_t *post_fork(struct ask *a, struct err *e)
{
	return control_fork(a->app, run_of(a), json_int(a->body, "at", INT64_MAX), e);
}

static json_t *post_merge(struct ask *a, struct err *e)
{
	return control_merge(a->app, run_of(a), e);
}

/* ---- the table ---- */

#define API "/api/v1"

const struct route route_table[] = {
	{"GET", API "/runs", "runs, newest first", "state limit", NULL, get_runs},
	{"GET", API "/runs/{run}", "one run", "", NULL, get_run},
	{"GET", API "/runs/{run}/events", "a run's events after a seq as NDJSON; follow=1: live, transient ones too",
		"after follow", NULL, stream_events},
	{"GET", API "/runs/{run}/actions", "a run's actions", "state", NULL, get_run_actions},
	{"GET", API "/runs/{run}/usage", "what a run spent, by role and model", "", NULL, get_usage},
	{"GET", API "/actions", "what people must decide", "state", NULL, get_actions},
	{"POST", API "/runs/{run}/commands", "an intervention: pause, resume, cancel, steer, redirect, modify, budget",
		"",
		"{\"type\":\"object\",\"required\":[\"kind\"],\"properties\":{\"kind\":{\"enum\":[\"pause\",\"resume\","
		"\"cancel\",\"steer\",\"redirect\",\"modify\",\"budget\",\"model\"]},\"agent\":{\"type\":\"string\"},"
		"\"text\":{\"type\":\"string\"},\"role\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},"
		"\"value\":{},\"by\":{\"type\":\"string\"}}}",
		post_command},
	{"POST", API "/runs/{run}/actions/{action}", "answer an action with one of its options, a text, or both", "",
		"{\"type\":\"object\",\"properties\":{\"option\":{\"type\":\"string\"},\"text\":{\"type\":\"string\"},"
		"\"by\":{\"type\":\"string\"}}}",
		post_answer},
	{"POST", API "/runs/{run}/fork",
		"a new, paused run with files and conversation of the last quiet event at or before `at`", "",
		"{\"type\":\"object\",\"properties\":{\"at\":{\"type\":\"integer\",\"minimum\":1}}}", post_fork},
	{"POST", API "/runs/{run}/merge", "bring the run's branch into its project", "", "{\"type\":\"object\"}",
		post_merge},
};
const size_t route_count = sizeof(route_table) / sizeof(*route_table);

/* Does the path fit? The values of {run} and {action} are put into *run and *action. -1: no memory. */
static int fits(const char *pattern, const char *path, char **run, char **action)
{
	while (*pattern && *path) {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return 0;
			continue;
		}
		size_t n = strcspn(path, "/");
		char **to = pattern[1] == 'r' ? run : action;
		if (!n)
			return 0;
		mem_free(*to);
		*to = mem_strndup(path, n);
		if (!*to)
			return -1;
		path += n;
		pattern = strchr(pattern, '}') + 1;
	}
	return !*pattern && !*path;
}

const struct route *route_find(const char *method, const char *path, char **run, char **action, struct err *e)
{
	bool known = false;
	for (size_t i = 0; i < route_count; i++) {
		int fit = fits(route_table[i].path, path, run, action);
		if (fit < 0) {
			err_nomem(e);
			return NULL;
		}
		known |= fit;
		if (fit && !strcmp(route_table[i].method, method))
			return &route_table[i];
	}
	err_set(e, ERR_NOT_FOUND, "%s is no method of a resource %s%s", method, path, known ? "" : " (there is none)");
	return NULL;
}

json_t *routes_describe(void)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < route_count; i++) {
		const struct route *r = &route_table[i];
		char name[128];
		snprintf(name, sizeof(name), "%s %s", r->method, r->path);
		json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o?}", "name", name, "method", r->method, "path",
			r->path, "summary", r->summary, "query", r->query, "schema",
			r->body ? json_loads(r->body, 0, NULL) : json_null());
		json_array_append_new(list, row);
	}
	return list;
}
