/* Who a request is from and what it was sent to, with and without proxies that are trusted (security.md, rows 11, 19).
 */
#include "server_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http/origin.h"

static void handle_origin(struct server_request *r, void *ctx)
{
	cleanup_buf struct buf text = BUF_INIT(1000);
	char address[ADDRESS_TEXT] = "none";
	struct address a;
	struct span host = request_host(r);
	(void)ctx;
	if (request_address(r, &a))
		address_text(&a, address);
	buf_addf(&text, "%s %s %.*s %s.", address, request_scheme(r), (int)host.n, host.p,
		request_same_origin(r) ? "same" : "foreign");
	reply_bytes(r, 200, "text/plain", buf_span(&text));
}

/* What the handler makes of a request with these headers. */
static void gives(const char *headers, const char *expected)
{
	char text[2000];
	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: house.example\r\nConnection: close\r\n%s\r\n", headers);
	const char *got = strstr(ask(text), "\r\n\r\n");
	if (!got || strcmp(got + 4, expected) != 0)
		fail_msg("%s: %s instead of %s", headers, got ? got + 4 : "nothing", expected);
}

#define PLAIN "127.0.0.1 http house.example same."

static void test_untrusted(void **state)
{
	(void)state;
	server.handle = handle_origin;
	gives("", PLAIN);
	gives("X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n", PLAIN);
	gives("Forwarded: for=1.2.3.4;proto=https;host=evil.example\r\nX-Real-IP: 1.2.3.4\r\n", PLAIN);
	must(server_proxies(&server, "10.0.0.0/8 ::1", false, &e), &e);
	gives("X-Forwarded-For: 1.2.3.4\r\n", PLAIN);
	assert_int_equal(server_proxies(&server, "127.0.0.1, nonsense", false, &e), -1);
	gives("X-Forwarded-For: 1.2.3.4\r\n", PLAIN);
	/* Over the owner's socket there is no address to lie about. */
	int fd = socket_connect_unix(path, &e);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	buf_clear(&heard);
	say(fd, "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n");
	hear(fd, &heard, NULL);
	has(heard.data, "\r\n\r\nnone http h same.");
	close(fd);
}

static void test_trusted(void **state)
{
	(void)state;
	server.handle = handle_origin;
	must(server_proxies(&server, "127.0.0.0/8, 10.0.0.0/8", false, &e), &e);
	gives("", PLAIN);
	gives("X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: other.example:8443\r\n",
		"1.2.3.4 https other.example:8443 same.");
	/* The right-most that is none of ours; what stands left of it was written by a stranger. */
	gives("X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.2\r\n", "1.2.3.4 http house.example same.");
	gives("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 10.0.0.2\r\n",
		"1.2.3.4 http house.example same.");
	gives("X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3 http house.example same.");
	/* What cannot be read ends the walk. */
	gives("X-Forwarded-For: 6.6.6.6, nonsense, 10.0.0.2\r\n", "10.0.0.2 http house.example same.");
	gives("X-Forwarded-For: \r\n", PLAIN);
	gives("X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\n", PLAIN);
	/* The other kind of header is a stranger's. */
	gives("Forwarded: for=6.6.6.6;proto=https\r\n", PLAIN);
	must(server_proxies(&server, "127.0.0.1", true, &e), &e);
	gives("X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6, "
	      "for=\"[2001:db8::7]:80\";proto=https;host=a.example\r\n",
		"2001:db8::7 https a.example same.");
	gives("Forwarded: for=\"broken\r\n", PLAIN);
	gives("Forwarded: for=6.6.6.6\r\nForwarded: for=unknown\r\n", PLAIN);
}

static void test_browsers(void **state)
{
	(void)state;
	static const struct {
		const char *headers;
		bool same;
	} cases[] = {
		{"Origin: http://house.example\r\n", true},
		{"Origin: http://house.example:80\r\nSec-Fetch-Site: same-origin\r\n", true},
		{"Origin: null\r\n", false},
		{"Origin: https://house.example\r\n", false},
		{"Origin: http://house.example.evil.example\r\n", false},
		{"Origin: http://house.example:8080\r\n", false},
		{"Origin: http://house.example\r\nOrigin: http://evil.example\r\n", false},
		{"Sec-Fetch-Site: cross-site\r\n", false},
		{"Sec-Fetch-Site: same-site\r\n", false},
		{"Sec-Fetch-Site: none\r\n", true},
	};
	server.handle = handle_origin;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		gives(cases[i].headers, cases[i].same ? PLAIN : "127.0.0.1 http house.example foreign.");
	/* Behind a proxy with TLS, our pages are at https. */
	must(server_proxies(&server, "127.0.0.1", false, &e), &e);
	gives("X-Forwarded-Proto: https\r\nOrigin: https://house.example\r\n", "127.0.0.1 https house.example same.");
	gives("X-Forwarded-Proto: https\r\nOrigin: http://house.example\r\n", "127.0.0.1 https house.example foreign.");
}

static void test_hosts(void **state)
{
	(void)state;
	must(server_hosts(&server, "house.example, 127.0.0.1 [::1]", &e), &e);
	static const char *const fine[] = {"house.example", "House.Example:8080", "127.0.0.1:1", "[::1]:8080"};
	static const char *const wrong[] = {"evil.example", "house.example.evil.example", "house.example.", "127.0.0.2",
		"house.example:80:80", "", "a@house.example", "house.example,evil.example"};
	char text[200];
	for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++) {
		snprintf(text, sizeof(text), "GET /none HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", fine[i]);
		starts(ask(text), "HTTP/1.1 204 ");
	}
	handled = 0;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		snprintf(text, sizeof(text), "GET /none HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", wrong[i]);
		starts(ask(text), "HTTP/1.1 421 ");
	}
	assert_int_equal(handled, 0);
	has(heard.data, "add it to the list of hosts");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(untrusted),
		T(trusted),
		T(browsers),
		T(hosts),
	};
	return run("test_origin", tests, sizeof(tests) / sizeof(*tests));
}
