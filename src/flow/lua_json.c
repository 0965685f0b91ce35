/* lua_json: conversion by recursive descent over the table tree.
 *
 * Taking uses the raw API only: keys are put on the Lua stack (which grows without raising), sorted through an array of
 * pointers to their bytes, and looked up one by one, so that nothing depends on hash order, not even which of two
 * faults is told. */
#include "flow/lua_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "flow/lua_guard.h"
#include "flow/lua_state.h"
#include "flow/watchdog.h"

static const char null_tag, array_tag; /* their addresses count */

struct step {
	const char *key; /* NULL: index */
	lua_Integer index;
	const void *table;
};

struct walk {
	lua_State *L;
	const char *what, *skip;
	struct err *e;
	struct step path[CAP_FLOW_JSON_DEPTH];
	int depth;
	int values;
	size_t bytes; /* of texts and names */
};

bool lua_json_is_null(lua_State *L, int index)
{
	return lua_islightuserdata(L, index) && lua_touserdata(L, index) == (const void *)&null_tag;
}

bool lua_json_is_array(lua_State *L, int index)
{
	bool marked;

	if (!lua_getmetatable(L, index))
		return false;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &array_tag);
	marked = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return marked;
}

static json_t *refuse(struct walk *w, const char *why)
{
	struct buf path = BUF_INIT(400);

	for (int i = 0; i < w->depth; i++) {
		const struct step *s = &w->path[i];
		if (s->key)
			buf_addf(&path, ".%.60s", s->key);
		else if (s->index)
			buf_addf(&path, "[%lld]", (long long)s->index);
	}
	err_set(w->e, ERR_INVALID, "%s%s: %s", w->what, path.data ? path.data : "", why);
	buf_release(&path);
	return NULL;
}

static json_t *no_memory(struct walk *w)
{
	err_nomem(w->e);
	return NULL;
}

static json_t *take(struct walk *w);

static json_t *take_text(struct walk *w)
{
	size_t n;
	const char *p = lua_tolstring(w->L, -1, &n);
	json_t *v;

	w->bytes += n;
	if (w->bytes > CAP_FLOW_JSON_TEXT)
		return refuse(w, "too much text");
	if (memchr(p, 0, n))
		return refuse(w, "the text holds a NUL byte; only text can be given to the host");
	if (!utf8_valid(span_n(p, n)))
		return refuse(w, "the text is not valid UTF-8; only text can be given to the host");
	v = json_stringn_nocheck(p, n);
	return v ? v : no_memory(w);
}

static json_t *take_number(struct walk *w)
{
	lua_Number x;
	json_t *v;

	if (lua_isinteger(w->L, -1)) {
		v = json_integer(lua_tointeger(w->L, -1));
	} else {
		x = lua_tonumber(w->L, -1);
		if (!isfinite(x))
			return refuse(w, "the number is infinite or not a number");
		v = json_real(x);
	}
	return v ? v : no_memory(w);
}

struct keys {
	size_t all, texts, indexes;
	lua_Integer max;
};

static struct keys count_keys(lua_State *L)
{
	struct keys k = {0};

	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		k.all++;
		if (lua_type(L, -2) == LUA_TSTRING) {
			k.texts++;
		} else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > 0) {
			k.indexes++;
			if (lua_tointeger(L, -2) > k.max)
				k.max = lua_tointeger(L, -2);
		}
	}
	return k;
}

static json_t *take_array(struct walk *w, lua_Integer n)
{
	json_t *array = json_array(), *item;
	struct step *s = &w->path[w->depth - 1];

	for (lua_Integer i = 1; array && i <= n; i++) {
		s->index = i;
		lua_rawgeti(w->L, -1, i);
		item = take(w);
		lua_pop(w->L, 1);
		if (!item || json_array_append_new(array, item)) {
			if (item)
				no_memory(w);
			json_decref(array);
			return NULL;
		}
	}
	return array ? array : no_memory(w);
}

struct key {
	const char *p;
	size_t n;
	int at; /* on the stack */
};

static int key_order(const void *pa, const void *pb)
{
	const struct key *a = pa, *b = pb;
	int d = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);

	return d ? d : (a->n > b->n) - (a->n < b->n);
}

/* The keys of the table at `table` stay on the stack. */
static size_t gather(lua_State *L, int table, struct key *keys)
{
	size_t count = 0;

	for (lua_pushnil(L); lua_next(L, table);) {
		struct key *k = &keys[count++];
		lua_pop(L, 1);
		k->at = lua_gettop(L);
		k->p = lua_tolstring(L, -1, &k->n);
		lua_pushvalue(L, -1);
	}
	qsort(keys, count, sizeof *keys, key_order);
	return count;
}

