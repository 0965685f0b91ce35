/* lua_re: PCRE2 with compiled patterns as userdata, kept in a table that is emptied when it is full.
 * A search that reaches a limit raises an ordinary error; limits count work, not time, so it does so everywhere. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "flow/lua_re.h"

#include <pcre2.h>
#include <string.h>

#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "flow/lua_guard.h"
#include "flow/lua_state.h"

enum { RE_KIND = 3 }; /* stack slot of gsub's replacement */
enum { OPTIONS = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT };

struct re {
	pcre2_code *code, *any; /* for texts known to be UTF-8; for any bytes, which are checked in each search */
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

static void *re_alloc(size_t n, void *ctx)
{
	(void)ctx;
	return mem_alloc(n);
}

static void re_release(void *p, void *ctx)
{
	(void)ctx;
	mem_free(p);
}

static int re_free(lua_State *L)
{
	struct re *r = lua_touserdata(L, 1);

	pcre2_match_data_free(r->data);
	pcre2_match_context_free(r->limits);
	pcre2_code_free(r->code);
	pcre2_code_free(r->any);
	*r = (struct re){0};
	return 0;
}

/* Before every item of a pattern: the limits hold for each place where a match may begin, and there are many. */
static int on_item(pcre2_callout_block *item, void *host)
{
	(void)item;
	return ((struct lua_host *)host)->expired ? PCRE2_ERROR_CALLOUT : 0;
}

static void compile(lua_State *L, struct re *r, struct span pattern)
{
	pcre2_general_context *memory = pcre2_general_context_create(re_alloc, re_release, NULL);
	pcre2_compile_context *how = memory ? pcre2_compile_context_create(memory) : NULL;
	int code = 0;
	size_t at = 0;
	char text[128];

	if (how) {
		r->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, OPTIONS, &code, &at, how);
		if (r->code)
			r->any = pcre2_compile(
				(PCRE2_SPTR)pattern.p, pattern.n, OPTIONS | PCRE2_MATCH_INVALID_UTF, &code, &at, how);
		r->limits = pcre2_match_context_create(memory);
	}
	if (r->any)
		r->data = pcre2_match_data_create_from_pattern(r->code, memory);
	if (r->data && r->limits) {
		pcre2_set_match_limit(r->limits, CAP_FLOW_RE_MATCH);
		pcre2_set_heap_limit(r->limits, CAP_FLOW_RE_HEAP_KIB);
		pcre2_set_callout(r->limits, on_item, lua_host_of(L));
	}
	pcre2_compile_context_free(how);
	pcre2_general_context_free(memory);
	if (r->data && r->limits)
		return;
	if (!how || r->code || !r->limits || code == PCRE2_ERROR_HEAP_FAILED)
		lua_limit_raise(L, LIMIT_NOMEM);
	pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
	luaL_error(L, "re: the pattern \"%s\" is wrong at byte %I: %s", pattern.p, (lua_Integer)at + 1, text);
}

/* The compiled pattern of stack slot 2, made when it is not kept. Stays reachable by the slot it is pushed to. upvalue
 * 1: the table {pattern → re, [1] = number, [2] = metatable}. */
static struct re *check_pattern(lua_State *L)
{
	struct span pattern;
	struct re *r;
	lua_Integer count;

	pattern.p = luaL_checklstring(L, 2, &pattern.n);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TUSERDATA)
		return lua_touserdata(L, -1);
	lua_pop(L, 1);
	if (pattern.n > CAP_FLOW_RE)
		luaL_error(L, "re: the pattern has more than %d bytes", CAP_FLOW_RE);
	r = lua_newuserdatauv(L, sizeof *r, 0);
	*r = (struct re){0};
	lua_rawgeti(L, lua_upvalueindex(1), 2);
	lua_setmetatable(L, -2);
	compile(L, r, pattern);
	lua_rawgeti(L, lua_upvalueindex(1), 1);
	count = lua_tointeger(L, -1);
	lua_pop(L, 1);
	if (count == CAP_FLOW_RE_CACHED) {
		for (lua_pushnil(L); lua_next(L, lua_upvalueindex(1));) {
			lua_pop(L, 1);
			if (lua_type(L, -1) == LUA_TSTRING) {
				lua_pushvalue(L, -1);
				lua_pushnil(L);
				lua_rawset(L, lua_upvalueindex(1));
			}
		}
		count = 0;
	}
	lua_pushinteger(L, count + 1);
	lua_rawseti(L, lua_upvalueindex(1), 1);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, -2);
	lua_rawset(L, lua_upvalueindex(1));
	return r;
}

