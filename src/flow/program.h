/* program: the Lua programs of a run: its own flow, and those of the modes that it calls.
 *
 * A called mode is a flow of its own, with its own bundle, inputs and settings; files, agents, budget and journal are
 * the run's. Host call "0.2" of the program that call "0.3" began has the key "0.3>0.2". The first program of a run is
 * its own, with the empty key.
 *
 * All functions that take a key find the program by it; a program that has ended takes no answer and makes no call:
 * what is delivered to it is ignored. */
#ifndef MUSTER_FLOW_PROGRAM_H
#define MUSTER_FLOW_PROGRAM_H

#include "flow/bundle.h"
#include "flow/flow.h"

struct run;

enum { PROGRAM_KEY = 512 };

/* Load the bundle's flow and make its function ready. bundle and given (what the function gets; "state" is that of
 * continue_as) are consumed. ERR_FLOW; ERR_TOO_LARGE when calls are nested too deeply or too many are under way. */
int program_begin(struct run *r, const char *key, struct bundle *bundle, json_t *given, struct err *e);
/* Run all programs until each waits. -1: a limit was broken (ERR_FLOW_LIMIT), a segment cannot begin, no memory. */
int programs_rest(struct run *r, struct err *e);
/* A result for a host call, as flow_deliver. Ignored when its program has ended. */
int program_deliver(
	struct run *r, const char *key, bool ok, const json_t *value, const struct err *error, struct err *e);
/* As flow_enter; out is the coroutine's key in the run. */
int program_enter(struct run *r, const char *key, const char *handler, const json_t *args, const json_t *info,
	char out[PROGRAM_KEY], struct err *e);
void program_forget(struct run *r, const char *key);
/* Begin the program of this call anew with this state at the next rest: continue_as. */
int program_continue(struct run *r, const char *key, const json_t *state, struct err *e);
/* How much of a key names the program, its last '>' included; 0: the run's own. */
size_t program_prefix(const char *key);
/* The role as the program of this call knows it; NULL. */
struct role *program_role(struct run *r, const char *key, const char *id);
/* A called mode's bundle as the program of this call has it pinned; a new reference. ERR_NOT_FOUND. */
struct bundle *program_called(struct run *r, const char *key, const char *mode, struct err *e);
int programs_set_var(struct run *r, const char *name, const json_t *value, struct err *e);
/* Innermost first, as flow_cancel. */
void programs_cancel(struct run *r, bool (*allowed)(const char *name), int clean_up_calls);
void programs_release(struct run *r);

#endif
