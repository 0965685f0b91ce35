/* What the files of flow/ share about a run.
 *
 *   machine.c   emit, input, deliver, rest: the one loop
 *   effects.c   operations: wanted, started after the commit, ended by an input
 *   request.c   what goes before a model call: context, model, budget; and the call itself
 *   toolrun.c   tool calls and snapshots
 *   hostcall.c  the table of the flow's host calls
 *   program.c   the Lua programs: the run's own, and those of called modes
 *   action.c    actions and their answers
 *   people.c    interventions
 *   copies.c    working copies, their sandboxes and files */
#ifndef MUSTER_FLOW_PRIVATE_H
#define MUSTER_FLOW_PRIVATE_H

#include "agent/agent.h"
#include "flow/bundle.h"
#include "flow/flow.h"
#include "flow/run.h"

/* ---- operations ---- */

enum op_kind { OP_REQUEST, OP_ANSWER, OP_TOOL, OP_TIMER, OP_SNAPSHOT, OP_HOST, OP_KINDS };
enum op_state {
	OP_WANTED, /* not started: replaying, or its announcement is not durable yet */
	OP_HELD,   /* may start, but waits: for a budget, for the working copy */
	OP_UNDERWAY,
	OP_KEPT,    /* ended, its input waits for another to be delivered first */
	OP_DROPPED, /* nobody wants it any more; freed when its callback came */
};

struct op;
struct op_type {
	const char *name;
	bool waits;   /* for a person, a timer: does not count as work */
	bool at_once; /* acts on nothing outside: begins before what wants it is durable, and comes into the same commit
		       */
	void (*start)(struct op *op);
	void (*cancel)(struct op *op);	/* underway: its callback still comes; NULL: cannot be hurried */
	void (*recover)(struct op *op); /* instead of start when a stop interrupted it: the recovery table */
	void (*release)(struct op *op);
};

struct op {
	struct run *run;
	struct list link;
	const struct op_type *type;
	enum op_kind kind;
	enum op_state state;
	char *key; /* unique in the run: "ans:0.1", "tool:0.1:c3_1", "0.4" (host call), "timer:0.1", "snap:<copy>" */
	int64_t announced;   /* seq that must be durable before it starts */
	int64_t order;	     /* grows with every operation made */
	bool was_announced;  /* it stood in the journal when this process took the run over: the recovery table applies
			      */
	int64_t due_us;	     /* timers: run time */
	int64_t lasts_us;    /* timers: from their beginning */
	int64_t shown;	     /* ANSWER, TOOL: bytes that people were shown as they came */
	int became;	     /* TOOL, HOST: what recover() said, TOOL_DONE and so on */
	struct agent *agent; /* REQUEST, ANSWER, TOOL, TIMER; NULL after the agent is gone */
	const struct agent *owner; /* the same, also after it is gone: kept in memory until this ends */
	json_t *args;		   /* HOST: the call's; SNAPSHOT: {"paths"} or null */
	char *name;		   /* HOST: the call's name; SNAPSHOT: after which call */
	struct workcopy *copy;
	struct workcopy *theirs; /* HOST merge: the branch's, held like `copy` */
	json_t *result;		 /* KEPT: the data of its input */
	enum event_type result_type;
	struct work work;
	struct timer timer;
	struct llm_call call;
	void *priv;
	struct answer *answer; /* ANSWER: what the call borrows */
	struct list queue;     /* in a budget's or a copy's queue */
	/* TOOL, SNAPSHOT and HOST; the others, of which a thousand may wait, end here (see op_new) */
	struct tool_call tool;
	struct snapshot taken; /* SNAPSHOT, and TOOL that was lost */
	struct err error;
};

/* ---- working copies ---- */

struct workcopy {
	struct list link;
	struct run *run;
	char name[64]; /* "run", or a branch's name */
	char *dir, *branch;
	char head[OID_TEXT]; /* its branch's commit */
	struct hash last;    /* last snapshot delivered */
	bool has_last;
	struct copy *copy;
	struct files *files;
	struct sandbox *sandbox;
	struct tool_env env;
	uid_t uid;
	bool has_disk; /* of its own (sandbox/disk.h) */
	struct work unplace;
	struct op *user;     /* the operation that changes it right now; NULL free */
	struct list waiting; /* operations that want to change it, in their order */
	int64_t free_at;     /* seq at which the last user gave it up: durable before the next begins */
	bool recovered;	     /* after a stop: the operation that may have begun is known */
	uint64_t version;    /* grows with every delivered change */
	json_t *check;	     /* last evidence: {command, exit, passed} */
	char *fixed;	     /* the check that was found at its first use; NULL: none yet */
	uint64_t check_version;
	char check_after[512]; /* whose snapshot shows what the last check itself wrote: no edit of anybody */
	uint64_t edit_version; /* version at the last change that was no check's */
};

