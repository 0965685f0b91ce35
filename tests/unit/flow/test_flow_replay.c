/* Determinism: whatever the order in which results come, the same order makes the same calls again, in another state
 * with other hash seeds; and an order that differs is noticed. */
#include "flow_rig.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

#include "base/id.h"

enum { BRANCHES = 50, CALLS = 20, ORDERS = 1000, STEPS = 6000, KEY = 256 };

/* 50 branches × 20 calls: agents whose handlers make calls, failing calls that are caught, a counter and a table that
 * all branches race for, a to-be-closed variable, a background branch; what a call says depends on all that went
 * before. */
static const char program[] =
	"local shared, total = {}, 0\n"
	"local function mark(i, k, v) total = total + 1 shared['k' .. (i * 7 + k) % 31] = total .. ':' .. tostring(v) "
	"end\n"
	"local function view() local out = {} for k, v in pairs(shared) do out[#out + 1] = k .. '=' .. v if #out > 2 "
	"then break end end return table.concat(out, ',') end\n"
	"return function(run)\n"
	"  background(function() for i = 1, 5 do local v = sleep(i) mark(0, i, v) end end)\n"
	"  local done = parallel(run.branches, function(b, i)\n"
	"    local sum = 0\n"
	"    local closing <close> = setmetatable({}, {__close = function() log('end of', i, total) end})\n"
	"    for k = 1, run.calls do\n"
	"      if k % 5 == 0 then\n"
	"        local r = agent { role = 'r', task = { view(), sum }, on = { ask = function(a, info) mark(i, k, a.n) "
	"local text = read('h' .. a.n) return { total, text } end } }\n"
	"        sum = sum + (r and r.n or 0)\n"
	"      else\n"
	"        local ok, v = pcall(read, i .. '/' .. k .. '/' .. total)\n"
	"        mark(i, k, ok and v or v.code)\n"
	"        sum = sum + (ok and v or -1) + math.random(3)\n"
	"      end\n"
	"    end\n"
	"    if sum % 17 == 3 then error('branch ' .. i .. ' ' .. sum) end\n"
	"    return { i, sum, view() }\n"
	"  end)\n"
	"  return { done, view() }\n"
	"end\n";

struct step {
	char key[KEY];
	char kind; /* 'v' value, 'e' error, 'h' handler entered */
	int64_t n;
};

struct world {
	struct flow *f;
	struct flow_source source;
	char pending[BRANCHES * 4][KEY];
	bool agent[BRANCHES * 4];
	size_t pending_count;
	uint64_t *seen; /* a hash for each thing the flow told */
	size_t seen_count, seen_room;
	bool ended;
};

static struct span file(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "flow.lua") == 0 ? span_of(program) : SPAN_NONE;
}

static void told(struct world *w, const char *a, const char *b, const json_t *v)
{
	uint64_t h = 14695981039346656037u;
	cleanup_free char *text = v ? json_text(v) : NULL;
	const char *const parts[] = {a, b, text ? text : ""};

	for (int i = 0; i < 3; i++)
		for (const char *p = parts[i]; *p; p++)
			h = (h ^ (unsigned char)*p) * 1099511628211u;
	assert_true(w->seen_count < w->seen_room);
	w->seen[w->seen_count++] = h;
}

static void call(void *ctx, const char *key, const char *name, const json_t *args, const json_t *handlers)
{
	struct world *w = ctx;
	struct err e = ERR_INIT;

	told(w, key, name, args);
	if (strcmp(name, "log") == 0) {
		must(flow_deliver(w->f, key, true, NULL, NULL, &e), &e);
		return;
	}
	assert_true(w->pending_count < BRANCHES * 4);
	w->agent[w->pending_count] = handlers != NULL;
	snprintf(w->pending[w->pending_count++], KEY, "%s", key);
}

static void handled(void *ctx, const char *key, bool ok, const json_t *value, const struct err *error)
{
	told(ctx, key, ok ? "handled" : error->text, value);
}

static void background_failed(void *ctx, const char *key, const struct err *error)
{
	told(ctx, key, error->text, NULL);
}

static void ended(void *ctx, bool ok, const json_t *value, const struct err *error)
{
	struct world *w = ctx;

	w->ended = true;
	told(w, "ended", ok ? "" : error->text, value);
}

