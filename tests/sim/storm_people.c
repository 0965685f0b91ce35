/* storm_people: what people do in a storm. Commands go through the store, as those of other processes do: once it has
 * taken one, the run must get it, whatever happens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "storm.h"

/* ---- giving orders ---- */

static bool store(struct storm *s, struct order *o)
{
	struct err e = ERR_INIT;
	if (store_command(s->w->store, o->id, o->stream, o->command, &e))
		return false; /* again later: the same command */
	o->stored = true;
	return true;
}

static void give(struct storm *s, const char *run, json_t *command)
{
	if (s->order_count == (int)(sizeof(s->orders) / sizeof(*s->orders))) {
		json_decref(command);
		return;
	}
	struct order *o = &s->orders[s->order_count++];
	const char *kind = json_str(command, "kind");
	snprintf(o->id, sizeof(o->id), "person-%d.", s->order_count);
	snprintf(o->stream, sizeof(o->stream), "run/%s", run);
	json_put(command, "by", json_string(o->id));
	o->command = command;
	o->may_be_moot = !strcmp(kind, "pause") || !strcmp(kind, "resume");
	store(s, o);
}

/* What is stored goes to its run, in this process or in the next. */
void storm_take_orders(struct storm *s)
{
	struct world *w = s->w;
	for (int i = 0; i < s->order_count; i++)
		if (!s->orders[i].stored)
			store(s, &s->orders[i]);
	for (int i = 0; i < s->run_count; i++) {
		struct err e = ERR_INIT;
		char stream[80];
		size_t k;
		json_t *row;
		snprintf(stream, sizeof(stream), "run/%s", s->runs[i]);
		cleanup_json json_t *rows = store_commands(w->store, stream, &e);
		json_array_foreach(rows, k, row)
		{
			struct err why = ERR_INIT;
			const json_t *command = json_get(row, "command");
			int id = atoi(strchr(json_str(row, "id"), '-') + 1);
			int failed = house_command(w->house, s->runs[i], command, json_int(row, "n", 0), &why);
			s->orders[id - 1].accepted = !failed;
			bool refused = why.code == ERR_CONFLICT || why.code == ERR_FINAL || why.code == ERR_NOT_FOUND ||
				       why.code == ERR_INVALID;
			if (failed && !refused && !s->disturbed)
				world_fail(w, "%s: %s", json_str(command, "kind"), why.text);
			if (failed && !refused)
				return; /* the run is broken in this process */
		}
	}
}

/* ---- what they want ---- */

static json_t *some_command(struct storm *s)
{
	struct world *w = s->w;
	char agent[64];
	world_some_agent(w, agent);
	switch (rng_below(&w->rng, 16)) {
	case 0:
	case 1:
		return json_pack("{s:s}", "kind", "pause");
	case 2:
	case 3:
		return json_pack("{s:s}", "kind", "resume");
	case 4:
		return rng_below(&w->rng, 6) ? NULL : json_pack("{s:s}", "kind", "cancel");
	case 5:
	case 6:
		return json_pack("{s:s, s:s, s:s}", "kind", "redirect", "agent", agent, "role",
			rng_below(&w->rng, 6) ? "other" : "nobody");
	case 7:
	case 8:
		return json_pack(
			"{s:s, s:s, s:i}", "kind", "modify", "name", "limit", "value", (int)rng_below(&w->rng, 9));
	case 9:
		return json_pack("{s:s, s:f}", "kind", "budget", "value", (double)rng_below(&w->rng, 30) / 10);
	case 10:
		return json_pack("{s:s, s:s, s:s}", "kind", "answer", "action", "a1", "text", "as you like");
	default:
		return json_pack("{s:s, s:s, s:s}", "kind", "steer", "agent", agent, "text", "be quick");
	}
}

/* One of what is asked is answered: in the calm by sense. */
static void answer(struct storm *s, const char *run)
{
	struct world *w = s->w;
	struct err e = ERR_INIT;
	cleanup_json json_t *which = json_pack("{s:s, s:s}", "run", run, "state", "open");
	cleanup_json json_t *open = store_actions(w->store, which, -1, &e);
	if (!json_array_size(open))
		return;
	const json_t *row = json_array_get(open, rng_below(&w->rng, json_array_size(open)));
	const json_t *options = json_get(row, "options");
	size_t n = json_array_size(options);
	json_t *command = json_pack("{s:s, s:O}", "kind", "answer", "action", json_get(row, "action"));
	const char *option = n ? json_string_value(json_array_get(options, s->calm ? 0 : rng_below(&w->rng, n))) : NULL;
	if (!s->calm && !rng_below(&w->rng, 10))
		option = "no such option";
	if (option)
		json_put(command, "option", json_string(option));
	if (!strcmp(json_str(row, "kind"), "budget"))
		json_put(command, "text", json_string(s->calm ? "20" : "0.3"));
	else if (!option || !rng_below(&w->rng, 4))
		json_put(command, "text", json_string("because"));
	give(s, run, command);
}

/* A fork stands in the journal when its process was killed before it could say so. */
void storm_find_forks(struct storm *s)
{
	struct err e = ERR_INIT;
	size_t i;
	json_t *row;
	cleanup_json json_t *rows = store_runs(s->w->store, NULL, -1, &e);
	json_array_foreach(rows, i, row)
	{
		bool known = false;
		for (int k = 0; k < s->run_count; k++)
			known |= !strcmp(s->runs[k], json_str(row, "run"));
		if (!known && s->run_count < STORM_RUNS)
			snprintf(s->runs[s->run_count++], ID_TEXT, "%s", json_str(row, "run"));
	}
}

static void fork_one(struct storm *s, const char *run)
{
	struct world *w = s->w;
	struct err e = ERR_INIT;
	char stream[80], id[ID_TEXT];
	int64_t quiet;
	snprintf(stream, sizeof(stream), "run/%s", run);
	int64_t head = store_head(w->store, stream, &e);
	if (s->run_count == STORM_RUNS || head < 3)
		return;
	if (house_fork(w->house, run, 2 + (int64_t)rng_below(&w->rng, (uint64_t)head - 2), id, &quiet, &e) &&
		e.code != ERR_CONFLICT && !s->disturbed)
		world_fail(w, "forking: %s", e.text);
	storm_find_forks(s);
}

void storm_people(struct storm *s)
{
	struct world *w = s->w;
	int i = (int)rng_below(&w->rng, (uint64_t)s->run_count);
	char state[16];
	const char *run = s->runs[i];
	storm_state(s, i, state);
	if (!s->calm && rng_below(&w->rng, 2))
		return;
	bool over = !strcmp(state, "completed") || !strcmp(state, "cancelled");
	if (over && rng_below(&w->rng, 8))
		return;
	bool stopped = !strcmp(state, "paused") || (!strcmp(state, "failed") && s->resumed[i] < 3);
	if (s->calm && stopped) {
		s->resumed[i] += !strcmp(state, "failed");
		give(s, run, json_pack("{s:s}", "kind", "resume"));
	} else if (!s->calm && !rng_below(&w->rng, 25)) {
		fork_one(s, run);
	} else if (s->calm || !rng_below(&w->rng, 3)) {
		answer(s, run);
	} else {
		json_t *command = some_command(s);
		if (command)
			give(s, run, command);
	}
}
