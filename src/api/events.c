/* events: following streams over a reply that does not end; each is a feed.
 *
 * NDJSON ends when the client goes, or, without follow, behind the event that was the last one when it was asked for.
 * An SSE event's id holds the seq of every stream of the request, in their order, so that Last-Event-ID alone goes on
 * with all of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/feed.h"
#include "api/private.h"
#include "base/caps.h"
#include "base/mem.h"
#include "http/reply_sse.h"

struct reply {
	struct feed feed;
	struct server_request *request;
	bool follow, over;
	int64_t last;  /* without follow, the event after which it ends */
	int64_t *seqs; /* SSE: of each stream, in their order */
	size_t count;
	struct tick end;
};

static void finish(struct reply *y)
{
	feed_release(&y->feed);
	tick_stop(&y->end);
	reply_end(y->request);
	mem_free(y->seqs);
	mem_free(y);
}

static void end_now(struct tick *t)
{
	finish(container_of(t, struct reply, end));
}

static void on_gone(struct server_request *r)
{
	finish(r->user);
}

static void on_drain(struct server_request *r)
{
	struct reply *y = r->user;
	feed_drained(&y->feed);
}

static void failed(struct feed *f, const char *stream, const struct err *why)
{
	struct reply *y = container_of(f, struct reply, feed);
	(void)stream;
	(void)why;
	tick_start(&y->end);
}

static void revoked(struct feed *f, const struct err *why)
{
	failed(f, NULL, why);
}

static struct reply *reply_new(struct ask *q, size_t streams, struct err *e)
{
	struct reply *y = MEM_NEW(struct reply);
	if (!y || !(y->seqs = mem_alloc(streams * sizeof(*y->seqs)))) {
		mem_free(y);
		err_nomem(e);
		return NULL;
	}
	y->request = q->request;
	y->count = streams;
	y->feed.failed = failed;
	y->feed.revoked = revoked;
	tick_init(&y->end, q->needs->loop, end_now);
	feed_init(&y->feed, q->api, &q->caller);
	return y;
}

static json_t *drop(struct reply *y)
{
	feed_release(&y->feed);
	mem_free(y->seqs);
	mem_free(y);
	return NULL;
}

/* From here on the reply is on its way; what goes wrong ends it. sse: events to a browser, else lines. */
static json_t *begin(struct ask *q, struct reply *y, bool sse, bool more)
{
	struct err ignored = ERR_INIT;
	struct server_request *r = y->request;
	y->request->user = y;
	y->request->on_gone = on_gone;
	y->request->on_drain = on_drain;
	ask_forget(q);
	if ((sse ? reply_sse_start(r, 0, &ignored) : reply_start(r, 200, "application/x-ndjson", &ignored)) || !more)
		tick_start(&y->end);
	return NULL;
}

/* ---- NDJSON ---- */

static int send_line(struct feed *f, const struct follow *s, const struct event *ev, struct span json, struct err *e)
{
	struct reply *y = container_of(f, struct reply, feed);
	(void)s;
	if (y->over || (!ev->seq && !y->follow))
		return 0;
	struct span pieces[] = {json, span_of("\n")};
	if (reply_writev(y->request, pieces, 2, e))
		return -1;
	if (!y->follow && ev->seq >= y->last) {
		y->over = true;
		tick_start(&y->end);
	}
	return 0;
}

static json_t *run_events(struct ask *q, struct err *e)
{
	char stream[EVENT_STREAM_MAX];
	int64_t after = json_int(q->query, "after", 0);
	struct reply *y = reply_new(q, 1, e);
	if (!y)
		return NULL;
	y->feed.send = send_line;
	y->follow = json_bool(q->query, "follow", false);
	snprintf(stream, sizeof(stream), "run/%s", q->run_id);
	y->last = store_head(q->needs->store, stream, e);
	bool more = y->follow || y->last > after;
	if (y->last < 0 || (more && feed_add(&y->feed, stream, after, e)))
		return drop(y);
	return begin(q, y, false, more);
}

