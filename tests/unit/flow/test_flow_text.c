/* The flow's string, table and re functions: patterns against Lua's own library, order, bounds, texts without
 * addresses. */
#include "flow_rig.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "base/id.h"

/* Expressions whose values (or errors) must be those of an unchanged Lua 5.4. */
static const char *const same[] = {
	/* plain and anchored */
	"string.find('hello world', 'wor')",
	"string.find('hello', 'l', 1, true)",
	"string.find('a.b', '.', 2, true)",
	"string.find('hello', 'l', -2)",
	"string.find('hello', '', 6)",
	"string.find('hello', '', 7)",
	"string.find('hello', 'h', -100)",
	"string.find('', '')",
	"string.find('a\\0b', '\\0')",
	"string.find('a\\0b', '%z')",
	"string.match('hello', '^h(.)')",
	"string.match('hello', '^e')",
	"string.match('hello', 'o$')",
	"string.match('he$lo', '$l')",
	"string.match('a^b', 'a^')",
	/* classes */
	"string.match('  x1_Y é', '%w+')",
	"string.match('\\t\\n x', '%s+')",
	"string.match('abc123', '%d+')",
	"string.match('abc123', '%D+')",
	"string.match('AbC', '%u')",
	"string.match('AbC', '%l')",
	"string.match('a,b', '%p')",
	"string.match('\\1a', '%c')",
	"string.match('dead beef', '%x+')",
	"string.match(' a', '%g')",
	"string.match('xyz', '%a-z')",
	"string.match('a%b', '%%')",
	"string.match('a]b', '%]')",
	/* sets */
	"string.match('abc', '[a-b]+')",
	"string.match('a]b', '[]]')",
	"string.match('a-b', '[a-]+')",
	"string.match('a-b', '[-a]+')",
	"string.match('abc', '[^a]+')",
	"string.match('a^', '[a^]+')",
	"string.match('x%', '[%%x]+')",
	"string.match('07z', '[%d%l]+')",
	"string.match(']', '[^]]')",
	"string.match('a%', '[%a-z%%]+')",
	"string.match('\\200', '[\\128-\\255]')",
	/* repetitions */
	"string.match('aaa', 'a*')",
	"string.match('aaa', 'a-')",
	"string.match('aaab', 'a-b')",
	"string.match('b', 'a?b')",
	"string.match('aab', 'a?b')",
	"string.match('', 'a+')",
	"string.match('aaa', 'a+a')",
	"string.match('<a><b>', '<(.-)>')",
	"string.match('<a><b>', '<(.*)>')",
	"string.match('a*', 'a%*')",
	"string.match('ab', '*b')",
	"string.match('ab', 'a**')",
	/* captures */
	"string.match('key = value', '(%w+)%s*=%s*(%w+)')",
	"string.match('abc', '()b()')",
	"string.match('abc', '((a)(b))')",
	"string.match('aa', '(a)%1')",
	"string.match('ab', '(a)%1')",
	"string.match('x', '()')",
	"string.match('abab', '(ab)%1')",
	"string.find('abc', '(b)(c)')",
	"string.match('abc', '(a*(.)%w(%s*))')",
	/* balance and frontier */
	"string.match('f(a(b)c)d', '%b()')",
	"string.match('((', '%b()')",
	"string.match('THE (quick) fox', '%f[%a]%a+')",
	"string.find('THE (quick) fox', '%f[%a]%a+%f[%A]', 2)",
	"string.match('aXb', '%f[%u]')",
	"string.match('end', 'd%f[%z]')",
	"string.match('abc', '%f[^a]')",
	"string.match('xx', '%bxx')",
	/* gsub */
	"string.gsub('hello', 'l', 'L')",
	"string.gsub('hello', 'l', 'L', 1)",
	"string.gsub('hello', 'l', 'L', 0)",
	"string.gsub('hello', '', '-')",
	"string.gsub('hello', 'x*', '-')",
	"string.gsub('abc', '%w', '%0%0')",
	"string.gsub('abc', '(%w)(%w)', '%2%1')",
	"string.gsub('abc', '%w', '%1')",
	"string.gsub('abc', '()', '%1')",
	"string.gsub('$name is $x', '%$(%w+)', {name = 'N', x = 5})",
	"string.gsub('abc', 'b', false)",
	"string.gsub('abc', '%w', function(c) if c == 'b' then return 1 end end)",
	"string.gsub('abc', '^a', 'x')",
	"string.gsub('aaa', '^a', 'x')",
	"string.gsub('abc', 'b', '%%')",
	"string.gsub('abc', 'b', '%2')",
	"string.gsub('abc', 'b', '%x')",
	"string.gsub('abc', '(', 'x')",
	"string.gsub('abc', 'b', function() return {} end)",
	"string.gsub('abc def', '%f[%w]%w+', string.upper)",
	"string.gsub('abc', 'b', 5)",
	"string.gsub('', '', 'x')",
	"string.gsub('a b', '%s*$', '')",
	"string.gsub('x', '.', {x = true})",
	/* wrong patterns */
	"string.find('a', '[a')",
	"string.find('a', '[')",
	"string.find('a', '[]')",
	"string.find('a', '[^]')",
	"string.find('a', '%')",
	"string.find('a', '(a')",
	"string.find('a', 'a)')",
	"string.find('a', '%1')",
	"string.find('a', '(a%1)')",
	"string.find('a', '%b')",
	"string.find('a', '%bx')",
	"string.find('a', '%f')",
	"string.find('a', '[a%')",
	"string.find('a', '[a-')",
	"string.find('a', '[%')",
	"string.match('a', '%f[a')",
	"string.find(nil, 'a')",
	"string.find('a', string.rep('(a)', 33))",
	"string.find(string.rep('a', 300), string.rep('a?', 300))",
	/* gmatch */
	"(function() local t = {} for k, v in string.gmatch('a=1, b=2', '(%w+)=(%w+)') do t[#t + 1] = k .. v end "
	"return table.concat(t, ' ') end)()",
	"(function() local t = {} for w in string.gmatch('ab', '') do t[#t + 1] = '[' .. w .. ']' end return "
	"table.concat(t) end)()",
	"(function() local t = {} for w in string.gmatch('a b', '%a*') do t[#t + 1] = '[' .. w .. ']' end return "
	"table.concat(t) end)()",
	"(function() local t = {} for p in string.gmatch('abc', '()', 2) do t[#t + 1] = p end return table.concat(t, "
	"',') end)()",
	"(function() local t = {} for w in string.gmatch('^a^a', '^a') do t[#t + 1] = w end return #t end)()",
	/* format, rep and tostring where there are no addresses */
	"string.format('%5.2f|%d|%s|%q|%x|%c|%%|%i|%g|%-5s|%5s', 1.5, 3, 'x', 'a\\n\"', 255, 65, 7, 0.1, 'ab', 'cd')",
	"string.format('%s %s %s', nil, true, 1.0)",
	"string.format('%d', 1.5)",
	"string.format('%d')",
	"string.format('%y', 1)",
	"string.format('%s', setmetatable({}, {__tostring = function() return 'T' end}))",
	"string.format('%10.3s|', 'abcdef')",
	"string.rep('ab', 3, ',')",
	"string.rep('', 100000)",
	"string.rep('x', 0)",
	"string.rep('x', -1)",
	"('x'):rep(2)",
	"tostring(1e15)",
	"tostring(2^53)",
	"tostring(-0.0)",
	"tostring(10 // 3)",
	"tostring(setmetatable({}, {__name = 'N', __tostring = function() return 5 end}))",
	/* table */
	"(function() local t = {1, 2, 3} table.insert(t, 4) table.insert(t, 1, 0) return table.concat(t, ',') end)()",
	"(function() local t = {1, 2, 3} local a, b = table.remove(t), table.remove(t, 1) return a, b, table.concat(t, "
	"',') end)()",
	"table.remove({})",
	"table.remove({1}, 2)",

	"table.remove({}, 0)",
	"table.insert({}, 5, 1)",
	"table.insert({})",
	"table.concat({1, 2, 'x'}, '-')",
	"table.concat({1, {}, 3})",
	"table.concat({1, 2, 3}, ', ', 2, 3)",
	"table.concat({}, 'x')",
	"table.concat({1}, 'x', 2)",
	"table.concat(table.move({1, 2, 3}, 1, 3, 2), ',')",
	"table.concat(table.move({1, 2, 3}, 2, 3, 1), ',')",
	"table.concat(table.move({1, 2}, 1, 2, 3, {9, 9}), ',')",
	"table.unpack({1, 2, 3}, 2)",
	"table.pack(1, nil, 3).n",
	"select('#', table.unpack({}, 1, 3))",
	"(function() local t = {3, 1, 2} table.sort(t) return table.concat(t, ',') end)()",
	"(function() local t = {'b', 'a', 'C'} table.sort(t, function(x, y) return x > y end) return table.concat(t, "
	"',') end)()",
	"pcall(table.sort, {1, 'x'})",
	"pcall(error, {1})",
	"pcall(error)",
	"select(2, pcall(error, 'x', 0))",

	"xpcall(function() error('a', 0) end, function(m) return m .. 'b' end)",
	"xpcall(function(...) return select('#', ...), ... end, tostring, 1, nil, 3)",
	"pcall(function(...) return ... end, 1, nil)",
	/* coroutines of one's own */
	"(function() local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return "
	"co(1), co(5) end)()",
	"(function() local co = coroutine.create(function() error('x', 0) end) local ok, m = coroutine.resume(co) "
	"return ok, m, coroutine.status(co), coroutine.resume(co) end)()",
	"(function() local co = coroutine.create(function() coroutine.yield() end) coroutine.resume(co) return "
	"coroutine.close(co), coroutine.status(co) end)()",
	"(function() local log = {} local co = coroutine.create(function() local x <close> = setmetatable({}, {__close "
	"= function() log[1] = 'closed' end}) coroutine.yield() end) coroutine.resume(co) coroutine.close(co) return "
	"log[1] end)()",
	"pcall(coroutine.wrap(function() error('x', 0) end))",
	"coroutine.resume(coroutine.create(function(...) return select('#', ...) end), 1, nil, nil)",
	"coroutine.isyieldable()",
	"(function() local w = coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function(_, e) "
	"error(e .. '!', 0) end}) error('x', 0) end) return pcall(w) end)()",
	"coroutine.resume(1)",
	"select(2, load('return 1 +'))",
	"load('return ...')(7)",
	"load('x = 1; return x', 'n', 't', {})()",
	"load('return a', '=e', 't', {a = 3})()",
	"pcall(load('error(\"m\")', '@f.lua'))",
	"tonumber('0x10')",
	"math.tointeger(3.0)",
	"utf8.len('héé')",
	"#'x'",
	"rawequal({}, {})",
	"rawlen({1, 2})",
};

