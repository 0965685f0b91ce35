/* project_clone: projects made of a git repository elsewhere.
 *
 *   begun ──record: importing──▶ preparing ─▶ cloning ─▶ adopting ─▶ recording: active, or failed
 *                                    └────────────┴──────────┴─▶ cleaning ──▶┘
 *
 * The reply comes with the record; then the project's stream tells how far it is, and the end. git works in DIR.clone,
 * in a sandbox (workspace/clone.h); what it fetched becomes DIR.new (vcs/adopt.h, archive_in.h) and, when it is whole,
 * DIR. A stop of the program at any moment leaves a record that says "importing": the next start removes what lies
 * there and tells that it failed; it is not begun again by itself, since it may be what stopped the program. */
#include <stdio.h>
#include <string.h>

#include "api/projects.h"
#include "base/caps.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sm.h"
#include "vcs/adopt.h"
#include "workspace/archive_in.h"
#include "workspace/clone.h"
#include "workspace/risk.h"

enum state { BEGUN, PREPARING, CLONING, ADOPTING, CLEANING, RECORDING };
static const struct sm_state states[] = {
	[BEGUN] = {"begun", SM_TO(PREPARING) | SM_TO(CLEANING)},
	[PREPARING] = {"preparing", SM_TO(CLONING) | SM_TO(CLEANING)},
	[CLONING] = {"cloning", SM_TO(ADOPTING) | SM_TO(CLEANING)},
	[ADOPTING] = {"adopting", SM_TO(RECORDING) | SM_TO(CLEANING)},
	[CLEANING] = {"cleaning", SM_TO(RECORDING)},
	[RECORDING] = {"recording", 0},
};
#define RECORD_AGAIN_MS 100 /* while somebody else changes the record */

struct cloning {
	struct list link; /* of the api's clonings */
	struct api *api;
	struct ask *q; /* until it is recorded that it begins */
	struct sm sm;
	struct book_change change;
	struct toil toil;
	struct clone clone;
	struct guard *guard;
	struct timer timer; /* of progress, then of RECORD_AGAIN_MS */
	char id[PROJECT_ID], *who;
	char *dir, *stage, *fresh;
	struct guard_url url;
	atomic_bool gone;
	_Atomic uint64_t entries, bytes;
	json_t *import;
	struct err why;
};

static void cloning_free(struct cloning *c)
{
	timer_stop(&c->timer);
	list_remove(&c->link);
	guard_free(c->guard);
	json_decref(c->import);
	mem_free(c->who);
	mem_free(c->dir);
	mem_free(c->stage);
	mem_free(c->fresh);
	mem_free(c);
}

/* ---- the project's stream ---- */

/* data is consumed. */
static void tell(struct cloning *c, enum event_type type, json_t *data)
{
	char stream[EVENT_STREAM_MAX];
	struct err e = ERR_INIT;
	cleanup_free char *text = json_text(data);
	struct event ev = {.seq = APPEND_AT_END,
		.type = type,
		.v = event_kinds[type].version,
		.at = clock_wall(loop_clock(c->api->needs.loop)),
		.data = text ? blob_new(text, strlen(text)) : NULL};
	json_decref(data);
	snprintf(stream, sizeof(stream), "project/%s", c->id);
	if (ev.data && event_kinds[type].class == EVENT_CLASS_TRANSIENT) {
		ev.seq = 0;
		store_show(c->api->needs.store, stream, &ev);
	} else if (ev.data) {
		id_new(ev.id, ev.at, NULL);
		if (store_append(c->api->needs.store,
			    &(struct append){.stream = stream, .events = &ev, .event_count = 1}, &e))
			log_warn("api", "%s: its state is not told: %s", stream, e.text);
	}
	event_release(&ev);
}

static void on_progress(struct clone *clone, const char *text, int percent)
{
	struct cloning *c = container_of(clone, struct cloning, clone);
	struct err ignored = ERR_INIT;
	if (c->timer.at) /* at most one each TIME_PROGRESS */
		return;
	tell(c, EVENT_PROJECT_PROGRESS, json_make(&ignored, "{s:s, s:f}", "text", text, "share", percent / 100.0));
	timer_start(&c->timer, TIME_PROGRESS, &ignored);
}

