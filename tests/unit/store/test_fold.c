/* Sums that follow later: whatever fails in between, each event is folded once. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "store/sqlite.h"

/* A claim that is refused, in the same group as an event of that run: the event is folded once. */
static void a_refused_lease_moves_no_sums(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct event ev =
		event_of(3, EVENT_AGENT_STARTED, "{\"agent\":\"0\",\"role\":\"coder\",\"task\":1,\"dialect\":\"x\"}");
	struct append a = {.stream = "run/r1", .events = &ev, .event_count = 1};
	int64_t other;
	json_t *row;

	make_run(f, "run/r1");
	must(store_lease(f->store, "run/r1", "me", 60000, &a.fence, &e), &e);
	must(store_append(f->store, &a, &e), &e);
	assert_int_equal(store_lease(f->store, "run/r1", "someone else", 60000, &other, &e), -1);
	assert_int_equal(e.code, ERR_LOCKED);
	event_release(&ev);
	for (int round = 0; round < 2; round++) {
		err_clear(&e);
		row = store_run(f->store, "r1", &e);
		assert_non_null(row);
		assert_int_equal(json_int(row, "agents", 0), 1);
		json_decref(row);
		verify_fine(f);
		fixture_close(f);
		fixture_open(f);
	}
}

/* One event as a group of its own, without a store around the driver; the code of its rejection, or ERR_OK. */
static enum err_code write_alone(struct driver *d, int64_t seq, enum event_type type, const char *data)
{
	struct event ev = event_of(seq, type, data);
	struct write w = {.kind = WRITE_APPEND, .append = {.stream = "run/r1", .events = &ev, .event_count = 1}};
	struct err e = ERR_INIT;
	enum err_code code;

	ev.v = event_kinds[type].version;
	must(d->ops->begin(d, &e), &e);
	d->ops->apply(d, &w);
	must(d->ops->commit(d, &e), &e);
	code = w.why ? w.why->code : ERR_OK;
	write_forget(&w);
	event_release(&ev);
	return code;
}

/* After a group that failed nothing is known of the streams' heads; what waits is folded before an append that is then
 * rejected: once. */
static void sums_are_folded_before_a_rejected_append(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct driver *d;
	json_t *row;

	make_run(f, "run/r1");
	fixture_close(f);
	d = sqlite_open(f->data, STORE_OWN, true, test_key, &clock_real, &e);
	assert_non_null(d);
	assert_int_equal(write_alone(d, 3, EVENT_MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":1,\"usd\":0.25}"), ERR_OK);
	must(d->ops->begin(d, &e), &e);
	fault_arm(FAULT_DB, 1, false);
	assert_int_equal(d->ops->commit(d, &e), -1);
	fault_disarm();
	assert_int_equal(write_alone(d, 9, EVENT_RUN_WAITING, "{\"on\":\"person\"}"), ERR_CONFLICT);
	d->ops->close(d);
	fixture_open(f);
	row = store_run(f->store, "r1", &e);
	assert_non_null(row);
	assert_true(fabs(json_num(row, "usd", 0) - 0.25) < 1e-12);
	json_decref(row);
	verify_fine(f);
}

/* ---- a story of groups that fail ---- */

#define RUNS_OF_STORY 3

struct story {
	struct fixture *f;
	struct driver *d;
	struct rng rng;
	int64_t heads[RUNS_OF_STORY], fence;
};

static const char *const story_runs[RUNS_OF_STORY] = {"run/a", "run/b", "run/c"};

static bool one_in(struct story *s, uint64_t n)
{
	return rng_below(&s->rng, n) == 0;
}

/* One of the next calls of the kind that can fail does, perhaps. */
static void trouble(struct story *s)
{
	if (one_in(s, 6))
		fault_arm(one_in(s, 2) ? FAULT_DB : FAULT_ALLOC, rng_below(&s->rng, 30) + 1, false);
}

static struct event next_event(struct story *s, int64_t seq)
{
	static const struct {
		enum event_type type;
		const char *data;
	} events[] = {
		{EVENT_MODEL_REQUESTED, "{\"agent\":\"0\",\"model\":\"m\",\"reserved\":0.5,\"turn\":1}"},
		{EVENT_MODEL_REQUESTED, "{\"agent\":\"0\",\"model\":\"m\",\"reserved\":0.25,\"turn\":2}"},
		{EVENT_MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":1,\"usd\":0.25,\"usage\":{\"input\":3}}"},
		{EVENT_MODEL_FAILED, "{\"agent\":\"0\",\"turn\":2,\"usd_unknown\":0.125}"},
		{EVENT_MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":1,\"usd\":-1}"},
		{EVENT_FLOW_LOG, "{\"text\":\"x\"}"},
		{EVENT_AGENT_STARTED, "{\"agent\":\"0\",\"role\":\"coder\"}"},
		{EVENT_RUN_WAITING, "{\"on\":\"person\"}"},
	};
	size_t i = rng_below(&s->rng, sizeof events / sizeof *events);

	if (seq == 1)
		return event_of(1, EVENT_RUN_CREATED, "{\"mode\":\"m\",\"project\":\"p\"}");
	return event_of(seq, events[i].type, events[i].data);
}

