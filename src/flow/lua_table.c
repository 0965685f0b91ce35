/* lua_table: sorted pairs, stable sort, bounded table functions.
 * Working memory is userdata, so that an error frees it; loops ask now and then whether the slice has time left. */
#include "flow/lua_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "flow/lua_guard.h"
#include "flow/lua_state.h"

enum { WORK_EVERY = 1024 };

/* ---- pairs ---- */

enum key_kind { KEY_INTEGER, KEY_REAL, KEY_TEXT, KEY_BOOLEAN };

struct key {
	enum key_kind kind;
	int at; /* in the table of keys */
	union {
		lua_Integer integer;
		lua_Number real;
		struct {
			const char *p;
			size_t n;
		} text;
	};
};

/* A float that is a key has no integer value: it has a fraction or lies beyond all integers. */
static int integer_against_real(lua_Integer i, lua_Number r)
{
	if (r >= 0x1p63)
		return -1;
	if (r < -0x1p63)
		return 1;
	return i <= (lua_Integer)floor(r) ? -1 : 1;
}

static int key_order(const void *pa, const void *pb)
{
	const struct key *a = pa, *b = pb;
	int d;

	if (a->kind == KEY_TEXT && b->kind == KEY_TEXT) {
		d = memcmp(a->text.p, b->text.p, a->text.n < b->text.n ? a->text.n : b->text.n);
		return d ? d : (a->text.n > b->text.n) - (a->text.n < b->text.n);
	}
	if (a->kind == KEY_INTEGER && b->kind == KEY_REAL)
		return integer_against_real(a->integer, b->real);
	if (a->kind == KEY_REAL && b->kind == KEY_INTEGER)
		return -integer_against_real(b->integer, a->real);
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == KEY_REAL)
		return (a->real > b->real) - (a->real < b->real);
	return (a->integer > b->integer) - (a->integer < b->integer); /* booleans too */
}

static void read_key(lua_State *L, int index, struct key *k)
{
	switch (lua_type(L, index)) {
	case LUA_TNUMBER:
		if (lua_isinteger(L, index)) {
			k->kind = KEY_INTEGER;
			k->integer = lua_tointeger(L, index);
		} else {
			k->kind = KEY_REAL;
			k->real = lua_tonumber(L, index);
		}
		break;
	case LUA_TSTRING:
		k->kind = KEY_TEXT;
		k->text.p = lua_tolstring(L, index, &k->text.n);
		break;
	case LUA_TBOOLEAN:
		k->kind = KEY_BOOLEAN;
		k->integer = lua_toboolean(L, index);
		break;
	default:
		luaL_error(L, "pairs: a key is a %s; only numbers, texts and booleans have an order",
			luaL_typename(L, index));
	}
}

struct cursor {
	int at, count;
	int order[]; /* places in the table of keys */
};

/* upvalues: the table of keys, the cursor. Arguments: the table, the last key. */
static int pairs_step(lua_State *L)
{
	struct cursor *c = lua_touserdata(L, lua_upvalueindex(2));

	luaL_checktype(L, 1, LUA_TTABLE); /* the program may call it with anything */
	lua_settop(L, 1);
	while (c->at < c->count) {
		lua_rawgeti(L, lua_upvalueindex(1), c->order[c->at++]);
		lua_pushvalue(L, -1);
		if (lua_rawget(L, 1) != LUA_TNIL)
			return 2;
		lua_settop(L, 1);
	}
	lua_pushnil(L);
	return 1;
}

/* upvalues: the number of items, the next. The table is 1..n and nothing else. */
static int list_step(lua_State *L)
{
	lua_Integer i = luaL_optinteger(L, 2, 0), n = lua_tointeger(L, lua_upvalueindex(1));

	luaL_checktype(L, 1, LUA_TTABLE);
	for (i = i < 0 ? 0 : i; i < n;) {
		lua_pushinteger(L, ++i);
		if (lua_rawgeti(L, 1, i) != LUA_TNIL)
			return 2;
		lua_settop(L, 2);
	}
	lua_pushnil(L);
	return 1;
}

