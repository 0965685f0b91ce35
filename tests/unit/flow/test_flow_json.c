/* Values of a flow as JSON and back, at their edges. */
#include "flow_rig.h"

/* What a flow returns for an expression, as JSON text. */
static void is(const char *expression, const char *json)
{
	cleanup_free char *flow = mem_printf("return function() return %s end", expression);

	rig_result(flow, json);
}

static void refused(const char *expression, const char *part)
{
	cleanup_free char *flow = mem_printf("return function() return %s end", expression);

	rig_error(flow, part);
}

/* JSON given to a flow and returned as it is. */
static void round_trip(const char *json, const char *back)
{
	struct rig r;

	rig_init(&r, "return function() return (read 'x') end");
	rig_start(&r);
	rig_deliver(&r, "0.1", json);
	if (!r.ended || !r.ok)
		fail_msg("%s: %s", json, r.ended ? r.result : "waits");
	assert_string_equal(r.result, back);
	rig_release(&r);
}

static void test_scalars(void **state)
{
	(void)state;
	is("nil", "null");
	is("null", "null");
	is("true", "true");
	is("{false}", "[false]");
	is("0", "0");
	is("-0.0", "-0.0");
	is("math.maxinteger", "9223372036854775807");
	is("math.mininteger", "-9223372036854775808");
	is("2^53", "9007199254740992.0");
	is("0.1", "0.1");
	is("1e300", "1e+300");
	is("10 // 3", "3");
	is("'é\\u{1F600}\\n\\\"'", "\"é\xF0\x9F\x98\x80\\n\\\"\"");
	is("''", "\"\"");
	refused("0/0", "the number is infinite or not a number");
	refused("-math.huge", "the number is infinite or not a number");
	refused("'a\\0b'", "the text holds a NUL byte");
	refused("'\\xff'", "the text is not valid UTF-8");
	refused("'\\xed\\xa0\\x80'", "not valid UTF-8"); /* half a surrogate pair */
	refused("read", "a function cannot");
	refused("coroutine.create(read)", "a coroutine cannot");
	refused("(select(2, pcall(read))) == nil or getmetatable", "a function cannot");
}

static void test_tables(void **state)
{
	(void)state;
	is("{}", "{}");
	is("json.array {}", "[]");
	is("json.array()", "[]");
	is("{json.array {}, {}}", "[[],{}]");
	is("{1, 2, 3}", "[1,2,3]");
	is("{1, null, 3}", "[1,null,3]");
	is("{null}", "[null]");
	is("{a = null}", "{\"a\":null}");
	is("{b = 1, a = {c = {}}}", "{\"a\":{\"c\":{}},\"b\":1}");
	is("{[''] = 1, ['a b'] = 2, ['é'] = 3}", "{\"\":1,\"a b\":2,\"é\":3}");
	is("{[1.0] = 'a', [2] = 'b'}", "[\"a\",\"b\"]");
	is("json.array {1, 2}", "[1,2]");
	is("(function() local t = {} local u = {t, t, {t}} return u end)()", "[{},{},[{}]]"); /* shared, not a cycle */
	is("setmetatable({a = 1}, {__index = {b = 2}})", "{\"a\":1}");
	refused("{1, nil, 3}", "the list has holes");
	refused("{[2] = 1}", "the list has holes");
	refused("{1, a = 2}", "both names and other keys");
	refused("{[0] = 1}", "neither names nor 1, 2, 3");
	refused("{[1.5] = 1}", "neither names nor");
	refused("{[true] = 1}", "neither names nor");
	refused("{[-1] = 1, a = 1}", "both names and other keys");
	refused("{['\\xff'] = 1}", "the name holds a NUL byte or is not valid UTF-8");
	refused("{['a\\0'] = 1}", "the name holds a NUL byte");
	refused("json.array {a = 1}", "marked as an array but has names");
	refused("json.array {1, [3] = 1}", "the list has holes");
	refused("json.array(5)", "table expected");
	refused("json.array(setmetatable({}, {__metatable = 1}))", "protected metatable");
	/* the path, and of several faults the first in order */
	refused("{plan = {{title = 'x'}, {title = read}}}", "the flow's result.plan[2].title: a function cannot");
	refused("{z = read, b = {read}, m = read}", "the flow's result.b[1]: a function");
	refused("(function() local t = {} t.a = {t} return t end)()", "the flow's result.a[1]: the table holds itself");
	refused("(function() local t = {} for i = 1, 70 do t = {t} end return t end)()",
		"tables are nested too deeply");
	is("(function() local t = 'x' for i = 1, 64 do t = {t} end return #json.encode(t) end)()", "131");
	/* a small table that is a large tree */
	{
		struct rig r;
		rig_init(&r, "return function() local t = {1} for i = 1, 40 do t = {t, t} end return t end");
		rig_start(&r);
		assert_non_null(strstr(r.result, "too many values"));
		rig_release(&r);
	}
	/* texts and names that stand in many places, and a text of many values: little for the flow, much for the host
	 */
	rig_error("return function() local s, t = string.rep('x', 1 << 20), {} for i = 1, 65 do t[i] = s end "
		  "json.encode(t) end",
		"json.encode[65]: too much text");
	rig_error("return function() local s, t = {[string.rep('x', 1 << 20)] = 1}, {} for i = 1, 65 do t[i] = s end "
		  "return t end",
		"too much text");
	rig_error("return function() json.decode('[' .. string.rep('{},', 1 << 20) .. '1]') end",
		"json.decode: more than 1048576 values");
	rig_result("return function() return #json.decode([[\"\\\\\\\"]] .. string.rep(',', 1100000) .. '\"') end",
		"1100002"); /* commas in a text are no values */
}

