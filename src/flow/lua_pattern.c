/* lua_pattern: find, match, gmatch and gsub over lua_match. */
#include "flow/lua_pattern.h"

#include <string.h>

#include "base/caps.h"
#include "flow/lua_guard.h"
#include "flow/lua_match.h"
#include "flow/lua_state.h"

static void start(struct lua_match *m, lua_State *L, struct span text, struct span pattern)
{
	lua_match_start(m, L, text, pattern, CAP_FLOW_PATTERN_WORK + 64 * (int64_t)text.n);
}

/* Capture i; capture 0 of a pattern without any is the whole match. */
static void push_capture(struct lua_match *m, int i, const char *from, const char *to)
{
	if (i >= m->count) {
		if (i != 0)
			luaL_error(m->L, "invalid capture index %%%d", i + 1);
		lua_pushlstring(m->L, from, (size_t)(to - from));
	} else if (m->captures[i].n == CAPTURE_OPEN) {
		luaL_error(m->L, "unfinished capture");
	} else if (m->captures[i].n == CAPTURE_POSITION) {
		lua_pushinteger(m->L, m->captures[i].at - m->text + 1);
	} else {
		lua_pushlstring(m->L, m->captures[i].at, (size_t)m->captures[i].n);
	}
}

static int push_captures(struct lua_match *m, const char *from, const char *to, bool whole)
{
	int n = m->count == 0 && whole ? 1 : m->count;

	luaL_checkstack(m->L, n, "too many captures");
	for (int i = 0; i < n; i++)
		push_capture(m, i, from, to);
	return n;
}

static struct span check_span(lua_State *L, int index)
{
	struct span s;

	s.p = luaL_checklstring(L, index, &s.n);
	return s;
}

/* A start position as string.find takes it, from 0; beyond the end: n + 1. */
static size_t start_position(lua_State *L, int index, size_t n)
{
	lua_Integer i = luaL_optinteger(L, index, 1);

	if (i > 0)
		return (lua_Unsigned)i - 1 > n ? n + 1 : (size_t)i - 1;
	if (i == 0 || i < -(lua_Integer)n)
		return 0;
	return n - (size_t)-i;
}

static bool is_plain(struct span pattern)
{
	for (size_t i = 0; i < pattern.n; i++)
		if (!pattern.p[i] || strchr("^$*+?.([%-", pattern.p[i]))
			return false;
	return true;
}

static int find_or_match(lua_State *L, bool find)
{
	struct span text = check_span(L, 1), pattern = check_span(L, 2);
	size_t init = start_position(L, 3, text.n);
	struct lua_match m;
	const char *p = pattern.p, *end;
	bool anchor;

	if (init > text.n) {
		lua_pushnil(L);
		return 1;
	}
	if (find && (lua_toboolean(L, 4) || is_plain(pattern))) {
		size_t at = pattern.n ? span_find(text, pattern, init) : init;
		if (at == (size_t)-1) {
			lua_pushnil(L);
			return 1;
		}
		lua_pushinteger(L, (lua_Integer)at + 1);
		lua_pushinteger(L, (lua_Integer)at + (lua_Integer)pattern.n);
		return 2;
	}
	start(&m, L, text, pattern);
	anchor = pattern.n && *p == '^';
	p += anchor;
	for (const char *s = text.p + init; s <= m.text_end; s++) {
		end = lua_match_at(&m, s, p);
		if (end && find) {
			lua_pushinteger(L, s - text.p + 1);
			lua_pushinteger(L, end - text.p);
			return push_captures(&m, s, end, false) + 2;
		}
		if (end)
			return push_captures(&m, s, end, true);
		if (anchor)
			break;
	}
	lua_pushnil(L);
	return 1;
}

static int string_find(lua_State *L)
{
	return find_or_match(L, true);
}

static int string_match(lua_State *L)
{
	return find_or_match(L, false);
}