/* The number of keys; *list: they are 1..n. */
static int count_keys(lua_State *L, bool *list)
{
	lua_Integer n = 0, max = 0;
	bool indexes = true;

	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		n++;
		if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1)
			indexes = false;
		else if (lua_tointeger(L, -2) > max)
			max = lua_tointeger(L, -2);
	}
	if (n > CAP_FLOW_ITEMS)
		luaL_error(L, "pairs: the table has more than %d keys", CAP_FLOW_ITEMS);
	*list = indexes && max == n;
	return (int)n;
}

static int sorted_pairs(lua_State *L)
{
	struct key few[32], *keys = few;
	struct cursor *c;
	bool list;
	int n, i = 0;

	if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
		lua_pushvalue(L, 1);
		lua_call(L, 1, 3);
		return 3;
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	n = count_keys(L, &list);
	if (list) {
		lua_pushinteger(L, n);
		lua_pushcclosure(L, list_step, 1);
	} else {
		if ((size_t)n > sizeof few / sizeof *few)
			keys = lua_newuserdatauv(L, (size_t)n * sizeof *keys, 0);
		lua_createtable(L, n, 0);
		for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
			read_key(L, -2, &keys[i++]);
			keys[i - 1].at = i;
			lua_pushvalue(L, -2);
			lua_rawseti(L, -4, i);
		}
		qsort(keys, (size_t)n, sizeof *keys, key_order);
		c = lua_newuserdatauv(L, sizeof *c + (size_t)n * sizeof c->order[0], 0);
		c->at = 0;
		c->count = n;
		for (i = 0; i < n; i++)
			c->order[i] = keys[i].at;
		lua_pushcclosure(L, pairs_step, 2);
	}
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	return 3;
}

/* ---- table.* ---- */

static lua_Integer length(lua_State *L, const char *name)
{
	lua_Integer n;

	if (lua_type(L, 1) != LUA_TTABLE && luaL_getmetafield(L, 1, "__index") == LUA_TNIL)
		luaL_checktype(L, 1, LUA_TTABLE);
	n = luaL_len(L, 1);
	if (n > CAP_FLOW_ITEMS)
		luaL_error(L, "table.%s: more than %d items", name, CAP_FLOW_ITEMS);
	return n;
}

static int table_insert(lua_State *L)
{
	lua_Integer n = length(L, "insert") + 1, at = n;

	if (lua_gettop(L) == 3) {
		at = luaL_checkinteger(L, 2);
		luaL_argcheck(L, at >= 1 && at <= n, 2, "position out of bounds");
		for (lua_Integer i = n; i > at; i--) {
			if (i % WORK_EVERY == 0)
				lua_host_work(L);
			lua_geti(L, 1, i - 1);
			lua_seti(L, 1, i);
		}
	} else if (lua_gettop(L) != 2) {
		return luaL_error(L, "wrong number of arguments to 'insert'");
	}
	lua_seti(L, 1, at);
	return 0;
}

static int table_remove(lua_State *L)
{
	lua_Integer n = length(L, "remove"), at = luaL_optinteger(L, 2, n);

	if (!lua_isnoneornil(L, 2))
		luaL_argcheck(L, (at >= 1 && at <= n + 1) || (n == 0 && at == 0), 2, "position out of bounds");
	lua_geti(L, 1, at);
	for (; at < n; at++) {
		if (at % WORK_EVERY == 0)
			lua_host_work(L);
		lua_geti(L, 1, at + 1);
		lua_seti(L, 1, at);
	}
	lua_pushnil(L);
	lua_seti(L, 1, at);
	return 1;
}

static int table_concat(lua_State *L)
{
	size_t sep_n;
	lua_Integer n = length(L, "concat");
	const char *sep = luaL_optlstring(L, 2, "", &sep_n);
	lua_Integer i = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, n);
	luaL_Buffer b;

	if (i <= last && (lua_Unsigned)last - (lua_Unsigned)i >= CAP_FLOW_ITEMS)
		return luaL_error(L, "table.concat: more than %d items", CAP_FLOW_ITEMS);
	luaL_buffinit(L, &b);
	for (lua_Integer k = 0; i + k <= last; k++) {
		if (k % WORK_EVERY == 0)
			lua_host_work(L);
		if (k)
			luaL_addlstring(&b, sep, sep_n);
		lua_geti(L, 1, i + k);
		if (!lua_isstring(L, -1))
			return luaL_error(
				L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1), i + k);
		luaL_addvalue(&b);
		if (i + k == last)
			break;
	}
	luaL_pushresult(&b);
	return 1;
}

