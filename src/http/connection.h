/* connection: one client of a server, and the request it has at the moment. Private to http/.
 *
 *   IDLE ─byte─▶ HEAD ─complete─▶ HANDLING ─reply ended─▶ IDLE, LINGER or CLOSED
 *   HEAD ─refused─▶ LINGER ─client closed, or time─▶ CLOSED ─on_closed─▶ freed
 *   HANDLING ─client gone─▶ GONE ─reply ended─▶ CLOSED
 *   IDLE, HEAD ─client gone, or time─▶ CLOSED, or LINGER while an earlier reply is still going out */
#ifndef MUSTER_HTTP_CONNECTION_H
#define MUSTER_HTTP_CONNECTION_H

#include "base/address.h"
#include "base/sm.h"
#include "http/body.h"
#include "http/parser.h"
#include "http/server.h"
#include "http/transport.h"

enum { CONN_IDLE, CONN_HEAD, CONN_HANDLING, CONN_LINGER, CONN_GONE, CONN_CLOSED };
enum { REPLY_NONE, REPLY_STREAMING, REPLY_ENDED };

struct connection {
	struct server *server;
	struct list link;
	struct transport transport;
	struct parser parser;
	struct server_request request;
	struct address peer; /* over TCP */
	struct sm sm, body, reply;
	struct tick tick;
	struct timer timer;
	struct buf pending;   /* read from the socket, not yet parsed */
	struct buf path;      /* the request's, decoded */
	struct buf extra;     /* headers of the reply that the handler added */
	struct buf collected; /* the body, for request_collect */
	int64_t since;	      /* µs: when the present state began, or the body was asked for */
	int64_t drop_at;      /* µs: no body is waited for any longer; 0: the server stays */
	int64_t progress;     /* µs: the last byte in or out that counts */
	size_t body_bytes;    /* since `since` */
	uint64_t gone_out;    /* bytes sent in all when the timer last looked */
	size_t requests;
	bool peer_done;	 /* the client has shut down its side */
	bool keep_alive; /* decided when the reply starts */
	bool chunked;
	int64_t owed; /* bytes that the reply's head has promised, and that have not been written */
	/* After connection_upgrade: takes what comes. */
	void (*on_raw)(void *ctx, struct span bytes);
	void *raw_ctx;
};

static inline struct connection *connection_of(const struct server_request *r)
{
	return container_of(r, struct connection, request);
}

/* Takes over fd, also on failure; a connection that cannot be had is closed. */
void connection_new(struct server *s, int fd, bool local);
/* The server closes: end what can be ended. */
void connection_drop(struct connection *c);
/* Queue bytes of a reply. -1 when the client is gone, too slow, or for want of memory. */
int connection_write(struct connection *c, const struct span *pieces, size_t n, struct err *e);
/* Path, query and headers of a request whose body has been read are needed no longer: what lasts does without. */
void connection_forget(struct connection *c);
/* What comes from now on is of another protocol, until the reply ends; with connection_forget. */
void connection_upgrade(struct connection *c, void (*on_raw)(void *ctx, struct span bytes), void *ctx);
/* The client cannot be served any more; the handler is told and still has the request. */
void connection_gone(struct connection *c);
/* The handler has ended the reply. */
void connection_replied(struct connection *c);
/* Something has changed about what the connection is late for. */
void connection_rearm(struct connection *c);
static inline int64_t connection_now(const struct connection *c) /* µs */
{
	return clock_mono(loop_clock(c->server->loop));
}

/* The rest of http/ as a connection sees it. reply.c: a problem document without a handler, -1 when it cannot be sent.
 * server.c: a connection has been freed; no new requests are wanted. */
int reply_refusal(struct connection *c, int status, const struct err *why);
void server_left(struct server *s);
bool server_closing(const struct server *s);

#endif