/* One or two events, sometimes at a place that is not theirs, the first perhaps also told to the project. */
static void append_some(struct story *s)
{
	size_t run = rng_below(&s->rng, RUNS_OF_STORY), count = rng_below(&s->rng, 2) + 1;
	struct event events[3];
	struct write w = {.kind = WRITE_APPEND, .append = {.events = events, .event_count = count, .also = &events[2]}};

	snprintf(w.append.stream, sizeof(w.append.stream), "%s", story_runs[run]);
	w.append.fence = run == 0 ? s->fence : 0;
	for (size_t i = 0; i < 3; i++) {
		events[i] = i < 2 ? next_event(s, s->heads[run] + 1 + (int64_t)i + one_in(s, 12))
				  : event_of(0, EVENT_RUN_STATE, "{\"run\":\"a\",\"seq\":1,\"state\":\"x\"}");
		events[i].v = event_kinds[events[i].type].version;
	}
	if (one_in(s, 3)) {
		snprintf(w.append.also_stream, sizeof(w.append.also_stream), "project/p");
		w.append.also_count = 1;
	}
	trouble(s);
	s->d->ops->apply(s->d, &w);
	fault_disarm();
	if (!w.why)
		s->heads[run] += (int64_t)count;
	for (size_t i = 0; i < 3; i++)
		event_release(&events[i]);
	write_forget(&w);
}

static void write_other(struct story *s, enum write_kind kind)
{
	struct write w = {.kind = kind};

	if (kind == WRITE_LEASE) {
		w.lease.stream = story_runs[0];
		w.lease.owner = one_in(s, 2) ? "me" : "you";
		w.lease.ttl_ms = 60000;
	}
	trouble(s);
	s->d->ops->apply(s->d, &w);
	fault_disarm();
	if (!w.why && kind == WRITE_LEASE)
		s->fence = w.lease.fence;
	write_forget(&w);
}

/* A group of which any call may fail. False when the store would accept no more. */
static bool write_some(struct story *s)
{
	const struct driver_ops *ops = s->d->ops;
	bool rebuilds = one_in(s, 12), goes_on;
	struct err e = ERR_INIT;
	int rc;

	trouble(s);
	rc = ops->begin(s->d, &e);
	fault_disarm();
	for (uint64_t n = rng_below(&s->rng, 5); rc == 0 && !rebuilds && n > 0; n--) {
		uint64_t what = rng_below(&s->rng, 8);
		if (what < 6)
			append_some(s);
		else
			write_other(s, what == 6 ? WRITE_LEASE : WRITE_FOLD);
	}
	if (rc == 0 && rebuilds)
		write_other(s, WRITE_REBUILD);
	trouble(s);
	if (rc == 0)
		rc = ops->commit(s->d, &e);
	goes_on = rc == 0 || e.code == ERR_NOMEM;
	if (goes_on && ops->tidy(s->d, one_in(s, 2), &e) && e.code != ERR_NOMEM)
		goes_on = false;
	fault_disarm();
	return goes_on;
}

/* What a new owner, or one whose group was lost, knows of the streams. */
static void look_up_heads(struct story *s)
{
	struct err e = ERR_INIT;
	struct reader *r = s->d->ops->reader(s->d, false, &e);

	assert_non_null(r);
	for (int i = 0; i < RUNS_OF_STORY; i++)
		s->heads[i] = s->d->ops->head(r, story_runs[i], &e);
	s->d->ops->reader_end(r);
}

/* Random writes, rejections, faults, and owners that end with sums still waiting. Opening and verifying compare the
 * rows with all events. */
static void each_event_is_folded_once(void **state)
{
	const char *seed = getenv("MUSTER_SEED"), *rounds = getenv("MUSTER_ROUNDS");
	struct story s = {.f = *state, .rng = {.state = seed ? strtoull(seed, NULL, 10) : 8}};
	int most = rounds ? atoi(rounds) : 40;
	struct err e = ERR_INIT;
	int64_t events = 0;

	fixture_close(s.f);
	s.f->no_sync = true;
	for (int round = 0; round < most; round++) {
		s.d = sqlite_open(s.f->data, STORE_OWN, true, test_key, &clock_real, &e);
		if (!s.d)
			fail_msg("round %d: %s", round, e.text);
		for (uint64_t n = rng_below(&s.rng, 8) + 1; n > 0; n--) {
			look_up_heads(&s);
			if (!write_some(&s))
				break;
		}
		s.d->ops->close(s.d);
		s.f->store = fixture_try(s.f, STORE_READ, &e);
		assert_non_null(s.f->store);
		verify_fine(s.f); /* as far as they follow */
		fixture_close(s.f);
		fixture_open(s.f);
		verify_fine(s.f);
		events = store_head(s.f->store, story_runs[0], &e);
		fixture_close(s.f);
	}
	assert_true(events > most / 4);
	fixture_open(s.f);
}

int main(void)
{
#define disk(t) cmocka_unit_test_setup_teardown(t, fixture_disk, fixture_end)
	const struct CMUnitTest tests[] = {
		disk(a_refused_lease_moves_no_sums),
		disk(sums_are_folded_before_a_rejected_append),
		disk(each_event_is_folded_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