static json_t *take_members(struct walk *w, json_t *object, struct key *keys, size_t count)
{
	int table = lua_gettop(w->L) - (int)count;
	struct step *s = &w->path[w->depth - 1];

	for (size_t i = 0; i < count; i++) {
		const struct key *k = &keys[i];
		json_t *member;
		if (w->depth == 1 && w->skip && strcmp(k->p, w->skip) == 0)
			continue;
		s->key = k->p;
		w->bytes += k->n;
		if (w->bytes > CAP_FLOW_JSON_TEXT)
			return refuse(w, "too much text");
		if (memchr(k->p, 0, k->n) || !utf8_valid(span_n(k->p, k->n)))
			return refuse(w, "the name holds a NUL byte or is not valid UTF-8");
		lua_pushvalue(w->L, k->at);
		lua_rawget(w->L, table);
		member = take(w);
		lua_pop(w->L, 1);
		if (!member)
			return NULL;
		if (json_object_setn_new_nocheck(object, k->p, k->n, member))
			return no_memory(w);
	}
	return object;
}

static json_t *take_object(struct walk *w, size_t count)
{
	int top = lua_gettop(w->L);
	json_t *object = json_object(), *done = NULL;
	struct key few[16], *keys = few;

	if (count > sizeof few / sizeof *few)
		keys = mem_alloc(count * sizeof *keys);
	if (!object || !keys)
		no_memory(w);
	else if (count > CAP_FLOW_JSON_VALUES || !lua_checkstack(w->L, (int)count + 4))
		refuse(w, "the table has too many names");
	else
		done = take_members(w, object, keys, gather(w->L, top, keys));
	lua_settop(w->L, top);
	if (!done)
		json_decref(object);
	if (keys != few)
		mem_free(keys);
	return done;
}

static json_t *take_table(struct walk *w)
{
	const void *self = lua_topointer(w->L, -1);
	bool marked = lua_json_is_array(w->L, -1);
	struct keys k;
	json_t *v;

	for (int i = 0; i < w->depth; i++)
		if (w->path[i].table == self)
			return refuse(w, "the table holds itself");
	if (w->depth == CAP_FLOW_JSON_DEPTH)
		return refuse(w, "tables are nested too deeply");
	k = count_keys(w->L);
	if (k.texts && k.texts < k.all)
		return refuse(w, "the table has both names and other keys; it can be a list or have names, not both");
	if (!k.texts && k.indexes < k.all)
		return refuse(w, "the table has keys that are neither names nor 1, 2, 3, …");
	if (marked && k.texts)
		return refuse(w, "the table is marked as an array but has names");
	if (k.indexes && (size_t)k.max > k.indexes)
		return refuse(w, "the list has holes (nil items); use null for them");
	w->path[w->depth++] = (struct step){.table = self};
	v = k.indexes || marked ? take_array(w, k.max) : take_object(w, k.all);
	w->depth--;
	return v;
}

/* Of the value at the top of the stack. */
static json_t *take(struct walk *w)
{
	if (++w->values > CAP_FLOW_JSON_VALUES)
		return refuse(w, "too many values");
	if (lua_host_of(w->L)->expired) /* a table without keys that once had many takes long to look at */
		return refuse(w, "there is no time left");
	if (!lua_checkstack(w->L, 6))
		return refuse(w, "tables are nested too deeply");
	switch (lua_type(w->L, -1)) {
	case LUA_TNIL:
		return json_null();
	case LUA_TBOOLEAN:
		return json_boolean(lua_toboolean(w->L, -1));
	case LUA_TNUMBER:
		return take_number(w);
	case LUA_TSTRING:
		return take_text(w);
	case LUA_TTABLE:
		return take_table(w);
	case LUA_TLIGHTUSERDATA:
		if (lua_json_is_null(w->L, -1))
			return json_null();
		return refuse(w, "a userdata cannot be given to the host");
	case LUA_TFUNCTION:
		return refuse(w, "a function cannot be given to the host");
	case LUA_TTHREAD:
		return refuse(w, "a coroutine cannot be given to the host");
	default:
		return refuse(w, "a userdata cannot be given to the host");
	}
}

json_t *lua_json_take(lua_State *L, int index, const char *what, const char *skip, struct err *e)
{
	struct walk w = {.L = L, .what = what, .skip = skip, .e = e};
	int top = lua_gettop(L);
	json_t *v;

	if (!lua_checkstack(L, 1))
		return refuse(&w, "stack overflow");
	lua_pushvalue(L, index);
	v = take(&w);
	lua_settop(L, top);
	return v;
}

