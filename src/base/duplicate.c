/* duplicate: see duplicate.h. Everything goes by descriptors of folders, so that a folder exchanged for a link leads
 * nowhere. */
#include "base/duplicate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"

#define DEPTH 200 /* two descriptors each */

struct duplicate {
	bool (*leave)(const char *path);
	char path[PATH_MAX]; /* below the top, of what is being copied */
	size_t len;
};

static int copy_bytes(int from, int to, struct err *e)
{
	cleanup_buf struct buf piece = BUF_INIT(256 * KIB);
	int more;
	while ((more = fs_read_some(from, 256 * KIB, &piece, e)) > 0) {
		if (fs_write_fd(to, buf_span(&piece), e))
			return -1;
		buf_clear(&piece);
	}
	return more;
}

static int copy_file(int from, int to, const char *name, const char *to_name, mode_t mode, struct err *e)
{
	struct err why = ERR_INIT;
	cleanup_fd int in = fs_openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &why);
	if (in < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		if (e)
			*e = why;
		return -1;
	}
	cleanup_fd int out = fs_openat(to, to_name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600, e);
	if (out < 0 || copy_bytes(in, out, e))
		return -1;
	return fault_hit(FAULT_IO) || fchmod(out, mode & 0777) ? err_errno(e, errno, "the rights of %s", to_name) : 0;
}

static int copy_link(int from, int to, const char *name, const char *to_name, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : err_errno(e, errno, "read the link %s", name);
	target[n] = '\0';
	return fault_hit(FAULT_IO) || (symlinkat(target, to, to_name) && errno != EEXIST)
		       ? err_errno(e, errno, "make the link %s", to_name)
		       : 0;
}

static int copy_entry(
	struct duplicate *d, int from, int to, const char *name, const char *to_name, int depth, struct err *e);

static int copy_entries(struct duplicate *d, int from, int to, int depth, struct err *e)
{
	int own = fcntl(from, F_DUPFD_CLOEXEC, 0);
	DIR *dir = own < 0 || fault_hit(FAULT_IO) ? NULL : fdopendir(own);
	struct dirent *it;
	size_t len = d->len;
	int rc = 0;
	if (!dir) {
		rc = err_errno(e, errno, "read the folder %s", d->path);
		if (own >= 0)
			close(own);
		return rc;
	}
	while (rc == 0 && (errno = 0, it = readdir(dir))) {
		if (!strcmp(it->d_name, ".") || !strcmp(it->d_name, ".."))
			continue;
		int n = snprintf(d->path + len, sizeof(d->path) - len, "%s%s", len ? "/" : "", it->d_name);
		if ((size_t)n >= sizeof(d->path) - len) {
			rc = err_set(e, ERR_TOO_LARGE, "%.200s… has a path of more than %d bytes", d->path, PATH_MAX);
			break;
		}
		d->len = len + (size_t)n;
		if (!d->leave || !d->leave(d->path))
			rc = copy_entry(d, from, to, it->d_name, it->d_name, depth + 1, e);
		d->len = len;
		d->path[len] = '\0';
	}
	if (rc == 0 && errno)
		rc = err_errno(e, errno, "read the folder %s", d->path);
	closedir(dir);
	return rc;
}

static int copy_folder(struct duplicate *d, int from, int to, const char *name, const char *to_name, mode_t mode,
	int depth, struct err *e)
{
	struct err why = ERR_INIT;
	if (depth > DEPTH)
		return err_set(e, ERR_TOO_LARGE, "%.200s… has more than %d folders in one another", d->path, DEPTH);
	cleanup_fd int in = fs_openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &why);
	if (in < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		if (e)
			*e = why;
		return -1;
	}
	if (fault_hit(FAULT_IO) || (mkdirat(to, to_name, 0700) && errno != EEXIST))
		return err_errno(e, errno, "make the folder %s", to_name);
	cleanup_fd int out = fs_openat(to, to_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, e);
	if (out < 0 || copy_entries(d, in, out, depth, e))
		return -1;
	return fault_hit(FAULT_IO) || fchmod(out, mode & 0777) ? err_errno(e, errno, "the rights of %s", to_name) : 0;
}

static int copy_entry(
	struct duplicate *d, int from, int to, const char *name, const char *to_name, int depth, struct err *e)
{
	struct stat st;
	if (fault_hit(FAULT_IO) || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : err_errno(e, errno, "look at %s", name);
	if (S_ISDIR(st.st_mode))
		return copy_folder(d, from, to, name, to_name, st.st_mode, depth, e);
	if (S_ISREG(st.st_mode))
		return copy_file(from, to, name, to_name, st.st_mode, e);
	return S_ISLNK(st.st_mode) ? copy_link(from, to, name, to_name, e) : 0;
}

int duplicate_tree(const char *from, const char *to, bool (*leave)(const char *path), struct err *e)
{
	struct duplicate d = {.leave = leave};
	return copy_entry(&d, AT_FDCWD, AT_FDCWD, from, to, 0, e) ? err_wrap(e, "copy %s", from) : 0;
}

int sync_all(const char *dir, struct err *e)
{
	cleanup_fd int fd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0, e);
	if (fd < 0)
		return -1;
	return fault_hit(FAULT_IO) || syncfs(fd) ? err_errno(e, errno, "sync %s", dir) : 0;
}
