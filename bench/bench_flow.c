/* What a live flow costs: memory, making it, a host call, the same call replayed with small and large results, a
 * branch. Figures are the medians of ROUNDS rounds; the floor beside them: the same loop in unchanged Lua with its own
 * coroutines and no JSON. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/caps.h"
#include "base/mem.h"
#include "flow/flow.h"
#include "rig.h"

enum { ROUNDS = 7, CALLS = 20000, FLOWS = 400 };

static char *program; /* about 170 lines, as flows are */
static char next_key[300];
static bool has_next;

static const char head[] = "return function(run)\n"
			   "  local n = 0\n"
			   "  for i = 1, run.inputs.calls do local v = read('file' .. i) n = n + (v and #v or 0) end\n"
			   "  parallel(run.inputs.list, function(item) return read(item) end)\n"
			   "  read 'last'\n"
			   "  return n\n"
			   "end\n";
static const char filler[] = "local function step_%d(run, task)\n"
			     "  local result = agent { role = 'coder', task = task, scope = 'src/%d' }\n"
			     "  if result.status ~= 'done' then error('step %d: ' .. (result.error or 'failed')) end\n"
			     "  for key, value in pairs(result.files or {}) do log(key, value) end\n"
			     "  return { name = 'step %d', text = result.text }\n"
			     "end\n";

/* Of this thread's processor time: nothing here waits, and others may be at work on the machine. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct span file(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "flow.lua") == 0 ? span_of(program) : SPAN_NONE;
}

static void call(void *ctx, const char *key, const char *name, const json_t *args, const json_t *handlers)
{
	(void)ctx;
	(void)name;
	(void)args;
	(void)handlers;
	snprintf(next_key, sizeof next_key, "%s", key);
	has_next = true;
}

static void handled(void *ctx, const char *key, bool ok, const json_t *value, const struct err *error)
{
	(void)ctx;
	(void)key;
	(void)ok;
	(void)value;
	(void)error;
}

static void background_failed(void *ctx, const char *key, const struct err *error)
{
	(void)ctx;
	(void)key;
	must(true, error);
}

static void ended(void *ctx, bool ok, const json_t *value, const struct err *error)
{
	(void)ctx;
	(void)value;
	must(!ok, error);
}

static struct flow *start(int calls, int branches)
{
	const struct flow_source source = {.file = file};
	const struct flow_host host = {call, handled, background_failed, ended, NULL};
	const struct flow_limits limits = {
		.memory = CAP_FLOW_MEMORY, .slice_ms = CAP_FLOW_SLICE_MS, .steps = INT64_MAX, .parallel = 100000};
	struct err e = ERR_INIT;
	json_t *run = json_pack("{s:{s:i, s:o}}", "inputs", "calls", calls, "list", json_array()), *list;
	struct flow *f;

	list = json_get(json_get(run, "inputs"), "list");
	for (int i = 0; i < branches; i++)
		json_array_append_new(list, json_string("item"));
	f = flow_new(&source, &host, &limits, run, 1, &e);
	must(!f, &e);
	json_decref(run);
	flow_start(f);
	must(flow_rest(f, &e), &e);
	return f;
}

/* Microseconds for a host call whose result is this text, parsed from the journal (replay) or at hand. */
static void host_calls(struct sample *us, const char *result, bool parse)
{
	struct err e = ERR_INIT;
	json_t *ready = json_parse(span_of(result), "result", &e);

	for (int r = 0; r < ROUNDS; r++) {
		struct flow *f = start(CALLS, 0);
		double begin = now();
		for (int i = 0; i < CALLS; i++) {
			json_t *v = parse ? json_parse(span_of(result), "result", &e) : json_incref(ready);
			must(!v || flow_deliver(f, next_key, true, v, NULL, &e) || flow_rest(f, &e), &e);
			json_decref(v);
		}
		sample_add(us, (now() - begin) / CALLS * 1e6);
		flow_free(f);
	}
	json_decref(ready);
}