static const char show[] =
	"local function plain(s) local out = {} for i = 1, #s do local b = s:byte(i) "
	"out[i] = b >= 32 and b < 127 and s:sub(i, i) or '<' .. b .. '>' end return table.concat(out) end "
	"local function show(...) local out = {} for i = 1, select('#', ...) do local v = select(i, ...) "
	"out[i] = math.type(v) == 'float' and string.format('%.14g', v) .. 'f' or type(v) == 'table' and 'table' or "
	"type(v) .. ':' .. plain(tostring(v)) end "
	"return table.concat(out, ' | ') end ";

/* What unchanged Lua says; mem_free. */
static char *stock(const char *expression)
{
	lua_State *L = luaL_newstate();
	char *text = mem_printf("%s return (function(ok, ...) return (ok and '' or 'error ') .. show(...) "
				"end)(pcall(function() return %s end))",
		     show, expression),
	     *out;

	luaL_openlibs(L);
	if (luaL_loadbuffer(L, text, strlen(text), "=x") != LUA_OK || lua_pcall(L, 0, 1, 0) != LUA_OK)
		fail_msg("%s: %s", expression, lua_tostring(L, -1));
	out = mem_strdup(lua_tostring(L, -1));
	lua_close(L);
	mem_free(text);
	return out;
}

