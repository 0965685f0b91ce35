/* cgfile: single files of a cgroup directory. */
#ifndef MUSTER_SANDBOX_CGFILE_H
#define MUSTER_SANDBOX_CGFILE_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* Write one value. create: the file may be missing (a fake tree). */
int cgfile_set(int dir, const char *file, bool create, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* The number in a file, or 0 when it has none ("max") or is not there. */
uint64_t cgfile_number(int dir, const char *file);
/* The number after "key " at the start of a line, or 0. */
uint64_t cgfile_key(int dir, const char *file, const char *key);
/* SIGKILL to every process listed in the directory's cgroup.procs, until none is new. */
void cgfile_kill_procs(int dir);
/* Remove the directory and the leaves in it; true when it is gone. fake: with the plain files in it. */
bool cgfile_rmdir(const char *path, bool fake);
void cgfile_empty(int dir); /* a fake tree: unlink its plain files */
/* Open the directory and lock it for as long as the descriptor is open. -1: EWOULDBLOCK when somebody else has it,
 * ENOENT when it is not or no longer there, others. */
int cgfile_lock(const char *path);

#endif
