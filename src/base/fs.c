/* fs: each system call goes through TRY, which asks the fault seam first and repeats on EINTR.
 * fs_replace's durability: the data is synced before the rename, the folder after it. fs_remove_tree works on
 * descriptors only, so that a link put in the way is removed and never followed; trees deeper than DEPTH are
 * flattened (a folder too deep is moved up into the root of the tree), so that depth costs neither stack nor
 * descriptors. */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#include "base/crypt.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"

#define READ_STEP (64u * 1024)
#define DEPTH 64

#define TRY(call)                                                                                                      \
	({                                                                                                             \
		__typeof__(call) try_result;                                                                           \
		do                                                                                                     \
			try_result = fault_hit(FAULT_IO) ? -1 : (call);                                                \
		while (try_result == -1 && errno == EINTR);                                                            \
		try_result;                                                                                            \
	})

int fs_openat(int dir, const char *path, int flags, mode_t mode, struct err *e)
{
	int fd = TRY(openat(dir, path, flags | O_CLOEXEC, mode));

	return fd >= 0 ? fd : err_errno(e, errno, "open %s", path);
}

int fs_open(const char *path, int flags, mode_t mode, struct err *e)
{
	return fs_openat(AT_FDCWD, path, flags, mode, e);
}

/* Append all of fd, `what` in messages; out is as before after a failure. */
static int read_all(int fd, struct buf *out, const char *what, struct err *e)
{
	size_t before = out->len;
	struct stat st;
	size_t step = READ_STEP;

	/* The size is a hint; with one byte more the buffer need not grow to find the end. */
	if (TRY(fstat(fd, &st)))
		return err_errno(e, errno, "read %s", what);
	if (S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size < SIZE_MAX - 1)
		step = (size_t)st.st_size + 1;
	for (;;) {
		size_t left = out->cap - out->len;
		char probe, *to = left ? buf_grow(out, step < left ? step : left) : &probe;
		ssize_t n;

		if (!to)
			break;
		n = TRY(read(fd, to, left ? (step < left ? step : left) : 1));
		if (n == 0)
			return buf_check(out, what, e);
		if (n < 0) {
			err_errno(e, errno, "read %s", what);
			buf_cut(out, before);
			return -1;
		}
		if (left == 0) {
			out->failed = BUF_FULL;
			break;
		}
		buf_grew(out, (size_t)n);
		step = out->room - out->len - 1; /* what is there already */
		if (step == 0)
			step = READ_STEP;
	}
	buf_cut(out, before);
	return buf_check(out, what, e);
}

int fs_read_fd(int fd, struct buf *out, struct err *e)
{
	return read_all(fd, out, "an open file", e);
}

int fs_read_some(int fd, size_t most, struct buf *out, struct err *e)
{
	char *to = buf_grow(out, most);
	ssize_t n = to ? TRY(read(fd, to, most)) : 0;

	if (!to)
		return buf_check(out, "an open file", e);
	if (n < 0)
		return err_errno(e, errno, "read an open file");
	buf_grew(out, (size_t)n);
	return n > 0;
}

int fs_read(const char *path, struct buf *out, struct err *e)
{
	cleanup_fd int fd = fs_open(path, O_RDONLY, 0, e);

	return fd < 0 ? -1 : read_all(fd, out, path, e);
}

int fs_write_fd(int fd, struct span data, struct err *e)
{
	while (data.n) {
		ssize_t n = TRY(write(fd, data.p, data.n));
		if (n < 0)
			return err_errno(e, errno, "write");
		data = span_n(data.p + n, data.n - (size_t)n);
	}
	return 0;
}

int fs_fsync(int fd, struct err *e)
{
	return TRY(fsync(fd)) ? err_errno(e, errno, "fsync") : 0;
}

int fs_fsync_dir(const char *dir, struct err *e)
{
	cleanup_fd int fd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0, e);

	if (fd < 0)
		return -1;
	return fs_fsync(fd, e) ? err_wrap(e, "folder %s", dir) : 0;
}

