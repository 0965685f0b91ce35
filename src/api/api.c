/* api: the way of a request: find the route, admit the caller, read the body, call the handler, reply. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/drafts.h"
#include "api/feed.h"
#include "api/private.h"
#include "api/retention.h"
#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/schema.h"
#include "http/assets.h"
#include "http/origin.h"

#define BODY (1 * MIB)

static void refuse(struct ask *q, const struct err *why)
{
	ask_end(q, NULL, why);
}

static void run_handler(struct ask *q)
{
	struct err e = ERR_INIT;
	json_t *out = q->route->handle(q, &e);
	if (out || e.code != ERR_OK) /* else it was taken, and may be no more */
		ask_end(q, out, &e);
}

/* ---- the body ---- */

static bool is_json(const char *type)
{
	static const char json[] = "application/json";
	return type && !strncasecmp(type, json, sizeof(json) - 1) && strchr(" ;\t", type[sizeof(json) - 1]);
}

static int take_body(struct ask *q, struct err *e)
{
	struct span text = q->request->body.n ? q->request->body : span_of("{}");
	q->body = json_parse(text, "the request's body", e);
	if (q->body && !json_is_object(q->body))
		return err_set(e, ERR_INVALID, "the request's body must be an object");
	return q->body ? schema_validate(route_body_schema(q->route), q->body, e) : -1;
}

static void collected(struct server_request *r, const struct err *why)
{
	struct ask *q = r->user;
	struct err e = ERR_INIT;
	r->user = NULL;
	if (why && why->code != ERR_OK)
		refuse(q, why);
	else if (take_body(q, &e))
		refuse(q, &e);
	else
		run_handler(q);
}

/* Pages of other sites can send every type but this one; none of them reaches the owner's socket. */
static int check_type(const struct ask *q, struct err *e)
{
	const char *type = ask_header(q, "content-type");
	if (!q->request->length || q->request->local || is_json(type))
		return 0;
	return err_set(e, ERR_MEDIA_TYPE, "the body must be application/json, not %.80s", type ? type : "of no type");
}

static void read_body(struct ask *q)
{
	struct err e = ERR_INIT;
	if (check_type(q, &e)) {
		refuse(q, &e);
		return;
	}
	q->request->user = q;
	request_collect(q->request, BODY, collected);
}

/* ---- the head ---- */

/* What no resource can have. */
static bool is_page(const struct server_request *r)
{
	bool reads = !strcmp(r->method, "GET") || !strcmp(r->method, "HEAD");
	return reads && !r->local && strncmp(r->path, "/api/", 5) != 0;
}

/* Somebody follows a link of another site, or is sent here by it: to a page, which anybody may read, or to what expects
 * them. Nothing that such a page could read or change by itself (Fetch Metadata). */
static bool is_visit(const struct ask *q)
{
	const char *mode = ask_header(q, "sec-fetch-mode"), *dest = ask_header(q, "sec-fetch-dest");
	bool open = q->match.route ? q->match.route->visited : is_page(q->request);
	return open && !ask_header(q, "origin") && mode && !strcmp(mode, "navigate") && dest &&
	       !strcmp(dest, "document");
}

static int begin(struct ask *q, struct err *e)
{
	bool found = !route_find(q->request->method, q->path, &q->match, e);
	if (!request_same_origin(q->request) && !is_visit(q))
		return err_set(e, ERR_DENIED, "this was sent by a page of another site");
	return !found || reply_header(q->request, "X-Request-Id", q->id, e);
}

static void handle(struct server_request *r, void *ctx)
{
	struct err e = ERR_INIT;
	struct ask *q = ask_new(ctx, r->path, r, &e);
	if (!q) {
		reply_problem(r, &e);
		return;
	}
	bool found = !begin(q, &e);
	if (!found && e.code == ERR_NOT_FOUND && is_page(r) && reply_asset(r)) {
		ask_forget(q);
		return;
	}
	q->route = q->match.route;
	if (!found || admit(q, &e)) {
		refuse(q, &e);
		return;
	}
	ask_command(q, ask_header(q, "idempotency-key"));
	if (q->route->body && !q->route->raw)
		read_body(q);
	else
		run_handler(q);
}

