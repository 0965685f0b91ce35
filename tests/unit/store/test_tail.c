/* Tails: every event once, in order, whatever happens meanwhile. */
#include "fixture.h"

#include <string.h>

struct follower {
	struct tail tail;
	struct fixture *f;
	int64_t last, count, transient, stop_at, append_until;
	enum err_code failed;
	char streams[64]; /* last letter of each event's stream */
};

static void follow(struct tail *t, const char *stream, const struct event *ev)
{
	struct follower *w = container_of(t, struct follower, tail);
	struct err e = ERR_INIT;

	if (w->count + w->transient < 63)
		w->streams[w->count + w->transient] = stream[strlen(stream) - 1];
	if (!ev->seq) {
		w->transient++;
		return;
	}
	if (t->stream)
		assert_int_equal(ev->seq, w->last + 1);
	w->last = ev->seq;
	w->count++;
	if (w->append_until && ev->seq % 50 == 0 && store_head(w->f->store, stream, &e) < w->append_until)
		must(append_logs(w->f, stream, store_head(w->f->store, stream, &e) + 1, 75, &e), &e);
	if (w->stop_at && ev->seq == w->stop_at)
		tail_stop(t);
}

static void failed(struct tail *t, const struct err *why)
{
	container_of(t, struct follower, tail)->failed = why->code;
}

static void start(struct follower *w, struct fixture *f, const char *stream, int64_t after)
{
	struct err e = ERR_INIT;

	memset(w, 0, sizeof *w);
	w->f = f;
	w->last = after;
	w->tail.stream = stream;
	w->tail.after = after;
	w->tail.cb = follow;
	w->tail.failed = failed;
	must(tail_start(&w->tail, f->store, &e), &e);
}

/* History in several reads, appends from inside the callback, and live events: no gap and none twice (follow checks).
 */
static void no_gap_while_appending(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct follower w, late;

	must(append_logs(f, "run/a", 1, 500, &e), &e);
	start(&w, f, "run/a", 0);
	w.append_until = 1500;
	assert_int_equal(w.count, 0);
	turn_until(f, w.last >= 1500);
	start(&late, f, "run/a", 1490);
	must(append_logs(f, "run/a", store_head(f->store, "run/a", &e) + 1, 10, &e), &e);
	int64_t head = store_head(f->store, "run/a", &e);
	turn_until(f, w.last == head && late.last == head);
	assert_int_equal(w.count, head);
	assert_int_equal(late.count, head - 1490);
	tail_stop(&w.tail);
	tail_stop(&w.tail);
	tail_stop(&late.tail);
	must(append_logs(f, "run/a", head + 1, 1, &e), &e);
	must(loop_run(f->loop, &e), &e);
	assert_int_equal(w.last, head);
}

static void stops_inside_its_callback(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct follower a, b;

	must(append_logs(f, "run/a", 1, 20, &e), &e);
	start(&a, f, "run/a", 0);
	start(&b, f, "run/a", 0);
	a.stop_at = 7;
	b.stop_at = 25;
	turn_until(f, b.last == 20);
	must(append_logs(f, "run/a", 21, 10, &e), &e);
	turn_until(f, b.last == 25);
	must(loop_run(f->loop, &e), &e);
	assert_int_equal(a.last, 7);
	assert_int_equal(b.last, 25);
}

static void sees_all_streams_and_transient_events(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct follower all, a;
	struct event delta = event_of(0, EVENT_MESSAGE_DELTA, "{\"text\":\"x\"}");
	struct event first = event_of(1, EVENT_FLOW_LOG, "{}"),
		     along = event_of(0, EVENT_RUN_STATE, "{\"run\":\"b\",\"seq\":1,\"state\":\"x\"}");
	struct append both = {.stream = "run/b",
		.events = &first,
		.event_count = 1,
		.also_stream = "project/p",
		.also = &along,
		.also_count = 1};

	must(append_logs(f, "run/a", 1, 3, &e), &e);
	must(loop_run(f->loop, &e), &e);
	start(&all, f, NULL, 0);
	start(&a, f, "run/a", 3);
	store_show(f->store, "run/a", &delta); /* a has not caught up yet: dropped */
	assert_int_equal(a.transient, 0);
	assert_int_equal(all.transient, 1);
	turn_until(f, a.tail.state == TAIL_LIVE);
	store_show(f->store, "run/a", &delta);
	store_show(f->store, "run/b", &delta);
	assert_int_equal(a.transient, 1);
	must(append_logs(f, "run/a", 4, 1, &e), &e);
	must(store_append_wait(f->store, &both, &e), &e);
	turn_until(f, all.count == 3);
	assert_string_equal(all.streams, "aababp");
	assert_string_equal(a.streams, "aa");
	tail_stop(&all.tail);
	tail_stop(&a.tail);
	event_release(&delta);
	event_release(&first);
	event_release(&along);
}

static void stops_at_a_newer_kind(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct follower w;
	struct event out[4];

	must(append_logs(f, "run/a", 1, 3, &e), &e);
	sql(f, "UPDATE events SET type = 'run.teleported', v = 3 WHERE seq = 2");
	start(&w, f, "run/a", 0);
	turn_until(f, w.failed);
	assert_int_equal(w.failed, ERR_NEWER);
	assert_int_equal(w.count, 0);
	assert_int_equal(store_read(f->store, "run/a", 0, out, 4, &e), -1);
	assert_non_null(strstr(e.text, "run.teleported"));
	sql(f, "UPDATE events SET type = 'flow.log', v = 9 WHERE seq = 2");
	assert_int_equal(store_read(f->store, "run/a", 1, out, 4, &e), -1);
	assert_int_equal(e.code, ERR_NEWER);
	assert_non_null(strstr(e.text, "version 9"));
}

/* A store that only reads follows what the owner writes. */
static void follows_beside_an_owner(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct fixture reader = *f;
	struct follower w;

	must(append_logs(f, "run/a", 1, 3, &e), &e);
	reader.store = fixture_try(f, STORE_READ, &e);
	assert_non_null(reader.store);
	start(&w, &reader, "run/a", 0);
	turn_until(f, w.last == 3);
	must(append_logs(f, "run/a", 4, 300, &e), &e);
	turn_until(f, w.last == 303);
	tail_stop(&w.tail);
	store_close(reader.store);
}

int main(void)
{
#define both(t)                                                                                                        \
	cmocka_unit_test_setup_teardown(t, fixture_disk, fixture_end),                                                 \
		cmocka_unit_test_setup_teardown(t, fixture_memory, fixture_end)
	const struct CMUnitTest tests[] = {
		both(no_gap_while_appending),
		both(stops_inside_its_callback),
		both(sees_all_streams_and_transient_events),
		cmocka_unit_test_setup_teardown(stops_at_a_newer_kind, fixture_disk, fixture_end),
		cmocka_unit_test_setup_teardown(follows_beside_an_owner, fixture_disk, fixture_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
