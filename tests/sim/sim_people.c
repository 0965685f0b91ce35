/* A person meddles at random instants: pauses, resumes, steers, redirects, modifies, gives money, cancels; also right
 * after kills. Whatever comes: the run ends, what was cancelled does nothing more, what is paused begins nothing, and
 * all of it replays. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "world.h"

int __lsan_is_turned_off(void); /* what a kill leaves in memory is nobody's */
int __lsan_is_turned_off(void)
{
	return 1;
}

static int accepted; /* commands that must stand in the journal */

static json_t *some_command(struct world *w, const char *state)
{
	char agent[64];
	if (!strcmp(state, "paused") && rng_below(&w->rng, 2))
		return json_pack("{s:s}", "kind", "resume");
	world_some_agent(w, agent);
	switch (rng_below(&w->rng, 20)) {
	case 0:
	case 1:
	case 2:
	case 3:
		return json_pack("{s:s}", "kind", "pause");
	case 4:
	case 5:
		return json_pack("{s:s}", "kind", "resume");
	case 6:
		return rng_below(&w->rng, 8) ? NULL : json_pack("{s:s}", "kind", "cancel");
	case 7:
	case 8:
		return json_pack("{s:s, s:s, s:s}", "kind", "redirect", "agent", agent, "role", "other");
	case 9:
	case 10:
		return json_pack(
			"{s:s, s:s, s:i}", "kind", "modify", "name", "limit", "value", (int)rng_below(&w->rng, 9));
	case 11:
		return json_pack("{s:s, s:f}", "kind", "budget", "usd", 1000.0);
	case 12:
		return json_pack("{s:s, s:s, s:s}", "kind", "answer", "action", "a1", "text", "as you like");
	default:
		return json_pack("{s:s, s:s, s:s}", "kind", "steer", "agent", agent, "text", "be quick");
	}
}

static void meddle(struct world *w)
{
	struct err e = ERR_INIT;
	char state[16];
	if (rng_below(&w->rng, 25))
		return;
	world_state(w, state);
	if (!strcmp(state, "completed") || !strcmp(state, "cancelled"))
		return;
	cleanup_json json_t *command = some_command(w, state);
	if (!command)
		return;
	json_object_set_new(command, "by", json_string("ada"));
	const char *kind = json_str(command, "kind");
	struct run *r = house_run(w->house, w->id);
	bool noop = r && ((!strcmp(kind, "resume") && strcmp(run_state(r), "paused")) ||
				 (!strcmp(kind, "pause") && !strcmp(run_state(r), "paused")));
	if (!house_command(w->house, w->id, command, 0, &e))
		accepted += r && !noop && strcmp(kind, "answer");
	else if (e.code != ERR_CONFLICT && e.code != ERR_FINAL && e.code != ERR_NOT_FOUND && e.code != ERR_INVALID)
		world_fail(w, "%s: %s", kind, e.text);
}

struct story {
	struct world *w;
	bool paused, cancelled;
	int intervened;
};

static void follow(void *ctx, const struct event *ev, const json_t *data)
{
	struct story *s = ctx;
	bool begins = ev->type == EVENT_AGENT_STARTED ||
		      (ev->type == EVENT_FLOW_STEP && strcmp(json_str(data, "call"), "handler"));
	s->intervened += ev->type == EVENT_RUN_INTERVENED;
	if (ev->type == EVENT_RUN_PAUSED)
		s->paused = true;
	if (ev->type == EVENT_RUN_RESUMED)
		s->paused = false;
	bool redirected = ev->type == EVENT_AGENT_STARTED && !strcmp(json_str(data, "role"), "other");
	if (s->paused && begins && !redirected)
		world_fail(s->w, "event %lld begins something while the run is paused", (long long)ev->seq);
	if (s->cancelled && (begins || ev->type == EVENT_TOOL_STARTED || ev->type == EVENT_MODEL_REQUESTED))
		world_fail(s->w, "event %lld comes after the end", (long long)ev->seq);
	s->cancelled |= ev->type == EVENT_RUN_CANCELLED;
}

static void people(const struct scene *s, uint64_t seed)
{
	struct world w;
	world_init(&w, s, seed, false);
	w.kills = rng_below(&w.rng, 2) ? (int)rng_below(&w.rng, 5) : 0;
	w.meddle = meddle;
	w.ends_anyhow = true;
	accepted = 0;
	world_start(&w);
	world_finish(&w);
	struct story story = {.w = &w};
	world_events(&w, follow, &story);
	if (!w.killed && !w.passivate && story.intervened != accepted)
		world_fail(&w, "%d interventions were accepted, %d are in the journal", accepted, story.intervened);
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&w.done, &i));)
		if (*(int *)it->value != 1)
			world_fail(&w, "`%s` happened %d times", it->key, *(int *)it->value);
	world_check(&w);
	world_release(&w);
}

int main(int argc, char **argv)
{
	const struct scene *all[] = {&long_scene, NULL};
	return sim_main(argc, argv, "meddled with", all, 200, 20, people);
}