static size_t match_from(const struct re *r)
{
	return pcre2_get_ovector_pointer(r->data)[0];
}

static size_t match_to(const struct re *r)
{
	return pcre2_get_ovector_pointer(r->data)[1];
}

/* Search from `at`; the places are in the match data. `valid`: the text is UTF-8 and a character begins at `at`.
 * `after_empty`: the last match was empty and ended at `at`. */
static bool search(lua_State *L, struct re *r, struct span text, size_t at, bool valid, bool after_empty)
{
	uint32_t options = (valid ? PCRE2_NO_UTF_CHECK : 0) | (after_empty ? PCRE2_NOTEMPTY_ATSTART : 0);
	int rc;

	lua_host_work(L);
	rc = pcre2_match(valid ? r->code : r->any, (PCRE2_SPTR)text.p, text.n, at, options, r->data, r->limits);
	if (rc >= 0 && (match_from(r) < at || match_to(r) < match_from(r)))
		luaL_error(L, "re: \\K in a lookaround moves the match to where it cannot begin");
	if (rc >= 0)
		return true;
	if (rc == PCRE2_ERROR_NOMATCH)
		return false;
	if (rc == PCRE2_ERROR_CALLOUT)
		lua_limit_raise(L, LIMIT_SLICE);
	if (rc == PCRE2_ERROR_NOMEMORY)
		lua_limit_raise(L, LIMIT_NOMEM);
	if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT)
		luaL_error(
			L, "re: the pattern needs too much work on this text; write it with fewer nested repetitions");
	luaL_error(L, "re: the search failed (PCRE2 error %d)", rc);
	return false;
}

static void push_group(lua_State *L, const struct re *r, struct span text, uint32_t i)
{
	const size_t *place = pcre2_get_ovector_pointer(r->data) + (size_t)2 * i;

	if (place[0] == PCRE2_UNSET || place[1] < place[0])
		lua_pushboolean(L, false);
	else
		lua_pushlstring(L, text.p + place[0], place[1] - place[0]);
}

static int push_groups(lua_State *L, const struct re *r, struct span text, bool whole)
{
	uint32_t count = pcre2_get_ovector_count(r->data);

	luaL_checkstack(L, (int)count + 1, "too many captures");
	if (count == 1 && whole) {
		push_group(L, r, text, 0);
		return 1;
	}
	for (uint32_t i = 1; i < count; i++)
		push_group(L, r, text, i);
	return (int)count - 1;
}

static struct span check_text(lua_State *L, int index)
{
	struct span s;

	s.p = luaL_checklstring(L, index, &s.n);
	return s;
}

static int find_or_match(lua_State *L, bool find)
{
	struct span text = check_text(L, 1);
	lua_Integer init = luaL_optinteger(L, 3, 1);
	struct re *r = check_pattern(L);

	if (init < 0)
		init = init < -(lua_Integer)text.n ? 1 : (lua_Integer)text.n + init + 1;
	if (init == 0)
		init = 1;
	if (init > (lua_Integer)text.n + 1 || !search(L, r, text, (size_t)init - 1, false, false)) {
		lua_pushnil(L);
		return 1;
	}
	if (!find)
		return push_groups(L, r, text, true);
	lua_pushinteger(L, (lua_Integer)match_from(r) + 1);
	lua_pushinteger(L, (lua_Integer)match_to(r));
	return push_groups(L, r, text, false) + 2;
}

static int re_find(lua_State *L)
{
	return find_or_match(L, true);
}

static int re_match(lua_State *L)
{
	return find_or_match(L, false);
}

/* upvalues: patterns, text, pattern, place to go on (from 0; beyond the text: done), was the last match
 * empty? is the text UTF-8? */
static int gmatch_step(lua_State *L)
{
	lua_Integer at = lua_tointeger(L, lua_upvalueindex(4));
	bool empty = lua_toboolean(L, lua_upvalueindex(5)), valid = lua_toboolean(L, lua_upvalueindex(6));
	struct span text;
	struct re *r;

	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_pushvalue(L, lua_upvalueindex(3));
	text = check_text(L, 1);
	r = check_pattern(L);
	if (at > (lua_Integer)text.n || !search(L, r, text, (size_t)at, valid, empty)) {
		lua_pushinteger(L, (lua_Integer)text.n + 1);
		lua_replace(L, lua_upvalueindex(4));
		return 0;
	}
	lua_pushinteger(L, (lua_Integer)match_to(r));
	lua_replace(L, lua_upvalueindex(4));
	lua_pushboolean(L, match_to(r) == match_from(r));
	lua_replace(L, lua_upvalueindex(5));
	return push_groups(L, r, text, true);
}

