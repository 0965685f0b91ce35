/* flow: the contract of flow.h over the coroutines of coro.c.
 *
 * Happy path: flow_new loads flow.lua, flow_start makes its function's coroutine, flow_rest runs the queue until it is
 * empty; the host answers calls by flow_deliver and rests again. Failure modes: what flow.lua raises ends its coroutine
 * and is told to the host; a broken limit or no memory ends the flow for good. */
#include "flow/flow.h"

#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/mem.h"
#include "flow/coro.h"
#include "flow/lua_json.h"
#include "flow/watchdog.h"

/* ---- making ---- */

struct loading {
	struct flow *flow;
	struct span text;
};

static int furnish(lua_State *L)
{
	coro_open(L, lua_touserdata(L, 1));
	return 0;
}

static int load_function(lua_State *L)
{
	struct loading *l = lua_touserdata(L, 1);

	if (lua_load_text(L, l->text, "@flow.lua") != LUA_OK)
		return lua_error(L);
	lua_call(L, 0, 1);
	if (!lua_isfunction(L, -1))
		return luaL_error(L, "flow.lua returned a %s instead of its function: return function(run) … end",
			luaL_typename(L, -1));
	l->flow->function = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_gc(L, LUA_GCCOLLECT);
	return 0;
}

struct flow *flow_new(const struct flow_source *src, const struct flow_host *host, const struct flow_limits *limits,
	const json_t *run, uint64_t seed, struct err *e)
{
	struct flow *f = MEM_NEW(struct flow);
	struct loading l = {.flow = f};

	if (!f) {
		err_nomem(e);
		return NULL;
	}
	if (watchdog_setup(e)) {
		mem_free(f);
		return NULL;
	}
	f->host = *host;
	list_init(&f->all);
	list_init(&f->ready);
	map_init(&f->calling, SIZE_MAX);
	map_init(&f->handlers, SIZE_MAX);
	if (lua_host_open(&f->lua, src, limits, seed, e)) {
		mem_free(f);
		return NULL;
	}
	f->run = json_incref((json_t *)run);
	l.text = src->file(src->ctx, "flow.lua");
	if (!l.text.p)
		err_set(e, ERR_FLOW, "the mode has no flow.lua");
	else if (lua_host_guard(&f->lua, furnish, f, false, e) == 0 &&
		 lua_host_guard(&f->lua, load_function, &l, true, e) == 0)
		return f;
	flow_free(f);
	return NULL;
}

void flow_free(struct flow *f)
{
	if (!f)
		return;
	BUG_ON(f->resting);
	list_for (it, &f->all)
		coro_free(list_entry(it, struct coro, link));
	lua_host_close(&f->lua);
	map_release(&f->calling, NULL);
	map_release(&f->handlers, mem_free);
	json_decref(f->run);
	mem_free(f);
}

static int start_main(lua_State *L)
{
	struct flow *f = lua_touserdata(L, 1);
	struct coro *c;

	lua_rawgeti(L, LUA_REGISTRYINDEX, f->function);
	c = coro_new(f, L, 0, CORO_MAIN, "0");
	c->first = json_incref(f->run);
	return 0;
}

void flow_start(struct flow *f)
{
	if (lua_host_guard(&f->lua, start_main, f, false, NULL) && f->lua.limit == LIMIT_NONE)
		f->end = FLOW_NOMEM; /* nothing else can fail; flow_rest tells */
}

int flow_rest(struct flow *f, struct err *e)
{
	BUG_ON(f->resting);
	if (watchdog_setup(e)) /* it may be another thread than the last time */
		return -1;
	f->resting = true;
	while (f->end == FLOW_GOES_ON && f->lua.limit == LIMIT_NONE && coro_step(f))
		;
	f->resting = false;
	if (f->end == FLOW_NOMEM)
		return err_nomem(e);
	return f->lua.limit == LIMIT_NONE ? 0 : lua_limit_error(&f->lua, e);
}

