/* storm: everything at once, to a story drawn from one seed (fault R12): a random flow with random agents, a model,
 * commands, a journal and a disk that fail at random, kills, people at random moments, clocks that step. After so many
 * turns of the loop comes the calm: nothing fails any more, people answer what is asked, and every run must end. */
#ifndef MUSTER_TESTS_SIM_STORM_H
#define MUSTER_TESTS_SIM_STORM_H

#include "world.h"

enum { STORM_RUNS = 3 }; /* the run and its forks */

enum storm_fault {
	STORM_MODEL,
	STORM_CONNECTION,
	STORM_JOURNAL,
	STORM_FILES,
	STORM_COMMAND,
	STORM_CLOCK,
	STORM_FAULTS
};

/* A command that somebody gave. */
struct order {
	char id[24]; /* its `by`, too: so its event is found */
	char stream[80];
	json_t *command;
	bool stored;	  /* the store has taken it */
	bool accepted;	  /* when a run saw it last */
	bool may_be_moot; /* what it asks for may be the case already */
	int seen;	  /* events of it */
};

struct storm {
	struct world *w;
	bool calm;
	char runs[STORM_RUNS][ID_TEXT];
	int run_count;
	bool reopen[STORM_RUNS]; /* given up in memory: to be opened again */
	int resumed[STORM_RUNS]; /* times, in the calm */
	int64_t tokens;		 /* of agents' commands */
	struct map did;		 /* folder and command → times it took effect */
	struct order orders[400];
	int order_count;
	/* faults */
	bool disturbed;		   /* in this life of the process something failed on purpose */
	bool lost_commit;	   /* the commit under way fails */
	int64_t io_after, io_left; /* so many calls on files go well, so many then fail */
	int io_errno;
	int rough;		      /* one of so many goes wrong */
	int64_t faults[STORM_FAULTS]; /* how many there were */
};

/* sim_storm.c: the state of a run as the projections say; calls fn with w->id as that run. */
void storm_state(struct storm *s, int run, char out[16]);
void storm_each(struct storm *s, void (*fn)(struct storm *s, int run));
/* storm_plan.c: the flow. */
json_t *storm_plan(struct rng *rng);
/* storm_model.c */
void storm_think(struct world *w, struct llm_call *c, struct err *why);
/* storm_faults.c */
void storm_break(struct storm *s);   /* the journal of this life fails at random */
void storm_weather(struct storm *s); /* disk, clock */
bool storm_io(struct world *w);
int storm_hand(struct world *w, const char *line, const char *dir, struct buf *output, int *status);
int storm_asked(struct world *w, struct llm_call *c, struct err *e);
/* storm_people.c */
void storm_people(struct storm *s);
void storm_find_forks(struct storm *s);
void storm_take_orders(struct storm *s); /* what was stored goes to the runs */
/* storm_check.c */
void storm_check(struct storm *s);
void storm_hash(struct storm *s, char hex[HASH_HEX]); /* of all that the journal holds */

#endif
