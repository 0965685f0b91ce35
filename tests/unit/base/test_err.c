#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/sm.h"
#include "base/utf8.h"
#include "unit.h"

static void sets_and_wraps(void **state)
{
	(void)state;
	struct err e = ERR_INIT;

	assert_int_equal(err_set(&e, ERR_NOT_FOUND, "no %s", "mode"), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_string_equal(e.text, "no mode");
	assert_int_equal(err_wrap(&e, "run %d", 7), -1);
	assert_string_equal(e.text, "run 7: no mode");
	assert_int_equal(e.code, ERR_NOT_FOUND);
	err_set(&e, ERR_IO, "again: %s", e.text); /* its own text as an argument */
	assert_string_equal(e.text, "again: run 7: no mode");
	err_clear(&e);
	assert_int_equal(e.code, ERR_OK);
	assert_string_equal(e.text, "");
	assert_int_equal(err_set(NULL, ERR_IO, "nobody asks"), -1);
	assert_int_equal(err_wrap(NULL, "nobody asks"), -1);
	assert_int_equal(err_nomem(NULL), -1);
	err_clear(NULL);
}

static void never_overflows_and_stays_utf8(void **state)
{
	(void)state;
	static char huge[3000], odd[3001];
	struct err e = ERR_INIT;

	for (size_t i = 0; i + 2 <= sizeof huge - 1; i += 2)
		memcpy(huge + i, "é", 2);
	memcpy(odd, "x", 1);
	memcpy(odd + 1, huge, sizeof huge);
	err_set(&e, ERR_IO, "%s", huge);
	assert_true(strlen(e.text) < ERR_TEXT_MAX && strlen(e.text) >= ERR_TEXT_MAX - 3);
	assert_true(utf8_valid(span_of(e.text)));
	assert_null(strchr(e.text, '?'));
	err_set(&e, ERR_IO, "%s", odd);
	assert_true(utf8_valid(span_of(e.text)));
	assert_null(strchr(e.text, '?'));
	err_wrap(&e, "front");
	assert_true(strlen(e.text) < ERR_TEXT_MAX);
	assert_true(utf8_valid(span_of(e.text)));
	assert_memory_equal(e.text, "front: xé", 10);
	err_wrap(&e, "%s", odd);
	assert_true(strlen(e.text) < ERR_TEXT_MAX);
	assert_true(utf8_valid(span_of(e.text)));
	err_set(&e, ERR_IO, "file %s",
		"a\xFF"
		"b");
	assert_string_equal(e.text, "file a?b");
}

static void maps_errno(void **state)
{
	(void)state;
	static const struct {
		int errnum;
		enum err_code code;
	} cases[] = {{ENOMEM, ERR_NOMEM}, {ENOSPC, ERR_DISK_FULL}, {EDQUOT, ERR_DISK_FULL}, {EROFS, ERR_READ_ONLY},
		{ENOENT, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS}, {EACCES, ERR_DENIED}, {EPERM, ERR_DENIED},
		{ETIMEDOUT, ERR_TIMEOUT}, {ELOOP, ERR_OUTSIDE}, {EXDEV, ERR_OUTSIDE}, {EIO, ERR_IO}, {EBADF, ERR_IO}};
	struct err e;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(err_errno(&e, cases[i].errnum, "open %s", "x"), -1);
		assert_int_equal(e.code, cases[i].code);
	}
	err_errno(&e, ENOENT, "open %s", "x");
	assert_string_equal(e.text, "open x: No such file or directory");
}

static void every_code_has_its_name(void **state)
{
	(void)state;
	assert_string_equal(err_name(ERR_NOT_FOUND), "not_found");
	assert_string_equal(err_name(ERR_SCRIPT_EXHAUSTED), "script_exhausted");
	assert_string_equal(err_text(ERR_NOT_FOUND), "not found");
	assert_int_equal(err_http(ERR_NOT_FOUND), 404);
	assert_int_equal(err_exit(ERR_BUDGET), 5);
	assert_true(err_retryable(ERR_TIMEOUT));
	assert_false(err_retryable(ERR_INVALID));
	for (int i = 0; i < ERR_CODES; i++) {
		assert_int_equal(err_code_named(err_name((enum err_code)i)), i);
		assert_true(strlen(err_name((enum err_code)i)) < 23); /* the room for names is 24 */
		assert_true(err_exit((enum err_code)i) >= 0 && err_exit((enum err_code)i) <= 7);
	}
	assert_int_equal(err_code_named("no_such"), ERR_CODES);
	assert_int_equal(err_code_named(NULL), ERR_CODES);
	assert_string_equal(err_name((enum err_code)9999), "internal");
}

