/* storm_check: what must hold of every story, whatever happened in it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "storm.h"

struct ledger {
	struct storm *s;
	struct map ends;  /* agent and call, or key of the flow → its terminal results */
	struct map open;  /* agent → dollars of its request under way, < 0 none */
	struct map kinds; /* action → is it a budget's? */
	double limit, usd, unknown, reserved;
	int64_t copied;			   /* so many events are the origin's of a fork */
	double copied_usd, copied_unknown; /* and this was paid there */
	bool paused, over;
};

static void *slot(struct ledger *l, struct map *m, const char *key, size_t size)
{
	struct err e = ERR_INIT;
	void *v = map_get(m, span_of(key));
	if (!v && (!(v = mem_calloc(1, size)) || map_set(m, span_of(key), v, NULL, &e)))
		world_fail(l->s->w, "no memory");
	return v;
}

/* One terminal result for each call of an agent; a step of the flow waits for one (segments use keys anew). */
static void follow_call(struct ledger *l, const struct event *ev, const json_t *data)
{
	char key[300];
	bool flow = ev->type == EVENT_FLOW_RESULT || ev->type == EVENT_FLOW_STEP;
	if (flow)
		snprintf(key, sizeof(key), "%s", json_str(data, "key"));
	else
		snprintf(key, sizeof(key), "%s/%s", json_str(data, "agent"), json_str(data, "call"));
	if (flow && (!strncmp(key, "timer:", 6) || !strncmp(key, "end.", 4))) /* no steps of the flow */
		return;
	int *n = slot(l, &l->ends, key, sizeof(*n));
	if (ev->type == EVENT_FLOW_STEP)
		*n = -1;
	else if (++*n > !flow)
		world_fail(l->s->w, "event %lld is one result too many of %s", (long long)ev->seq, key);
}

static void follow_money(struct ledger *l, const struct event *ev, const json_t *data)
{
	double *open = slot(l, &l->open, json_str(data, "agent"), sizeof(*open));
	if (ev->type == EVENT_MODEL_REQUESTED) {
		l->reserved += json_num(data, "reserved", 0) - *open;
		*open = json_num(data, "reserved", 0);
		if (l->limit >= 0 && l->usd + l->unknown + l->reserved > l->limit + 1e-6)
			world_fail(l->s->w, "at event %lld %f are spent and %f reserved of %f", (long long)ev->seq,
				l->usd + l->unknown, l->reserved, l->limit);
		return;
	}
	l->reserved -= *open;
	*open = 0;
	l->usd += json_num(data, "usd", 0);
	l->unknown += json_num(data, "usd_unknown", 0);
	if (ev->seq > l->copied)
		return;
	l->copied_usd = l->usd;
	l->copied_unknown = l->unknown;
}

static void follow_limit(struct ledger *l, const struct event *ev, const json_t *data)
{
	int *budget = slot(l, &l->kinds, json_str(data, "action"), sizeof(*budget));
	if (ev->type == EVENT_ACTION_OPENED)
		*budget = !strcmp(json_str(data, "kind"), "budget");
	else if (*budget && json_str(data, "option") && !strcmp(json_str(data, "option"), "extend"))
		l->limit += json_str(data, "text") ? atof(json_str(data, "text")) : l->limit;
}

static void follow_people(struct ledger *l, const struct event *ev, const json_t *data)
{
	const char *by = json_str(data, "by");
	if (by && !strncmp(by, "person-", 7))
		l->s->orders[atoi(by + 7) - 1].seen++;
	if (ev->type == EVENT_RUN_INTERVENED && !strcmp(json_str(data, "kind"), "budget"))
		l->limit = json_num(data, "value", l->limit);
}

static void follow(void *ctx, const struct event *ev, const json_t *data)
{
	struct ledger *l = ctx;
	bool begins = ev->type == EVENT_AGENT_STARTED ||
		      (ev->type == EVENT_FLOW_STEP && strcmp(json_str(data, "call"), "handler"));
	bool other = ev->type == EVENT_AGENT_STARTED && !strcmp(json_str(data, "role"), "other");
	if (l->paused && begins && !other)
		world_fail(l->s->w, "event %lld begins something while the run is paused", (long long)ev->seq);
	if (l->over && (begins || ev->type == EVENT_TOOL_STARTED || ev->type == EVENT_MODEL_REQUESTED))
		world_fail(l->s->w, "event %lld comes after the end", (long long)ev->seq);
	switch (ev->type) {
	case EVENT_RUN_CREATED:
		l->limit = json_num(data, "budget_usd", -1);
		l->copied = json_int(json_get(data, "forked"), "at", 0);
		break;
	case EVENT_RUN_PAUSED:
		l->paused = true;
		break;
	case EVENT_RUN_RESUMED:
		l->paused = false;
		break;
	case EVENT_RUN_COMPLETED:
	case EVENT_RUN_CANCELLED:
		l->over = true;
		break;
	case EVENT_TOOL_FINISHED:
	case EVENT_TOOL_LOST:
	case EVENT_TOOL_ANSWERED:
	case EVENT_TOOL_DENIED:
	case EVENT_FLOW_STEP:
	case EVENT_FLOW_RESULT:
		follow_call(l, ev, data);
		break;
	case EVENT_MODEL_REQUESTED:
	case EVENT_MODEL_ANSWERED:
	case EVENT_MODEL_FAILED:
		follow_money(l, ev, data);
		break;
	case EVENT_ACTION_OPENED:
		follow_limit(l, ev, data);
		break;
	case EVENT_ACTION_RESOLVED:
		follow_limit(l, ev, data);
		follow_people(l, ev, data);
		break;
	case EVENT_RUN_INTERVENED:
		follow_people(l, ev, data);
		break;
	default:
		break;
	}
}

