/* Long work: one after the other, and not without end. */
#include "api/toil.h"

#include "base/caps.h"
#include "unit.h"

#define MOST (1 + CAP_PROJECT_LOOKS)

static struct toils all;
static struct toil toils[MOST + 1];
static int ran[2 * MOST], done[2 * MOST], runs, dones;

static int number(struct work *w)
{
	return (int)(container_of(w, struct toil, work) - toils);
}

static void on_run(struct work *w)
{
	assert_int_equal(runs, dones); /* the one before is over */
	ran[runs++] = number(w);
}

static void on_done(struct work *w)
{
	assert_int_equal(container_of(w, struct toil, work)->why.code, ERR_OK);
	done[dones++] = number(w);
}

static void test_one_at_a_time(void **state)
{
	struct err e = ERR_INIT;
	struct loop *loop = loop_new_sim(1, 1, &e);

	(void)state;
	must(loop ? 0 : -1, &e);
	toils_init(&all, CAP_PROJECT_LOOKS);
	for (int round = 0; round < 2; round++) {
		runs = dones = 0;
		for (int i = 0; i < MOST; i++)
			must(toil_start(&toils[i], &all, loop, on_run, on_done, &e), &e);
		assert_int_equal(runs, 0);
		assert_int_equal(toil_start(&toils[MOST], &all, loop, on_run, on_done, &e), -1);
		assert_int_equal(e.code, ERR_OVERLOADED);
		err_clear(&e);
		must(loop_run(loop, &e), &e);
		assert_int_equal(dones, MOST);
		for (int i = 0; i < MOST; i++) {
			assert_int_equal(ran[i], i);
			assert_int_equal(done[i], i);
		}
	}
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_at_a_time)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
