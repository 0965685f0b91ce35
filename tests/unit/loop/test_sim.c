/* The simulated loop: time jumps, the order of ready things comes from the seed, what is not simulated is refused. */
#include "unit.h"

#include <string.h>

#include "base/mem.h"
#include "loop/child.h"
#include "loop/loop.h"

#define HOUR (3600 * 1000)
#define START 1760000000000000ll

static struct err e;
static char order[256];

static void note(char c)
{
	order[strlen(order)] = c;
}

struct actor {
	struct post post;
	struct work work;
	struct timer timer;
	struct tick tick;
	char name;
};

static void on_post(struct post *p)
{
	note(container_of(p, struct actor, post)->name);
}

static void run(struct work *w)
{
	note((char)(container_of(w, struct actor, work)->name - 'a' + 'A'));
}

static void done(struct work *w)
{
	struct actor *a = container_of(w, struct actor, work);
	note(w->cancelled ? '!' : (char)(a->name - 'a' + '0'));
}

/* Three posts and three jobs at once. */
static void play(uint64_t seed, char out[sizeof(order)])
{
	struct actor all[3];
	struct loop *l = loop_new_sim(seed, START, &e);
	assert_non_null(l);
	memset(order, 0, sizeof(order));
	memset(all, 0, sizeof(all));
	for (int i = 0; i < 3; i++) {
		all[i].name = (char)('a' + i);
		post_init(&all[i].post, l, on_post);
		post_send(&all[i].post);
		post_send(&all[i].post);
		must(work_start(&all[i].work, l, run, done, &e), &e);
	}
	assert_string_equal(order, "");
	must(loop_run(l, &e), &e);
	loop_free(l);
	memcpy(out, order, sizeof(order));
}

static void test_seeds(void **state)
{
	(void)state;
	char first[sizeof(order)], again[sizeof(order)];
	int different = 0;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		char was[sizeof(order)];
		play(seed, was);
		play(seed, again);
		assert_string_equal(was, again);
		assert_int_equal(strlen(was), 9);
		/* Jobs start in the order of the queue, and end after they ran. */
		assert_true(strchr(was, 'A') < strchr(was, 'B') && strchr(was, 'B') < strchr(was, 'C'));
		assert_true(strchr(was, 'A') < strchr(was, '0') && strchr(was, 'C') < strchr(was, '2'));
		if (seed == 1)
			memcpy(first, was, sizeof(first));
		else if (strcmp(first, was) != 0)
			different++;
	}
	assert_true(different > 40);
}

static void on_timer(struct timer *t)
{
	note(container_of(t, struct actor, timer)->name);
}

static void test_time_jumps(void **state)
{
	(void)state;
	struct loop *l = loop_new_sim(1, START, &e);
	struct actor a = {.name = 'a'}, b = {.name = 'b'};
	memset(order, 0, sizeof(order));
	assert_int_equal(clock_wall(loop_clock(l)), START);
	timer_init(&a.timer, l, on_timer);
	timer_init(&b.timer, l, on_timer);
	must(timer_start(&a.timer, 1000ll * HOUR, &e), &e);
	must(timer_start(&b.timer, 0, &e), &e);
	assert_true(loop_turn(l, 0));
	assert_string_equal(order, "b");
	assert_true(loop_turn(l, 1000));
	assert_int_equal(clock_wall(loop_clock(l)), START + 1000 * 1000);
	must(loop_run(l, &e), &e);
	assert_string_equal(order, "ba");
	assert_int_equal(clock_wall(loop_clock(l)), START + 1000ll * HOUR * 1000);
	loop_free(l);
}

static void on_tick(struct tick *t)
{
	note(container_of(t, struct actor, tick)->name);
}

static void test_tick_before_time_moves(void **state)
{
	(void)state;
	struct loop *l = loop_new_sim(1, START, &e);
	struct actor a = {.name = 'a'};
	memset(order, 0, sizeof(order));
	tick_init(&a.tick, l, on_tick);
	tick_start(&a.tick);
	tick_start(&a.tick);
	must(loop_run(l, &e), &e);
	assert_string_equal(order, "a");
	assert_int_equal(clock_wall(loop_clock(l)), START);
	loop_free(l);
}

static void test_work_cancel(void **state)
{
	(void)state;
	struct loop *l = loop_new_sim(1, START, &e);
	struct actor a = {.name = 'a'}, b = {.name = 'b'};
	memset(order, 0, sizeof(order));
	must(work_start(&a.work, l, run, done, &e), &e);
	must(work_start(&b.work, l, run, done, &e), &e);
	work_cancel(&a.work);
	work_cancel(&a.work);
	assert_string_equal(order, "");
	must(loop_run(l, &e), &e);
	assert_int_equal(strlen(order), 3);
	assert_non_null(strchr(order, '!'));
	assert_non_null(strchr(order, 'B'));
	assert_null(strchr(order, 'A'));
	loop_free(l);
}

static void test_stuck_is_an_error(void **state)
{
	(void)state;
	struct loop *l = loop_new_sim(1, START, &e);
	loop_keep(l);
	assert_int_equal(loop_run(l, &e), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
	loop_unkeep(l);
	must(loop_run(l, &e), &e);
	loop_free(l);
}

static void on_watch(struct watch *w, int revents)
{
	(void)w;
	(void)revents;
}

static void on_sign(struct sign *s, int signum)
{
	(void)s;
	(void)signum;
}

static void test_refusals(void **state)
{
	(void)state;
	struct loop *l = loop_new_sim(1, START, &e);
	struct watch w;
	struct sign s;
	assert_int_equal(watch_start(&w, l, 0, WATCH_READ, on_watch, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	watch_stop(&w);
	assert_int_equal(sign_start(&s, l, 2, on_sign, &e), -1);
	sign_stop(&s);
	struct child c;
	const char *argv[] = {"true", NULL};
	struct child_spec spec = {.file = "true", .argv = argv};
	err_clear(&e);
	assert_int_equal(child_start(&c, l, &spec, NULL, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_time_jumps),
		cmocka_unit_test(test_tick_before_time_moves),
		cmocka_unit_test(test_work_cancel),
		cmocka_unit_test(test_stuck_is_an_error),
		cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
