/* Which addresses are public, and networks read and matched. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/address.h"

static void sockaddr_of(const char *text, struct sockaddr_storage *a)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		memcpy(a, &v4, sizeof(v4));
		return;
	}
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	memcpy(a, &v6, sizeof(v6));
}

static void public_ones(void **state)
{
	(void)state;
	static const char *const open[] = {"8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "192.167.1.1",
		"100.63.0.1", "100.128.0.1", "223.255.255.1", "2606:4700::1111", "2001:4860:4860::8888", "2a00::1"};
	static const char *const closed[] = {"0.0.0.0", "10.1.2.3", "127.0.0.1", "127.255.0.1", "169.254.169.254",
		"172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1",
		"240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1",
		"fc00::1", "fd12::1", "fe80::1", "ff02::1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1",
		"2001:db8::1", "fec0::1", "100::1"};
	for (int k = 0; k < 2; k++) {
		const char *const *rows = k ? closed : open;
		size_t n = k ? sizeof(closed) / sizeof(*closed) : sizeof(open) / sizeof(*open);
		for (size_t i = 0; i < n; i++) {
			struct sockaddr_storage a;
			sockaddr_of(rows[i], &a);
			bool got = address_public((struct sockaddr *)&a);
			if (got != !k)
				fail_msg("%s is %s", rows[i], got ? "public" : "not public");
		}
	}
}

static void networks(void **state)
{
	(void)state;
	static const struct {
		const char *net, *address;
		bool in;
	} rows[] = {
		{"10.0.0.0/8", "10.255.1.2", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.0/8", "::ffff:10.0.0.1", true},
		{"192.168.4.0/22", "192.168.7.255", true},
		{"192.168.4.0/22", "192.168.8.0", false},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.2", false},
		{"127.0.0.1/32", "127.0.0.1", true},
		{"0.0.0.0/0", "1.2.3.4", true},
		{"0.0.0.0/0", "::1", false},
		{"::/0", "fe80::1", true},
		{"fd00::/8", "fd12::1", true},
		{"fd00::/8", "fe12::1", false},
		{"2001:db8:8000::/33", "2001:db8:ffff::1", true},
		{"2001:db8:8000::/33", "2001:db8:7fff::1", false},
		{"::1", "::1", true},
		{"::1", "::2", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct address_range net;
		struct address address;
		struct sockaddr_storage a;
		struct err e = ERR_INIT;
		sockaddr_of(rows[i].address, &a);
		must(address_range_parse(span_of(rows[i].net), &net, &e), &e);
		assert_true(address_of((struct sockaddr *)&a, &address));
		if (address_range_holds(&net, &address) != rows[i].in)
			fail_msg("%s in %s: %d", rows[i].address, rows[i].net, !rows[i].in);
	}
}

static void what_is_no_network(void **state)
{
	(void)state;
	static const char *const rows[] = {"", "/", "10", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1",
		"10.0.0.0/8/8", "10.0.0.1/8", "010.0.0.0/8", "0x7f.0.0.1", "127.1", "::1/129", "::1/1000",
		"fe80::1%eth0", "[::1]", "localhost", " 127.0.0.1", "127.0.0.1 ", "::1/64",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa"};
	struct address_range net;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!address_range_parse(span_of(rows[i]), &net, &e))
			fail_msg("\"%s\" is read", rows[i]);
	assert_int_equal(address_range_parse(span_n("127.0.0.1\0/8", 12), &net, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_ones),
		cmocka_unit_test(networks),
		cmocka_unit_test(what_is_no_network),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
