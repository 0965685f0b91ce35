/* lock: who binds whom, folders and what is below them, expiry, taking over. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workspace/lock.h"

static int setup(void **state)
{
	struct locks *l = calloc(1, sizeof(*l));

	locks_init(l, 4);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	locks_release(*state);
	free(*state);
	return 0;
}

static bool may(struct locks *l, const char *path, const char *by, int64_t now)
{
	struct err e = ERR_INIT;
	int rc = locks_check(l, path, by, now, &e);

	assert_true(rc == 0 || e.code == ERR_LOCKED);
	return rc == 0;
}

static void who_binds_whom(void **state)
{
	struct locks *l = *state;
	struct err e = ERR_INIT;

	must(locks_take(l, "src/a.c", "person/ada", 0, 1, false, &e), &e);
	must(locks_take(l, "doc", "agent/0.1", 0, 1, false, &e), &e);
	assert_true(may(l, "src/a.c", "person/ada", 2));
	assert_false(may(l, "src/a.c", "agent/0.1", 2));
	assert_false(may(l, "src/a.c", "person/bob", 2));
	assert_false(may(l, "src", "agent/0.1", 2)); /* deleting the folder would touch it */
	assert_false(may(l, ".", "agent/0.1", 2));
	assert_true(may(l, "src/b.c", "agent/0.1", 2));
	assert_true(may(l, "src/a.cc", "agent/0.1", 2));
	assert_true(may(l, "sr", "agent/0.1", 2));
	assert_true(may(l, "doc/x", "agent/0.1", 2));
	assert_false(may(l, "doc/x", "agent/0.2", 2));
	assert_true(may(l, "doc/x", "person/ada", 2)); /* agents do not bind people */
}

static void taking(void **state)
{
	struct locks *l = *state;
	struct err e = ERR_INIT;

	must(locks_take(l, "a", "agent/0.1", 100, 1, false, &e), &e);
	must(locks_take(l, "a", "agent/0.1", 200, 50, false, &e), &e); /* extends */
	assert_false(may(l, "a", "agent/0.2", 150));
	assert_int_equal(locks_take(l, "a", "agent/0.2", 0, 150, false, &e), -1);
	assert_int_equal(e.code, ERR_LOCKED);
	assert_non_null(strstr(e.text, "agent/0.1"));
	assert_int_equal(locks_take(l, "a", "agent/0.2", 0, 150, true, &e), -1); /* agents take nothing over */
	assert_int_equal(locks_take(l, "a", "person/ada", 0, 150, false, &e), -1);
	assert_non_null(strstr(e.text, "take the lock over"));
	must(locks_take(l, "a", "person/ada", 0, 150, true, &e), &e);
	assert_false(may(l, "a", "agent/0.1", 151));
	must(locks_take(l, "a", "person/bob", 0, 150, true, &e), &e);
	assert_int_equal(locks_drop(l, "a", "person/ada", &e), -1);
	must(locks_drop(l, "a", "person/bob", &e), &e);
	must(locks_drop(l, "a", "person/bob", &e), &e);
	assert_true(may(l, "a", "agent/0.1", 151));
}

static void expiry_and_caps(void **state)
{
	struct locks *l = *state;
	struct err e = ERR_INIT;
	char name[8];

	must(locks_take(l, "a", "person/ada", 100, 1, false, &e), &e);
	assert_false(may(l, "a", "agent/0", 99));
	assert_true(may(l, "a", "agent/0", 100));
	must(locks_take(l, "a", "agent/0", 0, 100, false, &e), &e);
	cleanup_json json_t *all = locks_json(l, 100);
	cleanup_free char *text = json_text(all);
	assert_string_equal(text, "[{\"by\":\"agent/0\",\"path\":\"a\",\"until_us\":0}]");
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		must(locks_take(l, name, "agent/0", 0, 100, false, &e), &e);
	}
	assert_int_equal(locks_take(l, "one-more", "agent/0", 0, 100, false, &e), -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(who_binds_whom), T(taking), T(expiry_and_caps)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
