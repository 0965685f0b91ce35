/* Run a function again and again with the first, second, ... fallible call failing, until it gets through.
 * Each failure must be reported as this error, and nothing may leak. */
#ifndef MUSTER_TESTS_BASE_TORTURE_H
#define MUSTER_TESTS_BASE_TORTURE_H

#include "base/fault.h"
#include "base/mem.h"
#include "unit.h"

/* `run` returns 0 or -1 and frees all it made. Returns how many calls were failed. */
static inline int torture(enum fault_kind kind, enum err_code expected, int (*run)(struct err *e))
{
	struct err e = ERR_INIT;
	int n = 0;

	for (;; n++) {
		size_t before = mem_in_use();
		int rc;

		err_clear(&e);
		fault_arm(kind, (uint64_t)n + 1, false);
		rc = run(&e);
		bool through = fault_seen() <= (uint64_t)n;
		fault_disarm();
		assert_int_equal(mem_in_use(), before);
		if (through) {
			if (rc)
				fail_msg("without a fault: %s", e.text);
			return n;
		}
		if (rc == 0)
			fail_msg("call %d failed unnoticed", n + 1);
		if (e.code != expected)
			fail_msg("call %d gave %s: %s", n + 1, err_name(e.code), e.text);
	}
}

#endif
