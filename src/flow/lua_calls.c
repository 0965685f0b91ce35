/* lua_calls: the table of host calls and the packing of their arguments. */
#include "flow/lua_calls.h"

#include <string.h>

#include "config/nearest.h"
#include "flow/lua_json.h"
#include "flow/lua_state.h"
#include "flow/lua_text.h"

/* clang-format off */
#define AGENT_PARAMS {"role", "task", "name", "scope", "file", "tools", "output", "vars", "dialect", "model", \
	"limits", "check", "copy", "phase", "parent", "on"}

const struct call_row call_rows[] = {
	{"agent", FORM_NAMED, 1, AGENT_PARAMS, .handlers = true},
	{"start", FORM_NAMED, 1, AGENT_PARAMS, .handlers = true, .keeps = true},
	{"await", FORM_EITHER, 1, {"agent"}},
	{"tell", FORM_EITHER, 2, {"agent", "text", "from"}},
	{"stop", FORM_EITHER, 1, {"agent", "why"}},
	{"agents", FORM_EITHER, 0, {"parent"}},
	{"signal", FORM_EITHER, 1, {"name", "value"}},
	{"waitfor", FORM_EITHER, 1, {"name"}},
	{"ask", FORM_EITHER, 0, {"title", "name", "body", "options", "priority", "agent", "expires", "otherwise"}},
	{"gate", FORM_EITHER, 1, {"name", "title", "show", "body", "priority", "expires", "otherwise"}},
	{"exec", FORM_EITHER, 1, {"command", "cwd", "timeout", "again", "copy"}},
	{"check", FORM_EITHER, 0, {"command", "copy"}},
	{"read", FORM_EITHER, 1, {"path"}},
	{"write", FORM_EITHER, 2, {"path", "text"}},
	{"edit", FORM_EITHER, 2, {"path", "edits"}},
	{"remove", FORM_EITHER, 1, {"path"}},
	{"list", FORM_EITHER, 0, {"path"}},
	{"glob", FORM_EITHER, 1, {"pattern"}},
	{"exists", FORM_EITHER, 1, {"path"}},
	{"tree", FORM_EITHER, 0, {"path", "max"}},
	{"branch", FORM_EITHER, 1, {"name"}},
	{"merge", FORM_EITHER, 1, {"branch", "message"}},
	{"commit", FORM_EITHER, 1, {"message", "author", "copy"}},
	{"artifact", FORM_NAMED, 1, {"name", "type", "path", "content"}},
	{"phase", FORM_EITHER, 1, {"name"}},
	{"progress", FORM_EITHER, 0, {"text", "share"}},
	{"say", FORM_TEXT, 1, {"text", "from", "to", "confidence"}},
	{"log", FORM_TEXT, 0, {"text"}},
	{"plan", FORM_POSITIONAL, 1, {"tasks"}},
	{"task", FORM_EITHER, 2, {"id", "status", "result", "agent"}},
	{"call", FORM_EITHER, 1, {"mode", "inputs", "settings"}},
	{"now", FORM_POSITIONAL, 0, {NULL}},
	{"random", FORM_POSITIONAL, 0, {NULL}},
	{"sleep", FORM_POSITIONAL, 1, {"seconds"}},
	{"continue_as", FORM_POSITIONAL, 0, {"state"}, .final = true},
	{NULL}
};
/* clang-format on */

static int param_count(const struct call_row *row)
{
	int n = 0;

	while (n < CALL_PARAMS && row->params[n])
		n++;
	return n;
}

static bool has_param(const struct call_row *row, const char *name)
{
	for (int i = 0; i < param_count(row); i++)
		if (strcmp(row->params[i], name) == 0)
			return true;
	return false;
}

/* ---- forms ---- */

static json_t *positional(lua_State *L, int given, const struct call_row *row, struct err *e)
{
	int known = param_count(row);
	json_t *args = json_object(), *v;
	char what[64];

	if (!args)
		return err_nomem(e), NULL;
	if (given > known) {
		err_set(e, ERR_INVALID, "%s: %d arguments given, it takes at most %d", row->name, given, known);
		json_decref(args);
		return NULL;
	}
	for (int i = 0; i < given; i++) {
		if (lua_isnil(L, i + 1))
			continue;
		snprintf(what, sizeof what, "%s: %s", row->name, row->params[i]);
		v = lua_json_take(L, i + 1, what, NULL, e);
		if (v && json_put(args, row->params[i], v)) {
			err_nomem(e);
			v = NULL;
		}
		if (!v) {
			json_decref(args);
			return NULL;
		}
	}
	return args;
}

