/* lua_state: one Lua state that cannot leave its house: its memory is capped, its time is watched, and a broken limit
 * cannot be caught by the program in it.
 *
 * What the program sees is made here and in lua_text, lua_table, lua_pattern, lua_re, lua_json: the standard library
 * without anything that reads the world or differs between processes.
 *
 * Everything that may raise a Lua error (nearly every call of Lua's API that allocates) runs either inside a coroutine
 * or under lua_host_guard. */
#ifndef MUSTER_FLOW_LUA_STATE_H
#define MUSTER_FLOW_LUA_STATE_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>

#include "base/id.h"
#include "flow/flow.h"

enum lua_limit {
	LIMIT_NONE,
	LIMIT_MEMORY, /* the cap of this state */
	LIMIT_SLICE,
	LIMIT_STEPS,
	LIMIT_NOMEM, /* the machine's memory */
};

/* What Lua threads carry: the state's first thread and coroutines made by the program carry the host's own tag, those
 * of the flow their own. */
struct lua_tag {
	struct lua_host *host;
	struct coro *coro; /* NULL: not a coroutine of the flow */
};

struct lua_host {
	lua_State *L;
	lua_State *volatile running; /* the thread whose code runs: where the watchdog sets its hook */
	volatile sig_atomic_t expired;
	struct lua_tag tag;
	struct flow_limits limits;
	struct flow_source source;
	struct rng rng; /* math.random */
	size_t used;	/* bytes */
	bool starved;	/* the last refused allocation was the machine's, not the cap's */
	enum lua_limit limit;
	char where[96]; /* "flow.lua:12: " where the slice ended */
};

/* Make the state with its library. On failure (ERR_NOMEM, ERR_FLOW_LIMIT) nothing needs a close. */
int lua_host_open(struct lua_host *h, const struct flow_source *source, const struct flow_limits *limits, uint64_t seed,
	struct err *e);
void lua_host_close(struct lua_host *h);

static inline struct lua_tag *lua_tag_of(lua_State *L)
{
	return *(struct lua_tag **)lua_getextraspace(L);
}
static inline struct lua_host *lua_host_of(lua_State *L)
{
	return lua_tag_of(L)->host;
}

/* Slices are watched: the calling thread must have called watchdog_setup.
 * Resume a thread as one slice / from within one (`from` runs). Returns lua_resume's status. */
int lua_host_slice(struct lua_host *h, lua_State *co, int args, int *results);
int lua_host_resume(lua_State *from, lua_State *co, int args, int *results);
/* The watchdog's callback for what is watched without code of the program: such a function looks at `expired`. */
void lua_host_expire(void *ctx);
/* Run a function with `arg` as light userdata on the first thread, protected; `watched`: as a slice. -1 with the error
 * it raised. The stack is as before. */
int lua_host_guard(struct lua_host *h, lua_CFunction fn, void *arg, bool watched, struct err *e);
/* Run a function likewise from within a running program, then free(arg) whatever happened, then raise its error again
 * or leave its one result on the stack. For what Lua must copy from memory that is not its own. */
void lua_host_with(lua_State *L, lua_CFunction fn, void *arg, void (*release)(void *arg));

/* Note a broken limit (the first counts) and raise; pcall does not catch it. */
int lua_limit_raise(lua_State *L, enum lua_limit limit);
/* After a call ended with this error status: is it a broken limit? Notes that memory ran out. */
bool lua_limit_broken(struct lua_host *h, int status);
/* Set e to the broken limit: ERR_FLOW_LIMIT or ERR_NOMEM. Returns -1. */
int lua_limit_error(const struct lua_host *h, struct err *e);
/* Called now and then by loops in C: raises when the slice used its time. */
static inline void lua_host_work(lua_State *L)
{
	if (__builtin_expect(lua_host_of(L)->expired, 0))
		lua_limit_raise(L, LIMIT_SLICE);
}

/* Load a text (never bytecode): the function is pushed, or an error message "name:line: …". Returns the status; raises
 * a broken limit. */
int lua_load_text(lua_State *L, struct span text, const char *chunk);

/* Raise an error as a plain text with the place of the call in front; ERR_NOMEM as the broken limit it is. */
int lua_raise(lua_State *L, const struct err *e);
/* An error value {code, message} that prints as its message. */
void lua_push_error(lua_State *L, const struct err *error);
/* What an error value says, without running any code. Texts are ERR_FLOW. */
void lua_read_error(lua_State *L, int index, struct err *e);

#endif
