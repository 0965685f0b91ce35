#include "http/server.h"

#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/connection.h"
#include "http/deflate.h"
#include "http/tls.h"

/* Purpose: the listeners of a server and the count of its connections. */

enum { OPEN, CLOSING, CLOSED };
static const struct sm_state states[] = {
	[OPEN] = {"open", SM_TO(CLOSING)},
	[CLOSING] = {"closing", SM_TO(CLOSED)},
	[CLOSED] = {"closed", 0},
};

struct server_listener {
	struct listener listener;
	struct server *server;
	struct list link;
};

static void on_connection(struct listener *l, int fd)
{
	struct server_listener *sl = container_of(l, struct server_listener, listener);
	if (sl->server->count >= sl->server->max_connections)
		close(fd);
	else
		connection_new(sl->server, fd, l->path != NULL);
}

static void on_all_closed(struct tick *t)
{
	struct server *s = container_of(t, struct server, closing);
	sm_move(&s->sm, CLOSED);
	deflate_free(s->deflate);
	s->deflate = NULL;
	tls_free(s->tls);
	s->tls = NULL;
	mem_free(s->proxies);
	s->proxies = NULL;
	mem_free(s->hosts);
	s->hosts = NULL;
	s->on_closed(s);
}

void server_init(struct server *s, struct loop *l, void (*handle)(struct server_request *r, void *ctx), void *ctx)
{
	*s = (struct server){
		.loop = l,
		.handle = handle,
		.ctx = ctx,
		.head_ms = TIME_HTTP_HEAD,
		.idle_ms = TIME_HTTP_IDLE,
		.stall_ms = TIME_HTTP_STALL,
		.max_connections = CAP_HTTP_CONNECTIONS,
	};
	sm_init(&s->sm, states, OPEN);
	list_init(&s->listeners);
	list_init(&s->connections);
	tick_init(&s->closing, l, on_all_closed);
}

static struct server_listener *listener_new(struct server *s, struct err *e)
{
	struct server_listener *sl = MEM_NEW(struct server_listener);
	if (!sl)
		err_nomem(e);
	else
		sl->server = s;
	return sl;
}

int server_unix(struct server *s, const char *path, mode_t mode, struct err *e)
{
	cleanup_free struct server_listener *sl = listener_new(s, e);
	if (!sl || listener_unix(&sl->listener, s->loop, path, mode, on_connection, e) != 0)
		return -1;
	list_push(&s->listeners, &sl->link);
	(void)steal(&sl);
	return 0;
}

int server_tcp(struct server *s, const char *address, int *port, struct err *e)
{
	cleanup_free struct server_listener *sl = listener_new(s, e);
	if (!sl || listener_tcp(&sl->listener, s->loop, address, *port, on_connection, e) != 0)
		return -1;
	*port = sl->listener.port;
	list_push(&s->listeners, &sl->link);
	(void)steal(&sl);
	return 0;
}

static int tls_use(struct server *s, struct tls *t)
{
	if (!t)
		return -1;
	tls_free(s->tls);
	s->tls = t;
	return 0;
}

int server_tls(struct server *s, const char *certificate, const char *key, struct err *e)
{
	return tls_use(s, tls_new(certificate, key, e));
}

int server_tls_reload(struct server *s, struct err *e)
{
	BUG_ON(!s->tls);
	return tls_use(s, tls_again(s->tls, e));
}

bool server_closing(const struct server *s)
{
	return sm_is(&s->sm) != OPEN;
}

void server_close(struct server *s, void (*on_closed)(struct server *s))
{
	struct list *link;
	sm_move(&s->sm, CLOSING);
	s->on_closed = on_closed;
	while ((link = list_shift(&s->listeners))) {
		struct server_listener *sl = list_entry(link, struct server_listener, link);
		listener_close(&sl->listener);
		mem_free(sl);
	}
	/* Connections leave the list in their close callbacks only: none goes while we walk. */
	list_for (it, &s->connections)
		connection_drop(list_entry(it, struct connection, link));
	if (s->count == 0)
		tick_start(&s->closing);
}

void server_left(struct server *s)
{
	s->count--;
	if (s->count == 0 && sm_is(&s->sm) == CLOSING)
		tick_start(&s->closing);
}
