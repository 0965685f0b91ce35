/* Occasions: what people are told of, when they are reminded, and that a restart neither forgets nor repeats. */
#include "rig.h"

#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "base/crypt.h"
#include "notify/notify.h"

#define MINUTE 60000
#define HOUR (60ll * MINUTE)

static struct notify *notify;
static json_t *told; /* what whom() was asked about */
static bool nobody;

static void whom(void *ctx, const json_t *occasion, void (*add)(void *to, const char *target), void *to)
{
	(void)ctx;
	json_array_append(told, (json_t *)occasion);
	if (!nobody)
		add(to, "mail/p1");
}

static void open_it(void)
{
	struct notify_options o = {.loop = rig.loop,
		.store = rig.store,
		.sender = &rig.sender,
		.seed = 1,
		.remind_ms = HOUR,
		.understand_ms = 5 * MINUTE,
		.whom = whom};
	notify = notify_open(&o, &e);
	if (!notify)
		fail_msg("%s", e.text);
}

static void close_it(void)
{
	notify_stop(notify);
	while (notify_busy(notify))
		loop_turn(rig.loop, -1);
	notify_free(notify);
	notify = NULL;
}

static int setup(void **state)
{
	told = json_array();
	nobody = false;
	return rig_setup(state);
}

static int teardown(void **state)
{
	if (notify) /* the test failed */
		close_it();
	json_decref(told);
	return rig_teardown(state);
}

/* Append an event with this payload to a run's stream. */
static void happens(const char *run, enum event_type type, const char *payload)
{
	char stream[80];
	struct event ev = {.type = type, .at = clock_wall(loop_clock(rig.loop)), .seq = APPEND_AT_END};
	struct append a = {.stream = stream, .events = &ev, .event_count = 1};
	snprintf(stream, sizeof(stream), "run/%s", run);
	id_new(ev.id, ev.at, NULL);
	ev.data = blob_new(payload, strlen(payload));
	must(store_append_wait(rig.store, &a, &e), &e);
	event_release(&ev);
}

static void created(const char *run, const char *more)
{
	char text[300];
	snprintf(text, sizeof(text),
		"{\"mode\":\"build\",\"project\":\"p\",\"dir\":\"/d\",\"title\":\"Build it\",\"user\":\"u1\"%s}", more);
	happens(run, EVENT_RUN_CREATED, text);
	happens(run, EVENT_RUN_STARTED, "{\"segment\":0}");
}

#define OPENED "{\"action\":\"a1\",\"name\":\"ship\",\"kind\":\"gate\",\"title\":\"Ship it?\",\"priority\":\"high\"}"

/* "TYPE TITLE|SUBJECT" of the n-th occasion */
static void told_is(size_t n, const char *want)
{
	char text[200];
	const json_t *v = json_array_get(told, n);
	const char *subject = json_str(v, "subject"), *state = json_str(v, "state");
	snprintf(text, sizeof(text), "%s %s|%s", json_str(v, "type"), json_str(v, "title"),
		subject ? subject
		: state ? state
			: "");
	assert_string_equal(text, want);
}

static void an_action_that_opens(void **state)
{
	(void)state;
	open_it();
	created("r1", "");
	happens("r1", EVENT_ACTION_OPENED, OPENED);
	rig_turn(1000);
	assert_int_equal(json_array_size(told), 1);
	told_is(0, "action.opened Build it|Ship it?");
	const json_t *v = json_array_get(told, 0);
	assert_string_equal(json_str(v, "run"), "r1");
	assert_string_equal(json_str(v, "action"), "a1");
	assert_string_equal(json_str(v, "kind"), "gate");
	assert_string_equal(json_str(v, "priority"), "high");
	assert_string_equal(json_str(v, "project"), "p");
	assert_string_equal(json_str(v, "user"), "u1");
	assert_int_equal(rig.count, 1);
	close_it();
}

static void reminders(void **state)
{
	(void)state;
	open_it();
	created("r1", "");
	happens("r1", EVENT_ACTION_OPENED, OPENED);
	rig_turn(59 * MINUTE);
	assert_int_equal(json_array_size(told), 1);
	rig_turn(2 * MINUTE);
	assert_int_equal(json_array_size(told), 2);
	told_is(1, "action.reminder Build it|Ship it?");
	assert_int_equal(json_int(json_array_get(told, 1), "count", 0), 1);
	rig_turn(118 * MINUTE); /* the next after twice as long */
	assert_int_equal(json_array_size(told), 2);
	rig_turn(2 * MINUTE);
	assert_int_equal(json_array_size(told), 3);
	rig_turn(100 * HOUR); /* no more than five */
	assert_int_equal(json_array_size(told), 1 + CAP_NOTIFY_REMINDERS);
	assert_int_equal(rig.count, 1 + CAP_NOTIFY_REMINDERS);
	close_it();
}

