/* world: one simulated house, made from a seed: a simulated loop, the memory store, a model that is a pure function of
 * its conversation (brain.c), commands answered by a table (hands.c), and a person who answers what is asked.
 *
 * A scene says what runs and what is true at its end. From the seed come: the order in which jobs, callbacks and
 * answers of the model end, when the person answers, whether waiting runs are passivated, and where the process is
 * killed. A kill leaves the place it happens at by longjmp and throws away everything but the committed journal, the
 * files and what the world has counted, as SIGKILL would; nothing of the old house ever runs again. */
#ifndef MUSTER_TESTS_SIM_WORLD_H
#define MUSTER_TESTS_SIM_WORLD_H

#include <setjmp.h>

#include "base/crypt.h"
#include "base/id.h"
#include "base/map.h"
#include "flow/house.h"
#include "flow/run.h"

/* What a model says in the k-th step of an agent: lines of the same role and task, in order. */
struct line {
	const char *role;
	const char *task;  /* stands in the agent's first message; NULL: any */
	const char *calls; /* JSON array of {name, arguments}; NULL */
	const char *text;
};

struct scene {
	const char *name;
	const char *mode;	  /* a shipped one, or this scene's own with: */
	const char *flow;	  /* flow.lua; NULL: shipped */
	const char *called;	  /* flow.lua of the mode `inner`, which this one calls; NULL */
	const char *roles;	  /* names of the roles of its own mode, with blanks between */
	const char *request;	  /* JSON: inputs, settings, …; NULL */
	const struct line *lines; /* ends with role NULL */
	/* The answer to the nth (from 0) action of this name as members of a command; NULL: none. */
	const char *(*answer)(const char *name, int nth);
	const char *evidence; /* of run.completed; NULL: any */
	bool fails;	      /* run.failed is the end wanted */
	bool talk;	      /* what agents say and get is the same in every order */
};

/* Where a kill may happen. */
enum spot {
	SPOT_TURN,
	SPOT_APPEND,
	SPOT_APPENDED,
	SPOT_BLOBS,
	SPOT_COMMAND,
	SPOT_COMMANDED,
	SPOT_IO,
	SPOT_MODEL,
	SPOTS
};

struct world {
	const struct scene *scene;
	uint64_t seed;
	struct rng rng;
	bool plain; /* the reference: everything in its order, nobody is killed */
	char root[128];
	struct loop *loop;
	struct store *store;
	struct llm *llm;
	struct house *house;
	uint8_t key[KEY_SIZE];
	char id[ID_TEXT];
	bool passivate;
	struct map done;      /* command line → times it took effect */
	struct list thinking; /* model calls under way */
	int model_faults;     /* one of so many answers is a failure first; 0: none */
	struct map faulted;   /* agent:turn → times */
	json_t *settings;     /* of the house */
	/* kills */
	int kills; /* still to come */
	int killed;
	bool armed;
	enum spot spot;
	int64_t left; /* visits of that spot */
	jmp_buf killed_here;
	int64_t turns;
	int64_t reached; /* turns in this life */
	/* Also in every turn, before the loop's; may be killed. */
	void (*meddle)(struct world *w);
	bool ends_anyhow; /* also cancelled is an end */
	/* Storms (storm.h): what they do instead. NULL: as said above. */
	struct storm *storm;
	void (*back)(struct world *w);					     /* up again after a kill */
	int (*asked)(struct world *w, struct llm_call *c, struct err *e);    /* a call begins; -1: it cannot */
	void (*think)(struct world *w, struct llm_call *c, struct err *why); /* answers it */
	int (*hand)(struct world *w, const char *line, const char *dir, struct buf *output, int *status);
	bool (*io_fails)(struct world *w); /* sets errno */
};

/* Fails with the seed, the scene and the end of the journal. */
_Noreturn void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define world_must(w, call, e)                                                                                         \
	do {                                                                                                           \
		if ((call) != 0)                                                                                       \
			world_fail(w, "%s: %s", #call, (e)->text);                                                     \
	} while (0)

void world_init(struct world *w, const struct scene *s, uint64_t seed, bool plain);
/* Make the run and let it begin. */
void world_start(struct world *w);
/* One turn of the loop and of everything around it; the process may be killed in it, and is up again afterwards. */
void world_turn(struct world *w);
/* Until the run is final (or failed, when the scene wants that) and at rest. */
void world_finish(struct world *w);
/* The run's state as the projections say. */
void world_state(struct world *w, char out[16]);
/* Call fn with kills armed; false: it was killed in the middle and the house is up again. */
bool world_try(struct world *w, void (*fn)(struct world *w, void *ctx), void *ctx);
void world_kill(struct world *w); /* now */
/* Turn until the replay's memory and everything else has come to rest. */
void world_settle(struct world *w);
/* Run, answer, verify the chain and the projections, replay. */
void world_check(struct world *w);
/* Replay in another process: other hash seeds, other addresses, from SQLite. */
void world_replay_elsewhere(struct world *w);
void world_release(struct world *w);

/* Each event of the run: data is borrowed. */
void world_events(struct world *w, void (*each)(void *ctx, const struct event *ev, const json_t *data), void *ctx);
/* Some agent of the run, "0" when it has none yet. */
void world_some_agent(struct world *w, char out[64]);
/* The files of the run's copy as text: path, content. mem_free. */
char *world_tree(struct world *w);
/* Of the last run.completed (or .failed): evidence and result. mem_free. */
char *world_end(struct world *w);
/* {role and task: [{text, calls, results by place}]}: steps that were lost and done again count once; lost results are
 * null. */
json_t *world_talk(struct world *w);

/* What is left of a run that has finished. */
struct outcome {
	char *tree, *end;
	json_t *talk;
};
void outcome_take(struct outcome *o, struct world *w);
void outcome_release(struct outcome *o);
/* Files and end are those of the reference. */
void outcome_must_be(const struct outcome *o, const struct outcome *ref, struct world *w);
/* Of the scene's run in which everything comes in its order; made once, kept while the scene is the same. */
const struct outcome *outcome_reference(const struct scene *s);

/* Called by the hooks; may not return. */
void world_visit(enum spot s);
void sim_killed(void); /* main.c: counts */
extern struct world *the_world;

/* hands.c: commands */
int hands_do(struct world *w, const char *line, const char *dir, struct buf *output); /* its exit status */
int hands_exec(void *ctx, const char *line, const char *dir, struct buf *output, int *status);
/* clone.c: a store with what this one has committed; and the same in a data folder. */
struct store *clone_store(struct store *from, struct loop *l, const uint8_t key[KEY_SIZE], struct err *e);
int clone_export(struct store *from, struct store *to, const char *run, struct err *e);
/* brain.c: the model */
void brain_think(struct world *w, bool all);				 /* let some calls under way end */
int brain_fill(struct llm_call *c, const struct line *l, struct err *e); /* this answer, with its usage */

/* main.c: every seed of every scene, in children of so many seeds (1: nothing of one seed reaches another); a failure
 * prints its seed. MUSTER_SEED=n: only that one; MUSTER_SEEDS=k: k of them from there; MUSTER_SCENE=name: only that.
 * scenes ends with NULL. */
int sim_main(int argc, char **argv, const char *what, const struct scene *const *scenes, int seeds, int together,
	void (*one)(const struct scene *s, uint64_t seed));

enum { SIM_SECONDS = 120 }; /* of one seed */

enum { SHIPPED_SCENES = 4, FLOW_SCENES = 9 };
extern const struct scene shipped_scenes[SHIPPED_SCENES], flow_scenes[FLOW_SCENES], long_scene;

#endif
