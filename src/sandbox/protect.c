#include "sandbox/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"

/* Each part is opened beneath the copy without following links: what worked in the copy before may have planted some.
 * Nothing runs in the copy while this does. */

enum { PLACEHOLDER = 01555 };

static int open_beneath(int dir, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static bool is_placeholder(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && (st->st_mode & 07777) == PLACEHOLDER;
}

static int make_one(int copy, const char *path, struct err *e)
{
	cleanup_fd int there = open_beneath(copy, path, O_PATH);
	if (there >= 0)
		return 0;
	if (errno == ELOOP || errno == EXDEV)
		return err_set(e, ERR_DENIED,
			"%s is or passes a symbolic link, which cannot be protected: replace it by what it points to",
			path);
	if (errno != ENOENT)
		return err_errno(e, errno, "cannot protect %s", path);
	char part[PATH_MAX];
	const char *slash = path;
	struct stat owner;
	if (fstat(copy, &owner) != 0)
		return err_errno(e, errno, "cannot protect %s", path);
	while ((slash = strchr(slash, '/'))) { /* folders on the way are ordinary ones */
		memcpy(part, path, (size_t)(slash - path));
		part[slash++ - path] = 0;
		if (mkdirat(copy, part, 0755) == 0) {
			if (fchownat(copy, part, owner.st_uid, owner.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
				return err_errno(e, errno, "cannot protect %s", path);
		} else if (errno != EEXIST)
			return err_errno(e, errno, "cannot protect %s", path);
	}
	slash = strrchr(path, '/');
	memcpy(part, path, slash ? (size_t)(slash - path) : 0);
	part[slash ? slash - path : 0] = 0;
	cleanup_fd int dir = open_beneath(copy, slash ? part : ".", O_RDONLY | O_DIRECTORY);
	const char *name = slash ? slash + 1 : path;
	if (dir < 0 || fault_hit(FAULT_IO) || mkdirat(dir, name, 0755) != 0 || fchmodat(dir, name, PLACEHOLDER, 0) != 0)
		return err_errno(e, errno, "cannot protect %s", path);
	return 0;
}

static int check(const char *path, struct err *e)
{
	struct span rest = span_of(path);
	bool ok = rest.n > 0 && rest.n < PATH_MAX && path[0] != '/' && path[rest.n - 1] != '/';
	for (const char *at = path; ok && at; at = strchr(at, '/')) {
		at += *at == '/';
		size_t n = strcspn(at, "/");
		ok = n > 0 && !(n == 1 && at[0] == '.') && !(n == 2 && at[0] == '.' && at[1] == '.');
	}
	return ok ? 0 : err_set(e, ERR_INVALID, "\"%s\" is no path below the working copy", path);
}

int protect_make(const char *copy, const char *const *paths, struct err *e)
{
	if (!paths || !*paths)
		return 0;
	cleanup_fd int dir = fs_open(copy, O_RDONLY | O_DIRECTORY, 0, e);
	if (dir < 0)
		return -1;
	for (; *paths; paths++)
		if (check(*paths, e) != 0 || make_one(dir, *paths, e) != 0)
			return -1;
	return 0;
}

void protect_remove(const char *copy, const char *const *paths)
{
	cleanup_fd int dir = fs_open(copy, O_RDONLY | O_DIRECTORY, 0, NULL);
	for (; dir >= 0 && paths && *paths; paths++) {
		struct stat st;
		const char *slash = strrchr(*paths, '/');
		cleanup_free char *folder = mem_strndup(*paths, slash ? (size_t)(slash - *paths) : 0);
		cleanup_fd int above = folder ? open_beneath(dir, *folder ? folder : ".", O_RDONLY | O_DIRECTORY) : -1;
		const char *name = slash ? slash + 1 : *paths;
		if (above >= 0 && fstatat(above, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_placeholder(&st))
			unlinkat(above, name, AT_REMOVEDIR); /* fails when not empty: then it is not ours */
	}
}
