/* Letters about accounts on their way to a mail server of the test's own. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../http/mail_peer.h"
#include "base/crypt.h"
#include "notify/letter.h"
#include "scratch.h"

#define MINUTE ((int64_t)60 * 1000000)

static struct scratch dir;
static struct loop *loop;
static struct letters *letters;
static struct mail_server server;
static struct err e;
static char url[64];

static int setup(void **state)
{
	(void)state;
	scratch_new(&dir);
	mail_peer_start(at(&dir, "ca.pem"));
	snprintf(url, sizeof(url), "smtp://localhost:%d", mail_peer.port);
	server = (struct mail_server){.url = url, .from = "muster@house.example", .plain = true};
	loop = loop_new_sim(1, 1700000000 * (int64_t)1000000, &e);
	letters = loop ? letters_new(loop, &server, "https://house.example", &e) : NULL;
	return letters ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	letters_free(letters);
	loop_free(loop);
	mail_peer_stop();
	scratch_free(&dir);
	return 0;
}

static bool sent(const char *kind, const char *to)
{
	return letters_send(letters, &(struct account_mail){kind, to, "Ann", "mt_token"});
}

/* Until none waits; how long that took. */
static int64_t all_gone(void)
{
	int64_t from = clock_mono(loop_clock(loop));
	while (letters_waiting(letters) > 0)
		loop_turn(loop, -1);
	return clock_mono(loop_clock(loop)) - from;
}

static void is_sent(void **state)
{
	(void)state;
	assert_true(sent("reset", "ann@example.org"));
	assert_int_equal(mail_peer.connections, 0); /* not from inside */
	all_gone();
	assert_int_equal(mail_peer.messages, 1);
	assert_non_null(strstr(mail_peer.message, "\nTo: <ann@example.org>\n"));
	assert_non_null(strstr(mail_peer.message, "\nhttps://house.example/reset#mt_token\n"));
	assert_false(sent("nonsense", "ann@example.org"));
	assert_false(sent("reset", "ann@example.org\r\nX: y"));
	server.url = NULL;
	assert_false(sent("reset", "ann@example.org"));
	assert_int_equal(letters_waiting(letters), 0);
}

static void is_not_tried_again_when_refused(void **state)
{
	(void)state;
	mail_peer.refuse_at = "RCPT";
	mail_peer.refuse = "550 not here\r\n";
	assert_true(sent("reset", "ann@example.org"));
	assert_true(all_gone() < MINUTE);
	assert_int_equal(mail_peer.connections, 1);
}

static void is_given_up_after_the_third_failure(void **state)
{
	(void)state;
	mail_peer.refuse_at = "RCPT";
	mail_peer.refuse = "451 later\r\n";
	assert_true(sent("reset", "ann@example.org"));
	assert_true(all_gone() >= 5 * MINUTE);
	assert_int_equal(mail_peer.connections, 3);
	assert_int_equal(mail_peer.messages, 0);
}

/* The others go out while one rests. */
static void one_that_failed_keeps_none_back(void **state)
{
	(void)state;
	mail_peer.refuse_at = "RCPT TO:<ann";
	mail_peer.refuse = "451 later\r\n";
	assert_true(sent("reset", "ann@example.org"));
	assert_true(sent("verify", "bob@example.org"));
	assert_true(sent("invite", "eve@example.org"));
	while (letters_waiting(letters) > 1)
		loop_turn(loop, -1);
	assert_int_equal(mail_peer.messages, 2);
	assert_int_equal(mail_peer.connections, 3);
	all_gone();
}

static bool worked;

static void do_nothing(struct work *w)
{
	(void)w;
}

static void on_worked(struct work *w)
{
	(void)w;
	worked = true;
}

/* A server that takes connections and says nothing; sets the URL. */
static int silent_server(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
	assert_int_equal(listen(fd, 64), 0);
	snprintf(url, sizeof(url), "smtp://127.0.0.1:%d", ntohs(a.sin_port));
	return fd;
}

/* However many wait for a server that hangs, the pool's other threads are free. */
static void a_server_that_hangs_holds_one_thread(void **state)
{
	struct work work = {0};
	int fd = silent_server(), first = -1;
	(void)state;
	letters_free(letters);
	loop_free(loop);
	loop = loop_new(&e);
	letters = letters_new(loop, &server, "", &e);
	for (int i = 0; i < 20; i++)
		assert_true(sent("reset", "ann@example.org"));
	while (first < 0) {
		loop_turn(loop, 10);
		first = accept(fd, NULL, NULL);
	}
	worked = false;
	must(work_start(&work, loop, do_nothing, on_worked, &e), &e);
	while (!worked) {
		loop_turn(loop, 10);
		assert_int_equal(accept(fd, NULL, NULL), -1); /* no second one */
	}
	assert_int_equal(letters_waiting(letters), 20);
	close(first);
	close(fd);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	if (crypt_setup(&e) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		CASE(is_sent),
		CASE(is_not_tried_again_when_refused),
		CASE(is_given_up_after_the_third_failure),
		CASE(one_that_failed_keeps_none_back),
		CASE(a_server_that_hangs_holds_one_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
