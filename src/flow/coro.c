/* coro: what a flow's coroutines do between two rests.
 *
 * A host call packs its arguments (errors are raised where the call stands), gets the next key of its coroutine, and
 * yields; only then, outside of Lua, the host is told. The body of every coroutine runs under a protected call that may
 * yield, so that to-be-closed variables run where host calls work. A broken limit ends the flow whatever the coroutine
 * says. Failure modes: memory of the host (FLOW_NOMEM), limits (lua.limit): both end the flow. */
#include "flow/coro.h"

#include <string.h>

#include "agent/role.h"
#include "base/caps.h"
#include "base/mem.h"
#include "flow/lua_guard.h"
#include "flow/lua_json.h"

static const struct sm_state states[] = {
	[CORO_READY] = {"ready", SM_TO(CORO_RUNNING)},
	[CORO_RUNNING] = {"running", SM_TO(CORO_CALLING) | SM_TO(CORO_GATHERING)},
	[CORO_CALLING] = {"calling", SM_TO(CORO_READY)},
	[CORO_GATHERING] = {"gathering", SM_TO(CORO_READY)},
};

static struct coro *coro_of(lua_State *L)
{
	return lua_tag_of(L)->coro;
}

static void drop(json_t **v)
{
	json_decref(*v);
	*v = NULL;
}

/* ---- bodies ---- */

/* Message handler: notes where the error was raised. The error value stays as it is. */
static int note_trace(lua_State *L)
{
	struct coro *c = coro_of(L);
	lua_Debug at;

	if (!c || c->trace.len)
		return 1;
	for (int level = 0; level < 40 && lua_getstack(L, level, &at); level++) {
		if (!lua_getinfo(L, "Sln", &at) || at.currentline <= 0)
			continue;
		buf_addf(&c->trace, "\n  %s:%d", at.short_src, at.currentline);
		if (at.name)
			buf_addf(&c->trace, " in %s", at.name);
	}
	if (c->trace.failed == BUF_NOMEM)
		c->flow->end = FLOW_NOMEM; /* a text that differs from the recorded one is worse */
	return 1;
}

static int body_done(lua_State *L, int status, lua_KContext ctx)
{
	struct coro *c = coro_of(L);

	(void)ctx;
	if (status != LUA_OK && status != LUA_YIELD) {
		if (lua_limit_broken(&c->flow->lua, status))
			return lua_error(L);
		c->failed = true;
	}
	return 1;
}

/* Stack: function, arguments. */
static int body(lua_State *L)
{
	struct coro *c = coro_of(L);

	lua_pushcfunction(L, note_trace);
	lua_insert(L, 1);
	if (c->kind == CORO_MAIN || c->kind == CORO_HANDLER) {
		lua_json_push(L, c->first);
		if (c->kind == CORO_HANDLER)
			lua_json_push(L, c->second);
		drop(&c->first);
		drop(&c->second);
	}
	return body_done(L, lua_pcallk(L, lua_gettop(L) - 2, 1, 1, 0, body_done), 0);
}

struct coro *coro_new(struct flow *f, lua_State *from, int args, enum coro_kind kind, const char *key)
{
	struct coro *c = MEM_NEW(struct coro);

	if (!c) {
		lua_limit_raise(from, LIMIT_NOMEM);
		return NULL;
	}
	c->flow = f;
	c->tag = (struct lua_tag){.host = &f->lua, .coro = c};
	c->kind = kind;
	c->thread = LUA_NOREF;
	buf_init(&c->trace, 600);
	list_init(&c->ready);
	list_push(&f->all, &c->link); /* from here on flow_free finds it */
	sm_init(&c->sm, states, CORO_READY);
	memcpy(c->key, key, strlen(key) + 1);
	c->L = lua_newthread(from);
	*(struct lua_tag **)lua_getextraspace(c->L) = &c->tag;
	c->thread = luaL_ref(from, LUA_REGISTRYINDEX);
	luaL_checkstack(c->L, args + 4, NULL);
	lua_pushcfunction(c->L, body);
	lua_xmove(from, c->L, args + 1);
	list_push(&f->ready, &c->ready);
	return c;
}

void coro_free(struct coro *c)
{
	if (!c)
		return;
	list_remove(&c->link);
	list_remove(&c->ready);
	luaL_unref(c->flow->lua.L, LUA_REGISTRYINDEX, c->thread);
	json_decref(c->first);
	json_decref(c->second);
	json_decref(c->args);
	json_decref(c->names);
	json_decref(c->value);
	mem_free(c->error);
	buf_release(&c->trace);
	mem_free(c);
}