/* ---- Server-Sent Events (WHATWG HTML 9.2) ---- */

static int send_sse(struct feed *f, const struct follow *s, const struct event *ev, struct span json, struct err *e)
{
	struct reply *y = container_of(f, struct reply, feed);
	cleanup_buf struct buf id = BUF_INIT(32 * FEED_STREAMS);
	int64_t before = y->seqs[s->place];
	if (ev->seq) {
		y->seqs[s->place] = ev->seq;
		for (size_t i = 0; i < y->count; i++)
			buf_addf(&id, "%s%" PRId64, i ? "." : "", y->seqs[i]);
	}
	if (!buf_check(&id, "an event's id", e) &&
		!reply_sse_event(y->request, NULL, ev->seq ? id.data : NULL, json, e))
		return 0;
	y->seqs[s->place] = before;
	return -1;
}

static void beat_sse(struct feed *f)
{
	struct reply *y = container_of(f, struct reply, feed);
	struct err ignored = ERR_INIT;
	reply_sse_heartbeat(y->request, &ignored);
}

/* "12.3": the seqs of an id, one for each stream. Fewer: 0 for the rest. */
static int parse_cursor(const char *text, int64_t *seqs, size_t count, struct err *e)
{
	for (size_t i = 0; *text; i++) {
		char *end;
		int64_t n = strtoll(text, &end, 10);
		if (i == count || end == text || n < 0 || (*end && *end != '.') || (*end && !end[1]))
			return err_set(e, ERR_INVALID,
				"after (or Last-Event-ID) holds a number for each stream, with dots between them");
		seqs[i] = n;
		text = *end ? end + 1 : end;
	}
	return 0;
}

static int add_all(struct reply *y, const char *streams, struct err *e)
{
	for (size_t i = 0; i < y->count; i++) {
		char stream[EVENT_STREAM_MAX];
		size_t n = strcspn(streams, ",");
		snprintf(stream, sizeof(stream), "%.*s", (int)n, streams);
		if (n >= sizeof(stream) || feed_add(&y->feed, stream, y->seqs[i], e))
			return e->code == ERR_OK ? err_set(e, ERR_NOT_FOUND, "there is no stream %.80s", streams) : -1;
		streams += n + (streams[n] == ',');
	}
	return 0;
}

static json_t *sse_events(struct ask *q, struct err *e)
{
	const char *streams = json_str(q->query, "stream"), *last = ask_header(q, "last-event-id");
	const char *after = last ? last : json_str(q->query, "after");
	size_t count = 1;
	for (const char *at = streams; *at; at++)
		count += *at == ',';
	if (count > FEED_STREAMS) {
		err_set(e, ERR_TOO_LARGE, "one connection follows %d streams at most", FEED_STREAMS);
		return NULL;
	}
	struct reply *y = reply_new(q, count, e);
	if (!y)
		return NULL;
	y->feed.send = send_sse;
	y->feed.beat = beat_sse;
	y->follow = true;
	memset(y->seqs, 0, count * sizeof(*y->seqs));
	if ((after && parse_cursor(after, y->seqs, count, e)) || add_all(y, streams, e))
		return drop(y);
	return begin(q, y, true, true);
}

const struct route routes_events[] = {
	{"GET", API "/runs/{run}/events", WHO_VIEWER,
		"a run's events after a seq as NDJSON; follow=1: live, transient ones too", "after:i? follow:b?", NULL,
		NULL, 0, run_events, .content_type = "application/x-ndjson"},
	{"GET", API "/events", WHO_KNOWN,
		"Server-Sent Events of streams (run/ID, project/ID, person/ID, house; with commas between them) after "
		"the seqs of "
		"`after` or Last-Event-ID (with dots between them)",
		"stream:s after:s?", NULL, NULL, 0, sse_events, .content_type = "text/event-stream"},
	{0},
};
