/* What a flow cannot reach, and the limits it cannot break: nor catch. */
#include "flow_rig.h"

#include <stdio.h>
#include <time.h>

#include "base/fault.h"

static void test_absent(void **state)
{
	static const char *const names[] = {"io", "os", "debug", "package", "dofile", "loadfile", "collectgarbage",
		"next", "print", "warn", "string.dump", "math.randomseed"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		cleanup_free char *flow = mem_printf("return function() return %s == nil end", names[i]);
		rig_result(flow, "true");
	}
	rig_result("return function() return {getmetatable('').__index == string, _G._G == _G, _VERSION} end",
		"[true,true,\"Lua 5.4\"]");
	/* nothing that was removed can be found by walking over everything that can be reached */
	rig_result("local seen, found = {}, {}\n"
		   "local bad = {dump = true, randomseed = true, getregistry = true, sethook = true, execute = true, "
		   "popen = true, dofile = true, loadfile = true, collectgarbage = true, next = true}\n"
		   "local function walk(t) if seen[t] then return end seen[t] = true\n"
		   "  for k, v in pairs(t) do if bad[k] then found[#found + 1] = k end if type(v) == 'table' then "
		   "walk(v) end end\n"
		   "  local m = getmetatable(t) if type(m) == 'table' then walk(m) end end\n"
		   "return function() walk(_G) walk(getmetatable('')) return json.array(found) end",
		"[]");
}

static void test_source_only(void **state)
{
	struct err e = ERR_INIT;
	struct rig r;

	(void)state;
	rig_result("return function() return {(load('\\27Lua'))} end", "{}");
	rig_error("return function() error((select(2, load('\\27Lua')))) end", "load: compiled Lua is not accepted");
	rig_error("return function() load('return 1', 'x', 'b') end", "mode \"t\"");
	rig_error("return function() load(function() return nil end) end", "load takes a text");
	rig_result("return function() return {load('return 1', 'x', 'bt')()} end", "[1]");
	rig_init(&r, "\033Lua");
	assert_int_equal(rig_open(&r, "{}", 1, &e), -1);
	assert_string_equal(e.text, "flow.lua: compiled Lua is not accepted; give its source");
	rig_release(&r);
	rig_init(&r, "return function() require 'x' end");
	rig_add(&r, "lib/x.lua", "\033Lua");
	rig_start(&r);
	assert_non_null(strstr(r.result, "lib/x.lua: compiled Lua"));
	rig_release(&r);
	assert_int_equal(flow_check("a.lua", span_of("\033Lua"), &e), -1);
	assert_int_equal(flow_check("a.lua", span_of("x = = 1"), &e), -1);
	assert_string_equal(e.text, "a.lua:1: unexpected symbol near '='");
	assert_int_equal(e.code, ERR_FLOW);
	must(flow_check("a.lua", span_of("while true do end"), &e), &e);
	must(flow_check("a.lua", SPAN_NONE, &e), &e);
}

static void test_loading(void **state)
{
	static const struct {
		const char *flow, *text;
	} wrong[] = {
		{"x = = 1", "flow.lua:1: unexpected symbol near '='"},
		{"\n\nerror 'at load'", "flow.lua:3: at load"},
		{"return 5", "flow.lua returned a number instead of its function"},
		{"", "flow.lua returned a nil instead of its function"},
		{"read('x') return function() end", "read: host calls do not work in"},
		{"error({code = 'x', message = 'm'})", "m"},
	};
	struct err e = ERR_INIT;
	struct rig r;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		rig_init(&r, wrong[i].flow);
		assert_int_equal(rig_open(&r, "{}", 1, &e), -1);
		assert_int_equal(e.code, ERR_FLOW);
		if (!strstr(e.text, wrong[i].text))
			fail_msg("%s: %s", wrong[i].flow, e.text);
		rig_release(&r);
	}
	rig_init(&r, "");
	r.names[0] = "other";
	assert_int_equal(rig_open(&r, "{}", 1, &e), -1);
	assert_string_equal(e.text, "the mode has no flow.lua");
	rig_release(&r);
	rig_init(&r, "while true do end");
	r.limits.slice_ms = 50;
	assert_int_equal(rig_open(&r, "{}", 1, &e), -1);
	assert_int_equal(e.code, ERR_FLOW_LIMIT);
	assert_non_null(strstr(e.text, "flow.lua:1: "));
	rig_release(&r);
}