static void on_timer(struct timer *t);

/* ---- the record ---- */

static json_t *problem_of(const struct err *why)
{
	cleanup_buf struct buf text = BUF_INIT(8 * ERR_TEXT_MAX);
	struct err ignored = ERR_INIT;
	log_mask(span_of(why->text), &text);
	return json_make(
		&ignored, "{s:s, s:o}", "code", err_name(why->code), "detail", json_from_span(buf_span(&text)));
}

/* The record, one version on, in this state; problem and import are consumed, NULL: none. */
static json_t *next_record(
	struct api *a, const json_t *record, const char *state, json_t *problem, json_t *import, struct err *e)
{
	json_t *value = json_clone(record);
	json_object_del(value, "problem");
	if (!value || json_put(value, "state", json_string(state)) ||
		json_put_int(value, "version", json_int(record, "version", 0) + 1) ||
		json_put_int(value, "updated", clock_wall(loop_clock(a->needs.loop))) ||
		(problem && json_put(value, "problem", json_incref(problem))) ||
		(import && json_put(value, "import", json_incref(import)))) {
		json_decref(value);
		value = NULL;
		err_nomem(e);
	}
	json_decref(problem);
	json_decref(import);
	return value;
}

static void record(struct cloning *c);

static void recorded(struct book_change *change, const struct err *why)
{
	struct cloning *c = container_of(change, struct cloning, change);
	struct err ignored = ERR_INIT;
	bool failed = c->why.code != ERR_OK;
	if (!change->kept)
		log_error("api", "project %s: it is not recorded how its import ended: %s", c->id, why->text);
	else
		tell(c, EVENT_PROJECT_STATE,
			failed ? json_make(&ignored, "{s:s, s:o}", "state", "failed", "problem", problem_of(&c->why))
			       : json_make(&ignored, "{s:s}", "state", "active"));
	cloning_free(c);
}

/* How it ended; but a project that was deleted meanwhile stays so. */
static void record(struct cloning *c)
{
	struct err e = ERR_INIT;
	struct api *a = c->api;
	const json_t *known = book_get(a->book, c->id, &e);
	bool failed = c->why.code != ERR_OK;
	if (!known || strcmp(json_str(known, "state"), "importing") != 0) {
		cloning_free(c);
		return;
	}
	json_t *value = next_record(a, known, failed ? "failed" : "active", failed ? problem_of(&c->why) : NULL,
		failed ? NULL : json_incref(c->import), &e);
	c->change.cb = recorded;
	if (value && !book_put(a->book, &c->change, failed ? "project.import_failed" : "project.imported", c->who,
			     value, &e))
		return;
	if (e.code == ERR_LOCKED && !timer_start(&c->timer, RECORD_AGAIN_MS, &e))
		return;
	log_error("api", "project %s: it is not recorded how its import ended: %s", c->id, e.text);
	cloning_free(c);
}

static void on_timer(struct timer *t)
{
	struct cloning *c = container_of(t, struct cloning, timer);
	struct err ignored = ERR_INIT;
	if (sm_is(&c->sm) == RECORDING)
		record(c);
	if (sm_is(&c->sm) != ADOPTING)
		return;
	tell(c, EVENT_PROJECT_PROGRESS,
		json_make(&ignored, "{s:s, s:I, s:I}", "text", "Writing files:", "entries",
			(json_int_t)atomic_load(&c->entries), "bytes", (json_int_t)atomic_load(&c->bytes)));
	timer_start(t, TIME_PROGRESS, &ignored);
}

/* ---- on the pool ---- */

static int remove_all(struct cloning *c, struct err *e)
{
	return fs_remove_tree(c->stage, e) || fs_remove_tree(c->fresh, e) || fs_remove_tree(c->dir, e) ? -1 : 0;
}

