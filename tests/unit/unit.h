/* What every unit test includes: cmocka with its prerequisites, and small helpers. */
#ifndef MUSTER_TESTS_UNIT_H
#define MUSTER_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"

/* Fail with the error's text when a call did not succeed. */
#define must(call, e)                                                                                                  \
	do {                                                                                                           \
		if ((call) != 0)                                                                                       \
			fail_msg("%s: %s", #call, (e)->text);                                                          \
	} while (0)

#endif
