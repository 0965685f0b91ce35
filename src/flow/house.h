/* house: the owner of a data folder and of every run that is live in this process.
 *
 * It starts, resumes, passivates and ends runs; carries people's commands to them; keeps the budgets; allots working
 * copies. A run that only waits is closed and opened again when what it waits for arrives. */
#ifndef MUSTER_FLOW_HOUSE_H
#define MUSTER_FLOW_HOUSE_H

#include "base/json.h"
#include "llm/llm.h"
#include "loop/loop.h"
#include "store/store.h"
#include "tools/policy.h"

struct run;
struct house;

struct house_options {
	struct loop *loop;
	struct store *store;
	struct llm *llm;       /* NULL: nothing can ask a model (replay, verify) */
	const char *data_dir;  /* absolute */
	const char *modes_dir; /* the shipped modes; the data folder's come first */
	const char *roles_dir;
	const json_t *settings; /* installation defaults of run.settings */
	const json_t *policy;	/* installation's policy rules, array; may be NULL */
	const char *user;	/* who owns what is started here */
	bool passivate;		/* close runs that only wait */
	/* Simulations: commands of sandboxes answered by this; NULL normally. */
	int (*exec)(void *ctx, const char *line, const char *dir, struct buf *output, int *exit_status);
	void *exec_ctx;
};

struct house *house_new(const struct house_options *o, struct err *e);
/* Closes every run; done fires when all is down. */
void house_close(struct house *h, void (*done)(void *ctx), void *ctx);

/* The id of the project in this folder (absolute, without links). */
#define PROJECT_ID 24
void house_project_id(const char *dir, char out[PROJECT_ID]);
/* What a person asks for: {mode, project (dir), inputs, settings, model, budget_usd, policy, unattended, check,
 * gates_off, title, branch, policies ({user, project}: their rules; the installation's are added), user, priority (the
 * higher goes first), untrusted (nobody vouches for the project's files), script (path), record (path), id (the run's;
 * of one that does not exist)}. Checks everything, makes the project and the working copy, pins the bundle, appends
 * run.created. Blocking (some 10 ms). Writes the id. The run begins with house_resume. */
int house_create(struct house *h, const json_t *request, char id[ID_TEXT], struct err *e);
/* Load it and let it go on (a failed, paused or interrupted run is resumed: `resume` says so as a command). Already
 * live: nothing. */
int house_resume(struct house *h, const char *id, struct err *e);
/* From now on no model is asked; calls of models and tools that are under way come to their end (house_calls says
 * whether there are some). What follows from them is in the journal, and goes on from there. */
void house_drain(struct house *h);
bool house_calls(const struct house *h);
struct run *house_run(struct house *h, const char *id); /* live, or NULL */
/* Live, or still closing? */
bool house_has(struct house *h, const char *id);
/* Give up the memory of a live run that rests or broke: what it had under way counts as lost. The callback fires when
 * all of it is down; op is the caller's until then. False: it was not live, and no callback comes. */
struct release {
	void (*cb)(struct release *op);
	struct house *house; /* private */
};
bool house_release(struct house *h, const char *id, struct release *op);
/* A command for a run, live or not: opens it when needed. */
int house_command(struct house *h, const char *id, const json_t *command, int64_t command_n, struct err *e);
/* Fork: a new, paused run with files and conversation of the last quiet point ≤ at (run_quiet_point); *quiet receives
 * it. */
int house_fork(struct house *h, const char *id, int64_t at, char new_id[ID_TEXT], int64_t *quiet, struct err *e);
/* Merge a run's branch into its project. Blocking. {merged, already, commit, into, conflicts} */
json_t *house_merge(struct house *h, const char *id, struct err *e);

/* These three in parts, for a loop that goes on meanwhile: made and ended on its thread, worked on any. Zero or one at
 * a time touches a project. NULL: ERR_NOT_FOUND and the like. */
struct house_job;
struct house_job *house_create_job(struct house *h, const json_t *request, struct err *e);
struct house_job *house_fork_job(struct house *h, const char *id, int64_t at, struct err *e);
struct house_job *house_merge_job(struct house *h, const char *id, struct err *e);
void house_job_work(struct house_job *j); /* blocking */
/* Frees it. cb, perhaps at once: create gives {run}; fork {run, at, from}; merge {merged, already, commit, into,
 * conflicts}; NULL and why: it failed, also before. */
void house_job_end(struct house_job *j, void (*cb)(void *ctx, json_t *out, const struct err *why), void *ctx);
void house_job_free(struct house_job *j); /* of one that was never worked; NULL is legal */

/* A uid for a new working copy, or another folder with a sandbox of its own; 0 when not root. */
uid_t house_uid(struct house *h);
/* Remove the working copies that a run left. It must not be live. Blocking, on any thread. */
int house_remove_copies(const struct house *h, const char *id, struct err *e);
/* In `dir`, a copy of the run's project that is newer than this journal: the run's branches as the journal knows them,
 * so that the run can go on from there. Nothing of the run is begun or written. Blocking. */
int house_rewind(struct house *h, const char *id, const char *dir, struct err *e);
/* Called on the loop's thread whenever a run came to rest in a new state (waiting, paused, completed, failed,
 * cancelled, broken). */
void house_watch(struct house *h, void (*cb)(void *ctx, struct run *r), void *ctx);

/* ---- budgets: counters by scope, moved by every request of every run below them ---- */

enum { BUDGET_SCOPES = 4 }; /* run, project, user, house */
#define BUDGET_ALERTS 8
#define MONTH_TEXT 8 /* "2026-11", with the NUL */
struct budget {
	double limit; /* < 0: none */
	double spent, reserved;
	/* Of those that runs share (budgets.h): */
	bool monthly; /* the limit is for a month */
	char month[MONTH_TEXT];
	double month_spent;
	int alerts[BUDGET_ALERTS], alert_count; /* percent of the limit at which somebody is told */
	int told;				/* the largest of them that was, of this limit and period */
};
struct budget *house_budget(struct house *h, const char *scope, struct err *e); /* made when missing */

#endif
