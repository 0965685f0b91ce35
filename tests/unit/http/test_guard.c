/* Where requests to people's URLs may go: rows 30 to 32 of the threat table, against a receiver on this host. */
#include "client_peer.h"
#include "client_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/guard.h"

static const char fine[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static struct guard *guard_of(const char *exempt)
{
	cleanup_json json_t *list = json_array();
	if (exempt)
		json_array_append_new(list, json_string(exempt));
	struct guard *g = guard_new(list, &e);
	if (!g)
		fail_msg("%s", e.text);
	return g;
}

static enum err_code checked(const struct guard *g, const char *text)
{
	struct err why = ERR_INIT;
	int rc = guard_check(g, text, &why);
	assert_true((rc == 0) == (why.code == ERR_OK));
	return why.code;
}

/* Rows 30 and 32: what a URL alone gives away. */
static void urls(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		enum err_code want;
	} rows[] = {
		{"https://hooks.example/x", ERR_OK},
		{"http://8.8.8.8:8080/x", ERR_OK},
		{"https://[2606:4700::1111]/", ERR_OK},
		{"http://localhost/", ERR_OK}, /* a name: its address is refused when it is known */
		{"http://127.0.0.1/", ERR_DENIED},
		{"http://127.0.0.1:80/", ERR_DENIED},
		{"http://127.1/", ERR_DENIED},
		{"http://0x7f.1/", ERR_DENIED},
		{"http://0x7f000001/", ERR_DENIED},
		{"http://2130706433/", ERR_DENIED},
		{"http://0177.0.0.1/", ERR_DENIED},
		{"http://017700000001/", ERR_DENIED},
		{"http://%31%32%37.0.0.1/", ERR_DENIED},
		{"http://%31%32%37.1/", ERR_DENIED},
		{"http://0/", ERR_DENIED},
		{"http://10.1.2.3/", ERR_DENIED},
		{"http://172.16.0.1/", ERR_DENIED},
		{"http://192.168.0.1/", ERR_DENIED},
		{"http://100.64.0.1/", ERR_DENIED},
		{"http://169.254.169.254/latest/meta-data", ERR_DENIED},
		{"http://224.0.0.1/", ERR_DENIED},
		{"http://255.255.255.255/", ERR_DENIED},
		{"http://[::]/", ERR_DENIED},
		{"http://[::1]/", ERR_DENIED},
		{"http://[::ffff:127.0.0.1]/", ERR_DENIED},
		{"http://[::ffff:7f00:1]/", ERR_DENIED},
		{"http://[64:ff9b::7f00:1]/", ERR_DENIED},
		{"http://[2002:7f00:1::]/", ERR_DENIED},
		{"http://[fd00::1]/", ERR_DENIED},
		{"http://[fe80::1]/", ERR_DENIED},
		{"http://[fe80::1%25lo]/", ERR_DENIED},
		{"http://[ff02::1]/", ERR_DENIED},
		{"http://ok@127.0.0.1/", ERR_INVALID},
		{"http://ok:no@hooks.example/", ERR_INVALID},
		{"http://hooks.example@127.0.0.1/", ERR_INVALID},
		{"http://127.0.0.1\\@hooks.example/", ERR_INVALID},
		{"http://127.0.0.1#@hooks.example/", ERR_DENIED},
		{"http://127.0.0.1?@hooks.example/", ERR_DENIED},
		{"http:///hooks.example/", ERR_OK}, /* curl reads three slashes as two */
		{"http:///127.0.0.1/", ERR_DENIED},
		{"http:\\\\127.0.0.1/", ERR_INVALID},
		{"http://hooks.example\r\n.evil/", ERR_INVALID},
		{"http://hooks .example/", ERR_INVALID},
		{"//hooks.example/", ERR_INVALID},
		{"hooks.example/", ERR_INVALID},
		{"", ERR_INVALID},
		{"http://", ERR_INVALID},
		{"http://hooks.example:99999/", ERR_INVALID},
		{"file:///etc/passwd", ERR_INVALID},
		{"file://127.0.0.1/etc/passwd", ERR_INVALID},
		{"gopher://hooks.example/", ERR_INVALID},
		{"smtp://hooks.example/", ERR_INVALID},
		{"ftp://hooks.example/", ERR_INVALID},
		{"javascript:alert(1)", ERR_INVALID},
	};
	struct guard *g = guard_of(NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum err_code got = checked(g, rows[i].url);
		if (got != rows[i].want)
			fail_msg("%s: %s, wanted %s", rows[i].url, err_name(got), err_name(rows[i].want));
	}
	guard_free(g);
}

static void exempt(void **state)
{
	(void)state;
	struct guard *g = guard_of("10.2.0.0/16");
	assert_int_equal(checked(g, "http://10.2.3.4/"), ERR_OK);
	assert_int_equal(checked(g, "http://10.3.3.4/"), ERR_DENIED);
	assert_int_equal(checked(g, "http://[::ffff:10.2.3.4]/"), ERR_OK); /* the same host */
	assert_int_equal(checked(g, "http://[::ffff:10.3.3.4]/"), ERR_DENIED);
	assert_int_equal(checked(g, "http://x@10.2.3.4/"), ERR_INVALID);
	assert_int_equal(checked(g, "file://10.2.3.4/"), ERR_INVALID);
	guard_free(g);
	static const char *const wrong[] = {"", "10.0.0.0/99", "http://x/", "a b", "*", "[::1]", "10.0.0.1/8"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		cleanup_json json_t *list = json_pack("[s]", wrong[i]);
		struct err why = ERR_INIT;
		if (guard_new(list, &why) || why.code != ERR_INVALID)
			fail_msg("\"%s\" is taken", wrong[i]);
	}
}