static void test_same_as_lua(void **state)
{
	size_t n = sizeof same / sizeof *same;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		char *wanted = stock(same[i]), *flow;
		struct err e = ERR_INIT;
		struct rig r;
		flow = mem_printf("local pcall = pcall %s local s = (function(ok, ...) return (ok and '' or 'error ') "
				  ".. show(...) end)"
				  "(pcall(function() return %s end)) return function() return s end",
			show, same[i]);
		/* the same chunk name and no yielding: run while flow.lua loads */
		rig_init(&r, flow);
		must(rig_open(&r, "{}", 1, &e), &e);
		flow_start(r.f);
		must(flow_rest(r.f, &e), &e);
		cleanup_json json_t *got = json_parse(span_of(r.result), "result", &e);
		char *a = mem_strdup(json_string_value(got)), *b = wanted;
		for (char *p; (p = strstr(a, "flow.lua:1:"));)
			memmove(p, p + 11, strlen(p + 11) + 1);
		for (char *p; (p = strstr(b, "x:1:"));)
			memmove(p, p + 4, strlen(p + 4) + 1);
		if (strcmp(a, b) != 0)
			fail_msg("%s\nLua:  %s\nflow: %s", same[i], b, a);
		mem_free(a);
		mem_free(wanted);
		mem_free(flow);
		rig_release(&r);
	}
}

