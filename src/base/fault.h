/* fault: make the n-th fallible call fail, on purpose.
 *
 * Every allocation, system call on files, process start, database call and network call asks fault_hit(kind) first and,
 * when it returns true, fails exactly as the real call would (errno = ENOMEM, EIO, EAGAIN, ...). Unarmed it costs one
 * load and one branch. `MUSTER_FAULT=alloc:17` (the 17th allocation once), `io:3+` (from the 3rd on, for good),
 * `any:40`; read once by fault_from_env() at program start. With MUSTER_FAULT_SEEN=FILE as well, a normal exit writes
 * how many calls of each kind there were into that file, a line "kind number" for each. `make torture` drives both. */
#ifndef MUSTER_BASE_FAULT_H
#define MUSTER_BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum fault_kind { FAULT_ALLOC, FAULT_IO, FAULT_SPAWN, FAULT_DB, FAULT_NET, FAULT_KINDS };

extern _Atomic int fault_armed; /* not zero while armed; read by fault_hit only */

bool fault_count(enum fault_kind kind); /* the slow half of fault_hit; sets errno when it returns true */

static inline bool fault_hit(enum fault_kind kind)
{
	return __builtin_expect(fault_armed != 0, 0) && fault_count(kind);
}

/* Arm: the nth (from 1) call of `kind` (or of all kinds: FAULT_KINDS) fails; `for_good`: all from there on.
 * Thread-safe. */
void fault_arm(enum fault_kind kind, uint64_t nth, bool for_good);
void fault_disarm(void);
/* Calls counted since the last arm; arm with nth = UINT64_MAX to count without failing. */
uint64_t fault_seen(void);
int fault_from_env(struct err *e);

#endif
