/* driven: see driven.h.
 *
 *   WORKING ──rests──────────────▶ OVER
 *      └──pause──▶ PAUSING ──rests──▶ OVER (130)
 *
 * Everything that may change the verdict (an event, the house's watcher, an answer) only asks for look(), which runs
 * later in the turn and compares the run's state with what has been folded: the end comes when the run rests and the
 * overview has its last event. Failure mode: what breaks in this process (disk, memory, a flow that diverged) is over()
 * with that error; the run can be resumed. */
#include "cmd/driven.h"

#include <stdio.h>
#include <string.h>

#include "api/intervene.h"
#include "flow/run.h"

enum { WORKING, PAUSING, OVER };
static const struct sm_state states[] = {
	[WORKING] = {"working", SM_TO(PAUSING) | SM_TO(OVER)},
	[PAUSING] = {"pausing", SM_TO(OVER)},
	[OVER] = {"over", 0},
};

/* ---- the verdict ---- */

static void over(struct driven *d, int status)
{
	if (sm_is(&d->sm) == OVER)
		return;
	d->status = status;
	sm_move(&d->sm, OVER);
	tail_stop(&d->tail);
	tick_stop(&d->look);
	d->over(d);
}

static void broke(struct driven *d, const struct err *why)
{
	d->error = *why;
	over(d, err_exit(why->code));
}

/* The exit status for a run that rests in this state; -1: it does not rest. */
static int verdict(struct driven *d, const char *state, const char *on)
{
	if (!strcmp(state, "completed"))
		return 0;
	if (!strcmp(state, "failed"))
		return 4;
	if (!strcmp(state, "cancelled"))
		return 6;
	if (!strcmp(state, "paused"))
		return sm_is(&d->sm) == PAUSING ? 130 : 7;
	if (!on || *d->asking.prompted)
		return -1;
	if (d->talk && asking_turn(&d->overview)) {
		d->talk->turn = true;
		return 0;
	}
	return !strcmp(on, "person") ? 3 : !strcmp(on, "budget") ? 5 : -1;
}

static void look_at_run(struct driven *d, int64_t head)
{
	struct err e = ERR_INIT;
	struct run *r = house_run(d->app->house, d->overview.id);
	if (!r) {
		err_set(&e, ERR_INTERNAL, "run %s is no longer in memory", run_short(d->overview.id));
		broke(d, &e);
		return;
	}
	if (run_broken(r)->code != ERR_OK) {
		broke(d, run_broken(r));
		return;
	}
	if (d->overview.seq < head) /* its events come first */
		return;
	if (!run_final(r) && sm_is(&d->sm) == WORKING && asking_look(&d->asking, d->settled == head, &e)) {
		broke(d, &e);
		return;
	}
	if (d->settled != head) /* the house has not said so yet */
		return;
	int status = verdict(d, run_state(r), run_waits_on(r));
	if (status >= 0 && run_quiet(r))
		over(d, status);
}

static void look(struct tick *t)
{
	struct driven *d = container_of(t, struct driven, look);
	struct err e = ERR_INIT;
	if (sm_is(&d->sm) == OVER)
		return;
	int64_t head = store_head(d->app->store, d->stream, &e);
	if (head < 0)
		broke(d, &e);
	else if (!d->told)
		look_at_run(d, head);
	else if (d->overview.seq >= head)
		over(d, verdict(d, d->overview.state, NULL));
}

void driven_settled(struct driven *d)
{
	struct err e = ERR_INIT;
	if (sm_is(&d->sm) == OVER)
		return;
	d->settled = store_head(d->app->store, d->stream, &e);
	if (d->settled < 0)
		broke(d, &e); /* it is said once */
	else
		tick_start(&d->look);
}

static void answered(struct asking *a)
{
	driven_look(container_of(a, struct driven, asking));
}

static int give_here(struct asking *a, const json_t *command, struct err *e)
{
	struct driven *d = container_of(a, struct driven, asking);
	if (house_command(d->app->house, d->overview.id, command, 0, e))
		return -1;
	if (asking_said(a, command))
		asking_told(a, true);
	return 0;
}

