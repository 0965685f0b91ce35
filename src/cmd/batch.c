/* batch: see batch.h.
 *
 *   BEGINNING ──the last line, or what breaks for all──▶ ENDING ──nothing is live──▶ OVER
 *      └──────────Ctrl-C──────────────────────────▶ PAUSING ──nothing is live──▶ PAUSED
 *                                                      └──Ctrl-C──▶ the process ends
 *
 * next() begins one line in a turn of the loop, so that making a project (some 10 ms) does not hold up what is live. A
 * line's memory is given back when its run rests; its place is free when all of that is down. Failure modes: a run that
 * cannot be made or worked on is that line's error, and the others go on; when the disk, the memory or the journal
 * fail, no line is begun any more. */
#include "cmd/batch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/driven.h"
#include "cmd/earlier.h"
#include "cmd/interrupts.h"
#include "cmd/out.h"
#include "cmd/summary.h"
#include "cmd/tally.h"
#include "flow/run.h"

enum { BEGINNING, ENDING, PAUSING, OVER, PAUSED };
static const struct sm_state states[] = {
	[BEGINNING] = {"beginning", SM_TO(ENDING) | SM_TO(PAUSING)},
	[ENDING] = {"ending", SM_TO(PAUSING) | SM_TO(OVER)},
	[PAUSING] = {"pausing", SM_TO(PAUSED)},
	[OVER] = {"over", 0},
	[PAUSED] = {"paused", 0},
};

struct batch {
	struct app *app;
	const struct batch_options *options;
	struct sm sm;
	struct inputs inputs;
	struct input_line line; /* read, but not begun; values NULL: none */
	struct list live;
	int live_count;
	struct tick next;
	struct tally tally;
	struct api *api;
	struct interrupts interrupts;
	double spent;	     /* by the lines that are over */
	int64_t passed_over; /* lines that --total-budget has no room for */
	struct err error;    /* why it ends early */
};

/* One line at work. */
struct live {
	struct batch *batch;
	struct list link;
	struct driven run;
	struct release release;
	struct tick gone; /* instead of a release, for what is not in memory */
	int64_t number;
	char name[CAP_BATCH_ID + 1];
	char *project;
};

int batch_check(struct app *a, const struct batch_options *o, struct err *e)
{
	struct inputs in;
	struct input_line line;
	int got;
	if (inputs_open(&in, o->file, o->mode, json_get(o->request, "inputs"), e))
		return -1;
	while ((got = inputs_next(&in, &line, e)) > 0) {
		cleanup_free char *project = earlier_project(o->projects, line.name, e);
		json_t *row = project ? earlier_run(a, o->mode, &line, project, e) : NULL;
		json_decref(row);
		input_line_release(&line);
		if (!row && e->code != ERR_OK) {
			got = err_wrap(e, "%s:%lld", o->file, (long long)in.number);
			break;
		}
	}
	inputs_close(&in);
	return got;
}

/* ---- a line ends ---- */

/* What would befall every other line too. */
static bool concerns_all(enum err_code code)
{
	return code == ERR_NOMEM || code == ERR_INTERNAL || code == ERR_IO || code == ERR_DISK_FULL ||
	       code == ERR_READ_ONLY || code == ERR_DATABASE || code == ERR_FENCED;
}

static void end_early(struct batch *b, const struct err *why)
{
	if (sm_is(&b->sm) != BEGINNING)
		return;
	b->error = *why;
	sm_move(&b->sm, ENDING);
}

static void add_outcome(
	struct batch *b, const struct live *l, const struct overview *run, int status, const struct err *why)
{
	struct outcome o = {
		.number = l->number, .name = l->name, .project = l->project, .run = run, .status = status, .why = why};
	tally_add(&b->tally, &o);
	if (why && concerns_all(why->code))
		end_early(b, why);
}

/* The house keeps the budgets of runs that are live; of the others everything is in the journal. */
static double spent_by(struct batch *b, const struct live *l)
{
	char scope[ID_TEXT + 8];
	struct err ignored = ERR_INIT;
	if (!*l->run.overview.id)
		return 0;
	if (!house_run(b->app->house, l->run.overview.id))
		return summary_usd(&l->run.overview);
	snprintf(scope, sizeof(scope), "run/%s", l->run.overview.id);
	const struct budget *budget = house_budget(b->app->house, scope, &ignored);
	return budget ? budget->spent + budget->reserved : 0;
}

static void live_free(struct live *l)
{
	driven_release(&l->run);
	list_remove(&l->link);
	tick_stop(&l->gone);
	mem_free(l->project);
	mem_free(l);
}

static void forget(struct live *l)
{
	struct batch *b = l->batch;
	b->spent += spent_by(b, l);
	b->live_count--;
	live_free(l);
	tick_start(&b->next);
}

static void on_released(struct release *op)
{
	forget(container_of(op, struct live, release));
}

