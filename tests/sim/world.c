#include "world.h"

#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"

#define TURNS_MAX 400000
#define WALL 1790000000000000 /* where every world's time begins */

struct world *the_world;
extern char **environ;

/* ---- what goes wrong ---- */

/* The last events, or all. */
static void show(void *ctx, const struct event *ev, const json_t *data)
{
	const int64_t *head = ctx;
	(void)data;
	if (getenv("MUSTER_JOURNAL") || ev->seq + 40 > *head)
		fprintf(stderr, "%5lld %-16s %.300s\n", (long long)ev->seq, event_kinds[ev->type].type,
			blob_span(ev->data).p);
}

_Noreturn void world_fail(struct world *w, const char *fmt, ...)
{
	static bool failing;
	va_list ap;
	struct err e = ERR_INIT;
	char stream[80];
	if (failing)
		_exit(1);
	failing = true;
	w->armed = false;
	fault_disarm();
	snprintf(stream, sizeof(stream), "run/%s", w->id);
	if (w->store && *w->id) {
		int64_t head = store_head(w->store, stream, &e);
		world_events(w, show, &head);
	}
	fprintf(stderr, "MUSTER_SEED=%llu MUSTER_SCENE=%s: ", (unsigned long long)w->seed, w->scene->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n(%d kills so far; files in %s)\n", w->killed, w->root);
	_exit(1);
}

/* ---- hooks, put in place by the linker (--wrap) ---- */

void world_visit(enum spot s)
{
	struct world *w = the_world;
	if (!w || !w->armed || s != w->spot || --w->left > 0)
		return;
	w->armed = false;
	longjmp(w->killed_here, 1);
}

int __real_store_append(struct store *s, const struct append *a, struct err *e);
int __wrap_store_append(struct store *s, const struct append *a, struct err *e);
int __wrap_store_append(struct store *s, const struct append *a, struct err *e)
{
	world_visit(SPOT_APPEND);
	int rc = __real_store_append(s, a, e);
	world_visit(SPOT_APPENDED);
	return rc;
}

int __real_store_put_blobs(struct store *s, const struct store_blob *blobs, size_t count, struct err *e);
int __wrap_store_put_blobs(struct store *s, const struct store_blob *blobs, size_t count, struct err *e);
int __wrap_store_put_blobs(struct store *s, const struct store_blob *blobs, size_t count, struct err *e)
{
	world_visit(SPOT_BLOBS);
	int rc = __real_store_put_blobs(s, blobs, count, e);
	world_visit(SPOT_BLOBS);
	return rc;
}

/* Files are stamped by the kernel's clock, which no seed knows: as if all had changed just now, all are read again. */
int __real_clock_gettime(clockid_t id, struct timespec *out);
int __wrap_clock_gettime(clockid_t id, struct timespec *out);
int __wrap_clock_gettime(clockid_t id, struct timespec *out)
{
	if (id != CLOCK_REALTIME_COARSE)
		return __real_clock_gettime(id, out);
	*out = (struct timespec){0};
	return 0;
}

/* Every call of the operating system on files comes by here while a kill there is planned. */
bool __wrap_fault_count(enum fault_kind kind);
bool __wrap_fault_count(enum fault_kind kind)
{
	if (kind != FAULT_IO)
		return false;
	world_visit(SPOT_IO);
	return the_world && the_world->io_fails && the_world->io_fails(the_world);
}

/* Chance of its own for each seed, so that a seed is one story. */
void __real_crypt_random(void *out, size_t n);
void __wrap_crypt_random(void *out, size_t n);
void __wrap_crypt_random(void *out, size_t n)
{
	uint8_t *p = out;
	if (!the_world) {
		__real_crypt_random(out, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rng_next(&the_world->rng);
}

/* ---- making ---- */

static void path_of(const struct world *w, const char *name, char out[512])
{
	snprintf(out, 512, "%s/%s", w->root, name);
}

static void put_file(struct world *w, const char *name, const char *text)
{
	char path[512], dir[512];
	struct err e = ERR_INIT;
	path_of(w, name, path);
	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	world_must(w, fs_mkdirs(dir, 0755, &e), &e);
	world_must(w, fs_replace(path, span_of(text), 0644, &e), &e);
}

static void put_role(struct world *w, const char *id)
{
	char name[128];
	cleanup_free char *text =
		mem_printf("---\nid: %s\nname: %s\nclass: fast\ntools: [read_file, write_file, "
			   "edit_file, delete_path, list, glob, search, "
			   "shell, run_tests, note, ask_human, plan, finish]\nlanguage: coder\nlimits: {turns: 60, "
			   "output_tokens: 1000}\n---\nYou work.\n",
			id, id);
	snprintf(name, sizeof(name), "roles/%s.md", id);
	put_file(w, name, text);
}

static void put_mode(struct world *w, const char *id, const char *flow, const char *roles, const char *calls)
{
	char name[128];
	snprintf(name, sizeof(name), "modes/%s/flow.lua", id);
	put_file(w, name, flow);
	cleanup_free char *yaml = mem_printf("id: %s\nname: %s\ndescription: A test.\nengine: planning\ncategory: "
					     "test\ninputs:\n  - {name: task, type: text, label: Task}\nroles: "
					     "[%s]\ncalls: [%s]\ngates: [plan]\n",
		id, id, roles, calls);
	snprintf(name, sizeof(name), "modes/%s/mode.yaml", id);
	put_file(w, name, yaml);
}

/* The scene's own mode, the one that it calls, and their roles. */
static void put_modes(struct world *w)
{
	const struct scene *s = w->scene;
	char list[512], *save, *role;
	cleanup_buf struct buf roles = BUF_INIT(4096);
	snprintf(list, sizeof(list), "%s", s->roles);
	for (role = strtok_r(list, " ", &save); role; role = strtok_r(NULL, " ", &save)) {
		put_role(w, role);
		buf_addf(&roles, "%s%s", roles.len ? ", " : "", role);
	}
	put_mode(w, s->mode, s->flow, roles.data, s->called ? "inner" : "");
	if (s->called)
		put_mode(w, "inner", s->called, roles.data, "");
}

static void boot(struct world *w, struct store *from, int64_t wall)
{
	struct err e = ERR_INIT;
	char data[512], modes[512], roles[512];
	path_of(w, "data", data);
	path_of(w, "modes", modes);
	path_of(w, "roles", roles);
	if (!w->scene->flow) {
		snprintf(modes, sizeof(modes), "%s/modes", getenv("MUSTER_SOURCE"));
		snprintf(roles, sizeof(roles), "%s/roles", getenv("MUSTER_SOURCE"));
	}
	list_init(&w->thinking);
	w->reached = 0;
	w->loop = loop_new_sim(rng_next(&w->rng), wall, &e);
	w->store = w->loop ? clone_store(from, w->loop, w->key, &e) : NULL;
	struct llm_options lo = {.loop = w->loop, .allow_local = true};
	w->llm = w->store ? llm_new(&lo, &e) : NULL;
	struct house_options ho = {.loop = w->loop,
		.store = w->store,
		.llm = w->llm,
		.data_dir = data,
		.modes_dir = modes,
		.roles_dir = roles,
		.settings = w->settings,
		.user = "sim",
		.passivate = w->passivate,
		.exec = hands_exec};
	w->house = w->llm ? house_new(&ho, &e) : NULL;
	if (!w->house)
		world_fail(w, "booting: %s", e.text);
}

/* The path comes into the journal: it is the same for a seed, unless another process has that one just now. */
static void make_root(struct world *w, const char *under)
{
	for (char c = 'a'; c <= 'z'; c++) {
		snprintf(w->root, sizeof(w->root), "%s/muster-sim-%s-%llu%c", under, w->scene->name,
			(unsigned long long)w->seed, c);
		if (!mkdir(w->root, 0755))
			return;
	}
	world_fail(w, "making %s: %s", w->root, strerror(errno));
}

void world_init(struct world *w, const struct scene *s, uint64_t seed, bool plain)
{
	struct err e = ERR_INIT;
	memset(w, 0, sizeof(*w));
	json_setup();
	if (crypt_setup(&e))
		world_fail(w, "%s", e.text);
	*w = (struct world){.scene = s, .seed = seed, .rng.state = seed * 2 + plain, .plain = plain};
	const char *tmp = getenv("MUSTER_SIM_DIR");
	make_root(w, tmp ? tmp : !access("/dev/shm", W_OK) ? "/dev/shm" : "/tmp");
	memset(w->key, 7, sizeof(w->key));
	map_init(&w->done, 100000);
	map_init(&w->faulted, 100000);
	the_world = w;
	w->passivate = !plain && !rng_below(&w->rng, 3);
	w->model_faults = plain ? 0 : 40;
	put_file(w, "data/here", "");
	put_file(w, "script.jsonl",
		"{\"recording\":{\"v\":1,\"prices\":{\"input\":100,\"output\":10,\"date\":\"2026-01-01\",\"source\":"
		"\"sim\"}}}\n");
	if (s->flow)
		put_modes(w);
	boot(w, NULL, WALL);
}

void world_start(struct world *w)
{
	struct err e = ERR_INIT;
	char project[512], model[600];
	path_of(w, "project", project);
	snprintf(model, sizeof(model), "script:%s/script.jsonl", w->root);
	json_t *q = json_parse(span_of(w->scene->request ? w->scene->request : "{}"), "the request", &e);
	if (!q)
		world_fail(w, "%s", e.text);
	json_object_set_new(q, "mode", json_string(w->scene->mode));
	json_object_set_new(q, "project", json_string(project));
	json_object_set_new(q, "model", json_string(model));
	if (!json_get(q, "inputs"))
		json_object_set_new(q, "inputs", json_object());
	world_must(w, house_create(w->house, q, w->id, &e), &e);
	json_decref(q);
	world_must(w, house_resume(w->house, w->id, &e), &e);
}

/* ---- being killed ---- */

/* Plan the next kill: first how far this life goes, then what it is doing there. */
static void arm(struct world *w)
{
	static const int64_t often[SPOTS] = {[SPOT_TURN] = 400,
		[SPOT_APPEND] = 60,
		[SPOT_APPENDED] = 60,
		[SPOT_BLOBS] = 20,
		[SPOT_COMMAND] = 10,
		[SPOT_COMMANDED] = 10,
		[SPOT_IO] = 1500,
		[SPOT_MODEL] = 30};
	if (!w->kills)
		return;
	w->kills--;
	w->spot = (enum spot)rng_below(&w->rng, SPOTS);
	w->left = 1 + (int64_t)rng_below(&w->rng, ((uint64_t)often[w->spot] >> rng_below(&w->rng, 6)) + 1);
	w->armed = true;
	if (w->spot == SPOT_IO)
		fault_arm(FAULT_IO, UINT64_MAX, false);
}

static void up_again(struct world *w);

/* The run goes on; the new process may be killed while it recovers. */
static void resume(struct world *w, void *ctx)
{
	struct err e = ERR_INIT;
	char state[16];
	(void)ctx;
	if (w->back) {
		w->back(w);
		return;
	}
	world_state(w, state);
	bool ended = !strcmp(state, "completed") || !strcmp(state, "cancelled") ||
		     (w->scene->fails && !strcmp(state, "failed"));
	if (!ended && strcmp(state, "paused"))
		world_must(w, house_resume(w->house, w->id, &e), &e);
}

void world_kill(struct world *w)
{
	struct store *old = w->store;
	w->armed = false;
	fault_disarm();
	w->killed++;
	sim_killed();
	int64_t wall = clock_wall(loop_clock(w->loop)) + (int64_t)rng_below(&w->rng, 3600u) * 1000000;
	boot(w, old, wall);
	up_again(w);
}

static void up_again(struct world *w)
{
	arm(w);
	if (setjmp(w->killed_here)) {
		world_kill(w);
		return;
	}
	resume(w, NULL);
}

bool world_try(struct world *w, void (*fn)(struct world *w, void *ctx), void *ctx)
{
	if (!w->armed)
		arm(w);
	if (setjmp(w->killed_here)) {
		world_kill(w);
		return false;
	}
	fn(w, ctx);
	return true;
}

/* ---- going on ---- */

void world_state(struct world *w, char out[16])
{
	struct err e = ERR_INIT;
	cleanup_json json_t *row = store_run(w->store, w->id, &e);
	if (!row)
		world_fail(w, "the run's row: %s", e.text);
	snprintf(out, 16, "%s", json_str(row, "state"));
}

/* The person answers one of the open actions. */
static void person(struct world *w)
{
	struct err e = ERR_INIT;
	if (!w->scene->answer)
		return;
	cleanup_json json_t *which = json_pack("{s:s, s:s}", "run", w->id, "state", "open");
	cleanup_json json_t *open = store_actions(w->store, which, -1, &e);
	if (!json_array_size(open))
		return;
	size_t pick = w->plain ? json_array_size(open) - 1 : rng_below(&w->rng, json_array_size(open));
	const json_t *row = json_array_get(open, pick);
	cleanup_json json_t *past =
		json_pack("{s:s, s:s, s:s}", "run", w->id, "state", "resolved", "name", json_str(row, "name"));
	cleanup_json json_t *before = store_actions(w->store, past, -1, &e);
	const char *said = w->scene->answer(json_str(row, "name"), (int)json_array_size(before));
	if (!said)
		return;
	cleanup_json json_t *command = json_parse(span_of(said), "an answer", &e);
	if (!command)
		world_fail(w, "%s", e.text);
	json_object_set_new(command, "kind", json_string("answer"));
	json_object_set(command, "action", json_get(row, "action"));
	json_object_set_new(command, "by", json_string("ada"));
	if (house_command(w->house, w->id, command, 0, &e) && e.code != ERR_CONFLICT)
		world_fail(w, "answering %s: %s", json_str(row, "name"), e.text);
}

static void turn(struct world *w, void *ctx)
{
	(void)ctx;
	world_visit(SPOT_TURN);
	brain_think(w, false);
	if (w->plain ? w->turns % 16 == 0 : !rng_below(&w->rng, 12))
		person(w);
	if (w->meddle)
		w->meddle(w);
	loop_turn(w->loop, -1);
	struct run *r = house_run(w->house, w->id);
	if (r && run_broken(r)->code != ERR_OK)
		world_fail(w, "the run broke: %s", run_broken(r)->text);
}

void world_turn(struct world *w)
{
	w->turns++;
	w->reached++;
	world_try(w, turn, NULL);
	if (w->reached > TURNS_MAX)
		world_fail(w, "the run is stuck");
}

static bool at_rest(struct world *w)
{
	const char *wanted = w->scene->fails ? "failed" : "completed";
	char state[16];
	struct run *r = house_run(w->house, w->id);
	if (r && !run_quiet(r))
		return false;
	if (r)
		snprintf(state, sizeof(state), "%s", run_state(r));
	else
		world_state(w, state);
	return !strcmp(state, wanted) || (w->ends_anyhow && !strcmp(state, "cancelled"));
}

void world_finish(struct world *w)
{
	while (!at_rest(w)) {
		struct run *r = house_run(w->house, w->id);
		if (r && !w->scene->fails && !strcmp(run_state(r), "failed"))
			world_fail(w, "the run failed: %s", run_error(r)->text);
		world_turn(w);
	}
	w->armed = false;
	fault_disarm();
	world_settle(w);
}

void world_settle(struct world *w)
{
	for (int i = 0; i < 200; i++) {
		brain_think(w, true);
		loop_turn(w->loop, 0);
	}
}

/* ---- looking ---- */

void world_events(struct world *w, void (*each)(void *ctx, const struct event *ev, const json_t *data), void *ctx)
{
	struct event ev[64];
	struct err e = ERR_INIT;
	char stream[80];
	int64_t after = 0;
	int got;
	snprintf(stream, sizeof(stream), "run/%s", w->id);
	while ((got = store_read(w->store, stream, after, ev, 64, &e)) > 0)
		for (int i = 0; i < got; i++) {
			cleanup_json json_t *data = event_data(&ev[i], &e);
			each(ctx, &ev[i], data);
			after = ev[i].seq;
			event_release(&ev[i]);
		}
	if (got < 0)
		world_fail(w, "reading the journal: %s", e.text);
}

struct pick {
	struct rng *rng;
	char *agent;
	uint64_t seen;
};

static void take_agent(void *ctx, const struct event *ev, const json_t *data)
{
	struct pick *p = ctx;
	if (ev->type == EVENT_AGENT_STARTED && !rng_below(p->rng, ++p->seen))
		snprintf(p->agent, 64, "%s", json_str(data, "agent"));
}

void world_some_agent(struct world *w, char out[64])
{
	struct pick p = {.rng = &w->rng, .agent = out};
	snprintf(out, 64, "0");
	world_events(w, take_agent, &p);
}

static void closed(void *ctx)
{
	*(bool *)ctx = true;
}

void world_check(struct world *w)
{
	struct err e = ERR_INIT;
	struct store_verified v;
	char stream[80];
	world_must(w, store_verify(w->store, NULL, &v, &e), &e);
	snprintf(stream, sizeof(stream), "run/%s", w->id);
	int64_t head = store_head(w->store, stream, &e), matched = run_replay(w->house, w->id, &e);
	if (matched != head)
		world_fail(
			w, "the replay matched %lld of %lld events: %s", (long long)matched, (long long)head, e.text);
	world_settle(w);
}

void world_replay_elsewhere(struct world *w)
{
	struct err e = ERR_INIT;
	char data[512], root[512];
	path_of(w, "elsewhere", data);
	snprintf(root, sizeof(root), "%s", w->root);
	struct loop *l = loop_new(&e);
	struct store_options o = {.dir = data, .access = STORE_OWN, .chain_key = w->key, .no_sync = true};
	struct store *s = l ? store_open(l, &o, &e) : NULL;
	if (!s || clone_export(w->store, s, w->id, &e))
		world_fail(w, "exporting: %s", e.text);
	store_close(s);
	for (int i = 0; i < 100 && loop_turn(l, 0); i++)
		;
	loop_free(l);
	char self[] = "/proc/self/exe", flag[] = "--replay", *argv[] = {self, flag, root, w->id, NULL};
	pid_t child;
	int status;
	if (posix_spawn(&child, argv[0], NULL, NULL, argv, environ) || waitpid(child, &status, 0) != child)
		world_fail(w, "cannot start a second process");
	if (status)
		world_fail(w, "the replay in another process differs (its status is %d)", status);
}

void world_release(struct world *w)
{
	bool done = false;
	struct err e = ERR_INIT;
	house_close(w->house, closed, &done);
	for (int i = 0; i < 10000 && !done; i++) {
		brain_think(w, true);
		loop_turn(w->loop, 10);
	}
	if (!done)
		world_fail(w, "the house does not close");
	store_close(w->store);
	llm_free(w->llm);
	for (int i = 0; i < 1000 && loop_turn(w->loop, 0); i++)
		;
	loop_free(w->loop);
	map_release(&w->done, mem_free);
	map_release(&w->faulted, mem_free);
	json_decref(w->settings);
	world_must(w, fs_remove_tree(w->root, &e), &e);
	the_world = NULL;
}
