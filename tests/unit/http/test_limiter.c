/* Token buckets, by a clock that stands still. */
#include "unit.h"

#include <stdio.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "http/limiter.h"

static struct clock clock;
static struct limiter *limiter;
static struct err e;

static int setup(void **state)
{
	(void)state;
	clock_fake(&clock, 1000000);
	limiter = limiter_new(&clock, 1024, &e);
	return limiter ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	limiter_free(limiter);
	return 0;
}

static int ask(const char *class, const char *key, int burst, int every_ms)
{
	struct limiter_rate rate = {burst, every_ms};
	return limiter_ask(limiter, class, span_of(key), &rate);
}

static void test_burst_and_rate(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(ask("login", "a", 5, 10000), 0);
	assert_int_equal(ask("login", "a", 5, 10000), 10);
	assert_int_equal(ask("login", "b", 5, 10000), 0); /* others are not slowed down */
	assert_int_equal(ask("read", "a", 5, 10000), 0);  /* nor is anything else of the same */
	clock_advance(&clock, 9000001);
	assert_int_equal(ask("login", "a", 5, 10000), 1); /* a part of a second is a second */
	clock_advance(&clock, 999999);
	assert_int_equal(ask("login", "a", 5, 10000), 0);
	assert_int_equal(ask("login", "a", 5, 10000), 10); /* to ask in vain costs nothing more */
	clock_advance(&clock, 3600ll * 1000000);
	for (int i = 0; i < 5; i++) /* after a long time no more than the burst */
		assert_int_equal(ask("login", "a", 5, 10000), 0);
	assert_int_equal(ask("login", "a", 5, 10000), 10);
	limiter_clear(limiter, "login", span_of("a"));
	assert_int_equal(ask("login", "a", 5, 10000), 0);
	limiter_clear(limiter, "login", span_of("never seen"));
}

static void test_no_limit(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(ask("socket", "a", 0, 10000), 0);
}

/* Over any time, no more than the burst and what the rate gives pass. */
static void test_many(void **state)
{
	(void)state;
	int passed = 0;
	for (int i = 0; i < 100000; i++) {
		passed += ask("x", "a", 20, 50) == 0;
		clock_advance(&clock, 1000);
	}
	assert_int_equal(passed, 20 + 100000 / 50 - 1);
}

/* New keys without end: no more memory, and who was being slowed down still is. */
static void test_flood(void **state)
{
	(void)state;
	size_t before = mem_in_use();
	char key[32];
	for (int i = 0; i < 10; i++)
		ask("login", "slowed down", 10, 60000);
	assert_true(ask("login", "slowed down", 10, 60000) > 0);
	for (int i = 0; i < 200000; i++) {
		snprintf(key, sizeof(key), "flood %d", i);
		assert_int_equal(ask("login", key, 10, 60000), 0);
	}
	assert_true(ask("login", "slowed down", 10, 60000) > 0);
	assert_true(mem_in_use() == before);
}

static void test_households(void **state)
{
	(void)state;
	struct address a, b, c, d;
	assert_true(address_parse(span_of("2001:db8:1:2::1"), &a));
	assert_true(address_parse(span_of("2001:db8:1:2:ffff::2"), &b));
	assert_true(address_parse(span_of("2001:db8:1:3::1"), &c));
	a = limiter_address(&a);
	b = limiter_address(&b);
	c = limiter_address(&c);
	assert_true(address_eq(&a, &b));
	assert_false(address_eq(&a, &c));
	assert_true(address_parse(span_of("10.0.0.1"), &c));
	d = limiter_address(&c);
	assert_true(address_eq(&c, &d));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(burst_and_rate),
		T(no_limit),
		T(many),
		T(flood),
		T(households),
	};
	if (crypt_setup(&e) != 0)
		return 1;
	return cmocka_run_group_tests_name("limiter", tests, NULL, NULL);
}
