/* following: a run's events as a muster sends them over HTTP, in order and each once.
 *
 * A live one mends a break of the connection by itself: it asks again, behind the last event that came, a while long.
 * What it is told to give up is down when the remote is closed, and lives until then. */
#ifndef MUSTER_CMD_FOLLOWING_H
#define MUSTER_CMD_FOLLOWING_H

#include "cmd/remote.h"
#include "store/event.h"

struct following {
	/* set by the caller */
	bool live;     /* also what is still to come, and transient events; else up to the newest there is */
	int64_t after; /* the seq of the last one that came */
	void (*event)(struct following *f, const struct event *ev, const char *stream, const json_t *data);
	/* Once, not after following_stop: ERR_OK the newest was reached. */
	void (*over)(struct following *f, const struct err *why);
	/* private */
	struct remote *remote;
	struct remote_call call;
	struct timer again;
	char stream[EVENT_STREAM_MAX];
	int breaks; /* since the last event */
	bool heard, asking, stopped;
	struct err wrong; /* in an event */
};

int following_start(struct following *f, struct remote *r, const char *run, struct err *e);
void following_stop(struct following *f); /* harmless when zeroed, stopped or over */
/* {"stream", "seq", ...} as event_print writes it; event_release it. ERR_NEWER for a kind that is not known here. */
int following_parse(const json_t *v, struct event *out, struct err *e);

#endif