/* Random small patterns over random small texts. */
static void test_random_patterns(void **state)
{
	static const char *const parts[] = {"a", "b", ".", "%a", "%d", "[ab]", "[^a]", "[a-c]", "(", ")", "()", "*",
		"+", "-", "?", "%1", "$", "^", "%b()", "%f[%w]", "%"};
	struct rng rng = {.state = 5};
	struct buf text = BUF_INIT(4 * MIB);
	lua_State *L = luaL_newstate();
	struct rig r;
	const char *wanted;

	(void)state;
	luaL_openlibs(L);
	buf_adds(&text, "local out = {} local function try(f, ...) local t = table.pack(pcall(f, ...)) for i = 1, t.n "
			"do t[i] = tostring(t[i]) end out[#out + 1] = table.concat(t, ' ') end ");
	for (int i = 0; i < 1500; i++) {
		cleanup_buf struct buf pattern = BUF_INIT(200), subject = BUF_INIT(200);
		for (uint64_t k = rng_below(&rng, 6) + 1; k > 0; k--)
			buf_adds(&pattern, parts[rng_below(&rng, sizeof parts / sizeof *parts)]);
		for (uint64_t k = rng_below(&rng, 9); k > 0; k--)
			buf_addc(&subject, "aabbc1 ()"[rng_below(&rng, 9)]);
		buf_addc(&subject, ' ');
		buf_addf(&text, "out[#out + 1] = [==[%s on '%s']==] ", pattern.data, subject.data);
		buf_addf(&text, "try(string.%s, '%s', '%s'%s) ", i % 3 ? (i % 3 == 1 ? "find" : "match") : "gsub",
			subject.data, pattern.data, i % 3 ? "" : ", '<%0>'");
		if (i % 50 == 49)
			buf_adds(&text, "\n");
	}
	buf_adds(&text, "local all = table.concat(out, '\\n') return function() return all end");
	assert_int_equal(text.failed, BUF_FINE);
	if (luaL_dostring(L, text.data) != LUA_OK)
		fail_msg("%s", lua_tostring(L, -1));
	lua_call(L, 0, 1);
	wanted = lua_tostring(L, -1);
	rig_init(&r, text.data);
	rig_start(&r);
	struct err e = ERR_INIT;
	cleanup_json json_t *got = json_parse(span_of(r.result), "result", &e);
	struct span a = span_of(json_string_value(got)), b = span_of(wanted), x, y, before = SPAN_NONE;
	for (; span_line(&a, &x) && span_line(&b, &y); before = x)
		if (!span_eq(x, y))
			fail_msg("%.*s\nLua:  %.*s\nflow: %.*s", (int)before.n, before.p, (int)y.n, y.p, (int)x.n, x.p);
	assert_true(a.n == 0 && b.n == 0);
	lua_close(L);
	buf_release(&text);
	rig_release(&r);
}