/* ---- opening, closing ---- */

/* Also when nobody has told that a caller's rights have shrunk: a key expires by itself. */
static void beat(struct timer *t)
{
	struct api *a = container_of(t, struct api, beat);
	struct err e = ERR_INIT;
	feeds_check(a);
	feeds_beat(a);
	if (timer_start(t, FEED_BEAT_MS, &e))
		log_error("api", "no more heartbeats: %s", e.text);
}

/* Somebody may do less from now on. */
static void on_rights(struct accounts_watch *w, const char *person)
{
	(void)person;
	feeds_check(container_of(w, struct api, watch));
}

struct api *api_open(const struct api_needs *needs, struct err *e)
{
	struct api *a = routes_setup(e) ? NULL : MEM_NEW(struct api);
	if (!a) {
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	a->needs = *needs;
	list_init(&a->feeds);
	list_init(&a->makings);
	list_init(&a->clonings);
	toils_init(&a->toils, CAP_PROJECT_LOOKS);
	toils_init(&a->adoptions, 2 * CAP_CLONES);
	toils_init(&a->reads, CAP_RUN_WORKS);
	toils_init(&a->works, CAP_RUN_WORKS);
	list_init(&a->begun);
	buf_init(&a->encoded, 4 * CAP_EVENT_DATA);
	timer_init(&a->beat, needs->loop, beat);
	a->book = book_open(needs, e);
	if (!a->book) {
		mem_free(a);
		return NULL;
	}
	server_init(&a->server, needs->loop, handle, a);
	a->open = true;
	a->watch.cb = on_rights;
	list_init(&a->watch.link);
	if (needs->accounts)
		accounts_watch(needs->accounts, &a->watch);
	a->drafts = drafts_new(needs->store, e);
	a->retention = a->drafts && needs->serving ? retention_open(needs, a->book, e) : NULL;
	if (!a->drafts || e->code != ERR_OK || timer_start(&a->beat, FEED_BEAT_MS, e)) {
		api_close(a);
		return NULL;
	}
	if (server_unix(&a->server, needs->sock, 0600, e)) {
		err_wrap(e, "the socket of the data folder");
		api_close(a);
		return NULL;
	}
	if (needs->serving && project_clones_open(a, e)) {
		api_close(a);
		return NULL;
	}
	return a;
}

/* Keys that are remembered; each is some 48 bytes. */
#define CALLERS 65536

void api_rate(struct api *a)
{
	double per_s = options_number(a->needs.options, OPTION_RATE_PER_S);
	a->rate = (struct limiter_rate){.burst = per_s > 0 ? (int)options_int(a->needs.options, OPTION_RATE_BURST) : 0,
		.every_ms = per_s >= 1000 || per_s <= 0 ? 1 : (int)(1000 / per_s)};
}

static int limit(struct api *a, struct err *e)
{
	api_rate(a);
	a->limiter = limiter_new(loop_clock(a->needs.loop), CALLERS, e);
	return a->limiter ? 0 : -1;
}

int api_listen(struct api *a, struct api_door *d, struct err *e)
{
	if (limit(a, e))
		return -1;
	if ((d->certificate && server_tls(&a->server, d->certificate, d->key, e)) ||
		(d->proxies && server_proxies(&a->server, d->proxies, d->rfc7239, e)) ||
		(d->hosts && server_hosts(&a->server, d->hosts, e)))
		return -1;
	return server_tcp(&a->server, d->address, &d->port, e);
}

int api_renew(struct api *a, struct err *e)
{
	return server_tls_reload(&a->server, e);
}

static void closed(struct server *server)
{
	container_of(server, struct api, server)->open = false;
}

void api_close(struct api *a)
{
	if (!a)
		return;
	server_close(&a->server, closed);
	while (a->open)
		loop_turn(a->needs.loop, -1);
	project_clones_close(a);
	retention_close(a->retention);
	accounts_unwatch(&a->watch);
	timer_stop(&a->beat);
	limiter_free(a->limiter);
	drafts_free(a->drafts);
	blob_unref(a->encoded_of);
	buf_release(&a->encoded);
	mem_free(a->document);
	book_free(a->book);
	mem_free(a);
	routes_release();
}