/* ---- actions ---- */

struct action {
	char id[24];
	char *name, *kind;
	char agent[64]; /* whose call or block it is; "" the flow's */
	char *key;	/* the flow's call; NULL */
	char *scope;	/* of a budget that is reached: "run", "project/…", "user/…", "house"; else NULL */
	double limit;	/* of that budget, when it was reached */
	json_t *options;
	char *otherwise;   /* what it is decided as when nobody answers in time; NULL: the call fails */
	bool asked_script; /* the script had no answer for it */
};

/* ---- agents as the flow sees them ---- */

struct agent_entry {
	struct agent *agent; /* NULL: ended and freed */
	char *key;	     /* the host call that started it */
	char *waiter;	     /* the host call that waits for its end; NULL */
	json_t *vars;	     /* what fills the slots of its role; NULL */
	json_t *outcome;     /* set at its end */
	int children;	     /* created so far: names the next */
	double reserved;     /* dollars, by the request under way */
	int reserved_turn;   /* whose request that is */
	bool forgotten; /* of an earlier segment: nobody finds it any more; freed when nothing of it is under way */
};

enum run_life { RUN_ACTIVE, RUN_PAUSED, RUN_FAILED, RUN_COMPLETED, RUN_CANCELLED };

struct run {
	struct house *house;
	struct store *store;
	struct loop *loop;
	struct rng *rng; /* of simulations; NULL */
	struct list link;
	char id[ID_TEXT], stream[EVENT_STREAM_MAX];
	char *project_stream;
	json_t *created, *settings;
	struct bundle *bundle;
	struct list programs; /* its own flow first, then those of called modes */
	struct policy *policy;
	uint64_t seed;
	int segments; /* begun so far, of its own flow */

	/* the journal */
	bool dry;	     /* replay: never goes live */
	bool live;	     /* the recorded events are used up */
	struct event *ahead; /* recorded events not yet used */
	int ahead_count, ahead_at;
	int64_t seq, durable; /* last event made; last one committed */
	int64_t read;	      /* last seq read into ahead */
	int64_t upto;	      /* read no further; 0: to the end */
	int64_t fence;
	int64_t now; /* run time: `at` of the last input */
	bool woken;  /* by its own timer: it stays awake until one fires, whatever the clock says by now */
	int64_t matched;
	struct event *drafts; /* made, not yet appended */
	size_t draft_count, draft_room;
	struct store_blob *blobs;
	size_t blob_count, blob_room;
	json_t *done_commands; /* rows to mark with the next append */
	int64_t last_command;  /* the last row that was given: they come in order, and again until they are marked */
	int appends;	       /* queued and not yet acknowledged */
	struct tick flush;
	char cause[ID_TEXT]; /* id of the input being delivered */

