/* sock: see sock.h. A request: find the route, read the body of a POST, look the run up, call the handler, reply. */
#include "cmd/sock.h"

#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/routes.h"

#define BODY (1 * MIB)

struct sock {
	struct app *app;
	struct server server;
	bool open;
};

/* A request whose body is awaited. */
struct pending {
	struct sock *sock;
	const struct route *route;
	char *run, *action;
};

static void forget(struct pending *p)
{
	mem_free(p->run);
	mem_free(p->action);
	mem_free(p);
}

static void fill(struct pending *p, struct ask *a, struct err *e)
{
	if (p->run)
		a->run = store_run(a->app->store, p->run, e);
	a->action = p->action;
	if (!strcmp(p->route->method, "POST") && e->code == ERR_OK) {
		struct span body = a->request->body.n ? a->request->body : span_of("{}");
		a->body = json_parse(body, "the request's body", e);
		if (a->body && !json_is_object(a->body))
			err_set(e, ERR_INVALID, "the request's body must be an object");
	}
}

static void answer(struct pending *p, struct server_request *r)
{
	struct err e = ERR_INIT;
	struct ask a = {.app = p->sock->app, .request = r};
	fill(p, &a, &e);
	json_t *out = e.code == ERR_OK ? p->route->handle(&a, &e) : NULL;
	json_decref(a.run);
	json_decref(a.body);
	forget(p);
	if (a.taken)
		return;
	cleanup_free char *text = out ? json_text(out) : NULL;
	json_decref(out);
	if (!text && e.code == ERR_OK)
		err_nomem(&e);
	if (text)
		reply_json(r, 200, span_of(text));
	else
		reply_problem(r, &e);
}

static void collected(struct server_request *r, const struct err *why)
{
	struct pending *p = r->user;
	if (!why || why->code == ERR_OK) {
		answer(p, r);
		return;
	}
	forget(p);
	reply_problem(r, why);
}

static void handle(struct server_request *r, void *ctx)
{
	struct sock *s = ctx;
	struct err e = ERR_INIT;
	struct pending *p = MEM_NEW(struct pending);
	if (!p) {
		err_nomem(&e);
		reply_problem(r, &e);
		return;
	}
	p->sock = s;
	p->route = route_find(r->method, r->path, &p->run, &p->action, &e);
	if (!p->route) {
		forget(p);
		reply_problem(r, &e);
	} else if (!strcmp(r->method, "POST")) {
		r->user = p;
		request_collect(r, BODY, collected);
	} else {
		answer(p, r);
	}
}

struct sock *sock_open(struct app *a, struct err *e)
{
	struct sock *s = MEM_NEW(struct sock);
	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->app = a;
	server_init(&s->server, a->loop, handle, s);
	s->open = true;
	if (server_unix(&s->server, a->sock, 0600, e)) {
		err_wrap(e, "the socket of the data folder");
		sock_close(s);
		return NULL;
	}
	return s;
}

static void closed(struct server *server)
{
	container_of(server, struct sock, server)->open = false;
}

void sock_close(struct sock *s)
{
	if (!s)
		return;
	server_close(&s->server, closed);
	while (s->open)
		loop_turn(s->app->loop, -1);
	mem_free(s);
}
