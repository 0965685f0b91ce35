/* The outbox: nothing is lost or sent twice under a new id, tries grow apart and end, few are under way at once. */
#include "rig.h"

#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "base/crypt.h"

#define MINUTE 60000
#define HOUR (60ll * MINUTE)

static struct outbox *box;

static struct outbox *opened(void)
{
	struct outbox *b = outbox_open(rig.loop, rig.store, &rig.sender, 1, &e);
	if (!b)
		fail_msg("%s", e.text);
	return b;
}

static int setup(void **state)
{
	if (rig_setup(state) != 0)
		return -1;
	box = opened();
	return 0;
}

static void closed(struct outbox *b)
{
	outbox_stop(b);
	while (outbox_busy(b))
		loop_turn(rig.loop, -1);
	outbox_free(b);
}

static int teardown(void **state)
{
	closed(box);
	return rig_teardown(state);
}

static int add(const char *occasion, const char *target)
{
	cleanup_json json_t *about = json_pack("{s:s}", "run", occasion);
	return outbox_add(box, occasion, target, about, &e);
}

static void delivered_once(void **state)
{
	(void)state;
	assert_int_equal(add("a", "mail/p1"), 1);
	assert_int_equal(add("a", "mail/p1"), 0);
	assert_int_equal(add("a", "mail/p2"), 1);
	assert_int_equal(add("b", "mail/p1"), 1);
	assert_int_equal(rig.count, 0); /* not from inside, and not before it is kept */
	rig_turn(MINUTE);
	assert_int_equal(rig.count, 3);
	assert_string_not_equal(rig.tries[0].id, rig.tries[1].id);
	assert_string_equal(rig.tries[0].about, "{\"run\":\"a\"}");
	assert_int_equal(outbox_waiting(box), 0);
	assert_int_equal(rig_records(), 3);
	assert_int_equal(add("a", "mail/p1"), 0);
	rig_turn(HOUR);
	assert_int_equal(rig.count, 3);
}

static void waits_grow_until_the_day_is_over(void **state)
{
	(void)state;
	rig.how = NOTICE_AGAIN;
	add("a", "webhook/w");
	rig_turn(30 * HOUR);
	assert_true(rig.count > 24 && rig.count < 50);
	int64_t last = 0;
	for (size_t i = 1; i < rig.count; i++) {
		int64_t wait = rig.tries[i].at - rig.tries[i - 1].at;
		assert_string_equal(rig.tries[i].id, rig.tries[0].id);
		assert_true(wait >= TIME_NOTICE_RETRY * 3 / 4);
		assert_true(wait <= TIME_NOTICE_RETRY_MOST * 5 / 4 + 1000);
		if (i < 6) /* doubled, and a quarter of jitter at most */
			assert_true(wait > last);
		last = wait;
	}
	assert_true(last >= TIME_NOTICE_RETRY_MOST * 3 / 4);
	assert_int_equal(outbox_waiting(box), 0);
	struct audit_query q = {.what = "notice.given_up", .limit = 10};
	cleanup_json json_t *audit = store_audit(rig.store, &q, &e);
	assert_int_equal(json_array_size(audit), 1);
	assert_string_equal(json_str(json_array_get(audit, 0), "object"), "webhook/w");
}

/* However many notices a target has, it is asked seldom while it fails, and given up after about a day of it. */
static void failures_in_a_row_are_told(void **state)
{
	(void)state;
	rig.how = NOTICE_AGAIN;
	for (int i = 0; i < 100; i++) {
		char name[8];
		snprintf(name, sizeof(name), "a%d", i);
		add(name, "webhook/w");
	}
	rig_turn(10 * MINUTE);
	assert_in_range(rig.count, 3, 8);
	rig.how = NOTICE_DELIVERED; /* one success forgives */
	rig_turn(20 * MINUTE);
	assert_int_equal(outbox_waiting(box), 0);
	rig.how = NOTICE_AGAIN;
	int hours = 0;
	for (; hours < 100 && rig.failings == 0; hours++) {
		char name[8];
		snprintf(name, sizeof(name), "b%d", hours);
		add(name, "webhook/w");
		rig_turn(HOUR);
	}
	assert_in_range(hours, 18, 36);
	rig_turn(10 * HOUR);
	assert_int_equal(rig.failings, 1);
}