/* ---- events ---- */

static void on_event(struct tail *t, const char *stream, const struct event *ev)
{
	struct driven *d = container_of(t, struct driven, tail);
	struct err e = ERR_INIT;
	cleanup_json json_t *data = event_data(ev, &e);
	if (!data) {
		broke(d, &e);
		return;
	}
	if (d->event)
		d->event(d, ev, stream, data);
	overview_event(&d->overview, ev, data);
	if (d->folded)
		d->folded(d, ev);
	if (ev->seq)
		tick_start(&d->look);
}

static void on_failed(struct tail *t, const struct err *why)
{
	broke(container_of(t, struct driven, tail), why);
}

/* ---- what its owner asks and wants ---- */

bool driven_pausing(const struct driven *d)
{
	return sm_is(&d->sm) == PAUSING;
}

bool driven_is_over(const struct driven *d)
{
	return sm_is(&d->sm) == OVER;
}

void driven_look(struct driven *d)
{
	if (sm_is(&d->sm) != OVER)
		tick_start(&d->look);
}

void driven_pause(struct driven *d)
{
	struct err e = ERR_INIT;
	if (sm_is(&d->sm) != WORKING)
		return;
	sm_move(&d->sm, PAUSING);
	if (d->told) /* it rests already */
		return;
	cleanup_json json_t *command = json_pack("{s:s, s:s}", "kind", "pause", "by", person_name());
	if (!command)
		err_nomem(&e);
	else
		house_command(d->app->house, d->overview.id, command, 0, &e);
	if (e.code != ERR_OK && e.code != ERR_FINAL)
		broke(d, &e);
	else
		tick_start(&d->look);
}

/* ---- beginning ---- */

static int give_commands(struct driven *d, const json_t *commands, struct err *e)
{
	size_t i;
	json_t *command;
	json_array_foreach(
		commands, i, command) if (house_command(d->app->house, d->overview.id, command, 0, e)) return -1;
	struct api_needs needs = app_needs(d->app);
	return intervene_take(&needs, d->overview.id, NULL, e); /* what other processes left while nobody owned it */
}

static int go_on(struct driven *d, bool quiet_past, const json_t *commands, struct err *e)
{
	if (house_resume(d->app->house, d->overview.id, e)) {
		/* A new run whose flow fails before it waits for anything has failed already: that is shown. */
		struct run *r = house_run(d->app->house, d->overview.id);
		if (quiet_past || !r || strcmp(run_state(r), "failed") != 0)
			return -1;
		err_clear(e);
	}
	return give_commands(d, commands, e);
}

static int follow(struct driven *d, struct err *e)
{
	d->tail.stream = d->stream;
	d->tail.cb = on_event;
	d->tail.failed = on_failed;
	tick_start(&d->look);
	return tail_start(&d->tail, d->app->store, e);
}

int driven_start(
	struct driven *d, struct view *v, bool terminal, bool quiet_past, const json_t *commands, struct err *e)
{
	asking_init(&d->asking, d->app->args, d->app->loop, &d->overview, v, terminal);
	d->asking.moved = answered;
	d->asking.give = give_here;
	d->asking.talk = d->talk;
	if (!follow(d, e) && !go_on(d, quiet_past, commands, e))
		return 0;
	tail_stop(&d->tail);
	tick_stop(&d->look);
	return -1;
}

int driven_tell(struct driven *d, struct err *e)
{
	d->told = true;
	asking_init(&d->asking, d->app->args, d->app->loop, &d->overview, NULL, false);
	if (!follow(d, e))
		return 0;
	tick_stop(&d->look);
	return -1;
}

void driven_init(struct driven *d, struct app *a, const char *id)
{
	*d = (struct driven){.app = a};
	sm_init(&d->sm, states, WORKING);
	snprintf(d->stream, sizeof(d->stream), "run/%s", id);
	overview_init(&d->overview, id);
	tick_init(&d->look, a->loop, look);
}

void driven_release(struct driven *d)
{
	tail_stop(&d->tail);
	tick_stop(&d->look);
	asking_release(&d->asking);
	overview_release(&d->overview);
}
