#include "http/connection.h"

#include <string.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/body.h"
#include "http/origin.h"
#include "http/reply.h"
#include "http/url.h"

/* Purpose: from bytes to the handler and from the end of its reply to the next request.
 *
 * Happy path: input() gives what was read to advance() until nothing moves; that parses the head, calls the handler,
 * feeds it the body when it asked. The end of the reply is dealt with in the tick, so that a handler may reply from
 * anywhere, and pipelined requests do not nest.
 *
 * Time: one timer; bytes do not move it, when it fires it looks at what is really late (deadline()). It runs as long as
 * the connection lives, so that setting it anew needs no memory.
 *
 * Failure modes: a malformed or slow head is answered here (refuse); a malformed or slow body is the handler's to
 * answer. After an answer before the end of the body, the rest is read and dropped for a moment (LINGER): closing
 * with unread bytes would reset the connection and lose the answer. */

#define LINGER_MS 2000
#define QUEUE_AHEAD (32 * KIB) /* with half of it unread, the next request of a connection waits */
#define DROP_MS 3000	       /* that a body may still take when the server closes */
#define FAR_MS (3600 * 1000)   /* the timer's rest when nothing is due */
#define BODY_RATE KIB	       /* bytes a second that a body must come with, after a first stall_ms */

static const struct sm_state states[] = {
	[CONN_IDLE] = {"idle", SM_TO(CONN_HEAD) | SM_TO(CONN_LINGER) | SM_TO(CONN_CLOSED)},
	[CONN_HEAD] = {"head", SM_TO(CONN_HANDLING) | SM_TO(CONN_LINGER) | SM_TO(CONN_CLOSED)},
	[CONN_HANDLING] = {"handling", SM_TO(CONN_IDLE) | SM_TO(CONN_LINGER) | SM_TO(CONN_GONE) | SM_TO(CONN_CLOSED)},
	[CONN_LINGER] = {"linger", SM_TO(CONN_CLOSED)},
	[CONN_GONE] = {"gone", SM_TO(CONN_CLOSED)},
	[CONN_CLOSED] = {"closed", 0},
};
static const struct sm_state reply_states[] = {
	[REPLY_NONE] = {"none", SM_TO(REPLY_STREAMING) | SM_TO(REPLY_ENDED)},
	[REPLY_STREAMING] = {"streaming", SM_TO(REPLY_ENDED)},
	[REPLY_ENDED] = {"ended", 0},
};

static void close_now(struct connection *c)
{
	sm_move(&c->sm, CONN_CLOSED);
	timer_stop(&c->timer);
	tick_stop(&c->tick);
	transport_close(&c->transport);
}

/* ---- time ---- */

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When the connection will have taken too long over what it is at. */
static int64_t deadline(const struct connection *c)
{
	const struct server *s = c->server;
	int64_t stall = s->stall_ms * 1000ll;
	int64_t unread = transport_queued(&c->transport) > 0 ? c->progress + stall : INT64_MAX;
	switch (sm_is(&c->sm)) {
	case CONN_IDLE: /* one that never asked for anything is not kept as long */
		return least(unread, c->since + (c->requests ? s->idle_ms : s->head_ms) * 1000ll);
	case CONN_HEAD:
		return c->since + s->head_ms * 1000ll;
	case CONN_HANDLING:
		if (sm_is(&c->body) != BODY_WANTED)
			return unread;
		return least(c->drop_at ? c->drop_at : INT64_MAX,
			least(c->progress + stall, c->since + stall + (int64_t)(c->body_bytes * 1000000 / BODY_RATE)));
	case CONN_LINGER:
		return unread != INT64_MAX ? unread : c->since + (c->peer_done ? 0 : LINGER_MS * 1000ll);
	default:
		return INT64_MAX;
	}
}

void connection_rearm(struct connection *c)
{
	struct err e = ERR_INIT;
	int64_t at = deadline(c), ms = at == INT64_MAX ? FAR_MS : (at - connection_now(c) + 999) / 1000;
	if (sm_is(&c->sm) == CONN_LINGER && ms > LINGER_MS)
		ms = LINGER_MS; /* nobody tells when the reply has gone out: look */
	if (c->timer.at && c->timer.at <= connection_now(c) + ms * 1000)
		return; /* it fires before that, and looks again: to move it each time costs more */
	if (timer_start(&c->timer, ms, &e) != 0)
		BUG("%s", e.text); /* it runs, or ran until now: its place is there */
}

static void refuse(struct connection *c, int status, const struct err *why);