/* Bytes of memory for each of FLOWS flows that wait, and microseconds to make one. */
static void live_flows(struct sample *us, double *bytes, double *resident)
{
	static struct flow *flows[FLOWS];

	for (int r = 0; r < ROUNDS; r++) {
		struct mallinfo2 before = mallinfo2();
		double begin = now();
		for (int i = 0; i < FLOWS; i++)
			flows[i] = start(1, 0);
		sample_add(us, (now() - begin) / FLOWS * 1e6);
		*resident = (double)(mallinfo2().uordblks - before.uordblks) / FLOWS;
		*bytes = (double)flow_memory(flows[0]);
		for (int i = 0; i < FLOWS; i++)
			flow_free(flows[i]);
	}
}

static void branches(struct sample *us, double *bytes)
{
	enum { COUNT = 2000 };

	for (int r = 0; r < ROUNDS; r++) {
		struct flow *few = start(0, 1);
		double begin = now();
		struct flow *many = start(0, COUNT);
		sample_add(us, (now() - begin) / COUNT * 1e6);
		*bytes = ((double)flow_memory(many) - (double)flow_memory(few)) / (COUNT - 1);
		flow_free(few);
		flow_free(many);
	}
}

/* Unchanged Lua: resume and yield with a string. */
static void floor_call(struct sample *us)
{
	for (int r = 0; r < ROUNDS; r++) {
		lua_State *L = luaL_newstate(), *co;
		int results;
		luaL_openlibs(L);
		if (luaL_dostring(L,
			    "return function(n) local t = 0 for i = 1, n do local v = coroutine.yield('file' .. i) "
			    "t = t + #v end end"))
			BUG("%s", lua_tostring(L, -1));
		co = lua_newthread(L);
		lua_pushvalue(L, -2);
		lua_xmove(L, co, 1);
		lua_pushinteger(co, CALLS);
		lua_resume(co, NULL, 1, &results);
		double begin = now();
		for (int i = 0; i < CALLS; i++) {
			lua_pop(co, results);
			lua_pushstring(co, "text");
			lua_resume(co, NULL, 1, &results);
		}
		sample_add(us, (now() - begin) / CALLS * 1e6);
		lua_close(L);
	}
}

static char *object_of(size_t size)
{
	struct buf b = BUF_INIT(MIB);

	buf_adds(&b, "{\"agent\":\"0.1\",\"status\":\"done\",\"turns\":7,\"usd\":0.0125,\"files\":[");
	for (int i = 0; b.len + 60 < size; i++)
		buf_addf(&b, "%s{\"path\":\"src/file_%d.c\",\"lines\":%d}", i ? "," : "", i, 10 * i);
	buf_adds(&b, "],\"result\":null}");
	return buf_take(&b);
}

/* A replayed call whose result is a JSON object of about this size. */
static void replayed_calls(size_t size, const char *key)
{
	struct sample us = {0};
	cleanup_free char *result = object_of(size),
			  *what = mem_printf("replayed call, %zu bytes of JSON", strlen(result));

	host_calls(&us, result, true);
	rig_median(what, key, "us", &us, "");
}

int main(void)
{
	struct buf text = BUF_INIT(MIB);
	struct sample make = {0}, branch = {0}, small = {0}, floor = {0};
	double bytes, resident, branch_bytes;

	rig_setup("flow");
	for (int i = 0; i < 27; i++)
		buf_addf(&text, filler, i, i, i, i);
	buf_adds(&text, head);
	program = buf_take(&text);
	rig_json("rounds", ROUNDS);
	live_flows(&make, &bytes, &resident);
	rig_median("flow of 170 lines: made in", "make_us", "us", &make, "");
	rig_row("  Lua's memory", "lua_bytes", bytes, "bytes", NULL, "");
	rig_row("  allocated", "allocated_bytes", resident, "bytes", NULL, "");
	branches(&branch, &branch_bytes);
	rig_median("branch of parallel until its first call", "branch_us", "us", &branch, "");
	rig_row("  Lua's memory", "branch_bytes", branch_bytes, "bytes", NULL, "");
	host_calls(&small, "\"text\"", false);
	rig_median("host call, short text back", "call_us", "us", &small, "");
	floor_call(&floor);
	rig_median("  floor: resume and yield in unchanged Lua", "floor_us", "us", &floor, "");
	replayed_calls(346, "replay_346_us");
	replayed_calls(4096, "replay_4k_us");
	rig_finish();
	mem_free(program);
	return has_next ? 0 : 1;
}
