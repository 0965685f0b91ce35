#include "notify/notify.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"

/* Purpose: occasions, from events and from the projections of what is. An action that is open is kept in memory with
 * the time of its next reminder; one timer serves all. The k-th reminder is due (2^k - 1) waits after the action was
 * opened: a function of the journal alone, so that a restart neither forgets one nor tells it twice. */

struct open_action {
	struct notify *notify;
	json_t *about;	      /* of its opening */
	int64_t opened, wait; /* microseconds; wait 0: no reminders */
	int reminded;
};

struct notify {
	struct notify_options o;
	struct outbox *outbox;
	struct tail tail;
	struct timer timer;
	struct map open; /* "RUN/ACTION" → open_action */
};

static int64_t now_of(const struct notify *n)
{
	return clock_wall(loop_clock(n->o.loop));
}

/* ---- telling ---- */

struct telling {
	struct notify *notify;
	const char *occasion;
	const json_t *about;
};

static void add_target(void *to, const char *target)
{
	struct telling *t = to;
	struct err e = ERR_INIT;
	if (outbox_add(t->notify->outbox, t->occasion, target, t->about, &e) < 0)
		log_warn("notify", "%s is not told of %s: %s", target, t->occasion, e.text);
}

static void tell(struct notify *n, const char *occasion, const json_t *about)
{
	struct telling t = {n, occasion, about};
	n->o.whom(n->o.ctx, about, add_target, &t);
}

/* What all occasions of a run say. */
static json_t *about_run(const char *type, const json_t *run, int64_t at, struct err *e)
{
	return json_make(e, "{s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:I}", "type", type, "run", json_str(run, "run"),
		"title", json_str(run, "title"), "mode", json_str(run, "mode"), "project", json_str(run, "project"),
		"user", json_str(run, "user"), "at", (json_int_t)at);
}

/* ---- actions ---- */

static void open_free(void *v)
{
	struct open_action *a = v;
	json_decref(a->about);
	mem_free(a);
}

static int64_t due(const struct open_action *a, int k)
{
	return a->opened + a->wait * ((INT64_C(1) << k) - 1);
}

/* For clients that follow the run or its project: a notification of their own, a badge. */
static void show_reminder(struct notify *n, const json_t *about)
{
	char stream[EVENT_STREAM_MAX];
	struct err e = ERR_INIT;
	cleanup_json json_t *data = json_make(&e, "{s:s, s:s, s:I}", "run", json_str(about, "run"), "action",
		json_str(about, "action"), "count", (json_int_t)json_int(about, "count", 0));
	cleanup_free char *text = data ? json_text(data) : NULL;
	struct event ev = {.type = EVENT_ACTION_REMINDED, .v = 1, .at = now_of(n)};
	ev.data = text ? blob_new(text, strlen(text)) : NULL;
	if (!ev.data)
		return; /* shown to nobody: they are told all the same */
	snprintf(stream, sizeof(stream), "run/%s", json_str(about, "run"));
	store_show(n->o.store, stream, &ev);
	snprintf(stream, sizeof(stream), "project/%s", json_str(about, "project") ? json_str(about, "project") : "");
	store_show(n->o.store, stream, &ev);
	event_release(&ev);
}

static void remind(struct notify *n, const char *key, struct open_action *a)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *about = json_clone(a->about);
	char occasion[200];
	snprintf(occasion, sizeof(occasion), "reminder/%s/%d", key, a->reminded);
	if (!about || json_put(about, "type", json_string("action.reminder")) != 0 ||
		json_put_int(about, "count", a->reminded) != 0 || json_put_int(about, "at", due(a, a->reminded)) != 0) {
		err_nomem(&e);
		log_warn("notify", "a reminder is left out: %s", e.text);
		return;
	}
	tell(n, occasion, about);
	show_reminder(n, about);
}

