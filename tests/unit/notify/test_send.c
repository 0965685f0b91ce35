/* Notices on their way out for real: to a mail server, a webhook's and a push service of the test's own. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "../http/client_peer.h"
#include "../http/mail_peer.h"
#include "base/caps.h"
#include "base/crypt.h"
#include "http/webhook.h"
#include "notify/outbox.h"
#include "notify/send.h"
#include "scratch.h"

static struct scratch dir;
static struct loop *loop;
static struct store *store;
static struct http *http;
static struct guard *guard;
static struct sender *sender;
static struct outbox *box;
static struct err e;
static char mail_url[64], hook_url[64], secret[WEBHOOK_SECRET], old_secret[WEBHOOK_SECRET], lost[200];
static bool rotating;

static int find(void *ctx, const char *target, struct reach *r, struct err *why)
{
	(void)ctx;
	if (strcmp(target, "mail/p1") == 0) {
		r->address = mem_strdup("ann@example.org");
	} else if (strcmp(target, "webhook/w") == 0) {
		r->address = mem_strdup(hook_url);
		r->secret = mem_strdup(secret);
		r->old_secret = rotating ? mem_strdup(old_secret) : NULL;
	} else if (strcmp(target, "push/b") == 0) {
		r->address = mem_strdup(hook_url);
		r->p256dh = mem_strdup(
			"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
		r->auth = mem_strdup("BTBZMqHH6r4Tts7J_aSIgg");
	} else {
		return err_set(why, ERR_NOT_FOUND, "no such target");
	}
	return 0;
}

static void on_lost(void *ctx, const char *target, bool gone)
{
	(void)ctx;
	snprintf(lost, sizeof(lost), "%s %s", target, gone ? "gone" : "failing");
}

static void open_box(const char *exempt)
{
	cleanup_json json_t *list = json_pack("[s]", exempt);
	guard = guard_new(list, &e);
	assert_non_null(guard);
	struct send_options o = {.loop = loop,
		.http = http,
		.guard = guard,
		.mail = {.url = mail_url, .from = "muster@house.example", .plain = true},
		.base = "https://house.example",
		.push_key = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
		.contact = "mailto:ops@house.example",
		.find = find,
		.lost = on_lost};
	sender = send_new(&o, &e);
	assert_non_null(sender);
	box = outbox_open(loop, store, sender, 1, &e);
	assert_non_null(box);
}

static int setup(void **state)
{
	static const uint8_t key[KEY_SIZE] = {1};
	struct store_options o = {.access = STORE_OWN, .chain_key = key};
	(void)state;
	scratch_new(&dir);
	mail_peer_start(at(&dir, "ca.pem"));
	peer_listen(0);
	snprintf(mail_url, sizeof(mail_url), "smtp://localhost:%d", mail_peer.port);
	snprintf(hook_url, sizeof(hook_url), "http://127.0.0.1:%d/hook", peer.port);
	webhook_secret_new(secret);
	webhook_secret_new(old_secret);
	lost[0] = 0;
	rotating = false;
	loop = loop_new(&e);
	store = loop ? store_open(loop, &o, &e) : NULL;
	http = loop ? http_new(loop, &e) : NULL;
	return store && http ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	outbox_stop(box);
	while (outbox_busy(box))
		loop_turn(loop, 100);
	outbox_free(box);
	send_free(sender);
	guard_free(guard);
	http_free(http);
	store_close(store);
	loop_free(loop);
	mail_peer_stop();
	peer_stop();
	scratch_free(&dir);
	return 0;
}

static void tell(const char *target)
{
	cleanup_json json_t *about = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "type", "action.opened", "run",
		"r1", "title", "Build it", "action", "a1", "kind", "gate", "subject", "Ship it?", "at",
		(json_int_t)1700000000000000);
	assert_int_equal(outbox_add(box, "o1", target, about, &e), 1);
}

static void told(void)
{
	while (outbox_waiting(box) > 0)
		loop_turn(loop, 100);
}

static void by_mail(void **state)
{
	(void)state;
	open_box("127.0.0.1");
	tell("mail/p1");
	told();
	assert_int_equal(mail_peer.messages, 1);
	assert_non_null(strstr(mail_peer.message, "\nTo: <ann@example.org>\n"));
	assert_non_null(strstr(mail_peer.message, "\nSubject: To approve: Ship it?\n"));
	assert_non_null(strstr(mail_peer.message, "\nhttps://house.example/runs/r1/actions/a1\n"));
}

/* A header's value as the peer saw it. */
static const char *seen(const char *name)
{
	static char room[4][512];
	static int next;
	char *out = room[next++ % 4];
	const char *from = strcasestr(peer.seen, name);
	assert_non_null(from);
	from += strlen(name);
	snprintf(out, 512, "%.*s", (int)strcspn(from, "\r"), from);
	return out;
}

