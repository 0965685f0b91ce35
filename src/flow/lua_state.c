/* lua_state: allocator with a cap, watched slices, limits and error values.
 *
 * A limit is broken once: `limit` is set and an error is raised, whose value says nothing. On its way out it meets our
 * pcall, xpcall, coroutine.resume and wrap, which see `limit` and raise again. The watchdog's signal sets `expired` and
 * a hook on the running thread that raises at its next instruction, also of every handler that runs because of it;
 * loops in C look at `expired` themselves. */
#include "flow/lua_state.h"

#include <string.h>

#include "base/mem.h"
#include "flow/lua_guard.h"
#include "flow/lua_text.h"
#include "flow/watchdog.h"

enum { COMPILE_PIECE = 1024 };

static const char error_tag; /* its address: the metatable of error values in the registry */

/* ---- memory ---- */

static void *grow(void *ctx, void *p, size_t before, size_t size)
{
	struct lua_host *h = ctx;
	size_t old = p ? before : 0; /* else `before` is the kind of object */
	void *q;

	if (size == 0) {
		mem_free(p);
		h->used -= old;
		return NULL;
	}
	if (size > old && size - old > h->limits.memory - h->used) {
		h->starved = false;
		return NULL;
	}
	q = mem_realloc(p, size);
	if (!q && size <= old)
		q = p; /* Lua relies on it: shrinking cannot fail */
	if (!q) {
		h->starved = true;
		return NULL;
	}
	h->used = h->used - old + size;
	return q;
}

/* ---- limits ---- */

static void limit_hook(lua_State *L, lua_Debug *at)
{
	struct lua_host *h = lua_host_of(L);

	if (!h->where[0] && lua_getinfo(L, "Sl", at) && at->currentline > 0)
		snprintf(h->where, sizeof h->where, "%.70s:%d: ", at->short_src, at->currentline);
	lua_limit_raise(L, LIMIT_SLICE);
}

static void set_hook(lua_State *L)
{
	lua_sethook(L, limit_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* In the watchdog's signal handler. lua_sethook may be called there (Lua 5.4 manual, and as lua.c does). */
void lua_host_expire(void *ctx)
{
	struct lua_host *h = ctx;

	h->expired = 1;
	set_hook(h->running);
}

int lua_limit_raise(lua_State *L, enum lua_limit limit)
{
	struct lua_host *h = lua_host_of(L);

	if (h->limit == LIMIT_NONE)
		h->limit = limit;
	lua_pushboolean(L, false);
	return lua_error(L);
}

bool lua_limit_broken(struct lua_host *h, int status)
{
	if (h->limit == LIMIT_NONE && status == LUA_ERRMEM)
		h->limit = h->starved ? LIMIT_NOMEM : LIMIT_MEMORY;
	if (h->limit == LIMIT_NONE && h->expired)
		h->limit = LIMIT_SLICE;
	return h->limit != LIMIT_NONE;
}

int lua_limit_error(const struct lua_host *h, struct err *e)
{
	switch (h->limit) {
	case LIMIT_MEMORY:
		return err_set(e, ERR_FLOW_LIMIT,
			"the flow needs more than the allowed %zu KiB of memory; keep large texts in files",
			h->limits.memory / 1024);
	case LIMIT_SLICE:
		return err_set(e, ERR_FLOW_LIMIT,
			"%sthe flow's code ran longer than the allowed %d ms between two host calls; is there an "
			"endless loop?",
			h->where, h->limits.slice_ms);
	case LIMIT_STEPS:
		return err_set(e, ERR_FLOW_LIMIT,
			"the flow made more than the allowed %lld host calls; begin a new segment with "
			"continue_as(state) before that",
			(long long)h->limits.steps);
	case LIMIT_NOMEM:
		return err_nomem(e);
	case LIMIT_NONE:
		break;
	}
	BUG("no limit is broken");
}

/* ---- running ---- */

static int resume(struct lua_host *h, lua_State *from, lua_State *co, int args, int *results)
{
	lua_State *before = h->running;
	int status;

	h->running = co;
	if (h->expired)
		set_hook(co);
	status = lua_resume(co, from, args, results);
	h->running = before;
	if (h->expired)
		set_hook(before);
	return status;
}

int lua_host_slice(struct lua_host *h, lua_State *co, int args, int *results)
{
	int status;

	watchdog_begin(h->limits.slice_ms, lua_host_expire, h);
	status = resume(h, NULL, co, args, results);
	watchdog_end();
	return status;
}

int lua_host_resume(lua_State *from, lua_State *co, int args, int *results)
{
	return resume(lua_host_of(from), from, co, args, results);
}

int lua_host_guard(struct lua_host *h, lua_CFunction fn, void *arg, bool watched, struct err *e)
{
	int top = lua_gettop(h->L), status;

	lua_pushcfunction(h->L, fn);
	lua_pushlightuserdata(h->L, arg);
	if (watched)
		watchdog_begin(h->limits.slice_ms, lua_host_expire, h);
	status = lua_pcall(h->L, 1, 0, 0);
	if (watched)
		watchdog_end();
	if (status != LUA_OK) {
		if (lua_limit_broken(h, status))
			lua_limit_error(h, e);
		else
			lua_read_error(h->L, -1, e);
	}
	lua_settop(h->L, top);
	return status == LUA_OK ? 0 : -1;
}

void lua_host_with(lua_State *L, lua_CFunction fn, void *arg, void (*release)(void *arg))
{
	int status;

	if (!lua_checkstack(L, 4)) {
		release(arg);
		luaL_error(L, "stack overflow");
	}
	lua_pushcfunction(L, fn);
	lua_pushlightuserdata(L, arg);
	status = lua_pcall(L, 1, 1, 0);
	release(arg);
	if (status != LUA_OK) {
		lua_limit_broken(lua_host_of(L), status);
		lua_error(L);
	}
}

/* Gives the compiler a piece: some texts take it longer than the square of their length, and it calls nothing else. */
static const char *next_piece(lua_State *L, void *ctx, size_t *n)
{
	struct span *rest = ctx;
	const char *piece = rest->p;

	lua_host_work(L);
	*n = rest->n < COMPILE_PIECE ? rest->n : COMPILE_PIECE;
	*rest = span_n(rest->p + *n, rest->n - *n);
	return piece;
}

int lua_load_text(lua_State *L, struct span text, const char *chunk)
{
	const char *name = *chunk == '@' || *chunk == '=' ? chunk + 1 : "load";
	int status;

	if (text.n && text.p[0] == LUA_SIGNATURE[0]) {
		lua_pushfstring(L, "%s: compiled Lua is not accepted; give its source", name);
		return LUA_ERRSYNTAX;
	}
	if (!text.p)
		text = span_of("");
	status = lua_load(L, next_piece, &text, chunk, "t");
	if (status != LUA_OK && lua_limit_broken(lua_host_of(L), status))
		return lua_error(L);
	return status;
}

/* ---- error values ---- */

static int error_text(lua_State *L)
{
	lua_getfield(L, 1, "message");
	if (!lua_isstring(L, -1))
		lua_pushliteral(L, "error");
	return 1;
}

static int error_concat(lua_State *L)
{
	lua_text_push(L, 1, NULL);
	lua_text_push(L, 2, NULL);
	lua_concat(L, 2);
	return 1;
}

static void make_error_metatable(lua_State *L)
{
	static const luaL_Reg fields[] = {{"__tostring", error_text}, {"__concat", error_concat}, {NULL, NULL}};

	luaL_newlib(L, fields);
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "__metatable");
	lua_rawsetp(L, LUA_REGISTRYINDEX, &error_tag);
}

void lua_push_error(lua_State *L, const struct err *error)
{
	luaL_checkstack(L, 4, NULL);
	lua_createtable(L, 0, 2);
	lua_pushstring(L, err_name(error->code));
	lua_setfield(L, -2, "code");
	lua_pushstring(L, error->text);
	lua_setfield(L, -2, "message");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &error_tag);
	lua_setmetatable(L, -2);
}

