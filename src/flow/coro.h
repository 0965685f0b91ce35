/* coro: the coroutines of one flow and the order in which they run.
 *
 * READY ──▶ RUNNING ──▶ CALLING (a host call; flow_deliver makes it READY)
 *              │  └───▶ GATHERING (parallel; the last branch to end makes it READY)
 *              └──────▶ gone
 *
 * Coroutines that are ready form a queue; one that becomes ready goes to its end. A coroutine's thread is kept in Lua's
 * registry while it lives. */
#ifndef MUSTER_FLOW_CORO_H
#define MUSTER_FLOW_CORO_H

#include "base/list.h"
#include "base/map.h"
#include "base/sm.h"
#include "flow/lua_calls.h"
#include "flow/lua_state.h"

#define CORO_KEY 256 /* with the NUL */

enum coro_kind { CORO_MAIN, CORO_BRANCH, CORO_BACKGROUND, CORO_HANDLER };
enum coro_state { CORO_READY, CORO_RUNNING, CORO_CALLING, CORO_GATHERING };
enum coro_outcome { OUTCOME_VALUE, OUTCOME_ERROR, OUTCOME_CANCELLED }; /* of the call it waited for */

/* A parallel call that waits for its branches. */
struct gather {
	struct coro *parent;
	int left, count;
	int results;   /* registry: table of results, its item count + 1 the error to raise */
	int bad_index; /* lowest branch that raised; 0 none */
};

struct coro {
	struct flow *flow;
	struct lua_tag tag;
	struct list link;  /* all of the flow */
	struct list ready; /* in the queue */
	enum coro_kind kind;
	struct sm sm;
	lua_State *L;
	int thread; /* registry */
	char key[CORO_KEY];
	int64_t calls;		/* made so far */
	int index;		/* BRANCH: from 1 */
	struct gather *of;	/* BRANCH */
	json_t *first, *second; /* MAIN, HANDLER: arguments of its function, until it runs */

	/* the call it makes */
	const struct call_row *row;
	char call_key[CORO_KEY];
	json_t *args, *names; /* names: of handlers */
	struct gather gather;
	enum coro_outcome outcome;
	json_t *value;
	struct err *error;

	bool failed;	  /* its body raised; the error value is its result */
	struct buf trace; /* where */
};

enum flow_end {
	FLOW_GOES_ON,
	FLOW_CONTINUES, /* continue_as was called: nothing of this flow runs any more */
	FLOW_NOMEM,	/* the host's memory ran out: only flow_free */
};

struct flow {
	struct lua_host lua;
	struct flow_host host;
	struct list all, ready;
	struct map calling;  /* call key → struct coro */
	struct map handlers; /* call key → struct handlers */
	json_t *run;
	int function, vars; /* registry: what flow.lua returned; the table `vars` */
	int64_t steps;
	bool resting; /* within flow_rest */
	enum flow_end end;
	bool (*allowed)(const char *name); /* not NULL: cancelled, and calls are refused but for these */
	int clean_up_calls;
};

/* A new coroutine for the function at the top of `from`'s stack, moved to it with the `args` values above it. READY, at
 * the end of the queue. Raises on `from`. */
struct coro *coro_new(struct flow *f, lua_State *from, int args, enum coro_kind kind, const char *key);
/* Take the front of the queue and run it until it waits or ends; tells the host. False: the queue was empty. */
bool coro_step(struct flow *f);
/* It waits no longer. */
void coro_wake(struct coro *c);
void coro_free(struct coro *c);
/* The globals of flows: host calls, parallel, background, template, vars. Raises. */
void coro_open(lua_State *L, struct flow *f);

/* Functions given to agent and start calls. */
struct handlers {
	struct flow *flow;
	int functions; /* registry: name → function */
	int entered;
	bool keeps;
};
void handlers_forget(struct flow *f, const char *call_key);

#endif
