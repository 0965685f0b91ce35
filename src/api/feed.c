/* feed: see feed.h. */
#include "api/feed.h"

#include <stdio.h>

#include "api/drafts.h"
#include "api/private.h"
#include "base/caps.h"
#include "base/mem.h"

/* ---- who may ---- */

static int no_stream(const char *stream, struct err *e)
{
	err_clear(e);
	return err_set(e, ERR_NOT_FOUND, "there is no stream %.80s", stream);
}

/* May the caller follow this stream, which exists? */
static bool may(const struct api *a, const struct caller *c, const struct follow *s)
{
	if (!strcmp(s->stream, "house")) /* the audit, as GET /audit */
		return admit_role(a, c, NULL) >= ROLE_ADMIN && (c->scopes & SCOPE_ADMIN);
	if (!strncmp(s->stream, "person/", 7))
		return !strcmp(s->stream + 7, c->person) && *c->person;
	return *s->project && admit_role(a, c, s->project) >= ROLE_VIEWER;
}

/* The project that a stream belongs to. */
static int find_project(const struct api *a, struct follow *s, struct err *e)
{
	if (!strncmp(s->stream, "project/", 8))
		snprintf(s->project, sizeof(s->project), "%s", s->stream + 8);
	if (strncmp(s->stream, "run/", 4) != 0)
		return 0;
	cleanup_json json_t *run = id_valid(s->stream + 4) ? admit_run(a, s->stream + 4, e) : NULL;
	if (json_str(run, "project"))
		snprintf(s->project, sizeof(s->project), "%s", json_str(run, "project"));
	return run || e->code == ERR_OK || e->code == ERR_NOT_FOUND ? 0 : -1;
}

/* ---- events ---- */

/* The audit's events carry the new values of records, which are not for everybody who may read the audit. */
static int print(const struct follow *s, const struct event *ev, struct buf *out, struct err *e)
{
	cleanup_json json_t *data = strcmp(s->stream, "house") ? NULL : event_data(ev, e);
	if (!json_get(data, "records")) {
		event_print(ev, s->stream, out);
		return e->code == ERR_OK ? 0 : -1;
	}
	cleanup_json json_t *rest = json_clone(data);
	if (rest)
		json_object_del(rest, "records");
	cleanup_free char *text = rest ? json_text(rest) : NULL;
	struct event shown = *ev;
	shown.data = text ? blob_new(text, strlen(text)) : NULL;
	if (!shown.data)
		return err_nomem(e);
	event_print(&shown, s->stream, out);
	blob_unref(shown.data);
	return 0;
}

/* The last event that was encoded: all who follow it get it one after the other. */
static const struct buf *encoded(struct api *a, const struct follow *s, const struct event *ev, struct err *e)
{
	bool same = ev->data && a->encoded_of == ev->data && a->encoded_seq == ev->seq &&
		    !strcmp(a->encoded_stream, s->stream);
	if (same)
		return &a->encoded;
	blob_unref(a->encoded_of);
	a->encoded_of = NULL;
	buf_clear(&a->encoded);
	if (print(s, ev, &a->encoded, e) || buf_check(&a->encoded, "an event", e))
		return NULL;
	a->encoded_of = ev->data ? blob_ref(ev->data) : NULL;
	a->encoded_seq = ev->seq;
	snprintf(a->encoded_stream, sizeof(a->encoded_stream), "%s", s->stream);
	return &a->encoded;
}

static int send_open(void *ctx, const struct event *ev)
{
	struct follow *s = ctx;
	struct err e = ERR_INIT;
	const struct buf *json = encoded(s->feed->api, s, ev, &e);
	return json ? s->feed->send(s->feed, s, ev, buf_span(json), &e) : -1;
}

static void begin(struct tick *t)
{
	struct follow *s = container_of(t, struct follow, begin);
	if (s->begun || s->sent < s->head)
		return;
	s->begun = true;
	drafts_each(s->feed->api->drafts, s->stream, send_open, s);
}

static void on_event(struct tail *t, const char *stream, const struct event *ev)
{
	struct follow *s = container_of(t, struct follow, tail);
	struct err e = ERR_INIT;
	(void)stream;
	if (!ev->seq && !s->begun)
		return; /* it will be in what is open */
	const struct buf *json = encoded(s->feed->api, s, ev, &e);
	if (json && !s->feed->send(s->feed, s, ev, buf_span(json), &e)) {
		if (ev->seq)
			s->sent = ev->seq;
		if (!s->begun && s->sent >= s->head)
			tick_start(&s->begin);
	} else if (ev->seq) {
		tail_stop(t); /* feed_drained goes on */
	}
}

