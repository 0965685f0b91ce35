/* lua_guard: the environment. Failure modes: every function raises Lua errors as the manual says for its namesake. */
#include "flow/lua_guard.h"

#include <string.h>

#include "base/caps.h"
#include "base/mem.h"
#include "flow/lua_json.h"
#include "flow/lua_pattern.h"
#include "flow/lua_re.h"
#include "flow/lua_state.h"
#include "flow/lua_table.h"
#include "flow/lua_text.h"

/* ---- protected calls ---- */

/* Results of a protected call are everything above `below` stack slots. */
static int protected_done(lua_State *L, int status, lua_KContext below)
{
	if (status == LUA_OK || status == LUA_YIELD)
		return lua_gettop(L) - (int)below;
	if (lua_limit_broken(lua_host_of(L), status))
		return lua_error(L);
	lua_pushboolean(L, false);
	lua_insert(L, -2);
	return 2;
}

static int guard_pcall(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_pushboolean(L, true);
	lua_insert(L, 1);
	return protected_done(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, protected_done), 0);
}

/* upvalue 1: the program's handler. An error that a hook raised comes here with hooks switched off, so after a broken
 * limit none of the program's code may run. */
static int message_handler(lua_State *L)
{
	struct lua_host *h = lua_host_of(L);

	if (h->expired || h->limit != LIMIT_NONE)
		return 1;
	lua_settop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 1, 1);
	return 1;
}

/* Stack: function, handler, arguments → handler, true, function, arguments. */
static int guard_xpcall(lua_State *L)
{
	int args = lua_gettop(L) - 2;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, message_handler, 1);
	lua_replace(L, 1);
	lua_pushboolean(L, true);
	lua_replace(L, 2);
	lua_insert(L, 3);
	return protected_done(L, lua_pcallk(L, args, LUA_MULTRET, 1, 1, protected_done), 1);
}

/* ---- coroutines of the flow's own making ---- */

static lua_State *own_coroutine(lua_State *L, int index)
{
	lua_State *co = lua_tothread(L, index);

	luaL_argexpected(L, co, index, "thread");
	if (lua_tag_of(co)->coro || co == lua_host_of(L)->L)
		luaL_error(L, "branches and handlers of the flow cannot be resumed or closed, only coroutines made by "
			      "coroutine.create or wrap");
	return co;
}

/* Number of results moved to L, or -1 with the error value moved. */
static int resume(lua_State *L, lua_State *co, int args)
{
	int status, results;

	if (!lua_checkstack(co, args)) {
		lua_pushliteral(L, "too many arguments to resume");
		return -1;
	}
	lua_xmove(L, co, args);
	status = lua_host_resume(L, co, args, &results);
	if (status == LUA_OK || status == LUA_YIELD) {
		if (lua_limit_broken(lua_host_of(L), status))
			lua_limit_raise(L, LIMIT_SLICE);
		if (!lua_checkstack(L, results + 1)) {
			lua_pop(co, results);
			lua_pushliteral(L, "too many results to resume");
			return -1;
		}
		lua_xmove(co, L, results);
		return results;
	}
	if (lua_limit_broken(lua_host_of(L), status))
		lua_limit_raise(L, LIMIT_SLICE);
	lua_xmove(co, L, 1);
	return -1;
}

/* Run a coroutine's to-be-closed variables; it cannot be resumed after that. */
static int reset(lua_State *L, lua_State *co)
{
	struct lua_host *h = lua_host_of(L);
	int status;

	h->running = co;
	status = lua_resetthread(co);
	h->running = L;
	if (lua_limit_broken(h, status))
		lua_limit_raise(L, LIMIT_SLICE);
	return status;
}

static int guard_resume(lua_State *L)
{
	lua_State *co = own_coroutine(L, 1);
	int results = resume(L, co, lua_gettop(L) - 1);

	lua_pushboolean(L, results >= 0);
	lua_insert(L, results < 0 ? -2 : -(results + 1));
	return results < 0 ? 2 : results + 1;
}