int lua_raise(lua_State *L, const struct err *e)
{
	if (e->code == ERR_NOMEM)
		return lua_limit_raise(L, LIMIT_NOMEM);
	luaL_where(L, 1);
	lua_pushstring(L, e->text);
	lua_concat(L, 2);
	return lua_error(L);
}

/* The text member `name` of the table at the top, found without allocating: keys are looked at one by one. */
static const char *member(lua_State *L, const char *name)
{
	const char *found = NULL;

	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING &&
			strcmp(lua_tostring(L, -2), name) == 0)
			found = lua_tostring(L, -1);
	return found;
}

void lua_read_error(lua_State *L, int index, struct err *e)
{
	int top = lua_gettop(L);

	if (!lua_checkstack(L, 4)) {
		err_set(e, ERR_FLOW, "stack overflow");
		return;
	}
	lua_pushvalue(L, index);
	if (lua_type(L, -1) == LUA_TTABLE) {
		const char *code = member(L, "code"), *message = member(L, "message");
		enum err_code known = code ? err_code_named(code) : ERR_CODES;
		err_set(e, known == ERR_CODES || known == ERR_OK ? ERR_FLOW : known, "%s",
			message ? message : "the flow raised a table without a message");
	} else if (lua_type(L, -1) == LUA_TSTRING) {
		err_set(e, ERR_FLOW, "%s", lua_tostring(L, -1));
	} else if (lua_isinteger(L, -1)) {
		err_set(e, ERR_FLOW, "%lld", (long long)lua_tointeger(L, -1));
	} else if (lua_isnumber(L, -1)) {
		err_set(e, ERR_FLOW, "%.14g", lua_tonumber(L, -1));
	} else {
		err_set(e, ERR_FLOW, "the flow raised a %s instead of a message", luaL_typename(L, -1));
	}
	lua_settop(L, top);
}

/* ---- the state ---- */

static int on_panic(lua_State *L)
{
	struct err e = ERR_INIT;

	lua_read_error(L, -1, &e);
	BUG("a Lua error outside of any protected call: %s", e.text);
}

static int furnish(lua_State *L)
{
	make_error_metatable(L);
	lua_guard_open(L);
	return 0;
}

int lua_host_open(struct lua_host *h, const struct flow_source *source, const struct flow_limits *limits, uint64_t seed,
	struct err *e)
{
	*h = (struct lua_host){
		.source = *source, .limits = *limits, .rng = {.state = seed}, .tag = {.host = h, .coro = NULL}};
	h->L = lua_newstate(grow, h);
	if (!h->L) {
		h->limit = h->starved ? LIMIT_NOMEM : LIMIT_MEMORY;
		return lua_limit_error(h, e);
	}
	h->running = h->L;
	*(struct lua_tag **)lua_getextraspace(h->L) = &h->tag;
	lua_atpanic(h->L, on_panic);
	if (lua_host_guard(h, furnish, NULL, false, e) == 0)
		return 0;
	lua_host_close(h);
	return -1;
}

void lua_host_close(struct lua_host *h)
{
	if (h->L)
		lua_close(h->L);
	h->L = NULL;
}