/* ---- deliveries ---- */

static struct coro *calling(struct flow *f, const char *key)
{
	return map_get(&f->calling, span_of(key));
}

static void stop_waiting(struct flow *f, struct coro *c, enum coro_outcome outcome)
{
	struct handlers *h = map_get(&f->handlers, span_of(c->call_key));

	map_del(&f->calling, span_of(c->call_key));
	if (h && (!h->keeps || outcome != OUTCOME_VALUE))
		handlers_forget(f, c->call_key);
	c->outcome = outcome;
	coro_wake(c);
}

int flow_deliver(struct flow *f, const char *key, bool ok, const json_t *value, const struct err *error, struct err *e)
{
	struct coro *c = calling(f, key);

	if (!c)
		return err_set(e, ERR_FLOW_DIVERGED,
			"a result was delivered for the call %s, which the flow does not wait for", key);
	if (ok) {
		c->value = json_incref((json_t *)value);
	} else {
		c->error = MEM_NEW(struct err);
		if (!c->error)
			return err_nomem(e);
		*c->error = *error;
	}
	stop_waiting(f, c, ok ? OUTCOME_VALUE : OUTCOME_ERROR);
	return 0;
}

struct entering {
	struct flow *flow;
	struct handlers *handlers;
	const char *name, *key;
	const json_t *args, *info;
	bool found;
};

static int enter(lua_State *L)
{
	struct entering *x = lua_touserdata(L, 1);
	struct coro *c;

	lua_rawgeti(L, LUA_REGISTRYINDEX, x->handlers->functions);
	lua_pushstring(L, x->name);
	x->found = lua_rawget(L, -2) == LUA_TFUNCTION;
	if (!x->found)
		return 0;
	c = coro_new(x->flow, L, 0, CORO_HANDLER, x->key);
	c->first = json_incref((json_t *)x->args);
	c->second = json_incref((json_t *)x->info);
	return 0;
}

int flow_enter(struct flow *f, const char *call_key, const char *handler, const json_t *args, const json_t *info,
	char *out, struct err *e)
{
	struct entering x = {.flow = f, .name = handler, .key = out, .args = args, .info = info};

	x.handlers = map_get(&f->handlers, span_of(call_key));
	if (!x.handlers)
		return err_set(e, ERR_FLOW_DIVERGED, "the flow has no agent under the call %s to handle \"%s\"",
			call_key, handler);
	if (snprintf(out, CORO_KEY, "%s.h%d", call_key, x.handlers->entered + 1) >= CORO_KEY - 24)
		return err_set(e, ERR_FLOW, "handlers are nested too deeply: %.100s…", call_key);
	if (lua_host_guard(&f->lua, enter, &x, false, e))
		return -1;
	if (!x.found)
		return err_set(e, ERR_NOT_FOUND, "the flow's call %s has no handler \"%s\"", call_key, handler);
	x.handlers->entered++;
	return 0;
}

void flow_forget(struct flow *f, const char *call_key)
{
	struct handlers *h = map_get(&f->handlers, span_of(call_key));

	if (h && h->keeps && !calling(f, call_key))
		handlers_forget(f, call_key);
}

/* ---- order of keys ---- */

static int depth(const char *key)
{
	int n = 0;

	for (; *key; key++)
		n += *key == '.';
	return n;
}

/* Part by part: letters, then numbers by value. */
static int key_order(const char *a, const char *b)
{
	while (*a && *b) {
		if (*a >= '0' && *a <= '9' && *b >= '0' && *b <= '9') {
			char *a_end, *b_end;
			unsigned long long x = strtoull(a, &a_end, 10), y = strtoull(b, &b_end, 10);
			if (x != y)
				return x < y ? -1 : 1;
			a = a_end;
			b = b_end;
		} else if (*a != *b) {
			return *a < *b ? -1 : 1;
		} else {
			a++;
			b++;
		}
	}
	return (*a != 0) - (*b != 0);
}