static void equal(struct ledger *l, const char *what, double is, double should)
{
	if (fabs(is - should) > 1e-6)
		world_fail(l->s->w, "%s is %f, the events add up to %f", what, is, should);
}

/* The same sums everywhere. */
static void check_money(struct ledger *l)
{
	struct world *w = l->s->w;
	struct err e = ERR_INIT;
	cleanup_json json_t *row = store_run(w->store, w->id, &e), *which = json_pack("{s:s}", "run", w->id);
	cleanup_json json_t *usage = store_usage(w->store, &(struct usage_query){USAGE_RUNS, which, .limit = -1}, &e),
			    *budgets = store_budgets(w->store, &e);
	cleanup_free char *scope = mem_printf("run/%s", w->id);
	double usd = 0, unknown = 0;
	size_t i;
	json_t *one;
	json_array_foreach(usage, i, one)
	{
		usd += json_num(one, "usd", 0);
		unknown += json_num(one, "usd_unknown", 0);
	}
	equal(l, "usage", usd, l->usd - l->copied_usd);
	equal(l, "unknown usage", unknown, l->unknown - l->copied_unknown);
	equal(l, "the run's cost", json_num(row, "usd", 0), l->usd);
	equal(l, "the run's unknown cost", json_num(row, "usd_unknown", 0), l->unknown);
	json_array_foreach(budgets, i, one)
	{
		if (strcmp(json_str(one, "scope"), scope))
			continue;
		equal(l, "the budget's spent", json_num(one, "spent", 0), l->usd + l->unknown);
		equal(l, "the budget's reserved", json_num(one, "reserved", 0), l->reserved);
	}
	if (!house_run(w->house, w->id)) /* its own budget is of live runs */
		return;
	const struct budget *b = house_budget(w->house, scope, &e);
	equal(l, "what the house counts as spent", b->spent, l->usd + l->unknown);
	equal(l, "what the house counts as reserved", b->reserved, l->reserved);
}

/* Nobody is asked on behalf of a run that is over. */
static void check_actions(struct ledger *l)
{
	struct world *w = l->s->w;
	struct err e = ERR_INIT;
	cleanup_json json_t *which = json_pack("{s:s, s:s}", "run", w->id, "state", "open");
	cleanup_json json_t *open = store_actions(w->store, which, -1, &e);
	if (l->over && json_array_size(open)) {
		cleanup_free char *text = json_text(open);
		world_fail(w, "the run is over, and asks: %s", text);
	}
}

static void check_run(struct storm *s, int run)
{
	(void)run;
	struct ledger l = {.s = s};
	map_init(&l.ends, 100000);
	map_init(&l.open, 100000);
	map_init(&l.kinds, 100000);
	world_events(s->w, follow, &l);
	check_money(&l);
	check_actions(&l);
	map_release(&l.ends, mem_free);
	map_release(&l.open, mem_free);
	map_release(&l.kinds, mem_free);
	world_check(s->w);
}

/* Of the orders that runs took, each stands in the journal once; none waits for ever. (A fork has its origin's, too.)
 */
static void check_orders(struct storm *s)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *left = store_commands(s->w->store, NULL, &e);
	if (json_array_size(left)) {
		cleanup_free char *text = json_text(left);
		world_fail(s->w, "commands that nobody took: %s", text);
	}
	for (int i = 0; i < s->order_count; i++) {
		const struct order *o = &s->orders[i];
		int most = o->accepted ? s->run_count : 0, least = o->accepted && !o->may_be_moot;
		if (o->seen > most || o->seen < least)
			world_fail(s->w, "the %s of %s was %s, and stands %d times in the journal",
				json_str(o->command, "kind"), o->id, o->accepted ? "accepted" : "refused", o->seen);
	}
}

void storm_check(struct storm *s)
{
	storm_each(s, check_run);
	check_orders(s);
}

static struct hash_stream digest;

static void add_event(void *ctx, const struct event *ev, const json_t *data)
{
	(void)ctx;
	(void)data;
	hash_update(&digest, ev->hash.b, HASH_SIZE);
}

static void add_run(struct storm *s, int run)
{
	(void)run;
	world_events(s->w, add_event, NULL);
}

void storm_hash(struct storm *s, char hex[HASH_HEX])
{
	struct hash out;
	hash_start(&digest, NULL);
	storm_each(s, add_run);
	hash_end(&digest, &out);
	hash_hex(&out, hex);
}
