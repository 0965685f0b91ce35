#include "sandbox/egress.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/caps.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/sm.h"
#include "loop/stream.h"

/* A connection:
 *
 *	head ──allowed──▶ resolving ──public──▶ connecting ──▶ relaying ──▶ closing
 *	  └───────────────────┴──── refused, failed, too slow ─────────────────┘
 *
 * Refusals are answered with 403 and one line that says why, so that the model reads it; failures with 502. */

enum state { HEAD, RESOLVING, CONNECTING, RELAYING, CLOSING };
static const struct sm_state states[] = {
	[HEAD] = {"head", SM_TO(RESOLVING) | SM_TO(CLOSING)},
	[RESOLVING] = {"resolving", SM_TO(CONNECTING) | SM_TO(CLOSING)},
	[CONNECTING] = {"connecting", SM_TO(RELAYING) | SM_TO(CLOSING)},
	[RELAYING] = {"relaying", SM_TO(CLOSING)},
	[CLOSING] = {"closing", 0},
};
enum { SETUP_MS = 30000, IDLE_MS = 300000, LINGER_MS = 2000, ADDRESSES = 8 };

struct egress {
	struct loop *loop;
	const struct sandbox_spec *spec;
	struct listener listener;
	struct list links;
	int count;
};

struct link {
	struct egress *egress; /* NULL: the sandbox is gone */
	struct loop *loop;
	struct list list;
	struct sm sm;
	struct stream client, server;
	int open; /* streams, work and watch that will still call back; freed at 0 */
	struct buf head;
	struct egress_request request;
	const struct sandbox_allow *entry; /* while resolving; of the egress' spec */
	struct work resolve;
	int resolve_error;
	struct sockaddr_storage address[ADDRESSES];
	socklen_t address_size[ADDRESSES];
	int address_count, address_next;
	int socket; /* connecting */
	struct watch connecting;
	struct timer timer;
};

static void unref(struct link *k)
{
	if (--k->open > 0)
		return;
	timer_stop(&k->timer);
	list_remove(&k->list);
	if (k->egress)
		k->egress->count--;
	buf_release(&k->head);
	mem_free(k);
}

static void on_client_closed(struct stream *s)
{
	unref(container_of(s, struct link, client));
}

static void on_server_closed(struct stream *s)
{
	unref(container_of(s, struct link, server));
}

static bool server_open(const struct link *k)
{
	return k->server.on_closed != NULL;
}

static void close_link(struct link *k)
{
	if (sm_is(&k->sm) == CLOSING)
		return;
	enum state was = (enum state)sm_is(&k->sm);
	sm_move(&k->sm, CLOSING);
	timer_stop(&k->timer);
	if (was == RESOLVING)
		work_cancel(&k->resolve);
	if (was == CONNECTING) {
		watch_stop(&k->connecting);
		close(k->socket);
	}
	stream_close(&k->client);
	if (server_open(k))
		stream_close(&k->server);
}

/* Say why and hang up; what was said is sent first. */
static void refuse(struct link *k, const char *status, const struct err *why)
{
	struct err e = ERR_INIT;
	cleanup_buf struct buf out = BUF_INIT(4 * KIB);
	buf_addf(&out,
		"HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\nConnection: "
		"close\r\n\r\n%s\n",
		status, strlen(why->text) + 1, why->text);
	if (buf_check(&out, "the refusal", &e) != 0 || stream_write(&k->client, buf_span(&out), &e) != 0 ||
		timer_start(&k->timer, LINGER_MS, &e) != 0) {
		close_link(k);
		return;
	}
	stream_finish(&k->client); /* the timer closes: until then the client can read it */
}

static void deny(struct link *k, const struct err *why)
{
	struct egress *g = k->egress;
	if (g && g->spec->on_denied)
		g->spec->on_denied(g->spec->ctx, k->request.host, k->request.port, why->text);
	refuse(k, why->code == ERR_INVALID ? "400 Bad Request" : "403 Forbidden", why);
}

/* Relaying: what one side sends is queued for the other, which pauses the first when it is slow. */

static void pump(struct link *k, struct stream *from, struct stream *to, struct span bytes, const struct err *why)
{
	struct err e = ERR_INIT;
	if (bytes.n == 0) {
		if (why && why->code != ERR_OK)
			close_link(k);
		else
			stream_finish(to);
		return;
	}
	if (stream_write(to, bytes, &e) != 0 || timer_start(&k->timer, IDLE_MS, &e) != 0) {
		close_link(k);
		return;
	}
	if (stream_queued(to) > CAP_EGRESS_QUEUE / 2)
		stream_read_stop(from);
}

static void on_server_read(struct stream *s, struct span bytes, const struct err *why)
{
	struct link *k = container_of(s, struct link, server);
	pump(k, s, &k->client, bytes, why);
	if (bytes.n == 0 && sm_is(&k->sm) == RELAYING) {
		struct err e =
			ERR_INIT; /* a server that has ended says nothing more: its last bytes go out, then all */
		if (timer_start(&k->timer, LINGER_MS, &e) != 0)
			close_link(k);
	}
}

