/* flow: a mode's Lua program as a deterministic set of coroutines that talk to the world only through host calls.
 *
 * Pure with respect to the journal: it knows no events, agents or files. It runs coroutines until each waits for a host
 * call ("rest"), tells its owner about every call in a fixed order, and goes on when the owner delivers one result.
 * Given the same bundle, inputs, seed and sequence of deliveries it makes the same calls, on every machine and in every
 * process: pairs is sorted, tostring shows no addresses, there is no clock, randomness, file or network but through
 * calls.
 *
 * Keys. The main function is coroutine "0". The k-th host call of coroutine P is "P.k" (from 1); branch i of parallel
 * or background call K is coroutine "K.b<i>"; the n-th entry into a handler of call K is coroutine "K.h<n>".
 *
 * Each coroutine's body runs under pcall, so that to-be-closed variables run where host calls work. Host calls are
 * refused (an ordinary Lua error) inside sort, gsub and search callbacks and inside coroutines the flow makes itself.
 */
#ifndef MUSTER_FLOW_FLOW_H
#define MUSTER_FLOW_FLOW_H

#include "base/json.h"
#include "base/map.h"

struct flow;

/* Where a flow gets its text from: the pinned bundle of its run. Names are "flow.lua", "lib/<name>.lua",
 * "templates/<file>". */
struct flow_source {
	/* The text of a file of the bundle (borrowed until flow_free), or n = 0 and p = NULL when there is none. */
	struct span (*file)(void *ctx, const char *name);
	void *ctx;
};

struct flow_host {
	/* A coroutine made a host call and now waits. `args` is borrowed. The owner may call flow_deliver at once for
	 * calls it serves without the outside (it is resumed only in the next round of flow_rest, in order of
	 * delivery). For agent calls, `handlers` holds the names of the Lua functions given in `on` (array of strings,
	 * or NULL). */
	void (*call)(void *ctx, const char *key, const char *name, const json_t *args, const json_t *handlers);
	/* A handler entered by flow_enter returned (ok: its value, JSON null for none) or raised (error). */
	void (*handled)(void *ctx, const char *key, bool ok, const json_t *value, const struct err *error);
	/* A background branch raised an error that nobody waits for. */
	void (*background_failed)(void *ctx, const char *key, const struct err *error);
	/* The main function returned (value, JSON null for none) or raised (error, with where); background branches may
	 * still be waiting. */
	void (*ended)(void *ctx, bool ok, const json_t *value, const struct err *error);
	void *ctx;
};

struct flow_limits {
	size_t memory; /* bytes of the Lua state */
	int slice_ms;  /* Lua code between two host calls; a watchdog ends the run beyond it, pcall cannot catch it */
	int64_t steps; /* host calls in one segment */
	int parallel;  /* branches of one call */
};

/* Load flow.lua. Errors: ERR_FLOW with "flow.lua:LINE: …". seed: of the run, for math.random. `vars` is empty:
 * flow_set_var. */
struct flow *flow_new(const struct flow_source *src, const struct flow_host *host, const struct flow_limits *limits,
	const json_t *run /* {id, mode, inputs, settings, files, project, state} given to the flow's function */,
	uint64_t seed, struct err *e);
void flow_free(struct flow *f);
/* Make the main function ready. */
void flow_start(struct flow *f);
/* Resume everything that is ready, in order, until every coroutine waits or has ended. -1: the flow broke a limit
 * (ERR_FLOW_LIMIT: memory, slice, steps) or the host is out of memory; the flow can only be freed then. */
int flow_rest(struct flow *f, struct err *e);
/* The result of a call: its coroutine becomes ready. ok: value is what the call returns in Lua (NULL = nil); else the
 * call raises an error value {code=…, message=…} that prints as its message. Unknown or finished keys: -1 with
 * ERR_FLOW_DIVERGED. */
int flow_deliver(struct flow *f, const char *key, bool ok, const json_t *value, const struct err *error, struct err *e);
/* Enter the Lua function `handler` given to the agent or start call `call_key`: a new coroutine with key
 * "call_key.h<n>", ready to run with args and info (two Lua tables). Writes its key to out (cap 256).
 * ERR_FLOW_DIVERGED: no such call; ERR_NOT_FOUND: no such handler. */
int flow_enter(struct flow *f, const char *call_key, const char *handler, const json_t *args, const json_t *info,
	char *out, struct err *e);
/* Resume every waiting call with a "cancelled" error, innermost coroutines first; after it only calls for which
 * allowed() is true are made, all others raise "cancelled" at once; at most clean_up_calls of them. */
void flow_cancel(struct flow *f, bool (*allowed)(const char *name), int clean_up_calls);
/* A person modified a value: vars.name = value is seen by the flow from the next resume on. */
int flow_set_var(struct flow *f, const char *name, const json_t *value, struct err *e);
/* The table `vars` as it is now, for show; NULL with ERR_INVALID when it holds what JSON cannot. */
json_t *flow_vars(struct flow *f, struct err *e);
/* The handlers given to a start call are kept after the call returned, until this. Unknown keys: nothing. */
void flow_forget(struct flow *f, const char *call_key);
/* Waiting calls in order of their keys: for recovery and tests. */
json_t *flow_pending(struct flow *f); /* [{key, name}] */
size_t flow_memory(const struct flow *f);
/* Check that a text is loadable Lua source (no bytecode) without running it; message with file and line. ERR_FLOW_LIMIT
 * when that takes more time or memory than a flow has. */
int flow_check(const char *name, struct span text, struct err *e);

#endif