struct wait {
	struct coro *coro;
};

static int by_key(const void *pa, const void *pb)
{
	const struct wait *a = pa, *b = pb;

	return key_order(a->coro->call_key, b->coro->call_key);
}

static int by_depth(const void *pa, const void *pb)
{
	const struct wait *a = pa, *b = pb;
	int da = depth(a->coro->call_key), db = depth(b->coro->call_key);

	return da != db ? db - da : by_key(pa, pb);
}

/* The coroutines that wait for a call, in order; mem_free. NULL: no memory. */
static struct wait *waiting(struct flow *f, int (*order)(const void *, const void *), size_t *count)
{
	struct wait *list = mem_alloc(map_count(&f->calling) * sizeof *list);
	struct map_entry *it;

	*count = 0;
	for (size_t i = 0; list && (it = map_next(&f->calling, &i));)
		list[(*count)++].coro = it->value;
	if (list)
		qsort(list, *count, sizeof *list, order);
	return list;
}

void flow_cancel(struct flow *f, bool (*allowed)(const char *name), int clean_up_calls)
{
	size_t count;
	struct wait *list = waiting(f, by_depth, &count);

	f->allowed = allowed;
	f->clean_up_calls = clean_up_calls;
	if (!list)
		f->end = FLOW_NOMEM;
	for (size_t i = 0; list && i < count; i++)
		stop_waiting(f, list[i].coro, OUTCOME_CANCELLED);
	mem_free(list);
}

json_t *flow_pending(struct flow *f)
{
	size_t count;
	struct wait *list = waiting(f, by_key, &count);
	json_t *pending = list ? json_array() : NULL;

	for (size_t i = 0; pending && i < count; i++) {
		const struct coro *c = list[i].coro;
		json_t *item = json_make(NULL, "{s:s, s:s}", "key", c->call_key, "name", c->row->name);
		if (json_array_append_new(pending, item)) {
			json_decref(pending);
			pending = NULL;
		}
	}
	mem_free(list);
	return pending;
}

/* ---- vars ---- */

struct setting {
	int vars;
	const char *name;
	const json_t *value;
};

static int set_var(lua_State *L)
{
	const struct setting *s = lua_touserdata(L, 1);

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->vars);
	lua_pushstring(L, s->name);
	lua_json_push(L, s->value);
	lua_rawset(L, -3);
	return 0;
}

int flow_set_var(struct flow *f, const char *name, const json_t *value, struct err *e)
{
	struct setting s = {.vars = f->vars, .name = name, .value = value};

	return lua_host_guard(&f->lua, set_var, &s, false, e);
}

json_t *flow_vars(struct flow *f, struct err *e)
{
	json_t *v;

	lua_rawgeti(f->lua.L, LUA_REGISTRYINDEX, f->vars);
	v = lua_json_take_slice(f->lua.L, "vars", e);
	lua_pop(f->lua.L, 1);
	return v;
}

size_t flow_memory(const struct flow *f)
{
	return f->lua.used;
}

/* ---- checking ---- */

struct checking {
	const char *name;
	struct span text;
};

static int check(lua_State *L)
{
	const struct checking *c = lua_touserdata(L, 1);

	if (lua_load_text(L, c->text, lua_pushfstring(L, "@%s", c->name)) != LUA_OK)
		return lua_error(L);
	return 0;
}

static struct span no_file(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return SPAN_NONE;
}

int flow_check(const char *name, struct span text, struct err *e)
{
	const struct flow_source none = {.file = no_file};
	const struct flow_limits limits = {.memory = CAP_FLOW_MEMORY, .slice_ms = CAP_FLOW_SLICE_MS};
	struct checking c = {.name = name, .text = text};
	struct lua_host h;
	int rc;

	if (watchdog_setup(e) || lua_host_open(&h, &none, &limits, 0, e))
		return -1;
	rc = lua_host_guard(&h, check, &c, true, e);
	lua_host_close(&h);
	return rc;
}
