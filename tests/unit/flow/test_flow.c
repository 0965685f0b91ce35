/* flow: keys, order, branches, handlers, errors, cancelling: the contract of flow.h. */
#include "flow_rig.h"

#include <pthread.h>
#include <stdio.h>

/* ---- calls and their keys ---- */

static void test_calls(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "return function(run)\n"
		     "phase 'one' phase { name = 'two' }\n"
		     "local a = agent { role = 'coder', task = { run.inputs.task, 2 } }\n"
		     "write('f', a.text) return a\nend");
	r.instant = " phase write ";
	rig_start(&r);
	rig_expect(&r, "0.1 phase {\"name\":\"one\"}\n0.2 phase {\"name\":\"two\"}\n0.3 agent "
		       "{\"role\":\"coder\",\"task\":[\"t\",2]}\n");
	assert_false(r.ended);
	rig_deliver(&r, "0.3", "{\"text\":\"done\",\"n\":5,\"x\":null,\"list\":[1,null]}");
	rig_expect(&r, "0.4 write {\"path\":\"f\",\"text\":\"done\"}\n");
	assert_true(r.ended && r.ok);
	assert_string_equal(r.result, "{\"list\":[1,null],\"n\":5,\"text\":\"done\"}");
	rig_release(&r);
}

static void test_errors_of_the_host(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "return function() local ok, e = pcall(read, 'x')\n"
		     "local ok2, e2 = pcall(function() e.message = 'changed' e = nil read 'y' end)\n"
		     "return {ok, tostring(e2), e2.code, 'got ' .. e2, (e2 .. {}) .. (5 .. e2), type(e2), "
		     "getmetatable(e2)} end");
	rig_start(&r);
	rig_fail(&r, "0.1", ERR_NOT_FOUND, "no file x");
	rig_fail(&r, "0.2", ERR_DENIED, "not you");
	assert_string_equal(
		r.result, "[false,\"not you\",\"denied\",\"got not you\",\"not youtable5not you\",\"table\",false]");
	rig_release(&r);

	/* raised again, and not caught at all: its code stays */
	rig_init(&r, "return function() local ok, e = pcall(read, 'x') error(e) end");
	rig_start(&r);
	rig_fail(&r, "0.1", ERR_BUDGET, "no money");
	assert_true(r.ended && !r.ok);
	assert_int_equal(r.code, ERR_BUDGET);
	assert_non_null(strstr(r.result, "no money\n  flow.lua:1"));
	rig_release(&r);
}

static void test_where_errors_are(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "local lib = require 'lib'\nlocal function step(x)\n  lib.go(x)\n  return 1\nend\nreturn "
		     "function()\n  local n = step(nil)\n  return n\nend");
	rig_add(&r, "lib/lib.lua", "local lib = {}\nfunction lib.go(x)\n  return x.y + 1\nend\nreturn lib");
	rig_start(&r);
	assert_int_equal(r.code, ERR_FLOW);
	assert_string_equal(r.result, "lib/lib.lua:3: attempt to index a nil value (local 'x')\n  lib/lib.lua:3 in "
				      "go\n  flow.lua:3 in step\n  flow.lua:7");
	rig_release(&r);
	rig_error("return function() return read end", "the flow's result: a function cannot be given to the host");
}

/* ---- order ---- */

/* What the host delivers while it is told of calls is resumed in the order of delivery, after what was ready before. */
static void test_order(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "return function() return parallel({1, 2, 3}, function(i) log(i) log(i * 10) read(tostring(i)) "
		     "return i end) end");
	r.instant = " log ";
	rig_start(&r);
	rig_expect(&r,
		"0.1.b1.1 log {\"text\":\"1\"}\n0.1.b2.1 log {\"text\":\"2\"}\n0.1.b3.1 log {\"text\":\"3\"}\n"
		"0.1.b1.2 log {\"text\":\"10\"}\n0.1.b2.2 log {\"text\":\"20\"}\n0.1.b3.2 log {\"text\":\"30\"}\n"
		"0.1.b1.3 read {\"path\":\"1\"}\n0.1.b2.3 read {\"path\":\"2\"}\n0.1.b3.3 read {\"path\":\"3\"}\n");
	struct err e = ERR_INIT;
	must(flow_deliver(r.f, "0.1.b3.3", true, NULL, NULL, &e), &e);
	must(flow_deliver(r.f, "0.1.b1.3", true, NULL, NULL, &e), &e);
	must(flow_rest(r.f, &e), &e);
	assert_false(r.ended);
	rig_deliver(&r, "0.1.b2.3", "");
	assert_string_equal(r.result, "[1,2,3]");
	rig_release(&r);
}