/* Remind of what is due (of several only the last), and sleep until the next. */
static void remind_all(struct notify *n)
{
	int64_t now = now_of(n), wake = INT64_MAX;
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&n->open, &i));) {
		struct open_action *a = it->value;
		int before = a->reminded;
		if (!a->wait)
			continue;
		while (a->reminded < CAP_NOTIFY_REMINDERS && due(a, a->reminded + 1) <= now)
			a->reminded++;
		if (a->reminded > before && due(a, a->reminded) > now - TIME_NOTIFY_BACK * 1000)
			remind(n, it->key, a);
		if (a->reminded < CAP_NOTIFY_REMINDERS && due(a, a->reminded + 1) < wake)
			wake = due(a, a->reminded + 1);
	}
	timer_stop(&n->timer);
	struct err e = ERR_INIT;
	if (wake != INT64_MAX && timer_start(&n->timer, (wake - now) / 1000 + 1, &e) != 0)
		log_warn("notify", "reminders are left out: %s", e.text);
}

static void on_timer(struct timer *t)
{
	remind_all(container_of(t, struct notify, timer));
}

static int64_t wait_of(const struct notify *n, const json_t *run)
{
	const char *phase = json_str(run, "phase");
	return 1000 * (phase && strcmp(phase, "understanding") == 0 ? n->o.understand_ms : n->o.remind_ms);
}

/* `action` has the members of action.opened, which those of a row of actions are, too. */
static int action_opened(struct notify *n, const json_t *run, const json_t *action, int64_t at, struct err *e)
{
	char key[200], occasion[220];
	cleanup_json json_t *about = about_run("action.opened", run, at, e);
	if (!about)
		return -1;
	static const char *const taken[][2] = {{"action", "action"}, {"kind", "kind"}, {"name", "name"},
		{"title", "subject"}, {"priority", "priority"}, {"expires", "expires"}};
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (json_get(action, taken[i][0]) &&
			json_object_set(about, taken[i][1], json_get(action, taken[i][0])) != 0)
			return err_nomem(e);
	snprintf(key, sizeof(key), "%s/%s", json_str(run, "run"), json_str(action, "action"));
	struct open_action *a = MEM_NEW(struct open_action), *old = NULL;
	if (!a)
		return err_nomem(e);
	*a = (struct open_action){n, json_incref(about), at, wait_of(n, run), 0};
	if (map_set(&n->open, span_of(key), a, (void **)&old, e) != 0) {
		open_free(a);
		return -1;
	}
	if (old)
		open_free(old);
	snprintf(occasion, sizeof(occasion), "opened/%s", key);
	if (at > now_of(n) - TIME_NOTIFY_BACK * 1000)
		tell(n, occasion, about);
	return 0;
}

struct decided {
	const char *run, *action;
};

static bool is_decided(void *ctx, const json_t *about)
{
	struct decided *d = ctx;
	const char *run = json_str(about, "run"), *action = json_str(about, "action");
	return run && action && strcmp(run, d->run) == 0 && strcmp(action, d->action) == 0;
}

static void action_ended(struct notify *n, const char *run, const char *action)
{
	char key[200];
	struct decided d = {run, action};
	snprintf(key, sizeof(key), "%s/%s", run, action);
	struct open_action *a = map_del(&n->open, span_of(key));
	if (!a)
		return;
	open_free(a);
	outbox_drop(n->outbox, is_decided, &d);
}

/* ---- runs ---- */

static const char *end_state(enum event_type type)
{
	switch (type) {
	case EVENT_RUN_COMPLETED:
		return "completed";
	case EVENT_RUN_FAILED:
		return "failed";
	case EVENT_RUN_CANCELLED:
		return "cancelled";
	default:
		return NULL;
	}
}

/* Of a run that no other run started. One that failed may be resumed and end again: the event's place tells them apart.
 */
static int run_ended(struct notify *n, const json_t *run, const struct event *ev, struct err *e)
{
	char occasion[120];
	if (json_str(run, "parent"))
		return 0;
	cleanup_json json_t *about = about_run("run.ended", run, ev->at, e);
	if (!about)
		return -1;
	if (json_put(about, "state", json_string(end_state(ev->type))) != 0 ||
		(json_str(run, "evidence") && json_put(about, "evidence", json_incref(json_get(run, "evidence"))) != 0))
		return err_nomem(e);
	snprintf(occasion, sizeof(occasion), "ended/%s/%lld", json_str(run, "run"), (long long)ev->seq);
	tell(n, occasion, about);
	return 0;
}

