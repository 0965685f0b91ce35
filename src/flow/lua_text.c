/* lua_text: tostring, string.format, string.rep, math.random. */
#include "flow/lua_text.h"

#include <string.h>

#include "base/caps.h"
#include "flow/lua_guard.h"
#include "flow/lua_state.h"

const char *lua_text_push(lua_State *L, int index, size_t *n)
{
	index = lua_absindex(L, index);
	if (luaL_callmeta(L, index, "__tostring")) {
		if (!lua_isstring(L, -1))
			luaL_error(L, "'__tostring' must return a string");
		return lua_tolstring(L, -1, n);
	}
	switch (lua_type(L, index)) {
	case LUA_TNIL:
		lua_pushliteral(L, "nil");
		break;
	case LUA_TBOOLEAN:
		lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
		break;
	case LUA_TNUMBER:
	case LUA_TSTRING:
		lua_pushvalue(L, index);
		break;
	default:
		if (luaL_getmetafield(L, index, "__name") != LUA_TSTRING)
			lua_pushstring(L, luaL_typename(L, index));
	}
	return lua_tolstring(L, -1, n);
}

static int to_string(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_text_push(L, 1, NULL);
	return 1;
}

/* upvalue 1: the library's format. Texts are made here, everything else there. */
static int format(lua_State *L)
{
	size_t n;
	const char *p = luaL_checklstring(L, 1, &n), *end = p + n;
	int args = lua_gettop(L), arg = 1;

	for (; p < end; p++) {
		if (*p != '%')
			continue;
		p++;
		p += strspn(p, "-+ #0123456789."); /* ends at the NUL behind the text at the latest */
		if (p >= end || *p == '%')
			continue;
		arg++;
		if (*p == 'p')
			return luaL_error(L, "%%p is not available in flows: addresses differ from process to process");
		if (*p == 's' && arg <= args) {
			lua_text_push(L, arg, NULL);
			lua_replace(L, arg);
		}
	}
	return lua_tocfunction(L, lua_upvalueindex(1))(L); /* it uses no upvalues, and errors name this call */
}

static int rep(lua_State *L)
{
	size_t n, sep_n;
	const char *p = luaL_checklstring(L, 1, &n), *sep;
	lua_Integer count = luaL_checkinteger(L, 2);
	luaL_Buffer b;

	sep = luaL_optlstring(L, 3, "", &sep_n);
	if (count <= 0 || n + sep_n == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	if ((lua_Unsigned)count > CAP_FLOW_REP / (n + sep_n))
		return luaL_error(L, "string.rep: the result has more than %I bytes", (lua_Integer)CAP_FLOW_REP);
	luaL_buffinit(L, &b);
	for (lua_Integer i = 0; i < count; i++) {
		if (i)
			luaL_addlstring(&b, sep, sep_n);
		luaL_addlstring(&b, p, n);
	}
	luaL_pushresult(&b);
	return 1;
}

/* Uniform in [0, n], by drawing again what would make some numbers likelier. */
static uint64_t below(struct rng *r, uint64_t n)
{
	uint64_t mask = n, x;

	for (int shift = 1; shift < 64; shift *= 2)
		mask |= mask >> shift;
	do
		x = rng_next(r) & mask;
	while (x > n);
	return x;
}

static int math_random(lua_State *L)
{
	struct rng *r = &lua_host_of(L)->rng;
	lua_Integer low = 1, high;
	uint64_t drawn;

	switch (lua_gettop(L)) {
	case 0:
		lua_pushnumber(L, rng_unit(r));
		return 1;
	case 1:
		high = luaL_checkinteger(L, 1);
		if (high == 0) {
			lua_pushinteger(L, (lua_Integer)rng_next(r));
			return 1;
		}
		break;
	case 2:
		low = luaL_checkinteger(L, 1);
		high = luaL_checkinteger(L, 2);
		break;
	default:
		return luaL_error(L, "wrong number of arguments");
	}
	luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
	drawn = (uint64_t)low + below(r, (uint64_t)high - (uint64_t)low);
	lua_pushinteger(L, (lua_Integer)drawn);
	return 1;
}

void lua_text_open(lua_State *L)
{
	static const luaL_Reg base[] = {{"tostring", to_string}, {NULL, NULL}};
	static const luaL_Reg string[] = {{"rep", rep}, {NULL, NULL}};
	static const luaL_Reg math[] = {{"random", math_random}, {NULL, NULL}};

	lua_guard_library(L, LUA_GNAME, base);
	lua_guard_library(L, LUA_STRLIBNAME, string);
	lua_guard_library(L, LUA_MATHLIBNAME, math);
	lua_getglobal(L, LUA_STRLIBNAME);
	lua_getfield(L, -1, "format");
	lua_pushcclosure(L, format, 1);
	lua_setfield(L, -2, "format");
	lua_pop(L, 1);
}