static void test_parallel(void **state)
{
	struct rig r;

	(void)state;
	/* results in order of the list, whatever the order of the ends; nil results; nested; in a list of functions */
	rig_init(&r, "return function() local a = parallel({'x', 'y'}, function(item, i) return read(item) .. i end)\n"
		     "local b = parallel {function() return read 'z' end, function() end}\n"
		     "local c = parallel({1}, function() return parallel({5, 6}, function(v) return v end) end)\n"
		     "return {a, b, c, parallel({}, read)} end");
	rig_start(&r);
	rig_deliver(&r, "0.1.b2.1", "\"Y\"");
	rig_deliver(&r, "0.1.b1.1", "\"X\"");
	rig_deliver(&r, "0.2.b1.1", "\"Z\"");
	assert_string_equal(r.result, "[[\"X1\",\"Y2\"],[\"Z\"],[[5,6]],[]]");
	rig_expect(
		&r, "0.1.b1.1 read {\"path\":\"x\"}\n0.1.b2.1 read {\"path\":\"y\"}\n0.2.b1.1 read {\"path\":\"z\"}\n");
	rig_release(&r);

	/* the lowest branch's error, after all have ended */
	rig_init(&r, "return function() local ok, e = pcall(parallel, {1, 2, 3}, function(i) read(tostring(i)) if i > "
		     "1 then error('branch ' .. i, 0) end end) return {ok, e} end");
	rig_start(&r);
	rig_deliver(&r, "0.1.b3.1", "");
	rig_deliver(&r, "0.1.b2.1", "");
	assert_false(r.ended);
	rig_deliver(&r, "0.1.b1.1", "");
	assert_string_equal(r.result, "[false,\"branch 2\"]");
	rig_release(&r);
	rig_error("return function() parallel({1}, function() local x = nil; return x.y end) end",
		"flow.lua:1: attempt to index a nil value");
}

static void test_background(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "return function() background(function() read 'a' log 'after' end) background(function() error "
		     "'lost' end) log 'main' return 1 end");
	r.instant = " log ";
	rig_start(&r);
	assert_true(r.ended && r.ok);
	rig_expect(&r, "0.3 log {\"text\":\"main\"}\n0.1.b1.1 read {\"path\":\"a\"}\n0.2.b1 failed flow.lua:1: lost\n  "
		       "flow.lua:1\n");
	rig_deliver(&r, "0.1.b1.1", "");
	rig_expect(&r, "0.1.b1.2 log {\"text\":\"after\"}\n");
	rig_release(&r);
}

/* ---- handlers ---- */

static int enter(struct rig *r, const char *call, const char *name, const char *args, char key[256])
{
	struct err e = ERR_INIT;
	cleanup_json json_t *a = json_parse(span_of(args), "args", &e);
	cleanup_json json_t *info = json_parse(span_of("{\"agent\":\"0\",\"turn\":3}"), "info", &e);
	int rc = flow_enter(r->f, call, name, a, info, key, &e);

	if (rc == 0)
		must(flow_rest(r->f, &e), &e);
	else
		snprintf(key, 256, "%s: %.200s", err_name(e.code), e.text);
	return rc;
}

