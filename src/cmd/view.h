/* view: how a run that is being driven is shown.
 *
 * plain: a line an event. tty: a calm live picture. json: the events as NDJSON. chat: what is said. A view never fails
 * the run: when nobody reads any more it falls silent. */
#ifndef MUSTER_CMD_VIEW_H
#define MUSTER_CMD_VIEW_H

#include "cmd/line.h"
#include "loop/loop.h"

struct view;
struct view_ops {
	/* An event, before it is folded into the overview. */
	void (*event)(struct view *v, const struct event *ev, const char *stream, const json_t *data);
	/* The overview moved on. May be NULL. */
	void (*changed)(struct view *v);
	/* Somebody else writes to the terminal now: get out of the way, or come back. May be NULL. */
	void (*aside)(struct view *v, bool on);
	/* The end: what was built, what to type next. `text` is for people, `last` the JSON view's last line. */
	void (*end)(struct view *v, struct span text, const json_t *last);
	void (*free)(struct view *v);
};
struct view {
	const struct view_ops *ops;
	const struct overview *overview;
	bool silent; /* standard output is gone */
};

struct view *view_plain(const struct overview *o, struct err *e);
struct view *view_json(const struct overview *o, struct err *e);
/* What the agent of a chat says, as it writes it, on standard output; what else a person should know on standard error.
 */
struct view *view_chat(const struct overview *o, struct err *e);
struct view *view_tty(const struct overview *o, struct loop *l, struct err *e);
/* json: --json; else tty when standard output is a terminal that can move its cursor; else plain. */
struct view *view_new(const struct overview *o, struct loop *l, bool json, struct err *e);
void view_free(struct view *v);
/* Write and empty the buffer. */
void view_write(struct view *v, struct buf *out);

#endif
