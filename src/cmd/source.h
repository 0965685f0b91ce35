/* source: where the verbs that show runs read: the data folder's journal, or a server (cmd/remote.h). Rows and events
 * are the same. */
#ifndef MUSTER_CMD_SOURCE_H
#define MUSTER_CMD_SOURCE_H

#include "cmd/app.h"
#include "cmd/remote.h"

struct source {
	struct app app;	       /* open for reading; closed when there is a remote */
	struct remote *remote; /* NULL: the journal */
	const char *name;      /* where that is, for messages */
};

int source_open(struct source *s, const struct args *args, struct err *e);
void source_close(struct source *s); /* harmless when zeroed, or after a failed open */
#define cleanup_source __attribute__((cleanup(source_close)))

/* Newest first; state, mode NULL: any; limit -1: all. */
json_t *source_runs(struct source *s, const char *state, const char *mode, int limit, struct err *e);
/* The row of a run by id, or by a part of it as a person writes it. */
json_t *source_run(struct source *s, const char *name, struct err *e);
/* Of a run, or (NULL) of all; open ones, or `all`. */
json_t *source_actions(struct source *s, const char *run, bool all, int limit, struct err *e);
json_t *source_usage(struct source *s, const char *run, struct err *e);
/* What the run of this row changed, as a unified diff. */
int source_diff(struct source *s, const json_t *row, struct buf *out, struct err *e);
/* Calls `each` with a run's durable events from the first one on, up to the newest, or (follow) without end; data: the
 * payload. It returns 0 to go on, 1 when that is enough, -1. */
typedef int source_each(void *ctx, const struct event *ev, const json_t *data, struct err *e);
int source_events(struct source *s, const char *run, bool follow, source_each *each, void *ctx, struct err *e);

/* source_run of a remote. */
json_t *remote_run(struct remote *r, const char *name, struct err *e);

#endif