static void drop(struct follow *s)
{
	tail_stop(&s->tail);
	tick_stop(&s->begin);
	list_remove(&s->link);
	s->feed->count--;
	mem_free(s);
}

static void on_failed(struct tail *t, const struct err *why)
{
	struct follow *s = container_of(t, struct follow, tail);
	struct feed *f = s->feed;
	char stream[EVENT_STREAM_MAX];
	snprintf(stream, sizeof(stream), "%s", s->stream);
	drop(s);
	f->failed(f, stream, why);
}

static int start(struct follow *s, struct err *e)
{
	s->begun = false;
	s->head = store_head(s->feed->api->needs.store, s->stream, e);
	if (s->head < 0)
		return -1;
	s->tail = (struct tail){.stream = s->stream, .after = s->sent, .cb = on_event, .failed = on_failed};
	if (tail_start(&s->tail, s->feed->api->needs.store, e))
		return -1;
	tick_start(
		&s->begin); /* after the tail's own: it is live by then, unless there is something to catch up with */
	return 0;
}

/* ---- following ---- */

struct follow *feed_find(struct feed *f, const char *stream)
{
	list_for (it, &f->follows) {
		struct follow *s = list_entry(it, struct follow, link);
		if (!strcmp(s->stream, stream))
			return s;
	}
	return NULL;
}

int feed_add(struct feed *f, const char *stream, int64_t after, struct err *e)
{
	if (strlen(stream) >= EVENT_STREAM_MAX)
		return no_stream(stream, e);
	if (after < 0)
		return err_set(e, ERR_INVALID, "after must be an event's number, or 0");
	if (feed_find(f, stream))
		return err_set(e, ERR_EXISTS, "%s is followed already", stream);
	if (f->count == FEED_STREAMS)
		return err_set(e, ERR_TOO_LARGE, "one connection follows %d streams at most", FEED_STREAMS);
	struct follow *s = MEM_NEW(struct follow);
	if (!s)
		return err_nomem(e);
	s->feed = f;
	s->sent = after;
	s->place = f->places++;
	snprintf(s->stream, sizeof(s->stream), "%s", stream);
	tick_init(&s->begin, f->api->needs.loop, begin);
	bool fine = !find_project(f->api, s, e) && (may(f->api, &f->caller, s) || no_stream(stream, e) == 0);
	if (!fine || start(s, e)) {
		mem_free(s);
		return -1;
	}
	list_push(&f->follows, &s->link);
	f->count++;
	return 0;
}

int feed_remove(struct feed *f, const char *stream, struct err *e)
{
	struct follow *s = feed_find(f, stream);
	if (!s)
		return err_set(e, ERR_NOT_FOUND, "%.80s is not followed", stream);
	drop(s);
	return 0;
}

void feed_drained(struct feed *f)
{
	list_for (it, &f->follows) {
		struct follow *s = list_entry(it, struct follow, link);
		struct err e = ERR_INIT;
		if (s->tail.state == TAIL_STOPPED && start(s, &e))
			on_failed(&s->tail, &e);
	}
}

void feed_init(struct feed *f, struct api *a, const struct caller *caller)
{
	f->api = a;
	f->caller = *caller;
	list_init(&f->follows);
	list_push(&a->feeds, &f->link);
}

void feed_release(struct feed *f)
{
	if (!f->api)
		return;
	list_for (it, &f->follows)
		drop(list_entry(it, struct follow, link));
	list_remove(&f->link);
	f->api = NULL;
}

/* ---- all of them ---- */

void feeds_beat(struct api *a)
{
	list_for (it, &a->feeds) {
		struct feed *f = list_entry(it, struct feed, link);
		if (f->beat)
			f->beat(f);
	}
}

void feeds_check(struct api *a)
{
	list_for (it, &a->feeds) {
		struct feed *f = list_entry(it, struct feed, link);
		struct err e = ERR_INIT;
		bool gone = admit_again(a, &f->caller, &e) != 0;
		bool ended = gone;
		list_for (at, &f->follows) {
			struct follow *s = list_entry(at, struct follow, link);
			gone = gone || !may(a, &f->caller, s);
		}
		if (gone)
			f->revoked(f,
				ended ? &e
				      : &(struct err){.code = ERR_DENIED, .text = "this may not be followed any more"});
	}
}
