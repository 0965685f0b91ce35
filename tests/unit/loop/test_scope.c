/* Scopes: closing waits for every member, asks each once, calls back once. */
#include "unit.h"

#include "base/mem.h"
#include "loop/scope.h"

static struct err e;
static struct loop *loop;
static int closed;

struct task {
	struct member member;
	struct timer timer;
	struct task *also; /* leaves when this one is cancelled */
	int cancels;
};

static void on_timer(struct timer *t)
{
	scope_leave(&container_of(t, struct task, timer)->member);
}

static void cancel_slowly(struct member *m)
{
	struct task *t = container_of(m, struct task, member);
	t->cancels++;
	must(timer_start(&t->timer, 10, &e), &e);
}

static void cancel_at_once(struct member *m)
{
	struct task *t = container_of(m, struct task, member);
	t->cancels++;
	scope_leave(m);
	if (t->also)
		scope_leave(&t->also->member);
}

static void on_closed(struct scope *s)
{
	closed++;
	mem_free(s); /* the promise */
}

static void test_close_waits(void **state)
{
	(void)state;
	loop = loop_new_sim(1, 0, &e);
	struct scope *s = MEM_NEW(struct scope);
	struct task slow = {.cancels = 0}, quick = {.cancels = 0}, dragged = {.cancels = 0}, over = {.cancels = 0};
	closed = 0;
	scope_init(s, loop);
	timer_init(&slow.timer, loop, on_timer);
	must(scope_join(s, &slow.member, cancel_slowly, &e), &e);
	must(scope_join(s, &quick.member, cancel_at_once, &e), &e);
	must(scope_join(s, &dragged.member, cancel_at_once, &e), &e);
	must(scope_join(s, &over.member, cancel_at_once, &e), &e);
	quick.also = &dragged;
	scope_leave(&over.member);
	scope_leave(&over.member);
	assert_false(scope_empty(s));
	scope_close(s, on_closed);
	assert_int_equal(closed, 0);
	assert_int_equal(scope_join(s, &over.member, NULL, &e), -1);
	assert_int_equal(e.code, ERR_CANCELLED);
	must(loop_run(loop, &e), &e);
	assert_int_equal(closed, 1);
	assert_int_equal(slow.cancels, 1);
	assert_int_equal(quick.cancels, 1);
	assert_int_equal(dragged.cancels, 0);
	assert_int_equal(over.cancels, 0);
	assert_int_equal(clock_mono(loop_clock(loop)) >= 10000, 1);
	loop_free(loop);
}

static void test_empty_scope_closes_later(void **state)
{
	(void)state;
	loop = loop_new_sim(1, 0, &e);
	struct scope *s = MEM_NEW(struct scope);
	closed = 0;
	scope_init(s, loop);
	scope_close(s, on_closed);
	assert_int_equal(closed, 0);
	must(loop_run(loop, &e), &e);
	assert_int_equal(closed, 1);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close_waits),
		cmocka_unit_test(test_empty_scope_closes_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