void coro_wake(struct coro *c)
{
	sm_move(&c->sm, CORO_READY);
	list_push(&c->flow->ready, &c->ready);
}

/* ---- host calls ---- */

static noreturn void not_here(lua_State *L, const char *name)
{
	luaL_error(L,
		"%s: host calls do not work in callbacks of sort, gsub and other library functions, in a library while "
		"it loads, or in coroutines that the flow makes itself",
		name);
	BUG("lua_error returned");
}

/* A host call may be made here: counts the step and finds the key. Raises. */
static struct coro *enter_call(lua_State *L, const char *name)
{
	struct coro *c = coro_of(L);
	struct flow *f;
	struct err e;

	if (!c || !lua_isyieldable(L)) {
		not_here(L, name);
		return NULL;
	}
	f = c->flow;
	if (++f->steps > f->lua.limits.steps)
		lua_limit_raise(L, LIMIT_STEPS);
	if (f->allowed && (!f->allowed(name) || f->clean_up_calls-- <= 0)) {
		err_set(&e, ERR_CANCELLED, "%s: the run was cancelled", name);
		lua_push_error(L, &e);
		lua_error(L);
	}
	return c;
}

static void take_key(lua_State *L, struct coro *c)
{
	int n = snprintf(c->call_key, sizeof c->call_key, "%s.%lld", c->key, (long long)c->calls + 1);

	if (n >= CORO_KEY - 24) /* room for what the host and branches add */
		luaL_error(L, "branches and handlers are nested too deeply");
	c->calls++;
}

static int call_done(lua_State *L, int status, lua_KContext ctx)
{
	struct coro *c = coro_of(L);
	struct err e;

	(void)status;
	(void)ctx;
	if (c->outcome == OUTCOME_VALUE) {
		lua_json_push(L, c->value);
		drop(&c->value);
		return 1;
	}
	if (c->outcome == OUTCOME_CANCELLED) {
		err_set(&e, ERR_CANCELLED, "%s: the run was cancelled", c->row->name);
		lua_push_error(L, &e);
	} else {
		lua_push_error(L, c->error);
		mem_free(c->error);
		c->error = NULL;
	}
	return lua_error(L);
}

/* args.on and the names, from what is told of the handlers at the top of the stack. */
static int add_handlers(lua_State *L, struct coro *c, struct err *e)
{
	json_t *told = lua_json_take(L, -1, "on", NULL, e);

	if (!told)
		return -1;
	c->names = json_array();
	for (void *it = json_object_iter(told); c->names && it; it = json_object_iter_next(told, it))
		if (json_array_append_new(c->names, json_string_nocheck(json_object_iter_key(it))))
			drop(&c->names);
	if (json_put(c->args, "on", told) || !c->names)
		return err_nomem(e);
	return 0;
}

static void keep_handlers(lua_State *L, struct coro *c, int functions)
{
	struct flow *f = c->flow;
	struct handlers *h = MEM_NEW(struct handlers);

	if (!h || map_set(&f->handlers, span_of(c->call_key), h, NULL, NULL)) {
		mem_free(h);
		lua_limit_raise(L, LIMIT_NOMEM);
		return;
	}
	*h = (struct handlers){.flow = f, .functions = LUA_NOREF, .keeps = c->row->keeps};
	lua_pushvalue(L, functions);
	h->functions = luaL_ref(L, LUA_REGISTRYINDEX);
}

void handlers_forget(struct flow *f, const char *call_key)
{
	struct handlers *h = map_del(&f->handlers, span_of(call_key));

	if (!h)
		return;
	luaL_unref(f->lua.L, LUA_REGISTRYINDEX, h->functions);
	mem_free(h);
}

/* upvalue 1: the row. */
static int host_call(lua_State *L)
{
	const struct call_row *row = lua_touserdata(L, lua_upvalueindex(1));
	struct coro *c = enter_call(L, row->name);
	struct err e = ERR_INIT;
	int n = lua_gettop(L), functions = n + 1;
	bool handlers;

	luaL_checkstack(L, 8, NULL);
	drop(&c->args);
	drop(&c->names);
	handlers = lua_call_handlers(L, row);
	c->args = lua_call_args(L, n, row, &e);
	if (!c->args || (handlers && add_handlers(L, c, &e)))
		lua_raise(L, &e);
	take_key(L, c);
	c->row = row;
	if (handlers)
		keep_handlers(L, c, functions);
	sm_move(&c->sm, CORO_CALLING);
	return lua_yieldk(L, 0, 0, call_done);
}