static void test_require(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r,
		"local a, b = require 'a', require 'a'\nreturn function() local ok, m = pcall(require, 'no')\n"
		"local ok2, m2 = pcall(require, 'loop') local ok3, m3 = pcall(require, 'bad') local ok4, m4 = "
		"pcall(require, 'bad')\n"
		"local ok5, m5 = pcall(require, 'calls') return {a == b, a.x, m, m2, m3, m4, require 'empty', m5} end");
	rig_add(&r, "lib/a.lua", "return {x = 7}");
	rig_add(&r, "lib/loop.lua", "return require 'loop'");
	rig_add(&r, "lib/bad.lua", "error 'broken'");
	rig_add(&r, "lib/empty.lua", "");
	rig_add(&r, "lib/calls.lua", "read 'x'");
	rig_start(&r);
	assert_true(r.ended);
	assert_string_equal(r.result,
		"[true,7,\"require \\\"no\\\": there is no lib/no.lua, neither of the mode nor shared\","
		"\"lib/loop.lua:1: require \\\"loop\\\": the library requires itself\",\"lib/bad.lua:1: "
		"broken\",\"lib/bad.lua:1: broken\",true,"
		"\"lib/calls.lua:1: read: host calls do not work in callbacks of sort, gsub and other library "
		"functions, in a "
		"library while it loads, or in coroutines that the flow makes itself\"]");
	rig_release(&r);
}

static void test_metatables(void **state)
{
	(void)state;
	rig_error("return function() setmetatable({}, {__gc = function() end}) end", "__gc is not available");
	rig_error("return function() setmetatable({}, {__mode = 'k'}) end", "__mode is not available");
	rig_error("return function() setmetatable({}, setmetatable({}, {__index = {}}), 1); "
		  "setmetatable(setmetatable({}, {__metatable = 1}), {}) end",
		"protected metatable");
	rig_error("return function() setmetatable(1, {}) end", "table expected");
	rig_error("return function() setmetatable({}, 1) end", "nil or table expected");
	rig_result("return function() local t = setmetatable({}, {__index = {a = 1}}) local n = t.a setmetatable(t, "
		   "nil) return {n, t.a == nil} end",
		"[1,true]");
}

/* Arrays share a metatable with the host: a flow that reaches it could give it __gc, which runs without a watchdog. */
static void test_array_mark(void **state)
{
	struct rig r;

	(void)state;
	rig_result("return function() return {getmetatable(json.array()) == nil, getmetatable(parallel {}) == nil, "
		   "getmetatable(json.decode '[]') == nil} end",
		"[true,true,true]");
	rig_result("return function() local m = {__index = {a = 1}} local t = setmetatable(json.array {2}, m) "
		   "return {getmetatable(t) == m, t.a, getmetatable({}) == nil, getmetatable(setmetatable({}, "
		   "{__metatable = 'own'})), getmetatable('').__index == string, getmetatable(5) == nil} end",
		"[true,1,true,\"own\",true,true]");
	rig_error("return function() getmetatable() end", "bad argument #1 to 'getmetatable' (value expected)");
	rig_init(&r, "return function() return getmetatable(read 'x') == nil end");
	rig_start(&r);
	rig_deliver(&r, "0.1", "[1]");
	assert_string_equal(r.result, "true");
	rig_release(&r);
}

