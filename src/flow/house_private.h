/* What flow/ knows of its house. */
#ifndef MUSTER_FLOW_HOUSE_PRIVATE_H
#define MUSTER_FLOW_HOUSE_PRIVATE_H

#include "base/map.h"
#include "flow/house.h"

struct house {
	struct loop *loop;
	struct store *store;
	struct llm *llm;
	char *data_dir, *modes_dir, *roles_dir, *user;
	json_t *settings, *policy;
	bool passivate;
	int (*exec)(void *ctx, const char *line, const char *dir, struct buf *output, int *exit_status);
	void *exec_ctx;
	struct list runs;	  /* live */
	struct map budgets;	  /* scope → struct budget: of the live runs, and what runs share */
	struct list budget_queue; /* requests that wait for room */
	struct map sleeping;	  /* run id → struct sleeper: passivated, until a timer is due */
	uid_t next_uid;
	void (*watch)(void *ctx, struct run *r);
	void *watch_ctx;
	int open_count; /* runs that are closing */
	bool closing, draining;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* What is made, forked or merged (house.h). */
struct house_job {
	struct house *house;
	int (*work)(struct house_job *j, struct err *e);    /* on any thread */
	json_t *(*end)(struct house_job *j, struct err *e); /* when it is durable */
	void (*release)(struct house_job *j);		    /* frees it */
	struct append append;				    /* what work found is to be appended; may be nothing */
	struct err why;
	void (*cb)(void *ctx, json_t *out, const struct err *why);
	void *ctx;
};
json_t *house_job_wait(
	struct house_job *j, struct err *e); /* all of it, here and now; NULL is a failure already in e */

struct run;
/* The right to append to a run's stream. The folder's lock makes this process its only owner, so the lease is always
 * had. */
int house_lease(struct house *h, const char *stream, int64_t *fence, struct err *e);
int house_resume_paused(struct house *h, const char *id, struct err *e); /* live, but not told to go on */
void house_discard(struct run *r);					 /* close it without telling anybody */
void house_settled(struct house *h, struct run *r);			 /* a run came to rest in a new state */
/* run.c: rules into p, `outer` by the names of their scopes, then the run's own; both may be NULL. */
int policies_load(struct policy *p, const json_t *outer, const json_t *run, struct err *e);

/* budgets.c */
int budgets_load(struct house *h, struct err *e);
void budget_spend(struct house *h, const char *scope, struct budget *b, double reserved, double spent);
void budget_tell(struct house *h, const char *scope, struct budget *b); /* of a share that is reached */

#endif
