/* source: see source.h. */
#include "cmd/source.h"

#include <stdio.h>
#include <string.h>

#include "api/changes.h"
#include "base/mem.h"
#include "cmd/following.h"
#include "http/url.h"

#define SEARCHED 1000 /* newest runs of a server among which a part of an id is looked for */

int source_open(struct source *s, const struct args *args, struct err *e)
{
	const char *url = remote_named(args);
	*s = (struct source){0};
	if (url)
		s->remote = remote_server(url, NULL, e);
	else if (app_open(&s->app, args, APP_READ, e))
		return -1;
	s->name = s->remote ? s->remote->name : s->app.data_dir;
	return url && !s->remote ? -1 : 0;
}

void source_close(struct source *s)
{
	remote_close(s->remote);
	app_close(&s->app);
	*s = (struct source){0};
}

/* ---- rows ---- */

json_t *source_runs(struct source *s, const char *state, const char *mode, int limit, struct err *e)
{
	if (s->remote) {
		cleanup_free char *path = mem_printf("/api/v1/runs%s%s%s%s", state ? "?state=" : "", state ? state : "",
			!mode	? ""
			: state ? "&mode="
				: "?mode=",
			mode ? mode : "");
		return path ? remote_list(s->remote, path, limit, e) : (err_nomem(e), NULL);
	}
	if (!s->app.store)
		return json_make(e, "[]");
	cleanup_json json_t *filter = json_make(e, "{s:s*, s:s*}", "state", state, "mode", mode);
	return filter ? store_runs(s->app.store, filter, limit, e) : NULL;
}

static bool names(const char *id, const char *part)
{
	size_t n = strlen(id), m = strlen(part);
	return m <= n && (!strncmp(id, part, m) || !strcmp(id + n - m, part));
}

/* Servers know whole ids only: a part of one would tell of others' runs. */
static json_t *search(struct remote *r, const char *part, struct err *e)
{
	cleanup_json json_t *rows = strlen(part) >= 4 ? remote_list(r, "/api/v1/runs", SEARCHED, e) : json_array();
	json_t *row, *found = NULL;
	size_t i, count = 0;
	json_array_foreach(rows, i, row) if (json_str(row, "run") && names(json_str(row, "run"), part) && !count++)
		found = row;
	if (rows && !count)
		err_set(e, ERR_NOT_FOUND,
			"there is no run %.64s among the newest %d at %s; write its whole id, or at least 4 "
			"characters of its beginning or end",
			part, SEARCHED, r->name);
	else if (count > 1)
		err_set(e, ERR_INVALID, "%zu runs match %.64s; write more of the id", count, part);
	return count == 1 ? json_incref(found) : NULL;
}

json_t *remote_run(struct remote *r, const char *name, struct err *e)
{
	cleanup_buf struct buf path = BUF_INIT(4096);
	if (!r->sock && !id_valid(name))
		return search(r, name, e);
	buf_adds(&path, "/api/v1/runs/");
	url_encode(name, &path);
	return buf_check(&path, "RUN", e) ? NULL : remote_ask(r, "GET", path.data, NULL, e);
}

json_t *source_run(struct source *s, const char *name, struct err *e)
{
	return s->remote ? remote_run(s->remote, name, e) : app_run(&s->app, name, e);
}

json_t *source_actions(struct source *s, const char *run, bool all, int limit, struct err *e)
{
	const char *state = all ? "any" : "open";
	if (s->remote) {
		cleanup_free char *path = run ? mem_printf("/api/v1/runs/%s/actions?state=%s", run, state)
					      : mem_printf("/api/v1/actions?state=%s", state);
		return path ? remote_list(s->remote, path, limit, e) : (err_nomem(e), NULL);
	}
	if (!s->app.store)
		return json_make(e, "[]");
	cleanup_json json_t *filter = json_make(e, "{s:s*, s:s*}", "run", run, "state", all ? NULL : state);
	return filter ? store_actions(s->app.store, filter, limit, e) : NULL;
}

