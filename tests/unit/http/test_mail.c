/* Mail: the message as it is written, and its way to a server of the test's own, with TLS and without. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/mail.h"
#include "mail_peer.h"
#include "scratch.h"

static struct scratch dir;
static struct loop *loop;
static struct err e;
static char url[64], ca[300];

/* ---- the message ---- */

static const struct mail_server house = {.url = "smtp://localhost", .from = "muster@house.example"};

static const char *written(const char *to, const char *subject, const char *text, const char *id)
{
	static struct buf out;
	struct mail m = {.server = &house, .to = to, .subject = subject, .text = text, .id = id};
	buf_release(&out);
	buf_init(&out, CAP_MAIL);
	err_clear(&e);
	/* 2026-03-01, after a February of 28 days: a Sunday */
	return mail_write(&m, INT64_C(1772323205) * 1000000, &out, &e) == 0 ? out.data : NULL;
}

static void the_message(void **state)
{
	(void)state;
	assert_string_equal(written("ann@example.org", "Approval wanted", "Hello\n\n.dots\nend ", "n-1.a"),
		"From: muster <muster@house.example>\r\n"
		"To: <ann@example.org>\r\n"
		"Subject: Approval wanted\r\n"
		"Date: Sun, 1 Mar 2026 00:00:05 +0000\r\n"
		"Message-ID: <n-1.a@house.example>\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n"
		"Auto-Submitted: auto-generated\r\n"
		"\r\n"
		"Hello\r\n\r\n.dots\r\nend=20\r\n");
}

static void subjects(void **state)
{
	(void)state;
	const char *text = written("a@b.c", "Grüße", "", "1");
	assert_non_null(strstr(text, "\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"));
	/* What looks encoded would be decoded. */
	text = written("a@b.c", "=?utf-8?B?QQ==?=", "", "1");
	assert_non_null(strstr(text, "\r\nSubject: =?utf-8?B?PT91dGYtOD9CP1FRPT0/PQ==?=\r\n"));
	/* 60 characters of three bytes: no word cuts one, none is longer than 75. */
	char many[181] = "";
	for (int i = 0; i < 60; i++)
		strcat(many, "€");
	text = written("a@b.c", many, "", "1");
	const char *at = strstr(text, "Subject: ") + 9;
	int words = 0;
	for (; strncmp(at, "=?utf-8?B?", 10) == 0; words++) {
		const char *end = strstr(at, "?=");
		assert_true(end + 2 - at <= 75);
		assert_int_equal((end - at - 10) % 4, 0);
		assert_int_equal((end - at - 10) / 4 * 3 % 9, 0); /* whole characters */
		at = strncmp(end, "?=\r\n =", 6) == 0 ? end + 5 : end + 4;
	}
	assert_int_equal(words, 4);
	assert_int_equal(strncmp(at, "Date: ", 6), 0);
}

static void long_lines(void **state)
{
	(void)state;
	char line[1001] = "";
	for (int i = 0; i < 250; i++)
		strcat(line, i % 2 ? "ab= " : "ö..");
	const char *body = strstr(written("a@b.c", "x", line, "1"), "\r\n\r\n") + 4;
	char back[2000];
	size_t n = 0;
	while (*body) {
		const char *end = strstr(body, "\r\n");
		assert_non_null(end);
		assert_true(end - body <= 76);
		for (; body < end; body++) {
			unsigned byte;
			if (*body != '=') {
				back[n++] = *body;
			} else if (body + 1 < end) {
				assert_int_equal(sscanf(body + 1, "%2X", &byte), 1);
				back[n++] = (char)byte;
				body += 2;
			}
		}
		body += 2;
	}
	back[n] = 0;
	assert_string_equal(back, line);
}