static int re_gmatch(lua_State *L)
{
	bool valid = utf8_valid(check_text(L, 1));

	check_pattern(L);
	lua_settop(L, 2);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_pushinteger(L, 0);
	lua_pushboolean(L, false);
	lua_pushboolean(L, valid);
	lua_pushcclosure(L, gmatch_step, 6);
	return 1;
}

static void add_text(lua_State *L, luaL_Buffer *b, const struct re *r, struct span text)
{
	struct span with = check_text(L, RE_KIND);
	uint32_t group;

	for (size_t i = 0; i < with.n; i++) {
		if (with.p[i] != '%') {
			luaL_addchar(b, with.p[i]);
			continue;
		}
		i++;
		if (i < with.n && with.p[i] == '%') {
			luaL_addchar(b, '%');
			continue;
		}
		if (i >= with.n || with.p[i] < '0' || with.p[i] > '9')
			luaL_error(L, "re.gsub: invalid use of '%%' in the replacement");
		group = (uint32_t)(with.p[i] - '0');
		if (group == 1 && pcre2_get_ovector_count(r->data) == 1)
			group = 0;
		if (group >= pcre2_get_ovector_count(r->data))
			luaL_error(L, "re.gsub: the pattern has no group %%%d", (int)group);
		push_group(L, r, text, group);
		if (lua_isstring(L, -1))
			luaL_addvalue(b);
		else
			lua_pop(L, 1);
	}
}

static void add_match(lua_State *L, luaL_Buffer *b, const struct re *r, struct span text)
{
	size_t from = match_from(r), to = match_to(r);
	int groups;

	if (lua_isstring(L, RE_KIND)) {
		add_text(L, b, r, text);
		return;
	}
	if (lua_isfunction(L, RE_KIND)) {
		lua_pushvalue(L, RE_KIND);
		groups = push_groups(L, r, text, true);
		lua_call(L, groups, 1); /* may search with the same pattern: nothing of r is used after it */
	} else {
		push_group(L, r, text, pcre2_get_ovector_count(r->data) > 1);
		lua_gettable(L, RE_KIND);
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(b, text.p + from, to - from);
	} else if (lua_isstring(L, -1)) {
		luaL_addvalue(b);
	} else {
		luaL_error(L, "re.gsub: invalid replacement value (a %s)", luaL_typename(L, -1));
	}
}

static int re_gsub(lua_State *L)
{
	struct span text = check_text(L, 1);
	int kind = lua_type(L, RE_KIND);
	lua_Integer most = luaL_optinteger(L, 4, LUA_MAXINTEGER), done = 0;
	size_t at = 0;
	bool empty = false, valid = utf8_valid(text);
	struct re *r;
	luaL_Buffer b;

	luaL_argexpected(L, kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TTABLE || kind == LUA_TFUNCTION,
		RE_KIND, "string/function/table");
	lua_settop(L, 4);
	r = check_pattern(L);
	luaL_buffinit(L, &b);
	while (done < most && search(L, r, text, at, valid, empty)) {
		size_t from = match_from(r), to = match_to(r);
		luaL_addlstring(&b, text.p + at, from - at);
		add_match(L, &b, r, text);
		at = to;
		empty = from == to;
		done++;
	}
	luaL_addlstring(&b, text.p + at, text.n - at);
	luaL_pushresult(&b);
	lua_pushinteger(L, done);
	return 2;
}

void lua_re_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"find", re_find}, {"match", re_match}, {"gmatch", re_gmatch}, {"gsub", re_gsub}, {NULL, NULL}};
	static const luaL_Reg meta[] = {{"__gc", re_free}, {NULL, NULL}};

	luaL_newlibtable(L, functions);
	lua_newtable(L);
	lua_pushinteger(L, 0);
	lua_rawseti(L, -2, 1);
	luaL_newlib(L, meta);
	lua_rawseti(L, -2, 2);
	luaL_setfuncs(L, functions, 1);
	lua_setglobal(L, "re");
}
