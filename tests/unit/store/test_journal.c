/* Appending and reading, on both drivers. */
#include "fixture.h"

#include <string.h>

static void reads_what_was_appended(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct event out[10];
	struct event ev = event_of(1, EVENT_FLOW_LOG, "{\"text\":\"first\"}");
	struct append a = {.stream = "run/a", .events = &ev, .event_count = 1};

	ev.actor = ACTOR_AGENT;
	strcpy(ev.actor_id, "0.1");
	strcpy(ev.cause, "not a uuid");
	must(store_append_wait(f->store, &a, &e), &e);
	must(append_logs(f, "run/a", 2, 4, &e), &e);
	assert_int_equal(store_head(f->store, "run/a", &e), 5);
	assert_int_equal(store_head(f->store, "run/none", &e), 0);
	assert_int_equal(store_read(f->store, "run/a", 0, out, 10, &e), 5);
	assert_int_equal(out[0].seq, 1);
	assert_int_equal(out[0].at, ev.at);
	assert_int_equal(out[0].type, EVENT_FLOW_LOG);
	assert_int_equal(out[0].v, 1);
	assert_int_equal(out[0].actor, ACTOR_AGENT);
	assert_string_equal(out[0].actor_id, "0.1");
	assert_string_equal(out[0].cause, "not a uuid");
	assert_string_equal(out[0].id, ev.id);
	assert_string_equal(out[0].data->data, "{\"text\":\"first\"}");
	assert_string_equal(out[1].cause, "");
	assert_int_equal(out[4].seq, 5);
	for (int i = 0; i < 5; i++)
		event_release(&out[i]);
	assert_int_equal(store_read(f->store, "run/a", 3, out, 1, &e), 1);
	assert_int_equal(out[0].seq, 4);
	event_release(&out[0]);
	assert_int_equal(store_read(f->store, "run/a", 5, out, 10, &e), 0);
	assert_int_equal(store_read(f->store, "run/a", 77, out, 10, &e), 0);
	assert_int_equal(store_read(f->store, "run/none", 0, out, 10, &e), 0);
	event_release(&ev);
	verify_fine(f);
}

static void prints_the_public_form(void **state)
{
	struct event ev = {.seq = 7, .at = 5, .type = EVENT_FLOW_LOG, .v = 1, .actor = ACTOR_PERSON};
	struct buf out = BUF_INIT(4096);

	(void)state;
	strcpy(ev.id, "x");
	strcpy(ev.actor_id, "an \"n\"");
	ev.data = blob_new("{}", 2);
	ev.hash.b[0] = 0xab;
	event_print(&ev, "run/a", &out);
	assert_string_equal(out.data,
		"{\"stream\":\"run/"
		"a\",\"seq\":7,\"id\":\"x\",\"type\":\"flow.log\",\"v\":1,\"at\":5,\"actor\":{\"kind\":"
		"\"person\",\"id\":\"an \\\"n\\\"\"},\"cause\":null,\"data\":{},\"hash\":"
		"\"ab00000000000000000000000000000000000000000000000000000000000000\"}");
	buf_clear(&out);
	ev.seq = 0;
	ev.actor_id[0] = 0;
	event_print(&ev, "run/a", &out);
	assert_non_null(strstr(out.data, "\"seq\":null,"));
	assert_non_null(strstr(out.data, "\"actor\":{\"kind\":\"person\",\"id\":null}"));
	assert_non_null(strstr(out.data, "\"hash\":null}"));
	buf_release(&out);
	event_release(&ev);
}

