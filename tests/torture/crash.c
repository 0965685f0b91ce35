/* A library to preload: the process dies by SIGKILL at its nth change of a file.
 *
 * CRASH_AT=n: die before the nth call of write, fsync, rename and the like; CRASH_AT=n/2: when the nth is a write, half
 * of it is done first. CRASH_SEEN=FILE: a normal exit writes the number of calls into that file. Children are not
 * touched: the variables are taken out of the environment at load. Pipes and sockets are not counted, what ends in a
 * file is. */
#undef _FILE_OFFSET_BITS /* or pwrite and pwrite64 would be one symbol; both are called */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic unsigned long calls;
static unsigned long at;
static int half;
static char seen[4096];

__attribute__((constructor)) static void load(void)
{
	const char *text = getenv("CRASH_AT"), *file = getenv("CRASH_SEEN");
	char *end;

	if (text) {
		at = strtoul(text, &end, 10);
		half = strcmp(end, "/2") == 0;
	}
	if (file)
		snprintf(seen, sizeof seen, "%s", file);
	unsetenv("LD_PRELOAD");
	unsetenv("CRASH_AT");
	unsetenv("CRASH_SEEN");
}

__attribute__((destructor)) static void unload(void)
{
	FILE *file = *seen ? fopen(seen, "we") : NULL;

	if (file) {
		fprintf(file, "%lu\n", (unsigned long)calls);
		fclose(file);
	}
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	pause();
}

/* Count one call; 1 when it is the one to be done by half. */
static int counted(int is_write)
{
	if (atomic_fetch_add(&calls, 1) + 1 != at)
		return 0;
	if (is_write && half)
		return 1;
	die();
	return 0;
}

static int is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t n)
{
	if (is_file(fd) && counted(1)) {
		REAL(write)(fd, data, n / 2);
		die();
	}
	return REAL(write)(fd, data, n);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset)
{
	if (is_file(fd) && counted(1)) {
		REAL(pwrite64)(fd, data, n / 2, offset);
		die();
	}
	return REAL(pwrite64)(fd, data, n, offset);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
	return pwrite64(fd, data, n, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	if (is_file(fd) && counted(1)) {
		REAL(writev)(fd, parts, count / 2);
		die();
	}
	return REAL(writev)(fd, parts, count);
}

/* The rest change names, lengths or durability in one step. */
#define COUNTED(type, name, params, args)                                                                              \
	type name params                                                                                               \
	{                                                                                                              \
		counted(0);                                                                                            \
		return REAL(name) args;                                                                                \
	}
COUNTED(int, fsync, (int fd), (fd))
COUNTED(int, fdatasync, (int fd), (fd))
COUNTED(int, ftruncate64, (int fd, off64_t n), (fd, n))
COUNTED(int, ftruncate, (int fd, off_t n), (fd, n))
COUNTED(int, rename, (const char *from, const char *to), (from, to))
COUNTED(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
COUNTED(int, renameat2, (int a, const char *from, int b, const char *to, unsigned how), (a, from, b, to, how))
COUNTED(int, link, (const char *from, const char *to), (from, to))
COUNTED(int, linkat, (int a, const char *from, int b, const char *to, int how), (a, from, b, to, how))
COUNTED(int, symlink, (const char *to, const char *path), (to, path))
COUNTED(int, symlinkat, (const char *to, int dir, const char *path), (to, dir, path))
COUNTED(int, unlink, (const char *path), (path))
COUNTED(int, unlinkat, (int dir, const char *path, int how), (dir, path, how))
COUNTED(int, rmdir, (const char *path), (path))
COUNTED(int, mkdir, (const char *path, mode_t mode), (path, mode))
COUNTED(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