static int seen; /* reminders that live clients were shown */
static char shown[200];

static void on_shown(struct tail *t, const char *stream, const struct event *ev)
{
	(void)t, (void)stream;
	if (ev->type != EVENT_ACTION_REMINDED)
		return;
	seen++;
	snprintf(shown, sizeof(shown), "%s", blob_span(ev->data).p);
}

static void live_clients_are_shown_reminders(void **state)
{
	struct tail tails[] = {{.stream = "run/r1", .cb = on_shown}, {.stream = "project/p", .cb = on_shown}};
	(void)state;
	nobody = true;
	seen = 0;
	open_it();
	created("r1", "");
	happens("r1", EVENT_ACTION_OPENED, OPENED);
	for (int i = 0; i < 2; i++)
		must(tail_start(&tails[i], rig.store, &e), &e);
	rig_turn(59 * MINUTE);
	assert_int_equal(seen, 0);
	rig_turn(2 * MINUTE);
	assert_int_equal(seen, 2);
	assert_string_equal(shown, "{\"action\":\"a1\",\"count\":1,\"run\":\"r1\"}");
	for (int i = 0; i < 2; i++)
		tail_stop(&tails[i]);
	close_it();
}

static void five_minutes_while_it_is_understood(void **state)
{
	(void)state;
	open_it();
	created("r1", "");
	happens("r1", EVENT_RUN_PHASE, "{\"name\":\"understanding\"}");
	happens("r1", EVENT_ACTION_OPENED, OPENED);
	rig_turn(4 * MINUTE);
	assert_int_equal(json_array_size(told), 1);
	rig_turn(2 * MINUTE);
	assert_int_equal(json_array_size(told), 2);
	close_it();
}

static void what_is_decided_is_not_told(void **state)
{
	(void)state;
	rig.how = NOTICE_AGAIN;
	open_it();
	created("r1", "");
	happens("r1", EVENT_ACTION_OPENED, OPENED);
	rig_turn(1000);
	assert_int_equal(rig.count, 1);
	assert_int_equal(notify_waiting(notify), 1);
	happens("r1", EVENT_ACTION_RESOLVED, "{\"action\":\"a1\",\"by\":\"p1\"}");
	rig_turn(10 * HOUR);
	assert_int_equal(json_array_size(told), 1);
	assert_int_equal(rig.count, 1);
	assert_int_equal(notify_waiting(notify), 0);
	happens("r1", EVENT_ACTION_OPENED,
		"{\"action\":\"a2\",\"name\":\"x\",\"kind\":\"question\",\"title\":\"Which?\","
		"\"priority\":\"low\"}");
	rig_turn(1000);
	happens("r1", EVENT_ACTION_CLOSED, "{\"action\":\"a2\",\"why\":\"the run ended\"}");
	rig_turn(10 * HOUR);
	assert_int_equal(json_array_size(told), 2);
	close_it();
}

static void ends_of_runs(void **state)
{
	(void)state;
	open_it();
	created("r1", "");
	created("r2", "");
	created("r3", ",\"parent\":\"r1\"");
	happens("r3", EVENT_RUN_COMPLETED, "{\"evidence\":\"done\"}"); /* of another run's making */
	happens("r2", EVENT_RUN_FAILED, "{\"code\":\"flow\",\"text\":\"x\"}");
	rig_turn(1000);
	assert_int_equal(json_array_size(told), 1);
	told_is(0, "run.ended Build it|failed");
	happens("r2", EVENT_RUN_RESUMED, "{}");
	happens("r2", EVENT_RUN_FAILED, "{\"code\":\"flow\",\"text\":\"x\"}"); /* again: told again */
	happens("r1", EVENT_RUN_COMPLETED, "{\"evidence\":\"failing\"}");
	rig_turn(1000);
	assert_int_equal(json_array_size(told), 3);
	told_is(2, "run.ended Build it|completed");
	assert_string_equal(json_str(json_array_get(told, 2), "evidence"), "failing");
	assert_int_equal(rig.count, 3);
	close_it();
}