json_t *lua_json_take_slice(lua_State *L, const char *what, struct err *e)
{
	struct lua_host *h = lua_host_of(L);
	json_t *v;

	watchdog_begin(h->limits.slice_ms, lua_host_expire, h);
	v = lua_json_take(L, -1, what, NULL, e);
	watchdog_end();
	return v;
}

/* ---- pushing ---- */

static void push_object(lua_State *L, json_t *v)
{
	lua_createtable(L, 0, (int)json_object_size(v));
	for (void *it = json_object_iter(v); it; it = json_object_iter_next(v, it)) {
		json_t *member = json_object_iter_value(it);
		if (json_is_null(member))
			continue;
		lua_pushlstring(L, json_object_iter_key(it), json_object_iter_key_len(it));
		lua_json_push(L, member);
		lua_rawset(L, -3);
	}
}

static void push_array(lua_State *L, const json_t *v)
{
	lua_createtable(L, (int)json_array_size(v), 0);
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *item = json_array_get(v, i);
		if (json_is_null(item))
			lua_pushlightuserdata(L, (void *)&null_tag);
		else
			lua_json_push(L, item);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_json_mark_array(L);
}

void lua_json_push(lua_State *L, const json_t *v)
{
	luaL_checkstack(L, 6, "a value is nested too deeply");
	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_OBJECT:
		push_object(L, (json_t *)v); /* jansson's iterators are not const */
		break;
	case JSON_ARRAY:
		push_array(L, v);
		break;
	case JSON_STRING:
		lua_pushlstring(L, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		lua_pushinteger(L, json_integer_value(v));
		break;
	case JSON_REAL:
		lua_pushnumber(L, json_real_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		lua_pushboolean(L, json_is_true(v));
		break;
	case JSON_NULL:
		lua_pushnil(L);
		break;
	}
}

void lua_json_mark_array(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &array_tag);
	lua_setmetatable(L, -2);
}

/* ---- json.* ---- */

static int push_text(lua_State *L)
{
	const char *text = lua_touserdata(L, 1);

	lua_pushstring(L, text);
	return 1;
}

static int encode(lua_State *L)
{
	struct err e = ERR_INIT;
	json_t *v;
	char *text;

	luaL_checkany(L, 1);
	v = lua_json_take(L, 1, "json.encode", NULL, &e);
	if (!v)
		return lua_raise(L, &e);
	text = json_text(v);
	json_decref(v);
	if (!text)
		return lua_limit_raise(L, LIMIT_NOMEM);
	lua_host_with(L, push_text, text, mem_free);
	return 1;
}

static int push_value(lua_State *L)
{
	lua_json_push(L, lua_touserdata(L, 1));
	return 1;
}

static void release_value(void *v)
{
	json_decref(v);
}

/* At least as many values as the text has: before they take memory that is not the flow's. */
static size_t most_values(struct span text)
{
	size_t n = 1;
	bool string = false;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (string && c == '\\')
			i++;
		else if (c == '"')
			string = !string;
		else if (!string && (c == ',' || c == '[' || c == '{'))
			n++;
	}
	return n;
}

static int decode(lua_State *L)
{
	struct err e = ERR_INIT;
	struct span text;
	json_t *v;

	text.p = luaL_checklstring(L, 1, &text.n);
	if (most_values(text) > CAP_FLOW_JSON_VALUES)
		return luaL_error(L, "json.decode: more than %d values", CAP_FLOW_JSON_VALUES);
	v = json_parse(text, "json.decode", &e);
	if (!v)
		return lua_raise(L, &e);
	lua_host_with(L, push_value, v, release_value);
	return 1;
}

static int array(lua_State *L)
{
	if (lua_isnoneornil(L, 1))
		lua_settop(L, 0), lua_newtable(L);
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "json.array: the table has a protected metatable");
	lua_json_mark_array(L);
	return 1;
}

static int null_text(lua_State *L)
{
	lua_pushliteral(L, "null");
	return 1;
}

void lua_json_open(lua_State *L)
{
	static const luaL_Reg json[] = {{"encode", encode}, {"decode", decode}, {"array", array}, {NULL, NULL}};
	static const luaL_Reg null[] = {{"__tostring", null_text}, {NULL, NULL}};

	lua_guard_library(L, "json", json);
	lua_newtable(L);
	lua_pushliteral(L, "array");
	lua_setfield(L, -2, "__name");
	lua_rawsetp(L, LUA_REGISTRYINDEX, &array_tag);
	lua_pushlightuserdata(L, (void *)&null_tag);
	luaL_newlib(L, null);
	lua_setmetatable(L, -2);
	lua_setglobal(L, "null");
}
