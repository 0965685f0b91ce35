#include "loop/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fault.h"

/* Purpose: posix_openpt and its companions in one call. */

int pty_resize(int master, int rows, int cols, struct err *e)
{
	if (rows < 1 || rows > 65535 || cols < 1 || cols > 65535)
		return err_set(e, ERR_INVALID, "a terminal of %d rows and %d columns is impossible", rows, cols);
	struct winsize w = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
	if (ioctl(master, TIOCSWINSZ, &w) != 0)
		return err_errno(e, errno, "cannot resize the terminal");
	return 0;
}

int pty_open(struct pty *p, int rows, int cols, struct err *e)
{
	p->master = fault_hit(FAULT_IO) ? (errno = EIO, -1) : posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (p->master < 0)
		return err_errno(e, errno, "cannot open a terminal");
	if (grantpt(p->master) != 0 || unlockpt(p->master) != 0 ||
		ptsname_r(p->master, p->slave, sizeof(p->slave)) != 0)
		err_errno(e, errno, "cannot open a terminal");
	else if (pty_resize(p->master, rows, cols, e) == 0)
		return 0;
	close(p->master);
	p->master = -1;
	return -1;
}
