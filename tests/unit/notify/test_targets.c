/* Targets: what is taken, changed, kept over a restart, told of which occasions, and lost. */
#include "scratch.h" /* before rig.h, whose error its functions would shadow */

#include "rig.h"

#include <string.h>

#include "base/caps.h"
#include "base/crypt.h"
#include "notify/targets.h"

#define P256DH "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
#define AUTH "BTBZMqHH6r4Tts7J_aSIgg"
#define PUSH "{\"endpoint\":\"https://push.example/secret\",\"keys\":{\"p256dh\":\"" P256DH "\",\"auth\":\"" AUTH "\"}}"

static struct scratch dir;
static struct vault *vault;
static struct guard *guard;
static struct targets *targets;
static struct target_change c;
static struct err ended;
static int ends;

static void on_change(struct target_change *x, const struct err *why)
{
	(void)x;
	ended = *why;
	ends++;
}

static void reopen(void)
{
	targets_free(targets);
	targets = targets_open(rig.store, vault, guard, &e);
	if (!targets)
		fail_msg("%s", e.text);
}

static int setup(void **state)
{
	scratch_new(&dir);
	vault = vault_open(dir.dir, true, &e);
	guard = guard_new(NULL, &e);
	targets = NULL;
	if (rig_setup(state) != 0 || !vault || !guard)
		return -1;
	reopen();
	return 0;
}

static int teardown(void **state)
{
	targets_free(targets);
	guard_free(guard);
	vault_close(vault);
	scratch_free(&dir);
	return rig_teardown(state);
}

/* The change is begun, or refused at once. */
static int made(int rc)
{
	ends = 0;
	if (rc != 0)
		return -1;
	while (!ends)
		loop_turn(rig.loop, -1);
	assert_int_equal(ends, 1);
	must(ended.code != ERR_OK, &ended);
	return 0;
}

static json_t *json(const char *text)
{
	json_t *v = json_parse(span_of(text), "test", &e);
	if (!v)
		fail_msg("%s", e.text);
	return v;
}

static int hook(const char *text)
{
	cleanup_json json_t *body = json(text);
	c = (struct target_change){.cb = on_change};
	return made(webhook_add(targets, &c, "ann", body, &e));
}

static int change(const char *id, const char *text)
{
	cleanup_json json_t *body = json(text);
	char copy[ID_TEXT];
	snprintf(copy, sizeof(copy), "%s", id); /* it may be c's */
	c = (struct target_change){.cb = on_change};
	return made(webhook_change(targets, &c, "ann", copy, body, &e));
}

static int push(const char *person, const char *text)
{
	cleanup_json json_t *body = json(text);
	c = (struct target_change){.cb = on_change};
	return made(push_add(targets, &c, person, body, &e));
}

static size_t told;
static void add(void *to, const char *target)
{
	(void)to, (void)target;
	told++;
}

static size_t tells(const char *occasion)
{
	cleanup_json json_t *v = json(occasion);
	told = 0;
	webhook_each(targets, v, add, NULL);
	return told;
}

static size_t pushes(const char *person)
{
	told = 0;
	push_each(targets, person, add, NULL);
	return told;
}

