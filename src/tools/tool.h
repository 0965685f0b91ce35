/* tool: one thing an agent can do, as a row of one table and a file of its own.
 *
 * A tool file exports one `const struct tool`; tools.def lists them. The row says everything: name, what the model
 * is told, the JSON Schema of its arguments (whose first property is what policy patterns test), its effects, its caps
 * and its default policy. A tool of this process runs through start(); a tool of the run (delegate, spawn, wait,
 * finish, plan, ask_human) has no start() and is fulfilled by the agent loop or the flow. Adding a tool = one file and
 * one line in tools.def. */
#ifndef MUSTER_TOOLS_TOOL_H
#define MUSTER_TOOLS_TOOL_H

#include "base/json.h"
#include "sandbox/sandbox.h"
#include "store/store.h"
#include "vcs/project.h"
#include "workspace/files.h"
#include "workspace/lock.h"

enum tool_effect {
	TOOL_READS = 1,	 /* the working copy */
	TOOL_WRITES = 2, /* the working copy, by known paths (reported in `changed`) */
	TOOL_EXECS = 4,	 /* a command: anything in the working copy may change */
	TOOL_NET = 8,	 /* leaves the house */
	TOOL_HUMAN = 16, /* waits for a person */
	TOOL_RUN = 32,	 /* fulfilled by the run itself */
	TOOL_GIT = 64,	 /* refs of the project, by the host */
};

struct policy;
struct tool_call;

struct tool {
	const char *name;
	const char *summary;   /* what the model is told */
	const char *schema;    /* JSON text; additionalProperties false */
	const char *directive; /* its keywords in the directive languages, for the reference; "" when none */
	unsigned effects;
	const char *policy; /* default rule: "allow", "ask", "deny" */
	/* Do it, blocking, on the pool; sets content or error. Instead of start. */
	void (*job)(struct tool_call *c);
	/* Begin. -1 at once: the call's result is the error, told to the agent. Otherwise tool_done exactly once, never
	 * from inside. */
	int (*start)(struct tool_call *c, struct err *e);
	/* Stop what start() began; tool_done still follows (status "error", ERR_CANCELLED). NULL: cannot be stopped,
	 * ends soon. */
	void (*cancel)(struct tool_call *c);
	/* After a crash: what became of a call that was started and has no result. Blocking, on the pool. NULL: decide
	 * by effects (reads only → run again; execs or net → lost). RUN_AGAIN, DONE (the results are those that start()
	 * would have given), LOST (content says what is known). Called through tool_call_recover. */
	int (*recover)(struct tool_call *c, struct err *e);
};
enum { TOOL_RUN_AGAIN, TOOL_DONE, TOOL_LOST };

/* What a call may use: one per working copy of a run; all of it belongs to the run. */
struct tool_env {
	struct loop *loop;
	struct store *store;
	struct project *project; /* blocking calls: pool only */
	struct copy *copy;	 /* pool only; one call that writes, executes or is git's at a time */
	struct files *files;	 /* pool; also small reads on the loop's thread */
	struct sandbox *sandbox; /* NULL in simulations: then start() of executing tools is replaced by `exec` */
	struct locks *locks;
	const char *run, *branch;
	const char *head;	 /* the branch's commit as the journal knows it; "" none */
	const json_t *settings;	 /* run.settings */
	const struct hash *base; /* the files as a person gave them; NULL: there were none */
	/* Executes a command line in place of the sandbox (simulations and tests); NULL normally. */
	int (*exec)(struct tool_env *env, struct tool_call *c, const char *line, struct err *e);
	void *exec_ctx;
	/* The project's check commands, fixed at first use (contracts: Evidence); NULL until known. Owned. */
	char *check;
};

struct tool_call {
	/* set by the caller, borrowed until tool_done's callback */
	const struct tool *tool;
	struct tool_env *env;
	const char *id, *agent, *role;
	const char *scope;    /* path prefix the agent may write below; NULL or ".": everywhere */
	const char *own_file; /* of a coder; NULL */
	const json_t *args;   /* validated against the schema */
	json_t *notes;	      /* the agent's scratchpad (object), borrowed; `note` changes it through `set_note` */
	const char *check;    /* run_tests: this command instead of the project's; NULL */
	const char *cwd;      /* of a command, relative to the copy's root; NULL: the root */
	/* Output as it comes, for people (transient). May be NULL. */
	void (*on_output)(struct tool_call *c, struct span bytes);
	void (*on_done)(struct tool_call *c); /* exactly once */
	void *ctx;
	char *path; /* normal form of the argument "path", where there is one; owned */
	/* results, owned by the call until tool_call_release */
	enum err_code code; /* ERR_OK: status "ok"; else "error" */
	struct buf content; /* what the agent is told; at most CAP_TOOL_RESULT, head and tail kept */
	bool truncated;
	struct store_blob blob; /* the whole output when it was cut (already stored); bytes NULL otherwise */
	int exit;		/* of a command; -1 none */
	/* {command, exit, passed} when it was a check; `path` when it was one of a folder only; NULL otherwise */
	json_t *evidence;
	json_t *changed;      /* paths that the tool knows it changed: array of strings; NULL none */
	json_t *extra;	      /* object: what the run must apply in its deterministic machine: {"note": {key, value}},
				 {"artifact": {...}},
				 {"commit": {oid, message}}; NULL none */
	bool changed_unknown; /* a command ran: walk the tree */
	int64_t took_us;
	/* private to the tool */
	union {
		struct sandbox_exec exec;
	};
	struct work work;
	bool cancelled;
	struct tick tick;
	void (*job)(struct tool_call *c); /* on the pool: fills the results, or error */
	struct err error;
	int64_t began_us;
	void *priv;
};

extern const struct tool *const tool_table[]; /* NULL-terminated, in order of the table */
const struct tool *tool_named(const char *name);
/* The tool's schema as parsed JSON (borrowed, cached for the process) and the object given to models {name,
 * description, schema}. */
const json_t *tool_schema(const struct tool *t);
json_t *tool_offer(const struct tool *t); /* new reference to what all agents share: never changed */
/* Every row, for `muster describe`. */
json_t *tools_describe(void);
/* The tools' own rules, scope defaults; made once, for all runs. NULL: no memory. */
const struct policy *tools_policy(struct err *e);
void tools_release(void); /* at program end: what is cached */
/* First property's value of the arguments as text for policy patterns; "" when absent. */
struct span tool_subject(const struct tool *t, const json_t *args);

void tool_call_init(struct tool_call *c);
int tool_call_start(struct tool_call *c,
	struct err *e); /* validates args, checks scope and locks for writing tools, then start() */
/* After a crash, in place of tool_call_start: what the tool's recover() says. Blocking, on the pool. */
int tool_call_recover(struct tool_call *c, struct err *e);
void tool_call_cancel(struct tool_call *c);
void tool_call_release(struct tool_call *c);
/* For tools: end the call later in this turn of the loop. Text of e becomes content when code is not ERR_OK. */
void tool_done(struct tool_call *c, const struct err *why);

#endif