static void on_timer(struct timer *t)
{
	struct connection *c = container_of(t, struct connection, timer);
	struct err e = ERR_INIT;
	uint64_t out = stream_sent(&c->transport.stream);
	if (out != c->gone_out) {
		c->gone_out = out;
		c->progress = connection_now(c);
	}
	bool late = deadline(c) <= connection_now(c);
	connection_rearm(c);
	if (!late)
		return;
	if (sm_is(&c->sm) == CONN_HEAD) {
		err_set(&e, ERR_TIMEOUT, "the request's head took longer than %d ms", c->server->head_ms);
		refuse(c, 408, &e);
	} else if (sm_is(&c->sm) == CONN_HANDLING && sm_is(&c->body) == BODY_WANTED && !c->drop_at) {
		err_set(&e, ERR_TIMEOUT, "the request's body comes too slowly");
		body_tell(c, &e);
	} else {
		connection_gone(c); /* silent, or does not read */
	}
}

/* ---- ends ---- */

static void hung_up(struct connection *c)
{
	struct err e = ERR_INIT;
	err_set(&e, ERR_NETWORK, "the client hung up inside the request's body");
	body_tell(c, &e);
}

void connection_gone(struct connection *c)
{
	struct server_request *r = &c->request;
	if (sm_is(&c->sm) == CONN_GONE || sm_is(&c->sm) == CONN_CLOSED)
		return;
	if (sm_is(&c->sm) != CONN_HANDLING) {
		close_now(c);
		return;
	}
	sm_move(&c->sm, CONN_GONE);
	transport_read_stop(&c->transport);
	hung_up(c);
	if (r->on_gone && sm_is(&c->reply) != REPLY_ENDED)
		r->on_gone(r);
}

/* No more requests; what is queued still goes out. */
static void linger(struct connection *c)
{
	struct err e = ERR_INIT;
	if (c->peer_done && transport_queued(&c->transport) == 0) {
		close_now(c);
		return;
	}
	sm_move(&c->sm, CONN_LINGER);
	c->since = c->progress = connection_now(c);
	buf_release(&c->pending);
	transport_finish(&c->transport);
	if (transport_read_start(&c->transport, &e) != 0)
		close_now(c);
	else
		connection_rearm(c);
}

void connection_drop(struct connection *c)
{
	if (sm_is(&c->sm) == CONN_IDLE && transport_queued(&c->transport) > 0)
		linger(c);
	else if (sm_is(&c->sm) == CONN_HANDLING ? sm_is(&c->reply) == REPLY_STREAMING : sm_is(&c->sm) != CONN_LINGER)
		connection_gone(c);
	if (sm_is(&c->sm) != CONN_HANDLING)
		return;
	c->drop_at = connection_now(c) + DROP_MS * 1000ll;
	connection_rearm(c);
}

/* An answer without a handler, and the end. */
static void refuse(struct connection *c, int status, const struct err *why)
{
	if (reply_refusal(c, status, why) != 0)
		close_now(c);
	else
		linger(c);
}

/* ---- requests ---- */

