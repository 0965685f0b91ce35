/* view_tty: the live picture on a terminal.
 *
 * Finished things scroll by above; a region at the bottom shows the run, its money and the tree of agents with what
 * each does now. It is drawn anew at most ten times a second, and once a second while nothing happens: cursor up to its
 * first line, clear to the end of the screen, what is to scroll by, the region. While somebody else writes (a prompt)
 * the region is gone and lines are held back. */
#include <stdlib.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "cmd/out.h"
#include "cmd/view.h"
#include "flow/run.h"

#define SOON_MS 100
#define IDLE_MS 1000
#define AGENTS_SHOWN 16

struct tty_view {
	struct view base;
	struct loop *loop;
	struct timer redraw;
	bool soon; /* a redraw is due within SOON_MS */
	bool aside, color;
	int drawn;	 /* lines of the region on the screen */
	int64_t last;	 /* monotonic time of the last redraw */
	struct buf held; /* what is to scroll by */
};

static struct tty_view *self_of(struct view *v)
{
	return container_of(v, struct tty_view, base);
}

/* ---- colours ---- */

static const char *const codes[] = {[LINE_NONE] = "2",
	[LINE_PLAIN] = "0",
	[LINE_HEAD] = "1",
	[LINE_GOOD] = "32",
	[LINE_BAD] = "31",
	[LINE_ASK] = "33"};

static void paint(const struct tty_view *t, enum line_kind kind, struct buf *out)
{
	if (t->color)
		buf_addf(out, "\033[%sm", codes[kind]);
}

static void plain(const struct tty_view *t, struct buf *out)
{
	if (t->color)
		buf_adds(out, "\033[0m");
}

/* ---- the region ---- */

/* One line of the region, cut at the terminal's width. */
static void add_line(struct tty_view *t, enum line_kind kind, struct span text, int columns, struct buf *out)
{
	paint(t, kind, out);
	text_fit(text, (size_t)columns - 1, out);
	plain(t, out);
	buf_adds(out, "\n");
	t->drawn++;
}

static void add_status(struct tty_view *t, int columns, struct buf *out)
{
	const struct overview *o = t->base.overview;
	cleanup_buf struct buf line = BUF_INIT(64 * KIB);
	int64_t now = clock_wall(loop_clock(t->loop));
	buf_addf(&line, "%s %s", json_str(o->created, "mode") ? json_str(o->created, "mode") : "run", run_short(o->id));
	if (o->phase)
		buf_addf(&line, " · %s", o->phase);
	buf_addf(&line, " · %s", o->state);
	if (*o->waiting_on)
		buf_addf(&line, " for %s", o->waiting_on);
	buf_adds(&line, " · ");
	text_usd(o->usd + o->usd_unknown, &line);
	buf_addf(&line, " · %zu files · %zu agents · ", json_object_size(o->files), map_count(&o->agents));
	text_period((now - o->began) / 1000000 * 1000000, &line);
	add_line(t, LINE_HEAD, buf_span(&line), columns, out);
}

static enum line_kind agent_line(const struct tty_view *t, const struct seen_agent *a, struct buf *line)
{
	const struct overview *o = t->base.overview;
	const char *mark = a->ended			   ? !strcmp(a->state, "done") ? "✓" : "✗"
			   : !strcmp(a->state, "thinking") ? "◌"
			   : !strcmp(a->state, "waiting")  ? "?"
							   : "▸";
	/* Indented with a character that is no blank: lines are trimmed. */
	for (int depth = overview_depth(o, a); depth > 0; depth--)
		buf_adds(line, "│ ");
	buf_addf(line, "%s ", mark);
	line_agent(o, a->id, line);
	if (a->ended) {
		buf_addf(line, " %s, %d turns, ", a->state, a->turns);
		text_usd(a->usd, line);
		return !strcmp(a->state, "done") ? LINE_NONE : LINE_BAD;
	}
	buf_addf(line, " %s", a->activity && *a->activity ? "· " : a->state);
	if (a->activity)
		text_fit(text_first_line(span_of(a->activity)), 200, line);
	return !strcmp(a->state, "waiting") ? LINE_ASK : LINE_PLAIN;
}

/* Agents at work, with those above them; ended ones only while there is room. */
static void add_agents(struct tty_view *t, int columns, int room, struct buf *out)
{
	const struct seen_agent **agents = overview_tree(t->base.overview);
	int working = 0, left = 0;
	bool all_ended = true;
	for (size_t i = 0; agents && agents[i]; i++)
		working += !agents[i]->ended;
	int ended_room = room - working;
	int ended = (int)map_count(&t->base.overview->agents) - working,
	    skip = ended > ended_room ? ended - (ended_room > 0 ? ended_room : 0) : 0;
	for (size_t i = 0; agents && agents[i]; i++) {
		const struct seen_agent *a = agents[i];
		cleanup_buf struct buf line = BUF_INIT(64 * KIB);
		if ((a->ended && skip-- > 0) || room <= 0) {
			left++;
			all_ended &= a->ended;
			continue;
		}
		enum line_kind kind = agent_line(t, a, &line);
		add_line(t, kind, buf_span(&line), columns, out);
		room--;
	}
	mem_free(agents);
	if (left) {
		cleanup_buf struct buf line = BUF_INIT(256);
		buf_addf(&line, "… %d more agents%s", left, all_ended ? ", ended" : "");
		add_line(t, LINE_NONE, buf_span(&line), columns, out);
	}
}