/* ---- money ---- */

/* A share of a budget is reached: an event of the audit, written once. `object` is the budget's scope. */
static int budget_alert(
	struct notify *n, const char *object, const json_t *detail, int64_t seq, int64_t at, struct err *e)
{
	char occasion[40];
	bool project = strncmp(object, "project/", 8) == 0, user = strncmp(object, "user/", 5) == 0;
	cleanup_json json_t *about =
		json_make(e, "{s:s, s:s, s:s*, s:s*, s:O*, s:O*, s:O*, s:O*, s:I}", "type", NOTIFY_BUDGET, "budget",
			object, "project", project ? object + 8 : NULL, "user", user ? object + 5 : NULL, "share",
			json_get(detail, "share"), "limit_usd", json_get(detail, "limit_usd"), "spent",
			json_get(detail, "spent"), "period", json_get(detail, "period"), "at", (json_int_t)at);
	if (!about)
		return -1;
	snprintf(occasion, sizeof(occasion), "budget/%lld", (long long)seq);
	tell(n, occasion, about);
	return 0;
}

static void on_audit(struct notify *n, const struct event *ev)
{
	struct err e = ERR_INIT;
	if (span_find(blob_span(ev->data), span_of(NOTIFY_BUDGET), 0) == (size_t)-1)
		return;
	cleanup_json json_t *data = event_data(ev, &e);
	const char *what = json_str(data, "what"), *object = json_str(data, "object");
	if (data && (!what || strcmp(what, NOTIFY_BUDGET) != 0 || !object))
		return;
	if (!data || budget_alert(n, object, json_get(data, "detail"), ev->seq, ev->at, &e) != 0)
		log_warn("notify", "nobody is told of event %lld of house: %s", (long long)ev->seq, e.text);
}

/* ---- what happens ---- */

static int take(struct notify *n, const char *run, const struct event *ev, struct err *e)
{
	cleanup_json json_t *row = NULL, *data = event_data(ev, e);
	if (!data)
		return -1;
	switch (ev->type) {
	case EVENT_ACTION_RESOLVED:
	case EVENT_ACTION_CLOSED:
		action_ended(n, run, json_str(data, "action"));
		return 0;
	case EVENT_ACTION_OPENED:
		row = store_run(n->o.store, run, e);
		if (!row || action_opened(n, row, data, ev->at, e) != 0)
			return -1;
		remind_all(n);
		return 0;
	default:
		row = store_run(n->o.store, run, e);
		return row ? run_ended(n, row, ev, e) : -1;
	}
}

static void on_event(struct tail *t, const char *stream, const struct event *ev)
{
	struct notify *n = container_of(t, struct notify, tail);
	struct err e = ERR_INIT;
	if (ev->seq != 0 && ev->type == EVENT_AUDIT && strcmp(stream, "house") == 0)
		on_audit(n, ev);
	if (ev->seq == 0 || strncmp(stream, "run/", 4) != 0)
		return;
	switch (ev->type) {
	case EVENT_ACTION_OPENED:
	case EVENT_ACTION_RESOLVED:
	case EVENT_ACTION_CLOSED:
	case EVENT_RUN_COMPLETED:
	case EVENT_RUN_FAILED:
	case EVENT_RUN_CANCELLED:
		if (take(n, stream + 4, ev, &e) != 0)
			log_warn(
				"notify", "nobody is told of event %lld of %s: %s", (long long)ev->seq, stream, e.text);
		break;
	default:
		break;
	}
}

/* ---- what happened before ---- */

static int actions_before(struct notify *n, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "state", "open");
	cleanup_json json_t *rows = filter ? store_actions(n->o.store, filter, -1, e) : NULL;
	const json_t *action;
	size_t i;
	if (!rows)
		return -1;
	json_array_foreach(rows, i, action)
	{
		cleanup_json json_t *run = store_run(n->o.store, json_str(action, "run"), e);
		if (!run || action_opened(n, run, action, json_int(action, "opened", 0), e) != 0)
			return -1;
	}
	return 0;
}