/* What happened while nobody looked is told at the start, once; what is older than half a day is not. */
static void a_restart(void **state)
{
	(void)state;
	created("r1", "");
	happens("r1", EVENT_ACTION_OPENED, OPENED);
	created("r2", "");
	happens("r2", EVENT_RUN_COMPLETED, "{\"evidence\":\"done\"}");
	rig_turn(13 * HOUR);
	created("r3", "");
	happens("r3", EVENT_ACTION_OPENED, OPENED);
	created("r4", "");
	happens("r4", EVENT_RUN_COMPLETED, "{\"evidence\":\"done\"}");
	happens("r4", EVENT_RUN_MERGED, "{\"commit\":\"c\",\"into\":\"main\"}");
	rig_turn(1000);
	open_it();
	rig_turn(1000);
	/* r1's reminders of 1, 3, 7 hours have passed: the last is told */
	assert_int_equal(json_array_size(told), 3);
	assert_int_equal(rig.count, 3);
	close_it();
	open_it();
	rig_turn(1000);
	assert_int_equal(rig.count, 3);
	close_it();
	rig_turn(3 * HOUR); /* r3's reminders of 1 and 3 hours, r1's of 15 */
	open_it();
	rig_turn(1000);
	assert_int_equal(rig.count, 5);
	close_it();
	rig_turn(48 * HOUR); /* all is forgotten, and too old */
	open_it();
	rig_turn(1000);
	close_it();
	assert_int_equal(rig.count, 5);
}

static void a_run_that_goes_on_while_it_is_told(void **state)
{
	(void)state;
	created("r1", "");
	happens("r1", EVENT_RUN_FAILED, "{\"code\":\"flow\",\"text\":\"x\"}");
	open_it();
	rig_turn(1000);
	happens("r1", EVENT_RUN_RESUMED, "{}");
	happens("r1", EVENT_RUN_CANCELLED, "{}");
	rig_turn(1000);
	close_it();
	open_it();
	rig_turn(1000);
	assert_int_equal(rig.count, 2);
	close_it();
}

static void a_trial(void **state)
{
	(void)state;
	open_it();
	must(notify_try(notify, "webhook/w", &e) < 0, &e);
	must(notify_try(notify, "webhook/w", &e) < 0, &e);
	rig_turn(1000);
	assert_int_equal(rig.count, 2);
	assert_non_null(strstr(rig.tries[0].about, "\"type\":\"test\""));
	close_it();
}

/* Written once into the audit, told once to each: live, and after a start that comes soon enough. */
static void shares_of_budgets(void **state)
{
	(void)state;
	cleanup_json json_t *detail =
		json_make(&e, "{s:i, s:f, s:f, s:s}", "share", 80, "limit_usd", 10.0, "spent", 8.5, "period", "month");
	struct audit a = {.who = "system", .what = NOTIFY_BUDGET, .object = "project/p", .detail = detail};
	struct audit other = {.who = "u1", .what = "key.created", .object = "budget.alert"};
	open_it();
	must(store_record_wait(rig.store, &a, &e), &e);
	must(store_record_wait(rig.store, &other, &e), &e);
	rig_turn(1000);
	assert_int_equal(json_array_size(told), 1);
	const json_t *v = json_array_get(told, 0);
	assert_string_equal(json_str(v, "type"), "budget.alert");
	assert_string_equal(json_str(v, "project"), "p");
	assert_null(json_get(v, "user"));
	assert_int_equal(json_int(v, "share", 0), 80);
	assert_int_equal(rig.count, 1);
	close_it();
	a.object = "user/u1"; /* while nobody looks */
	must(store_record_wait(rig.store, &a, &e), &e);
	open_it();
	rig_turn(1000);
	assert_int_equal(rig.count, 2);
	close_it();
	open_it();
	rig_turn(13 * HOUR);
	assert_int_equal(rig.count, 2);
	close_it();
	json_array_clear(told);
	open_it(); /* too long ago */
	rig_turn(1000);
	assert_int_equal(json_array_size(told), 0);
	close_it();
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	json_setup();
	if (crypt_setup(&e) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		CASE(an_action_that_opens),
		CASE(reminders),
		CASE(live_clients_are_shown_reminders),
		CASE(five_minutes_while_it_is_understood),
		CASE(what_is_decided_is_not_told),
		CASE(ends_of_runs),
		CASE(a_restart),
		CASE(a_run_that_goes_on_while_it_is_told),
		CASE(a_trial),
		CASE(shares_of_budgets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