static void world_open(struct world *w, int branches, int calls)
{
	const struct flow_host host = {call, handled, background_failed, ended, w};
	const struct flow_limits limits = {.memory = 32 * MIB, .slice_ms = 5000, .steps = 100000, .parallel = 100};
	struct flow_source source = {file, w};
	struct err e = ERR_INIT;
	cleanup_json json_t *run = json_pack("{s:o, s:i}", "branches", json_array(), "calls", calls);

	for (int i = 0; i < branches; i++)
		json_array_append_new(json_get(run, "branches"), json_integer(i));
	w->pending_count = w->seen_count = 0;
	w->seen_room = 3 * STEPS;
	w->seen = mem_calloc(w->seen_room, sizeof *w->seen);
	w->ended = false;
	assert_non_null(w->seen);
	w->f = flow_new(&source, &host, &limits, run, 7, &e);
	if (!w->f)
		fail_msg("%s", e.text);
	flow_start(w->f);
	must(flow_rest(w->f, &e), &e);
}

static void world_close(struct world *w)
{
	flow_free(w->f);
	mem_free(w->seen);
}

static void forget(struct world *w, const char *key)
{
	for (size_t i = 0; i < w->pending_count; i++)
		if (strcmp(w->pending[i], key) == 0) {
			w->pending_count--;
			memmove(w->pending[i], w->pending[w->pending_count], KEY);
			w->agent[i] = w->agent[w->pending_count];
			return;
		}
}

/* Give the flow one thing from outside and let it rest. */
static int apply(struct world *w, const struct step *s, struct err *e)
{
	struct err failure = {.code = ERR_NOT_FOUND, .text = "no such file"};
	cleanup_json json_t *value = NULL;
	char key[KEY];
	int rc;

	if (s->kind == 'h') {
		value = json_pack("{s:I}", "n", (json_int_t)s->n);
		rc = flow_enter(w->f, s->key, "ask", value, value, key, e);
	} else {
		bool agent = false;
		for (size_t i = 0; i < w->pending_count; i++)
			agent |= w->agent[i] && strcmp(w->pending[i], s->key) == 0;
		value = agent ? json_pack("{s:I}", "n", (json_int_t)s->n) : json_integer(s->n);
		forget(w, s->key);
		rc = flow_deliver(w->f, s->key, s->kind == 'v', value, &failure, e);
	}
	return rc ? rc : flow_rest(w->f, e);
}

/* Run with a random order of results; writes the steps down. Returns how many. */
static size_t live(struct world *w, struct rng *rng, struct step *steps)
{
	struct err e = ERR_INIT;
	size_t n = 0;

	while (w->pending_count) {
		size_t i = (size_t)rng_below(rng, w->pending_count);
		struct step *s = &steps[n++];
		assert_true(n < STEPS);
		snprintf(s->key, KEY, "%s", w->pending[i]);
		s->n = (int64_t)rng_below(rng, 100);
		s->kind = w->agent[i] && rng_below(rng, 3) ? 'h' : rng_below(rng, 8) ? 'v' : w->agent[i] ? 'v' : 'e';
		if (s->kind == 'h' && w->pending_count > 2 * BRANCHES)
			s->kind = 'v';
		must(apply(w, s, &e), &e);
	}
	assert_true(w->ended);
	return n;
}

/* The same steps in a new state; -1 at the first difference. */
static int again(struct world *w, const struct world *first, const struct step *steps, size_t n)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < n; i++)
		if (apply(w, &steps[i], &e))
			return -1;
	if (w->seen_count != first->seen_count)
		return -1;
	return memcmp(w->seen, first->seen, w->seen_count * sizeof *w->seen) == 0 ? 0 : -1;
}

/* Lua takes its hash seed from the address of a local variable, among others: another depth of the stack, another seed.
 */
static __attribute__((noinline)) void deeper(int depth, void (*fn)(void *), void *ctx)
{
	volatile char room[48];

	room[0] = (char)depth;
	if (depth > 0)
		deeper(depth - 1, fn, ctx);
	else
		fn(ctx);
	room[1] = room[0];
}

struct opening {
	struct world *w;
	int branches, calls;
};

static void open_at(void *ctx)
{
	struct opening *o = ctx;

	world_open(o->w, o->branches, o->calls);
}

