/* drive: see drive.h.
 *
 *   WORKING ──rests──────────────────────────────▶ OVER
 *      └──Ctrl-C──▶ PAUSING ──rests──▶ OVER (130)
 *                      └──Ctrl-C──▶ the process ends
 *
 * Everything that may change the verdict (an event, the house's watcher, an answer) only asks for look(), which runs
 * later in the turn and compares the run's state with what has been shown: the end comes when the run rests and the
 * view has its last event. Failure mode: what breaks in this process (disk, memory, a flow that diverged) ends the
 * drive with that error; the run can be resumed. */
#include "cmd/drive.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sm.h"
#include "cmd/asking.h"
#include "cmd/out.h"
#include "cmd/sock.h"
#include "cmd/summary.h"
#include "flow/run.h"

enum { WORKING, PAUSING, OVER };
static const struct sm_state states[] = {
	[WORKING] = {"working", SM_TO(PAUSING) | SM_TO(OVER)},
	[PAUSING] = {"pausing", SM_TO(OVER)},
	[OVER] = {"over", 0},
};

struct drive {
	struct app *app;
	const struct drive_options *options;
	struct sm sm;
	char stream[EVENT_STREAM_MAX];
	struct overview overview;
	struct view *view;
	struct asking asking;
	struct tail tail;
	struct sock *sock;
	struct sign interrupt, terminate, hangup;
	struct tick look;
	int64_t past;	 /* events up to here are not shown */
	int64_t settled; /* the last event when the house said that the run has none to come by itself */
	int status;
	struct err error; /* broke in this process */
};

/* ---- the verdict ---- */

static void over(struct drive *d, int status)
{
	if (sm_is(&d->sm) == OVER)
		return;
	d->status = status;
	sm_move(&d->sm, OVER);
	loop_stop(d->app->loop);
}

static void broke(struct drive *d, const struct err *why)
{
	d->error = *why;
	over(d, err_exit(why->code));
}

/* The exit status for a run that rests in this state; -1: it does not rest. */
static int verdict(struct drive *d, struct run *r)
{
	const char *state = run_state(r), *on = run_waits_on(r);
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
	return !strcmp(on, "person") ? 3 : !strcmp(on, "budget") ? 5 : -1;
}

static void look(struct tick *t)
{
	struct drive *d = container_of(t, struct drive, look);
	struct err e = ERR_INIT;
	if (sm_is(&d->sm) == OVER)
		return;
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
	int64_t head = store_head(d->app->store, d->stream, &e);
	if (head < 0) {
		broke(d, &e);
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
	int status = verdict(d, r);
	if (status >= 0 && run_quiet(r))
		over(d, status);
}

static void settled(void *ctx, struct run *r)
{
	struct drive *d = ctx;
	struct err e = ERR_INIT;
	(void)r;
	d->settled = store_head(d->app->store, d->stream, &e);
	if (d->settled < 0)
		broke(d, &e); /* it is said once */
	else
		tick_start(&d->look);
}

static void answered(struct asking *a)
{
	struct drive *d = container_of(a, struct drive, asking);
	tick_start(&d->look);
}

/* ---- events ---- */

static void on_event(struct tail *t, const char *stream, const struct event *ev)
{
	struct drive *d = container_of(t, struct drive, tail);
	struct err e = ERR_INIT;
	cleanup_json json_t *data = event_data(ev, &e);
	if (!data) {
		broke(d, &e);
		return;
	}
	if (!ev->seq || ev->seq > d->past)
		d->view->ops->event(d->view, ev, stream, data);
	overview_event(&d->overview, ev, data);
	if (d->view->ops->changed && ev->seq >= d->past)
		d->view->ops->changed(d->view);
	if (ev->seq)
		tick_start(&d->look);
}

static void on_failed(struct tail *t, const struct err *why)
{
	broke(container_of(t, struct drive, tail), why);
}

/* ---- signals ---- */

static void say(const char *text)
{
	struct err ignored = ERR_INIT;
	fs_write_fd(STDERR_FILENO, span_of(text), &ignored);
}

static void pause_now(struct drive *d)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *command = json_pack("{s:s, s:s}", "kind", "pause", "by", person_name());
	if (d->view->ops->aside)
		d->view->ops->aside(d->view, true);
	say("\npausing: calls under way end first. Ctrl-C again stops at once.\n");
	if (d->view->ops->aside)
		d->view->ops->aside(d->view, false);
	sm_move(&d->sm, PAUSING);
	if (!command)
		err_nomem(&e);
	else
		house_command(d->app->house, d->overview.id, command, 0, &e);
	if (e.code != ERR_OK && e.code != ERR_FINAL)
		broke(d, &e);
	tick_start(&d->look);
}

static void interrupted(struct drive *d)
{
	if (sm_is(&d->sm) == WORKING) {
		pause_now(d);
		return;
	}
	if (d->view->ops->aside)
		d->view->ops->aside(d->view, true);
	cleanup_free char *text = mem_printf("\nstopped; go on with: muster resume %s\n", run_short(d->overview.id));
	say(text ? text : "\nstopped\n");
	_exit(130); /* sandboxes die with this process; the journal has everything */
}

static void on_interrupt(struct sign *s, int signum)
{
	(void)signum;
	interrupted(container_of(s, struct drive, interrupt));
}

