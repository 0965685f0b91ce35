/* beneath: openat2 and what the working copy's readers and writers share.
 * EAGAIN of openat2 (a rename somewhere while ".." was resolved) is tried again a few times. */
#include "vcs/beneath.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/crypt.h"

#define RETRIES 128
#define TEMP_FRONT ".muster-"
#define TEMP_BACK ".tmp"
#define READ_STEP (64 * 1024)

int beneath_open(int root, const char *path, int flags, mode_t mode, enum beneath_links links)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
			   (links == BENEATH_NO_FOLLOW ? RESOLVE_NO_SYMLINKS : 0),
	};
	long fd = -1;

	if (!(flags & O_PATH)) /* openat2 refuses them with O_PATH */
		how.flags |= O_NONBLOCK | O_NOCTTY;
	for (int i = 0; i < RETRIES; i++) {
		fd = SEAM(syscall(SYS_openat2, root, path, &how, sizeof how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return (int)fd;
}

/* The path of a descriptor, as the kernel knows it. */
static int path_of(int fd, char *out, size_t room)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = SEAM(readlink(link, out, room));
	if (n < 0)
		return -1;
	if ((size_t)n >= room) {
		errno = ENAMETOOLONG;
		return -1;
	}
	out[n] = 0;
	return 0;
}

int beneath_where(int root, int fd, char *out, size_t room)
{
	char base[PATH_MAX], full[PATH_MAX];
	size_t n;

	if (path_of(root, base, sizeof base) || path_of(fd, full, sizeof full))
		return -1;
	n = strcmp(base, "/") == 0 ? 0 : strlen(base);
	if (strncmp(full, base, n) != 0 || (full[n] != '/' && full[n] != 0)) {
		errno = EXDEV;
		return -1;
	}
	if (snprintf(out, room, "%s", full[n] && full[n + 1] ? full + n + 1 : ".") >= (int)room) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

struct blob *beneath_read(int fd, size_t cap)
{
	struct stat st;
	struct blob *b, *more;
	size_t got = 0;
	ssize_t n;

	if (SEAM(fstat(fd, &st)))
		return NULL;
	if (st.st_size < 0 || (uint64_t)st.st_size > cap) {
		errno = EFBIG;
		return NULL;
	}
	b = blob_alloc((size_t)st.st_size);
	for (;;) {
		char probe = 0;

		if (!b) {
			errno = ENOMEM;
			return NULL;
		}
		n = got < b->size ? SEAM(read(fd, b->data + got, b->size - got)) : SEAM(read(fd, &probe, 1));
		if (n < 0 || (n > 0 && got == b->size && got == cap)) {
			int saved = n < 0 ? errno : EFBIG;
			blob_unref(b);
			errno = saved;
			return NULL;
		}
		if (n == 0)
			break;
		if (got == b->size) { /* it has grown since fstat */
			more = blob_alloc(cap - got < READ_STEP ? cap : got + READ_STEP);
			if (more) {
				memcpy(more->data, b->data, got);
				more->data[got] = probe;
			}
			blob_unref(b);
			b = more;
		}
		got += (size_t)n;
	}
	if (got < b->size) {
		more = blob_new(b->data, got);
		blob_unref(b);
		b = more;
		if (!b)
			errno = ENOMEM;
	}
	return b;
}

void beneath_temp(char out[BENEATH_TEMP])
{
	uint64_t tag;

	crypt_random(&tag, sizeof tag);
	snprintf(out, BENEATH_TEMP, TEMP_FRONT "%016llx" TEMP_BACK, (unsigned long long)tag);
}

bool beneath_is_temp(const char *name)
{
	size_t front = strlen(TEMP_FRONT);

	return strncmp(name, TEMP_FRONT, front) == 0 && strspn(name + front, "0123456789abcdef") == 16 &&
	       strcmp(name + front + 16, TEMP_BACK) == 0;
}

int beneath_grant(int dir, const char *name)
{
	cleanup_fd int fd = SEAM(openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
	char self[32];
	struct stat st;

	if (fd < 0 || SEAM(fstat(fd, &st)))
		return -1;
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
		errno = EACCES;
		return -1;
	}
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return SEAM(chmod(self, (st.st_mode & 0777) | (S_ISDIR(st.st_mode) ? 0700 : 0600)));
}

/* base/fs removes trees by path: this one leads through the open folder, whatever it is called by now. */
int beneath_remove(int dir, const char *name, struct err *e)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir, name) >= (int)sizeof path)
		return beneath_err(e, ENAMETOOLONG, name);
	return fs_remove_tree(path, e);
}

int beneath_err(struct err *e, int errnum, const char *path)
{
	switch (errnum) {
	case ENOENT:
		return err_set(e, ERR_NOT_FOUND, "%s: there is no such file or folder", path);
	case EXDEV:
		return err_set(e, ERR_OUTSIDE,
			"%s: a symbolic link on the way leads out of the project's folder; use the path of a file "
			"inside it",
			path);
	case ELOOP:
		return err_set(e, ERR_OUTSIDE, "%s: symbolic links on the way lead in circles; remove them", path);
	case ENOTDIR:
		return err_set(e, ERR_INVALID, "%s: a part of the path is a file, not a folder", path);
	case EISDIR:
		return err_set(e, ERR_INVALID, "%s: is a folder, not a file", path);
	case ENAMETOOLONG:
		return err_set(e, ERR_INVALID, "%s: the name is too long", path);
	case EFBIG:
		return err_set(e, ERR_TOO_LARGE, "%s: the file is too large", path);
	case ENXIO: /* a socket, or a device without driver */
		return err_set(e, ERR_INVALID, "%s: is neither a file nor a folder", path);
	case ENOSYS:
		return err_set(e, ERR_IO, "%s: this kernel has no openat2; muster needs Linux 5.6 or newer", path);
	default:
		return err_errno(e, errnum, "%s", path);
	}
}
