/* http server: HTTP/1.1 on Unix and TCP sockets.
 *
 * A request is handed to the handler as soon as its head is known, before any of its body is read, so that a refusal
 * costs nothing. The handler owns the request from then on until it ends the reply (http/reply.h), which it must, in
 * its own time, exactly once, also when the client is gone: the request stays valid until then, and writing to the gone
 * is harmless. Requests of one connection are handled one after the other.
 *
 * Refused by the server itself, with a problem document and the end of the connection: malformed requests (parser.h),
 * too large heads (431), slow heads (408), methods not in use (405), paths that decode badly (400), and on Unix
 * sockets any peer that is neither our own user nor root (403). */
#ifndef MUSTER_HTTP_SERVER_H
#define MUSTER_HTTP_SERVER_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/sm.h"
#include "loop/stream.h"

struct server_request {
	/* set by the server */
	const char *method; /* GET HEAD POST PUT PATCH DELETE OPTIONS */
	const char *path;   /* decoded; begins with /, has no dot segments */
	struct span query;  /* raw, without the ?; see request_query */
	int64_t length;	    /* of the body; -1: not known before its end */
	bool tls;	    /* over TLS */
	bool local;	    /* over a Unix socket: */
	uid_t uid;
	pid_t pid;
	struct span body; /* after request_collect */
	/* set by the handler; each may stay NULL */
	void *user;
	void (*on_gone)(struct server_request *r);  /* the client is gone while the handler has the request; once */
	void (*on_drain)(struct server_request *r); /* reply_write has room again after it had none */
	/* private */
	void (*on_body)(struct server_request *r, struct span bytes, const struct err *why);
	void (*on_collected)(struct server_request *r, const struct err *why);
};

struct server {
	struct loop *loop;
	void (*handle)(struct server_request *r, void *ctx);
	void *ctx;
	/* milliseconds; set by server_init, may be changed before the first connection */
	int head_ms, idle_ms, stall_ms;
	size_t max_connections;
	/* private */
	struct sm sm;
	struct list listeners, connections;
	size_t count;		       /* of the connections */
	struct tls *tls;	       /* of TCP; NULL: plain */
	struct address_range *proxies; /* http/origin.h, as the next three */
	size_t proxy_count;
	bool rfc7239;
	char *hosts;
	struct deflate *deflate; /* once a websocket of it compresses */
	struct tick closing;
	void (*on_closed)(struct server *s);
};

void server_init(struct server *s, struct loop *l, void (*handle)(struct server_request *r, void *ctx), void *ctx);
int server_unix(struct server *s, const char *path, mode_t mode, struct err *e);
/* port: what to bind, 0 for a free one; then the one bound. */
int server_tcp(struct server *s, const char *address, int *port, struct err *e);
/* From now on TCP speaks TLS (http/tls.h: files, errors), and Unix sockets stay plain. Called again, as
 * server_tls_reload with the files of the last time, it serves for new connections; those that are there go on with
 * what they have. On failure all stays as it was. */
int server_tls(struct server *s, const char *certificate, const char *key, struct err *e);
int server_tls_reload(struct server *s, struct err *e);
/* Stops listening at once. Replies that stream are cut off (on_gone), those not yet begun may still be given, unless
 * the body of their request does not come to its end in a few seconds; when all have ended and gone out, on_closed
 * fires, once, later; the struct may be freed in it. */
void server_close(struct server *s, void (*on_closed)(struct server *s));

/* A header's value by lower-case name, or NULL; of several, the first. */
const char *request_header(const struct server_request *r, const char *name);
/* Append the decoded value of a query parameter: 1, 0 when it is not there, -1 with ERR_INVALID. */
int request_query(const struct server_request *r, const char *name, struct buf *out, struct err *e);

/* Read the body, by one of these, at most once. The callbacks fire later.
 *
 * stream: pieces as they come; bytes.n = 0 is the end: why NULL, or what went wrong (ERR_PARSE, ERR_TIMEOUT,
 * ERR_NETWORK when the client hung up). collect: all of it in r->body, up to cap bytes; else why, also ERR_TOO_LARGE or
 * ERR_NOMEM. The handler then still ends the reply. Neither is called any more once the reply has ended. */
void request_stream(
	struct server_request *r, void (*on_body)(struct server_request *r, struct span bytes, const struct err *why));
void request_collect(
	struct server_request *r, size_t cap, void (*on_collected)(struct server_request *r, const struct err *why));
/* Back-pressure on request_stream: at most what was already read from the socket still comes after a pause. */
void request_pause(struct server_request *r);
void request_resume(struct server_request *r);

#endif
