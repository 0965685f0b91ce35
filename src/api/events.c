/* events: a run's events as NDJSON over the socket.
 *
 * A tail feeds the reply. A client that reads too slowly loses transient events; for durable ones the tail is stopped
 * where the reply was full and started again behind the last one written when there is room. Ends when the client goes,
 * or, without follow, behind the event that was the last one when it was asked for. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/events.h"
#include "base/caps.h"
#include "base/mem.h"

struct stream_reply {
	struct server_request *request;
	struct store *store;
	struct tail tail;
	char stream[EVENT_STREAM_MAX];
	bool follow;
	int64_t written, last; /* seq written; without follow, the one after which it ends */
	struct tick end;
};

static void finish(struct stream_reply *s)
{
	tail_stop(&s->tail);
	tick_stop(&s->end);
	reply_end(s->request);
	mem_free(s);
}

static void end_now(struct tick *t)
{
	finish(container_of(t, struct stream_reply, end));
}

static void on_event(struct tail *t, const char *stream, const struct event *ev)
{
	struct stream_reply *s = container_of(t, struct stream_reply, tail);
	cleanup_buf struct buf line = BUF_INIT(CAP_EVENT_DATA * 2);
	struct err e = ERR_INIT;
	if (!ev->seq && !s->follow)
		return;
	event_print(ev, stream, &line);
	buf_addc(&line, '\n');
	if (buf_check(&line, "an event", &e) || reply_write(s->request, buf_span(&line), &e)) {
		if (e.code == ERR_NETWORK)
			tick_start(&s->end);
		if (ev->seq)
			tail_stop(&s->tail); /* on_drain goes on */
		return;
	}
	if (ev->seq)
		s->written = ev->seq;
	if (!s->follow && s->written >= s->last) {
		tail_stop(&s->tail);
		tick_start(&s->end);
	}
}

static void on_failed(struct tail *t, const struct err *why)
{
	struct stream_reply *s = container_of(t, struct stream_reply, tail);
	(void)why;
	tick_start(&s->end);
}

static int start_tail(struct stream_reply *s, struct err *e)
{
	s->tail = (struct tail){.stream = s->stream, .after = s->written, .cb = on_event, .failed = on_failed};
	return tail_start(&s->tail, s->store, e);
}

static void on_drain(struct server_request *r)
{
	struct stream_reply *s = r->user;
	struct err e = ERR_INIT;
	if (s->tail.state == TAIL_STOPPED && start_tail(s, &e))
		tick_start(&s->end);
}

static void on_gone(struct server_request *r)
{
	finish(r->user);
}

json_t *run_events(struct ask *q, struct err *e)
{
	struct stream_reply *s = MEM_NEW(struct stream_reply);
	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->request = q->request;
	s->store = q->needs->store;
	s->written = json_int(q->query, "after", 0);
	s->follow = json_bool(q->query, "follow", false);
	snprintf(s->stream, sizeof(s->stream), "run/%s", q->run_id);
	tick_init(&s->end, q->needs->loop, end_now);
	s->last = store_head(s->store, s->stream, e);
	if (s->written < 0)
		err_set(e, ERR_INVALID, "after must be an event's number");
	if (s->last < 0 || e->code != ERR_OK) {
		mem_free(s);
		return NULL;
	}
	q->request->user = s;
	q->request->on_gone = on_gone;
	q->request->on_drain = on_drain;
	ask_take(q);
	ask_forget(q);
	struct err ignored = ERR_INIT;
	bool more = s->follow || s->last > s->written;
	if (reply_start(s->request, 200, "application/x-ndjson", &ignored) || !more || start_tail(s, &ignored))
		tick_start(&s->end);
	return NULL;
}