static void on_gone(struct tick *t)
{
	forget(container_of(t, struct live, gone));
}

static void on_over(struct driven *run)
{
	struct live *l = container_of(run, struct live, run);
	struct batch *b = l->batch;
	add_outcome(b, l, &run->overview, run->status, run->error.code != ERR_OK ? &run->error : NULL);
	if (!house_release(b->app->house, run->overview.id, &l->release))
		tick_start(&l->gone);
}

/* ---- a line begins ---- */

static int create(struct batch *b, const struct input_line *line, const char *project, char id[ID_TEXT], struct err *e)
{
	const char *title = json_str(b->options->request, "title");
	cleanup_free char *named = mem_printf("%s %s", title ? title : mode_name(b->options->mode), line->name);
	cleanup_json json_t *request = json_clone(b->options->request);
	if (!named || !request || json_put(request, "inputs", json_incref(line->values)) ||
		json_put(request, "project", json_string(project)) || json_put(request, "title", json_string(named)))
		return err_nomem(e);
	return house_create(b->app->house, request, id, e);
}

static int begin_run(struct batch *b, struct live *l, const struct input_line *line, const json_t *row, struct err *e)
{
	char id[ID_TEXT];
	if (row)
		snprintf(id, sizeof(id), "%s", json_str(row, "run"));
	else if (create(b, line, l->project, id, e))
		return -1;
	driven_init(&l->run, b->app, id);
	l->run.over = on_over;
	return row && earlier_ended(row)
		       ? driven_tell(&l->run, e)
		       : driven_start(&l->run, NULL, false, row != NULL, row ? b->options->resumed : NULL, e);
}

static struct live *live_new(struct batch *b, const struct input_line *line, const char *project)
{
	struct live *l = MEM_NEW(struct live);
	if (!l || !(l->project = mem_strdup(project))) {
		mem_free(l);
		return NULL;
	}
	l->batch = b;
	l->number = line->number;
	l->release.cb = on_released;
	tick_init(&l->gone, b->app->loop, on_gone);
	list_init(&l->link);
	snprintf(l->name, sizeof(l->name), "%s", line->name);
	return l;
}

static void begin_line(
	struct batch *b, const struct input_line *line, const char *project, const json_t *row, struct err *e)
{
	struct live *l = live_new(b, line, project);
	if (!l) {
		err_nomem(e);
		end_early(b, e);
		return;
	}
	list_push(&b->live, &l->link);
	b->live_count++;
	if (e->code == ERR_OK && !begin_run(b, l, line, row, e))
		return;
	add_outcome(b, l, *l->run.overview.id ? &l->run.overview : NULL, err_exit(e->code), e);
	if (!*l->run.overview.id || !house_release(b->app->house, l->run.overview.id, &l->release))
		tick_start(&l->gone);
}

static bool budget_reached(struct batch *b)
{
	double spent = b->spent;
	list_for (it, &b->live)
		spent += spent_by(b, list_entry(it, struct live, link));
	return b->options->total_usd >= 0 && spent >= b->options->total_usd;
}

/* The next line: begun, left for when there is room in the budget, or passed over. */
static void take_line(struct batch *b)
{
	struct err e = ERR_INIT;
	if (!b->line.values) {
		int got = inputs_next(&b->inputs, &b->line, &e);
		if (got < 0)
			end_early(b, &e);
		if (!got)
			sm_move(&b->sm, ENDING);
		if (got <= 0)
			return;
	}
	cleanup_free char *project = earlier_project(b->options->projects, b->line.name, &e);
	cleanup_json json_t *row = project ? earlier_run(b->app, b->options->mode, &b->line, project, &e) : NULL;
	bool works = e.code == ERR_OK && !(row && earlier_ended(row));
	if (works && budget_reached(b)) {
		if (b->live_count) /* reservations may come back */
			return;
		b->passed_over++;
	} else {
		begin_line(b, &b->line, project ? project : "", row, &e);
	}
	input_line_release(&b->line);
	tick_start(&b->next);
}

static void next(struct tick *t)
{
	struct batch *b = container_of(t, struct batch, next);
	if (sm_is(&b->sm) == BEGINNING && b->live_count < b->options->live)
		take_line(b);
	bool ending = sm_is(&b->sm) == ENDING, pausing = sm_is(&b->sm) == PAUSING;
	if (b->live_count || (!ending && !pausing))
		return;
	sm_move(&b->sm, ending ? OVER : PAUSED);
	loop_stop(b->app->loop);
}

/* ---- the house and signals ---- */

static void unasked(struct release *op)
{
	mem_free(op);
}

