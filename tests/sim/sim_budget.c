/* A hundred agents in one tree under a budget of a dollar, killed now and then: what is spent, known or unknown, and
 * what is reserved is never more than the limit; reaching it asks a person; a person who extends it lets the run go on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world.h"

int __lsan_is_turned_off(void); /* what a kill leaves in memory is nobody's */
int __lsan_is_turned_off(void)
{
	return 1;
}

static const char flow[] =
	"return function(run)\n"
	"  local list = {}\n"
	"  for i = 1, 99 do list[i] = i end\n"
	"  local lead = agent { role = 'lead', task = 'lead', on = {\n"
	"    fan = { summary = 's', schema = { type = 'object', properties = {} }, run = function()\n"
	"      local done = 0\n"
	"      parallel(list, function(i)\n"
	"        local a = agent { role = 'worker', task = 'part ' .. i }\n"
	"        if a.status == 'done' then done = done + 1 end\n"
	"      end)\n"
	"      return 'done ' .. done\n"
	"    end } } }\n"
	"  return lead.result\n"
	"end\n";

#define C(name, args) "[{\"name\":\"" name "\",\"arguments\":" args "}]"
static const struct line lines[] = {
	{"lead", NULL, C("fan", "{}"), NULL},
	{"lead", NULL, C("finish", "{\"result\":\"led\"}"), NULL},
	{"worker", NULL, C("note", "{\"key\":\"k\",\"value\":\"v\"}"), NULL},
	{"worker", NULL, C("list", "{}"), NULL},
	{"worker", NULL, C("finish", "{\"result\":\"ok\"}"), NULL},
	{NULL},
};

static const char *extend(const char *name, int nth)
{
	(void)nth;
	return !strcmp(name, "budget") ? "{\"option\":\"extend\",\"text\":\"0.5\"}" : NULL;
}

static const struct scene budget_scene = {.name = "budget",
	.mode = "budget",
	.flow = flow,
	.roles = "lead worker",
	.lines = lines,
	.request = "{\"budget_usd\":1.0}",
	.answer = extend};

struct purse {
	struct world *w;
	double limit, spent, reserved;
	struct map open; /* agent → its reservation */
	int reached, opened, extended, agents;
};

static void settle(struct purse *p, const char *agent, double usd)
{
	double *d = map_get(&p->open, span_of(agent));
	p->spent += usd;
	if (d) {
		p->reserved -= *d;
		*d = 0;
	}
}

static void reserve(struct purse *p, const char *agent, double usd)
{
	struct err e = ERR_INIT;
	double *d = map_get(&p->open, span_of(agent));
	if (!d && (!(d = mem_calloc(1, sizeof(*d))) || map_set(&p->open, span_of(agent), d, NULL, &e)))
		world_fail(p->w, "no memory");
	p->reserved += usd - *d;
	*d = usd;
}

static void spend(void *ctx, const struct event *ev, const json_t *data)
{
	struct purse *p = ctx;
	const char *agent = json_str(data, "agent");
	switch (ev->type) {
	case EVENT_AGENT_STARTED:
		p->agents++;
		break;
	case EVENT_MODEL_REQUESTED:
		reserve(p, agent, json_num(data, "reserved", 0));
		break;
	case EVENT_MODEL_ANSWERED:
	case EVENT_MODEL_FAILED:
		settle(p, agent, json_num(data, "usd", 0) + json_num(data, "usd_unknown", 0));
		break;
	case EVENT_BUDGET_REACHED:
		p->reached++;
		break;
	case EVENT_ACTION_OPENED:
		p->opened += !strcmp(json_str(data, "kind"), "budget");
		break;
	case EVENT_ACTION_RESOLVED:
		p->limit += atof(json_str(data, "text"));
		p->extended++;
		break;
	default:
		break;
	}
	if (p->spent + p->reserved > p->limit + 1e-6)
		world_fail(p->w, "at event %lld %f are spent and %f reserved of %f", (long long)ev->seq, p->spent,
			p->reserved, p->limit);
}

static void budget(const struct scene *s, uint64_t seed)
{
	struct world w;
	world_init(&w, s, seed, false);
	w.kills = (int)rng_below(&w.rng, 8);
	world_start(&w);
	world_finish(&w);
	struct purse p = {.w = &w, .limit = 1.0};
	map_init(&p.open, 1000);
	world_events(&w, spend, &p);
	map_release(&p.open, mem_free);
	if (p.agents != 100 || !p.reached || !p.opened || !p.extended)
		world_fail(&w, "%d agents, the budget reached %d times, asked %d times, extended %d times", p.agents,
			p.reached, p.opened, p.extended);
	world_check(&w);
	world_release(&w);
}

int main(int argc, char **argv)
{
	const struct scene *all[] = {&budget_scene, NULL};
	return sim_main(argc, argv, "under a budget", all, 40, 20, budget);
}