int fs_fsync_tree(const char *path, struct err *e)
{
	cleanup_fd int fd = fs_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, e);
	struct dirent *de;
	struct stat st;
	int rc = 0;

	if (fd < 0)
		return -1;
	if (fs_fsync(fd, e))
		return err_wrap(e, "%s", path);
	if (TRY(fstat(fd, &st)))
		return err_errno(e, errno, "read %s", path);
	if (!S_ISDIR(st.st_mode))
		return 0;
	DIR *dir = fdopendir(fd);
	if (!dir)
		return err_errno(e, errno, "read the folder %s", path);
	fd = -1;
	while (rc == 0 && (errno = 0, de = readdir(dir))) {
		cleanup_free char *below = NULL;
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		below = fs_join(path, de->d_name);
		rc = below ? fs_fsync_tree(below, e) : err_nomem(e);
	}
	if (rc == 0 && errno)
		rc = err_errno(e, errno, "read the folder %s", path);
	closedir(dir);
	return rc;
}

/* The folder a path lies in, into out[PATH_MAX]. */
static void parent_of(const char *path, char *out)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		memcpy(out, ".", 2);
	else if (slash == path)
		memcpy(out, "/", 2);
	else
		memcpy(out, path, (size_t)(slash - path)), out[slash - path] = 0;
}

static int write_whole(const char *path, struct span data, mode_t mode, struct err *e)
{
	int fd = fs_open(path, O_WRONLY | O_CREAT | O_EXCL, mode, e), rc;

	if (fd < 0)
		return -1;
	rc = fs_write_fd(fd, data, e);
	if (rc == 0)
		rc = fs_fsync(fd, e);
	if (rc)
		err_wrap(e, "%s", path);
	close(fd); /* synced: nothing is left that close could fail to write */
	return rc;
}

int fs_replace(const char *path, struct span data, mode_t mode, struct err *e)
{
	char temp[PATH_MAX], dir[PATH_MAX];
	uint64_t tag;
	int n;

	crypt_random(&tag, sizeof tag);
	n = snprintf(temp, sizeof temp, "%s.%016llx.tmp", path, (unsigned long long)tag);
	if (n < 0 || (size_t)n >= sizeof temp)
		return err_errno(e, ENAMETOOLONG, "replace %s", path);
	if (write_whole(temp, data, mode, e) || fs_rename(temp, path, e)) {
		unlink(temp);
		return -1;
	}
	parent_of(path, dir);
	return fs_fsync_dir(dir, e);
}

static int make_dirs(const char *path, mode_t mode, bool durable, struct err *e)
{
	char part[PATH_MAX], dir[PATH_MAX];
	size_t n = strlen(path);
	struct stat st;

	if (n == 0 || n >= sizeof part)
		return err_errno(e, n ? ENAMETOOLONG : ENOENT, "make folder %s", path);
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (part[i] != '/' && part[i] != 0)
			continue;
		part[i] = 0;
		if (TRY(mkdir(part, mode)) == 0) {
			parent_of(part, dir);
			if (durable && fs_fsync_dir(dir, e))
				return -1;
		} else if (errno != EEXIST) {
			return err_errno(e, errno, "make folder %s", part);
		}
		part[i] = path[i];
	}
	if (TRY(stat(path, &st)))
		return err_errno(e, errno, "make folder %s", path);
	return S_ISDIR(st.st_mode) ? 0 : err_errno(e, ENOTDIR, "make folder %s", path);
}

int fs_mkdirs(const char *path, mode_t mode, struct err *e)
{
	return make_dirs(path, mode, false, e);
}

int fs_mkdirs_durable(const char *path, mode_t mode, struct err *e)
{
	return make_dirs(path, mode, true, e);
}

int fs_rename(const char *from, const char *to, struct err *e)
{
	return TRY(rename(from, to)) ? err_errno(e, errno, "rename %s to %s", from, to) : 0;
}

int fs_unlink(const char *path, struct err *e)
{
	return TRY(unlink(path)) && errno != ENOENT ? err_errno(e, errno, "remove %s", path) : 0;
}

bool fs_exists(const char *path)
{
	struct stat st;

	return TRY(stat(path, &st)) == 0;
}

