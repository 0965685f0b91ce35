/* What a live flow costs: memory, making it, a host call, the same call replayed with small and large results, a
 * branch. Figures are the medians of ROUNDS rounds; the floor beside them: the same loop in unchanged Lua with its own
 * coroutines and no JSON. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/caps.h"
#include "base/mem.h"
#include "flow/flow.h"

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

static void die(const struct err *e)
{
	fprintf(stderr, "%s\n", e->text);
	exit(1);
}

/* Of this thread's processor time: nothing here waits, and others may be at work on the machine. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof *values, by_size);
	return values[ROUNDS / 2];
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
	die(error);
}

static void ended(void *ctx, bool ok, const json_t *value, const struct err *error)
{
	(void)ctx;
	(void)value;
	if (!ok)
		die(error);
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
	if (!f)
		die(&e);
	json_decref(run);
	flow_start(f);
	if (flow_rest(f, &e))
		die(&e);
	return f;
}

/* Microseconds for a host call whose result is this text, parsed from the journal (replay) or at hand. */
static double host_calls(const char *result, bool parse)
{
	double rounds[ROUNDS];
	struct err e = ERR_INIT;
	json_t *ready = json_parse(span_of(result), "result", &e);

	for (int r = 0; r < ROUNDS; r++) {
		struct flow *f = start(CALLS, 0);
		double begin = now();
		for (int i = 0; i < CALLS; i++) {
			json_t *v = parse ? json_parse(span_of(result), "result", &e) : json_incref(ready);
			if (!v || flow_deliver(f, next_key, true, v, NULL, &e) || flow_rest(f, &e))
				die(&e);
			json_decref(v);
		}
		rounds[r] = (now() - begin) / CALLS * 1e6;
		flow_free(f);
	}
	json_decref(ready);
	return median(rounds);
}

/* Bytes of memory for each of FLOWS flows that wait, and microseconds to make one. */
static double live_flows(double *bytes, double *resident)
{
	static struct flow *flows[FLOWS];
	double rounds[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		struct mallinfo2 before = mallinfo2();
		double begin = now();
		for (int i = 0; i < FLOWS; i++)
			flows[i] = start(1, 0);
		rounds[r] = (now() - begin) / FLOWS * 1e6;
		*resident = (double)(mallinfo2().uordblks - before.uordblks) / FLOWS;
		*bytes = (double)flow_memory(flows[0]);
		for (int i = 0; i < FLOWS; i++)
			flow_free(flows[i]);
	}
	return median(rounds);
}

static double branches(double *bytes)
{
	enum { COUNT = 2000 };
	double rounds[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		struct flow *few = start(0, 1);
		double begin = now();
		struct flow *many = start(0, COUNT);
		rounds[r] = (now() - begin) / COUNT * 1e6;
		*bytes = ((double)flow_memory(many) - (double)flow_memory(few)) / (COUNT - 1);
		flow_free(few);
		flow_free(many);
	}
	return median(rounds);
}

/* Unchanged Lua: resume and yield with a string. */
static double floor_call(void)
{
	double rounds[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		lua_State *L = luaL_newstate(), *co;
		int results;
		luaL_openlibs(L);
		if (luaL_dostring(L,
			    "return function(n) local t = 0 for i = 1, n do local v = coroutine.yield('file' .. i) "
			    "t = t + #v end end"))
			exit(1);
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
		rounds[r] = (now() - begin) / CALLS * 1e6;
		lua_close(L);
	}
	return median(rounds);
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

int main(void)
{
	struct buf text = BUF_INIT(MIB);
	struct utsname machine;
	double make, bytes, resident, branch, branch_bytes, small, replayed, large, floor;

	json_setup();
	uname(&machine);
	for (int i = 0; i < 27; i++)
		buf_addf(&text, filler, i, i, i, i);
	buf_adds(&text, head);
	program = buf_take(&text);
	char *few = object_of(346), *many = object_of(4096);

	make = live_flows(&bytes, &resident);
	branch = branches(&branch_bytes);
	small = host_calls("\"text\"", false);
	replayed = host_calls(few, true);
	large = host_calls(many, true);
	floor = floor_call();
	printf("flow of 170 lines: made in %.0f us, Lua %.1f KiB, allocated %.1f KiB\n", make, bytes / 1024,
		resident / 1024);
	printf("branch of parallel until its first call: %.2f us, %.1f KiB of Lua\n", branch, branch_bytes / 1024);
	printf("host call, short text back: %.2f us (floor, resume and yield in unchanged Lua: %.2f us)\n", small,
		floor);
	printf("replayed call, %zu bytes of JSON: %.2f us, %zu bytes: %.2f us\n", strlen(few), replayed, strlen(many),
		large);
	printf("{\"bench\":\"flow\",\"machine\":\"%s "
	       "%s\",\"rounds\":%d,\"make_us\":%.1f,\"lua_bytes\":%.0f,\"allocated_bytes\":%.0f,"
	       "\"branch_us\":%.2f,\"branch_bytes\":%.0f,\"call_us\":%.2f,\"floor_us\":%.2f,\"replay_346_us\":%.2f,"
	       "\"replay_4k_us\":%.2f}\n",
		machine.sysname, machine.machine, ROUNDS, make, bytes, resident, branch, branch_bytes, small, floor,
		replayed, large);
	mem_free(few);
	mem_free(many);
	mem_free(program);
	return has_next ? 0 : 1;
}
