/* Addresses, ranges, and what proxies and browsers write of them. */
#include "unit.h"

#include <string.h>

#include "http/forwarded.h"

static const char *read_as(const char *text, bool (*parse)(struct span, struct address *))
{
	static char out[ADDRESS_TEXT];
	struct address a;
	if (!parse(span_of(text), &a))
		return "no";
	address_text(&a, out);
	return out;
}

static void test_addresses(void **state)
{
	(void)state;
	static const char *const cases[][3] = {/* text, as an address, as a node */
		{"10.0.0.1", "10.0.0.1", "10.0.0.1"}, {"::1", "::1", "::1"},
		{"2001:DB8::1", "2001:db8::1", "2001:db8::1"}, {"::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1"},
		{"10.0.0.1:80", "no", "10.0.0.1"}, {"[::1]", "no", "::1"}, {"[::1]:65000", "no", "::1"},
		{"[10.0.0.1]", "no", "no"}, {"[::1", "no", "no"}, {"[::1]x", "no", "no"}, {"[::1]:", "no", "no"},
		{"10.0.0.1:", "no", "no"}, {"10.0.0.1:http", "no", "no"}, {"10.0.0.1:123456", "no", "no"},
		{"fe80::1%eth0", "no", "no"}, {"010.0.0.1", "no", "no"}, {"0x7f.1", "no", "no"},
		{"2130706433", "no", "no"}, {"127.1", "no", "no"}, {" 10.0.0.1", "no", "no"}, {"unknown", "no", "no"},
		{"_hidden", "no", "no"}, {"", "no", "no"},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa", "no", "no"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_string_equal(read_as(cases[i][0], address_parse), cases[i][1]);
		assert_string_equal(read_as(cases[i][0], address_parse_node), cases[i][2]);
	}
}

static bool holds(const char *range, const char *text)
{
	struct address_range r;
	struct address a;
	struct err e = ERR_INIT;
	must(address_range_parse(span_of(range), &r, &e), &e);
	assert_true(address_parse(span_of(text), &a));
	return address_range_holds(&r, &a);
}

static void test_ranges(void **state)
{
	(void)state;
	assert_true(holds("10.0.0.0/8", "10.255.0.1"));
	assert_true(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
	assert_false(holds("10.0.0.0/8", "11.0.0.0"));
	assert_true(holds("172.16.0.0/12", "172.31.255.255"));
	assert_false(holds("172.16.0.0/12", "172.32.0.0"));
	assert_true(holds("0.0.0.0/0", "1.2.3.4"));
	assert_false(holds("0.0.0.0/0", "::1"));
	assert_true(holds("::/0", "1.2.3.4"));
	assert_true(holds("fd00::/8", "fdff::1"));
	assert_false(holds("fd00::/8", "fe00::1"));
	assert_true(holds("::1", "::1"));
	assert_false(holds("::1", "::2"));
	assert_true(holds("10.0.0.1/32", "10.0.0.1"));
	assert_true(holds("::ffff:10.0.0.0/104", "10.1.1.1"));
	static const char *const wrong[] = {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/a", "10.0.0.0/-1", "10.0.0.0/8/8",
		"10.0.0.1/8", "::1/129", "::1/64", "/8", "", "host", "10.0.0.0/0008"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct address_range r;
		struct err e = ERR_INIT;
		if (address_range_parse(span_of(wrong[i]), &r, &e) == 0)
			fail_msg("%s was taken for a range", wrong[i]);
		assert_int_equal(e.code, ERR_INVALID);
	}
}

static void test_lines(void **state)
{
	(void)state;
	struct span line = span_of("a, b ,,c"), one;
	static const char *const from_right[] = {"c", "", "b", "a"};
	for (size_t i = 0; i < 4; i++) {
		assert_true(forwarded_last(&line, &one));
		assert_true(span_is(one, from_right[i]));
	}
	assert_false(forwarded_last(&line, &one));
	struct forwarded by[3];
	assert_int_equal(
		forwarded_read(span_of("for=\"[2001:db8::1]:4711\";Proto=https; host=\"a,b;c\" , For=10.0.0.1"), by, 3),
		2);
	assert_true(span_is(by[0].client, "[2001:db8::1]:4711"));
	assert_true(span_is(by[0].scheme, "https"));
	assert_true(span_is(by[0].host, "a,b;c"));
	assert_true(span_is(by[1].client, "10.0.0.1"));
	assert_int_equal(by[1].host.n, 0);
	assert_int_equal(forwarded_read(span_of("for=a,for=b,for=c,for=d;by=x;ext=1,"), by, 3), 3);
	assert_true(span_is(by[0].client, "c"));
	static const char *const wrong[] = {"for", "for=", "=a", "for=\"a", "for=\"a\\\"b\"", "for=a b", "for=a;for=b",
		"for=a=b", "for=\"a\"b", "\"a\""};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (forwarded_read(span_of(wrong[i]), by, 3) != -1)
			fail_msg("%s was read", wrong[i]);
}

static void test_origins(void **state)
{
	(void)state;
	static const struct {
		const char *origin, *scheme, *host;
		bool same;
	} cases[] = {
		{"https://house.example", "https", "house.example", true},
		{"https://HOUSE.example:443", "https", "house.example", true},
		{"http://house.example", "http", "house.example:80", true},
		{"http://127.0.0.1:8080", "http", "127.0.0.1:8080", true},
		{"http://[::1]:8080", "http", "[::1]:8080", true},
		{"null", "https", "house.example", false},
		{"", "https", "house.example", false},
		{"https://", "https", "house.example", false},
		{"http://house.example", "https", "house.example", false},
		{"https://house.example.evil.example", "https", "house.example", false},
		{"https://evilhouse.example", "https", "house.example", false},
		{"https://house.example:8443", "https", "house.example", false},
		{"https://house.example", "https", "house.example:8443", false},
		{"https://house.example@evil.example", "https", "house.example", false},
		{"https://house.example/", "https", "house.example", false},
		{"https://house.example https://evil.example", "https", "house.example", false},
		{"https://house.example:443443", "https", "house.example", false},
		{"https://house.example:", "https", "house.example", false},
		{"https://house.example:+443", "https", "house.example", false},
		{"https://[::1", "https", "[::1]", false},
		{"https://house.example", "https", "", false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (origin_same(cases[i].origin, cases[i].scheme, span_of(cases[i].host)) != cases[i].same)
			fail_msg("%s, %s://%s", cases[i].origin, cases[i].scheme, cases[i].host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_origins),
	};
	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