static void test_handlers(void **state)
{
	struct rig r;
	char key[256];

	(void)state;
	rig_init(&r, "return function() return agent { role = 'a', on = {\n"
		     "  sum = {summary = 'Add', schema = {type = 'object'}, run = function(args, info) return args.a + "
		     "args.b + info.turn end},\n"
		     "  look = function(args) return {text = read(args.path)} end, none = function() end, bad = "
		     "function() local x = nil return x.y end,\n"
		     "  deny = function() error('not now', 0) end, odd = function() return read end } } end");
	rig_start(&r);
	rig_expect(&r, "0.1 agent "
		       "{\"on\":{\"bad\":true,\"deny\":true,\"look\":true,\"none\":true,\"odd\":true,\"sum\":{"
		       "\"schema\":{\"type\":\"object\"},\"summary\":\"Add\"}},\"role\":\"a\"} "
		       "[\"bad\",\"deny\",\"look\",\"none\",\"odd\",\"sum\"]\n");
	assert_int_equal(enter(&r, "0.1", "sum", "{\"a\":1,\"b\":2}", key), 0);
	assert_string_equal(key, "0.1.h1");
	rig_expect(&r, "0.1.h1 handled 6\n");
	enter(&r, "0.1", "look", "{\"path\":\"p\"}", key);
	rig_expect(&r, "0.1.h2.1 read {\"path\":\"p\"}\n");
	enter(&r, "0.1", "none", "{}", key);
	enter(&r, "0.1", "bad", "{}", key);
	enter(&r, "0.1", "deny", "{}", key);
	enter(&r, "0.1", "odd", "{}", key);
	rig_expect(&r, "0.1.h3 handled null\n0.1.h4 raised flow.lua:3: attempt to index a nil value (local "
		       "'x')\n0.1.h5 raised not now\n"
		       "0.1.h6 raised the handler's result: a function cannot be given to the host\n");
	assert_int_equal(enter(&r, "0.1", "nothing", "{}", key), -1);
	assert_string_equal(key, "not_found: the flow's call 0.1 has no handler \"nothing\"");
	assert_int_equal(enter(&r, "0.2", "sum", "{}", key), -1);
	assert_string_equal(key, "flow_diverged: the flow has no agent under the call 0.2 to handle \"sum\"");
	/* the agent ends while a handler is at work */
	rig_deliver(&r, "0.1", "{\"status\":\"done\"}");
	assert_string_equal(r.result, "{\"status\":\"done\"}");
	assert_int_equal(enter(&r, "0.1", "sum", "{}", key), -1);
	rig_deliver(&r, "0.1.h2.1", "\"content\"");
	rig_expect(&r, "0.1.h2 handled {\"text\":\"content\"}\n");
	rig_release(&r);
}

/* Agents within handlers, as the hierarchy has them. */
static void test_nested_handlers(void **state)
{
	struct rig r;
	char key[256];

	(void)state;
	rig_init(&r, "local function work(depth) return agent { role = 'r' .. depth, on = { delegate = function() "
		     "return work(depth + 1).n end } } end return function() return work(0) end");
	rig_start(&r);
	enter(&r, "0.1", "delegate", "{}", key);
	enter(&r, "0.1.h1.1", "delegate", "{}", key);
	assert_string_equal(key, "0.1.h1.1.h1");
	enter(&r, "0.1", "delegate", "{}", key);
	assert_string_equal(key, "0.1.h2");
	buf_clear(&r.log);
	rig_deliver(&r, "0.1.h1.1.h1.1", "{\"n\":2}");
	rig_deliver(&r, "0.1.h1.1", "{\"n\":1}");
	rig_expect(&r, "0.1.h1.1.h1 handled 2\n0.1.h1 handled 1\n");
	for (int i = 0; i < 200 && !strstr(r.log.data, "nested too deeply"); i++) {
		char call[300];
		memcpy(call, r.last, sizeof call);
		if (enter(&r, call, "delegate", "{}", key))
			fail_msg("%s", key);
	}
	assert_non_null(strstr(r.log.data, "raised flow.lua:1: branches and handlers are nested too deeply"));
	rig_release(&r);
}

static void test_start_and_forget(void **state)
{
	struct rig r;
	char key[256];

	(void)state;
	rig_init(&r, "return function() local a = start { role = 'a', on = { ping = function(args) return args.n end } "
		     "} return await(a) end");
	rig_start(&r);
	rig_deliver(&r, "0.1", "\"0.5\"");
	rig_expect(&r, "0.1 start {\"on\":{\"ping\":true},\"role\":\"a\"} [\"ping\"]\n0.2 await {\"agent\":\"0.5\"}\n");
	assert_int_equal(enter(&r, "0.1", "ping", "{\"n\":7}", key), 0);
	rig_expect(&r, "0.1.h1 handled 7\n");
	rig_deliver(&r, "0.2", "{}");
	assert_true(r.ended);
	assert_int_equal(enter(&r, "0.1", "ping", "{\"n\":8}", key), 0); /* after the flow's end, too */
	rig_expect(&r, "0.1.h2 handled 8\n");
	flow_forget(r.f, "0.1");
	flow_forget(r.f, "0.1");
	flow_forget(r.f, "nothing");
	assert_int_equal(enter(&r, "0.1", "ping", "{}", key), -1);
	rig_release(&r);
	/* a start that failed keeps nothing */
	rig_init(&r, "return function() pcall(start, { role = 'a', on = { ping = function() end } }) read 'x' end");
	rig_start(&r);
	rig_fail(&r, "0.1", ERR_INVALID, "no");
	assert_int_equal(enter(&r, "0.1", "ping", "{}", key), -1);
	rig_release(&r);
}