static void by_webhook(void **state)
{
	(void)state;
	peer.answer = span_of("HTTP/1.1 204 Fine\r\n\r\n");
	rotating = true;
	open_box("127.0.0.1");
	tell("webhook/w");
	told();
	assert_int_equal(peer.requests, 1);
	assert_string_equal(seen("content-type: "), "application/json");
	const char *id = seen("webhook-id: "), *stamp = seen("webhook-timestamp: "),
		   *sign = seen("webhook-signature: ");
	struct span body = span_of(strstr(peer.seen, "\r\n\r\n") + 4);
	int64_t now = clock_wall(loop_clock(loop)) / 1000000;
	assert_true(webhook_verify(secret, id, stamp, sign, body, now));
	assert_true(webhook_verify(old_secret, id, stamp, sign, body, now));
	cleanup_json json_t *v = json_parse(body, "body", &e);
	assert_string_equal(json_str(v, "type"), "action.opened");
	assert_string_equal(json_str(json_get(v, "data"), "action"), "a1");
}

static void by_push(void **state)
{
	(void)state;
	peer.answer = span_of("HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n");
	open_box("127.0.0.1");
	tell("push/b");
	told();
	assert_int_equal(peer.requests, 1);
	assert_string_equal(seen("content-encoding: "), "aes128gcm");
	assert_int_equal(strncmp(seen("authorization: "), "vapid t=", 8), 0);
	assert_string_equal(lost, "");
}

static void a_subscription_that_is_gone(void **state)
{
	(void)state;
	peer.answer = span_of("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
	open_box("127.0.0.1");
	tell("push/b");
	told();
	assert_string_equal(lost, "push/b gone");
}

/* Rows 30 and 31 of the threat table: nothing goes inside the house. */
static void the_guard_holds(void **state)
{
	(void)state;
	open_box("192.0.2.1");
	tell("webhook/w");
	tell("push/b");
	told();
	assert_int_equal(peer.connections, 0);
	assert_string_equal(lost, "");
}

static void a_target_that_is_not_there(void **state)
{
	(void)state;
	open_box("127.0.0.1");
	tell("webhook/none");
	told();
	assert_int_equal(peer.connections, 0);
}

static void a_stop_in_the_middle(void **state)
{
	(void)state;
	peer.answer = span_of("HTTP/1.1 204 Fine\r\n\r\n");
	peer.pause_after_ms = 60000;
	open_box("127.0.0.1");
	tell("webhook/w");
	while (!peer.requests)
		loop_turn(loop, 10);
	outbox_stop(box);
	while (outbox_busy(box))
		loop_turn(loop, 100);
	assert_int_equal(outbox_waiting(box), 1);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	json_setup();
	if (crypt_setup(&e) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		CASE(by_mail),
		CASE(by_webhook),
		CASE(by_push),
		CASE(a_subscription_that_is_gone),
		CASE(the_guard_holds),
		CASE(a_target_that_is_not_there),
		CASE(a_stop_in_the_middle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