/* Every field of the header and the payload moves the chain value. */
static void chain_covers_every_field(void **state)
{
	struct hash zero = {{0}}, base, other;
	struct event ev = event_of(3, EVENT_FLOW_LOG, "{\"text\":\"a\"}"), changed;
	uint8_t key2[KEY_SIZE] = {1};

	(void)state;
	ev.v = 1;
	event_chain(&ev, "run/a", test_key, &zero, &base);
	event_chain(&ev, "run/a", test_key, &zero, &other);
	assert_true(hash_eq(&base, &other));
#define differs(change)                                                                                                \
	do {                                                                                                           \
		changed = ev;                                                                                          \
		change;                                                                                                \
		event_chain(&changed, "run/a", test_key, &zero, &other);                                               \
		assert_false(hash_eq(&base, &other));                                                                  \
	} while (0)
	differs(changed.seq++);
	differs(changed.at++);
	differs(changed.type = EVENT_FLOW_SAID);
	differs(changed.v++);
	differs(changed.actor = ACTOR_PERSON);
	differs(changed.actor_id[0] = 'x');
	differs(changed.cause[0] = 'x');
	differs(changed.id[3] ^= 1);
	event_chain(&ev, "run/b", test_key, &zero, &other);
	assert_false(hash_eq(&base, &other));
	event_chain(&ev, "run/a", key2, &zero, &other);
	assert_false(hash_eq(&base, &other));
	event_chain(&ev, "run/a", test_key, &base, &other);
	assert_false(hash_eq(&base, &other));
	event_release(&ev);
	ev = event_of(3, EVENT_FLOW_LOG, "{\"text\":\"b\"}");
	event_chain(&ev, "run/a", test_key, &zero, &other);
	assert_false(hash_eq(&base, &other));
	event_release(&ev);
}