static int wrapped(lua_State *L)
{
	lua_State *co = lua_tothread(L, lua_upvalueindex(1));
	int results = resume(L, co, lua_gettop(L));

	if (results >= 0)
		return results;
	if (lua_status(co) > LUA_YIELD) { /* it failed: close it; the closing functions see its error */
		lua_pushvalue(L, -1);
		lua_xmove(L, co, 1);
		reset(L, co);
		lua_xmove(co, L, 1);
	}
	if (lua_type(L, -1) == LUA_TSTRING) { /* where it was called, before what it says */
		luaL_where(L, 1);
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

static int guard_create(lua_State *L)
{
	lua_State *co;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	co = lua_newthread(L);
	*(struct lua_tag **)lua_getextraspace(co) = &lua_host_of(L)->tag;
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	return 1;
}

static int guard_wrap(lua_State *L)
{
	guard_create(L);
	lua_pushcclosure(L, wrapped, 1);
	return 1;
}

static int guard_yield(lua_State *L)
{
	if (lua_tag_of(L)->coro)
		return luaL_error(L, "attempt to yield from outside a coroutine");
	return lua_yield(L, lua_gettop(L));
}

static int guard_close(lua_State *L)
{
	lua_State *co = own_coroutine(L, 1);
	lua_Debug at;
	int status = lua_status(co);

	if (co == L || (status == LUA_OK && lua_getstack(co, 0, &at)))
		return luaL_error(L, "cannot close a running coroutine");
	status = reset(L, co);
	lua_pushboolean(L, status == LUA_OK);
	if (status == LUA_OK)
		return 1;
	lua_xmove(co, L, 1);
	return 2;
}

/* ---- the rest ---- */

/* Arrays seem to have none: a field __gc in the one they share would run the flow's code where no watchdog looks. */
static int guard_getmetatable(lua_State *L)
{
	luaL_checkany(L, 1);
	if (lua_json_is_array(L, 1) || !lua_getmetatable(L, 1)) {
		lua_pushnil(L);
		return 1;
	}
	luaL_getmetafield(L, 1, "__metatable");
	return 1;
}

static int guard_setmetatable(lua_State *L)
{
	int type = lua_type(L, 2);

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "cannot change a protected metatable");
	for (int i = 0; type == LUA_TTABLE && i < 2; i++) {
		const char *field = i ? "__mode" : "__gc";
		lua_pushstring(L, field);
		if (lua_rawget(L, 2) != LUA_TNIL)
			return luaL_error(
				L, "%s is not available in flows: they must not see when memory is collected", field);
		lua_pop(L, 1);
	}
	lua_settop(L, 2);
	lua_setmetatable(L, 1);
	return 1;
}

static int guard_load(lua_State *L)
{
	bool env = !lua_isnone(L, 4);
	const char *chunk, *mode;
	size_t n;
	const char *text;

	if (lua_type(L, 1) != LUA_TSTRING)
		return luaL_error(L, "load takes a text; functions that give pieces are not available in flows");
	text = lua_tolstring(L, 1, &n);
	chunk = luaL_optstring(L, 2, text);
	mode = luaL_optstring(L, 3, "t");
	if (!strchr(mode, 't'))
		return luaL_error(L, "load takes source text only, mode \"t\"");
	if (n > CAP_MODE_BUNDLE)
		return luaL_error(L, "load: %I bytes of source, more than the allowed %I", (lua_Integer)n,
			(lua_Integer)CAP_MODE_BUNDLE);
	lua_settop(L, 4);
	if (lua_load_text(L, span_n(text, n), chunk) != LUA_OK) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	if (env) {
		lua_pushvalue(L, 4);
		if (!lua_setupvalue(L, -2, 1))
			lua_pop(L, 1);
	}
	return 1;
}

/* upvalue 1: name → what it returned; false while it loads. */
static int guard_require(lua_State *L)
{
	struct lua_host *h = lua_host_of(L);
	const char *name = luaL_checkstring(L, 1), *file;
	struct span text;
	int status;

	lua_settop(L, 1);
	lua_pushvalue(L, 1);
	if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TBOOLEAN && !lua_toboolean(L, -1))
		return luaL_error(L, "require \"%s\": the library requires itself", name);
	if (!lua_isnil(L, -1))
		return 1;
	file = lua_pushfstring(L, "@lib/%s.lua", name);
	text = h->source.file(h->source.ctx, file + 1);
	if (!text.p)
		return luaL_error(L, "require \"%s\": there is no %s, neither of the mode nor shared", name, file + 1);
	if (lua_load_text(L, text, file) != LUA_OK)
		return lua_error(L);
	lua_pushvalue(L, 1);
	lua_pushboolean(L, false);
	lua_rawset(L, lua_upvalueindex(1));
	status = lua_pcall(L, 0, 1, 0);
	if (status == LUA_OK && lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushboolean(L, true);
	}
	lua_pushvalue(L, 1);
	if (status == LUA_OK)
		lua_pushvalue(L, -2);
	else
		lua_pushnil(L); /* it may be tried again */
	lua_rawset(L, lua_upvalueindex(1));
	if (status == LUA_OK)
		return 1;
	lua_limit_broken(h, status);
	return lua_error(L);
}