static void erase(struct tty_view *t, struct buf *out)
{
	if (t->drawn)
		buf_addf(out, "\r\033[%dA\033[J", t->drawn);
	t->drawn = 0;
	buf_addspan(out, buf_span(&t->held));
	buf_clear(&t->held);
}

static void draw(struct tty_view *t)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	int columns = terminal_columns(STDOUT_FILENO), rows = terminal_rows(STDOUT_FILENO);
	erase(t, &out);
	if (!t->aside && columns && t->base.overview->created) {
		int room = rows / 2 - 2 < AGENTS_SHOWN ? rows / 2 - 2 : AGENTS_SHOWN;
		add_status(t, columns, &out);
		add_agents(t, columns, room > 1 ? room : 1, &out);
	}
	view_write(&t->base, &out);
	t->last = clock_mono(loop_clock(t->loop));
}

static void plan(struct tty_view *t, int64_t ms)
{
	struct err ignored = ERR_INIT;
	timer_start(&t->redraw, ms, &ignored);
}

static void due(struct timer *timer)
{
	struct tty_view *t = container_of(timer, struct tty_view, redraw);
	t->soon = false;
	draw(t);
	plan(t, IDLE_MS);
}

/* ---- the view ---- */

static void tty_changed(struct view *v)
{
	struct tty_view *t = self_of(v);
	if (t->soon || t->aside)
		return;
	int64_t since = (clock_mono(loop_clock(t->loop)) - t->last) / 1000;
	t->soon = true;
	plan(t, since >= SOON_MS ? 0 : SOON_MS - since);
}

/* What scrolls by: ends, failures, questions, what the flow says; the rest is in the region. */
static bool scrolls(const struct event *ev, enum line_kind kind)
{
	if (!ev->seq || ev->type == EVENT_ACTION_OPENED)
		return kind == LINE_ASK;
	return kind != LINE_PLAIN || ev->type == EVENT_FLOW_SAID || ev->type == EVENT_RUN_INTERVENED ||
	       ev->type == EVENT_RUN_RECOVERED || ev->type == EVENT_ACTION_RESOLVED || ev->type == EVENT_MESSAGE_ADDED;
}

static void add_new_files(struct tty_view *t, const json_t *data)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_get(data, "changed"), i, one)
	{
		const char *change = json_str(one, "change"), *path = json_str(one, "path");
		if (!path || !change || strcmp(change, "added") != 0)
			continue;
		paint(t, LINE_GOOD, &t->held);
		buf_adds(&t->held, "  + ");
		text_fit(span_of(path), 200, &t->held);
		plain(t, &t->held);
		buf_addc(&t->held, '\n');
	}
}

static void tty_event(struct view *v, const struct event *ev, const char *stream, const json_t *data)
{
	struct tty_view *t = self_of(v);
	cleanup_buf struct buf line = BUF_INIT(CAP_OUTPUT);
	(void)stream;
	if (ev->type == EVENT_SNAPSHOT_TAKEN)
		add_new_files(t, data);
	enum line_kind kind = line_of(v->overview, ev, data, &line);
	if (kind == LINE_NONE || !scrolls(ev, kind))
		return;
	paint(t, LINE_NONE, &t->held);
	text_clock(ev->at, &t->held);
	plain(t, &t->held);
	buf_addc(&t->held, ' ');
	paint(t, kind, &t->held);
	buf_addspan(&t->held, buf_span(&line));
	plain(t, &t->held);
	buf_addc(&t->held, '\n');
	if (t->held.failed)
		buf_clear(&t->held);
}

static void tty_aside(struct view *v, bool on)
{
	struct tty_view *t = self_of(v);
	t->aside = on;
	if (on)
		draw(t);
	else
		tty_changed(v);
}

static void tty_end(struct view *v, struct span text, const json_t *last)
{
	struct tty_view *t = self_of(v);
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	(void)last;
	timer_stop(&t->redraw);
	erase(t, &out);
	buf_addc(&out, '\n');
	buf_addspan(&out, text);
	view_write(v, &out);
}

static void tty_free(struct view *v)
{
	struct tty_view *t = self_of(v);
	timer_stop(&t->redraw);
	buf_release(&t->held);
	mem_free(t);
}

static const struct view_ops ops = {
	.event = tty_event, .changed = tty_changed, .aside = tty_aside, .end = tty_end, .free = tty_free};

struct view *view_tty(const struct overview *o, struct loop *l, struct err *e)
{
	struct tty_view *t = MEM_NEW(struct tty_view);
	const char *no_color = getenv("NO_COLOR");
	if (!t) {
		err_nomem(e);
		return NULL;
	}
	t->base = (struct view){.ops = &ops, .overview = o};
	t->loop = l;
	t->color = !no_color || !*no_color;
	buf_init(&t->held, CAP_OUTPUT);
	timer_init(&t->redraw, l, due);
	return &t->base;
}
