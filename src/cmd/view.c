/* view: the choice between the views, and the two simple ones. */
#include "cmd/view.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd/out.h"

void view_write(struct view *v, struct buf *out)
{
	struct err e = ERR_INIT;
	if (!v->silent && out_write(out, &e)) {
		v->silent = true;
		if (e.code != ERR_OK)
			log_warn("view", "nothing more is shown: %s", e.text);
	}
	buf_clear(out);
}

static void free_view(struct view *v)
{
	mem_free(v);
}

/* ---- plain ---- */

static void plain_event(struct view *v, const struct event *ev, const char *stream, const json_t *data)
{
	cleanup_buf struct buf line = BUF_INIT(CAP_OUTPUT), out = BUF_INIT(CAP_OUTPUT);
	(void)stream;
	enum line_kind kind = line_of(v->overview, ev, data, &line);
	if (kind == LINE_NONE)
		return;
	text_clock(ev->at, &out);
	buf_adds(&out, kind == LINE_ASK ? " ? " : kind == LINE_HEAD ? " = " : kind == LINE_BAD ? " ! " : "   ");
	buf_addspan(&out, buf_span(&line));
	buf_addc(&out, '\n');
	view_write(v, &out);
}

static void plain_end(struct view *v, struct span text, const json_t *last)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	(void)last;
	buf_addc(&out, '\n');
	buf_addspan(&out, text);
	view_write(v, &out);
}

static const struct view_ops plain = {.event = plain_event, .end = plain_end, .free = free_view};

/* ---- json ---- */

static void json_event(struct view *v, const struct event *ev, const char *stream, const json_t *data)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	(void)data;
	event_print(ev, stream, &out);
	buf_addc(&out, '\n');
	view_write(v, &out);
}

static void json_end(struct view *v, struct span text, const json_t *last)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	(void)text;
	json_print(last, &out);
	buf_addc(&out, '\n');
	view_write(v, &out);
}

static const struct view_ops json = {.event = json_event, .end = json_end, .free = free_view};

static struct view *make(const struct view_ops *ops, const struct overview *o, struct err *e)
{
	struct view *v = MEM_NEW(struct view);
	if (!v) {
		err_nomem(e);
		return NULL;
	}
	v->ops = ops;
	v->overview = o;
	return v;
}

struct view *view_plain(const struct overview *o, struct err *e)
{
	return make(&plain, o, e);
}

struct view *view_json(const struct overview *o, struct err *e)
{
	return make(&json, o, e);
}

struct view *view_new(const struct overview *o, struct loop *l, bool as_json, struct err *e)
{
	const char *term = getenv("TERM");
	if (as_json)
		return view_json(o, e);
	bool moves = isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
	return moves ? view_tty(o, l, e) : view_plain(o, e);
}

void view_free(struct view *v)
{
	if (v)
		v->ops->free(v);
}
