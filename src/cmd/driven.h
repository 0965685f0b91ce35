/* driven: one run on which this process works until it rests: completed, failed, cancelled, paused, or waiting for a
 * person or a budget. Folds its events into an overview, gets its actions answered, takes in the commands that other
 * processes left for it, and says with which exit status it came to rest.
 *
 * What it needs of the house's watcher, which is one for all runs, its owner passes on (driven_settled). */
#ifndef MUSTER_CMD_DRIVEN_H
#define MUSTER_CMD_DRIVEN_H

#include "base/sm.h"
#include "cmd/app.h"
#include "cmd/asking.h"

struct driven {
	struct app *app;
	struct overview overview;
	/* Set after driven_init. The first two may be NULL, and talk. */
	void (*event)(
		struct driven *d, const struct event *ev, const char *stream, const json_t *data); /* not folded */
	void (*folded)(struct driven *d, const struct event *ev);
	/* Once, when it rests or broke: status and error say how. The run is still in memory. */
	void (*over)(struct driven *d);
	struct talk *talk; /* of a chat, or NULL */
	int status;	   /* the exit status of docs/contracts.md */
	struct err error;  /* what broke in this process; ERR_OK nothing */
	/* private */
	struct sm sm;
	struct asking asking;
	struct tail tail;
	struct tick look;
	char stream[EVENT_STREAM_MAX];
	int64_t settled; /* the last event when the house said that the run has none to come by itself */
	bool told;	 /* not worked on: only its events are folded */
};

void driven_init(struct driven *d, struct app *a, const char *id);
void driven_release(struct driven *d);
/* Follow its events from the first one and let it go on; then give these commands (array, may be NULL). terminal: a
 * person is there, and is asked by way of the view (NULL only where nobody is). -1: it cannot be worked on at all;
 * nothing is called any more. quiet_past: a run that had begun before; a new one may have failed by now, which over()
 * tells. */
int driven_start(
	struct driven *d, struct view *v, bool terminal, bool quiet_past, const json_t *commands, struct err *e);
/* Only fold the events of a run that has ended, then over(). */
int driven_tell(struct driven *d, struct err *e);
/* The house says that this run came to rest. */
void driven_settled(struct driven *d);
/* Pause it: calls under way end first, then over() with 130. */
void driven_pause(struct driven *d);
bool driven_pausing(const struct driven *d);
bool driven_is_over(const struct driven *d);
void driven_look(struct driven *d); /* once more, later in this turn */

#endif
