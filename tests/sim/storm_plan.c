/* storm_plan: the flow of a storm, as the plan that storm.lua walks. */
#include <string.h>

#include "storm.h"

struct plan {
	struct rng *rng;
	int steps; /* made */
};

static int chance(struct plan *p, int of)
{
	return !rng_below(p->rng, (uint64_t)of);
}

static json_t *block(struct plan *p, int depth, int most);

static void set_agent(struct plan *p, json_t *s, int depth)
{
	static const char *const checks[] = {"none", "none", "none", "run", "pass"};
	bool directive = chance(p, 4);
	json_put(s, "role", json_string(chance(p, 4) ? "lead" : "worker"));
	json_put(s, "check", json_string(checks[rng_below(p->rng, 5)]));
	json_put(s, "turns", json_integer(2 + (json_int_t)rng_below(p->rng, 10)));
	if (directive) {
		json_put(s, "dialect", json_string("directive"));
		json_put(s, "file", json_string("own/file.txt"));
	} else if (depth < 2 && chance(p, 4)) {
		json_put(s, "body", block(p, depth + 1, 2));
	}
	if (chance(p, 6))
		json_put(s, "picky", json_true());
}

static json_t *step(struct plan *p, int depth)
{
	static const char *const small[] = {"agent", "agent", "agent", "agent", "ask", "gate", "exec", "exec", "again",
		"check", "write", "write", "edit", "read", "remove", "look", "sleep", "chance", "artifact", "commit",
		"plan", "say"};
	static const char *const large[] = {"start", "parallel", "background", "pair", "branch", "call"};
	bool deep = depth < 3 && chance(p, 3);
	const char *op = deep ? large[rng_below(p->rng, sizeof(large) / sizeof(*large))]
			      : small[rng_below(p->rng, sizeof(small) / sizeof(*small))];
	if (chance(p, 60))
		op = "wrong";
	json_t *s = json_pack("{s:s, s:i}", "op", op, "n", ++p->steps);
	if (chance(p, 12))
		json_put(s, "hard", json_true());
	if (!strcmp(op, "agent") || !strcmp(op, "start"))
		set_agent(p, s, depth);
	if (!strcmp(op, "start")) {
		if (chance(p, 2))
			json_put(s, "tell", json_true());
		if (chance(p, 3))
			json_put(s, "stop", json_true());
	}
	if (!strcmp(op, "parallel")) {
		json_t *list = json_array();
		for (uint64_t n = 1 + rng_below(p->rng, 4); n > 0; n--)
			json_array_append_new(list, block(p, depth + 1, 2));
		json_put(s, "list", list);
	} else if (deep) {
		json_put(s, "inside", block(p, depth + 1, 2));
	}
	if (!strcmp(op, "call"))
		json_put(s, "rounds", json_integer(chance(p, 3)));
	if (!strcmp(op, "sleep"))
		json_put(s, "seconds", json_real((double)rng_below(p->rng, chance(p, 3) ? 90000 : 3000) / 1000));
	if (!strcmp(op, "gate"))
		json_put(s, "name", json_string(chance(p, 2) ? "plan" : "off"));
	if (!strcmp(op, "ask") && chance(p, 2))
		json_put(s, "free", json_true());
	return s;
}

static json_t *block(struct plan *p, int depth, int most)
{
	json_t *list = json_array();
	for (uint64_t n = 1 + rng_below(p->rng, (uint64_t)most); n > 0 && p->steps < 30; n--)
		json_array_append_new(list, step(p, depth));
	return list;
}

json_t *storm_plan(struct rng *rng)
{
	struct plan p = {.rng = rng};
	json_t *body = block(&p, 0, 8);
	return json_pack("{s:s, s:i, s:o}", "prefix", "", "rounds", rng_below(rng, 4) ? 0 : (int)rng_below(rng, 3),
		"body", body);
}