static void on_drain(struct link *k, struct stream *from, const struct err *why)
{
	struct err e = ERR_INIT;
	if (sm_is(&k->sm) != RELAYING)
		return;
	if ((why && why->code != ERR_OK) || stream_read_start(from, &e) != 0)
		close_link(k);
}

static void on_server_drain(struct stream *s, const struct err *why)
{
	struct link *k = container_of(s, struct link, server);
	on_drain(k, &k->client, why);
}

static void on_client_drain(struct stream *s, const struct err *why)
{
	struct link *k = container_of(s, struct link, client);
	if (sm_is(&k->sm) == RELAYING)
		on_drain(k, &k->server, why);
	else if (why && why->code != ERR_OK)
		close_link(k);
}

/* Connecting: only to addresses that were checked. */

static void relay(struct link *k)
{
	struct err e = ERR_INIT;
	k->server = (struct stream){.on_read = on_server_read, .on_drain = on_server_drain};
	sm_move(&k->sm, RELAYING);
	if (stream_open(&k->server, k->loop, k->socket, CAP_EGRESS_QUEUE, &e) != 0) {
		close(k->socket);
		close_link(k);
		return;
	}
	k->server.on_closed = on_server_closed;
	k->open++;
	cleanup_buf struct buf first = BUF_INIT(2 * CAP_EGRESS_HEAD);
	bool ok;
	if (k->request.kind == EGRESS_CONNECT) {
		ok = stream_write(&k->client, span_of("HTTP/1.1 200 Connection established\r\n\r\n"), &e) == 0;
	} else {
		egress_rewrite(&k->request, &first);
		ok = buf_check(&first, "the request", &e) == 0 && stream_write(&k->server, buf_span(&first), &e) == 0;
	}
	buf_release(&k->head);
	if (!ok || stream_read_start(&k->server, &e) != 0 || stream_read_start(&k->client, &e) != 0 ||
		timer_start(&k->timer, IDLE_MS, &e) != 0)
		close_link(k);
}

static void connect_next(struct link *k);