/* upvalues: text, pattern, place to go on, end of the last match (as integers from 0; -1 none). */
static int gmatch_step(lua_State *L)
{
	struct span text = check_span(L, lua_upvalueindex(1)), pattern = check_span(L, lua_upvalueindex(2));
	lua_Integer at = lua_tointeger(L, lua_upvalueindex(3)), last = lua_tointeger(L, lua_upvalueindex(4));
	struct lua_match m;
	const char *end;

	start(&m, L, text, pattern);
	for (const char *s = text.p + at; s <= m.text_end; s++) {
		end = lua_match_at(&m, s, pattern.p);
		if (!end || end - text.p == last)
			continue;
		lua_pushinteger(L, end - text.p);
		lua_copy(L, -1, lua_upvalueindex(3));
		lua_replace(L, lua_upvalueindex(4));
		return push_captures(&m, s, end, true);
	}
	lua_pushinteger(L, (lua_Integer)text.n + 1);
	lua_replace(L, lua_upvalueindex(3));
	return 0;
}

static int string_gmatch(lua_State *L)
{
	struct span text = check_span(L, 1);
	size_t init = start_position(L, 3, text.n);

	check_span(L, 2);
	lua_settop(L, 2);
	lua_pushinteger(L, (lua_Integer)init);
	lua_pushinteger(L, -1);
	lua_pushcclosure(L, gmatch_step, 4);
	return 1;
}

/* Add a replacement text with its %0-%9 and %%. */
static void add_text(struct lua_match *m, luaL_Buffer *b, const char *from, const char *to)
{
	size_t n;
	const char *p = lua_tolstring(m->L, 3, &n), *end = p + n;

	for (; p < end; p++) {
		if (*p != '%') {
			luaL_addchar(b, *p);
			continue;
		}
		p++;
		if (p < end && *p == '%') {
			luaL_addchar(b, '%');
		} else if (p < end && *p == '0') {
			luaL_addlstring(b, from, (size_t)(to - from));
		} else if (p < end && *p >= '1' && *p <= '9') {
			push_capture(m, *p - '1', from, to);
			luaL_tolstring(m->L, -1, NULL); /* a position is a number */
			lua_remove(m->L, -2);
			luaL_addvalue(b);
		} else {
			luaL_error(m->L, "invalid use of '%%' in replacement string");
		}
	}
}

/* Add what the match from..to becomes. */
static void add_match(struct lua_match *m, luaL_Buffer *b, const char *from, const char *to, int kind)
{
	lua_State *L = m->L;

	if (kind == LUA_TSTRING || kind == LUA_TNUMBER) {
		add_text(m, b, from, to);
		return;
	}
	if (kind == LUA_TFUNCTION) {
		lua_pushvalue(L, 3);
		lua_call(L, push_captures(m, from, to, true), 1);
	} else {
		push_capture(m, 0, from, to);
		lua_gettable(L, 3);
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(b, from, (size_t)(to - from));
	} else if (lua_isstring(L, -1)) {
		luaL_addvalue(b);
	} else {
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	}
}

static int string_gsub(lua_State *L)
{
	struct span text = check_span(L, 1), pattern = check_span(L, 2);
	int kind = lua_type(L, 3);
	lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)text.n + 1), done = 0;
	bool anchor = pattern.n && *pattern.p == '^';
	const char *s = text.p, *last = NULL, *end;
	struct lua_match m;
	luaL_Buffer b;

	luaL_argexpected(L, kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TTABLE || kind == LUA_TFUNCTION,
		3, "string/function/table");
	start(&m, L, text, pattern);
	luaL_buffinit(L, &b);
	while (done < most) {
		end = lua_match_at(&m, s, pattern.p + anchor);
		if (end && end != last) {
			done++;
			add_match(&m, &b, s, end, kind);
			s = last = end;
		} else if (s < m.text_end) {
			luaL_addchar(&b, *s++);
		} else {
			break;
		}
		if (anchor)
			break;
	}
	luaL_addlstring(&b, s, (size_t)(m.text_end - s));
	luaL_pushresult(&b);
	lua_pushinteger(L, done);
	return 2;
}

void lua_pattern_open(lua_State *L)
{
	static const luaL_Reg string[] = {{"find", string_find}, {"match", string_match}, {"gmatch", string_gmatch},
		{"gsub", string_gsub}, {NULL, NULL}};

	lua_guard_library(L, LUA_STRLIBNAME, string);
}