/* What pairs returns may be called with anything. */
static void test_iterators(void **state)
{
	static const char *const keys[] = {"{a = 1}", "{1, 2}", "{[1.5] = true, x = 2}"};
	static const char *const wrong[] = {"", "nil", "42", "'text'", "null", "coroutine.create(error)"};

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
			cleanup_free char *flow =
				mem_printf("return function() local step = pairs(%s) step(%s) end", keys[i], wrong[k]);
			rig_error(flow, "table expected");
		}
	rig_result("return function() local step = pairs {a = 1} return {step({a = 2})} end", "[\"a\",2]");
	rig_result("return function() local step = pairs {1, 2} local t = {1, 2}\n"
		   "return {step(t, 1), step(t, math.mininteger), step(t, math.maxinteger)} end",
		"[2,1]");
}

/* ---- limits ---- */

static void endless(const char *body)
{
	cleanup_free char *flow = mem_printf("return function()\n%s\nend", body);
	struct rig r;

	rig_init(&r, flow);
	r.limits.slice_ms = 60;
	rig_limit(&r, "ran longer than the allowed 60 ms");
}

static void test_endless(void **state)
{
	(void)state;
	endless("while true do end");
	endless("repeat until false");
	endless("for i = 1, math.huge do end");
	endless("goto a ::a:: do local x = 1 end ::b:: goto b");
	endless("local function f() return f() end f()");
	endless("while true do pcall(error) end");
	endless("pcall(function() while true do end end) return 1");
	endless("while true do pcall(function() while true do end end) end");
	endless("xpcall(function() while true do end end, function() return 1 end)");
	endless("xpcall(error, function() while true do end end)");
	endless("coroutine.wrap(function() while true do end end)()");
	endless("pcall(coroutine.wrap(function() while true do end end))");
	endless("coroutine.resume(coroutine.create(function() while true do end end))");
	endless("while true do coroutine.resume(coroutine.create(function() while true do end end)) end");
	endless("local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end");
	endless("table.sort({3, 2, 1}, function() while true do end end)");
	endless("pcall(table.sort, {3, 2, 1}, function() while true do end end)");
	endless("string.gsub('aaa', 'a', function() while true do end end)");
	endless("re.gsub('aaa', 'a', function() while true do end end)");
	endless("local t = setmetatable({}, {__index = function() while true do end end}) return t.x");
	endless("local t = setmetatable({}, {__close = function() while true do end end}) do local x <close> = t end");
	endless("local t = setmetatable({}, {__close = function() while true do end end}) pcall(function() local x "
		"<close> = t error('x') end)");
	endless("local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() while "
		"true do end end}) coroutine.yield() end) coroutine.resume(co) coroutine.close(co)");
	endless("tostring(setmetatable({}, {__tostring = function() while true do end end}))");
	endless("log(setmetatable({}, {__tostring = function() while true do end end}))");
	endless("for k in pairs(setmetatable({}, {__pairs = function() while true do end end})) do end");
	/* many calls into C, each within its own bound */
	endless("while true do pcall(string.find, string.rep('a', 60000), '(.-)(.-)b') end");
	endless("while true do pcall(re.find, string.rep('a', 3000) .. 'b', '(a+)+$') end");
	/* one table without keys that once had many, in many places */
#define HOLLOW                                                                                                         \
	"local b = {} for i = 1, 30000 do b[i .. ''] = 1 end for i = 1, 30000 do b[i .. ''] = nil end local t = {} "   \
	"for i = 1, 100000 do t[i] = b end "
	endless(HOLLOW "json.encode(t)");
	endless(HOLLOW "pcall(json.encode, t) return 1");
	endless(HOLLOW "plan(t)");
	endless(HOLLOW "return t");
	/* loops in C over lengths that a metamethod invents */
	endless("return table.concat(setmetatable({}, {__index = table.concat}), '', 1, 1 << 23)");
	endless("return table.concat(setmetatable({}, {__index = function() return '' end, __len = function() return 1 "
		"<< 24 end}))");
	endless("table.move(setmetatable({}, {__index = table.concat}), 1, 1 << 23, 1, setmetatable({}, {__newindex = "
		"rawequal}))");
	endless("table.insert(setmetatable({}, {__len = function() return 1 << 23 end, __newindex = rawequal}), 1, 1)");
	endless("table.remove(setmetatable({}, {__len = function() return 1 << 23 end, __newindex = rawequal}), 1)");
}