static void on_terminate(struct sign *s, int signum)
{
	(void)signum;
	interrupted(container_of(s, struct drive, terminate));
}

static void on_hangup(struct sign *s, int signum)
{
	(void)signum;
	interrupted(container_of(s, struct drive, hangup));
}

/* ---- beginning ---- */

/* What other processes left for this run while nobody owned it. */
static int take_commands(struct drive *d, struct err *e)
{
	cleanup_json json_t *rows = store_commands(d->app->store, d->stream, e);
	size_t i;
	json_t *row;
	if (!rows)
		return -1;
	json_array_foreach(rows, i, row)
	{
		struct err why = ERR_INIT;
		if (house_command(d->app->house, d->overview.id, json_get(row, "command"), json_int(row, "n", 0), &why))
			log_warn("run", "a command that was left for run %s does not fit any more: %s",
				run_short(d->overview.id), why.text);
	}
	return 0;
}

static int give_commands(struct drive *d, struct err *e)
{
	size_t i;
	json_t *command;
	json_array_foreach(d->options->commands, i,
		command) if (house_command(d->app->house, d->overview.id, command, 0, e)) return -1;
	return take_commands(d, e);
}

static int begin(struct drive *d, struct err *e)
{
	d->view = view_new(&d->overview, d->app->loop, d->options->json, e);
	if (!d->view)
		return -1;
	bool terminal = !d->options->unattended && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	asking_init(&d->asking, d->app, &d->overview, d->view, terminal);
	d->asking.moved = answered;
	d->past = d->options->quiet_past ? store_head(d->app->store, d->stream, e) : 0;
	d->tail.stream = d->stream;
	d->tail.cb = on_event;
	d->tail.failed = on_failed;
	house_watch(d->app->house, settled, d);
	if (d->past < 0 || tail_start(&d->tail, d->app->store, e) ||
		sign_start(&d->interrupt, d->app->loop, SIGINT, on_interrupt, e) ||
		sign_start(&d->terminate, d->app->loop, SIGTERM, on_terminate, e) ||
		sign_start(&d->hangup, d->app->loop, SIGHUP, on_hangup, e))
		return -1;
	d->sock = sock_open(d->app, e);
	if (!d->sock)
		return -1;
	if (house_resume(d->app->house, d->overview.id, e)) {
		/* A new run whose flow fails before it waits for anything has failed already: that is shown. */
		struct run *r = house_run(d->app->house, d->overview.id);
		if (d->options->quiet_past || !r || strcmp(run_state(r), "failed") != 0)
			return -1;
		err_clear(e);
	}
	return give_commands(d, e);
}

static void work(struct drive *d)
{
	tick_start(&d->look);
	while (sm_is(&d->sm) != OVER) {
		if (loop_turn(d->app->loop, -1))
			continue;
		tick_start(&d->look);
		loop_turn(d->app->loop, 0);
		if (sm_is(&d->sm) != OVER) {
			struct err e = ERR_INIT;
			err_set(&e, ERR_INTERNAL, "nothing is left that could move run %s on",
				run_short(d->overview.id));
			broke(d, &e);
		}
	}
}

/* ---- ending ---- */

static void end(struct drive *d)
{
	if (d->view)
		sock_close(d->sock);
	house_watch(d->app->house, NULL, NULL);
	if (d->tail.store)
		tail_stop(&d->tail);
	sign_stop(&d->interrupt);
	sign_stop(&d->terminate);
	sign_stop(&d->hangup);
	tick_stop(&d->look);
}

static void show_end(struct drive *d)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_OUTPUT);
	struct err e = ERR_INIT;
	const struct err *why = d->error.code != ERR_OK ? &d->error : NULL;
	cleanup_json json_t *last = summary_json(&d->overview, d->status, &e);
	summary_text(&d->overview, d->status, why, args_get(d->app->args, "data"), &text);
	if (last && !buf_check(&text, "the summary", &e))
		d->view->ops->end(d->view, buf_span(&text), last);
	if (d->status == 4 && !why && !isatty(STDOUT_FILENO)) {
		cleanup_free char *what = mem_printf("run %s failed: %s", run_short(d->overview.id),
			d->overview.error ? d->overview.error : "no reason is known");
		out_error(what ? what : "the run failed");
	}
	if (d->status == 130 && (!isatty(STDOUT_FILENO) || d->options->json)) {
		cleanup_free char *how =
			mem_printf("paused; go on with: muster resume %s\n", run_short(d->overview.id));
		say(how ? how : "paused\n");
	}
}

int drive(struct app *a, const char *id, const struct drive_options *o, struct err *e)
{
	struct drive d = {.app = a, .options = o};
	sm_init(&d.sm, states, WORKING);
	snprintf(d.stream, sizeof(d.stream), "run/%s", id);
	overview_init(&d.overview, id);
	tick_init(&d.look, a->loop, look);
	int failed = begin(&d, e);
	if (!failed)
		work(&d);
	end(&d);
	if (!failed)
		show_end(&d);
	if (!failed && d.error.code != ERR_OK) {
		*e = d.error;
		failed = -1;
	}
	asking_release(&d.asking);
	view_free(d.view);
	overview_release(&d.overview);
	return failed ? -1 : d.status;
}
