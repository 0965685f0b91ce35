/* init: the parts of muster-init (see wire.h for what it is). It uses no library of ours, allocates nothing after its
 * start, and never prints but to say why it could not start. */
#ifndef MUSTER_SANDBOX_INIT_H
#define MUSTER_SANDBOX_INIT_H

#include <stdnoreturn.h>
#include <sys/types.h>

#include "sandbox/init/frame.h"

/* launcher.c: outside; becomes bubblewrap. From WIRE_FIRST_FD on it has `joins` files to join a cgroup v1 by, the
 * directory of a cgroup v2 when `cgroup`, and the program itself. */
noreturn void launcher_main(int joins, int cgroup);
/* pid1.c: inside. */
noreturn void pid1_main(void);

/* slot.c: the child that becomes a command. */
struct slot_config {
	struct wire_begin begin;
	int landlock; /* version, 0: none */
};
/* What a child tells pid 1 over its report socket; a PTY's master rides beside STARTED. */
enum report_kind { REPORT_STARTED = 1, REPORT_FAILED, REPORT_ENDED };
/* (a struct wire with type = report_kind) */

/* In the new child: becomes the command of this RUN frame. `report` is close-on-exec. */
noreturn void slot_main(const struct slot_config *config, struct frame *run, int report);
/* keeper.c: in the new child: starts the command below itself, waits, ends all of its descendants, reports ENDED. */
noreturn void keeper_main(const struct slot_config *config, struct frame *run, int report);
int report_send(int report, enum report_kind kind, int status, int signal, int error, int fd);

/* landlock.c */
int landlock_version(void);
/* A domain of its own: processes outside of it cannot be traced or read through /proc; with `signals` (version 6) not
 * be signalled either. 0, or the errno. */
int landlock_enter(int version, int signals);

noreturn void die(const char *what, int error);
/* One write to a small kernel file. 0, or the errno. */
int write_text(int dir, const char *path, const char *text);

#endif
