/* Everything at once, from one seed (storm.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/private.h"
#include "storm.h"

#define CALM_TURNS 8000

int __lsan_is_turned_off(void); /* what a kill leaves in memory is nobody's */
int __lsan_is_turned_off(void)
{
	return 1;
}

/* ---- the runs ---- */

void storm_each(struct storm *s, void (*fn)(struct storm *s, int run))
{
	struct world *w = s->w;
	for (int i = 0; i < s->run_count; i++) {
		snprintf(w->id, sizeof(w->id), "%s", s->runs[i]);
		fn(s, i);
	}
	snprintf(w->id, sizeof(w->id), "%s", s->runs[0]);
}

void storm_state(struct storm *s, int run, char out[16])
{
	struct world *w = s->w;
	snprintf(w->id, sizeof(w->id), "%s", s->runs[run]);
	world_state(w, out);
	snprintf(w->id, sizeof(w->id), "%s", s->runs[0]);
}

/* What waits, waits for something that can be named, and that people can see. */
static void settled(void *ctx, struct run *r)
{
	struct storm *s = ctx;
	struct err e = ERR_INIT;
	const char *on = run_waits_on(r);
	if (!on || run_broken(r)->code != ERR_OK)
		return;
	cleanup_json json_t *which = json_pack("{s:s, s:s}", "run", run_id(r), "state", "open");
	cleanup_json json_t *open = store_actions(s->w->store, which, -1, &e);
	bool timer = !strcmp(on, "timer");
	if (timer ? run_wakes_in(r, 0) < 0 || json_array_size(open) : !json_array_size(open))
		world_fail(s->w, "run %s waits for a %s and there is none; %zu actions are open", run_id(r), on,
			json_array_size(open));
}

static void open_run(struct storm *s, int run)
{
	struct err e = ERR_INIT;
	char state[16];
	s->reopen[run] = false;
	world_state(s->w, state);
	if (!strcmp(state, "completed") || !strcmp(state, "cancelled") || !strcmp(state, "paused") ||
		!strcmp(state, "failed"))
		return; /* commands open these */
	if (!house_resume(s->w->house, s->w->id, &e))
		return;
	if (!s->disturbed)
		world_fail(s->w, "run %s cannot be resumed: %s", s->w->id, e.text);
	s->reopen[run] = true;
}

static void begin_life(struct storm *s)
{
	s->disturbed = s->lost_commit = false;
	s->io_left = 0;
	storm_break(s);
	house_watch(s->w->house, settled, s);
}

static void back(struct world *w)
{
	begin_life(w->storm);
	storm_find_forks(w->storm);
	storm_each(w->storm, open_run);
}

/* ---- one turn ---- */

static void turn(struct world *w, void *ctx)
{
	struct storm *s = ctx;
	world_visit(SPOT_TURN);
	storm_weather(s);
	brain_think(w, false);
	if (!rng_below(&w->rng, 10))
		storm_people(s);
	if (s->calm || !rng_below(&w->rng, 4))
		storm_take_orders(s);
	for (int i = 0; i < s->run_count; i++)
		if (s->reopen[i])
			storm_each(s, open_run);
	loop_turn(w->loop, -1);
}

struct giving_up {
	struct release op;
	bool done;
};

static void given_up(struct release *op)
{
	container_of(op, struct giving_up, op)->done = true;
}

/* What broke in this process: the process starts anew, or it gives up the run and opens it again; it may be killed
 * then, too. */
static void mend(struct world *w, void *ctx)
{
	struct storm *s = ctx;
	bool dead = w->store->writer.failed.code != ERR_OK;
	for (int i = 0; i < s->run_count && !dead; i++) {
		struct run *r = house_run(w->house, s->runs[i]);
		if (!r || run_broken(r)->code == ERR_OK)
			continue;
		if (!s->disturbed)
			world_fail(w, "run %s broke: %s", s->runs[i], run_broken(r)->text);
		dead = !rng_below(&w->rng, 2);
		struct giving_up g = {.done = false, .op.cb = given_up};
		if (dead || !house_release(w->house, s->runs[i], &g.op))
			break;
		for (int k = 0; k < 10000 && !g.done; k++) {
			brain_think(w, true);
			loop_turn(w->loop, 10);
		}
		if (!g.done)
			world_fail(w, "run %s does not close", s->runs[i]);
		s->reopen[i] = true;
	}
	if (dead)
		world_kill(w);
}

static void storm_turn(struct storm *s)
{
	struct world *w = s->w;
	w->turns++;
	world_try(w, turn, s);
	fault_disarm();
	if (w->armed && w->spot == SPOT_IO)
		fault_arm(FAULT_IO, UINT64_MAX, false);
	world_try(w, mend, s);
}

/* ---- the story ---- */

static bool all_over(struct storm *s)
{
	struct err e = ERR_INIT;
	for (int i = 0; i < s->run_count; i++) {
		char state[16];
		struct run *r = house_run(s->w->house, s->runs[i]);
		if (r && !run_quiet(r))
			return false;
		storm_state(s, i, state);
		if (r && strcmp(run_state(r), state) != 0) /* not committed yet */
			return false;
		bool failed = !strcmp(state, "failed") && s->resumed[i] >= 3;
		if (strcmp(state, "completed") != 0 && strcmp(state, "cancelled") != 0 && !failed)
			return false;
	}
	for (int i = 0; i < s->order_count; i++)
		if (!s->orders[i].stored)
			return false;
	cleanup_json json_t *left = store_commands(s->w->store, NULL, &e);
	return !json_array_size(left);
}

