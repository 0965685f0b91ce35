/* view_chat: a conversation. The answer comes in pieces while it is written; what was said in the end is the durable
 * flow.said, which brings what was lost of the pieces, or stands below them where it is another text. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "cmd/asking.h"
#include "cmd/out.h"

#define PARTNER "0" /* the first agent of the run; others work for it */

struct chat_view {
	struct view view;
	struct buf written; /* of the answer so far */
	int64_t turn;
};

static void show(struct chat_view *c, struct span text)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	utf8_visible(text, true, &out);
	view_write(&c->view, &out);
}

/* What stands there is no part of what follows. */
static void break_off(struct chat_view *c)
{
	if (c->written.len)
		show(c, span_of("\n"));
	buf_clear(&c->written);
}

static void delta(struct chat_view *c, const json_t *data)
{
	const char *agent = json_str(data, "agent");
	int64_t offset = json_int(data, "offset", 0), turn = json_int(data, "turn", 0);
	struct span text = json_span(data, "text");
	if (!agent || strcmp(agent, PARTNER) != 0)
		return;
	if (turn != c->turn)
		break_off(c);
	c->turn = turn;
	size_t known = c->written.len;
	if (offset < 0 || (size_t)offset > known || (size_t)offset + text.n <= known)
		return; /* a piece was lost, or comes again */
	text = span_n(text.p + (known - (size_t)offset), text.n - (known - (size_t)offset));
	buf_addspan(&c->written, text);
	show(c, text);
}

static void aside(struct chat_view *c, struct span text)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	break_off(c);
	utf8_visible(text, true, &out);
	buf_addc(&out, '\n');
	out_say(buf_span(&out));
}

static void said(struct chat_view *c, const json_t *data)
{
	struct span text = json_span(data, "text");
	const char *from = json_str(data, "from");
	if (!from || strcmp(from, PARTNER) != 0) {
		aside(c, text);
		return;
	}
	size_t known = c->written.len;
	if (text.n < known || memcmp(text.p, c->written.data ? c->written.data : "", known) != 0) {
		break_off(c);
		known = 0;
	}
	show(c, span_n(text.p + known, text.n - known));
	show(c, span_of("\n"));
	buf_clear(&c->written);
}

/* At a terminal also what the agent does meanwhile. */
static void tell(struct chat_view *c, const struct event *ev, const json_t *data)
{
	cleanup_buf struct buf line = BUF_INIT(CAP_OUTPUT);
	enum line_kind kind = line_of(c->view.overview, ev, data, &line);
	bool work = ev->type == EVENT_TOOL_STARTED && isatty(STDERR_FILENO);
	if (kind == LINE_BAD || (work && kind != LINE_NONE))
		aside(c, buf_span(&line));
}

static void on_event(struct view *v, const struct event *ev, const char *stream, const json_t *data)
{
	struct chat_view *c = container_of(v, struct chat_view, view);
	(void)stream;
	if (ev->type == EVENT_ANSWER_DELTA)
		delta(c, data);
	else if (ev->type == EVENT_FLOW_SAID)
		said(c, data);
	else if (ev->seq)
		tell(c, ev, data);
}

static void end(struct view *v, struct span text, const json_t *last)
{
	struct chat_view *c = container_of(v, struct chat_view, view);
	(void)last;
	break_off(c);
	if (!asking_turn(v->overview))
		out_say(text);
}

static void free_chat(struct view *v)
{
	struct chat_view *c = container_of(v, struct chat_view, view);
	buf_release(&c->written);
	mem_free(c);
}

static const struct view_ops ops = {.event = on_event, .end = end, .free = free_chat};

struct view *view_chat(const struct overview *o, struct err *e)
{
	struct chat_view *c = MEM_NEW(struct chat_view);
	if (!c) {
		err_nomem(e);
		return NULL;
	}
	c->view = (struct view){.ops = &ops, .overview = o};
	buf_init(&c->written, CAP_EVENT_DATA);
	return &c->view;
}