/* A text of which the compiler makes one long chain of jumps, and walks over all of it for each link: more than a
 * minute of processor time when nothing stops it. */
static void test_compiler(void **state)
{
	struct buf text = BUF_INIT(MIB);
	struct err e = ERR_INIT;
	clock_t begun = clock();

	(void)state;
	endless("return load('return ' .. string.rep('a or ', 200000) .. '1')");
	endless("pcall(load, 'return ' .. string.rep('a or ', 200000) .. '1') return 1");
	buf_adds(&text, "return ");
	for (int i = 0; i < 200000; i++)
		buf_adds(&text, "a or ");
	assert_int_equal(flow_check("a.lua", span_n(text.data, text.len), &e), -1);
	assert_int_equal(e.code, ERR_FLOW_LIMIT);
	assert_true((clock() - begun) / CLOCKS_PER_SEC < 40);
	buf_release(&text);
}

/* A search of which every start stays just below the limit of work, from many starts: 35 ms for each when nothing stops
 * it. */
static void test_searches(void **state)
{
	clock_t begun = clock();

	(void)state;
	endless("return re.find(string.rep('a', 2000), '(?:a|a){0,18}[bc]')");
	endless("pcall(re.gsub, string.rep('a', 2000), '(?:a|a){0,18}[bc]', '') return 1");
	assert_true((clock() - begun) / CLOCKS_PER_SEC < 40);
}

/* A slice ends at each host call: many short ones are fine. */
static void test_slices_are_apart(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "return function() local n = 0 for i = 1, 30 do for k = 1, 300000 do n = n + 1 end log(i) end "
		     "return n end");
	r.limits.slice_ms = 200;
	r.instant = " log ";
	rig_start(&r);
	assert_string_equal(r.result, "9000000");
	rig_release(&r);
}

static void too_much(const char *body)
{
	static char large[600000];
	cleanup_free char *flow = mem_printf("return function()\n%s\nend", body);
	struct rig r;

	for (size_t i = 0; !large[sizeof large - 2]; i++)
		large[i] = i < 8 ? "return {"[i] : "{},"[(i - 8) % 3];
	rig_init(&r, flow);
	rig_add(&r, "lib/large.lua", large);
	r.limits.memory = 2 * MIB;
	r.limits.steps = 1 << 30;
	rig_limit(&r, "needs more than the allowed 2048 KiB");
}

static void test_memory(void **state)
{
	(void)state;
	too_much("local t = {} while true do t[#t + 1] = {} end");
	too_much("local s = 'x' while true do s = s .. s end");
	too_much("pcall(function() local s = 'x' while true do s = s .. s end end) return 1");
	too_much("local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end");
	too_much("xpcall(string.rep, function() return 1 end, 'x', 1 << 23) return 1");
	too_much("return string.rep('x', 1 << 23)");
	too_much("coroutine.resume(coroutine.create(function() return string.rep('x', 1 << 23) end)) return 1");
	too_much("return pcall(coroutine.wrap(function() return string.rep('x', 1 << 23) end))");
	too_much("local t = {} for i = 1, 1 << 22 do t[i] = coroutine.create(error) end");
	too_much("local t = {} for i = 1, 1 << 22 do background(function() read('x') end) end");
	too_much("local f f = function(n) return 1 + f(n + 1) end pcall(f, 1) return 1");
	too_much("return table.concat({string.rep('x', 1 << 19), string.rep('y', 1 << 19), string.rep('z', 1 << 19), "
		 "string.rep('a', 1 << 20)})");
	too_much("return string.format('%s%s%s', string.rep('x', 1 << 20), string.rep('y', 1 << 20), 1)");
	too_much("return string.gsub(string.rep('x', 1 << 19), 'x', '%0%0%0%0%0%0%0%0')");
	too_much("return load('return {' .. string.rep('{},', 150000) .. '}') == nil");
	too_much("return pcall(require, 'large')");
	too_much("return json.decode('[' .. string.rep('[],', 60000) .. '1]')");
}

