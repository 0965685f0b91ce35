/* attend: see attend.h.
 *
 *   ATTENDING ──rests──────────────▶ OVER
 *       └──pause──▶ PAUSING ──rests──▶ OVER (130)
 *
 * Everything that may change the verdict only asks for look(), which runs later in the turn. */
#include "cmd/attend.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sm.h"
#include "cmd/asking.h"
#include "cmd/following.h"
#include "cmd/interrupts.h"
#include "cmd/out.h"
#include "cmd/summary.h"
#include "flow/run.h"

enum { ATTENDING, PAUSING, OVER };
static const struct sm_state states[] = {
	[ATTENDING] = {"attending", SM_TO(PAUSING) | SM_TO(OVER)},
	[PAUSING] = {"pausing", SM_TO(OVER)},
	[OVER] = {"over", 0},
};

struct attend {
	const struct attend_options *options;
	struct remote *remote;
	struct sm sm;
	struct overview overview;
	struct view *view;
	struct asking asking;
	struct following following;
	struct interrupts interrupts;
	struct tick look;
	int giving; /* commands on their way */
	int status;
	struct err why;
};

/* A command on its way. */
struct giving {
	struct attend *attend;
	bool message; /* of a chat */
	struct remote_call call;
};

static void over(struct attend *d, int status)
{
	if (sm_is(&d->sm) == OVER)
		return;
	d->status = status;
	sm_move(&d->sm, OVER);
}

static void broke(struct attend *d, const struct err *why)
{
	if (sm_is(&d->sm) != OVER)
		d->why = *why;
	over(d, err_exit(why->code));
}

/* ---- commands ---- */

static void given(struct remote_call *c, json_t *reply, const struct err *why)
{
	struct giving *g = container_of(c, struct giving, call);
	struct attend *d = g->attend;
	(void)reply;
	d->giving--;
	if (g->message && (why->code == ERR_OK || why->code == ERR_CONFLICT))
		asking_told(&d->asking, why->code == ERR_OK);
	/* Somebody was faster, or it has ended: the event that says so is on its way. */
	if (why->code != ERR_OK && why->code != ERR_CONFLICT && why->code != ERR_FINAL)
		broke(d, why);
	tick_start(&d->look);
	mem_free(g);
}

static int command(struct attend *d, const json_t *what, struct err *e)
{
	struct giving *g = MEM_NEW(struct giving);
	cleanup_free char *path = mem_printf("/api/v1/runs/%s/commands", d->overview.id);
	if (!g || !path) {
		mem_free(g);
		return err_nomem(e);
	}
	g->attend = d;
	g->message = asking_said(&d->asking, what);
	g->call.over = given;
	if (remote_start(&g->call, d->remote, "POST", path, what, e)) {
		mem_free(g);
		return -1;
	}
	d->giving++;
	return 0;
}

static int give(struct asking *a, const json_t *what, struct err *e)
{
	return command(container_of(a, struct attend, asking), what, e);
}

static void answered(struct asking *a)
{
	tick_start(&container_of(a, struct attend, asking)->look);
}

/* ---- the verdict ---- */

/* Is there an action that gets no answer from here? */
static bool unanswered(const struct attend *d)
{
	const char *id;
	json_t *action;
	json_object_foreach(d->overview.actions, id, action) if (!json_get(d->asking.answered, id)) return true;
	return false;
}

/* The exit status for a run that rests; -1: it does not. */
static int verdict(const struct attend *d)
{
	const struct overview *o = &d->overview;
	if (!strcmp(o->state, "completed"))
		return 0;
	if (!strcmp(o->state, "failed"))
		return 4;
	if (!strcmp(o->state, "cancelled"))
		return 6;
	if (!strcmp(o->state, "paused"))
		return sm_is(&d->sm) == PAUSING ? 130 : 7;
	if (strcmp(o->state, "waiting") != 0 || *d->asking.prompted || d->giving || !unanswered(d))
		return -1;
	if (d->options->talk && asking_turn(o)) {
		d->options->talk->turn = true;
		return 0;
	}
	return !strcmp(o->waiting_on, "person") ? 3 : !strcmp(o->waiting_on, "budget") ? 5 : -1;
}