static void test_pattern_work(void **state)
{
	(void)state;
	rig_error("return function() return string.find(string.rep('a', 200), string.rep('a?', 60) .. string.rep('a', "
		  "61) .. 'b') end",
		"needs too much work");
	rig_error("return function() return string.match(string.rep('a', 60000), '(.-)(.-)(.-)b') end",
		"needs too much work");
	rig_error(
		"return function() return string.gsub(string.rep('(', 60000), '%b()', '') end", "needs too much work");
	{ /* a look at a long set is more than one */
		struct rig r;
		rig_init(&r, "return function() return string.find(string.rep('b', 2000), '[' .. string.rep('a', 1 << "
			     "20) .. ']') end");
		r.limits.slice_ms = 100000;
		rig_start(&r);
		assert_non_null(strstr(r.result, "needs too much work"));
		rig_release(&r);
	}
	/* long texts with honest patterns are fine */
	rig_result("return function() local s = string.rep('word ', 100000) local _, n = s:gsub('%a+', string.upper) "
		   "return {n, #s:match('^%s*(.-)%s*$')} end",
		"[100000,499999]");
}

static void test_re(void **state)
{
	(void)state;
	rig_result("return function() return {re.match('key = value', '(\\\\w+)\\\\s*=\\\\s*(\\\\w+)')} end",
		"[\"key\",\"value\"]");
	rig_result("return function() return {re.match('héllo', 'h.l')} end", "[\"hél\"]");
	rig_result("return function() return {re.find('xaab', 'a+')} end", "[2,3]");
	rig_result("return function() return {re.find('xaab', '(a)(z)?')} end", "[2,2,\"a\",false]");
	rig_result("return function() return {re.match('a', '(x)|(a)')} end", "[false,\"a\"]");
	rig_result("return function() return {re.find('aXb', '(?i)x', 1)} end", "[2,2]");
	rig_result("return function() return {re.find('abab', 'ab', 2)} end", "[3,4]");
	rig_result("return function() return {re.find('abab', 'ab', -2)} end", "[3,4]");
	rig_result(
		"return function() return re.match('abc', 'x') == nil and re.match('abc', 'a', 9) == nil end", "true");
	rig_result("return function() return {re.gsub('abc', '', '-')} end", "[\"-a-b-c-\",4]");
	rig_result(
		"return function() return {re.gsub('hello world', '(\\\\w+)', '<%1>')} end", "[\"<hello> <world>\",2]");
	rig_result("return function() return {re.gsub('hello', 'l', 'L', 1)} end", "[\"heLlo\",1]");
	rig_result("return function() return {re.gsub('a b', '\\\\w', function(c) return c == 'a' and re.gsub('xx', "
		   "'x', 'y') or false end)} end",
		"[\"yy b\",2]");
	rig_result("return function() return {re.gsub('$a $b', '\\\\$(\\\\w)', {a = 1})} end", "[\"1 $b\",2]");
	rig_result("return function() local t = {} for a, b in re.gmatch('a=1,b=2', '(\\\\w)=(\\\\w)') do t[#t + 1] = "
		   "a .. b end return t end",
		"[\"a1\",\"b2\"]");
	rig_result("return function() local t = {} for a in re.gmatch('ab', 'x*') do t[#t + 1] = a end return t end",
		"[\"\",\"\",\"\"]");
	rig_result("return function() for i = 1, 200 do assert(re.match('a' .. i .. 'b', 'a' .. i .. 'b')) end return "
		   "true end",
		"true");
	rig_error("return function() return re.match('a', '(') end", "wrong at byte 2");
	rig_error("return function() return re.gsub('a', 'a', '%2') end", "no group %2");
	rig_error("return function() return re.gsub('xab', '(?<=(?1)b)|(a\\\\K)(?!)', '') end", "K in a lookaround");
	/* the work for each match does not grow with the text */
	rig_result("return function() local s, n = string.rep('é', 100000), 0 for c in re.gmatch(s, '.') do n = n + #c "
		   "end "
		   "return {n, (select(2, re.gsub(s, 'é', 'y')))} end",
		"[200000,100000]");
	rig_error("return function() return re.gsub('a', 'a', '%x') end", "invalid use of '%'");
	rig_error("return function() return re.match(string.rep('a', 40) .. 'b', '(a+)+$') end", "needs too much work");
	rig_error("return function() return re.match('a', string.rep('a', 9000)) end", "more than 8192 bytes");
	rig_result("return function() return {pcall(re.match, '\\xff\\xfe a', 'a')} end", "[true,\"a\"]");
}