static void other_targets_do_not_wait(void **state)
{
	(void)state;
	rig.how = NOTICE_AGAIN;
	add("a", "webhook/w");
	rig_turn(1000);
	rig.how = NOTICE_DELIVERED;
	add("a", "webhook/x");
	add("b", "webhook/w");
	rig_turn(1000);
	assert_int_equal(rig.count, 2);
	assert_string_equal(rig.tries[1].target, "webhook/x");
	rig_turn(MINUTE);
	assert_int_equal(rig.count, 4);
}

static void what_a_target_asks_for(void **state)
{
	(void)state;
	rig.how = NOTICE_AGAIN;
	rig.wait_ms = 2 * HOUR;
	add("a", "webhook/w");
	rig_turn(MINUTE);
	rig.how = NOTICE_DELIVERED;
	rig_turn(110 * MINUTE);
	assert_int_equal(rig.count, 1);
	rig_turn(20 * MINUTE);
	assert_int_equal(rig.count, 2);
}

static void never_is_never(void **state)
{
	(void)state;
	rig.how = NOTICE_NEVER;
	add("a", "push/x");
	rig_turn(HOUR);
	rig.refuses = true;
	add("b", "push/x");
	rig_turn(HOUR);
	assert_int_equal(rig.count, 2);
	assert_int_equal(outbox_waiting(box), 0);
	assert_int_equal(rig.failings, 0);
}

static void few_at_once(void **state)
{
	(void)state;
	rig.takes_ms = 5000;
	for (int i = 0; i < 300; i++) {
		char target[32];
		snprintf(target, sizeof(target), "%s/%d", i % 3 ? "webhook" : "mail", i % 50);
		char occasion[32];
		snprintf(occasion, sizeof(occasion), "o%d", i);
		assert_int_equal(add(occasion, target), 1);
	}
	rig_turn(20 * MINUTE);
	assert_int_equal(rig.count, 300);
	assert_int_equal(rig.most_under_way, CAP_NOTICES_SENDING);
	assert_int_equal(rig.most_mail, 1);
	/* one target gets one at a time, in order */
	rig.count = 0;
	for (int i = 0; i < 3; i++) {
		char occasion[32];
		snprintf(occasion, sizeof(occasion), "same%d", i);
		add(occasion, "webhook/1");
	}
	rig.most_under_way = 0;
	rig_turn(MINUTE);
	assert_int_equal(rig.count, 3);
	assert_int_equal(rig.most_under_way, 1);
}

/* A kill: another outbox over the same journal, whatever this one has in memory. */
static void a_kill_loses_nothing(void **state)
{
	(void)state;
	rig.takes_ms = HOUR;
	add("a", "mail/p1"); /* its try is under way */
	rig_turn(1000);
	assert_int_equal(rig.count, 1);
	char id[NOTICE_ID];
	memcpy(id, rig.tries[0].id, NOTICE_ID);
	rig.how = NOTICE_AGAIN;
	rig.takes_ms = 10;
	add("b", "webhook/w"); /* it waits for its second try */
	rig_turn(1000);
	rig.how = NOTICE_DELIVERED;
	add("c", "webhook/x"); /* it is done */
	rig_turn(1000);
	assert_int_equal(rig.count, 3);
	struct outbox *killed = box;
	box = opened();
	assert_int_equal(outbox_waiting(box), 2);
	rig_turn(1000);
	assert_int_equal(rig.count, 4); /* again, with the same id */
	assert_string_equal(rig.tries[3].id, id);
	assert_int_equal(add("a", "mail/p1"), 0);
	assert_int_equal(add("c", "webhook/x"), 0);
	closed(killed);
}

static void a_stop_is_no_failure(void **state)
{
	(void)state;
	rig.takes_ms = HOUR;
	rig.how = NOTICE_NEVER;
	add("a", "mail/p1");
	rig_turn(1000);
	closed(box);
	assert_int_equal(rig.count, 1);
	box = opened();
	assert_int_equal(outbox_waiting(box), 1);
	rig.how = NOTICE_DELIVERED;
	rig.takes_ms = 10;
	rig_turn(1000);
	assert_int_equal(rig.count, 2);
	assert_int_equal(outbox_waiting(box), 0);
}