static void test_from_json(void **state)
{
	(void)state;
	round_trip("[]", "[]");
	round_trip("{}", "{}");
	round_trip("[[],{},[{}]]", "[[],{},[{}]]");
	round_trip("9223372036854775807", "9223372036854775807");
	round_trip("-9223372036854775808", "-9223372036854775808");
	round_trip("5.0", "5.0");
	round_trip("[null,1,null]", "[null,1,null]");
	round_trip("{\"a\":null,\"b\":1}", "{\"b\":1}"); /* a null member is no member */
	round_trip("null", "null");
	round_trip("\"\\u00e9\"", "\"é\"");
	round_trip("{\"1\":2}", "{\"1\":2}");
	/* arrays stay arrays when they are changed, also when they become empty */
	{
		struct rig r;
		rig_init(&r, "return function() local v = read 'x' v.list[1] = nil v.more[3] = 'c' v.null = v.nulls[1] "
			     "== null v.x = v.missing return v end");
		rig_start(&r);
		rig_deliver(&r, "0.1", "{\"list\":[1],\"more\":[\"a\",\"b\"],\"nulls\":[null],\"missing\":null}");
		assert_string_equal(
			r.result, "{\"list\":[],\"more\":[\"a\",\"b\",\"c\"],\"null\":true,\"nulls\":[null]}");
		rig_release(&r);
	}
}

static void test_library(void **state)
{
	(void)state;
	is("json.encode {b = {1, 2.5, 'x'}, a = null}", "\"{\\\"a\\\":null,\\\"b\\\":[1,2.5,\\\"x\\\"]}\"");
	is("json.decode '{\"a\":[1,null,{}]}'", "{\"a\":[1,null,{}]}");
	is("json.decode 'null' == nil", "true");
	is("{pcall(json.decode, '1 2')}",
		"[false,\"json.decode: not valid JSON: line 1, column 3: end of file expected near '2'\"]");
	refused("json.decode '{\"a\":1,\"a\":2}'", "duplicate object key");
	refused("json.decode ''", "not valid JSON");
	refused("json.decode '\\xff'", "not valid JSON");
	refused("json.decode(string.rep('[', 200))", "nested deeper");
	refused("json.encode()", "value expected");
	refused("json.encode(read)", "json.encode: a function cannot");
	is("tostring(null) .. (null == json.decode('[null]')[1] and '!' or '')", "\"null!\"");
	is("null and 'a value, not false'", "\"a value, not false\"");
}

/* Objects reach the host with their members in order of the names, whatever way they were made. */
static void test_order_of_members(void **state)
{
	struct err e = ERR_INIT;
	const char *last = "";
	struct rig r;
	int count = 0;

	(void)state;
	rig_init(&r, "for i = 40, 1, -1 do vars['k' .. i] = i end return function() end");
	rig_start(&r);
	cleanup_json json_t *v = flow_vars(r.f, &e);
	for (void *it = json_object_iter(v); it; it = json_object_iter_next(v, it), count++) {
		assert_true(strcmp(json_object_iter_key(it), last) > 0);
		last = json_object_iter_key(it);
	}
	assert_int_equal(count, 40);
	rig_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_from_json),
		cmocka_unit_test(test_library),
		cmocka_unit_test(test_order_of_members),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