/* ---- cancelling ---- */

static bool clean_up(const char *name)
{
	return strcmp(name, "log") == 0 || strcmp(name, "write") == 0;
}

static void test_cancel(void **state)
{
	struct rig r;
	struct err e = ERR_INIT;
	char key[256];

	(void)state;
	rig_init(&r, "local function closing(name) return setmetatable({}, {__close = function(_, e) log(name .. ' ' "
		     ".. tostring(e.code)) write(name, 'x') end}) end\n"
		     "return function()\n"
		     "  local a <close> = closing 'main'\n"
		     "  background(function() local b <close> = closing 'background' read 'b' end)\n"
		     "  parallel({1, 2}, function(i)\n"
		     "    local c <close> = closing('branch' .. i)\n"
		     "    if i == 1 then agent { role = 'a', on = { f = function() local d <close> = closing 'handler' "
		     "read 'deep' end } } end\n"
		     "    local ok, e = pcall(read, 'x')\n"
		     "    local ok2, e2 = pcall(read, 'refused')\n"
		     "    error(e2)\n"
		     "  end)\nend");
	r.instant = " log ";
	rig_start(&r);
	enter(&r, "0.2.b1.1", "f", "{}", key);
	cleanup_json json_t *pending = flow_pending(r.f);
	cleanup_free char *text = json_text(pending);
	assert_string_equal(text,
		"[{\"key\":\"0.1.b1.1\",\"name\":\"read\"},{\"key\":\"0.2.b1.1\",\"name\":\"agent\"},"
		"{\"key\":\"0.2.b1.1.h1.1\",\"name\":\"read\"},{\"key\":\"0.2.b2.1\",\"name\":\"read\"}]");
	buf_clear(&r.log);
	flow_cancel(r.f, clean_up, 100);
	must(flow_rest(r.f, &e), &e);
	/* the handler first, then the branches in order; what they clean up waits like any call */
	rig_expect(&r, "0.2.b1.1.h1.2 log {\"text\":\"handler cancelled\"}\n"
		       "0.1.b1.2 log {\"text\":\"background cancelled\"}\n"
		       "0.2.b1.2 log {\"text\":\"branch1 cancelled\"}\n"
		       "0.2.b2.2 log {\"text\":\"branch2 cancelled\"}\n"
		       "0.2.b1.1.h1.3 write {\"path\":\"handler\",\"text\":\"x\"}\n"
		       "0.1.b1.3 write {\"path\":\"background\",\"text\":\"x\"}\n"
		       "0.2.b1.3 write {\"path\":\"branch1\",\"text\":\"x\"}\n"
		       "0.2.b2.3 write {\"path\":\"branch2\",\"text\":\"x\"}\n");
	assert_false(r.ended);
	rig_deliver(&r, "0.2.b2.3", "");
	rig_deliver(&r, "0.2.b1.3", "");
	rig_deliver(&r, "0.1.b1.3", "");
	rig_expect(&r, "0.3 log {\"text\":\"main cancelled\"}\n0.4 write {\"path\":\"main\",\"text\":\"x\"}\n"
		       "0.1.b1 failed read: the run was cancelled\n  flow.lua:4\n");
	rig_deliver(&r, "0.2.b1.1.h1.3", "");
	rig_expect(&r, "0.2.b1.1.h1 raised read: the run was cancelled\n");
	rig_deliver(&r, "0.4", "");
	assert_true(r.ended && !r.ok);
	assert_int_equal(r.code, ERR_CANCELLED);
	rig_release(&r);
}

