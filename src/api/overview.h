/* overview: what a person wants to know of one run, as a fold of its events: phases, the tree of agents and what each
 * does, tasks, open actions, artifacts, files, checks, money.
 *
 * Pure, but for overview_read. Transient events only touch what is shown for the moment (activity). */
#ifndef MUSTER_API_OVERVIEW_H
#define MUSTER_API_OVERVIEW_H

#include "base/map.h"
#include "store/store.h"

struct seen_agent {
	char id[64];
	char *role, *name, *parent;
	char state[16]; /* started, thinking, working, waiting; then done, failed, stopped, cancelled */
	char *activity; /* what it does right now, "" nothing known */
	char *task;	/* first line of what it was asked */
	char *error;
	int turns;
	double usd;
	int64_t since; /* wall time of the last change */
	bool ended;
};

struct overview {
	char id[ID_TEXT];
	json_t *created; /* payload of run.created; NULL before it came */
	char state[16], waiting_on[16];
	char *phase;
	int64_t began, at; /* wall time of the first and of the newest event */
	int64_t seq;
	struct map agents;    /* id → struct seen_agent, in order of creation */
	json_t *calls;	      /* "agent/call" → {tool, subject}: tool calls under way */
	json_t *steps;	      /* key → command: exec and check calls of the flow under way */
	json_t *tasks;	      /* id → {task, title, role, status, agent} */
	json_t *actions;      /* id → payload of action.opened; those open */
	json_t *artifacts;    /* payloads of artifact.added */
	json_t *files;	      /* path → last change, from snapshots and file tools */
	struct hash files_at; /* their last snapshot; zero before there is one */
	json_t *check;	      /* newest {command, exit, passed}; NULL none */
	int checks, failed_checks;
	double usd, usd_unknown;
	int64_t input, output, cached;
	char *model; /* the one that answered last */
	char *evidence, *merged, *error, *commit;
	bool flow_failed; /* the error is the flow's own: resuming would repeat it */
	json_t *result;	  /* what the flow returned */
	bool failed;	  /* no memory: what is shown may be incomplete */
};

void overview_init(struct overview *o, const char *id);
void overview_release(struct overview *o);
/* Fold one event; data is its parsed payload. */
void overview_event(struct overview *o, const struct event *ev, const json_t *data);
/* Fold all that the journal has of the run. Blocks; any thread. */
int overview_read(struct overview *o, struct store *s, struct err *e);
struct seen_agent *overview_agent(const struct overview *o, const char *id); /* NULL: unknown */
/* All agents as a tree is read, children behind their parent in the order of their numbers. map_count(&o->agents) of
 * them, an array to be freed with mem_free; NULL: no memory. */
const struct seen_agent **overview_tree(const struct overview *o);
/* The same as [{agent, role, name, parent, state, turns, usd, task, error}], and [{task, title, role, status, agent}].
 * NULL: no memory. */
json_t *overview_agents(const struct overview *o);
json_t *overview_tasks(const struct overview *o);
/* How far below a root it stands. */
int overview_depth(const struct overview *o, const struct seen_agent *a);

#endif
