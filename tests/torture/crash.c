/* A library to preload: what befalls the process at its nth change of a file.
 *
 * CRASH=kill:n   dies by SIGKILL before the nth change: a write, sync, rename and the like, a new file
 *       half:n   does half of the nth write, then dies
 *       short:n  does half of the nth write, and says so
 *       eio:n    the nth change fails with EIO; eio:n+: all from there on
 *       sync:n   the nth sync (fsync, fdatasync) fails with EIO; sync:n+: all from there on
 *       full:n   the nth change that needs room fails with ENOSPC, and all from there on
 * CRASH_LOG=FILE: what the process changes is recorded there (record.h).
 * CRASH_SEEN=FILE: a normal exit writes how many of each there were, a line "kind number" for each, and "trusted
 * number": the writes to the journal's log after a sync of the log or of the database has failed. Children are not
 * touched: the variables are taken out of the environment at load. What is counted ends in a file of the disk that the
 * working directory is on; the standard streams are not counted. */
#undef _FILE_OFFSET_BITS /* or pwrite and pwrite64 would be one symbol; both are called */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "record.h"

enum { CHANGE = 1, WRITE = 2, ROOM = 4, SYNC = 8 }; /* what a call is; one class of them is counted for a kind */
enum fate { PASS, DIE, FAIL, HALF, HALF_AND_DIE };

static const struct kind {
	const char *name;
	int counts;
	enum fate fate;
	int error;
	bool for_good;
} kinds[] = {
	{"kill", CHANGE, DIE, 0, false},
	{"half", WRITE, HALF_AND_DIE, 0, false},
	{"short", WRITE, HALF, 0, false},
	{"eio", CHANGE, FAIL, EIO, false},
	{"sync", SYNC, FAIL, EIO, false},
	{"full", ROOM, FAIL, ENOSPC, true},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static const struct kind *armed;
static unsigned long nth;
static bool for_good;
static _Atomic unsigned long seen[KINDS];
static _Atomic bool journal_failed;
static _Atomic unsigned long trusted;
static char seen_path[4096];
static dev_t disk;

__attribute__((constructor)) static void load(void)
{
	const char *text = getenv("CRASH"), *path = getenv("CRASH_SEEN"), *log = getenv("CRASH_LOG");
	const char *colon = text ? strchr(text, ':') : NULL;
	struct stat st;
	char *end;

	for (size_t i = 0; colon && i < KINDS; i++)
		if (strlen(kinds[i].name) == (size_t)(colon - text) &&
			!strncmp(text, kinds[i].name, (size_t)(colon - text)))
			armed = &kinds[i];
	if (armed) {
		nth = strtoul(colon + 1, &end, 10);
		for_good = armed->for_good || *end == '+';
	}
	if (text && !armed) {
		fprintf(stderr, "CRASH=%s is none of the kinds\n", text);
		_exit(99);
	}
	if (path)
		snprintf(seen_path, sizeof seen_path, "%s", path);
	if (stat(".", &st) == 0)
		disk = st.st_dev;
	unsetenv("LD_PRELOAD");
	unsetenv("CRASH");
	unsetenv("CRASH_SEEN");
	unsetenv("CRASH_LOG");
	if (log)
		record_to(log);
}

__attribute__((destructor)) static void unload(void)
{
	FILE *file;

	armed = NULL;
	file = *seen_path ? fopen(seen_path, "we") : NULL;
	if (!file)
		return;
	for (size_t i = 0; i < KINDS; i++)
		fprintf(file, "%s %lu\n", kinds[i].name, (unsigned long)seen[i]);
	fprintf(file, "trusted %lu\n", (unsigned long)trusted);
	fclose(file);
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	pause();
}

/* Count a call that is all of these; its fate, with errno set when it shall fail. */
static enum fate counted(int what)
{
	unsigned long mine = 0;

	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].counts & what) {
			unsigned long n = atomic_fetch_add(&seen[i], 1) + 1;
			if (&kinds[i] == armed)
				mine = n;
		}
	if (!mine || (for_good ? mine < nth : mine != nth))
		return PASS;
	if (armed->fate == DIE)
		die();
	errno = armed->error;
	return armed->fate;
}

