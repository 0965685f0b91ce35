#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "sandbox/sandbox.h"

/* Giving a tree to a uid. Each folder is opened without following links and its entries are changed by their names in
 * it, so that a link planted in the tree is given away itself, never what it points to. */

enum { DEPTH = 256 };

static int own_below(int fd, uid_t uid, int depth, struct err *e)
{
	DIR *d = depth > 0 ? fdopendir(fd) : NULL;
	if (!d) {
		close(fd);
		return depth > 0 ? err_nomem(e) : err_set(e, ERR_TOO_LARGE, "folders are nested deeper than %d", DEPTH);
	}
	int rc = 0;
	for (struct dirent *it; rc == 0 && (it = readdir(d));) {
		if (strcmp(it->d_name, ".") == 0 || strcmp(it->d_name, "..") == 0)
			continue;
		if (fault_hit(FAULT_IO) || fchownat(fd, it->d_name, uid, uid, AT_SYMLINK_NOFOLLOW) != 0) {
			rc = errno == ENOENT ? 0 : err_errno(e, errno, "cannot give %s away", it->d_name);
			continue;
		}
		if (it->d_type != DT_DIR)
			continue;
		int below = fs_openat(fd, it->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, e);
		rc = below < 0 ? -1 : own_below(below, uid, depth - 1, e);
	}
	closedir(d);
	return rc;
}

int sandbox_own(const char *copy, uid_t uid, struct err *e)
{
	int fd = fs_open(copy, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, e);
	if (fd < 0)
		return -1;
	if (fault_hit(FAULT_IO) || fchown(fd, uid, uid) != 0) {
		close(fd);
		return err_errno(e, errno, "cannot give %s to uid %d", copy, (int)uid);
	}
	return own_below(fd, uid, DEPTH, e) == 0 ? 0 : err_wrap(e, "%s", copy);
}
