/* record: see the header. Folders are known by their inode, which survives a rename. */
#undef _FILE_OFFSET_BITS /* as in crash.c */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int to_fd = -1;
static dev_t disk;
static unsigned long count; /* of the records of this process */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* System calls of its own: those of the C library are crash.c's here. */
static void put(char op, unsigned long a, long b, unsigned long c, const void *n, size_t n_size, const void *m)
{
	size_t m_size = m ? strlen(m) : 0;
	char line[128];
	struct iovec parts[3] = {{line, 0}, {(void *)n, n_size}, {(void *)m, m_size}};
	int saved = errno;

	parts[0].iov_len = (size_t)snprintf(line, sizeof line, "%c %lu %ld %lu %zu %zu\n", op, a, b, c, n_size, m_size);
	if (syscall(SYS_writev, to_fd, parts, 3) != (long)(parts[0].iov_len + n_size + m_size))
		_exit(99);
	count++;
	errno = saved;
}

void record_to(const char *path)
{
	struct stat st;

	to_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (to_fd < 0 || stat(".", &st))
		_exit(99);
	disk = st.st_dev;
	put('B', 0, 0, 0, NULL, 0, NULL);
	count = 0;
}

void record_begin(void)
{
	if (to_fd >= 0)
		pthread_mutex_lock(&lock);
}

void record_end(void)
{
	if (to_fd >= 0)
		pthread_mutex_unlock(&lock);
}

/* The folder of a path, 0 when it is not on the disk, and the last name. */
static unsigned long folder_of(int dir, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char folder[4096] = ".";
	struct stat st;

	while (slash && !slash[1] && slash > path) /* a slash at the end of a folder's name */
		slash = memrchr(path, '/', (size_t)(slash - path));
	if (slash)
		snprintf(folder, sizeof folder, "%.*s", (int)(slash - path + 1), path);
	*name = slash ? slash + 1 : path;
	return fstatat(dir, folder, &st, 0) == 0 && st.st_dev == disk ? st.st_ino : 0;
}

static size_t name_size(const char *name)
{
	return strcspn(name, "/");
}

void record_made(char op, int dir, const char *path, const char *to)
{
	int saved = errno;
	const char *name;
	unsigned long in = to_fd < 0 ? 0 : folder_of(dir, path, &name);
	struct stat st;

	if (in && fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		put(op, in, (long)st.st_ino, st.st_mode & 07777, name, name_size(name), to);
	errno = saved;
}

void record_gone(int dir, const char *path)
{
	int saved = errno;
	const char *name;
	unsigned long in = to_fd < 0 ? 0 : folder_of(dir, path, &name);

	if (in)
		put('U', in, 0, 0, name, name_size(name), NULL);
	errno = saved;
}

void record_moved(int from_dir, const char *from, int to_dir, const char *to)
{
	int saved = errno;
	const char *old, *new;
	unsigned long a = to_fd < 0 ? 0 : folder_of(from_dir, from, &old);
	unsigned long b = to_fd < 0 ? 0 : folder_of(to_dir, to, &new);

	if (a && b)
		put('R', a, (long)b, 0, old, name_size(old), new);
	errno = saved;
}

static unsigned long inode(int fd, struct stat *st)
{
	return to_fd >= 0 && fd > STDERR_FILENO && fstat(fd, st) == 0 && st->st_dev == disk ? st->st_ino : 0;
}

void record_bytes(int fd, const void *data, ssize_t n, off64_t at)
{
	int saved = errno;
	struct stat st;
	unsigned long ino = n > 0 ? inode(fd, &st) : 0;

	if (ino && S_ISREG(st.st_mode))
		put('W', ino, at >= 0 ? at : lseek(fd, 0, SEEK_CUR) - n, 0, data, (size_t)n, NULL);
	errno = saved;
}

void record_size(int fd)
{
	int saved = errno;
	struct stat st;
	unsigned long ino = inode(fd, &st);

	if (ino)
		put('T', ino, st.st_size, 0, NULL, 0, NULL);
	errno = saved;
}

unsigned long record_count(void)
{
	unsigned long n;

	record_begin();
	n = count;
	record_end();
	return n;
}

void record_synced(int fd, unsigned long from, int data_only)
{
	int saved = errno;
	struct stat st;
	unsigned long ino = inode(fd, &st);

	record_begin();
	if (ino)
		put('S', ino, (long)from, (unsigned long)data_only, NULL, 0, NULL);
	record_end();
	errno = saved;
}