static void clean_run(struct work *w)
{
	struct cloning *c = container_of(w, struct cloning, toil.work);
	struct err e = ERR_INIT;
	if (remove_all(c, &e))
		log_error("api", "project %s: what was imported is not removed: %s", c->id, e.text);
}

static void prepare_run(struct work *w)
{
	struct cloning *c = container_of(w, struct cloning, toil.work);
	if (!remove_all(c, &c->why) && !fs_mkdirs(c->stage, 0700, &c->why) && c->clone.uid)
		sandbox_own(c->stage, c->clone.uid, &c->why);
}

static void count(void *ctx, uint64_t entries, uint64_t bytes)
{
	struct cloning *c = ctx;
	atomic_store(&c->entries, entries);
	atomic_store(&c->bytes, bytes);
}

static int write_files(struct cloning *c, const struct adopt *a, struct archive_in *in, struct err *e)
{
	struct project *p = project_open(c->fresh, NULL, e);
	int rc = p ? archive_commit(in, p, a->commit, c->fresh, e) : -1;
	project_close(p);
	return rc;
}

static json_t *look_through(struct cloning *c, const struct adopt *a, const struct archive_in *in, struct err *e)
{
	struct risks risks;
	if (risk_scan(c->fresh, &c->gone, &risks, e))
		return NULL;
	json_t *found = risks_json(&risks, e);
	risks_release(&risks);
	json_object_del(found, "found"); /* as of an archive */
	return found ? json_make(e, "{s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o}", "entries", (json_int_t)in->entries,
			       "bytes", (json_int_t)in->bytes, "objects", (json_int_t)a->objects, "branches",
			       (json_int_t)a->branches, "tags", (json_int_t)a->tags, "left_out",
			       (json_int_t)a->left_out, "commit", a->commit, "risks", found)
		     : NULL;
}

static void adopt_run(struct work *w)
{
	struct cloning *c = container_of(w, struct cloning, toil.work);
	struct err *e = &c->why;
	struct adopt a = {.from = c->stage, .cancel = &c->gone};
	struct archive_in in = {.progress = count, .ctx = c, .cancel = &c->gone};
	if (fs_mkdirs(c->fresh, 0755, e) || adopt(&a, c->fresh, e) || write_files(c, &a, &in, e))
		return;
	c->import = look_through(c, &a, &in, e);
	if (!c->import || fs_remove_tree(c->stage, e) || fs_rename(c->fresh, c->dir, e) ||
		fs_fsync_dir(book_home(c->api->book), e))
		return;
}

/* ---- from state to state ---- */

static void cleaned(struct work *w)
{
	struct cloning *c = container_of(w, struct cloning, toil.work);
	sm_move(&c->sm, RECORDING);
	record(c);
}

static void adopted(struct work *w);
static void prepared(struct work *w);

static int toil(struct cloning *c, void (*run)(struct work *w), void (*done)(struct work *w))
{
	c->toil = (struct toil){.why = ERR_INIT};
	return toil_start(&c->toil, &c->api->adoptions, c->api->needs.loop, run, done, &c->why);
}

/* It failed: c->why. */
static void fail(struct cloning *c)
{
	timer_stop(&c->timer);
	if (atomic_load(&c->gone))
		err_set(&c->why, ERR_CANCELLED, "the server stopped while it was imported; ask for it again");
	sm_move(&c->sm, CLEANING);
	if (toil(c, clean_run, cleaned))
		cleaned(&c->toil.work);
}

static void cloned(struct clone *clone, const struct err *why)
{
	struct cloning *c = container_of(clone, struct cloning, clone);
	struct err ignored = ERR_INIT;
	c->why = *why;
	if (why->code != ERR_OK || atomic_load(&c->gone)) {
		fail(c);
		return;
	}
	sm_move(&c->sm, ADOPTING);
	timer_start(&c->timer, TIME_PROGRESS, &ignored);
	if (toil(c, adopt_run, adopted))
		fail(c);
}

