/* Every flow under shuffled orders of completion: what it promises is the same, and each run replays, here and in
 * another process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world.h"

struct outcome {
	const struct scene *scene;
	char *tree, *end;
	json_t *talk;
};

static void run(struct world *w, const struct scene *s, uint64_t seed, bool plain, struct outcome *out)
{
	world_init(w, s, seed, plain);
	world_start(w);
	world_finish(w);
	*out = (struct outcome){.scene = s, .tree = world_tree(w), .end = world_end(w), .talk = world_talk(w)};
}

static void outcome_release(struct outcome *o)
{
	mem_free(o->tree);
	mem_free(o->end);
	json_decref(o->talk);
}

static const struct outcome *reference(const struct scene *s)
{
	static struct outcome ref;
	if (ref.scene == s)
		return &ref;
	struct world w;
	run(&w, s, 0, true, &ref);
	world_check(&w);
	if (s->evidence && !strstr(ref.end, s->evidence))
		world_fail(&w, "the reference ends with %s", ref.end);
	world_release(&w);
	return &ref;
}

static void shuffle(const struct scene *s, uint64_t seed)
{
	const struct outcome *ref = reference(s);
	struct outcome own;
	struct world w;
	run(&w, s, seed, false, &own);
	if (strcmp(own.tree, ref->tree))
		world_fail(&w, "its files are\n%s\nnot\n%s", own.tree, ref->tree);
	if (strcmp(own.end, ref->end))
		world_fail(&w, "its end is\n%s\nnot\n%s", own.end, ref->end);
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