	/* the machine */
	enum run_life life;
	bool ended_flow;	   /* the main function returned */
	bool flow_failed;	   /* the flow raised an error or broke a limit: it would again */
	struct recorder *recorder; /* --record; NULL */
	char *scopes[4];	   /* budgets: run, project, user, house */
	bool flow_ready;	   /* something was delivered to the flow: rest again */
	struct list awake;	   /* agents that have not ended */
	char waits[16];		   /* "", person, budget, timer */
	struct map agents;	   /* id → struct agent_entry */
	int agent_count;	   /* of them, without the forgotten ones */
	int roots;		   /* agents without parent so far */
	struct map handlers;	   /* coroutine key to {agent, call} */
	struct map actions;	   /* id → struct action */
	int action_count;
	const char *reached; /* scope of the budget.reached that is being delivered */
	double reached_limit;
	struct map signals; /* name → queue (json array); waiters */
	struct map waiters; /* name → json array of keys */
	json_t *vars;
	char *phase;
	struct list ops;
	int64_t ops_made, ops_ended;
	struct list copies;
	struct workcopy *main;
	struct locks locks;
	char *model; /* for all agents; NULL: each its own */
	double usd;
	struct hash base; /* snapshot of the files that the project had */
	bool has_base;
	double budget_usd;	  /* the run's own limit; < 0 none */
	json_t *outcome;	  /* what the flow returned */
	bool ending;		  /* the steps after the flow ended are under way */
	char *landed;		  /* commit that the project received at the end */
	const struct err *error;  /* why it failed */
	const struct err *broken; /* this process cannot go on with it */
	bool told;		  /* the watcher knows the present state */
	bool closing, freeing;
	bool was_quiet; /* at the last look */
	bool reap;	/* an agent has ended since the last rest */
	bool unpaid;	/* an agent has ended with a request under way: its reservation is to be settled */
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* ---- run.c ---- */
int run_record(struct run *r, const char *path, struct err *e); /* append real answers to this recording; NULL: none */
void run_segment_began(struct run *r);				/* of its own flow */
void run_flow_ended(struct run *r, bool ok, const json_t *value, const struct err *error);
void run_conclude(struct run *r); /* the flow returned and nothing works any more: the run is completed */
int run_ending(struct run *r, const char *step, bool ok, const json_t *data, struct err *e); /* a step of it was done */
void run_look(struct run *r); /* tell the watcher when the state is new and durable; finish closing */
/* Deliver to the flow. */
void run_answer(struct run *r, const char *key, bool ok, const json_t *value, const struct err *error);

/* ---- machine.c ---- */
int run_catch_up(struct run *r, struct err *e); /* feed the recorded events */
/* A derived event; data stolen (NULL: no memory, the run breaks). agent may be NULL. */
void run_emit(struct run *r, enum event_type type, const char *agent, json_t *data);
/* An input event happened: append, deliver, rest. data stolen. */
void run_input(struct run *r, enum event_type type, enum actor_kind actor, const char *actor_id, json_t *data);
void run_break(struct run *r, const struct err *why);
/* Show a transient event. data stolen. Nothing while replaying. */
void run_show(struct run *r, enum event_type type, json_t *data);
int run_carry(struct run *r, const struct store_blob *blobs, size_t count, struct err *e); /* so are these */
int run_add_blob(struct run *r, struct span bytes, struct hash *out, struct err *e); /* durable with the next append */
void run_rest(struct run *r);
void run_fail(struct run *r, const struct err *why, const char *where); /* run.failed: the run's own failure */
void run_changed(struct run *r);					/* the watcher should look */

/* ---- spill.c ---- */
/* The payload as text (mem_free it), with what is too large for an event in a blob. NULL: no memory. */
char *spill_text(struct run *r, enum event_type type, const json_t *data, struct err *e);

/* ---- effects.c ---- */
struct op *op_new(struct run *r, enum op_kind kind, const char *key, struct agent *a);
struct op *op_named(struct run *r, const char *key);
void op_end(struct op *op);					 /* its input was delivered: forget it */
void op_drop(struct op *op);					 /* nobody wants its result */
void op_done(struct op *op, enum event_type type, json_t *data); /* the effect ended: becomes an input (data stolen) */
/* Its effect could not begin, or ended without a result for reasons of this process: the run breaks, no callback is to
 * come. */
void op_broke(struct op *op, const struct err *why);
void op_nomem(struct op *op);		  /* the same for want of memory */
void op_lasts(struct op *op, int64_t us); /* of a timer, from now on */
/* What is left of it; never longer than it was set for, though the clock may have been set back meanwhile. */
int64_t op_left(const struct op *op, int64_t now);
void ops_start(struct run *r);	       /* all that may start now */
void ops_start_at_once(struct run *r); /* before the commit */
void ops_recover(struct run *r);       /* the journal is used up: apply the recovery table */
bool ops_calling(const struct run *r); /* is a call of a model or tool under way, or about to be? */
bool ops_working(const struct run *r); /* anything but waiting */
bool ops_snapshot_due(const struct run *r, const char *agent); /* of what a call of this agent changed */
extern const struct op_type op_types[OP_KINDS];
extern const struct agent_host run_agent_host;

/* ---- request.c, answer.c ---- */
#define CANDIDATES 8 /* models to fall back to */
void request_start(struct op *op);
void request_cancel(struct op *op);
void answer_start(struct op *op);
void answer_cancel(struct op *op);
void answer_recover(struct op *op);
void answer_release(struct op *op);
const char *run_model(struct run *r, const struct agent *a); /* the run's model when one was given, else the agent's */
int request_delivered(struct run *r, struct agent *a, const json_t *data, struct err *e); /* renders the context */
/* The request under way of this agent is over: its reservation becomes what was spent. */
void request_settled(struct run *r, struct agent_entry *entry, double spent);
void requests_settle(struct run *r); /* live: of agents that have ended */
void budget_wake(struct house *h);   /* room was freed: requests that wait for a budget try again */

/* ---- toolrun.c ---- */
void tool_op_start(struct op *op);
void tool_op_cancel(struct op *op);
void tool_op_recover(struct op *op);
struct workcopy *tool_op_copy(const struct op *op); /* which it changes, or NULL */
void tool_op_release(struct op *op);
void snap_release(struct op *op);
int tool_delivered(struct run *r, struct agent *a, const json_t *data, bool lost, struct err *e);
int snap_delivered(struct run *r, const json_t *data, struct err *e);
void snap_start(struct op *op);
size_t edits_in(const json_t *changed); /* how many of these changed files somebody edited, rather than littered */
/* A check of the whole project has run. */
void check_recorded(struct workcopy *c, const json_t *evidence, const char *after);
void snap_want(struct run *r, struct workcopy *c, const char *after, const json_t *paths);
void copy_release_user(struct workcopy *c, struct op *op);
void copies_wake(struct run *r);		      /* of each free copy the first that waits for it */
bool copy_acquire(struct workcopy *c, struct op *op); /* false: queued */

/* ---- hostcall.c ---- */
void host_call(struct run *r, const char *key, const char *name, const json_t *args, const json_t *handlers);
void host_handled(struct run *r, const char *key, bool ok, const json_t *value, const struct err *error);
void host_op_start(struct op *op);
void host_op_cancel(struct op *op);
void host_op_recover(struct op *op);
struct workcopy *host_op_copy(const struct op *op);
void host_op_release(struct op *op);
/* ERR_TOO_LARGE when a value does not fit into an event; `name` says whose it is. */
int host_check_size(const char *name, const json_t *value, struct err *e);
/* Want an outside call served (also the run's own at its end). */
void host_want(struct run *r, const char *key, const char *name, const json_t *args);
/* Make the agent of an agent{} call under this key; NULL with an error of the flow's. */
struct agent_entry *agent_begin(struct run *r, const char *key, const json_t *args, struct err *e);
int host_result(struct run *r, const json_t *data, struct err *e); /* deliver flow.result */
void agent_outcome(struct run *r, struct agent *a);
void agent_entry_free(void *value);
struct agent_entry *run_agent(struct run *r, const char *id);
struct workcopy *run_copy(struct run *r, const char *name);

/* ---- action.c ---- */
/* When an action that nobody answers ends, and as what. */
struct deadline {
	double seconds; /* 0: never; < 0: as the run's setting says */
	const char *otherwise;
};
/* end NULL: as the run's setting says. */
void action_open(struct run *r, const char *agent, const char *key, const char *name, const char *kind,
	const char *title, const char *body, json_t *options, const char *priority, const struct agent_call *call,
	const struct deadline *end, char out[24]);
bool action_is_timer(const struct op *op);
void action_expire(struct op *timer);
void action_free_value(void *action);
void action_close(struct run *r, const char *id, const char *why);
int action_resolved(struct run *r, const json_t *data, struct err *e);
bool actions_only_budget(const struct run *r);
struct action *action_of_scope(struct run *r, const char *scope); /* the open one of this budget; NULL */
void actions_try_script(struct run *r);				  /* live: answers that the script or --answer has */

/* ---- people.c ---- */
int run_intervened(struct run *r, const json_t *data, struct err *e);

/* ---- commit.c ---- */
int run_flush(struct run *r, struct err *e); /* queue what was made since the last flush as one append */
void run_tick(struct tick *t);

/* ---- copies.c ---- */
struct workcopy *copy_add(
	struct run *r, const char *name, const char *dir, const char *branch, const char *head, struct err *e);
/* The folder of a copy that is made next, on a disk of its own where the run's settings ask for one; otherwise
 * project_checkout makes it. Blocks. */
int copy_place(const json_t *settings, const char *dir, uid_t uid, struct err *e);
void copy_unplace(const char *dir); /* when it came to nothing; the disk is found again when the copy is made */
int copy_remove(const char *dir, struct err *e);   /* all of it, its home and its disk */
int copy_ready(struct workcopy *c, struct err *e); /* opened for use: files, snapshot cache, sandbox */
void copy_free(struct workcopy *c);

#endif