static void on_connected(struct watch *w, int revents)
{
	struct link *k = container_of(w, struct link, connecting);
	int error = 0;
	socklen_t n = sizeof(error);
	(void)revents;
	watch_stop(w);
	if (getsockopt(k->socket, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0) {
		relay(k);
		return;
	}
	close(k->socket);
	connect_next(k);
}

static void connect_next(struct link *k)
{
	struct err e = ERR_INIT;
	while (k->address_next < k->address_count) {
		int i = k->address_next++;
		const struct sockaddr *to = (const struct sockaddr *)&k->address[i];
		k->socket = fault_hit(FAULT_NET) ? -1
						 : socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (k->socket < 0)
			continue;
		if ((connect(k->socket, to, k->address_size[i]) == 0 || errno == EINPROGRESS) &&
			watch_start(&k->connecting, k->loop, k->socket, WATCH_WRITE, on_connected, &e) == 0)
			return;
		close(k->socket);
	}
	k->socket = -1;
	err_set(&e, ERR_NETWORK, "%s:%d cannot be reached", k->request.host, k->request.port);
	sm_move(&k->sm, RELAYING); /* nothing to connect any more: only the refusal is on its way */
	refuse(k, "502 Bad Gateway", &e);
}

static void resolve_run(struct work *w)
{
	struct link *k = container_of(w, struct link, resolve);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
	k->resolve_error = getaddrinfo(k->request.host, NULL, &hints, &list);
	for (struct addrinfo *it = list; it && k->resolve_error == 0 && k->address_count < ADDRESSES;
		it = it->ai_next) {
		if ((it->ai_family != AF_INET && it->ai_family != AF_INET6) || it->ai_addrlen > sizeof(k->address[0]))
			continue;
		struct sockaddr_storage *to = &k->address[k->address_count];
		memcpy(to, it->ai_addr, it->ai_addrlen);
		in_port_t port = htons((uint16_t)k->request.port);
		if (it->ai_family == AF_INET)
			((struct sockaddr_in *)to)->sin_port = port;
		else
			((struct sockaddr_in6 *)to)->sin6_port = port;
		k->address_size[k->address_count++] = it->ai_addrlen;
	}
	if (list)
		freeaddrinfo(list);
}

static bool may_reach(const struct link *k, const struct sockaddr *a)
{
	const struct sandbox_allow *entry = k->entry;
	return entry->may ? entry->may(entry->ctx, k->request.host, a) : entry->internal || address_public(a);
}

static void resolve_done(struct work *w)
{
	struct link *k = container_of(w, struct link, resolve);
	struct err e = ERR_INIT;
	if (sm_is(&k->sm) == RESOLVING) {
		int found = k->address_count, kept = 0;
		for (int i = 0; i < found; i++) {
			if (!may_reach(k, (struct sockaddr *)&k->address[i]))
				continue;
			k->address[kept] = k->address[i];
			k->address_size[kept++] = k->address_size[i];
		}
		k->address_count = kept;
		if (found > 0 && kept == 0) {
			err_set(&e, ERR_DENIED,
				"%s leads to an internal address; an administrator can allow it by name",
				k->request.host);
			sm_move(&k->sm, CONNECTING);
			sm_move(&k->sm, RELAYING);
			deny(k, &e);
		} else {
			sm_move(&k->sm, CONNECTING);
			connect_next(k);
		}
	}
	unref(k);
}

/* The head. */

static void decide(struct link *k)
{
	struct err e = ERR_INIT;
	struct egress *g = k->egress;
	stream_read_stop(&k->client);
	if (egress_parse(buf_span(&k->head), &k->request, &e) != 0) {
		deny(k, &e);
		return;
	}
	const struct sandbox_allow *entry =
		egress_allowed(g->spec->allow, g->spec->allow_count, k->request.host, k->request.port);
	if (!entry) {
		err_set(&e, ERR_DENIED, "%s:%d is not on this project's allow-list", k->request.host, k->request.port);
		deny(k, &e);
		return;
	}
	k->entry = entry;
	if (work_start(&k->resolve, k->loop, resolve_run, resolve_done, &e) != 0) {
		refuse(k, "502 Bad Gateway", &e);
		return;
	}
	k->open++;
	sm_move(&k->sm, RESOLVING);
}

static void on_client_read(struct stream *s, struct span bytes, const struct err *why)
{
	struct link *k = container_of(s, struct link, client);
	struct err e = ERR_INIT;
	if (sm_is(&k->sm) == RELAYING && server_open(k)) {
		if (bytes.n > 0 && k->request.kind == EGRESS_GET)
			return; /* one request without a body; what follows it goes nowhere */
		pump(k, s, &k->server, bytes, why);
		return;
	}
	if (bytes.n == 0 || sm_is(&k->sm) != HEAD || !k->egress) {
		close_link(k);
		return;
	}
	size_t from = k->head.len > 3 ? k->head.len - 3 : 0;
	buf_addspan(&k->head, bytes);
	if (buf_check(&k->head, "the request's head", &e) != 0) {
		stream_read_stop(s);
		deny(k, &e);
		return;
	}
	size_t end = span_find(buf_span(&k->head), span_of("\r\n\r\n"), from);
	if (end == (size_t)-1)
		return;
	if (end + 4 != k->head.len) { /* a client waits for the answer before it says more */
		err_set(&e, ERR_INVALID, "bytes after the request's head");
		stream_read_stop(s);
		deny(k, &e);
		return;
	}
	decide(k);
}

static void on_timer(struct timer *t)
{
	close_link(container_of(t, struct link, timer));
}

static void on_client(struct listener *l, int fd)
{
	struct egress *g = container_of(l, struct egress, listener);
	struct err e = ERR_INIT;
	struct link *k = g->count < CAP_EGRESS_CONNECTIONS ? MEM_NEW(struct link) : NULL;
	if (!k) { /* the client sees its connection closed */
		close(fd);
		return;
	}
	k->egress = g;
	k->loop = g->loop;
	k->socket = -1;
	buf_init(&k->head, CAP_EGRESS_HEAD);
	sm_init(&k->sm, states, HEAD);
	timer_init(&k->timer, g->loop, on_timer);
	list_init(&k->list);
	k->client =
		(struct stream){.on_read = on_client_read, .on_drain = on_client_drain, .on_closed = on_client_closed};
	if (stream_open(&k->client, g->loop, fd, CAP_EGRESS_QUEUE, &e) != 0) {
		close(fd);
		mem_free(k);
		return;
	}
	k->open = 1;
	list_push(&g->links, &k->list);
	g->count++;
	if (stream_read_start(&k->client, &e) != 0 || timer_start(&k->timer, SETUP_MS, &e) != 0)
		close_link(k);
}

struct egress *egress_new(struct loop *l, int listener, const struct sandbox_spec *spec, struct err *e)
{
	struct egress *g = MEM_NEW(struct egress);
	if (!g) {
		close(listener);
		err_nomem(e);
		return NULL;
	}
	*g = (struct egress){.loop = l, .spec = spec};
	list_init(&g->links);
	if (listener_take(&g->listener, l, listener, on_client, e) != 0) {
		mem_free(g);
		return NULL;
	}
	return g;
}

void egress_free(struct egress *g)
{
	if (!g)
		return;
	listener_close(&g->listener);
	list_for (it, &g->links) {
		struct link *k = list_entry(it, struct link, list);
		list_remove(it);
		k->egress = NULL;
		close_link(k);
	}
	mem_free(g);
}