/* Start a request to the peer under a name; what came of it. */
static enum err_code asked(const struct guard *g, const char *host, int *status)
{
	struct get x;
	char text[128];
	snprintf(text, sizeof(text), "http://%s:%d/", host, peer.port);
	get_init(&x);
	x.r.url = text;
	x.r.guard = g;
	x.r.total_ms = 20000;
	get_run(&x);
	enum err_code code = x.why.code;
	if (status)
		*status = x.r.status;
	e = x.why;
	buf_release(&x.body);
	return code;
}

static void answer(struct guard *g, const char *host, const char *address)
{
	char line[128];
	snprintf(line, sizeof(line), "%s:%d:%s", host, peer.port, address);
	assert_int_equal(guard_answer(g, line), 0);
}

/* Row 31: the name was fine when the URL was taken; its address counts when the connection is made. */
static void a_name_that_leads_inside(void **state)
{
	(void)state;
	peer.answer = span_of(fine);
	struct guard *g = guard_of(NULL);
	answer(g, "hooks.example", "127.0.0.1");
	char text[64];
	snprintf(text, sizeof(text), "http://hooks.example:%d/", peer.port);
	assert_int_equal(checked(g, text), ERR_OK);
	assert_int_equal(asked(g, "hooks.example", NULL), ERR_DENIED);
	assert_non_null(strstr(e.text, "hooks.example leads to 127.0.0.1"));
	assert_non_null(strstr(e.text, "outbound.exempt"));
	assert_int_equal(asked(g, "localhost", NULL), ERR_DENIED);
	assert_int_equal(peer.connections, 0);
	guard_free(g);
}

static void an_exempt_name_leads_anywhere(void **state)
{
	(void)state;
	int status = 0;
	peer.answer = span_of(fine);
	struct guard *g = guard_of("Hooks.example");
	answer(g, "hooks.example", "127.0.0.1");
	answer(g, "other.example", "127.0.0.1");
	answer(g, "hooks.example.", "127.0.0.1");
	assert_int_equal(asked(g, "hooks.example", &status), ERR_OK);
	assert_int_equal(status, 200);
	assert_int_equal(asked(g, "other.example", NULL), ERR_DENIED);
	assert_int_equal(peer.connections, 1);
	guard_free(g);
	g = guard_of("127.0.0.0/8");
	answer(g, "other.example", "127.0.0.1");
	assert_int_equal(asked(g, "other.example", &status), ERR_OK);
	assert_int_equal(status, 200);
	guard_free(g);
}

/* Of several addresses, those that are not public are never connected to. */
static void one_of_several_addresses(void **state)
{
	(void)state;
	peer.answer = span_of(fine);
	struct guard *g = guard_of("127.0.0.2");
	answer(g, "hooks.example", "127.0.0.1,127.0.0.2"); /* at the second nobody listens */
	assert_int_equal(asked(g, "hooks.example", NULL), ERR_DENIED);
	assert_int_equal(peer.connections, 0);
	guard_free(g);
}

/* A connection that another request has left open was made without a check. */
static void a_kept_connection_is_not_used(void **state)
{
	(void)state;
	snprintf(url, sizeof(url), "http://localhost:%d/", peer.port);
	GET(before, fine);
	assert_int_equal(before.why.code, ERR_OK);
	buf_release(&before.body);
	struct guard *g = guard_of(NULL);
	assert_int_equal(asked(g, "localhost", NULL), ERR_DENIED);
	assert_int_equal(peer.requests, 1);
	guard_free(g);
}

static void the_environment_names_no_proxy(void **state)
{
	(void)state;
	peer.answer = span_of(fine);
	setenv("http_proxy", url, 1);
	struct guard *g = guard_of("127.0.0.1"); /* the proxy could be reached */
	answer(g, "hooks.example", "10.1.2.3");
	assert_int_equal(asked(g, "hooks.example", NULL), ERR_DENIED);
	unsetenv("http_proxy");
	assert_int_equal(peer.connections, 0);
	guard_free(g);
}

/* Row 31: a redirect is an answer like any other; who follows one starts a request, which is checked. */
static void a_redirect_is_not_followed(void **state)
{
	(void)state;
	int status = 0;
	char text[128];
	snprintf(text, sizeof(text),
		"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:%d/inside\r\nContent-Length: 0\r\n\r\n", peer.port);
	peer.answer = span_of(text);
	struct guard *g = guard_of("127.0.0.1");
	answer(g, "hooks.example", "127.0.0.1");
	assert_int_equal(asked(g, "hooks.example", &status), ERR_OK);
	assert_int_equal(status, 307);
	assert_int_equal(peer.requests, 1);
	guard_free(g);
}

static void a_literal_address_is_refused_at_the_start(void **state)
{
	(void)state;
	struct get x;
	struct guard *g = guard_of(NULL);
	get_init(&x);
	x.r.guard = g;
	assert_int_equal(http_request_start(&x.r, http, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(x.dones, 0);
	guard_free(g);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, get_setup, get_teardown)

int main(void)
{
	json_setup();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls),
		cmocka_unit_test(exempt),
		CASE(a_name_that_leads_inside),
		CASE(an_exempt_name_leads_anywhere),
		CASE(one_of_several_addresses),
		CASE(a_kept_connection_is_not_used),
		CASE(the_environment_names_no_proxy),
		CASE(a_redirect_is_not_followed),
		CASE(a_literal_address_is_refused_at_the_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