static void test_pairs(void **state)
{
	(void)state;
	rig_result("return function() local t = {} for k, v in pairs({b = 1, a = 2, [true] = 3, [false] = 4, [3] = 5, "
		   "[-1] = 6, [1.5] = 7, [1] = 8, [math.huge] = 9, aa = 10, [2^60] = 11}) do t[#t + 1] = tostring(k) "
		   ".. '=' .. v end return table.concat(t, ' ') end",
		"\"-1=6 1=8 1.5=7 3=5 1152921504606846976=11 inf=9 a=2 aa=10 b=1 false=4 true=3\"");
	/* a snapshot of the keys, values as they are */
	rig_result("return function() local t, seen = {a = 1, b = 2, c = 3}, {} for k, v in pairs(t) do seen[#seen + "
		   "1] = k .. v t.b = nil t.c = 9 t.d = 4 end return seen end",
		"[\"a1\",\"c9\"]");
	rig_result("return function() local t, seen = {1, 2, 3}, {} for i, v in pairs(t) do seen[#seen + 1] = v t[2] = "
		   "nil end return seen end",
		"[1,3]");
	rig_result("return function() local n = 0 for _ in pairs({}) do n = n + 1 end for _ in pairs({n = nil}) do n = "
		   "n + 1 end return n end",
		"0");
	rig_result("return function() local t = {} for k in pairs(setmetatable({}, {__pairs = function() return "
		   "ipairs({5, 6}) end})) do t[#t + 1] = k end return t end",
		"[1,2]");
	rig_error("return function() for k in pairs({[{}] = 1}) do end end",
		"a key is a table; only numbers, texts and booleans");
	rig_error("return function() for k in pairs({[print or tostring] = 1}) do end end", "a key is a function");
	rig_error("return function() for k in pairs(nil) do end end", "table expected, got nil");
	rig_error("return function() for k in pairs(5) do end end", "table expected");
	/* many keys, large and small, over the array that is on the C stack */
	rig_result("return function() local t, last = {}, '' for i = 1, 1000 do t['k' .. (i * 7919) % 1009] = i end "
		   "local n = 0 for k in pairs(t) do assert(k > last) last = k n = n + 1 end return n end",
		"1000");
}

static void test_sort(void **state)
{
	(void)state;
	/* stable, whatever the comparator says */
	rig_result("return function() local t = {} for i = 1, 500 do t[i] = {i % 7, i} end table.sort(t, function(a, "
		   "b) return a[1] < b[1] end) for i = 2, 500 do assert(t[i - 1][1] < t[i][1] or t[i - 1][1] == "
		   "t[i][1] and t[i - 1][2] < t[i][2]) end return true end",
		"true");
	rig_result("return function() local t = {} for i = 1, 300 do t[i] = i end table.sort(t, function() return true "
		   "end) table.sort(t, function() return false end) local s = 0 for _, v in ipairs(t) do s = s + v end "
		   "return s end",
		"45150");
	rig_error("return function() table.sort({3, 'x', 1}) end", "attempt to compare");
	rig_error("return function() table.sort({3, 2, 1}, function() error('mine') end) end", "mine");
	rig_error("return function() table.sort({1, 2}, 5) end", "function expected");
	rig_error("return function() table.sort(setmetatable({}, {__len = function() return 1 << 40 end})) end",
		"more than 16777216 items");
}