bool fs_is_dir(const char *path)
{
	struct stat st;

	return TRY(stat(path, &st)) == 0 && S_ISDIR(st.st_mode);
}

char *fs_existing_dir(const char *path)
{
	char *dir = mem_strdup(path);

	while (dir && strcmp(dir, "/") != 0 && !fs_is_dir(dir)) {
		char *slash = strrchr(dir, '/');
		if (!slash) {
			mem_free(dir);
			return mem_strdup(".");
		}
		slash[slash == dir] = '\0';
	}
	return dir;
}

char *fs_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	while (*name == '/')
		name++;
	return mem_printf("%s%s%s", dir, n == 0 || dir[n - 1] == '/' ? "" : "/", name);
}

/* ---- removing a tree ---- */

/* Open a folder for emptying, giving ourselves the rights on it that its owner may have taken away. */
static int open_folder(int parent, const char *name)
{
	int fd = TRY(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	struct stat st;

	if (fd < 0 && errno == EACCES) {
		char self[32];
		cleanup_fd int path_fd = TRY(openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
		if (path_fd < 0)
			return -1;
		snprintf(self, sizeof self, "/proc/self/fd/%d", path_fd);
		if (TRY(chmod(self, 0700)))
			return -1;
		fd = TRY(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	}
	if (fd < 0)
		return -1;
	/* EPERM: somebody else's folder; if it is empty, it can go all the same. */
	if (TRY(fstat(fd, &st)) || ((st.st_mode & 0700) != 0700 && TRY(fchmod(fd, 0700)) && errno != EPERM)) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int remove_entry(int parent, const char *name, bool folder, int root, int depth);

/* Remove everything in the open folder (closes it). *seen: it held something. */
static int empty_once(int fd, int root, int depth, bool *seen)
{
	DIR *dir = fdopendir(fd);
	struct dirent *de;
	int rc = 0, saved;

	*seen = false;
	if (!dir) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	while (rc == 0 && (errno = 0, de = readdir(dir))) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		*seen = true;
		rc = remove_entry(fd, de->d_name, de->d_type == DT_DIR, root, depth);
	}
	if (rc == 0 && errno)
		rc = -1;
	saved = errno;
	closedir(dir);
	errno = saved;
	return rc;
}

/* Until it is seen empty: removing while reading may hide entries, and flattening adds some to the root. */
static int remove_folder(int parent, const char *name, int root, int depth)
{
	bool seen;

	do {
		int fd = open_folder(parent, name);
		if (fd < 0 || empty_once(fd, root < 0 ? fd : root, depth + 1, &seen))
			return -1;
	} while (seen);
	return TRY(unlinkat(parent, name, AT_REMOVEDIR));
}

/* Move a folder up into the root; that changes its "..", so we need the rights on it. */
static int flatten(int parent, const char *name, int root)
{
	cleanup_fd int fd = open_folder(parent, name);
	char flat[40];
	uint64_t tag;

	if (fd < 0)
		return -1;
	crypt_random(&tag, sizeof tag);
	snprintf(flat, sizeof flat, ".removing-%016llx", (unsigned long long)tag);
	return TRY(renameat(parent, name, root, flat));
}

static int remove_entry(int parent, const char *name, bool folder, int root, int depth)
{
	if (!folder) {
		if (TRY(unlinkat(parent, name, 0)) == 0 || errno == ENOENT)
			return 0;
		if (errno != EISDIR)
			return -1;
	}
	if (depth >= DEPTH)
		return flatten(parent, name, root);
	return remove_folder(parent, name, root, depth);
}

int fs_remove_tree(const char *path, struct err *e)
{
	char bare[PATH_MAX];
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/') /* a slash at the end would follow a link */
		n--;
	if (n >= sizeof bare)
		return err_errno(e, ENAMETOOLONG, "remove %s", path);
	memcpy(bare, path, n);
	bare[n] = 0;
	if (remove_entry(AT_FDCWD, bare, false, -1, 0) && errno != ENOENT)
		return err_errno(e, errno, "remove %s", path);
	return 0;
}
