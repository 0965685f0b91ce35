/* socket: one WebSocket for all that a page follows.
 *
 * The client sends {"follow": stream, "after": seq} and {"leave": stream}; the server sends each event as its JSON, and
 * {"following": stream, "head": seq}, {"left": stream}, or {"problem": {code, detail}, "stream": stream} as the
 * answers. A session that ends closes it with 1008.
 *
 * Commands to runs and answers go the same way: {"ask": id, "path": path, "body": {…}, "key"?} is that request of HTTP
 * (spoken.h), with the key as its Idempotency-Key; the answer is {"answer": id, "body": {…}} or {"answer": id,
 * "problem": {code, detail}}. */
#include <inttypes.h>
#include <stdio.h>

#include "api/feed.h"
#include "api/spoken.h"
#include "base/caps.h"
#include "base/mem.h"
#include "http/websocket.h"

#define MESSAGE (64 * KIB)

struct socket {
	struct feed feed;
	struct websocket ws;
};

static void say(struct socket *s, json_t *message)
{
	struct err ignored = ERR_INIT; /* the client is gone, or reads nothing: on_closed, or its pings, tell */
	cleanup_free char *text = message ? json_text(message) : NULL;
	json_decref(message);
	if (text)
		websocket_send(&s->ws, span_of(text), false, &ignored);
}

static void say_problem(struct socket *s, const char *stream, const struct err *why)
{
	struct err ignored = ERR_INIT;
	say(s, json_make(&ignored, "{s:{s:s, s:s}, s:s?}", "problem", "code", err_name(why->code), "detail", why->text,
		       "stream", stream));
}

static int follow(struct socket *s, const char *stream, const json_t *message, struct err *e)
{
	json_t *after = json_get(message, "after");
	if (after && !json_is_integer(after))
		return err_set(e, ERR_INVALID, "after must be an event's number, or 0");
	if (feed_add(&s->feed, stream, json_int(message, "after", 0), e)) {
		admit_note(s->feed.api, &s->feed.caller, e->code, "/api/v1/ws", "");
		return -1;
	}
	say(s, json_make(e, "{s:s, s:I}", "following", stream, "head", (json_int_t)feed_find(&s->feed, stream)->head));
	return 0;
}

/* out is consumed; NULL: why. */
static void say_answer(struct socket *s, const char *ask, json_t *out, const struct err *why)
{
	struct err ignored = ERR_INIT;
	say(s, out ? json_make(&ignored, "{s:s, s:o}", "answer", ask, "body", out)
		   : json_make(&ignored, "{s:s, s:{s:s, s:s}}", "answer", ask, "problem", "code", err_name(why->code),
			     "detail", why->text));
}

static void on_message(struct websocket *w, struct span text, bool binary)
{
	struct socket *s = container_of(w, struct socket, ws);
	struct err e = ERR_INIT;
	cleanup_json json_t *message = binary ? NULL : json_parse(text, "the message", &e);
	const char *stream = json_str(message, "follow"), *leave = json_str(message, "leave"),
		   *ask = json_str(message, "ask");
	struct api *a = s->feed.api;
	int failed = 0;
	if (s->feed.caller.kind != CALLER_LOCAL &&
		limiter_ask(a->limiter, "socket", span_of(s->feed.caller.token_id), &a->rate)) {
		err_set(&e, ERR_RATE_LIMITED, "too many messages");
		if (ask)
			say_answer(s, ask, NULL, &e);
		else
			say_problem(s, stream ? stream : leave, &e);
		return;
	}
	if (binary) {
		websocket_close(w, WEBSOCKET_KIND, "text is spoken here");
		return;
	}
	if (ask) {
		json_t *out = spoken_ask(a, &s->feed.caller, message, &e);
		say_answer(s, ask, out, &e);
	} else if (stream)
		failed = follow(s, stream, message, &e);
	else if (leave && !(failed = feed_remove(&s->feed, leave, &e)))
		say(s, json_make(&e, "{s:s}", "left", leave));
	else if (!leave && message)
		failed = err_set(&e, ERR_INVALID,
			"a message is {\"follow\": stream, \"after\": seq}, {\"leave\": stream}, or {\"ask\": id, "
			"\"path\": path, \"body\": {…}}");
	if (failed || !message)
		say_problem(s, stream ? stream : leave, &e);
}

static void on_drain(struct websocket *w)
{
	feed_drained(&container_of(w, struct socket, ws)->feed);
}

static void on_closed(struct websocket *w, int code)
{
	struct socket *s = container_of(w, struct socket, ws);
	(void)code;
	feed_release(&s->feed);
	mem_free(s);
}

static int send_event(struct feed *f, const struct follow *to, const struct event *ev, struct span json, struct err *e)
{
	(void)to;
	(void)ev;
	return websocket_send(&container_of(f, struct socket, feed)->ws, json, false, e);
}

static void failed(struct feed *f, const char *stream, const struct err *why)
{
	say_problem(container_of(f, struct socket, feed), stream, why);
}

static void revoked(struct feed *f, const struct err *why)
{
	websocket_close(&container_of(f, struct socket, feed)->ws, WEBSOCKET_REFUSED, why->text);
}

static json_t *open_socket(struct ask *q, struct err *e)
{
	struct socket *s = MEM_NEW(struct socket);
	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->ws = (struct websocket){
		.on_message = on_message, .on_drain = on_drain, .on_closed = on_closed, .cap = MESSAGE};
	s->feed.send = send_event;
	s->feed.failed = failed;
	s->feed.revoked = revoked;
	feed_init(&s->feed, q->api, &q->caller);
	if (websocket_accept(&s->ws, q->request, e)) {
		feed_release(&s->feed);
		mem_free(s);
		return NULL;
	}
	ask_forget(q);
	return NULL;
}

const struct route routes_socket[] = {
	{"GET", "/api/v1/ws", WHO_KNOWN, "a WebSocket that follows any number of streams", NULL, NULL, NULL, 101,
		open_socket},
	{0},
};
