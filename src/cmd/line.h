/* line: one event as one line for people. */
#ifndef MUSTER_CMD_LINE_H
#define MUSTER_CMD_LINE_H

#include "api/overview.h"

enum line_kind {
	LINE_NONE, /* nothing a person needs to see */
	LINE_PLAIN,
	LINE_HEAD, /* a phase, the run's own state */
	LINE_GOOD,
	LINE_BAD,
	LINE_ASK, /* a person must decide */
};

/* Append the text of an event (no newline), made visible, long parts cut. `o`: what was folded before this event.
 * LINE_NONE: nothing was added. */
enum line_kind line_of(const struct overview *o, const struct event *ev, const json_t *data, struct buf *out);
/* How a completed run ended: "done: …"; check is its last evidence, or NULL. */
void line_evidence(const char *evidence, const json_t *check, struct buf *out);
/* "0.1 coder (src/a.py)" */
void line_agent(const struct overview *o, const char *id, struct buf *out);
/* "approve, revise"; "" when it has none. */
void line_options(const json_t *options, struct buf *out);

#endif