json_t *source_usage(struct source *s, const char *run, struct err *e)
{
	if (s->remote) {
		cleanup_free char *path = run ? mem_printf("/api/v1/runs/%s/usage", run) : NULL;
		return path  ? remote_ask(s->remote, "GET", path, NULL, e)
		       : run ? (err_nomem(e), NULL)
			     : remote_list(s->remote, "/api/v1/usage?group=run,role,model", -1, e);
	}
	if (!s->app.store)
		return json_make(e, "[]");
	cleanup_json json_t *filter = json_make(e, "{s:s*}", "run", run);
	struct usage_query query = {.group = USAGE_RUNS, .filter = filter, .limit = -1};
	return filter ? store_usage(s->app.store, &query, e) : NULL;
}

int source_diff(struct source *s, const json_t *row, struct buf *out, struct err *e)
{
	if (!s->remote)
		return changes_text(s->app.store, row, out, e);
	cleanup_free char *path = mem_printf("/api/v1/runs/%s/diff", json_str(row, "run"));
	return path ? remote_text(s->remote, path, out, e) : err_nomem(e);
}

/* ---- events ---- */

struct reading {
	source_each *each;
	void *ctx;
	struct following following;
	struct tail tail;
	int64_t at;
	int done; /* what each() or the end said */
	bool over;
	struct err why;
};

static void take(struct reading *x, const struct event *ev, const json_t *data)
{
	if (x->over || !ev->seq)
		return;
	x->at = ev->seq;
	x->done = x->each(x->ctx, ev, data, &x->why);
	x->over = x->done != 0;
}

static void take_stored(struct reading *x, const struct event *ev)
{
	cleanup_json json_t *data = x->over || !ev->seq ? NULL : event_data(ev, &x->why);
	if (data) {
		take(x, ev, data);
	} else if (x->why.code != ERR_OK) {
		x->done = -1;
		x->over = true;
	}
}

static void ended(struct reading *x, const struct err *why)
{
	x->why = *why;
	x->done = why->code == ERR_OK ? 0 : -1;
	x->over = true;
}

static void on_event(struct following *f, const struct event *ev, const char *stream, const json_t *data)
{
	(void)stream;
	take(container_of(f, struct reading, following), ev, data);
}

static void on_over(struct following *f, const struct err *why)
{
	ended(container_of(f, struct reading, following), why);
}

static void on_tail(struct tail *t, const char *stream, const struct event *ev)
{
	(void)stream;
	take_stored(container_of(t, struct reading, tail), ev);
}

static void on_failed(struct tail *t, const struct err *why)
{
	ended(container_of(t, struct reading, tail), why);
}

static int read_remote(struct source *s, const char *run, bool follow, struct reading *x)
{
	x->following = (struct following){.live = follow, .event = on_event, .over = on_over};
	if (following_start(&x->following, s->remote, run, &x->why))
		return -1;
	while (!x->over)
		loop_turn(s->remote->loop, -1);
	following_stop(&x->following);
	while (http_alive(s->remote->http))
		loop_turn(s->remote->loop, -1);
	return x->done;
}

/* New events are looked for in the journal itself, so this also works while nobody owns the folder. */
static int read_journal(struct source *s, const char *run, bool follow, struct reading *x)
{
	char stream[EVENT_STREAM_MAX];
	struct event events[64];
	int got = 0;
	snprintf(stream, sizeof(stream), "run/%s", run);
	while (!x->over && (got = store_read(s->app.store, stream, x->at, events, 64, &x->why)) > 0)
		for (int i = 0; i < got; i++) {
			take_stored(x, &events[i]);
			event_release(&events[i]);
		}
	if (got < 0 || x->over || !follow)
		return got < 0 ? -1 : x->done;
	x->tail = (struct tail){.stream = stream, .after = x->at, .cb = on_tail, .failed = on_failed};
	if (tail_start(&x->tail, s->app.store, &x->why))
		return -1;
	while (!x->over)
		loop_turn(s->app.loop, -1);
	tail_stop(&x->tail);
	return x->done;
}

int source_events(struct source *s, const char *run, bool follow, source_each *each, void *ctx, struct err *e)
{
	struct reading x = {.each = each, .ctx = ctx};
	int done = s->remote ? read_remote(s, run, follow, &x) : read_journal(s, run, follow, &x);
	if (done < 0)
		*e = x.why;
	return done < 0 ? -1 : 0;
}
