/* agent: a role at work in a run, as a deterministic state machine.
 *
 * It has no clock, files, model or store of its own: everything from outside is delivered to it as an event of the run,
 * in the order of the journal; what it decides it emits as derived events and asks its host for effects. Delivering the
 * same events makes the same decisions, live, in recovery and in replay.
 *
 *   IDLE ──message──▶ ASKING ──model.requested──▶ THINKING ──model.answered──▶ ACTING ──all calls ended──▶ ASKING …
 *     ▲                 │ ▲                          │  └─model.failed─▶ RESTING (back-off) ─timer─▶ ASKING
 *     └── wait ─────────│─┘◀─ steer, child's report  └─▶ BLOCKED (budget, stuck: an action is open; or failed: resume)
 *                       └──────── finish, limits, stop ─────────▶ ENDED
 *
 * One turn = one model call and the tool calls it asked for. Calls that only read start at once, together; the others
 * one after the other, in the order of the answer. Steers, reports and redirections join between turns. */
#ifndef MUSTER_AGENT_AGENT_H
#define MUSTER_AGENT_AGENT_H

#include "agent/role.h"
#include "base/list.h"
#include "base/sm.h"
#include "llm/llm.h"
#include "store/event.h"
#include "tools/policy.h"
#include "tools/tool.h"

enum agent_state { AGENT_IDLE, AGENT_ASKING, AGENT_THINKING, AGENT_ACTING, AGENT_RESTING, AGENT_BLOCKED, AGENT_ENDED };

enum agent_block { BLOCK_NONE, BLOCK_BUDGET, BLOCK_STUCK, BLOCK_FAILED };

enum call_state {
	CALL_QUEUED,   /* waits for its turn among the calls of this answer */
	CALL_APPROVAL, /* an action is open */
	CALL_RUNNING,  /* the host runs it */
	CALL_HANDLED,  /* the flow's handler or a person works on it */
	CALL_ENDED,
};

struct agent_call {
	char id[24]; /* "c<turn>_<n>", unique in the agent */
	char *name;
	const struct tool *tool; /* NULL: a tool that only the flow knows */
	json_t *args;		 /* NULL when they were no JSON object: `bad` holds the text */
	char *bad;
	bool handler; /* fulfilled by the flow */
	enum call_state state;
	bool malformed;	 /* refused for its form: unknown tool, arguments or result that do not fit */
	char action[24]; /* open approval or question; "" none */
	/* result */
	const char *status; /* "ok", "error", "denied", "lost" */
	char *content;
	size_t content_len;
};

struct agent;

/* What an agent asks of its run. Calls return nothing: failures of memory are kept by the host and end the slice. */
struct agent_host {
	/* Append a derived event; data is stolen. */
	void (*emit)(struct agent *a, enum event_type type, json_t *data);
	/* Gather context, choose the model, reserve the budget: delivers model.requested or budget.reached. */
	void (*want_request)(struct agent *a);
	/* The request was journaled: send it. Delivers model.answered or model.failed. */
	void (*want_answer)(struct agent *a);
	/* The call was journaled as started: run it. Delivers tool.finished or tool.lost. */
	void (*want_tool)(struct agent *a, struct agent_call *c);
	/* Enter the flow's handler of this name; ends with agent_call_answer. */
	void (*want_handler)(struct agent *a, struct agent_call *c);
	/* Wake the agent (agent_timer) after ms of the run's time. */
	void (*want_timer)(struct agent *a, int64_t ms);
	/* Open an action; writes its id. Resolved by agent_action. */
	void (*open_action)(struct agent *a, const char *name, const char *kind, const char *title, const char *body,
		json_t *options, const char *priority, struct agent_call *c, char out[24]);
	/* Close an open action that nobody needs any more. */
	void (*close_action)(struct agent *a, const char *action, const char *why);
	/* Stop every effect of this agent that is under way. */
	void (*drop)(struct agent *a);
	/* What does the policy say about this call? */
	int (*decide)(struct agent *a, const struct agent_call *c, struct policy_verdict *out, struct err *e);
	/* It ended: `agent.finished` was emitted. */
	void (*ended)(struct agent *a);
	/* It cannot go on by itself and is no longer retried (no model, no key, retries used up, script at its end):
	 * the run fails but can be resumed; then agent_resume. */
	void (*blocked)(struct agent *a, const struct err *why);
	/* The tree changed by these calls, as the run's working copy knows it (for progress and evidence): a number
	 * that grows with every change. */
	uint64_t (*tree_version)(struct agent *a);
	/* Is everything known that its calls changed? Else agent_settled follows. */
	bool (*settled)(struct agent *a);
	/* Is an agent below it at work, whose report it could wait for? */
	bool (*has_children)(struct agent *a);
};

struct agent_options {
	const char *id, *parent; /* creation path */
	struct role *role;
	const json_t *task;	/* text or any value */
	const json_t *vars;	/* slots */
	const json_t *tools;	/* array of names instead of the role's; NULL */
	const json_t *output;	/* schema instead of the role's; NULL */
	const json_t *handlers; /* {name: {summary, schema} or true}: fulfilled by the flow; NULL */
	const char *scope, *file, *name, *model, *copy;
	int dialect;	      /* enum role_dialect, -1: the role's */
	int check;	      /* enum role_check, -1: the role's */
	int phase;	      /* enum directive_phase of a master */
	int turns;	      /* 0: the role's */
	bool unattended_deny; /* approvals are denied instead of asked */
	bool tainted;	      /* the project is somebody's whom nobody has trusted yet */
};