static void on_settled(void *ctx, struct run *r)
{
	struct batch *b = ctx;
	list_for (it, &b->live) {
		struct live *l = list_entry(it, struct live, link);
		if (strcmp(l->run.overview.id, run_id(r)) != 0 || driven_is_over(&l->run))
			continue;
		driven_settled(&l->run);
		return;
	}
	/* A command from elsewhere brought it back into memory. */
	bool rests = run_quiet(r) || run_broken(r)->code != ERR_OK;
	struct release *op = rests ? MEM_NEW(struct release) : NULL;
	if (op) {
		op->cb = unasked;
		if (!house_release(b->app->house, run_id(r), op))
			mem_free(op);
	}
}

static void interrupted(struct interrupts *i)
{
	struct batch *b = container_of(i, struct batch, interrupts);
	if (sm_is(&b->sm) != BEGINNING && sm_is(&b->sm) != ENDING) {
		out_say(span_of("\nstopped; the same command goes on\n"));
		_exit(130); /* sandboxes die with this process; the journal has everything */
	}
	out_say(span_of("\npausing: calls under way end first. Ctrl-C again stops at once.\n"));
	sm_move(&b->sm, PAUSING);
	list_for (it, &b->live)
		driven_pause(&list_entry(it, struct live, link)->run);
	tick_start(&b->next);
}

/* ---- all of it ---- */

/* Enough file descriptors for all that may be live. */
static int open_files(int live, struct err *e)
{
	struct rlimit now;
	rlim_t wanted = CAP_BATCH_FILES * (rlim_t)(live + 4);
	if (getrlimit(RLIMIT_NOFILE, &now))
		return err_errno(e, errno, "the limit of open files");
	if (now.rlim_cur >= wanted)
		return 0;
	now.rlim_cur = wanted < now.rlim_max ? wanted : now.rlim_max;
	if (now.rlim_cur == wanted && !setrlimit(RLIMIT_NOFILE, &now))
		return 0;
	return err_set(e, ERR_USAGE,
		"--concurrency %d needs about %llu open files, but a process may have %llu here: say a smaller one, or "
		"raise the limit (ulimit -n)",
		live, (unsigned long long)wanted, (unsigned long long)now.rlim_max);
}

static int begin(struct batch *b, struct err *e)
{
	const struct batch_options *o = b->options;
	house_watch(b->app->house, on_settled, b);
	if (open_files(o->live, e) || inputs_open(&b->inputs, o->file, o->mode, json_get(o->request, "inputs"), e) ||
		interrupts_start(&b->interrupts, b->app->loop, interrupted, e))
		return -1;
	struct api_needs needs = app_needs(b->app);
	b->api = api_open(&needs, e);
	return b->api ? 0 : -1;
}

static void end(struct batch *b)
{
	api_close(b->api);
	house_watch(b->app->house, NULL, NULL);
	interrupts_stop(&b->interrupts);
	tick_stop(&b->next);
	list_for (it, &b->live)
		live_free(list_entry(it, struct live, link));
	input_line_release(&b->line);
	inputs_close(&b->inputs);
}

static bool is_over(const struct batch *b)
{
	return sm_is(&b->sm) == OVER || sm_is(&b->sm) == PAUSED;
}

static void work(struct batch *b)
{
	tick_start(&b->next);
	while (!is_over(b)) {
		if (loop_turn(b->app->loop, -1))
			continue;
		tick_start(&b->next);
		loop_turn(b->app->loop, 0);
		if (is_over(b))
			return;
		err_set(&b->error, ERR_INTERNAL, "nothing is left that could move the batch on");
		return;
	}
}

static void show_end(struct batch *b, int64_t took)
{
	char budget[64];
	int64_t left = b->options->seen.lines - b->tally.lines;
	bool paused = sm_is(&b->sm) == PAUSED;
	snprintf(budget, sizeof(budget), "--total-budget %g is reached", b->options->total_usd);
	left = left > 0 ? left : 0;
	if (left && paused)
		tally_status(&b->tally, 130);
	if (b->passed_over)
		tally_status(&b->tally, 5);
	if (b->error.code != ERR_OK)
		tally_status(&b->tally, err_exit(b->error.code));
	tally_end(&b->tally, left,
		!left		 ? NULL
		: paused	 ? "interrupted"
		: b->passed_over ? budget
				 : b->error.text,
		took);
	if (b->tally.status == 130)
		out_say(span_of("paused; go on with the same command\n"));
}

int batch(struct app *a, const struct batch_options *o, struct err *e)
{
	struct batch b = {.app = a, .options = o, .tally = {.json = o->json, .widest = o->seen.widest}};
	int64_t began = clock_mono(loop_clock(a->loop));
	sm_init(&b.sm, states, BEGINNING);
	list_init(&b.live);
	tick_init(&b.next, a->loop, next);
	int failed = begin(&b, e);
	if (!failed) {
		work(&b);
		show_end(&b, clock_mono(loop_clock(a->loop)) - began);
	}
	end(&b);
	if (!failed && b.error.code != ERR_OK) {
		*e = b.error;
		failed = err_wrap(e, "the batch ended early");
	}
	return failed ? -1 : b.tally.status;
}