static void test_cancel_is_bounded(void **state)
{
	struct err e = ERR_INIT;
	struct rig r;

	(void)state;
	/* at most so many clean-up calls */
	rig_init(&r, "return function() pcall(read, 'x') for i = 1, 10 do log(i) end end");
	r.instant = " log ";
	rig_start(&r);
	buf_clear(&r.log);
	flow_cancel(r.f, clean_up, 3);
	must(flow_rest(r.f, &e), &e);
	assert_true(r.ended && r.code == ERR_CANCELLED);
	rig_expect(&r, "0.2 log {\"text\":\"1\"}\n0.3 log {\"text\":\"2\"}\n0.4 log {\"text\":\"3\"}\n");
	rig_release(&r);
	/* a flow that does not want to end is ended by its steps */
	rig_init(&r, "return function() while true do pcall(read, 'x') end end");
	rig_start(&r);
	flow_cancel(r.f, clean_up, 3);
	assert_int_equal(flow_rest(r.f, &e), -1);
	assert_int_equal(e.code, ERR_FLOW_LIMIT);
	rig_release(&r);
	/* cancelled before it began, and twice */
	rig_init(&r, "return function() read 'x' end");
	must(rig_open(&r, "{}", 1, &e), &e);
	flow_start(r.f);
	flow_cancel(r.f, clean_up, 3);
	must(flow_rest(r.f, &e), &e);
	flow_cancel(r.f, clean_up, 3);
	must(flow_rest(r.f, &e), &e);
	assert_true(r.ended && r.code == ERR_CANCELLED);
	rig_release(&r);
	/* parallel and background are calls like any other */
	rig_init(&r, "return function() pcall(read, 'x') local ok, a = pcall(parallel, {1}, print) local ok2, b = "
		     "pcall(background, log) return {a.code, b.code} end");
	rig_start(&r);
	flow_cancel(r.f, clean_up, 3);
	must(flow_rest(r.f, &e), &e);
	assert_string_equal(r.result, "[\"cancelled\",\"cancelled\"]");
	rig_release(&r);
}

/* ---- the rest of the contract ---- */

static void test_unknown_deliveries(void **state)
{
	struct err e = ERR_INIT;
	struct rig r;

	(void)state;
	rig_init(&r, "return function() read 'x' read 'y' end");
	rig_start(&r);
	assert_int_equal(flow_deliver(r.f, "0.2", true, NULL, NULL, &e), -1);
	assert_int_equal(e.code, ERR_FLOW_DIVERGED);
	must(flow_deliver(r.f, "0.1", true, NULL, NULL, &e), &e);
	assert_int_equal(flow_deliver(r.f, "0.1", true, NULL, NULL, &e), -1);
	assert_int_equal(e.code, ERR_FLOW_DIVERGED);
	must(flow_rest(r.f, &e), &e);
	assert_string_equal(r.last, "0.2");
	rig_release(&r);
}

static void test_continue_as(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r,
		"return function() background(function() log 'other' end) pcall(continue_as, {n = 1}) log 'never' end");
	rig_start(&r);
	rig_expect(&r, "0.2 continue_as {\"state\":{\"n\":1}}\n"); /* and nothing after it, of no branch */
	assert_false(r.ended);
	rig_release(&r);
}

static void test_vars(void **state)
{
	struct err e = ERR_INIT;
	struct rig r;

	(void)state;
	rig_init(&r, "vars.limit = 3 return function() local first = vars.limit read 'x' local second = vars.limit "
		     "vars.mine = {1, 2} read 'y' return {first, second, vars.gone == nil} end");
	must(rig_open(&r, "{}", 1, &e), &e);
	cleanup_json json_t *five = json_integer(5), *null = json_null();
	must(flow_set_var(r.f, "gone", five, &e), &e);
	flow_start(r.f);
	must(flow_rest(r.f, &e), &e);
	must(flow_set_var(r.f, "limit", five, &e), &e);
	must(flow_set_var(r.f, "gone", null, &e), &e);
	rig_deliver(&r, "0.1", "");
	cleanup_json json_t *vars = flow_vars(r.f, &e);
	cleanup_free char *text = json_text(vars);
	assert_string_equal(text, "{\"limit\":5,\"mine\":[1,2]}");
	rig_deliver(&r, "0.2", "");
	assert_string_equal(r.result, "[3,5,true]");
	rig_release(&r);
	rig_init(&r, "vars.f = read return function() end");
	rig_start(&r);
	assert_null(flow_vars(r.f, &e));
	assert_string_equal(e.text, "vars.f: a function cannot be given to the host");
	rig_release(&r);
}

