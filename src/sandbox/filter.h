/* filter: the system calls that no command may make, as a filter for muster-init and so for every command (seccomp(2)).
 *
 * Everything else is allowed: namespaces, capabilities and the file system view do the isolating, this takes away the
 * parts of the kernel that ordinary development tools never need and exploits do. Refused calls get EPERM; 32-bit and
 * x32 calls end the process. clone3 is refused besides where a command begins (init/slot.c). */
#ifndef MUSTER_SANDBOX_FILTER_H
#define MUSTER_SANDBOX_FILTER_H

#include "base/err.h"

/* A read-only memfd that holds the compiled filter (struct sock_filter[]), made once and shared by all sandboxes: it is
 * mapped, never read by offset. Borrowed; -1 on failure. */
int filter_fd(struct err *e);

#endif