#define RUNS_BEFORE 1000 /* the newest are looked at */
#define AFTER_END 32	 /* events that may follow a run's end: a merge, a deletion of its copy */

static int run_before(struct notify *n, const json_t *run, struct err *e)
{
	struct event events[AFTER_END];
	char stream[EVENT_STREAM_MAX];
	int64_t head = json_int(run, "seq", 0);
	int rc = 0;
	snprintf(stream, sizeof(stream), "run/%s", json_str(run, "run"));
	int count = store_read(n->o.store, stream, head > AFTER_END ? head - AFTER_END : 0, events, AFTER_END, e);
	for (int i = count - 1; i >= 0; i--) {
		if (!end_state(events[i].type))
			continue;
		if (events[i].at > now_of(n) - TIME_NOTIFY_BACK * 1000)
			rc = run_ended(n, run, &events[i], e);
		break;
	}
	for (int i = 0; i < count; i++)
		event_release(&events[i]);
	return count < 0 ? -1 : rc;
}

static int runs_before(struct notify *n, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:[s,s,s]}", "state", "completed", "failed", "cancelled");
	cleanup_json json_t *rows = filter ? store_runs(n->o.store, filter, RUNS_BEFORE, e) : NULL;
	const json_t *run;
	size_t i;
	if (!rows)
		return -1;
	json_array_foreach(rows, i, run)
	{
		if (json_int(run, "updated", 0) > now_of(n) - TIME_NOTIFY_BACK * 1000 && run_before(n, run, e) != 0)
			return -1;
	}
	return 0;
}

static int budgets_before(struct notify *n, struct err *e)
{
	struct audit_query q = {
		.what = NOTIFY_BUDGET, .from = now_of(n) - TIME_NOTIFY_BACK * 1000, .limit = RUNS_BEFORE};
	cleanup_json json_t *rows = store_audit(n->o.store, &q, e);
	const json_t *row;
	size_t i;
	if (!rows)
		return -1;
	json_array_foreach(
		rows, i, row) if (budget_alert(n, json_str(row, "object"), json_get(row, "detail"),
					  json_int(row, "seq", 0), json_int(row, "at", 0), e) != 0) return -1;
	return 0;
}

/* ---- life ---- */

struct notify *notify_open(const struct notify_options *o, struct err *e)
{
	struct notify *n = MEM_NEW(struct notify);
	if (!n) {
		err_nomem(e);
		return NULL;
	}
	n->o = *o;
	map_init(&n->open, CAP_NOTICES);
	timer_init(&n->timer, o->loop, on_timer);
	n->tail.cb = on_event;
	n->outbox = outbox_open(o->loop, o->store, o->sender, o->seed, e);
	if (n->outbox && tail_start(&n->tail, o->store, e) == 0) {
		if (actions_before(n, e) == 0 && runs_before(n, e) == 0 && budgets_before(n, e) == 0) {
			remind_all(n);
			return n;
		}
		tail_stop(&n->tail);
	}
	if (n->outbox)
		map_release(&n->open, open_free);
	timer_stop(&n->timer);
	outbox_free(n->outbox);
	mem_free(n);
	return NULL;
}

int notify_try(struct notify *n, const char *target, struct err *e)
{
	char occasion[ID_TEXT];
	cleanup_json json_t *about = json_make(e, "{s:s, s:I}", "type", "test", "at", (json_int_t)now_of(n));
	id_new(occasion, now_of(n), NULL);
	return about ? outbox_add(n->outbox, occasion, target, about, e) : -1;
}

void notify_stop(struct notify *n)
{
	tail_stop(&n->tail);
	timer_stop(&n->timer);
	outbox_stop(n->outbox);
}

bool notify_busy(const struct notify *n)
{
	return outbox_busy(n->outbox);
}

size_t notify_waiting(const struct notify *n)
{
	return outbox_waiting(n->outbox);
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	outbox_free(n->outbox);
	map_release(&n->open, open_free);
	mem_free(n);
}
