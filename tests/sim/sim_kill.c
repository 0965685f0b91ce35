/* Every flow, killed at random instants and resumed each time: in the end it is as if nothing had happened, but for
 * what is shown as lost. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "world.h"

/* What a kill leaves in memory is nobody's. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}

struct money {
	int answers;
	double usd, unknown, reserved, expected_unknown;
	struct map open; /* agent → reservation of its request */
};

static void take_money(void *ctx, const struct event *ev, const json_t *data)
{
	struct money *m = ctx;
	struct err e = ERR_INIT;
	const char *agent = json_str(data, "agent");
	if (ev->type == EVENT_MODEL_REQUESTED) {
		double *d = mem_calloc(1, sizeof(*d));
		void *old = NULL;
		*d = json_num(data, "reserved", 0);
		map_set(&m->open, span_of(agent), d, &old, &e);
		mem_free(old);
	}
	if (ev->type == EVENT_MODEL_ANSWERED) {
		m->answers++;
		m->usd += json_num(data, "usd", 0);
	}
	if (ev->type == EVENT_MODEL_FAILED && !strcmp(json_str(data, "code"), "lost")) {
		const double *d = map_get(&m->open, span_of(agent));
		m->unknown += json_num(data, "usd_unknown", 0);
		m->expected_unknown += d ? *d : 0;
	}
}

/* Answers, and dollars known and unknown, are what the counters say. */
static void check_money(struct world *w)
{
	struct money m = {0};
	struct err e = ERR_INIT;
	map_init(&m.open, 10000);
	world_events(w, take_money, &m);
	map_release(&m.open, mem_free);
	if (fabs(m.unknown - m.expected_unknown) > 1e-9)
		world_fail(w, "lost calls cost %f, reserved for them were %f", m.unknown, m.expected_unknown);
	cleanup_json json_t *rows = store_budgets(w->store, &e);
	cleanup_free char *scope = mem_printf("run/%s", w->id);
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		if (strcmp(json_str(row, "scope"), scope))
			continue;
		double spent = json_num(row, "spent", -1), reserved = json_num(row, "reserved", -1);
		if (fabs(spent - m.usd - m.unknown) > 1e-6 || fabs(reserved) > 1e-6)
			world_fail(w, "the counters say %f spent, %f reserved; the journal %f and %f unknown", spent,
				reserved, m.usd, m.unknown);
		if (!house_run(w->house, w->id)) /* its own budget is of live runs */
			continue;
		const struct budget *b = house_budget(w->house, scope, &e);
		if (fabs(b->spent - spent) > 1e-6 || fabs(b->reserved) > 1e-6)
			world_fail(w, "the house counts %f spent, %f reserved; the journal %f", b->spent, b->reserved,
				spent);
	}
}

/* Equal, but null stands for what was lost. */
static bool alike(const json_t *a, const json_t *b)
{
	if (json_is_null(a) || json_is_null(b))
		return true;
	if (json_is_array(a) && json_is_array(b)) {
		if (json_array_size(a) != json_array_size(b))
			return false;
		for (size_t i = 0; i < json_array_size(a); i++)
			if (!alike(json_array_get(a, i), json_array_get(b, i)))
				return false;
		return true;
	}
	if (json_is_object(a) && json_is_object(b)) {
		const char *key;
		json_t *value;
		if (json_object_size(a) != json_object_size(b))
			return false;
		json_object_foreach((json_t *)a, key, value)
		{
			if (!json_object_get(b, key) || !alike(value, json_object_get(b, key)))
				return false;
		}
		return true;
	}
	return json_equal((json_t *)a, (json_t *)b);
}

static void check_talk(struct world *w, json_t *own, json_t *ref)
{
	const char *agent;
	json_t *steps;
	if (json_object_size(own) != json_object_size(ref))
		world_fail(w, "%zu agents took part, not %zu", json_object_size(own), json_object_size(ref));
	json_object_foreach(ref, agent, steps)
	{
		json_t *mine = json_get(own, agent);
		for (size_t i = 0; i < json_array_size(steps) || i < json_array_size(mine); i++) {
			if (alike(json_array_get(mine, i), json_array_get(steps, i)) && i < json_array_size(mine) &&
				i < json_array_size(steps))
				continue;
			cleanup_free char *a = json_text(json_array_get(mine, i)),
					  *b = json_text(json_array_get(steps, i));
			world_fail(w, "step %zu of agent %s is\n%s\nnot\n%s", i, agent, a, b);
		}
	}
}

static void check_effects(struct world *w)
{
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&w->done, &i));)
		if (*(int *)it->value != 1)
			world_fail(w, "`%s` happened %d times", it->key, *(int *)it->value);
}

static void fork_it(struct world *w, void *ctx)
{
	struct err e = ERR_INIT;
	int64_t quiet;
	world_must(w, house_fork(w->house, w->id, INT64_MAX, ctx, &quiet, &e), &e);
}

static void find_pause(void *ctx, const struct event *ev, const json_t *data)
{
	bool *paused = ctx;
	*paused |= ev->type == EVENT_RUN_INTERVENED && !strcmp(json_str(data, "by"), "fork");
}

/* Killed while it forks: there is a whole fork, which ends with a pause, or none. What it has cost counts, now as after
 * a restart. */
static void check_forks(struct world *w)
{
	struct err e = ERR_INIT;
	char forked[ID_TEXT], id[ID_TEXT];
	size_t i;
	json_t *row;
	w->kills = 3;
	while (!world_try(w, fork_it, forked))
		;
	w->kills = 0;
	w->armed = false;
	snprintf(id, sizeof(id), "%s", w->id);
	double spent = house_budget(w->house, "house", &e)->spent;
	cleanup_json json_t *rows = store_runs(w->store, NULL, -1, &e);
	world_kill(w);
	double after = house_budget(w->house, "house", &e)->spent;
	if (fabs(spent - after) > 1e-6)
		world_fail(w, "with the fork the house's budget has %f spent, after a restart %f", spent, after);
	json_array_foreach(rows, i, row)
	{
		bool paused = !strcmp(json_str(row, "run"), id);
		snprintf(w->id, sizeof(w->id), "%s", json_str(row, "run"));
		world_events(w, find_pause, &paused);
		if (!paused)
			world_fail(w, "a fork is not whole");
		world_check(w);
	}
	snprintf(w->id, sizeof(w->id), "%s", id);
}

static void killed(const struct scene *s, uint64_t seed)
{
	const struct outcome *ref = outcome_reference(s);
	struct outcome own;
	struct world w;
	world_init(&w, s, seed, false);
	w.kills = 1 + (int)rng_below(&w.rng, 8);
	world_start(&w);
	world_finish(&w);
	check_effects(&w);
	outcome_take(&own, &w);
	outcome_must_be(&own, ref, &w);
	if (s->talk)
		check_talk(&w, own.talk, ref->talk);
	check_money(&w);
	world_check(&w);
	if (seed % 50 == 1)
		world_replay_elsewhere(&w);
	if (s == &long_scene)
		check_forks(&w);
	world_release(&w);
	outcome_release(&own);
}

int main(int argc, char **argv)
{
	const struct scene *all[SHIPPED_SCENES + FLOW_SCENES + 2] = {&long_scene};
	for (int i = 0; i < SHIPPED_SCENES; i++)
		all[i + 1] = &shipped_scenes[i];
	for (int i = 0; i < FLOW_SCENES; i++)
		all[SHIPPED_SCENES + i + 1] = &flow_scenes[i];
	return sim_main(argc, argv, "killed", all, 100, 20, killed);
}
