/* run: one execution of a mode, as a deterministic machine fed from its journal.
 *
 * The machine is the flow (Lua coroutines), the agents, the actions and the plan. Everything from outside is an INPUT
 * event; the machine answers each with DERIVED events and with effects (operations to be carried out: ask a model, run
 * a tool, wait). One rule serves live, recovery, passivation, replay and fork: run everything that is ready to rest;
 * then take the next input from the journal, or, at its end, from outside (append it first); deliver that one; again.
 * While the journal lasts, every derived event must equal the recorded one (ERR_FLOW_DIVERGED names both) and no effect
 * is started. At its end the effects that are still wanted are started, by the recovery table of DESIGN section 6 for
 * those that had begun before.
 *
 * Append before act, commit before tell: an effect starts when the event that announced it is durable. */
#ifndef MUSTER_FLOW_RUN_H
#define MUSTER_FLOW_RUN_H

#include "flow/house.h"

struct run;

/* Load a run from its journal and bring it to its present; live: start its effects. dry: a replay that must not append
 * or act (run_replay). -1: not found, diverged, newer. */
struct run *run_open(struct house *h, const char *id, bool dry, struct err *e);
/* Give up the memory; the journal has everything. Effects under way are dropped (they count as lost). done fires when
 * their callbacks have come in. */
void run_close(struct run *r, void (*done)(void *ctx), void *ctx);

/* What run.created, the first event, says: everything the run depends on. A new reference; first (may be NULL) gets the
 * event without its payload. NULL: ERR_NOT_FOUND, ERR_CORRUPT. */
json_t *run_created(struct store *s, const char *id, struct event *first, struct err *e);
/* Put back into a recorded event's payload what it keeps in a blob for being large. */
int spill_back(struct store *s, enum event_type type, json_t *data, struct err *e);
const char *run_id(const struct run *r);
/* The last eight characters of a run's id: what people see and may type. */
const char *run_short(const char *id);
/* "running", "waiting", "paused", "completed", "failed", "cancelled" */
const char *run_state(const struct run *r);
/* waiting on "person", "budget", "timer"; NULL when it does not wait. */
const char *run_waits_on(const struct run *r);
bool run_final(const struct run *r);
/* No effect is under way and everything is durable: it may be closed without loss. */
bool run_quiet(const struct run *r);
/* Microseconds from `now` (wall) until its earliest timer fires; -1: none. */
int64_t run_wakes_in(const struct run *r, int64_t now);
/* Why it failed; ERR_OK when it did not. */
const struct err *run_error(const struct run *r);
/* A machine failure (out of memory, disk, diverged) stopped this process's handling of the run, not the run itself. */
const struct err *run_broken(const struct run *r);

/* A person's command: {kind: pause|resume|cancel|steer|redirect|modify|budget|answer|rename|merged|forked, by, …};
 * becomes an input event. command_n: the store's row, marked done with it (0 none). -1: it does not fit the run's
 * state; nothing was changed. */
int run_command(struct run *r, const json_t *command, int64_t command_n, struct err *e);

/* Replay: no model, no sandbox, no append. Returns the number of events that matched, or -1 with ERR_REPLAY_DIFFERS
 * naming the first event that does not. */
int64_t run_replay(struct house *h, const char *id, struct err *e);
/* The last seq ≤ at at which no call was in flight and the run had not begun to end, and the snapshot of the run's copy
 * there. ERR_NOT_FOUND, ERR_CONFLICT: there is none. */
int run_quiet_point(struct house *h, const char *id, int64_t at, int64_t *quiet, struct hash *snapshot, struct err *e);

#endif
