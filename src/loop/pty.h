/* pty: a pseudo-terminal. The host keeps the master (usually handed to a stream, which then owns it); the child gets
 * the slave by its path (child_spec.terminal). */
#ifndef MUSTER_LOOP_PTY_H
#define MUSTER_LOOP_PTY_H

#include "base/err.h"

#define PTY_PATH 64

struct pty {
	int master; /* non-blocking, close-on-exec; the caller closes it */
	char slave[PTY_PATH];
};

/* Opens a pair of this size in characters. ERR_IO and others of open(2). */
int pty_open(struct pty *p, int rows, int cols, struct err *e);
/* The foreground process group gets SIGWINCH. rows and cols from 1 to 65535, else ERR_INVALID. */
int pty_resize(int master, int rows, int cols, struct err *e);

#endif