static void test_no_addresses(void **state)
{
	(void)state;
	rig_result("return function() return {tostring({}), tostring(tostring), tostring(coroutine.create(tostring)), "
		   "tostring(null), tostring(json.array {}), tostring(setmetatable({}, {__name = 'Thing'}))} end",
		"[\"table\",\"function\",\"thread\",\"null\",\"array\",\"Thing\"]");
	rig_result("return function() return string.format('%s %s', {}, tostring) end", "\"table function\"");
	rig_error("return function() return string.format('%p', {}) end", "%p is not available");
	rig_error("return function() return string.format('%10p', {}) end", "%p is not available");
	rig_error("return function() return ('%s'):format() end", "bad argument");
	rig_result("return function() local _, m = pcall(error, setmetatable({}, {__tostring = function() return 'E' "
		   "end})) return tostring(m) end",
		"\"E\"");
	rig_error("return function() error({}) end", "a table without a message");
	rig_error("return function() error(error) end", "raised a function instead of a message");
	rig_error("return function() error() end", "raised a nil instead");
	rig_error("return function() error(5) end", "5");
	rig_result("return function() return select(2, pcall(function() return {} .. 'x' end)) end",
		"\"flow.lua:1: attempt to concatenate a table value\"");
}

static void test_bounds(void **state)
{
	(void)state;
	rig_error("return function() return string.rep('x', 1 << 40) end", "more than 16777216 bytes");
	rig_error("return function() return string.rep('ab', 1 << 62, 'cd') end", "more than 16777216 bytes");
	rig_error("return function() return table.concat({}, '', 1, 1 << 62) end", "more than 16777216 items");
	rig_error("return function() return table.concat({}, '', -(1 << 62), 1 << 62) end", "more than 16777216 items");
	rig_error("return function() return table.move({}, 1, 1 << 62, 2) end", "more than 16777216 items");
	rig_error("return function() return table.insert(setmetatable({}, {__len = function() return 1 << 62 end}), 1, "
		  "1) end",
		"more than 16777216 items");
	rig_error("return function() return table.unpack({}, 1, 1 << 30) end", "too many results");
	rig_result("return function() return table.concat({'a'}, '', math.maxinteger, math.mininteger) end", "\"\"");
}

static void test_random(void **state)
{
	static const char flow[] = "return function() local t = {} for i = 1, 20 do t[i] = math.random(1000) end t[21] "
				   "= math.random() t[22] = math.random(0) t[23] = math.random(-5, 5) return t end";
	char *first = NULL;

	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct err e = ERR_INIT;
		struct rig r;
		rig_init(&r, flow);
		must(rig_open(&r, "{}", seed == 3 ? 1 : seed, &e), &e);
		flow_start(r.f);
		must(flow_rest(r.f, &e), &e);
		if (seed == 1)
			first = mem_strdup(r.result);
		else if (seed == 2)
			assert_string_not_equal(r.result, first);
		else
			assert_string_equal(r.result, first);
		rig_release(&r);
	}
	mem_free(first);
	rig_error("return function() return math.random(0, -1) end", "interval is empty");
	rig_result("return function() for i = 1, 1000 do local x = math.random(3) assert(x >= 1 and x <= 3) local y = "
		   "math.random() assert(y >= 0 and y < 1) end assert(math.random(math.mininteger, math.maxinteger)) "
		   "return true end",
		"true");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_lua),
		cmocka_unit_test(test_random_patterns),
		cmocka_unit_test(test_pattern_work),
		cmocka_unit_test(test_re),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_no_addresses),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_random),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