static void calm_down(struct storm *s)
{
	struct world *w = s->w;
	s->calm = true;
	w->kills = 0;
	w->armed = false;
	fault_disarm();
	if (s->disturbed)
		world_kill(w); /* somebody mends the disk and starts it again */
	for (int i = 0; !all_over(s); i++) {
		storm_turn(s);
		if (i < CALM_TURNS)
			continue;
		for (int k = 0; k < s->run_count; k++) {
			char state[16];
			storm_state(s, k, state);
			fprintf(stderr, "run %s is %s\n", s->runs[k], state);
			if (strcmp(state, "completed") != 0 && strcmp(state, "cancelled") != 0)
				memcpy(w->id, s->runs[k], ID_TEXT); /* whose events are shown */
		}
		world_fail(w, "it comes to no end");
	}
}

static char *request(struct rng *rng)
{
	cleanup_json json_t *plan = storm_plan(rng);
	char *task = json_text(plan);
	cleanup_json json_t *q = json_pack("{s:{s:s}, s:[s], s:[{s:s}, {s:s}]}", "inputs", "task", task, "gates_off",
		"off", "policy", "ask", rng_below(rng, 3) ? "shell(git *)" : "shell(*)", "deny", "delete_path(a/*)");
	if (rng_below(rng, 2))
		json_put(q, "budget_usd", json_real(0.2 + (double)rng_below(rng, 30) / 10));
	mem_free(task);
	return json_text(q);
}

static const char *flow_text(void)
{
	static struct buf text;
	struct err e = ERR_INIT;
	if (text.data)
		return text.data;
	cleanup_free char *path = mem_printf("%s/tests/sim/storm.lua", getenv("MUSTER_SOURCE"));
	buf_init(&text, 1 << 20);
	if (fs_read(path, &text, &e)) {
		fprintf(stderr, "%s\n", e.text);
		_exit(1);
	}
	return text.data;
}

static void tell(const struct scene *form, uint64_t seed, char journal[HASH_HEX])
{
	struct world w;
	struct rng rng = {.state = seed};
	struct storm *s = MEM_NEW(struct storm);
	struct scene scene = *form;
	scene.flow = scene.called = flow_text();
	cleanup_free char *asked = request(&rng);
	scene.request = asked;
	world_init(&w, &scene, seed, false);
	s->w = &w;
	s->calm = true;
	s->rough = 2 + (int)rng_below(&rng, 12);
	map_init(&s->did, 100000);
	w.storm = s;
	w.back = back;
	w.asked = storm_asked;
	w.think = storm_think;
	w.hand = storm_hand;
	w.io_fails = storm_io;
	world_start(&w);
	snprintf(s->runs[s->run_count++], ID_TEXT, "%s", w.id);
	begin_life(s);
	w.kills = (int)rng_below(&rng, 8);
	s->calm = false;
	for (int turns = (int)rng_below(&rng, 1500); turns > 0 && (turns % 16 || !all_over(s)); turns--)
		storm_turn(s);
	calm_down(s);
	world_settle(&w);
	storm_check(s);
	storm_hash(s, journal);
	if (getenv("MUSTER_SEED")) {
		const int64_t *n = s->faults;
		printf("# seed %llu: %lld turns, %d kills, %d runs, %d orders, faults of models %lld, connections "
		       "%lld, "
		       "journal %lld, files %lld, commands %lld, clock %lld; journal %s\n",
			(unsigned long long)seed, (long long)w.turns, w.killed, s->run_count, s->order_count,
			(long long)n[STORM_MODEL], (long long)n[STORM_CONNECTION], (long long)n[STORM_JOURNAL],
			(long long)n[STORM_FILES], (long long)n[STORM_COMMAND], (long long)n[STORM_CLOCK], journal);
		fflush(stdout);
	}
	if (seed % 50 == 1)
		world_replay_elsewhere(&w);
	world_release(&w);
	map_release(&s->did, mem_free);
	for (int i = 0; i < s->order_count; i++)
		json_decref(s->orders[i].command);
	mem_free(s);
}

/* Some are told twice, first in another process that begins as this one does. */
static void storm(const struct scene *form, uint64_t seed)
{
	static char *first; /* shared with that process */
	char journal[HASH_HEX];
	int status = 0;
	if (!first)
		first = mmap(NULL, HASH_HEX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool twice = seed % 50 == 1 && first != MAP_FAILED;
	pid_t child = twice ? fork() : -1;
	if (twice && !child) {
		alarm(SIM_SECONDS);
		tell(form, seed, first);
		_exit(0);
	}
	if (twice && (waitpid(child, &status, 0) != child || status))
		_exit(1);
	tell(form, seed, journal);
	if (twice && strcmp(journal, first) != 0) {
		fprintf(stderr, "MUSTER_SEED=%llu: told twice its journals are %s and %s\n", (unsigned long long)seed,
			first, journal);
		_exit(1);
	}
}

int main(int argc, char **argv)
{
	static const struct scene form = {.name = "storm", .mode = "storm", .roles = "worker lead other"};
	const struct scene *all[] = {&form, NULL};
	return sim_main(argc, argv, "in a storm", all, 1000, 1, storm);
}
