#include <stdio.h>

#include "base/id.h"
#include "base/map.h"
#include "base/mem.h"
#include "torture.h"
#include "unit.h"

static struct span name_of(char room[16], unsigned n)
{
	return span_n(room, (size_t)snprintf(room, 16, "key%u", n));
}

static void sets_gets_deletes(void **state)
{
	(void)state;
	struct map m;
	struct err e = ERR_INIT;
	int a, b;
	void *old = &a;

	map_init(&m, 10);
	assert_null(map_get(&m, span_of("x")));
	assert_null(map_del(&m, span_of("x")));
	must(map_set(&m, span_of("x"), &a, &old, &e), &e);
	assert_null(old);
	must(map_set(&m, span_of("x"), &b, &old, &e), &e);
	assert_ptr_equal(old, &a);
	must(map_set(&m, span_n("x\0y", 3), &a, NULL, &e), &e);
	must(map_set(&m, SPAN_NONE, &a, NULL, &e), &e);
	assert_int_equal(map_count(&m), 3);
	assert_ptr_equal(map_get(&m, span_of("x")), &b);
	assert_ptr_equal(map_get(&m, span_n("x\0y", 3)), &a);
	assert_ptr_equal(map_get(&m, span_of("")), &a);
	assert_ptr_equal(map_del(&m, span_of("x")), &b);
	assert_null(map_get(&m, span_of("x")));
	assert_int_equal(map_count(&m), 2);
	map_release(&m, NULL);
	assert_int_equal(map_count(&m), 0);
}

static void refuses_beyond_its_cap(void **state)
{
	(void)state;
	struct map m;
	struct err e = ERR_INIT;
	int v;

	map_init(&m, 2);
	must(map_set(&m, span_of("a"), &v, NULL, &e), &e);
	must(map_set(&m, span_of("b"), &v, NULL, &e), &e);
	must(map_set(&m, span_of("a"), &e, NULL, &e), &e); /* replacing is no growth */
	assert_int_equal(map_set(&m, span_of("c"), &v, NULL, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	map_del(&m, span_of("a"));
	must(map_set(&m, span_of("c"), &v, NULL, &e), &e);
	map_release(&m, NULL);
}

static void iterates_in_order_while_the_body_deletes(void **state)
{
	(void)state;
	struct map m;
	struct err e = ERR_INIT;
	char room[16];
	static int values[100];
	unsigned n = 0;

	map_init(&m, 1000);
	for (unsigned i = 0; i < 100; i++)
		must(map_set(&m, name_of(room, i), &values[i], NULL, &e), &e);
	for (size_t i = 0, expected = 0;; expected++) {
		struct map_entry *en = map_next(&m, &i);
		if (!en)
			break;
		assert_ptr_equal(en->value, &values[expected]);
		if (expected % 4)
			assert_non_null(map_del(&m, span_n(en->key, en->key_len)));
		n++;
	}
	assert_int_equal(n, 100);
	assert_int_equal(map_count(&m), 25);
	must(map_set(&m, span_of("last"), &n, NULL, &e), &e); /* compacts */
	n = 0;
	for (size_t i = 0; map_next(&m, &i); n++)
		if (n < 25)
			assert_ptr_equal(m.entries[i - 1].value, &values[4 * n]);
	assert_int_equal(n, 26);
	map_release(&m, NULL);
}

/* Against the simplest possible map, under a long random load; room stays in proportion to what lives. */
static void agrees_with_an_array(void **state)
{
	(void)state;
	enum { KEYS = 200 };
	static char *model[KEYS];
	struct rng r = {1};
	struct map m;
	struct err e = ERR_INIT;
	char room[16];
	size_t before = mem_in_use();

	map_init(&m, KEYS);
	for (int step = 0; step < 100000; step++) {
		unsigned k = (unsigned)rng_below(&r, KEYS);
		struct span key = name_of(room, k);
		void *old;

		assert_ptr_equal(map_get(&m, key), model[k]);
		if (rng_below(&r, 2)) {
			char *v = mem_alloc(1);
			must(map_set(&m, key, v, &old, &e), &e);
			assert_ptr_equal(old, model[k]);
			mem_free(old);
			model[k] = v;
		} else {
			assert_ptr_equal(map_del(&m, key), model[k]);
			mem_free(steal(&model[k]));
		}
		assert_true(m.room <= 2 * KEYS + 112);
	}
	map_release(&m, mem_free);
	assert_int_equal(mem_in_use(), before);
}

static int fill(struct err *e)
{
	struct map m;
	char room[16];
	int v, rc = 0;

	map_init(&m, 100);
	for (unsigned i = 0; i < 40 && rc == 0; i++) {
		rc = map_set(&m, name_of(room, i), &v, NULL, e);
		for (unsigned j = 0; j < i; j++) /* what was there stays */
			assert_ptr_equal(map_get(&m, name_of(room, j)), &v);
	}
	map_release(&m, NULL);
	return rc;
}

static void survives_every_allocation_failure(void **state)
{
	(void)state;
	assert_true(torture(FAULT_ALLOC, ERR_NOMEM, fill) >= 46); /* 40 keys, three times two tables */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_gets_deletes),
		cmocka_unit_test(refuses_beyond_its_cap),
		cmocka_unit_test(iterates_in_order_while_the_body_deletes),
		cmocka_unit_test(agrees_with_an_array),
		cmocka_unit_test(survives_every_allocation_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