static int table_move(lua_State *L)
{
	lua_Integer from = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3), to = luaL_checkinteger(L, 4), n;
	int target = lua_isnoneornil(L, 5) ? 1 : 5;
	bool upwards;

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, target, LUA_TTABLE);
	if (last >= from) {
		if ((lua_Unsigned)last - (lua_Unsigned)from >= CAP_FLOW_ITEMS)
			return luaL_error(L, "table.move: more than %d items", CAP_FLOW_ITEMS);
		n = last - from + 1;
		luaL_argcheck(L, to <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
		upwards = to > last || to <= from || (target != 1 && !lua_rawequal(L, 1, target));
		for (lua_Integer k = 0; k < n; k++) {
			lua_Integer i = upwards ? k : n - 1 - k;
			if (k % WORK_EVERY == 0)
				lua_host_work(L);
			lua_geti(L, 1, from + i);
			lua_seti(L, target, to + i);
		}
	}
	lua_pushvalue(L, target);
	return 1;
}

/* ---- table.sort ---- */

struct sorter {
	lua_State *L;
	unsigned compared;
	bool comparator; /* at stack index 2; the copy of the items is at 3 */
};

/* Does the item `b` of the copy belong before `a`? */
static bool before(struct sorter *s, int b, int a)
{
	lua_State *L = s->L;
	bool result;

	if (++s->compared % WORK_EVERY == 0)
		lua_host_work(L);
	if (s->comparator)
		lua_pushvalue(L, 2);
	lua_rawgeti(L, 3, b);
	lua_rawgeti(L, 3, a);
	if (s->comparator) {
		lua_call(L, 2, 1);
		result = lua_toboolean(L, -1);
		lua_pop(L, 1);
	} else {
		result = lua_compare(L, -2, -1, LUA_OPLT);
		lua_pop(L, 2);
	}
	return result;
}

/* Merge [low, middle) and [middle, high) of `from` into `to`. */
static void merge(struct sorter *s, const int *from, int *to, int low, int middle, int high)
{
	int i = low, j = middle;

	for (int k = low; k < high; k++) {
		if (i < middle && (j >= high || !before(s, from[j], from[i])))
			to[k] = from[i++];
		else
			to[k] = from[j++];
	}
}

static int stable_sort(lua_State *L)
{
	struct sorter s = {.L = L, .comparator = !lua_isnoneornil(L, 2)};
	int n = (int)length(L, "sort"), *order, *other;

	if (s.comparator)
		luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	if (n < 2)
		return 0;
	lua_createtable(L, n, 0);
	for (int i = 1; i <= n; i++) {
		lua_geti(L, 1, i);
		lua_rawseti(L, 3, i);
	}
	order = lua_newuserdatauv(L, 2 * (size_t)n * sizeof *order, 0);
	other = order + n;
	for (int i = 0; i < n; i++)
		order[i] = i + 1;
	for (int width = 1; width < n; width *= 2) {
		for (int low = 0; low < n; low += 2 * width) {
			int middle = low + width < n ? low + width : n;
			merge(&s, order, other, low, middle, middle + width < n ? middle + width : n);
		}
		int *swap = order;
		order = other;
		other = swap;
	}
	for (int i = 0; i < n; i++) {
		lua_rawgeti(L, 3, order[i]);
		lua_seti(L, 1, i + 1);
	}
	return 0;
}

void lua_table_open(lua_State *L)
{
	static const luaL_Reg base[] = {{"pairs", sorted_pairs}, {NULL, NULL}};
	static const luaL_Reg table[] = {{"insert", table_insert}, {"remove", table_remove}, {"concat", table_concat},
		{"move", table_move}, {"sort", stable_sort}, {NULL, NULL}};

	lua_guard_library(L, LUA_GNAME, base);
	lua_guard_library(L, LUA_TABLIBNAME, table);
}