static void look(struct tick *t)
{
	struct attend *d = container_of(t, struct attend, look);
	struct err e = ERR_INIT;
	if (sm_is(&d->sm) == OVER || d->overview.seq < d->options->from)
		return;
	bool waits = !strcmp(d->overview.state, "waiting");
	if (sm_is(&d->sm) == ATTENDING && asking_look(&d->asking, waits, &e)) {
		broke(d, &e);
		return;
	}
	int status = verdict(d);
	if (status >= 0)
		over(d, status);
}

/* ---- events ---- */

static void on_event(struct following *f, const struct event *ev, const char *stream, const json_t *data)
{
	struct attend *d = container_of(f, struct attend, following);
	if (!ev->seq || ev->seq > d->options->past)
		d->view->ops->event(d->view, ev, stream, data);
	overview_event(&d->overview, ev, data);
	if (ev->type == EVENT_RUN_CREATED && !d->remote->sock)
		json_object_del(d->overview.created, "dir"); /* a folder of another machine */
	if (d->view->ops->changed && (!ev->seq || ev->seq >= d->options->past))
		d->view->ops->changed(d->view);
	if (ev->seq)
		tick_start(&d->look);
}

static void on_over(struct following *f, const struct err *why)
{
	struct attend *d = container_of(f, struct attend, following);
	struct err e = *why;
	err_wrap(&e, "run %s goes on without being shown (muster log %s --follow)", run_short(d->overview.id),
		run_short(d->overview.id));
	broke(d, &e);
}

/* ---- signals ---- */

static void interrupted(struct interrupts *i)
{
	struct attend *d = container_of(i, struct attend, interrupts);
	struct err e = ERR_INIT;
	bool again = sm_is(&d->sm) != ATTENDING;
	if (d->view->ops->aside)
		d->view->ops->aside(d->view, true);
	out_say(span_of(again ? "\nleft; muster show tells what became of the run\n"
			      : "\npausing: calls under way end first. Ctrl-C again leaves at once.\n"));
	if (again)
		_exit(130);
	if (d->view->ops->aside)
		d->view->ops->aside(d->view, false);
	sm_move(&d->sm, PAUSING);
	cleanup_json json_t *pause = json_make(&e, "{s:s}", "kind", "pause");
	if (!pause || command(d, pause, &e))
		broke(d, &e);
}

/* ---- all of it ---- */

static int begin(struct attend *d, struct err *e)
{
	const struct attend_options *o = d->options;
	bool terminal = !o->unattended && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	d->view =
		o->talk && !o->json ? view_chat(&d->overview, e) : view_new(&d->overview, d->remote->loop, o->json, e);
	if (!d->view)
		return -1;
	asking_init(&d->asking, o->args, d->remote->loop, &d->overview, d->view, terminal);
	d->asking.moved = answered;
	d->asking.give = give;
	d->asking.talk = o->talk;
	d->following = (struct following){.live = true, .event = on_event, .over = on_over};
	return interrupts_start(&d->interrupts, d->remote->loop, interrupted, e) ||
			       following_start(&d->following, d->remote, o->run, e)
		       ? -1
		       : 0;
}

int attend(struct remote *r, const struct attend_options *o, struct err *e)
{
	struct attend d = {.options = o, .remote = r};
	sm_init(&d.sm, states, ATTENDING);
	overview_init(&d.overview, o->run);
	tick_init(&d.look, r->loop, look);
	int failed = begin(&d, e);
	while (!failed && sm_is(&d.sm) != OVER)
		loop_turn(r->loop, -1);
	following_stop(&d.following);
	interrupts_stop(&d.interrupts);
	while (http_alive(r->http))
		loop_turn(r->loop, -1);
	tick_stop(&d.look);
	if (!failed && d.why.code == ERR_OK)
		summary_show(d.view, &d.overview, d.status, NULL, o->args);
	if (d.why.code != ERR_OK) {
		*e = d.why;
		failed = -1;
	}
	asking_release(&d.asking);
	view_free(d.view);
	overview_release(&d.overview);
	return failed ? -1 : d.status;
}