static void test_template(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "return function() local ok, why = pcall(template, 'r.md', {name = 'N'}) return {template('r.md', "
		     "{name = 'N', n = 5, list = {1, {a = 'b'}}}), why, template('plain')} end");
	rig_add(&r, "templates/r.md", "# {name} {n}\n{list} {{kept}}");
	rig_add(&r, "templates/plain", "just text");
	rig_start(&r);
	assert_string_equal(r.result, "[\"# N 5\\n[1,{\\\"a\\\":\\\"b\\\"}] {kept}\",\"templates/r.md has the slot "
				      "{n}, for which no value is given (vars = {n = …})\",\"just text\"]");
	rig_release(&r);
}

static void test_run_argument(void **state)
{
	rig_result("return function(run, ...) return {run.inputs.task, next == nil, select('#', ...)} end",
		"[\"t\",true,0]");
	(void)state;
}

/* Flows of one process know nothing of each other. */
static void test_apart(void **state)
{
	struct rig a, b;

	(void)state;
	rig_init(&a, "x = 1 string.x = 1 return function() read 'a' return {x, string.x} end");
	rig_init(&b, "return function() read 'b' x = 2 return {x, string.x == nil} end");
	rig_start(&a);
	rig_start(&b);
	rig_deliver(&b, "0.1", "");
	rig_deliver(&a, "0.1", "");
	assert_string_equal(a.result, "[1,1]");
	assert_string_equal(b.result, "[2,true]");
	rig_release(&a);
	rig_release(&b);
}

/* A flow may be made and rested on different threads, one after the other; each thread's slices are watched. */
static void *rest_elsewhere(void *arg)
{
	struct rig *r = arg;
	static struct err e;

	return flow_rest(r->f, &e) ? &e : NULL;
}

static void test_threads(void **state)
{
	struct err e = ERR_INIT, *elsewhere;
	pthread_t thread;
	struct rig r;

	(void)state;
	rig_init(&r, "return function() log 'here' read 'x' while true do end end");
	r.instant = " log ";
	r.limits.slice_ms = 60;
	must(rig_open(&r, "{}", 1, &e), &e);
	flow_start(r.f);
	assert_int_equal(pthread_create(&thread, NULL, rest_elsewhere, &r), 0);
	assert_int_equal(pthread_join(thread, (void **)&elsewhere), 0);
	assert_null(elsewhere);
	must(flow_deliver(r.f, "0.2", true, NULL, NULL, &e), &e);
	assert_int_equal(pthread_create(&thread, NULL, rest_elsewhere, &r), 0);
	assert_int_equal(pthread_join(thread, (void **)&elsewhere), 0);
	assert_non_null(elsewhere);
	assert_int_equal(elsewhere->code, ERR_FLOW_LIMIT);
	assert_int_equal(flow_rest(r.f, &e), -1);
	rig_release(&r);
	for (int i = 0; i < 200; i++) { /* threads that end give their places back */
		rig_init(&r, "return function() end");
		must(rig_open(&r, "{}", 1, &e), &e);
		flow_start(r.f);
		assert_int_equal(pthread_create(&thread, NULL, rest_elsewhere, &r), 0);
		assert_int_equal(pthread_join(thread, (void **)&elsewhere), 0);
		assert_null(elsewhere);
		assert_true(r.ended);
		rig_release(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_errors_of_the_host),
		cmocka_unit_test(test_where_errors_are),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_parallel),
		cmocka_unit_test(test_background),
		cmocka_unit_test(test_handlers),
		cmocka_unit_test(test_nested_handlers),
		cmocka_unit_test(test_start_and_forget),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_is_bounded),
		cmocka_unit_test(test_unknown_deliveries),
		cmocka_unit_test(test_continue_as),
		cmocka_unit_test(test_vars),
		cmocka_unit_test(test_template),
		cmocka_unit_test(test_run_argument),
		cmocka_unit_test(test_apart),
		cmocka_unit_test(test_threads),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
