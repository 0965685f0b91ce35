/* queue: see queue.h. */
#include "flow/queue.h"

#include <stdio.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "flow/house_private.h"
#include "flow/run.h"

#define CAP_QUEUE (1u << 20)

struct entry {
	struct list link; /* in `waiting`, in the order in which they begin */
	char run[ID_TEXT], user[EVENT_ACTOR_MAX];
	int priority;
	bool live;
};

struct queue {
	struct house *house;
	struct loop *loop;
	struct store *store;
	struct queue_limits limits;
	struct map entries; /* by run */
	struct list waiting;
	size_t live;
	struct tick next;
};

/* ---- places ---- */

static int live_of(const struct queue *q, const char *user)
{
	int n = 0;
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&q->entries, &i));) {
		const struct entry *one = it->value;
		n += one->live && !strcmp(one->user, user);
	}
	return n;
}

static struct entry *first_that_may(struct queue *q)
{
	if (q->limits.live && q->live >= (size_t)q->limits.live)
		return NULL;
	list_for (it, &q->waiting) {
		struct entry *one = list_entry(it, struct entry, link);
		if (!q->limits.per_user || live_of(q, one->user) < q->limits.per_user)
			return one;
	}
	return NULL;
}

static void forget(struct queue *q, struct entry *one)
{
	list_remove(&one->link);
	q->live -= one->live;
	map_del(&q->entries, span_of(one->run));
	mem_free(one);
	tick_start(&q->next);
}

/* One a turn: each may have a journal to go through, and requests wait meanwhile. */
static void begin_next(struct tick *t)
{
	struct queue *q = container_of(t, struct queue, next);
	struct entry *one = first_that_may(q);
	struct err e = ERR_INIT;
	char run[ID_TEXT];
	if (!one)
		return;
	list_remove(&one->link);
	one->live = true;
	q->live++;
	snprintf(run, sizeof(run), "%s", one->run);
	if (house_resume_paused(q->house, run, &e)) { /* what a person paused meanwhile stays so */
		log_write_about(LOG_ERROR, "queue", (struct log_about){.run = run}, "it cannot go on: %s", e.text);
		one = map_get(&q->entries, span_of(run)); /* it may have settled meanwhile */
		if (one)
			forget(q, one);
	}
	tick_start(&q->next);
}

static void settled(void *ctx, struct run *r)
{
	struct queue *q = ctx;
	struct entry *one = map_get(&q->entries, span_of(run_id(r)));
	if (one && one->live && (run_quiet(r) || run_broken(r)->code != ERR_OK))
		forget(q, one);
}

/* ---- what comes in ---- */

static void insert(struct queue *q, struct entry *one)
{
	list_for (it, &q->waiting)
		if (list_entry(it, struct entry, link)->priority < one->priority) {
			list_insert_before(it, &one->link);
			return;
		}
	list_push(&q->waiting, &one->link);
}

int queue_add(struct queue *q, const char *run, const char *user, int priority, struct err *e)
{
	if (map_get(&q->entries, span_of(run)))
		return 0;
	struct entry *one = MEM_NEW(struct entry);
	if (!one || map_set(&q->entries, span_of(run), one, NULL, e)) {
		mem_free(one);
		return e->code == ERR_OK ? err_nomem(e) : -1;
	}
	snprintf(one->run, sizeof(one->run), "%s", run);
	snprintf(one->user, sizeof(one->user), "%s", user ? user : "");
	one->priority = priority;
	list_init(&one->link);
	insert(q, one);
	tick_start(&q->next);
	return 0;
}

/* Of runs that wait, those whose timers must go on: all but those that wait for a person without end, whom the answer
 * opens. {run: true} */
static json_t *expiring(struct queue *q, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "state", "open");
	cleanup_json json_t *rows = filter ? store_actions(q->store, filter, -1, e) : NULL;
	cleanup_json json_t *out = rows ? json_make(e, "{}") : NULL;
	size_t i;
	json_t *row;
	json_array_foreach(out ? rows : NULL, i, row)
	{
		if (json_int(row, "expires", 0) && json_put(out, json_str(row, "run"), json_true())) {
			err_nomem(e);
			return NULL;
		}
	}
	return steal(&out);
}

/* Rows come newest first; who came first begins first. timers: of those that wait for a person, only these; NULL: all.
 */
static int64_t add_rows(struct queue *q, const json_t *rows, const json_t *timers, struct err *e)
{
	int64_t added = 0;
	for (size_t i = json_array_size(rows); i--;) {
		const json_t *row = json_array_get(rows, i);
		const char *on = json_str(row, "waiting_on");
		if (timers && on && !strcmp(on, "person") && !json_get(timers, json_str(row, "run")))
			continue;
		if (queue_add(q, json_str(row, "run"), json_str(row, "user"), (int)json_int(row, "priority", 0), e))
			return -1;
		added++;
	}
	return added;
}

static int64_t add_state(struct queue *q, const char *state, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "state", state);
	cleanup_json json_t *rows = filter ? store_runs(q->store, filter, -1, e) : NULL;
	cleanup_json json_t *timers = rows && !strcmp(state, "waiting") ? expiring(q, e) : NULL;
	return rows && e->code == ERR_OK ? add_rows(q, rows, timers, e) : -1;
}

/* Runs that somebody gave a command while nobody was there. */
static int64_t add_commanded(struct queue *q, struct err *e)
{
	cleanup_json json_t *rows = store_commands(q->store, NULL, e);
	int64_t added = 0;
	size_t i;
	json_t *row;
	if (!rows)
		return -1;
	json_array_foreach(rows, i, row)
	{
		const char *stream = json_str(row, "stream"), *run = strncmp(stream, "run/", 4) ? NULL : stream + 4;
		struct err why = ERR_INIT;
		if (!run || !house_command(q->house, run, json_get(row, "command"), json_int(row, "n", 0), &why)) {
			added += run != NULL;
			continue;
		}
		log_write_about(LOG_WARN, "queue", (struct log_about){.run = run},
			"a command that was left for it does not fit any more: %s", why.text);
	}
	return added;
}

int64_t queue_recover(struct queue *q, struct err *e)
{
	static const char *const states[] = {"running", "waiting", "created", NULL};
	int64_t all = 0, n;
	for (const char *const *state = states; *state; state++, all += n)
		if ((n = add_state(q, *state, e)) < 0)
			return -1;
	n = add_commanded(q, e);
	return n < 0 ? -1 : all + n;
}

/* ---- asking, making ---- */

size_t queue_waiting(const struct queue *q)
{
	return map_count(&q->entries) - q->live;
}

size_t queue_live(const struct queue *q)
{
	return q->live;
}

size_t queue_place(const struct queue *q, const char *run)
{
	size_t n = 0;
	list_for (it, &q->waiting) {
		n++;
		if (!strcmp(list_entry(it, struct entry, link)->run, run))
			return n;
	}
	return 0;
}

struct queue *queue_new(struct house *h, struct loop *l, struct store *s, struct queue_limits limits, struct err *e)
{
	struct queue *q = MEM_NEW(struct queue);
	if (!q) {
		err_nomem(e);
		return NULL;
	}
	q->house = h;
	q->loop = l;
	q->store = s;
	q->limits = limits;
	map_init(&q->entries, CAP_QUEUE);
	list_init(&q->waiting);
	tick_init(&q->next, l, begin_next);
	house_watch(h, settled, q);
	return q;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	house_watch(q->house, NULL, NULL);
	tick_stop(&q->next);
	map_release(&q->entries, mem_free);
	mem_free(q);
}