static void refused(void **state)
{
	(void)state;
	assert_null(written("a@b.c", "x\r\nBcc: all@example.org", "", "1"));
	assert_null(written("a@b.c", "x\nBcc: all@example.org", "", "1"));
	assert_null(written("a@b.c", "x\x7f", "", "1"));
	assert_null(written("a@b.c", "\xff", "", "1"));
	assert_null(written("a@b.c", "x", "\xff", "1"));
	assert_null(written("a@b.c", "x", "", "1>\r\nX: y"));
	assert_null(written("a@b.c", "x", "", ""));
	char longer[CAP_MAIL_SUBJECT + 2];
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = 0;
	assert_null(written("a@b.c", longer, "", "1"));
	assert_int_equal(e.code, ERR_TOO_LARGE);
	static const char *const wrong[] = {"", "a", "@", "a@", "@b", "a@b@c", "a b@c.d", "a@b.c\r\nRCPT TO:<x@y.z>",
		"<a@b.c>", "a@b.c>", "a,b@c.d", "\"a\"@b.c", "ä@b.c", "a@b..", ".a@b.c"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (written(wrong[i], "x", "", "1"))
			fail_msg("%s is taken", wrong[i]);
	assert_true(mail_address_valid("first.last+tag@sub.example.org"));
}

/* ---- the way ---- */

struct sending {
	struct mail m;
	int dones;
	struct err why;
};

static void on_done(struct mail *m, const struct err *why)
{
	struct sending *s = container_of(m, struct sending, m);
	s->dones++;
	s->why = *why;
}

static enum err_code sent(const struct mail_server *server)
{
	struct sending s = {.m = {.server = server,
				    .to = "ann@example.org",
				    .subject = "Approval wanted",
				    .text = "One\n.\n.two\n",
				    .id = "n1",
				    .on_done = on_done}};
	must(mail_start(&s.m, loop, &e), &e);
	assert_int_equal(s.dones, 0);
	while (!s.dones)
		loop_turn(loop, 1000);
	assert_int_equal(s.dones, 1);
	e = s.why;
	return s.why.code;
}

static int setup(void **state)
{
	(void)state;
	scratch_new(&dir);
	loop = loop_new(&e);
	snprintf(ca, sizeof(ca), "%s", at(&dir, "ca.pem"));
	mail_peer_start(ca);
	snprintf(url, sizeof(url), "smtp://localhost:%d", mail_peer.port);
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	mail_peer_stop();
	scratch_free(&dir);
	return 0;
}

static void without_tls(void **state)
{
	(void)state;
	struct mail_server s = {.url = url, .from = "muster@house.example", .plain = true};
	assert_int_equal(sent(&s), ERR_OK);
	assert_int_equal(mail_peer.messages, 1);
	assert_non_null(strstr(mail_peer.log, "MAIL FROM:<muster@house.example>"));
	assert_non_null(strstr(mail_peer.log, "RCPT TO:<ann@example.org>"));
	assert_non_null(strstr(mail_peer.message, "\nSubject: Approval wanted\n"));
	assert_non_null(strstr(mail_peer.message, "\n\nOne\n.\n.two\n"));
	assert_false(mail_peer.message_in_tls);
}

/* A server without TLS gets neither the message nor the password unless the configuration says so. */
static void tls_is_wanted(void **state)
{
	(void)state;
	struct mail_server s = {.url = url, .from = "muster@house.example", .user = "u", .password = "p4ssword"};
	mail_peer.offers_auth = true;
	assert_int_equal(sent(&s), ERR_NETWORK);
	assert_int_equal(mail_peer.messages, 0);
	assert_string_equal(mail_peer.login, "");
	s.plain = true;
	struct mail m = {.server = &s, .to = "a@b.c", .subject = "", .text = "", .id = "1"};
	assert_int_equal(mail_start(&m, loop, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
}

static void starttls_with_a_password(void **state)
{
	(void)state;
	struct mail_server s = {
		.url = url, .from = "muster@house.example", .user = "u", .password = "p4ssword", .ca_file = ca};
	mail_peer.offers_tls = mail_peer.offers_auth = true;
	assert_int_equal(sent(&s), ERR_OK);
	assert_true(mail_peer.message_in_tls && mail_peer.login_in_tls);
	assert_string_equal(mail_peer.login, "AHUAcDRzc3dvcmQ="); /* NUL u NUL p4ssword */
}

static void tls_is_used_where_offered(void **state)
{
	(void)state;
	struct mail_server s = {.url = url, .from = "muster@house.example", .ca_file = ca, .plain = true};
	mail_peer.offers_tls = true;
	assert_int_equal(sent(&s), ERR_OK);
	assert_true(mail_peer.message_in_tls);
}

static void smtps(void **state)
{
	(void)state;
	struct mail_server s = {.url = url, .from = "muster@house.example", .ca_file = ca};
	snprintf(url, sizeof(url), "smtps://localhost:%d", mail_peer.port);
	mail_peer.smtps = true;
	assert_int_equal(sent(&s), ERR_OK);
	assert_true(mail_peer.message_in_tls);
}

/* An unknown certificate, or one for another name. */
static void certificates_are_checked(void **state)
{
	(void)state;
	struct mail_server s = {.url = url, .from = "muster@house.example", .plain = true};
	mail_peer.offers_tls = true;
	assert_int_equal(sent(&s), ERR_NETWORK);
	snprintf(url, sizeof(url), "smtp://127.0.0.1:%d", mail_peer.port);
	s.ca_file = ca;
	assert_int_equal(sent(&s), ERR_NETWORK);
	assert_int_equal(mail_peer.messages, 0);
}

/* 5xx is for good, 4xx for now. */
static void refusals(void **state)
{
	(void)state;
	struct mail_server s = {.url = url, .from = "muster@house.example", .plain = true};
	static const char *const places[] = {"MAIL", "RCPT", "DATA", "."};
	for (size_t i = 0; i < 4; i++) {
		mail_peer.refuse_at = places[i];
		mail_peer.refuse = "550 not here\r\n";
		if (sent(&s) != ERR_DENIED || !strstr(e.text, "550"))
			fail_msg("%s: %s", places[i], e.text);
		mail_peer.refuse = "451 later\r\n";
		if (sent(&s) != ERR_NETWORK)
			fail_msg("%s: %s", places[i], e.text);
	}
	mail_peer.refuse = NULL;
	assert_int_equal(sent(&s), ERR_OK);
}

static void nobody_there(void **state)
{
	(void)state;
	struct mail_server s = {.url = url, .from = "muster@house.example", .plain = true};
	mail_peer_stop();
	assert_int_equal(sent(&s), ERR_NETWORK);
	mail_peer_start(ca);
}

static void a_silent_server_is_left(void **state)
{
	(void)state;
	struct mail_server s = {.url = url, .from = "muster@house.example", .plain = true};
	struct sending x = {
		.m = {.server = &s, .to = "a@b.c", .subject = "", .text = "", .id = "1", .on_done = on_done}};
	mail_peer.silent = true;
	must(mail_start(&x.m, loop, &e), &e);
	while (!mail_peer.connections)
		loop_turn(loop, 10);
	mail_cancel(&x.m);
	while (!x.dones)
		loop_turn(loop, 1000);
	assert_int_equal(x.why.code, ERR_CANCELLED);
}

static void servers(void **state)
{
	(void)state;
	static const struct mail_server wrong[] = {{.url = "http://localhost", .from = "a@b.c"},
		{.url = "localhost", .from = "a@b.c"}, {.url = "smtp://u:p@localhost", .from = "a@b.c"},
		{.url = "smtp://localhost", .from = "a"}, {.url = "smtp://localhost", .from = "a@b.c\r\n"},
		{.url = "file:///etc/passwd", .from = "a@b.c"}};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (mail_server_check(&wrong[i], &e) == 0)
			fail_msg("%s %s", wrong[i].url, wrong[i].from);
	must(mail_server_check(&house, &e), &e);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	json_setup();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_message),
		cmocka_unit_test(subjects),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(refused),
		cmocka_unit_test(servers),
		CASE(without_tls),
		CASE(tls_is_wanted),
		CASE(starttls_with_a_password),
		CASE(tls_is_used_where_offered),
		CASE(smtps),
		CASE(certificates_are_checked),
		CASE(refusals),
		CASE(nobody_there),
		CASE(a_silent_server_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
