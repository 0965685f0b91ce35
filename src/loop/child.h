/* child: a program run as a child process, argv only, never a shell string.
 *
 * Started by posix_spawn/vfork semantics (no fork of a big process), with a fresh process group, every descriptor
 * closed but those named, signals reset. Its exit is reported once, also when it is killed. */
#ifndef MUSTER_LOOP_CHILD_H
#define MUSTER_LOOP_CHILD_H

#include <sys/types.h>

#include "loop/loop.h"

struct child_fd {
	int fd;	    /* ours */
	int target; /* the number in the child */
};

struct child_spec {
	const char *file;	 /* looked up in PATH when it has no slash */
	const char *const *argv; /* NULL-terminated */
	const char *const *env;	 /* NULL-terminated NAME=value; NULL: inherit */
	const char *cwd;	 /* NULL: ours */
	const struct child_fd *fds;
	size_t fd_count;      /* 0, 1, 2 that are not named are /dev/null */
	const char *terminal; /* a PTY's path: the controlling terminal and 0, 1, 2 of a new session; NULL: none */
};

struct child {
	struct loop *loop;
	pid_t pid;
	/* Fires once after the child was reaped: status is the exit status, or -1 when a signal (signum) ended it. */
	void (*cb)(struct child *c, int status, int signum);
	void *handle;
};

/* -1 with ERR_SPAWN (not found: says so) or ERR_NOMEM; then no callback. */
int child_start(struct child *c, struct loop *l, const struct child_spec *spec,
	void (*cb)(struct child *c, int status, int signum), struct err *e);
/* Signal the whole process group; harmless after the end. */
void child_kill(struct child *c, int signum);

#endif