static void what_is_delivered_while_it_stops_is_kept(void **state)
{
	(void)state;
	rig.takes_ms = HOUR;
	add("a", "mail/p1");
	rig_turn(1000);
	closed(box); /* the cancel came too late: the try ends as delivered */
	box = opened();
	assert_int_equal(outbox_waiting(box), 0);
	assert_int_equal(add("a", "mail/p1"), 0);
}

static void forgotten_after_a_day(void **state)
{
	(void)state;
	for (int i = 0; i < 450; i++) {
		char occasion[32];
		snprintf(occasion, sizeof(occasion), "o%d", i);
		add(occasion, "webhook/w");
	}
	rig_turn(HOUR);
	assert_int_equal(rig_records(), 450);
	rig_turn(25 * HOUR);
	assert_int_equal(rig_records(), 0);
	assert_int_equal(add("o1", "webhook/w"), 1);
}

static bool of_run_a(void *ctx, const json_t *about)
{
	(void)ctx;
	return strcmp(json_str(about, "run"), "a") == 0;
}

static void what_is_not_wanted_any_more(void **state)
{
	(void)state;
	add("a", "webhook/w");
	add("b", "webhook/w");
	outbox_drop(box, of_run_a, NULL);
	rig_turn(MINUTE);
	assert_int_equal(rig.count, 1);
	assert_string_equal(rig.tries[0].about, "{\"run\":\"b\"}");
	assert_int_equal(outbox_waiting(box), 0);
	assert_int_equal(add("a", "webhook/w"), 0);
}

/* How many more a target takes. */
static int fill(const char *target)
{
	char occasion[32];
	for (int i = 0;; i++) {
		snprintf(occasion, sizeof(occasion), "o%d", i);
		if (add(occasion, target) < 0)
			return i;
		assert_true(i <= CAP_NOTICES);
	}
}

static void full(void **state)
{
	(void)state;
	char target[32];
	rig.takes_ms = HOUR * 48;
	for (int i = 0; i < 10; i++) {
		snprintf(target, sizeof(target), "webhook/%d", i);
		assert_int_equal(fill(target), CAP_NOTICES / 10);
		assert_int_equal(e.code, ERR_OVERLOADED);
	}
	assert_int_equal(add("one more", "webhook/w"), -1);
	assert_int_equal(e.code, ERR_OVERLOADED);
	rig_turn(1000);
	assert_int_equal(rig_records(), CAP_NOTICES);
}

/* With all the browsers that they may have. */
static void a_person_has_a_tenth_of_the_room(void **state)
{
	(void)state;
	char target[32];
	int count = 0;
	rig.takes_ms = HOUR * 48;
	for (int i = 0; i < CAP_PUSHES_PERSON; i++) {
		snprintf(target, sizeof(target), "push/%d", i);
		count += fill(target);
	}
	assert_int_equal(count, CAP_NOTICES / 10);
}

/* What was delivered takes no room, and is remembered as far as there is some. */
static void what_is_only_remembered_takes_no_room(void **state)
{
	(void)state;
	char target[32];
	rig.refuses = true; /* given up at once */
	for (int i = 0; i < RIG_TRIES / 1000; i++) {
		snprintf(target, sizeof(target), "webhook/%d", i);
		assert_int_equal(fill(target), CAP_NOTICES / 10);
		rig_turn(MINUTE);
		assert_int_equal(outbox_waiting(box), 0);
	}
	rig.refuses = false;
	rig.takes_ms = HOUR * 48;
	assert_int_equal(add("one more", "webhook/0"), 1);
	for (int i = 0; i < 10; i++) {
		snprintf(target, sizeof(target), "webhook/w%d", i);
		assert_int_equal(fill(target), i < 9 ? CAP_NOTICES / 10 : CAP_NOTICES / 10 - 1);
	}
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	json_setup();
	if (crypt_setup(&e) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		CASE(delivered_once),
		CASE(waits_grow_until_the_day_is_over),
		CASE(failures_in_a_row_are_told),
		CASE(other_targets_do_not_wait),
		CASE(what_a_target_asks_for),
		CASE(never_is_never),
		CASE(few_at_once),
		CASE(a_kill_loses_nothing),
		CASE(a_stop_is_no_failure),
		CASE(what_is_delivered_while_it_stops_is_kept),
		CASE(forgotten_after_a_day),
		CASE(what_is_not_wanted_any_more),
		CASE(full),
		CASE(a_person_has_a_tenth_of_the_room),
		CASE(what_is_only_remembered_takes_no_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