/* ---- parallel, background ---- */

static void branch_key(lua_State *L, const struct coro *c, int i, char out[CORO_KEY])
{
	if (snprintf(out, CORO_KEY, "%s.b%d", c->call_key, i) >= CORO_KEY - 48)
		luaL_error(L, "branches and handlers are nested too deeply");
}

static int parallel_done(lua_State *L, int status, lua_KContext ctx)
{
	struct gather *g = &coro_of(L)->gather;

	(void)status;
	(void)ctx;
	lua_rawgeti(L, LUA_REGISTRYINDEX, g->results);
	luaL_unref(L, LUA_REGISTRYINDEX, g->results);
	lua_rawgeti(L, -1, g->count + 1);
	if (g->bad_index)
		return lua_error(L);
	lua_pop(L, 1);
	lua_json_mark_array(L);
	return 1;
}

/* Stack: list, function or nil. */
static void start_branch(lua_State *L, struct coro *c, int i)
{
	bool own = lua_isnil(L, 2);
	char key[CORO_KEY];
	struct coro *branch;

	branch_key(L, c, i, key);
	if (!own)
		lua_pushvalue(L, 2);
	lua_rawgeti(L, 1, i);
	if (own)
		luaL_argexpected(L, lua_isfunction(L, -1), 1, "list of functions");
	else
		lua_pushinteger(L, i);
	branch = coro_new(c->flow, L, own ? 0 : 2, CORO_BRANCH, key);
	branch->index = i;
	branch->of = &c->gather;
}

static int parallel(lua_State *L)
{
	struct coro *c = enter_call(L, "parallel");
	struct gather *g = &c->gather;
	lua_Unsigned n;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	if (!lua_isnil(L, 2))
		luaL_checktype(L, 2, LUA_TFUNCTION);
	n = lua_rawlen(L, 1);
	if (n > (lua_Unsigned)c->flow->lua.limits.parallel)
		return luaL_error(L, "parallel: %I branches, more than the allowed %d", (lua_Integer)n,
			c->flow->lua.limits.parallel);
	for (lua_Unsigned i = 1; lua_isnil(L, 2) && i <= n; i++) {
		lua_rawgeti(L, 1, (lua_Integer)i);
		luaL_argexpected(L, lua_isfunction(L, -1), 1, "list of functions");
		lua_pop(L, 1);
	}
	take_key(L, c);
	*g = (struct gather){.parent = c, .left = (int)n, .count = (int)n};
	lua_createtable(L, (int)n + 1, 0); /* all slots at once: filling them needs no memory */
	if (n == 0) {
		lua_json_mark_array(L);
		return 1;
	}
	g->results = luaL_ref(L, LUA_REGISTRYINDEX);
	for (int i = 1; i <= (int)n; i++)
		start_branch(L, c, i);
	sm_move(&c->sm, CORO_GATHERING);
	return lua_yieldk(L, 0, 0, parallel_done);
}

static int background(lua_State *L)
{
	struct coro *c = enter_call(L, "background");
	char key[CORO_KEY];

	luaL_checktype(L, 1, LUA_TFUNCTION);
	take_key(L, c);
	branch_key(L, c, 1, key);
	lua_settop(L, 1);
	coro_new(c->flow, L, 0, CORO_BACKGROUND, key);
	return 0;
}

/* ---- ends ---- */

/* The error a coroutine ended with. */
static void end_error(const struct coro *c, bool with_trace, struct err *e)
{
	lua_read_error(c->L, -1, e);
	if (with_trace && c->trace.len)
		err_set(e, e->code, "%s%s", e->text, c->trace.data);
}