/* A descriptor of something on the disk: a file or a folder. */
static bool is_there(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == disk;
}

static bool is_file(int fd)
{
	struct stat st;

	return fd > STDERR_FILENO && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == disk;
}

/* The name of the file ends so. */
static bool is_named(int fd, const char *end)
{
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	if (n < (ssize_t)strlen(end))
		return false;
	path[n] = 0;
	return !strcmp(path + n - strlen(end), end);
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

/* After half a write. */
static ssize_t halved(ssize_t n)
{
	if (armed->fate == HALF_AND_DIE)
		die();
	return n;
}

ssize_t write(int fd, const void *data, size_t n)
{
	switch (is_file(fd) ? counted(CHANGE | WRITE | ROOM) : PASS) {
	case FAIL:
		return -1;
	case HALF:
	case HALF_AND_DIE:
		return halved(REAL(write)(fd, data, n > 1 ? n / 2 : n));
	default:
		record_begin();
		ssize_t rc = REAL(write)(fd, data, n);
		record_bytes(fd, data, rc, -1);
		record_end();
		return rc;
	}
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset)
{
	if (journal_failed && is_named(fd, "/muster.db-wal"))
		trusted++;
	switch (is_file(fd) ? counted(CHANGE | WRITE | ROOM) : PASS) {
	case FAIL:
		return -1;
	case HALF:
	case HALF_AND_DIE:
		return halved(REAL(pwrite64)(fd, data, n > 1 ? n / 2 : n, offset));
	default:
		record_begin();
		ssize_t rc = REAL(pwrite64)(fd, data, n, offset);
		record_bytes(fd, data, rc, offset);
		record_end();
		return rc;
	}
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
	return pwrite64(fd, data, n, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	ssize_t done = 0;

	switch (is_file(fd) ? counted(CHANGE | WRITE | ROOM) : PASS) {
	case FAIL:
		return -1;
	case HALF:
	case HALF_AND_DIE:
		return halved(REAL(writev)(fd, parts, count > 1 ? count / 2 : count));
	default:
		record_begin();
		ssize_t rc = REAL(writev)(fd, parts, count), at = rc > 0 ? lseek(fd, 0, SEEK_CUR) - rc : 0;
		for (int i = 0; i < count && done < rc; done += (ssize_t)parts[i++].iov_len)
			record_bytes(fd, parts[i].iov_base, MIN((ssize_t)parts[i].iov_len, rc - done), at + done);
		record_end();
		return rc;
	}
}

/* The folder that the last name of a path is in. */
static bool on_disk(int dir, const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[4096] = ".";
	struct stat st;

	if (slash)
		snprintf(folder, sizeof folder, "%.*s", (int)(slash - path + 1), path);
	return fstatat(dir, folder, &st, 0) == 0 && st.st_dev == disk;
}

/* Opening changes something when it makes a file. */
static bool makes(int dir, const char *path, int flags)
{
	return flags & O_CREAT && faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && on_disk(dir, path);
}

#define OPENING(name, dir, params, args)                                                                               \
	int name params                                                                                                \
	{                                                                                                              \
		mode_t mode = 0;                                                                                       \
		bool fresh = makes(dir, path, flags);                                                                  \
		int fd;                                                                                                \
		if (flags & (O_CREAT | O_TMPFILE)) {                                                                   \
			va_list more;                                                                                  \
			va_start(more, flags);                                                                         \
			mode = va_arg(more, mode_t);                                                                   \
			va_end(more);                                                                                  \
		}                                                                                                      \
		if (fresh && counted(CHANGE | ROOM) == FAIL)                                                           \
			return -1;                                                                                     \
		record_begin();                                                                                        \
		fd = REAL(name) args;                                                                                  \
		if (fd >= 0 && fresh)                                                                                  \
			record_made('F', dir, path, NULL);                                                             \
		else if (fd >= 0 && flags & O_TRUNC)                                                                   \
			record_size(fd);                                                                               \
		record_end();                                                                                          \
		return fd;                                                                                             \
	}
OPENING(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENING(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENING(openat, dir, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
OPENING(openat64, dir, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))

#define SYNCING(name, data_only)                                                                                       \
	int name(int fd)                                                                                               \
	{                                                                                                              \
		if (!is_there(fd) || counted(CHANGE | SYNC) != FAIL) {                                                 \
			unsigned long from = record_count();                                                           \
			int rc = REAL(name)(fd);                                                                       \
			if (rc == 0)                                                                                   \
				record_synced(fd, from, data_only);                                                    \
			return rc;                                                                                     \
		}                                                                                                      \
		if (is_named(fd, "/muster.db") || is_named(fd, "/muster.db-wal"))                                      \
			journal_failed = true;                                                                         \
		return -1;                                                                                             \
	}
SYNCING(fsync, 0)
SYNCING(fdatasync, 1)

/* The rest change names or lengths in one step. */
#define COUNTED(name, what, where, params, args, record)                                                               \
	int name params                                                                                                \
	{                                                                                                              \
		int rc;                                                                                                \
		if ((where) && counted(what) == FAIL)                                                                  \
			return -1;                                                                                     \
		record_begin();                                                                                        \
		rc = REAL(name) args;                                                                                  \
		if (rc == 0)                                                                                           \
			record;                                                                                        \
		record_end();                                                                                          \
		return rc;                                                                                             \
	}
#define HERE(path) on_disk(AT_FDCWD, path)
COUNTED(ftruncate64, CHANGE, is_there(fd), (int fd, off64_t n), (fd, n), record_size(fd))
COUNTED(ftruncate, CHANGE, is_there(fd), (int fd, off_t n), (fd, n), record_size(fd))
COUNTED(rename, CHANGE, HERE(to), (const char *from, const char *to), (from, to),
	record_moved(AT_FDCWD, from, AT_FDCWD, to))
COUNTED(renameat, CHANGE, on_disk(b, to), (int a, const char *from, int b, const char *to), (a, from, b, to),
	record_moved(a, from, b, to))
COUNTED(renameat2, CHANGE, on_disk(b, to), (int a, const char *from, int b, const char *to, unsigned how),
	(a, from, b, to, how), record_moved(a, from, b, to))
COUNTED(link, CHANGE | ROOM, HERE(to), (const char *from, const char *to), (from, to),
	record_made('L', AT_FDCWD, to, NULL))
COUNTED(linkat, CHANGE | ROOM, on_disk(b, to), (int a, const char *from, int b, const char *to, int how),
	(a, from, b, to, how), record_made('L', b, to, NULL))
COUNTED(symlink, CHANGE | ROOM, HERE(path), (const char *to, const char *path), (to, path),
	record_made('Y', AT_FDCWD, path, to))
COUNTED(symlinkat, CHANGE | ROOM, on_disk(dir, path), (const char *to, int dir, const char *path), (to, dir, path),
	record_made('Y', dir, path, to))
COUNTED(unlink, CHANGE, HERE(path), (const char *path), (path), record_gone(AT_FDCWD, path))
COUNTED(unlinkat, CHANGE, on_disk(dir, path), (int dir, const char *path, int how), (dir, path, how),
	record_gone(dir, path))
COUNTED(rmdir, CHANGE, HERE(path), (const char *path), (path), record_gone(AT_FDCWD, path))
COUNTED(mkdir, CHANGE | ROOM, HERE(path), (const char *path, mode_t mode), (path, mode),
	record_made('D', AT_FDCWD, path, NULL))
COUNTED(mkdirat, CHANGE | ROOM, on_disk(dir, path), (int dir, const char *path, mode_t mode), (dir, path, mode),
	record_made('D', dir, path, NULL))
