/* The HTTP server over TLS, with OpenSSL's client in the same thread, curl and openssl s_client as programs. */
#include "server_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "certificate.h"
#include "loop/child.h"

static char certificate[128], key[128];
static SSL_CTX *trusting;

static int setup_tls(void **state)
{
	if (setup(state) != 0)
		return -1;
	snprintf(certificate, sizeof(certificate), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	certificate_make(certificate, key, 3600);
	trusting = SSL_CTX_new(TLS_client_method());
	SSL_CTX_load_verify_file(trusting, certificate);
	SSL_CTX_set_verify(trusting, SSL_VERIFY_PEER, NULL);
	return server_tls(&server, certificate, key, &e);
}

static int teardown_tls(void **state)
{
	SSL_CTX_free(trusting);
	int failed = teardown(state);
	unlink(certificate);
	unlink(key);
	return failed;
}

/* ---- the client: blocking to look at, the loop turns meanwhile ---- */

static SSL *client_new(void)
{
	SSL *ssl = SSL_new(trusting);
	SSL_set_fd(ssl, dial());
	SSL_set1_host(ssl, "localhost");
	return ssl;
}

static void client_free(SSL *ssl)
{
	if (SSL_is_init_finished(ssl))
		SSL_shutdown(ssl); /* or its session is not to be had again */
	ERR_clear_error();
	close(SSL_get_fd(ssl));
	SSL_free(ssl);
	turns(3);
}

/* Does it go on after what it returned? Turns the loop. */
static bool again(SSL *ssl, int got, int64_t *stop)
{
	int why = SSL_get_error(ssl, got);
	if (*stop == 0)
		*stop = clock_mono(&clock_real) + 20000000;
	if (clock_mono(&clock_real) > *stop)
		fail_msg("TLS hangs");
	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		return false;
	loop_turn(loop, 5);
	return true;
}

static int shake(SSL *ssl)
{
	int got;
	int64_t stop = 0;
	ERR_clear_error();
	while ((got = SSL_connect(ssl)) != 1 && again(ssl, got, &stop))
		;
	return got;
}

static void tell(SSL *ssl, const char *text)
{
	int got;
	int64_t stop = 0;
	while ((got = SSL_write(ssl, text, (int)strlen(text))) <= 0)
		if (!again(ssl, got, &stop))
			fail_msg("cannot write: %s", ERR_reason_error_string(ERR_peek_error()));
}

/* Until the text, or to the end; true when that was a close_notify. */
static bool listen_to(SSL *ssl, const char *until)
{
	char bytes[8192];
	int got;
	int64_t stop = 0;
	for (;;) {
		ERR_clear_error();
		got = SSL_read(ssl, bytes, sizeof(bytes));
		if (got > 0) {
			buf_add(&heard, bytes, (size_t)got);
			stop = 0;
			if (until && strstr(heard.data, until))
				return false;
		} else if (!again(ssl, got, &stop)) {
			return SSL_get_error(ssl, got) == SSL_ERROR_ZERO_RETURN;
		}
	}
}

static const char *ask_tls(const char *text)
{
	SSL *ssl = client_new();
	buf_clear(&heard);
	assert_int_equal(shake(ssl), 1);
	tell(ssl, text);
	assert_true(listen_to(ssl, NULL)); /* a close_notify: nothing was cut off */
	client_free(ssl);
	return buf_span(&heard).p;
}

/* ---- well used ---- */

static bool was_tls;

static void handle_flag(struct server_request *r, void *ctx)
{
	(void)ctx;
	was_tls = r->tls;
	reply_bytes(r, 204, NULL, SPAN_NONE);
}

static void test_requests(void **state)
{
	(void)state;
	has(ask_tls(LAST("/hello")), "{\"hello\":\"world\"");
	SSL *ssl = client_new();
	assert_int_equal(shake(ssl), 1);
	for (int i = 0; i < 3; i++) {
		buf_clear(&heard);
		tell(ssl, GET("/hello?name=a"));
		listen_to(ssl, "none\"}");
	}
	assert_int_equal(server.count, 1);
	/* All at once, and a body in pieces. */
	buf_clear(&heard);
	tell(ssl, GET("/hello?name=b") "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe");
	listen_to(ssl, "\"b\"");
	tell(ssl, "llo");
	listen_to(ssl, "\r\n\r\nhello");
	client_free(ssl);
	server.handle = handle_flag;
	ask_tls(LAST("/"));
	assert_true(was_tls);
	/* The owner's socket stays plain. */
	int fd = socket_connect_unix(path, &e);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	buf_clear(&heard);
	say(fd, LAST("/hello"));
	hear(fd, &heard, NULL);
	starts(heard.data, "HTTP/1.1 204 ");
	assert_false(was_tls);
	close(fd);
}

static void test_large_and_slow(void **state)
{
	(void)state;
	ask_tls(LAST("/big"));
	assert_int_equal(heard.len - (size_t)(strstr(heard.data, "\r\n\r\n") + 4 - heard.data), 3 << 20);
	/* A reader that stops stops the writer, which holds no more than its queue. */
	SSL *ssl = client_new();
	assert_int_equal(shake(ssl), 1);
	tell(ssl, LAST("/flow"));
	turns(50);
	size_t before = streamed;
	turns(20);
	assert_int_equal(streamed, before);
	assert_true(streamed < FLOW);
	buf_clear(&heard);
	assert_true(listen_to(ssl, NULL));
	assert_true(heard.len > FLOW);
	assert_true(drains > 0);
	assert_true(most_queued <= CAP_HTTP_QUEUE + CAP_HTTP_QUEUE / 64);
	assert_string_equal(heard.data + heard.len - 5, "0\r\n\r\n");
	client_free(ssl);
}

static struct server_request *paused;
static size_t counted;
static uint64_t sum;

static void resume(void)
{
	struct server_request *r = paused;
	paused = NULL;
	request_resume(r);
}

static void on_piece(struct server_request *r, struct span bytes, const struct err *why)
{
	assert_null(why);
	assert_null(paused); /* nothing comes while it is paused */
	counted += bytes.n;
	for (size_t i = 0; i < bytes.n; i++)
		sum = sum * 31 + (unsigned char)bytes.p[i];
	if (bytes.n) {
		paused = r;
		request_pause(r);
	} else {
		reply_bytes(r, 204, NULL, SPAN_NONE);
	}
}

static void handle_paused(struct server_request *r, void *ctx)
{
	(void)ctx;
	request_stream(r, on_piece);
}

/* A handler that pauses after each piece gets every byte, in order. */
static void test_paused_body(void **state)
{
	(void)state;
	enum { SIZE = 1 << 20 };
	cleanup_buf struct buf text = BUF_INIT(SIZE + 200);
	uint64_t expected = 0;
	server.handle = handle_paused;
	counted = 0;
	sum = 0;
	paused = NULL;
	buf_addf(&text, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", SIZE);
	for (uint32_t i = 0, x = 1; i < SIZE; i++) {
		x = x * 1664525 + 1013904223;
		unsigned char c = (unsigned char)('a' + (x >> 24) % 26);
		expected = expected * 31 + c;
		buf_addc(&text, (char)c);
	}
	SSL *ssl = client_new();
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	assert_int_equal(shake(ssl), 1);
	size_t sent = 0;
	for (int64_t stop = clock_mono(&clock_real) + 30000000; counted < SIZE;) {
		for (int got; sent < text.len && (got = SSL_write(ssl, text.data + sent, (int)(text.len - sent))) > 0;)
			sent += (size_t)got; /* several records, of which the first stops the reader */
		loop_turn(loop, 1);
		if (paused)
			resume();
		if (clock_mono(&clock_real) > stop)
			fail_msg("hangs after %zu bytes", counted);
	}
	buf_clear(&heard);
	listen_to(ssl, NULL);
	starts(heard.data, "HTTP/1.1 204 ");
	assert_int_equal(counted, SIZE);
	assert_true(sum == expected);
	client_free(ssl);
}

static void test_what_is_spoken(void **state)
{
	(void)state;
	const unsigned char both[] = "\x02h2\x08http/1.1", other[] = "\x02h2";
	const unsigned char *chosen;
	unsigned n;
	SSL *ssl = client_new();
	SSL_set_alpn_protos(ssl, both, sizeof(both) - 1);
	assert_int_equal(shake(ssl), 1);
	SSL_get0_alpn_selected(ssl, &chosen, &n);
	assert_true(span_is(span_n((const char *)chosen, n), "http/1.1"));
	assert_string_equal(SSL_get_version(ssl), "TLSv1.3");
	client_free(ssl);
	/* Refused, and told why. */
	ssl = client_new();
	SSL_set_alpn_protos(ssl, other, sizeof(other) - 1);
	assert_int_not_equal(shake(ssl), 1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
	client_free(ssl);
	ssl = client_new();
	SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
	assert_int_equal(shake(ssl), 1);
	/* A client that wants to negotiate anew gets no second handshake. */
	assert_int_equal(SSL_renegotiate(ssl), 1);
	SSL_do_handshake(ssl);
	turns(5);
	buf_clear(&heard);
	ERR_clear_error();
	assert_false(listen_to(ssl, NULL));
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	client_free(ssl);
	ssl = client_new();
	SSL_set_security_level(ssl, 0);
	SSL_set_min_proto_version(ssl, TLS1_1_VERSION);
	SSL_set_max_proto_version(ssl, TLS1_1_VERSION);
	assert_int_not_equal(shake(ssl), 1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
	client_free(ssl);
	turns(5);
	has(ask_tls(LAST("/hello")), "200 OK");
}

static void test_resumed(void **state)
{
	(void)state;
	SSL_SESSION *session = NULL;
	for (int round = 0; round < 3; round++) {
		if (round == 2) /* a renewed certificate ends the tickets of the old, not the service */
			must(server_tls_reload(&server, &e), &e);
		SSL *ssl = client_new();
		if (session)
			SSL_set_session(ssl, session);
		assert_int_equal(shake(ssl), 1);
		assert_int_equal(SSL_session_reused(ssl), round == 1);
		buf_clear(&heard);
		tell(ssl, LAST("/hello"));
		listen_to(ssl, NULL);
		SSL_SESSION_free(session);
		session = SSL_get1_session(ssl);
		assert_true(SSL_SESSION_is_resumable(session));
		client_free(ssl);
	}
	SSL_SESSION_free(session);
}

/* ---- certificates ---- */

static void test_renewed(void **state)
{
	(void)state;
	SSL *old = client_new();
	assert_int_equal(shake(old), 1);
	certificate_make(certificate, key, 7200);
	must(server_tls_reload(&server, &e), &e);
	SSL *distrusting = client_new();
	assert_int_not_equal(shake(distrusting), 1); /* it knows the old one */
	client_free(distrusting);
	SSL_CTX_load_verify_file(trusting, certificate);
	has(ask_tls(LAST("/hello")), "200 OK");
	/* A bad one changes nothing. */
	assert_int_equal(unlink(key), 0);
	assert_int_equal(server_tls_reload(&server, &e), -1);
	has(ask_tls(LAST("/hello")), "200 OK");
	/* And the client from before is still there. */
	buf_clear(&heard);
	tell(old, LAST("/hello"));
	assert_true(listen_to(old, NULL));
	has(heard.data, "200 OK");
	client_free(old);
}

static void refused(const char *cert, const char *secret, const char *text)
{
	struct err why = ERR_INIT;
	assert_int_equal(server_tls(&server, cert, secret, &why), -1);
	if (!strstr(why.text, text))
		fail_msg("%s does not say %s", why.text, text);
}

static void test_wrong_files(void **state)
{
	(void)state;
	char other[140], other_key[140], missing[140];
	snprintf(other, sizeof(other), "%s/other.pem", dir);
	snprintf(other_key, sizeof(other_key), "%s/other_key.pem", dir);
	snprintf(missing, sizeof(missing), "%s/missing.pem", dir);
	certificate_make(other, other_key, 60);
	refused(missing, key, "missing.pem");
	refused(certificate, missing, "missing.pem");
	refused(certificate, other_key, "is not that of the certificate in");
	refused(key, key, "there is no certificate in");
	refused(certificate, certificate, "there is no private key in");
	must(fs_replace(other, span_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0600, &e),
		&e);
	refused(other, key, "is damaged");
	must(fs_replace(other_key,
		     span_of("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
			     "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgjPSXbOvhXUgICCAAw\n"
			     "-----END ENCRYPTED PRIVATE KEY-----\n"),
		     0600, &e),
		&e);
	refused(certificate, other_key, "there is no private key in");
	/* An expired one is served: the owner must be able to reach the page that says so. */
	certificate_make(other, other_key, -10);
	must(server_tls(&server, other, other_key, &e), &e);
	SSL_CTX_set_verify(trusting, SSL_VERIFY_NONE, NULL);
	has(ask_tls(LAST("/hello")), "200 OK");
	unlink(other);
	unlink(other_key);
}

/* ---- ill used ---- */

/* What a client sends for its handshake, cut at every byte, and then: nothing more, a hang-up, or the rest. */
static void test_cut_handshakes(void **state)
{
	(void)state;
	SSL *ssl = SSL_new(trusting);
	char hello[2048];
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_connect(ssl);
	int n = BIO_read(SSL_get_wbio(ssl), hello, sizeof(hello));
	assert_true(n > 100);
	for (int cut = 1; cut < n; cut++) {
		int fd = dial();
		assert_int_equal(send(fd, hello, (size_t)cut, MSG_NOSIGNAL), cut);
		loop_turn(loop, 1);
		if (cut % 2)
			close(fd);
		else {
			char alert[4096];
			assert_int_equal(send(fd, hello, (size_t)(n - cut), MSG_NOSIGNAL), n - cut); /* garbage */
			turns(2);
			(void)!read(fd, alert, sizeof(alert));
			close(fd);
		}
	}
	SSL_free(ssl);
	turns(10);
	assert_int_equal(handled, 0);
	has(ask_tls(LAST("/hello")), "200 OK");
	/* Clients that hung up with something left to be sent are looked at a little later. */
	for (int64_t stop = clock_mono(&clock_real) + 20000000; server.count && clock_mono(&clock_real) < stop;)
		loop_turn(loop, 50);
	assert_int_equal(server.count, 0);
}

/* Each byte of a client in a packet of its own. */
static void test_byte_by_byte(void **state)
{
	(void)state;
	SSL *ssl = SSL_new(trusting);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int fd = dial(), told = 0;
	char bytes[8192];
	SSL_set_bio(ssl, in, out);
	SSL_set1_host(ssl, "localhost");
	buf_clear(&heard);
	for (int64_t stop = clock_mono(&clock_real) + 30000000;;) {
		if (!SSL_is_init_finished(ssl))
			SSL_connect(ssl);
		else if (!told++)
			assert_true(SSL_write(ssl, LAST("/hello"), sizeof(LAST("/hello")) - 1) > 0);
		int n = SSL_is_init_finished(ssl) ? SSL_read(ssl, bytes, sizeof(bytes)) : 0;
		if (n > 0)
			buf_add(&heard, bytes, (size_t)n);
		else if (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN)
			break;
		while (BIO_read(out, bytes, 1) == 1) {
			assert_int_equal(send(fd, bytes, 1, MSG_NOSIGNAL), 1);
			loop_turn(loop, 0);
		}
		ssize_t got = read(fd, bytes, sizeof(bytes));
		if (got > 0)
			BIO_write(in, bytes, (int)got);
		loop_turn(loop, 1);
		if (clock_mono(&clock_real) > stop)
			fail_msg("hangs: %s", buf_span(&heard).p);
	}
	has(heard.data, "{\"hello\":\"world\"");
	close(fd);
	SSL_free(ssl);
}

static void test_garbage(void **state)
{
	(void)state;
	/* Plain HTTP is told where it is. */
	starts(ask(LAST("/hello")), "HTTP/1.1 400 Bad Request\r\n");
	has(heard.data, "use https://");
	/* Records that were changed on the way. */
	for (int i = 0; i < 40; i++) {
		SSL *ssl = client_new();
		char junk[64];
		memset(junk, i * 7, sizeof(junk));
		if (i % 2) {
			assert_int_equal(shake(ssl), 1);
			memcpy(junk, "\x17\x03\x03", 3);
		}
		send(SSL_get_fd(ssl), junk, sizeof(junk), MSG_NOSIGNAL);
		turns(3);
		client_free(ssl);
	}
	/* Cut without a close_notify, in the middle of a body. */
	SSL *ssl = client_new();
	assert_int_equal(shake(ssl), 1);
	tell(ssl, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nhalf");
	turns(5);
	close(SSL_get_fd(ssl));
	SSL_free(ssl);
	turns(3);
	assert_int_equal(collected, 1);
	assert_int_equal(why_code, ERR_NETWORK);
	assert_int_equal(handled, 1);
	has(ask_tls(LAST("/hello")), "200 OK");
}

static void test_slow_handshakes(void **state)
{
	(void)state;
	enum { CROWD = 50 };
	int fds[CROWD];
	server.head_ms = 1500;
	for (int i = 0; i < CROWD; i++) {
		fds[i] = dial();
		assert_int_equal(send(fds[i], "\x16\x03\x01\x02", 4, MSG_NOSIGNAL), 4);
		loop_turn(loop, 0);
	}
	has(ask_tls(LAST("/hello")), "200 OK");
	for (int i = 0; i < CROWD; i++) { /* the server ends them */
		buf_clear(&heard);
		hear(fds[i], &heard, NULL);
		close(fds[i]);
	}
	turns(5);
	assert_int_equal(server.count, 0);
}

/* ---- programs ---- */

static int exited;

static void on_program_end(struct child *c, int status, int signum)
{
	(void)c;
	assert_int_equal(signum, 0);
	exited = status;
}

static void run_program(const char *const *argv, const char *input)
{
	struct child child;
	int out[2], in[2];
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	struct child_fd fds[] = {{in[0], 0}, {out[1], 1}, {out[1], 2}};
	struct child_spec spec = {.file = argv[0], .argv = argv, .fds = fds, .fd_count = 3};
	exited = -1;
	buf_clear(&heard);
	must(child_start(&child, loop, &spec, on_program_end, &e), &e);
	close(out[1]);
	close(in[0]);
	assert_int_equal(write(in[1], input, strlen(input)), strlen(input));
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	hear(out[0], &heard, NULL);
	close(in[1]);
	for (int64_t stop = clock_mono(&clock_real) + 20000000; exited < 0 && clock_mono(&clock_real) < stop;)
		loop_turn(loop, 20);
	close(out[0]);
}

static void test_programs(void **state)
{
	(void)state;
	char url[64], peer[64];
	snprintf(url, sizeof(url), "https://localhost:%d/hello", port);
	snprintf(peer, sizeof(peer), "127.0.0.1:%d", port);
	const char *curl[] = {"curl", "-sS", "--noproxy", "*", "--cacert", certificate, "-i", url, url, NULL};
	run_program(curl, "");
	assert_int_equal(exited, 0);
	starts(heard.data, "HTTP/1.1 200 OK\r\n");
	has(heard.data, "{\"hello\":\"world\"");
	const char *distrusting[] = {"curl", "-sS", "--noproxy", "*", url, NULL};
	run_program(distrusting, "");
	assert_int_equal(exited, 60);
	const char *s_client[] = {"openssl", "s_client", "-connect", peer, "-CAfile", certificate,
		"-verify_return_error", "-verify_hostname", "localhost", "-alpn", "http/1.1", "-quiet", "-tls1_2",
		NULL};
	run_program(s_client, LAST("/hello"));
	has(heard.data, "{\"hello\":\"world\"");
	assert_int_equal(exited, 0);
}

int main(void)
{
#undef T
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup_tls, teardown_tls)
	const struct CMUnitTest tests[] = {
		T(requests),
		T(large_and_slow),
		T(paused_body),
		T(what_is_spoken),
		T(resumed),
		T(renewed),
		T(wrong_files),
		T(cut_handshakes),
		T(byte_by_byte),
		T(garbage),
		T(slow_handshakes),
		T(programs),
	};
	return run("test_tls", tests, sizeof(tests) / sizeof(*tests));
}