static void one_order(uint64_t seed, int branches, int calls)
{
	struct rng rng = {.state = seed};
	struct step *steps = mem_calloc(STEPS, sizeof *steps);
	struct world *w = mem_calloc(2, sizeof *w);
	struct opening o = {&w[1], branches, calls};
	size_t n;

	assert_true(steps && w);
	world_open(&w[0], branches, calls);
	n = live(&w[0], &rng, steps);
	assert_true(n >= (size_t)branches * (size_t)calls);
	deeper((int)(seed % 40) + 1, open_at, &o);
	if (again(&w[1], &w[0], steps, n))
		fail_msg("order %llu of %d × %d differs", (unsigned long long)seed, branches, calls);
	world_close(&w[0]);
	world_close(&w[1]);
	mem_free(w);
	mem_free(steps);
}

static void test_orders(void **state)
{
	bool all_large = getenv("MUSTER_TEST_LONG") != NULL; /* else one in 20, the others smaller */

	(void)state;
	for (uint64_t seed = 1; seed <= ORDERS; seed++) {
		bool large = all_large || seed % 20 == 0;
		one_order(seed, large ? BRANCHES : 9, large ? CALLS : 7);
	}
}

/* The test notices: the same results in the order of keys instead of the journal's make other calls. */
static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct step *)a)->key, ((const struct step *)b)->key);
}

static void test_other_order_differs(void **state)
{
	struct step *steps = mem_calloc(STEPS, sizeof *steps);
	struct world *w = mem_calloc(2, sizeof *w);
	int differs = 0;

	(void)state;
	assert_true(steps && w);
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rng rng = {.state = seed};
		size_t n;
		world_open(&w[0], 9, 7);
		n = live(&w[0], &rng, steps);
		qsort(steps, n, sizeof *steps, by_key);
		world_open(&w[1], 9, 7);
		differs += again(&w[1], &w[0], steps, n) != 0;
		world_close(&w[0]);
		world_close(&w[1]);
	}
	assert_int_equal(differs, 20);
	mem_free(w);
	mem_free(steps);
}

/* ---- hash seeds ---- */

static const char stock_order[] = "local t = {} for i = 1, 60 do t['key' .. i * 37 % 61] = i end local out = {} "
				  "for k, v in next, t do out[#out + 1] = k .. v end return table.concat(out, ' ')";

struct order_of {
	char text[2000];
	bool stock;
};

static void find_order(void *ctx)
{
	struct order_of *o = ctx;

	if (o->stock) {
		lua_State *L = luaL_newstate();
		luaL_openlibs(L);
		assert_int_equal(luaL_loadstring(L, stock_order), LUA_OK);
		assert_int_equal(lua_pcall(L, 0, 1, 0), LUA_OK);
		snprintf(o->text, sizeof o->text, "%s", lua_tostring(L, -1));
		lua_close(L);
		return;
	}
	struct rig r;
	rig_init(&r, "return function() local t, n = {}, {} for i = 1, 60 do t['key' .. i * 37 % 61] = i end local out "
		     "= {} for k, v in pairs(t) do out[#out + 1] = k .. v end\n"
		     "for i = 1, 40 do n[i % 2 == 0 and i or -i] = i end for k in pairs(n) do out[#out + 1] = k end\n"
		     "log(json.encode(t)) write('p', 't') read {path = json.encode(t)} return {table.concat(out, ' '), "
		     "t} end");
	r.instant = " log write read ";
	rig_start(&r);
	assert_true(r.ended && r.ok);
	snprintf(o->text, sizeof o->text, "%s%s", r.log.data, r.result);
	rig_release(&r);
}

static void test_hash_seeds(void **state)
{
	static struct order_of first, other;
	int stock_differs = 0;

	(void)state;
	deeper(1, find_order, &first);
	for (int depth = 2; depth < 40; depth++) {
		deeper(depth, find_order, &other);
		assert_string_equal(other.text, first.text);
	}
	/* and the seeds do differ: unchanged Lua shows it */
	first.stock = other.stock = true;
	deeper(1, find_order, &first);
	for (int depth = 2; depth < 40; depth++) {
		deeper(depth, find_order, &other);
		stock_differs += strcmp(other.text, first.text) != 0;
	}
	assert_true(stock_differs > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_other_order_differs),
		cmocka_unit_test(test_hash_seeds),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