struct agent {
	const struct agent_host *host;
	void *ctx; /* the run */
	struct list link;
	char id[64], parent[64];
	struct role *role;
	char *scope, *file, *name, *model, *copy;
	enum role_dialect dialect;
	enum role_check check;
	int phase;
	struct sm sm;
	bool wants_stop; /* stop after this turn: set by redirect and flow.stop */
	char *stop_why;
	bool unattended_deny;
	bool tainted; /* it has read something untrusted: such a project, or an answer from outside the house */

	/* the conversation */
	char *system;	/* byte-stable prefix */
	json_t *offers; /* tools given to the model (native), fixed */
	json_t *handlers, *output;
	json_t *names; /* names of all tools it may call */
	struct llm_message **messages;
	size_t message_count, message_room;
	struct hash_stream said; /* running hash of everything in the conversation */
	struct hash_stream own;	 /* of what muster and the flow wrote into it (recordings' prompt) */
	int64_t tokens;		 /* estimate of system + offers + messages */
	json_t *inbox;		 /* array of {from, text}: joins at the next turn */
	json_t *memory;		 /* paths read again for every turn (context: memory) */
	json_t *notes;		 /* scratchpad */
	json_t *context;	 /* of the request under way: [{kind, path?, hash}] */
	char *context_text;	 /* rendered; set by the host with the delivery of model.requested */

	/* the turn under way */
	int turn;		/* turns begun, those caused by a lost call not counted */
	int turns_all;		/* all */
	int attempt, candidate; /* of the request; candidate: index among fallback models */
	bool compacting;	/* the request under way asks for a summary */
	bool after_lost;	/* the newest results hold a lost call */
	bool shrunk;		/* the conversation of this turn was too large for the model and was shortened */
	struct agent_call *calls;
	size_t call_count;
	enum agent_block block; /* why it is BLOCKED */
	char action[24];	/* the action that would unblock it; "" none */
	int turn_limit;
	int64_t context_limit; /* tokens of the model; from model.requested */
	int max_tokens;	       /* of one answer */

	/* progress and evidence */
	int repairs;  /* consecutive replies that had to be repaired */
	int refusals; /* of finish, for lack of evidence */
	uint64_t last_tree;
	int idle_turns; /* turns without change of workspace, plan or knowledge */
	struct hash last_call;
	int same_calls;	   /* the same call with the same result in a row */
	bool nudge;	   /* they have become too many in this turn */
	uint64_t seen[64]; /* short hashes of results seen: knowledge */
	size_t seen_count;
	uint64_t edit_tree; /* tree version at its own last edit */
	bool edited;
	uint64_t check_tree; /* tree version when its last check ended */
	int check_exit;	     /* -1: none */
	bool check_altered;  /* the run has changed what that check means */

	/* totals */
	double usd;
	json_t *result;
	const char *end_status;
	char error_text[256]; /* why it did not end well */
};

/* Start: emits agent.started, adds the task as first message. NULL: ERR_INVALID (unknown tool, slot, bad schema). */
struct agent *agent_new(const struct agent_host *host, void *ctx, const struct agent_options *o, struct err *e);
void agent_free(struct agent *a);

/* Deliveries. -1: the event does not fit the state or its content is not what was computed (ERR_REPLAY_DIFFERS /
 * ERR_FLOW_DIVERGED), or no memory. */
int agent_requested(struct agent *a, const json_t *data, struct err *e);
int agent_answered(struct agent *a, const json_t *data, struct err *e);
int agent_failed(struct agent *a, const json_t *data, struct err *e);
int agent_budget_reached(struct agent *a, const json_t *data, struct err *e);
int agent_tool_finished(struct agent *a, const json_t *data, bool lost, struct err *e);
int agent_call_answer(struct agent *a, const char *call, const char *status, const json_t *content, struct err *e);
/* Neither option nor text: nobody answered in time. */
int agent_action(struct agent *a, const char *action, const char *option, const char *text, struct err *e);
int agent_timer(struct agent *a, struct err *e);

/* What its last check says of its last edit: passing, failing or unchecked. */
const char *agent_checked(const struct agent *a);
/* A command of its own changed files: evidence from before it is void. */
void agent_changed_files(struct agent *a);
/* What its calls changed is known now: a finish that waited for it goes on. */
int agent_settled(struct agent *a, struct err *e);
/* A message from the flow, a person or another agent joins the conversation before the next turn; wakes an idle agent.
 */
int agent_tell(struct agent *a, const char *from, struct span text, struct err *e);
/* Stop after the calls under way ("stopped"), or at once ("cancelled"). */
int agent_stop(struct agent *a, const char *status, const char *why, struct err *e);
int agent_resume(struct agent *a, struct err *e); /* after blocked(); tries again */
/* Begin the next turn if there is reason to; called by the run when it is not paused. */
int agent_step(struct agent *a, struct err *e);

/* The request of the turn under way, for the host: messages with the rendered context at the end. The array is the
 * caller's (mem_free; the messages are borrowed); prompt is the hash of the whole, own that of muster's own words. */
int agent_request(struct agent *a, struct llm_message ***messages, size_t *count, struct llm_message **extra,
	struct hash *prompt, struct hash *own, struct err *e);
/* Estimated input tokens of that request. */
int64_t agent_input_tokens(const struct agent *a);
struct agent_call *agent_call_named(struct agent *a, const char *id);
json_t *agent_json(const struct agent *a); /* for show: {agent, role, state, turn, …} */

#endif
