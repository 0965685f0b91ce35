/* Every flow under shuffled orders of completion: what it promises is the same, and each run replays, here and in
 * another process. */
#include "base/mem.h"
#include "world.h"

static void shuffle(const struct scene *s, uint64_t seed)
{
	const struct outcome *ref = outcome_reference(s);
	struct outcome own;
	struct world w;
	world_init(&w, s, seed, false);
	world_start(&w);
	world_finish(&w);
	outcome_take(&own, &w);
	outcome_must_be(&own, ref, &w);
	if (s->talk && !json_equal(own.talk, ref->talk)) {
		cleanup_free char *a = json_text(own.talk), *b = json_text(ref->talk);
		world_fail(&w, "its agents said\n%s\nnot\n%s", a, b);
	}
	world_check(&w);
	if (seed % 20 == 1)
		world_replay_elsewhere(&w);
	world_release(&w);
	outcome_release(&own);
}

int main(int argc, char **argv)
{
	const struct scene *all[SHIPPED_SCENES + FLOW_SCENES + 1] = {NULL};
	for (int i = 0; i < SHIPPED_SCENES; i++)
		all[i] = &shipped_scenes[i];
	for (int i = 0; i < FLOW_SCENES; i++)
		all[SHIPPED_SCENES + i] = &flow_scenes[i];
	return sim_main(argc, argv, "shuffled", all, 100, 20, shuffle);
}