static void branch_ended(struct coro *c)
{
	struct gather *g = c->of;
	lua_State *L = c->flow->lua.L;

	lua_rawgeti(L, LUA_REGISTRYINDEX, g->results);
	lua_xmove(c->L, L, 1);
	if (!c->failed) {
		lua_rawseti(L, -2, c->index);
	} else if (!g->bad_index || c->index < g->bad_index) {
		g->bad_index = c->index;
		lua_rawseti(L, -2, g->count + 1);
	} else {
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	if (--g->left == 0)
		coro_wake(g->parent);
}

/* Main and handlers: their value as JSON. */
static json_t *end_value(const struct coro *c, struct err *e)
{
	if (c->failed) {
		end_error(c, c->kind == CORO_MAIN, e);
		return NULL;
	}
	return lua_json_take_slice(c->L, c->kind == CORO_MAIN ? "the flow's result" : "the handler's result", e);
}

static void tell_end(struct coro *c)
{
	struct flow_host *host = &c->flow->host;
	struct err e = ERR_INIT;
	cleanup_json json_t *v = NULL;

	switch (c->kind) {
	case CORO_BRANCH:
		branch_ended(c);
		return;
	case CORO_BACKGROUND:
		if (c->failed) {
			end_error(c, true, &e);
			host->background_failed(host->ctx, c->key, &e);
		}
		return;
	case CORO_MAIN:
	case CORO_HANDLER:
		v = end_value(c, &e);
		if (lua_limit_broken(&c->flow->lua, LUA_OK))
			return;
		if (!v && e.code == ERR_NOMEM)
			c->flow->end = FLOW_NOMEM;
		else if (c->kind == CORO_MAIN)
			host->ended(host->ctx, v != NULL, v, v ? NULL : &e);
		else
			host->handled(host->ctx, c->key, v != NULL, v, v ? NULL : &e);
	}
}

static void tell_call(struct coro *c)
{
	struct flow *f = c->flow;
	cleanup_json json_t *args = steal(&c->args), *names = steal(&c->names);

	if (map_set(&f->calling, span_of(c->call_key), c, NULL, NULL)) {
		f->end = FLOW_NOMEM;
		return;
	}
	if (c->row->final)
		f->end = FLOW_CONTINUES;
	f->host.call(f->host.ctx, c->call_key, c->row->name, args, names);
}

bool coro_step(struct flow *f)
{
	struct list *first = list_shift(&f->ready);
	struct coro *c;
	int status, results;

	if (!first)
		return false;
	c = list_entry(first, struct coro, ready);
	sm_move(&c->sm, CORO_RUNNING);
	/* fresh: the body is below its function and arguments; else nothing is passed: the continuation finds it all */
	status = lua_host_slice(&f->lua, c->L, lua_status(c->L) == LUA_OK ? lua_gettop(c->L) - 1 : 0, &results);
	if (lua_limit_broken(&f->lua, status))
		return true;
	if (status == LUA_YIELD) {
		if (sm_is(&c->sm) == CORO_CALLING)
			tell_call(c);
		return true;
	}
	if (status != LUA_OK)
		c->failed = true;
	tell_end(c);
	coro_free(c);
	return true;
}

/* ---- globals ---- */

struct filled {
	struct buf text;
	struct err e;
};

static int push_filled(lua_State *L)
{
	const struct filled *t = lua_touserdata(L, 1);

	lua_pushlstring(L, t->text.data ? t->text.data : "", t->text.len);
	return 1;
}

static void release_filled(void *arg)
{
	struct filled *t = arg;

	buf_release(&t->text);
}

/* template(name, values) */
static int fill_template(lua_State *L)
{
	struct lua_host *h = lua_host_of(L);
	const char *name = luaL_checkstring(L, 1), *file;
	struct filled t = {.text = BUF_INIT(CAP_MODE_BUNDLE)};
	struct span text;
	json_t *values;
	int rc;

	lua_settop(L, 2);
	if (!lua_isnil(L, 2))
		luaL_checktype(L, 2, LUA_TTABLE);
	file = lua_pushfstring(L, "templates/%s", name);
	text = h->source.file(h->source.ctx, file);
	if (!text.p)
		return luaL_error(L, "template: the mode has no %s", file);
	values = lua_json_take(L, 2, "template", NULL, &t.e);
	rc = values ? text_fill(text, file, values, &t.text, &t.e) : -1;
	json_decref(values);
	if (rc) {
		buf_release(&t.text);
		lua_raise(L, &t.e);
	}
	lua_host_with(L, push_filled, &t, release_filled);
	return 1;
}

void coro_open(lua_State *L, struct flow *f)
{
	static const luaL_Reg functions[] = {
		{"parallel", parallel}, {"background", background}, {"template", fill_template}, {NULL, NULL}};

	for (const struct call_row *row = call_rows; row->name; row++) {
		lua_pushlightuserdata(L, (void *)row);
		lua_pushcclosure(L, host_call, 1);
		lua_setglobal(L, row->name);
	}
	lua_guard_library(L, LUA_GNAME, functions);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	f->vars = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_setglobal(L, "vars");
}