static void prepared(struct work *w)
{
	struct cloning *c = container_of(w, struct cloning, toil.work);
	const char *ca = options_text(c->api->needs.options, OPTION_OUTBOUND_CA);
	c->clone.dir = c->stage;
	c->clone.url = c->url.url;
	c->clone.guard = c->guard;
	c->clone.ca = ca && *ca && !c->url.plain ? ca : NULL;
	c->clone.on_progress = on_progress;
	c->clone.on_done = cloned;
	if (c->toil.why.code != ERR_OK)
		c->why = c->toil.why;
	if (c->why.code != ERR_OK || atomic_load(&c->gone)) {
		fail(c);
		return;
	}
	sm_move(&c->sm, CLONING);
	if (clone_start(&c->clone, c->api->needs.loop, &c->why))
		fail(c);
}

static void adopted(struct work *w)
{
	struct cloning *c = container_of(w, struct cloning, toil.work);
	timer_stop(&c->timer);
	if (c->toil.why.code != ERR_OK)
		c->why = c->toil.why;
	if (c->why.code != ERR_OK) {
		fail(c);
		return;
	}
	sm_move(&c->sm, RECORDING);
	record(c);
}

/* ---- its beginning ---- */

/* It is written down that it begins. */
static void begun(struct book_change *change, const struct err *why)
{
	struct cloning *c = container_of(change, struct cloning, change);
	struct ask *q = steal(&c->q);
	struct err e = *why, ignored = ERR_INIT;
	const json_t *known = why->code == ERR_OK ? book_get(change->book, c->id, &e) : NULL;
	cleanup_free char *place = mem_printf(API "/projects/%s", c->id);
	json_t *out = NULL;
	if (known && place && !reply_header(q->request, "Location", place, &e))
		out = project_reply(q, known, &e);
	ask_end(q, out, &e);
	if (!change->kept) {
		cloning_free(c);
		return;
	}
	tell(c, EVENT_PROJECT_STATE, json_make(&ignored, "{s:s}", "state", "importing"));
	sm_move(&c->sm, PREPARING);
	if (toil(c, prepare_run, prepared))
		fail(c);
}

static bool is_at_work(const struct api *a, const char *dir)
{
	list_for (it, &a->clonings)
		if (!strcmp(list_entry(it, struct cloning, link)->dir, dir))
			return true;
	return false;
}

static struct cloning *cloning_new(struct api *a, const char *dir, const char *who, struct err *e)
{
	struct cloning *c = MEM_NEW(struct cloning);
	if (!c) {
		err_nomem(e);
		return NULL;
	}
	c->api = a;
	list_init(&c->link);
	sm_init(&c->sm, states, BEGUN);
	timer_init(&c->timer, a->needs.loop, on_timer);
	house_project_id(dir, c->id);
	c->who = mem_strdup(who);
	c->dir = mem_strdup(dir);
	c->stage = mem_printf("%s.clone", dir);
	c->fresh = mem_printf("%s.new", dir);
	if (c->who && c->dir && c->stage && c->fresh)
		return c;
	cloning_free(c);
	err_nomem(e);
	return NULL;
}

/* For an ask; from this URL. */
static struct cloning *cloning_from(struct ask *q, const char *dir, const char *url, struct err *e)
{
	struct api *a = q->api;
	size_t count = 0;
	list_for (it, &a->clonings)
		count++;
	if (!a->needs.serving) {
		err_set(e, ERR_OWNED, "this process works on runs of its own and imports nothing; `muster serve` does");
		return NULL;
	}
	if (is_at_work(a, dir)) {
		err_set(e, ERR_LOCKED, "this project is being imported already; ask again in a moment");
		return NULL;
	}
	if (count >= CAP_CLONES) {
		err_set(e, ERR_OVERLOADED, "%zu projects are being imported from elsewhere; ask again later", count);
		return NULL;
	}
	struct cloning *c = cloning_new(a, dir, project_who(q), e);
	if (!c)
		return NULL;
	c->q = q;
	c->guard = guard_new(options_tree(a->needs.options, OPTION_OUTBOUND_EXEMPT), e);
	if (!c->guard || clone_url(c->guard, url, &c->url, e)) {
		cloning_free(c);
		return NULL;
	}
	c->clone.uid = house_uid(a->needs.house);
	return c;
}