/* ---- opening ---- */

void lua_guard_library(lua_State *L, const char *library, const struct luaL_Reg *functions)
{
	lua_pushglobaltable(L);
	if (lua_getfield(L, -1, library) == LUA_TNIL) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_setfield(L, -3, library);
	}
	luaL_setfuncs(L, functions, 0);
	lua_pop(L, 2);
}

static void absent(lua_State *L, const char *library, const char *const *names)
{
	lua_pushglobaltable(L);
	lua_getfield(L, -1, library);
	for (; *names; names++) {
		lua_pushnil(L);
		lua_setfield(L, -2, *names);
	}
	lua_pop(L, 2);
}

void lua_guard_open(lua_State *L)
{
	static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base}, {LUA_COLIBNAME, luaopen_coroutine},
		{LUA_TABLIBNAME, luaopen_table}, {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math},
		{LUA_UTF8LIBNAME, luaopen_utf8}, {NULL, NULL}};
	static const luaL_Reg base[] = {{"pcall", guard_pcall}, {"xpcall", guard_xpcall},
		{"getmetatable", guard_getmetatable}, {"setmetatable", guard_setmetatable}, {"load", guard_load},
		{NULL, NULL}};
	static const luaL_Reg coroutine[] = {{"create", guard_create}, {"resume", guard_resume}, {"wrap", guard_wrap},
		{"yield", guard_yield}, {"close", guard_close}, {NULL, NULL}};
	static const char *const no_base[] = {"next", "print", "dofile", "loadfile", "collectgarbage", "warn", NULL};
	static const char *const no_string[] = {"dump", NULL};
	static const char *const no_math[] = {"randomseed", NULL};

	for (const luaL_Reg *l = libraries; l->func; l++) {
		luaL_requiref(L, l->name, l->func, 1);
		lua_pop(L, 1);
	}
	lua_guard_library(L, LUA_GNAME, base);
	lua_guard_library(L, LUA_COLIBNAME, coroutine);
	absent(L, LUA_GNAME, no_base);
	absent(L, LUA_STRLIBNAME, no_string);
	absent(L, LUA_MATHLIBNAME, no_math);
	lua_newtable(L);
	lua_pushcclosure(L, guard_require, 1);
	lua_setglobal(L, "require");
	lua_text_open(L);
	lua_table_open(L);
	lua_pattern_open(L);
	lua_json_open(L);
	lua_re_open(L);
	lua_pushnil(L); /* the table of loaded libraries: it would keep what was removed */
	lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}
