/* level: what a test program of sandboxes runs at: which limits of the kernel it may use, and as whom. */
#ifndef MUSTER_TESTS_SANDBOX_LEVEL_H
#define MUSTER_TESTS_SANDBOX_LEVEL_H

#include "sandbox/sandbox.h"

/* By the program's arguments: "v1" without cgroups v2, "none" without any (rlimits only), else what the host has;
 * "user": as an ordinary user, to whom root delegated cgroups as an administrator can. Call it first; the rest of the
 * program may run in a child, whose exit status becomes the program's. An ordinary user runs as what it is. */
void level_enter(int argc, char **argv);
/* What that must come to; when it was an ordinary user who started the tests, whatever the probe finds. */
enum sandbox_level level_wanted(enum sandbox_level found);

#endif