/* value is consumed. */
static void begin(struct cloning *c, const char *what, json_t *value, struct err *e)
{
	c->change.cb = begun;
	list_push(&c->api->clonings, &c->link);
	if (!value || book_put(c->api->book, &c->change, what, c->who, value, e))
		cloning_free(c);
}

/* What the repository is called: the last part of its path. */
static char *name_of(const char *url)
{
	size_t end = strlen(url);
	while (end && url[end - 1] == '/')
		end--;
	if (end > 4 && !strncmp(url + end - 4, ".git", 4))
		end -= 4;
	size_t start = end;
	while (start && url[start - 1] != '/')
		start--;
	return mem_strndup(url + start, end - start > CAP_PROJECT_NAME ? CAP_PROJECT_NAME : end - start);
}

json_t *project_clone(struct ask *q, struct err *e)
{
	cleanup_free char *dir = fs_join(book_home(q->api->book), q->command_id);
	struct cloning *c = dir ? cloning_from(q, dir, json_str(q->body, "git"), e) : NULL;
	cleanup_free char *own = c ? name_of(c->url.url) : NULL;
	json_t *tags = json_get(q->body, "tags");
	const char *name = json_str(q->body, "name"), *words = json_str(q->body, "description");
	if (!c || !own) {
		if (c)
			cloning_free(c);
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	int64_t now = clock_wall(loop_clock(q->needs->loop));
	begin(c, "project.created",
		json_make(e, "{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:i, s:b}", "id", c->id, "name",
			name && *name ? name : own, "description", words ? words : "", "tags",
			tags ? json_incref(tags) : json_array(), "state", "importing", "dir", dir, "origin", "git",
			"source", c->url.url, "created", (json_int_t)now, "updated", (json_int_t)now, "created_by",
			q->caller.name, "version", 1, "trusted", false),
		e);
	return NULL;
}

json_t *project_retry(struct ask *q, struct err *e)
{
	const json_t *known = book_get(q->api->book, q->project, e);
	const char *state = json_str(known, "state");
	if (!known)
		return NULL;
	if (!strcmp(state, "importing"))
		return project_reply(q, known, e);
	if (strcmp(state, "failed") != 0) {
		err_set(e, ERR_CONFLICT, "the project is %s; only an import that failed is begun again", state);
		return NULL;
	}
	struct cloning *c = cloning_from(q, json_str(known, "dir"), json_str(known, "source"), e);
	if (c)
		begin(c, "project.retried", next_record(q->api, known, "importing", NULL, NULL, e), e);
	return NULL;
}

/* ---- its end, asked for ---- */

static void stop(struct cloning *c)
{
	atomic_store(&c->gone, true);
	if (sm_is(&c->sm) == CLONING)
		clone_cancel(&c->clone);
}

void project_clone_stop(struct api *a, const char *id)
{
	list_for (it, &a->clonings)
		if (!strcmp(list_entry(it, struct cloning, link)->id, id))
			stop(list_entry(it, struct cloning, link));
}

void project_clones_close(struct api *a)
{
	list_for (it, &a->clonings)
		stop(list_entry(it, struct cloning, link));
	while (!list_empty(&a->clonings))
		loop_turn(a->needs.loop, -1);
}

int project_clones_open(struct api *a, struct err *e)
{
	const json_t *known;
	for (size_t i = 0; (known = book_at(a->book, i)); i++) {
		if (strcmp(json_str(known, "state"), "importing") != 0)
			continue;
		struct cloning *c = cloning_new(a, json_str(known, "dir"), "system", e);
		if (!c)
			return -1;
		atomic_store(&c->gone, true);
		list_push(&a->clonings, &c->link);
		fail(c);
	}
	return 0;
}