static void a_webhook_lives(void **state)
{
	(void)state;
	char id[ID_TEXT], target[NOTICE_TARGET], first[WEBHOOK_SECRET], second[WEBHOOK_SECRET];
	assert_int_equal(hook("{\"url\":\"https://hooks.example/a\"}"), 0);
	strcpy(id, c.id);
	strcpy(first, c.secret);
	snprintf(target, sizeof(target), "webhook/%s", id);
	for (int i = 0; i < 2; i++, reopen()) {
		struct reach r = {NULL};
		must(targets_find(targets, target, &r, &e), &e);
		assert_string_equal(r.address, "https://hooks.example/a");
		assert_string_equal(r.secret, first);
		assert_null(r.old_secret);
		reach_release(&r);
	}
	c = (struct target_change){.cb = on_change};
	assert_int_equal(made(webhook_rotate(targets, &c, "ann", id, &e)), 0);
	strcpy(second, c.secret);
	assert_string_not_equal(first, second);
	struct reach r = {NULL};
	must(targets_find(targets, target, &r, &e), &e);
	assert_string_equal(r.secret, second);
	assert_string_equal(r.old_secret, first);
	reach_release(&r);
	c = (struct target_change){.cb = on_change};
	assert_int_equal(made(webhook_remove(targets, &c, "ann", id, &e)), 0);
	assert_int_equal(targets_find(targets, target, &r, &e), -1);
	cleanup_json json_t *secrets = vault_list(vault, &e), *list = webhook_list(targets, &e);
	assert_int_equal(json_array_size(secrets), 0);
	assert_int_equal(json_array_size(list), 0);
	reopen();
	assert_int_equal(targets_find(targets, target, &r, &e), -1);
	assert_int_equal(webhook_remove(targets, &c, "ann", id, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void what_webhooks_are_told(void **state)
{
	(void)state;
	hook("{\"url\":\"https://hooks.example/all\"}");
	hook("{\"url\":\"https://hooks.example/p\",\"project\":\"p\"}");
	hook("{\"url\":\"https://hooks.example/ended\",\"events\":[\"run.ended\"]}");
	assert_int_equal(tells("{\"type\":\"run.ended\",\"project\":\"p\"}"), 3);
	assert_int_equal(tells("{\"type\":\"run.ended\",\"project\":\"q\"}"), 2);
	assert_int_equal(tells("{\"type\":\"action.opened\",\"project\":\"p\"}"), 2);
	assert_int_equal(change(c.id, "{\"on\":false}"), 0);
	assert_int_equal(tells("{\"type\":\"run.ended\",\"project\":\"p\"}"), 2);
}

static void what_is_no_webhook(void **state)
{
	(void)state;
	assert_int_equal(hook("{}"), -1);
	assert_int_equal(hook("{\"url\":\"http://127.0.0.1/\"}"), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(hook("{\"url\":\"https://x.example/\",\"events\":[\"all\"]}"), -1);
	assert_int_equal(hook("{\"url\":\"https://x.example/\",\"events\":[7]}"), -1);
	assert_int_equal(hook("{\"url\":\"https://x.example/\"}"), 0);
	assert_int_equal(change(c.id, "{\"url\":\"http://10.0.0.1/\"}"), -1);
	assert_int_equal(e.code, ERR_DENIED);
	cleanup_json json_t *secrets = vault_list(vault, &e);
	assert_int_equal(json_array_size(secrets), 1); /* none is left of those that were refused */
	for (int i = 1; i < CAP_WEBHOOKS; i++)
		assert_int_equal(hook("{\"url\":\"https://x.example/\"}"), 0);
	assert_int_equal(hook("{\"url\":\"https://x.example/\"}"), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

static void browsers(void **state)
{
	(void)state;
	char id[ID_TEXT];
	assert_int_equal(push("ann", PUSH), 0);
	strcpy(id, c.id);
	assert_int_equal(push("ann", PUSH), 0); /* the same again */
	assert_string_equal(c.id, id);
	assert_int_equal(pushes("ann"), 1);
	assert_int_equal(pushes("ben"), 0);
	cleanup_json json_t *list = push_list(targets, "ann", &e);
	cleanup_free char *text = json_text(list);
	assert_non_null(strstr(text, "push.example"));
	assert_null(strstr(text, "secret")); /* the endpoint's path is one */
	c = (struct target_change){.cb = on_change};
	assert_int_equal(push_remove(targets, &c, "ben", id, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(push("ben", PUSH), 0); /* another person at the same browser */
	assert_int_equal(pushes("ann"), 0);
	c = (struct target_change){.cb = on_change};
	assert_int_equal(made(push_remove(targets, &c, "ben", id, &e)), 0);
	assert_int_equal(pushes("ben"), 0);
	assert_int_equal(push("ann", "{\"endpoint\":\"http://[::1]/\",\"keys\":{\"p256dh\":\"" P256DH
				     "\",\"auth\":\"" AUTH "\"}}"),
		-1);
	assert_int_equal(
		push("ann", "{\"endpoint\":\"https://x/\",\"keys\":{\"p256dh\":\"x\",\"auth\":\"" AUTH "\"}}"), -1);
	assert_int_equal(push("ann", "{\"endpoint\":\"https://x/\",\"keys\":{}}"), -1);
}

static int push_nth(const char *person, int i)
{
	char body[400];
	snprintf(body, sizeof(body),
		"{\"endpoint\":\"https://push.example/%d\",\"keys\":{\"p256dh\":\"" P256DH "\",\"auth\":\"" AUTH "\"}}",
		i);
	return push(person, body);
}

/* One person's browsers take no room of others. */
static void so_many_browsers_a_person(void **state)
{
	(void)state;
	for (int i = 0; i < CAP_PUSHES_PERSON; i++)
		assert_int_equal(push_nth("ann", i), 0);
	assert_int_equal(push_nth("ann", CAP_PUSHES_PERSON), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_int_equal(push_nth("ann", 0), 0); /* one of hers */
	assert_int_equal(push_nth("ben", CAP_PUSHES_PERSON), 0);
	assert_int_equal(push_nth("ann", CAP_PUSHES_PERSON), -1); /* not that of another, either */
	assert_int_equal(pushes("ann"), CAP_PUSHES_PERSON);
}

static void what_is_lost(void **state)
{
	(void)state;
	char hook_name[NOTICE_TARGET], push_name[NOTICE_TARGET];
	hook("{\"url\":\"https://hooks.example/a\"}");
	snprintf(hook_name, sizeof(hook_name), "webhook/%s", c.id);
	push("ann", PUSH);
	snprintf(push_name, sizeof(push_name), "push/%s", c.id);
	targets_lost(targets, push_name, false); /* away, not gone */
	rig_turn(1000);
	assert_int_equal(pushes("ann"), 1);
	targets_lost(targets, push_name, true);
	targets_lost(targets, hook_name, false);
	targets_lost(targets, "webhook/none", true);
	while (targets_busy(targets))
		loop_turn(rig.loop, -1);
	reopen();
	assert_int_equal(pushes("ann"), 0);
	assert_int_equal(tells("{\"type\":\"run.ended\"}"), 0);
	cleanup_json json_t *list = webhook_list(targets, &e);
	assert_string_equal(json_str(json_array_get(list, 0), "why"), "failing");
	assert_int_equal(change(hook_name + 8, "{\"on\":true}"), 0);
	assert_int_equal(tells("{\"type\":\"run.ended\"}"), 1);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	json_setup();
	if (crypt_setup(&e) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		CASE(a_webhook_lives),
		CASE(what_webhooks_are_told),
		CASE(what_is_no_webhook),
		CASE(browsers),
		CASE(so_many_browsers_a_person),
		CASE(what_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