static void faults_hit_the_nth(void **state)
{
	(void)state;
	assert_false(fault_hit(FAULT_IO));
	fault_arm(FAULT_IO, 2, false);
	assert_false(fault_hit(FAULT_ALLOC)); /* another kind is not counted */
	assert_false(fault_hit(FAULT_IO));
	errno = 0;
	assert_true(fault_hit(FAULT_IO));
	assert_int_equal(errno, EIO);
	assert_false(fault_hit(FAULT_IO));
	assert_int_equal(fault_seen(), 3);
	fault_arm(FAULT_KINDS, 2, true);
	assert_false(fault_hit(FAULT_SPAWN));
	assert_true(fault_hit(FAULT_ALLOC));
	assert_int_equal(errno, ENOMEM);
	assert_true(fault_hit(FAULT_NET));
	fault_arm(FAULT_DB, UINT64_MAX, false);
	assert_false(fault_hit(FAULT_DB));
	assert_int_equal(fault_seen(), 1);
	fault_disarm();
	assert_false(fault_hit(FAULT_DB));
}

static void faults_come_from_the_environment(void **state)
{
	(void)state;
	static const char *bad[] = {"alloc", "alloc:", "alloc:0", "alloc:x", "alloc:3x", "alloc:3+x", "disk:3", ":3",
		"alloc:-1", "alloc:99999999999999999999", "io 3"};
	struct err e = ERR_INIT;

	unsetenv("MUSTER_FAULT");
	must(fault_from_env(&e), &e);
	assert_int_equal(fault_armed, 0);
	setenv("MUSTER_FAULT", "io:2", 1);
	must(fault_from_env(&e), &e);
	assert_false(fault_hit(FAULT_IO));
	assert_true(fault_hit(FAULT_IO));
	assert_false(fault_hit(FAULT_IO));
	setenv("MUSTER_FAULT", "any:1+", 1);
	must(fault_from_env(&e), &e);
	assert_true(fault_hit(FAULT_NET));
	assert_true(fault_hit(FAULT_DB));
	fault_disarm();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		setenv("MUSTER_FAULT", bad[i], 1);
		assert_int_equal(fault_from_env(&e), -1);
		assert_int_equal(e.code, ERR_USAGE);
		assert_int_equal(fault_armed, 0);
	}
	unsetenv("MUSTER_FAULT");
}

enum { IDLE, BUSY, DONE };
static const struct sm_state door[] = {
	[IDLE] = {"idle", SM_TO(BUSY)},
	[BUSY] = {"busy", SM_TO(IDLE) | SM_TO(DONE)},
	[DONE] = {"done", 0},
};

/* Run in a child with standard error in a pipe; the signal it died of, its words in `said`. */
static int child(void (*run)(void), char *said, size_t room)
{
	int ends[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL); /* cmocka catches it */
		dup2(ends[1], 2);
		run();
		_exit(0);
	}
	close(ends[1]);
	while ((n = read(ends[0], said + used, room - 1 - used)) > 0)
		used += (size_t)n;
	said[used] = 0;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void wrong_move(void)
{
	struct sm m;

	sm_init(&m, door, DONE);
	sm_move(&m, IDLE);
}

static void out_of_range_move(void)
{
	struct sm m;

	sm_init(&m, door, IDLE);
	sm_move(&m, 40);
}

static void machine_moves_by_its_table(void **state)
{
	(void)state;
	char said[300];
	struct sm m;

	sm_init(&m, door, IDLE);
	sm_move(&m, BUSY);
	sm_move(&m, IDLE);
	sm_move(&m, BUSY);
	sm_move(&m, DONE);
	assert_int_equal(sm_is(&m), DONE);
	assert_string_equal(sm_name(&m), "done");
	assert_int_equal(child(wrong_move, said, sizeof said), SIGABRT);
	assert_non_null(strstr(said, "no move from state done"));
	assert_int_equal(child(out_of_range_move, said, sizeof said), SIGABRT);
}

static void keeps_errors_apart(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	const struct err *kept = NULL, *starved = NULL;

	assert_int_equal(err_kept(kept)->code, ERR_OK);
	err_set(&e, ERR_NETWORK, "one");
	err_keep(&kept, &e);
	err_set(&e, ERR_TIMEOUT, "two");
	assert_string_equal(err_kept(kept)->text, "one");
	err_keep(&kept, kept);
	assert_string_equal(err_kept(kept)->text, "one");
	err_keep(&kept, &e);
	assert_int_equal(err_kept(kept)->code, ERR_TIMEOUT);
	err_drop(&kept);
	assert_null(kept);
	fault_arm(FAULT_ALLOC, 1, false);
	err_keep(&starved, &e);
	fault_disarm();
	err_nomem(&e);
	assert_int_equal(err_kept(starved)->code, ERR_NOMEM);
	assert_string_equal(err_kept(starved)->text, e.text);
	err_drop(&starved);
	assert_null(starved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_and_wraps),
		cmocka_unit_test(never_overflows_and_stays_utf8),
		cmocka_unit_test(maps_errno),
		cmocka_unit_test(every_code_has_its_name),
		cmocka_unit_test(keeps_errors_apart),
		cmocka_unit_test(faults_hit_the_nth),
		cmocka_unit_test(faults_come_from_the_environment),
		cmocka_unit_test(machine_moves_by_its_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
