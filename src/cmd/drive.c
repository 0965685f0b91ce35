/* drive: see drive.h. One driven run, shown by a view; signals; the socket. */
#include "cmd/drive.h"

#include <unistd.h>

#include "base/mem.h"
#include "cmd/driven.h"
#include "cmd/interrupts.h"
#include "cmd/out.h"
#include "cmd/summary.h"
#include "flow/run.h"

struct drive {
	struct app *app;
	const struct drive_options *options;
	struct driven run;
	struct view *view;
	struct api *api;
	struct interrupts interrupts;
	int64_t past; /* events up to here are not shown */
};

/* ---- what the run says ---- */

static void on_event(struct driven *run, const struct event *ev, const char *stream, const json_t *data)
{
	struct drive *d = container_of(run, struct drive, run);
	if (!ev->seq || ev->seq > d->past)
		d->view->ops->event(d->view, ev, stream, data);
}

static void on_folded(struct driven *run, const struct event *ev)
{
	struct drive *d = container_of(run, struct drive, run);
	if (d->view->ops->changed && ev->seq >= d->past)
		d->view->ops->changed(d->view);
}

static void on_over(struct driven *run)
{
	loop_stop(run->app->loop);
}

static void on_settled(void *ctx, struct run *r)
{
	struct drive *d = ctx;
	(void)r;
	driven_settled(&d->run);
}

/* ---- signals ---- */

static void interrupted(struct interrupts *i)
{
	struct drive *d = container_of(i, struct drive, interrupts);
	bool again = driven_pausing(&d->run) || driven_is_over(&d->run);
	cleanup_free char *how =
		again ? mem_printf("\nstopped; go on with: muster resume %s\n", run_short(d->run.overview.id)) : NULL;
	if (d->view->ops->aside)
		d->view->ops->aside(d->view, true);
	out_say(span_of(!again ? "\npausing: calls under way end first. Ctrl-C again stops at once.\n"
			: how  ? how
			       : "\nstopped\n"));
	if (again)
		_exit(130); /* sandboxes die with this process; the journal has everything */
	if (d->view->ops->aside)
		d->view->ops->aside(d->view, false);
	driven_pause(&d->run);
}

/* ---- beginning ---- */

static int begin(struct drive *d, struct err *e)
{
	d->run.talk = d->options->talk;
	d->view = d->run.talk && !d->options->json ? view_chat(&d->run.overview, e)
						   : view_new(&d->run.overview, d->app->loop, d->options->json, e);
	if (!d->view)
		return -1;
	bool terminal = !d->options->unattended && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	d->past = d->options->quiet_past ? store_head(d->app->store, d->run.stream, e) : 0;
	house_watch(d->app->house, on_settled, d);
	if (d->past < 0 || interrupts_start(&d->interrupts, d->app->loop, interrupted, e))
		return -1;
	struct api_needs needs = app_needs(d->app);
	d->api = api_open(&needs, e);
	return d->api ? driven_start(&d->run, d->view, terminal, d->options->quiet_past, d->options->commands, e) : -1;
}

static void work(struct drive *d)
{
	while (!driven_is_over(&d->run)) {
		if (loop_turn(d->app->loop, -1))
			continue;
		driven_look(&d->run);
		loop_turn(d->app->loop, 0);
		if (driven_is_over(&d->run))
			return;
		struct err *e = &d->run.error;
		err_set(e, ERR_INTERNAL, "nothing is left that could move run %s on", run_short(d->run.overview.id));
		d->run.status = err_exit(e->code);
		return;
	}
}

/* ---- ending ---- */

static void end(struct drive *d)
{
	if (d->view)
		api_close(d->api);
	house_watch(d->app->house, NULL, NULL);
	interrupts_stop(&d->interrupts);
}

int drive(struct app *a, const char *id, const struct drive_options *o, struct err *e)
{
	struct drive d = {.app = a, .options = o};
	driven_init(&d.run, a, id);
	d.run.event = on_event;
	d.run.folded = on_folded;
	d.run.over = on_over;
	int failed = begin(&d, e);
	if (!failed)
		work(&d);
	end(&d);
	if (!failed)
		summary_show(d.view, &d.run.overview, d.run.status, d.run.error.code != ERR_OK ? &d.run.error : NULL,
			a->args);
	if (!failed && d.run.error.code != ERR_OK) {
		*e = d.run.error;
		failed = -1;
	}
	driven_release(&d.run);
	view_free(d.view);
	return failed ? -1 : d.run.status;
}