static void wrong_place_names_both_numbers(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	must(append_logs(f, "run/a", 1, 3, &e), &e);
	assert_int_equal(append_one(f, "run/a", 9, EVENT_FLOW_LOG, "{}", &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_non_null(strstr(e.text, "seq 3"));
	assert_non_null(strstr(e.text, "begins at 9"));
	err_clear(&e);
	assert_int_equal(append_one(f, "run/a", 2, EVENT_FLOW_LOG, "{}", &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_non_null(strstr(e.text, "begins at 2"));
	err_clear(&e);
	assert_int_equal(append_one(f, "run/a", 0, EVENT_FLOW_LOG, "{}", &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	must(append_logs(f, "run/a", 4, 1, &e), &e);
	verify_fine(f);
}

/* An append whose commit was not known is sent again with the same ids: once in the journal. */
static void same_append_twice_is_once(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct event ev[2] = {
		event_of(1, EVENT_FLOW_LOG, "{\"text\":\"1\"}"), event_of(2, EVENT_FLOW_LOG, "{\"text\":\"2\"}")};
	struct append a = {.stream = "run/a", .events = ev, .event_count = 2};

	must(store_append_wait(f->store, &a, &e), &e);
	must(append_logs(f, "run/a", 3, 1, &e), &e);
	must(store_append_wait(f->store, &a, &e), &e);
	assert_int_equal(store_head(f->store, "run/a", &e), 3);
	ev[1].id[0] ^= 1; /* another event in its place is not the same append */
	assert_int_equal(store_append_wait(f->store, &a, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	event_release(&ev[0]);
	event_release(&ev[1]);
	verify_fine(f);
}

static void refuses_bad_events(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char *big = mem_calloc(1, (1 << 20) + 10);

	assert_int_equal(append_one(f, "run/a", 1, EVENT_MESSAGE_DELTA, "{}", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.text, "transient"));
	memset(big, ' ', (1 << 20) + 5);
	assert_int_equal(append_one(f, "run/a", 1, EVENT_FLOW_LOG, big, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_int_equal(append_one(f, "", 1, EVENT_FLOW_LOG, "{}", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(append_one(f, "run/a", 1, EVENT_RUN_PHASE, "not json", &e), -1);
	assert_int_equal(e.code, ERR_PARSE);
	assert_int_equal(append_one(f, "run/a", 1, EVENT_RUN_PHASE, "[]", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(store_head(f->store, "run/a", &e), 0);
	mem_free(big);
	verify_fine(f);
}

struct results {
	int count;
	enum err_code codes[64];
	char order[64];
};
struct one {
	struct results *all;
	char name;
};

static void note(void *ctx, const struct err *why)
{
	struct one *one = ctx;

	one->all->codes[one->all->count] = why->code;
	one->all->order[one->all->count++] = one->name;
}

/* In one group, the second of three appends is wrong: only it is rejected, and what it wrote before is gone. */
static void only_the_wrong_append_is_rejected(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct results all = {0};
	struct one a = {&all, 'a'}, b = {&all, 'b'}, c = {&all, 'c'}, d = {&all, 'd'};
	struct event good1 = event_of(1, EVENT_FLOW_LOG, "{\"text\":\"x\"}");
	struct event bad[2] = {event_of(2, EVENT_FLOW_LOG, "{}"),
		event_of(3, EVENT_AGENT_FINISHED,
			"{\"blob\":\"00000000000000000000000000000000000000000000000000000000000000ff\"}")};
	struct event along = event_of(0, EVENT_RUN_STATE, "{\"run\":\"a\",\"seq\":2,\"state\":\"running\"}");
	struct event good2 = event_of(2, EVENT_FLOW_LOG, "{\"text\":\"y\"}");
	struct event fresh = event_of(1, EVENT_AGENT_FINISHED,
		"{\"blob\":\"00000000000000000000000000000000000000000000000000000000000000ff\"}");
	struct append one = {.stream = "run/a", .events = &good1, .event_count = 1, .cb = note, .ctx = &a};
	struct append two = {.stream = "run/a",
		.events = bad,
		.event_count = 2,
		.also_stream = "project/p",
		.also = &along,
		.also_count = 1,
		.cb = note,
		.ctx = &b};
	struct append three = {.stream = "run/a", .events = &good2, .event_count = 1, .cb = note, .ctx = &c};
	struct append four = {.stream = "run/new", .events = &fresh, .event_count = 1, .cb = note, .ctx = &d};

	must(store_append(f->store, &one, &e), &e);
	must(store_append(f->store, &two, &e), &e);
	must(store_append(f->store, &four, &e), &e);
	must(store_append(f->store, &three, &e), &e);
	assert_int_equal(all.count, 0);
	turn_until(f, all.count == 4);
	assert_memory_equal(all.order, "abdc", 4);
	assert_int_equal(all.codes[0], ERR_OK);
	assert_int_equal(all.codes[1], ERR_NOT_FOUND);
	assert_int_equal(all.codes[2], ERR_NOT_FOUND);
	assert_int_equal(all.codes[3], ERR_OK);
	assert_int_equal(store_head(f->store, "run/a", &e), 2);
	assert_int_equal(store_head(f->store, "project/p", &e), 0);
	assert_int_equal(store_head(f->store, "run/new", &e), 0);
	/* a stream whose very first append failed can begin after all */
	must(append_logs(f, "run/new", 1, 2, &e), &e);
	event_release(&good1);
	event_release(&bad[0]);
	event_release(&bad[1]);
	event_release(&along);
	event_release(&good2);
	event_release(&fresh);
	verify_fine(f);
}

static void second_stream_follows_along(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct event ev = event_of(1, EVENT_FLOW_LOG, "{}"), out[4];
	struct event also[2] = {event_of(0, EVENT_RUN_STATE, "{\"run\":\"a\",\"seq\":1,\"state\":\"created\"}"),
		event_of(0, EVENT_RUN_STATE, "{\"run\":\"a\",\"seq\":2,\"state\":\"running\"}")};
	struct append a = {.stream = "run/a",
		.events = &ev,
		.event_count = 1,
		.also_stream = "project/p",
		.also = also,
		.also_count = 2};

	must(append_one(f, "project/p", 1, EVENT_AUDIT, "{\"what\":\"x\",\"who\":\"y\"}", &e), &e);
	must(store_append_wait(f->store, &a, &e), &e);
	assert_int_equal(store_read(f->store, "project/p", 0, out, 4, &e), 3);
	assert_int_equal(out[2].seq, 3);
	assert_string_equal(out[2].id, also[1].id);
	for (int i = 0; i < 3; i++)
		event_release(&out[i]);
	event_release(&ev);
	event_release(&also[0]);
	event_release(&also[1]);
	verify_fine(f);
}

static void old_lease_is_fenced_off(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	int64_t first = 0, second = 0;
	struct event ev = event_of(1, EVENT_FLOW_LOG, "{}");
	struct append a = {.stream = "run/a", .events = &ev, .event_count = 1};

	must(store_lease(f->store, "run/a", "me", 1, &first, &e), &e);
	assert_int_equal(append_one(f, "run/a", 1, EVENT_FLOW_LOG, "{}", &e), -1);
	assert_int_equal(e.code, ERR_FENCED);
	while (store_lease(f->store, "run/a", "you", 60000, &second, &e))
		usleep(1000); /* until the millisecond of the first lease is over */
	assert_true(second > first);
	a.fence = first;
	assert_int_equal(store_append_wait(f->store, &a, &e), -1);
	assert_int_equal(e.code, ERR_FENCED);
	a.fence = second;
	must(store_append_wait(f->store, &a, &e), &e);
	err_clear(&e);
	assert_int_equal(store_lease(f->store, "run/a", "me", 60000, &first, &e), -1);
	assert_int_equal(e.code, ERR_LOCKED);
	assert_non_null(strstr(e.text, "you"));
	must(store_lease(f->store, "run/a", "you", 60000, &first, &e), &e);
	assert_int_equal(first, second);
	event_release(&ev);
}

/* A clock that is wrong may stand before all time. */
static void nobody_holds_what_was_never_leased(void **state)
{
	struct fixture *f = *state;
	struct clock early;
	struct store_options o = {.access = STORE_OWN, .chain_key = test_key, .clock = &early};
	struct err e = ERR_INIT;
	int64_t fence = 0;

	clock_fake(&early, -1000000);
	if (!f->memory) {
		fixture_close(f);
		o.dir = f->data;
	}
	struct store *s = store_open(f->loop, &o, &e);
	assert_non_null(s);
	must(store_lease(s, "run/a", "me", 1000, &fence, &e), &e);
	assert_int_equal(store_lease(s, "run/a", "you", 1000, &fence, &e), -1);
	store_close(s);
	if (!f->memory)
		fixture_open(f);
}

static void many_appends_keep_their_order(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct results all = {0};
	struct one one = {&all, 'x'};
	struct event ev = event_of(0, EVENT_FLOW_LOG, "{\"text\":\"one of many\"}");
	struct append a = {.stream = "run/a", .events = &ev, .event_count = 1};

	for (int i = 1; i <= 2000; i++) {
		ev.seq = i;
		id_new(ev.id, ev.at, NULL);
		if (i == 2000) {
			a.cb = note;
			a.ctx = &one;
		}
		must(store_append(f->store, &a, &e), &e);
	}
	must(store_flush(f->store, &e), &e);
	assert_int_equal(store_head(f->store, "run/a", &e), 2000);
	must(loop_run(f->loop, &e), &e);
	assert_int_equal(all.count, 1);
	event_release(&ev);
	verify_fine(f);
}

int main(void)
{
#define both(t)                                                                                                        \
	cmocka_unit_test_setup_teardown(t, fixture_disk, fixture_end),                                                 \
		cmocka_unit_test_setup_teardown(t, fixture_memory, fixture_end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_the_public_form),
		cmocka_unit_test_setup_teardown(chain_covers_every_field, fixture_memory, fixture_end),
		both(reads_what_was_appended),
		both(wrong_place_names_both_numbers),
		both(same_append_twice_is_once),
		both(refuses_bad_events),
		both(only_the_wrong_append_is_rejected),
		both(second_stream_follows_along),
		both(old_lease_is_fenced_off),
		both(nobody_holds_what_was_never_leased),
		both(many_appends_keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