static json_t *named(lua_State *L, int given, const struct call_row *row, struct err *e)
{
	json_t *args;
	struct nearest near;

	if (given != 1 || lua_type(L, 1) != LUA_TTABLE) {
		err_set(e, ERR_INVALID, "%s takes one table: %s{%s = …}", row->name, row->name, row->params[0]);
		return NULL;
	}
	args = lua_json_take(L, 1, row->name, row->handlers ? "on" : NULL, e);
	if (json_is_array(args) && json_array_size(args)) {
		err_set(e, ERR_INVALID, "%s takes a table with names, not a list: %s{%s = …}", row->name, row->name,
			row->params[0]);
		json_decref(args);
		return NULL;
	}
	for (void *it = args ? json_object_iter(args) : NULL; it; it = json_object_iter_next(args, it)) {
		const char *name = json_object_iter_key(it);
		if (has_param(row, name))
			continue;
		nearest_init(&near, name);
		for (int i = 0; i < param_count(row); i++)
			nearest_try(&near, row->params[i]);
		err_set(e, ERR_INVALID, "%s has no argument \"%s\"%s", row->name, name, nearest_hint(&near));
		json_decref(args);
		return NULL;
	}
	return args;
}

static json_t *one_text(lua_State *L, int n, const struct call_row *row, struct err *e)
{
	json_t *args = NULL, *text;
	luaL_Buffer b;
	size_t size;
	const char *p;

	luaL_buffinit(L, &b);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&b, '\t');
		lua_text_push(L, i, NULL);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	p = lua_tolstring(L, -1, &size);
	text = n >= row->required ? json_from_span(span_n(p, size)) : NULL;
	if (n < row->required)
		err_set(e, ERR_INVALID, "%s: %s is missing", row->name, row->params[0]);
	else
		args = json_make(e, "{s:o}", "text", text);
	lua_pop(L, 1);
	return args;
}

json_t *lua_call_args(lua_State *L, int n, const struct call_row *row, struct err *e)
{
	bool one_table = n == 1 && lua_type(L, 1) == LUA_TTABLE;
	bool table = row->form == FORM_NAMED || (row->form == FORM_EITHER && one_table) ||
		     (row->form == FORM_TEXT && one_table && param_count(row) > 1);
	json_t *args;

	if (row->form == FORM_TEXT && !table)
		return one_text(L, n, row, e);
	args = table ? named(L, n, row, e) : positional(L, n, row, e);
	for (int i = 0; args && i < row->required; i++) {
		if (json_get(args, row->params[i]))
			continue;
		err_set(e, ERR_INVALID, "%s: %s is missing", row->name, row->params[i]);
		json_decref(args);
		return NULL;
	}
	return args;
}

/* ---- handlers ---- */

/* What is wrong with the handler at the top of the stack; NULL: nothing. */
static const char *handler_fault(lua_State *L)
{
	const char *fault = NULL;

	if (lua_isfunction(L, -1))
		return NULL;
	if (!lua_istable(L, -1))
		return "give a function, or a table with run = function";
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
		if (strcmp(key, "summary") != 0 && strcmp(key, "schema") != 0 && strcmp(key, "run") != 0)
			fault = "its table may have summary, schema and run only";
	}
	lua_pushliteral(L, "run");
	if (lua_rawget(L, -2) != LUA_TFUNCTION)
		fault = "its table needs run = function";
	lua_pop(L, 1);
	return fault;
}

/* Raises for the first name, in order, whose handler is wrong. */
static void check_handlers(lua_State *L, int on)
{
	const char *name = NULL, *fault = NULL;

	for (lua_pushnil(L); lua_next(L, on); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
		const char *wrong = *key ? handler_fault(L) : "a tool's name must be a text";
		if (wrong && (!name || strcmp(key, name) < 0)) {
			name = key;
			fault = wrong;
		}
	}
	if (fault)
		luaL_error(L, "on%s%s: %s", *name ? "." : "", name, fault);
}

static void copy_member(lua_State *L, int from, const char *name)
{
	lua_pushstring(L, name);
	lua_rawget(L, from);
	lua_setfield(L, -2, name);
}

bool lua_call_handlers(lua_State *L, const struct call_row *row)
{
	int on, functions, told;

	if (!row->handlers || lua_type(L, 1) != LUA_TTABLE)
		return false;
	lua_pushliteral(L, "on");
	if (lua_rawget(L, 1) == LUA_TNIL) {
		lua_pop(L, 1);
		return false;
	}
	on = lua_gettop(L);
	if (!lua_istable(L, on))
		luaL_error(L, "%s: on must be a table {tool = function}", row->name);
	check_handlers(L, on);
	lua_newtable(L);
	lua_newtable(L);
	functions = on + 1;
	told = on + 2;
	for (lua_pushnil(L); lua_next(L, on); lua_pop(L, 1)) {
		int value = lua_gettop(L);
		if (lua_isfunction(L, value)) {
			lua_pushboolean(L, true);
		} else {
			lua_newtable(L);
			copy_member(L, value, "summary");
			copy_member(L, value, "schema");
			lua_pushliteral(L, "run");
			lua_rawget(L, value);
			lua_replace(L, value);
		}
		lua_pushvalue(L, value - 1);
		lua_pushvalue(L, value);
		lua_rawset(L, functions);
		lua_pushvalue(L, value - 1);
		lua_insert(L, -2);
		lua_rawset(L, told);
	}
	lua_remove(L, on);
	return true;
}
