/* removal: see removal.h.
 *
 *   CLOSING ──in no memory──▶ CLEARING (pool: working copies) ──▶ REMOVING (append) ──▶ OVER
 *      └───────────────────────────┴── failed ──────────────────────────────────────────▲
 *
 * The copies go before the journal, so that what a stop in the middle leaves is an ended run, which can be removed
 * again. */
#include "api/removal.h"

#include <stdio.h>
#include <string.h>

#include "api/route.h"
#include "base/log.h"
#include "base/mem.h"
#include "flow/run.h"

#define AGAIN_MS 10 /* until a run that closes is looked at again */
#define LOOKS 3000

enum { CLOSING, CLEARING, REMOVING, OVER };
static const struct sm_state states[] = {
	[CLOSING] = {"closing", SM_TO(CLEARING) | SM_TO(OVER)},
	[CLEARING] = {"clearing", SM_TO(REMOVING) | SM_TO(OVER)},
	[REMOVING] = {"removing", SM_TO(OVER)},
	[OVER] = {"over", 0},
};

bool removal_pinned(struct store *s, const char *run)
{
	struct err none = ERR_INIT;
	cleanup_json json_t *filter = json_make(&none, "{s:s, s:s}", "kind", REMOVAL_PIN, "id", run);
	cleanup_json json_t *rows = filter ? store_records(s, filter, &none) : NULL;
	return !rows || json_array_size(rows);
}

static void over(struct removal *r)
{
	sm_move(&r->sm, OVER);
	r->over(r, &r->why);
}

static void removed(void *ctx, const struct err *why)
{
	struct removal *r = ctx;
	struct err e = ERR_INIT;
	cleanup_free char *object = mem_printf("run/%s", r->run);
	struct audit a = {.who = r->who, .what = "run.removed", .object = object};
	r->why = *why;
	if (why->code == ERR_OK && (!object || store_record(r->needs.store, &a, NULL, NULL, &e)))
		log_warn("run", "the audit lacks that run %s was removed: %s", r->run, e.text);
	over(r);
}

static void clear(struct work *w)
{
	struct removal *r = container_of(w, struct removal, work);
	house_remove_copies(r->needs.house, r->run, &r->why);
}

static void cleared(struct work *w)
{
	struct removal *r = container_of(w, struct removal, work);
	if (r->why.code == ERR_OK) {
		sm_move(&r->sm, REMOVING);
		if (!store_run_delete(r->needs.store, r->run, removed, r, &r->why))
			return;
	}
	over(r);
}

static void gone(struct release *op)
{
	struct removal *r = container_of(op, struct removal, release);
	sm_move(&r->sm, CLEARING);
	if (work_start(&r->work, r->needs.loop, clear, cleared, &r->why))
		over(r);
}

/* A house that serves closes by itself what has ended, and who watches it (the queue) is told then. */
static bool give_up(struct removal *r)
{
	struct run *live = house_run(r->needs.house, r->run);
	r->release.cb = gone;
	return live && (!r->needs.serving || run_broken(live)->code != ERR_OK) &&
	       house_release(r->needs.house, r->run, &r->release);
}

static void on_timer(struct timer *t)
{
	struct removal *r = container_of(t, struct removal, timer);
	if (give_up(r))
		return;
	if (!house_has(r->needs.house, r->run)) {
		gone(&r->release);
		return;
	}
	if (++r->looks == LOOKS)
		err_set(&r->why, ERR_LOCKED, "run %s still ends; ask again in a moment", run_short(r->run));
	if (r->looks == LOOKS || timer_start(t, AGAIN_MS, &r->why))
		over(r);
}

static int check(const struct removal *r, const char *state, struct err *e)
{
	const char *id = run_short(r->run);
	if (!strcmp(state, "running") || !strcmp(state, "created") || !strcmp(state, "queued"))
		return err_set(e, ERR_CONFLICT, "run %s is at work: cancel it first (muster cancel %s)", id, id);
	return removal_pinned(r->needs.store, r->run)
		       ? err_set(e, ERR_CONFLICT, "run %s is pinned, so that it stays: take the pin off first", id)
		       : 0;
}

int removal_start(struct removal *r, const struct api_needs *n, const json_t *row, const char *who, struct err *e)
{
	const char *state = json_str(row, "state");
	r->needs = *n;
	r->why = (struct err)ERR_INIT;
	r->looks = 0;
	snprintf(r->run, sizeof(r->run), "%s", json_str(row, "run"));
	snprintf(r->who, sizeof(r->who), "%s", who);
	sm_init(&r->sm, states, CLOSING);
	timer_init(&r->timer, n->loop, on_timer);
	if (check(r, state, e))
		return -1;
	if (!strcmp(state, "waiting") || !strcmp(state, "paused")) {
		cleanup_json json_t *cancel = json_make(e, "{s:s, s:s}", "kind", "cancel", "by", who);
		if (!cancel || house_command(n->house, r->run, cancel, 0, e))
			return -1;
	}
	return timer_start(&r->timer, 0, e);
}

/* ---- over HTTP ---- */

struct asked {
	struct removal removal;
	struct ask *q;
};

static void done(struct removal *r, const struct err *why)
{
	struct asked *a = container_of(r, struct asked, removal);
	struct ask *q = a->q;
	struct err e = *why;
	mem_free(a);
	ask_end(q, e.code == ERR_OK ? json_make(&e, "{s:b}", "removed", 1) : NULL, &e);
}

static json_t *remove_run(struct ask *q, struct err *e)
{
	const char *who = *q->caller.person ? q->caller.person : q->caller.name, *user = json_str(q->run, "user");
	bool own = user && !strcmp(user, who);
	if (q->caller.kind != CALLER_LOCAL && !own && q->role < ROLE_ADMIN) {
		err_set(e, ERR_DENIED, "a run is removed by who began it, or by an administrator of its project");
		return NULL;
	}
	if (!q->needs->serving) {
		err_set(e, ERR_OWNED, "this process works on runs of its own and removes none; `muster serve` does");
		return NULL;
	}
	struct asked *a = MEM_NEW(struct asked);
	if (!a) {
		err_nomem(e);
		return NULL;
	}
	a->q = q;
	a->removal.over = done;
	if (removal_start(&a->removal, q->needs, q->run, who, e))
		mem_free(a);
	return NULL;
}

const struct route routes_removal[] = {
	{"DELETE", API "/runs/{run}", WHO_MEMBER,
		"remove a run that has ended or waits, by who began it or an administrator; what it spent stays "
		"counted",
		NULL, NULL, "@removed", 0, remove_run},
	{0},
};
