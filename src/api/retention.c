/* retention: see retention.h.
 *
 *   RESTING ─an hour─▶ LOOKING (pool) ─rows─▶ REMOVING (removal.h) ─▶ STEPPING ─▶ …
 *      ▲                    │ none left                                │ next row
 *      └────────────────────┘◀───────── rows at their end: look on ────┘
 *
 * What a stop in the middle leaves is taken up at the next look. What goes on, is pinned, or belongs to an archived
 * project stays. */
#include "api/retention.h"

#include "api/removal.h"
#include "api/route.h"
#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sm.h"

#define DAY_US 86400000000ll

enum { RESTING, LOOKING, REMOVING, STEPPING };
static const struct sm_state states[] = {
	[RESTING] = {"resting", SM_TO(LOOKING)},
	[LOOKING] = {"looking", SM_TO(RESTING) | SM_TO(STEPPING)},
	[REMOVING] = {"removing", SM_TO(STEPPING)},
	[STEPPING] = {"stepping", SM_TO(REMOVING) | SM_TO(LOOKING)},
};

struct retention {
	struct api_needs needs;
	struct book *book;
	struct sm sm;
	int64_t keep_us, begun; /* looked at were those that began later */
	json_t *rows;
	size_t next;
	struct timer timer;
	struct work work;
	struct removal removal;
	struct err why;
	bool closing;
};

static void rest(struct retention *r, int to, int64_t ms)
{
	struct err e = ERR_INIT;
	sm_move(&r->sm, to);
	if (!r->closing && timer_start(&r->timer, ms, &e))
		log_error("retention", "no more ended runs are removed: %s", e.text);
}

static void step(struct retention *r)
{
	rest(r, STEPPING, TIME_RETENTION_STEP);
}

/* ---- one of them ---- */

static bool stays(struct retention *r, const json_t *row)
{
	struct err none = ERR_INIT;
	const char *run = json_str(row, "run"), *project = json_str(row, "project");
	const json_t *known = project ? book_get(r->book, project, &none) : NULL;
	const char *state = json_str(known, "state");
	return house_run(r->needs.house, run) || (state && !strcmp(state, "archived")) ||
	       removal_pinned(r->needs.store, run);
}

static void removed(struct removal *removal, const struct err *why)
{
	struct retention *r = container_of(removal, struct retention, removal);
	if (why->code != ERR_OK)
		log_warn("retention", "run %s: %s", r->removal.run, why->text);
	step(r);
}

/* ---- looking ---- */

static void look(struct work *w)
{
	struct retention *r = container_of(w, struct retention, work);
	int64_t ended = clock_wall(loop_clock(r->needs.loop)) - r->keep_us;
	r->rows = store_runs_ended(r->needs.store, ended, r->begun, CAP_RETENTION_LOOK, &r->why);
}

static void looked(struct work *w)
{
	struct retention *r = container_of(w, struct retention, work);
	size_t n = json_array_size(r->rows);
	if (r->why.code != ERR_OK)
		log_warn("retention", "the runs that have ended: %s", r->why.text);
	r->next = 0;
	if (n) {
		r->begun = json_int(json_array_get(r->rows, n - 1), "created", 0);
		step(r);
		return;
	}
	r->begun = INT64_MAX;
	rest(r, RESTING, TIME_RETENTION_REST);
}

static void on_timer(struct timer *t)
{
	struct retention *r = container_of(t, struct retention, timer);
	const json_t *row = NULL;
	err_clear(&r->why);
	while ((row = json_array_get(r->rows, r->next)) && stays(r, row))
		r->next++;
	err_clear(&r->why);
	if (row) {
		r->next++;
		sm_move(&r->sm, REMOVING);
		r->removal.over = removed;
		if (removal_start(&r->removal, &r->needs, row, "system", &r->why))
			removed(&r->removal, &r->why);
		return;
	}
	json_decref(r->rows);
	r->rows = NULL;
	sm_move(&r->sm, LOOKING);
	if (work_start(&r->work, r->needs.loop, look, looked, &r->why))
		looked(&r->work);
}

/* ---- opening, closing ---- */

struct retention *retention_open(const struct api_needs *needs, struct book *book, struct err *e)
{
	int64_t days = options_int(needs->options, OPTION_RUN_KEEP_DAYS);
	struct retention *r = days ? MEM_NEW(struct retention) : NULL;
	if (!r)
		return days ? (err_nomem(e), NULL) : NULL;
	r->needs = *needs;
	r->book = book;
	r->keep_us = days * DAY_US;
	r->begun = INT64_MAX;
	sm_init(&r->sm, states, RESTING);
	timer_init(&r->timer, needs->loop, on_timer);
	if (!timer_start(&r->timer, TIME_RETENTION_FIRST, e))
		return r;
	mem_free(r);
	return NULL;
}

void retention_close(struct retention *r)
{
	if (!r)
		return;
	r->closing = true;
	timer_stop(&r->timer);
	while (r->sm.state != RESTING && r->sm.state != STEPPING)
		loop_turn(r->needs.loop, -1);
	json_decref(r->rows);
	mem_free(r);
}

/* ---- those that stay ---- */

static void pinned(void *ctx, const struct err *why)
{
	struct ask *q = ctx;
	struct err e = *why;
	bool pin = !strcmp(q->route->method, "PUT");
	ask_end(q, e.code == ERR_OK ? json_make(&e, "{s:b}", "pinned", pin) : NULL, &e);
}

static json_t *pin_run(struct ask *q, struct err *e)
{
	bool pin = !strcmp(q->route->method, "PUT");
	cleanup_free char *object = mem_printf("run/%s", q->run_id);
	cleanup_json json_t *value = pin ? json_make(e, "{s:s}", "by", q->caller.name) : json_null();
	cleanup_json json_t *records =
		value ? json_make(e, "[{s:s, s:s, s:O}]", "kind", REMOVAL_PIN, "id", q->run_id, "value", value) : NULL;
	struct audit a = {.who = *q->caller.person ? q->caller.person : q->caller.name,
		.what = pin ? "run.pinned" : "run.unpinned",
		.object = object,
		.records = records};
	if (!object)
		err_nomem(e);
	else if (records)
		store_record(q->needs->store, &a, pinned, q, e);
	return NULL;
}

const struct route routes_retention[] = {
	{"PUT", API "/runs/{run}/pin", WHO_MEMBER, "keep it for ever, also after the days that ended runs are kept",
		NULL, NULL, "@pinned", 0, pin_run},
	{"DELETE", API "/runs/{run}/pin", WHO_MEMBER, "keep it no longer than others", NULL, NULL, "@pinned", 0,
		pin_run},
	{0},
};
