/* feed: the streams that one client follows, over whatever connection it has: NDJSON (events.c), SSE (sse.c), WebSocket
 * (socket.c).
 *
 * Each durable event of a stream comes once and in order, from a cursor on. A client that reads too slowly loses
 * transient events; a stream whose durable event did not fit goes on behind the last one sent when there is room, so it
 * holds no memory. A feed ends when its caller may no longer call (a session revoked, a key expired).
 *
 * Once a stream has caught up, it goes on with what is being written at that moment: transient events with the text of
 * each open subject so far (drafts.h). A client that gets a piece whose offset is not the end of what it has, lacks
 * some; the durable event that follows has it all. An event is encoded once, however many follow it. */
#ifndef MUSTER_API_FEED_H
#define MUSTER_API_FEED_H

#include "api/route.h"

#define FEED_STREAMS 256 /* of one client */

struct feed;

/* One stream of it. */
struct follow {
	struct list link;
	struct feed *feed;
	struct tail tail;
	char stream[EVENT_STREAM_MAX];
	char project[EVENT_STREAM_MAX]; /* of a run's or a project's */
	size_t place;			/* which of the feed's it is, in the order in which they were added */
	int64_t sent;			/* seq of the last one sent */
	int64_t head; /* of the stream when it was begun: behind it come what is open, and live events */
	bool begun;   /* what was open has been sent */
	struct tick begin;
};

struct feed {
	/* set by the owner */
	/* Send an event, given as its JSON too. -1: ERR_TOO_LARGE, no room now (feed_drained then says when there is),
	 * or any other error: the client is gone, which its connection tells. */
	int (*send)(struct feed *f, const struct follow *s, const struct event *ev, struct span json, struct err *e);
	/* A stream cannot be read on, and was removed. */
	void (*failed)(struct feed *f, const char *stream, const struct err *why);
	/* The caller may no longer follow anything: end it. Later in the turn. */
	void (*revoked)(struct feed *f, const struct err *why);
	/* Every HEARTBEAT: a sign of life. May be NULL. */
	void (*beat)(struct feed *f);
	/* private */
	struct api *api;
	struct caller caller;
	struct list link, follows;
	size_t count, places;
};

/* The caller's, from now on in the api's list. */
void feed_init(struct feed *f, struct api *a, const struct caller *caller);
/* Harmless when zeroed, or twice. */
void feed_release(struct feed *f);
/* Follow "run/ID", "project/ID", "person/ID" or "house" after this seq; events come later. ERR_NOT_FOUND for what the
 * caller may not see; ERR_TOO_LARGE beyond FEED_STREAMS; ERR_EXISTS. */
int feed_add(struct feed *f, const char *stream, int64_t after, struct err *e);
int feed_remove(struct feed *f, const char *stream, struct err *e);
struct follow *feed_find(struct feed *f, const char *stream);
/* There is room again. */
void feed_drained(struct feed *f);

/* Of the api: a heartbeat to all feeds, and the end of those whose callers may not go on. */
#define FEED_BEAT_MS 15000
void feeds_beat(struct api *a);
void feeds_check(struct api *a);
#endif