static bool method_used(const char *method)
{
	static const char *const used[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
	for (size_t i = 0; i < sizeof(used) / sizeof(*used); i++)
		if (strcmp(method, used[i]) == 0)
			return true;
	return false;
}

/* 0, or the status to refuse the request with. */
static int request_make(struct connection *c, struct err *e)
{
	struct parser *p = &c->parser;
	struct server_request *r = &c->request;
	struct span path;
	*r = (struct server_request){.method = parser_method(p),
		.length = p->length,
		.local = r->local,
		.tls = r->tls,
		.uid = r->uid,
		.pid = r->pid};
	if (r->local && r->uid != geteuid() && r->uid != 0) {
		err_set(e, ERR_DENIED, "this socket belongs to user %u", (unsigned)geteuid());
		return 403;
	}
	if (!method_used(r->method)) {
		err_set(e, ERR_INVALID, "the method %s is not in use here", r->method);
		return 405;
	}
	if (request_host_check(r, e) != 0)
		return 421;
	if (url_split(buf_span(&p->target), &path, &r->query, e) != 0 || url_path(path, &c->path, e) != 0)
		return err_http(e->code);
	r->path = c->path.data;
	return 0;
}

static void begin(struct connection *c)
{
	struct err e = ERR_INIT;
	struct span none = SPAN_NONE;
	int status = request_make(c, &e);
	if (status != 0) {
		refuse(c, status, &e);
		return;
	}
	c->requests++;
	c->parser.on_body = body_piece;
	body_init(c);
	sm_init(&c->reply, reply_states, REPLY_NONE);
	sm_move(&c->sm, CONN_HANDLING);
	if (c->parser.length == 0)
		parser_feed(&c->parser, &none, &e); /* to its end */
	connection_rearm(c);
	c->server->handle(&c->request, c->server->ctx);
}

/* The reply has ended: on to the next request, or to the end. */
static void settle(struct connection *c)
{
	if (sm_is(&c->sm) == CONN_GONE) {
		close_now(c);
		return;
	}
	buf_release(&c->path);
	buf_release(&c->extra);
	buf_release(&c->collected);
	if (!c->keep_alive) {
		linger(c);
		return;
	}
	parser_next(&c->parser);
	sm_move(&c->sm, CONN_IDLE);
	c->since = connection_now(c);
	transport_set_cap(&c->transport, QUEUE_AHEAD); /* tells when half of it is left */
	connection_rearm(c);
}

/* ---- bytes ---- */

/* One step with the bytes at hand; false when nothing moves any more. */
static bool advance(struct connection *c, struct span *in)
{
	struct err e = ERR_INIT;
	struct span raw = *in;
	switch (sm_is(&c->sm)) {
	case CONN_IDLE:
		/* The next answer waits until the client has read enough of the last. */
		if (in->n == 0 || transport_queued(&c->transport) >= QUEUE_AHEAD / 2)
			return false;
		transport_set_cap(&c->transport, CAP_HTTP_QUEUE);
		sm_move(&c->sm, CONN_HEAD);
		c->since = connection_now(c);
		connection_rearm(c);
		return true;
	case CONN_HEAD:
		switch (in->n ? parser_feed(&c->parser, in, &e) : PARSER_MORE) {
		case PARSER_MORE:
			return false;
		case PARSER_HEAD:
			begin(c);
			return true;
		default:
			refuse(c, c->parser.status, &e);
			return true;
		}
	case CONN_HANDLING:
		if (c->on_raw) {
			in->n = 0;
			if (raw.n && sm_is(&c->reply) != REPLY_ENDED)
				c->on_raw(c->raw_ctx, raw);
			return false;
		}
		if (sm_is(&c->body) != BODY_WANTED || sm_is(&c->reply) == REPLY_ENDED)
			return false;
		if (c->parser.place == PARSER_AT_END) {
			body_tell(c, NULL);
			return true;
		}
		if (body_too_large(c, &e)) {
			body_tell(c, &e);
			return true;
		}
		if (in->n == 0) {
			if (c->peer_done)
				hung_up(c);
			return false;
		}
		if (parser_feed(&c->parser, in, &e) == PARSER_BAD)
			body_tell(c, &e);
		return true;
	default:
		in->n = 0; /* nobody will look at it */
		return false;
	}
}

static void input(struct connection *c, struct span bytes)
{
	struct span rest = bytes;
	bool kept = c->pending.len > 0;
	struct err e = ERR_INIT;
	if (kept) {
		buf_addspan(&c->pending, bytes);
		rest = buf_span(&c->pending);
	}
	size_t n = rest.n;
	while (!c->pending.failed && advance(c, &rest))
		;
	if (sm_is(&c->sm) == CONN_CLOSED || sm_is(&c->sm) == CONN_LINGER || sm_is(&c->sm) == CONN_GONE)
		return;
	if (kept)
		buf_drop(&c->pending, n - rest.n);
	else
		buf_addspan(&c->pending, rest);
	if (c->pending.failed) {
		connection_gone(c);
		return;
	}
	if (c->pending.len == 0)
		buf_release(&c->pending);
	/* While nobody takes the bytes, a few are read ahead, so that a hang-up is seen; then the client has to wait.
	 */
	if (c->pending.len >= CAP_HTTP_HEAD || (sm_is(&c->sm) == CONN_HANDLING && sm_is(&c->body) == BODY_PAUSED))
		transport_read_stop(&c->transport);
	else if (transport_read_start(&c->transport, &e) != 0)
		connection_gone(c);
}

static void on_read(struct stream *s, struct span bytes, const struct err *why)
{
	struct connection *c = container_of(s, struct connection, transport.stream);
	if (bytes.n > 0) {
		input(c, bytes);
		return;
	}
	c->peer_done = true;
	/* It may have shut down its sending side only and wait for the answer; but nobody waits so for the rest of a
	 * stream. */
	if (why || (sm_is(&c->sm) == CONN_HANDLING && sm_is(&c->reply) == REPLY_STREAMING))
		connection_gone(c);
	else if (sm_is(&c->sm) == CONN_HANDLING)
		input(c, SPAN_NONE);
	else if (sm_is(&c->sm) == CONN_LINGER && transport_queued(&c->transport) > 0)
		connection_rearm(c);
	else if (sm_is(&c->sm) == CONN_IDLE || sm_is(&c->sm) == CONN_HEAD)
		linger(c);
	else
		connection_gone(c);
}

static void on_drain(struct stream *s, const struct err *why)
{
	struct connection *c = container_of(s, struct connection, transport.stream);
	struct server_request *r = &c->request;
	if (why)
		connection_gone(c);
	else if (sm_is(&c->sm) == CONN_HANDLING && sm_is(&c->reply) == REPLY_STREAMING && r->on_drain)
		r->on_drain(r);
	else if (sm_is(&c->sm) == CONN_IDLE)
		tick_start(&c->tick);
}

static void on_tick(struct tick *t)
{
	struct connection *c = container_of(t, struct connection, tick);
	if (sm_is(&c->sm) == CONN_GONE && sm_is(&c->reply) != REPLY_ENDED) {
		hung_up(c); /* asked for the body when the client was already gone */
		return;
	}
	if (sm_is(&c->sm) == CONN_GONE || (sm_is(&c->sm) == CONN_HANDLING && sm_is(&c->reply) == REPLY_ENDED))
		settle(c);
	if (sm_is(&c->sm) == CONN_IDLE || sm_is(&c->sm) == CONN_HANDLING)
		input(c, SPAN_NONE);
	/* The client has said that nothing more will come, and nothing of what came is left to be handled. */
	if (sm_is(&c->sm) == CONN_HEAD || (sm_is(&c->sm) == CONN_IDLE && c->pending.len == 0))
		if (c->peer_done)
			linger(c);
}

static void on_closed(struct stream *s)
{
	struct connection *c = container_of(s, struct connection, transport.stream);
	struct server *server = c->server;
	transport_release(&c->transport);
	parser_release(&c->parser);
	buf_release(&c->pending);
	buf_release(&c->path);
	buf_release(&c->extra);
	buf_release(&c->collected);
	list_remove(&c->link);
	mem_free(c);
	server_left(server);
}

/* ---- for the others of http/ ---- */

int connection_write(struct connection *c, const struct span *pieces, size_t n, struct err *e)
{
	struct err why = ERR_INIT;
	bool first = transport_queued(&c->transport) == 0;
	if (sm_is(&c->sm) == CONN_GONE)
		return err_set(e, ERR_NETWORK, "the client is gone");
	if (transport_writev(&c->transport, pieces, n, &why) != 0)
		return err_set(e, why.code == ERR_IO ? ERR_NETWORK : why.code, "%s", why.text);
	if (first) {
		c->progress = connection_now(c);
		connection_rearm(c);
	}
	return 0;
}

void connection_replied(struct connection *c)
{
	sm_move(&c->reply, REPLY_ENDED);
	tick_start(&c->tick);
}

void connection_forget(struct connection *c)
{
	parser_release(&c->parser);
	buf_release(&c->path);
	buf_release(&c->extra);
	c->request.path = "";
	c->request.query = SPAN_NONE;
}

void connection_upgrade(struct connection *c, void (*on_raw)(void *ctx, struct span bytes), void *ctx)
{
	c->on_raw = on_raw;
	c->raw_ctx = ctx;
	c->keep_alive = false;
	connection_forget(c);
	parser_next(&c->parser);
	tick_start(&c->tick); /* for what came already */
}

void connection_new(struct server *s, int fd, bool local)
{
	struct err e = ERR_INIT;
	struct connection *c = MEM_NEW(struct connection);
	if (!c) {
		close(fd);
		return;
	}
	c->server = s;
	sm_init(&c->sm, states, CONN_IDLE);
	parser_init(&c->parser);
	buf_init(&c->pending, 2 * CAP_HTTP_HEAD + MIB);
	buf_init(&c->path, CAP_HTTP_TARGET);
	buf_init(&c->extra, CAP_HTTP_HEAD);
	tick_init(&c->tick, s->loop, on_tick);
	timer_init(&c->timer, s->loop, on_timer);
	c->since = c->progress = connection_now(c);
	c->request.local = local;
	c->request.tls = !local && s->tls;
	c->transport.stream.on_read = on_read;
	c->transport.stream.on_drain = on_drain;
	c->transport.stream.on_closed = on_closed;
	body_init(c);
	sm_init(&c->reply, reply_states, REPLY_NONE);
	if ((local ? socket_peer(fd, &c->request.uid, &c->request.pid, &e) != 0 : !address_of_peer(fd, &c->peer)) ||
		transport_open(&c->transport, s->loop, fd, local ? NULL : s->tls, CAP_HTTP_QUEUE, &e) != 0) {
		close(fd);
		mem_free(c);
		return;
	}
	list_push(&s->connections, &c->link);
	s->count++;
	if (timer_start(&c->timer, s->head_ms, &e) != 0 || transport_read_start(&c->transport, &e) != 0)
		close_now(c);
}

/* ---- what handlers call ---- */

const char *request_header(const struct server_request *r, const char *name)
{
	return parser_header(&connection_of(r)->parser, name);
}

int request_query(const struct server_request *r, const char *name, struct buf *out, struct err *e)
{
	return url_query(r->query, name, out, e);
}