/* Plain stack overflow is an ordinary error, as in Lua. */
static void test_recursion(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "return function() local f f = function(n) return 1 + f(n + 1) end local ok, m = pcall(f, 1) "
		     "return m end");
	r.limits.memory = 256 * MIB;
	rig_start(&r);
	assert_non_null(strstr(r.result, "stack overflow"));
	rig_release(&r);
	rig_result("return function() local t = {} t = setmetatable(t, {__index = function(_, k) return t[k] end}) "
		   "local ok, m = pcall(function() return t.x end) return ok end",
		"false");
	rig_result("return function() local s = string.rep('(', 300) .. '1' .. string.rep(')', 300) return "
		   "load('return ' .. s) == nil end",
		"true");
}

static void test_steps(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "return function() while true do log('x') end end");
	r.instant = " log ";
	rig_limit(&r, "more than the allowed 1000 host calls; begin a new segment with continue_as");
	rig_init(&r, "return function() while true do pcall(log, 'x') end end");
	r.instant = " log ";
	rig_limit(&r, "more than the allowed 1000 host calls");
	rig_init(&r, "return function() while true do parallel {} end end");
	rig_limit(&r, "more than the allowed 1000 host calls");
	rig_init(&r, "return function() while true do parallel {function() end} end end");
	rig_limit(&r, "more than the allowed 1000 host calls");
	/* exactly as many are fine */
	rig_init(&r, "return function() for i = 1, 1000 do log('x') end return 'fine' end");
	r.instant = " log ";
	rig_start(&r);
	assert_string_equal(r.result, "\"fine\"");
	rig_release(&r);
}

static void test_parallel_width(void **state)
{
	(void)state;
	rig_error("return function() local t = {} for i = 1, 1025 do t[i] = i end parallel(t, function() end) end",
		"1025 branches, more than the allowed 1024");
	rig_result("return function() local t = {} for i = 1, 1024 do t[i] = i end return #parallel(t, function(i) "
		   "return i end) end",
		"1024");
	rig_error("local function deep(n) return parallel({1}, function() return deep(n + 1) end) end return "
		  "function() return deep(1) end",
		"nested too deeply");
}

static void test_where_calls_work(void **state)
{
	static const char *const where[] = {"table.sort({1, 2}, function() read('x') end)",
		"string.gsub('a', 'a', function() read('x') end)", "re.gsub('a', 'a', function() read('x') end)",
		"coroutine.wrap(function() read('x') end)()",
		"assert(coroutine.resume(coroutine.create(function() read('x') end)))",
		"tostring(setmetatable({}, {__tostring = function() read('x') end}))",
		"table.concat(setmetatable({}, {__len = function() return 1 end, __index = function() read('x') end}))",
		"json.encode(1) string.gsub('a', '.', function() parallel {function() end} end)",
		"coroutine.wrap(function() background(function() end) end)()"};

	(void)state;
	for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
		cleanup_free char *flow = mem_printf("return function() %s end", where[i]);
		rig_error(flow, "host calls do not work in");
	}
	/* where plain Lua code runs they do: metamethods, iterators, pcall, closing variables */
	rig_result(
		"return function() local t = setmetatable({}, {__index = function(_, k) return now() == nil and k end, "
		"__add = function(a, b) return now() == nil and b end, __call = function() return now() == nil end})\n"
		"local seen = {} for v in function(_, v) now() return (v or 0) < 3 and (v or 0) + 1 or nil end do "
		"seen[#seen + 1] = v end\n"
		"local ok, v = pcall(function() now() return 'p' end) local ok2, v2 = xpcall(function() now() "
		"error('e', 0) end, function(m) return m .. '!' end)\n"
		"local closed do local c <close> = setmetatable({}, {__close = function() now() closed = true end}) "
		"end\n"
		"return {t.key, t + 5, t(), seen, v, v2, closed} end",
		"[\"key\",5,true,[1,2,3],\"p\",\"e!\",true]");
	rig_error("return function() coroutine.yield() end", "attempt to yield from outside a coroutine");
	rig_error("local main return function() main = coroutine.running() parallel {function() coroutine.resume(main) "
		  "end} end",
		"branches and handlers of the flow cannot be resumed");
	rig_error("local main return function() main = coroutine.running() parallel {function() coroutine.close(main) "
		  "end} end",
		"branches and handlers of the flow cannot be resumed");
}

