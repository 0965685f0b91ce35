/* The egress proxy: its decisions as text, then for real out of a sandbox to a server of our own. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/mem.h"
#include "box.h"
#include "sandbox/egress.h"

static const struct sandbox_allow list[] = {{"example.com", 443, false}, {".pypi.org", 443, false},
	{"plain.example", 80, false}, {"xn--bcher-kva.example", 443, false}};

/* "allow host:port", "deny host", "bad" */
static const char *verdict(const char *head, size_t n)
{
	static char text[400];
	struct egress_request r;
	struct err e = ERR_INIT;
	if (egress_parse(span_n(head, n), &r, &e) != 0)
		return e.code == ERR_DENIED ? "denied" : "bad";
	const struct sandbox_allow *a = egress_allowed(list, sizeof(list) / sizeof(*list), r.host, r.port);
	snprintf(text, sizeof(text), "%s %s:%d", a ? "allow" : "unlisted", r.host, r.port);
	return text;
}

static void row33_hosts(void **state)
{
	(void)state;
	static const struct {
		const char *target, *want;
	} rows[] = {
		{"example.com:443", "allow example.com:443"},
		{"example.com:80", "unlisted example.com:80"},
		{"evil-example.com:443", "unlisted evil-example.com:443"},
		{"example.com.evil.org:443", "unlisted example.com.evil.org:443"},
		{"a.example.com:443", "unlisted a.example.com:443"},
		{"files.pypi.org:443", "allow files.pypi.org:443"},
		{"a.b.pypi.org:443", "allow a.b.pypi.org:443"},
		{"pypi.org:443", "unlisted pypi.org:443"},
		{"evilpypi.org:443", "unlisted evilpypi.org:443"},
		{"xn--bcher-kva.example:443", "allow xn--bcher-kva.example:443"},
		{"xn--80ak6aa92e.pypi.org:443", "unlisted xn--80ak6aa92e.pypi.org:443"},
		{"EXAMPLE.com:443", "denied"},
		{"example.com.:443", "denied"},
		{".example.com:443", "denied"},
		{"example..com:443", "denied"},
		{"ex\xc3\xa4mple.com:443", "denied"},
		{"127.0.0.1:443", "denied"},
		{"127.1:443", "denied"},
		{"2130706433:443", "denied"},
		{"0x7f000001:443", "denied"},
		{"0177.0.0.1:443", "denied"},
		{"1.1.1.1:443", "denied"},
		{"[::1]:443", "denied"},
		{"[::ffff:127.0.0.1]:443", "denied"},
		{"user@example.com:443", "denied"},
		{"example.com%00.evil.org:443", "denied"},
		{"example_.com:443", "denied"},
		{"example.com\t:443", "denied"},
		{":443", "denied"},
		{"example.com", "bad"},
		{"example.com:", "bad"},
		{"example.com:0443", "bad"},
		{"example.com:443x", "bad"},
		{"example.com:70000", "bad"},
		{"example.com:443:443", "bad"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char head[600];
		int n = snprintf(head, sizeof(head), "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n", rows[i].target);
		const char *got = verdict(head, (size_t)n);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s, wanted %s", rows[i].target, got, rows[i].want);
	}
	static const char with_nul[] = "CONNECT example.com\0.evil.org:443 HTTP/1.1\r\n\r\n";
	assert_string_equal(verdict(with_nul, sizeof(with_nul) - 1), "denied");
	char long_name[400] = "CONNECT ";
	for (int i = 0; i < 60; i++)
		strcat(long_name, "abcd.");
	strcat(long_name, "com:443 HTTP/1.1\r\n\r\n");
	assert_string_equal(verdict(long_name, strlen(long_name)), "denied");
}

static void heads(void **state)
{
	(void)state;
	static const struct {
		const char *head, *want;
	} rows[] = {
		{"GET http://plain.example/x?y HTTP/1.1\r\nHost: other\r\n\r\n", "allow plain.example:80"},
		{"HEAD http://plain.example HTTP/1.0\r\n\r\n", "allow plain.example:80"},
		{"GET http://plain.example:8080/ HTTP/1.1\r\n\r\n", "unlisted plain.example:8080"},
		{"GET http://plain.example@evil.org/ HTTP/1.1\r\n\r\n", "denied"},
		{"GET http://evil.org#@plain.example/ HTTP/1.1\r\n\r\n", "unlisted evil.org:80"},
		{"GET http://evil.org\\@plain.example/ HTTP/1.1\r\n\r\n", "denied"},
		{"GET / HTTP/1.1\r\nHost: plain.example\r\n\r\n", "bad"},
		{"GET https://plain.example/ HTTP/1.1\r\n\r\n", "bad"},
		{"GET file:///etc/passwd HTTP/1.1\r\n\r\n", "bad"},
		{"POST http://plain.example/ HTTP/1.1\r\n\r\n", "bad"},
		{"GET http://plain.example/ HTTP/1.1\r\nContent-Length: 5\r\n\r\n", "bad"},
		{"GET http://plain.example/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "bad"},
		{"GET http://plain.example/ HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n", "bad"},
		{"GET http://plain.example/ HTTP/2\r\n\r\n", "bad"},
		{"GET  http://plain.example/ HTTP/1.1\r\n\r\n", "bad"},
		{"GET http://plain.example/a b HTTP/1.1\r\n\r\n", "bad"},
		{"CONNECT example.com:443\r\n\r\n", "bad"},
		{"CONNECT example.com:443 HTTP/1.1\r\n: x\r\n\r\n", "bad"},
		{"CONNECT example.com:443 HTTP/1.1\r\nA: \x01\r\n\r\n", "bad"},
		{"\r\n\r\n", "bad"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *got = verdict(rows[i].head, strlen(rows[i].head));
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s, wanted %s", rows[i].head, got, rows[i].want);
	}
}

static void rewriting(void **state)
{
	(void)state;
	struct egress_request r;
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT(4096);
	must(egress_parse(
		     span_of("GET http://plain.example:81/a?b#c HTTP/1.1\r\nHost: evil.org\r\nProxy-Authorization: "
			     "x\r\nConnection: keep-alive\r\nAccept: y\r\n\r\n"),
		     &r, &e),
		&e);
	egress_rewrite(&r, &out);
	assert_string_equal(
		out.data, "GET /a?b HTTP/1.1\r\nHost: plain.example:81\r\nConnection: close\r\nAccept: y\r\n\r\n");
	buf_clear(&out);
	must(egress_parse(span_of("GET http://plain.example?q HTTP/1.1\r\n\r\n"), &r, &e), &e);
	egress_rewrite(&r, &out);
	assert_string_equal(out.data, "GET /?q HTTP/1.1\r\nHost: plain.example\r\nConnection: close\r\n\r\n");
	buf_release(&out);
}

static void allow_lists(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	must(egress_check(list, sizeof(list) / sizeof(*list), &e), &e);
	static const struct sandbox_allow wrong[] = {{"Example.com", 443, false}, {"", 443, false}, {".", 443, false},
		{"10.0.0.1", 443, false}, {"*.example.com", 443, false}, {"example.com", 0, false}, {"a..b", 1, false}};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(egress_check(&wrong[i], 1, &e), -1);
}

/* A server on the host: answers each connection with what it was sent first, in upper case lines. */
struct server {
	int fd, port;
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct server *s = arg;
	for (;;) {
		char text[4096];
		int c = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		if (c < 0)
			return NULL;
		ssize_t n = recv(c, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = 0;
		char answer[4400];
		int m;
		if (strncmp(text, "GET /big", 8) == 0) {
			static char block[65536];
			memset(block, 'x', sizeof(block));
			m = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: 20971520\r\n\r\n");
			send(c, answer, (size_t)m, MSG_NOSIGNAL);
			for (int i = 0; i < 320; i++)
				send(c, block, sizeof(block), MSG_NOSIGNAL);
		} else {
			m = snprintf(
				answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zd\r\n\r\n%s", n, text);
			send(c, answer, (size_t)m, MSG_NOSIGNAL);
		}
		close(c);
	}
}

static void server_start(struct server *s)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->fd, 16), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &n), 0);
	s->port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static char denied_host[EGRESS_HOST];
static int denials;

static void on_denied(void *ctx, const char *host, int port, const char *why)
{
	(void)ctx;
	(void)port;
	(void)why;
	snprintf(denied_host, sizeof(denied_host), "%s", host);
	denials++;
}

static void ask(struct box *b, const char *head, const char *want)
{
	struct result r = {.x = {.timeout_ms = 20000, .input = span_of(head)}};
	char line[300];
	snprintf(line, sizeof(line), "%s talk 3128", attack_path());
	box_run(b, &r, line);
	if (!r.out.data || !strstr(r.out.data, want))
		fail_msg("%s: %s", head, r.out.data ? r.out.data : "no answer");
	result_release(&r);
}

static void live(void **state)
{
	(void)state;
	struct box b;
	struct server s;
	struct result r = {.keep = 4096, .x = {.timeout_ms = 30000}};
	char head[300], line[300];
	server_start(&s);
	box_init(&b);
	struct sandbox_allow allow[] = {{"localhost", s.port, true}, {"localhost", s.port + 1, true},
		{"localtest.invalid", 443, false}, {"localhost", 99, false}};
	b.spec.allow = allow;
	b.spec.allow_count = 4;
	b.spec.on_denied = on_denied;
	box_open(&b);
	box_expect(&b, "echo $http_proxy $HTTPS_PROXY", 0, "http://127.0.0.1:3128 http://127.0.0.1:3128\n");
	snprintf(head, sizeof(head), "GET http://localhost:%d/path HTTP/1.1\r\nHost: evil\r\n\r\n", s.port);
	snprintf(line, sizeof(line), "GET /path HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close", s.port);
	ask(&b, head, line);
	snprintf(head, sizeof(head), "CONNECT localhost:%d HTTP/1.1\r\n\r\n", s.port);
	ask(&b, head, "200 Connection established");
	assert_int_equal(denials, 0);
	snprintf(head, sizeof(head), "CONNECT localhost:%d HTTP/1.1\r\n\r\n", s.port + 1);
	ask(&b, head, "502 Bad Gateway"); /* allowed, but nobody is there */
	ask(&b, "CONNECT localtest.invalid:443 HTTP/1.1\r\n\r\n", "502 Bad Gateway");
	ask(&b, "CONNECT localhost:99 HTTP/1.1\r\n\r\n", "403 Forbidden"); /* listed, but an internal address */
	assert_int_equal(denials, 1);
	ask(&b, "CONNECT evil.org:443 HTTP/1.1\r\n\r\n", "evil.org:443 is not on this project's allow-list");
	assert_string_equal(denied_host, "evil.org");
	ask(&b, "CONNECT 127.0.0.1:443 HTTP/1.1\r\n\r\n", "403 Forbidden");
	ask(&b, "nonsense\r\n\r\n", "400 Bad Request");
	assert_int_equal(denials, 4);
	/* 20 MiB through it, in little memory. */
	size_t before = mem_in_use();
	r.x.line = NULL;
	snprintf(head, sizeof(head), "GET http://localhost:%d/big HTTP/1.1\r\n\r\n", s.port);
	r.x.input = span_of(head);
	snprintf(line, sizeof(line), "%s talk 3128", attack_path());
	box_run(&b, &r, line);
	assert_true(r.total > 20971520);
	assert_true(mem_in_use() < before + 2 * MIB);
	/* Everything else stays shut. */
	struct result direct = {0};
	snprintf(line, sizeof(line), "%s talk %d </dev/null", attack_path(), s.port);
	box_run(&b, &direct, line);
	assert_int_equal(direct.x.status, 3);
	result_release(&direct);
	/* An end in the middle of a connection. */
	snprintf(head, sizeof(head), "CONNECT localhost:%d HTTP/1.1\r\n\r\n", s.port);
	box_start(&b, &r, line);
	box_close(&b);
	assert_int_equal(r.done, 1);
	result_release(&r);
	box_release(&b);
	server_stop(&s);
}

static void row34_no_list_no_network(void **state)
{
	(void)state;
	struct box b;
	struct result r = {0};
	char line[300];
	box_init(&b);
	box_open(&b);
	snprintf(line, sizeof(line), "echo \"$http_proxy\"; %s talk 3128 </dev/null", attack_path());
	box_run(&b, &r, line);
	assert_int_equal(r.x.status, 3);
	assert_string_equal(r.out.data, "\n");
	result_release(&r);
	box_release(&b);
}

/* Out of descriptors it waits a moment instead of trying for ever. */
static void rests_without_descriptors(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct loop *loop = loop_new(&e);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(a);
	struct sandbox_spec spec = {0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), client;
	enum { TURNS = 2000 };
	assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
	struct egress *g = egress_new(loop, fd, &spec, &e);
	assert_non_null(g);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&a, size), 0);
	fault_arm(FAULT_NET, 1, true);
	for (int i = 0; i < TURNS; i++)
		loop_turn(loop, 0);
	uint64_t tries = fault_seen();
	fault_disarm();
	assert_true(tries > 0 && tries < TURNS / 4);
	close(client);
	egress_free(g);
	loop_turn(loop, 0);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row33_hosts),
		cmocka_unit_test(heads),
		cmocka_unit_test(rewriting),
		cmocka_unit_test(allow_lists),
		cmocka_unit_test(rests_without_descriptors),
		cmocka_unit_test(live),
		cmocka_unit_test(row34_no_list_no_network),
	};
	cmocka_set_test_filter(getenv("MUSTER_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
