/* The life of a sandbox: it dies and starts again, sleeps and wakes, and ends whatever is under way. */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/json.h"
#include "box.h"

static void sandbox_dies_and_starts_again(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	for (int i = 0; i < 3; i++) {
		struct result r = {0}, jobs = {.x = {.background = true}};
		box_run(b, &jobs, "sleep 60");
		box_start(b, &r, "echo up; sleep 60");
		while (r.total == 0 && !r.done)
			loop_turn(b->loop, 100);
		box_kill(b, "muster-init");
		box_wait(b, &r);
		assert_int_equal(r.why.code, ERR_SANDBOX);
		json_t *list = sandbox_jobs(b->sandbox, &e);
		assert_false(json_bool(json_array_get(list, json_array_size(list) - 1), "running", true));
		json_decref(list);
		box_expect(b, "echo again", 0, "again\n");
		result_release(&r);
		result_release(&jobs);
	}
}

static void sleeps_and_wakes(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	struct result r = {0};
	box_start(b, &r, "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.05; done");
	while (r.total == 0 && !r.done)
		loop_turn(b->loop, 100);
	must(sandbox_sleep(b->sandbox, &e), &e);
	must(sandbox_sleep(b->sandbox, &e), &e);
	assert_int_equal(sandbox_state(b->sandbox), SANDBOX_ASLEEP);
	box_turn(b, 100); /* what was on its way */
	size_t total = r.total;
	box_turn(b, 800);
	assert_int_equal(r.total, total);
	assert_int_equal(r.done, 0);
	box_expect(b, "echo wakes", 0, "wakes\n"); /* by use */
	assert_int_equal(sandbox_state(b->sandbox), SANDBOX_RUNNING);
	box_wait(b, &r);
	assert_int_equal(r.x.status, 0);
	assert_true(span_ends(buf_span(&r.out), "9\n10\n"));
	must(sandbox_sleep(b->sandbox, &e), &e);
	must(sandbox_wake(b->sandbox, &e), &e);
	must(sandbox_sleep(b->sandbox, &e), &e);
	box_close(b); /* asleep */
	box_open(b);
	assert_int_equal(sandbox_sleep(b->sandbox, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	result_release(&r);
}

static void free_with_commands_under_way(void **state)
{
	struct box *b = *state;
	struct result r = {0}, waiting = {0};
	box_start(b, &r, "sleep 60");
	box_turn(b, 200);
	box_start(b, &waiting, "sleep 60");
	box_close(b);
	assert_int_equal(r.done, 1);
	assert_int_equal(r.why.code, ERR_CANCELLED);
	assert_int_equal(waiting.why.code, ERR_CANCELLED);
	result_release(&r);
	result_release(&waiting);
	box_open(b);
	box_expect(b, "echo again", 0, "again\n");
}

static void count_freed(void *ctx)
{
	++*(int *)ctx;
}

static void never_fires(struct timer *t)
{
	(void)t;
	fail();
}

/* A sandbox ends also when at that moment there is no memory for one more timer. */
static void ends_without_memory(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	struct loop *loop = loop_new(&e);
	struct sandbox *s = sandbox_new(loop, &b->spec, &e);
	struct timer timers[64]; /* as many as the loop has room for at first */
	int freed = 0;
	assert_non_null(s);
	for (size_t i = 0; i < sizeof(timers) / sizeof(*timers); i++) {
		timer_init(&timers[i], loop, never_fires);
		must(timer_start(&timers[i], 3600 * 1000, &e), &e);
	}
	sandbox_free(s, count_freed, &freed);
	fault_arm(FAULT_ALLOC, 1, true);
	for (int i = 0; i < 10; i++)
		loop_turn(loop, 0);
	assert_true(fault_seen() > 0);
	fault_disarm();
	while (!freed)
		loop_turn(loop, 100);
	assert_int_equal(freed, 1);
	for (size_t i = 0; i < sizeof(timers) / sizeof(*timers); i++)
		timer_stop(&timers[i]);
	loop_free(loop);
}

/* Whatever our own umask; and what is granted below /etc is there beside it, files in folders too. */
static void etc_is_its_own(void **state)
{
	(void)state;
	static const char *const granted[] = {"/etc/debian_version", "/etc/security/limits.conf", NULL};
	struct box b;
	mode_t before = umask(077);
	box_init(&b);
	b.spec.read_only = granted;
	box_open(&b);
	box_expect(&b, "id -un; head -1 /etc/nsswitch.conf; ls /etc/ssl/certs | grep -c -x ca-certificates.crt", 0,
		"muster\npasswd: files\n1\n");
	box_expect(
		&b, "test -s /etc/ld.so.cache && test -s /etc/debian_version && ls /etc/security", 0, "limits.conf\n");
	box_expect(&b, "ls -d /etc/shadow /etc/hostname /etc/resolv.conf /etc/fstab /sys 2>/dev/null", 2, "");
	box_close(&b);
	box_release(&b);
	umask(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sandbox_dies_and_starts_again),
		cmocka_unit_test(sleeps_and_wakes),
		cmocka_unit_test(free_with_commands_under_way),
		cmocka_unit_test(ends_without_memory),
		cmocka_unit_test(etc_is_its_own),
	};
	cmocka_set_test_filter(getenv("MUSTER_TEST"));
	return cmocka_run_group_tests(tests, box_setup, box_teardown);
}