/* Every allocation fails once, or all from one on: the flow ends with "out of memory" or is not disturbed; no leak. */
static int exercise(struct err *e)
{
	struct rig r;
	int rc;

	rig_init(&r, "local lib = require 'lib' return function(run) vars.x = {1} local s = template('t.txt', {a = "
		     "run.inputs.task, b = {1, 2}}) local r = agent {role = 'a', task = {s, null}, on = {f = "
		     "function(a) return {a.x, re.gsub('a b', '\\\\w', 'x')} end}}\n"
		     "local p = parallel({3, 1, 2}, function(i) local ok, m = pcall(read, 'f' .. i) if i == 1 then "
		     "error('one') end return {i, m, string.rep('y', 5000)} end)\n"
		     "return p end");
	rig_add(&r, "lib/lib.lua", "return {}");
	rig_add(&r, "templates/t.txt", "{a} and {b} {{x}}");
	r.quiet = true;
	cleanup_json json_t *run = json_parse(span_of("{\"inputs\":{\"task\":\"t\"}}"), "run", e);
	struct flow_source source = {rig_file, &r};
	struct flow_host host = {rig_call, rig_handled, rig_background_failed, rig_ended, &r};
	char key[256];
	rc = run && (r.f = flow_new(&source, &host, &r.limits, run, 1, e)) ? 0 : -1;
	if (rc == 0) {
		flow_start(r.f);
		rc = flow_rest(r.f, e);
	}
	if (rc == 0)
		rc = flow_enter(r.f, "0.1", "f", run, run, key, e) || flow_rest(r.f, e) ||
		     flow_set_var(r.f, "y", run, e) || flow_deliver(r.f, "0.1", true, run, NULL, e) ||
		     flow_rest(r.f, e);
	for (int i = 1; rc == 0 && i <= 3; i++) {
		struct err failed = {.code = ERR_NOT_FOUND, .text = "no file"};
		snprintf(key, sizeof key, "0.2.b%d.1", i);
		rc = flow_deliver(r.f, key, i != 2, i == 3 ? run : NULL, &failed, e) || flow_rest(r.f, e);
	}
	if (rc == 0 && !strstr(r.result, "flow.lua:2: one"))
		fail_msg("%s", r.result);
	rig_release(&r);
	return rc ? -1 : 0;
}

static void test_torture(void **state)
{
	struct err e = ERR_INIT;
	int failed = 0;

	(void)state;
	must(exercise(&e), &e);
	for (int for_good = 0; for_good < 2; for_good++)
		for (uint64_t n = 1;; n += n < 400 ? 1 : 7) {
			size_t before = mem_in_use();
			err_clear(&e);
			fault_arm(FAULT_ALLOC, n, for_good);
			int rc = exercise(&e);
			bool through = fault_seen() < n;
			fault_disarm();
			assert_int_equal(mem_in_use(), before);
			if (rc && e.code != ERR_NOMEM)
				fail_msg("allocation %d: %s: %s", (int)n, err_name(e.code), e.text);
			failed += rc != 0;
			if (for_good && !rc && !through)
				fail_msg("allocation %d and all after it failed unnoticed", (int)n);
			if (through)
				break;
		}
	assert_true(failed > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_source_only),
		cmocka_unit_test(test_loading),
		cmocka_unit_test(test_require),
		cmocka_unit_test(test_metatables),
		cmocka_unit_test(test_array_mark),
		cmocka_unit_test(test_iterators),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_compiler),
		cmocka_unit_test(test_searches),
		cmocka_unit_test(test_slices_are_apart),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_recursion),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_parallel_width),
		cmocka_unit_test(test_where_calls_work),
		cmocka_unit_test(test_torture),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
