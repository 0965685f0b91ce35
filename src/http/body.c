#include "http/body.h"

#include "base/caps.h"
#include "http/connection.h"

/* Purpose: pieces to the handler, and back-pressure from it. The connection says when the body has come to its end. */

static const struct sm_state body_states[] = {
	[BODY_UNASKED] = {"unasked", SM_TO(BODY_WANTED)},
	[BODY_WANTED] = {"wanted", SM_TO(BODY_PAUSED) | SM_TO(BODY_TOLD)},
	[BODY_PAUSED] = {"paused", SM_TO(BODY_WANTED) | SM_TO(BODY_TOLD)},
	[BODY_TOLD] = {"told", 0},
};

void body_init(struct connection *c)
{
	sm_init(&c->body, body_states, BODY_UNASKED);
}

static bool body_open(const struct connection *c)
{
	return sm_is(&c->reply) != REPLY_ENDED && (sm_is(&c->body) == BODY_WANTED || sm_is(&c->body) == BODY_PAUSED);
}

void body_tell(struct connection *c, const struct err *why)
{
	if (!body_open(c))
		return;
	sm_move(&c->body, BODY_TOLD);
	c->request.on_body(&c->request, SPAN_NONE, why);
}

void body_piece(struct parser *p, struct span piece)
{
	struct connection *c = container_of(p, struct connection, parser);
	c->progress = connection_now(c);
	c->body_bytes += piece.n;
	if (body_open(c))
		c->request.on_body(&c->request, piece, NULL);
}

static void on_collect(struct server_request *r, struct span bytes, const struct err *why)
{
	struct connection *c = connection_of(r);
	struct err e = ERR_INIT;
	buf_addspan(&c->collected, bytes);
	if (!why && buf_check(&c->collected, "the request's body", &e) != 0) {
		if (bytes.n) /* an error, not the end */
			sm_move(&c->body, BODY_TOLD);
		why = &e;
	} else if (bytes.n) {
		return;
	}
	r->body = buf_span(&c->collected);
	r->on_collected(r, why);
}

void body_drop(struct connection *c)
{
	sm_move(&c->body, BODY_TOLD);
}

bool body_too_large(const struct connection *c, struct err *e)
{
	if (c->request.on_body != on_collect || c->parser.length <= (int64_t)c->collected.cap)
		return false;
	err_set(e, ERR_TOO_LARGE, "the request's body may have at most %zu bytes", c->collected.cap);
	return true;
}

static void body_want(struct connection *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct span interim = span_of(go_on);
	struct err e = ERR_INIT;
	sm_move(&c->body, BODY_WANTED);
	c->since = c->progress = connection_now(c);
	c->body_bytes = 0;
	tick_start(&c->tick);
	if (sm_is(&c->sm) != CONN_HANDLING)
		return;
	if (c->parser.expects_continue && c->parser.place == PARSER_IN_BODY && c->pending.len == 0 &&
		!body_too_large(c, NULL))
		connection_write(c, &interim, 1, &e); /* a client that is gone will show soon enough */
	connection_rearm(c);
}

void request_stream(
	struct server_request *r, void (*on_body)(struct server_request *r, struct span bytes, const struct err *why))
{
	r->on_body = on_body;
	body_want(connection_of(r));
}

void request_collect(
	struct server_request *r, size_t cap, void (*on_collected)(struct server_request *r, const struct err *why))
{
	struct connection *c = connection_of(r);
	buf_init(&c->collected, cap);
	r->on_collected = on_collected;
	r->on_body = on_collect;
	body_want(c);
}

void request_pause(struct server_request *r)
{
	struct connection *c = connection_of(r);
	if (sm_is(&c->body) != BODY_WANTED)
		return;
	sm_move(&c->body, BODY_PAUSED);
	transport_read_stop(&c->transport);
	connection_rearm(c);
}

void request_resume(struct server_request *r)
{
	struct connection *c = connection_of(r);
	if (sm_is(&c->body) != BODY_PAUSED)
		return;
	sm_move(&c->body, BODY_WANTED);
	c->since = c->progress = connection_now(c);
	c->body_bytes = 0;
	if (sm_is(&c->sm) != CONN_HANDLING)
		return;
	connection_rearm(c);
	tick_start(&c->tick);
}
