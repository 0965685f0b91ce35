#include "sandbox/cgfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/fs.h"

/* Kernel files: one write sets one value, and one read of a page gives all of it. */

int cgfile_set(int dir, const char *file, bool create, struct err *e, const char *fmt, ...)
{
	char text[64];
	va_list ap;
	va_start(ap, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	BUG_ON(len < 0 || (size_t)len >= sizeof(text));
	cleanup_fd int fd = fs_openat(dir, file, O_WRONLY | (create ? O_CREAT | O_TRUNC : 0), 0644, e);
	if (fd < 0)
		return -1;
	if (fault_hit(FAULT_IO) || write(fd, text, (size_t)len) != len)
		return err_errno(e, errno, "cannot write %s to %s", text, file);
	return 0;
}

static ssize_t slurp(int dir, const char *file, char *text, size_t room)
{
	cleanup_fd int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, room - 1);
	text[n > 0 ? n : 0] = 0;
	return n;
}

uint64_t cgfile_number(int dir, const char *file)
{
	char text[64];
	return slurp(dir, file, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : 0;
}

uint64_t cgfile_key(int dir, const char *file, const char *key)
{
	char text[4096];
	size_t n = strlen(key);
	if (slurp(dir, file, text, sizeof(text)) <= 0)
		return 0;
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, n) == 0 && line[n] == ' ')
			return strtoull(line + n + 1, NULL, 10);
	}
	return 0;
}

void cgfile_kill_procs(int dir)
{
	char text[16384];
	for (int pass = 0; pass < 8; pass++) {
		bool any = false;
		if (slurp(dir, "cgroup.procs", text, sizeof(text)) <= 0)
			return;
		for (char *at = text, *rest;; at = rest) {
			long pid = strtol(at, &rest, 10);
			if (rest == at)
				break;
			if (pid > 1 && pid != getpid() && kill((pid_t)pid, SIGKILL) == 0)
				any = true;
		}
		if (!any)
			return;
	}
}

static void each_entry(int dir, void (*fn)(int dir, const char *name, unsigned char type))
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *it; (it = readdir(d));)
		if (it->d_name[0] != '.')
			fn(dir, it->d_name, it->d_type);
	closedir(d);
}

static void remove_file(int dir, const char *name, unsigned char type)
{
	if (type == DT_REG)
		unlinkat(dir, name, 0);
}

static void remove_leaf(int dir, const char *name, unsigned char type)
{
	if (type == DT_DIR)
		unlinkat(dir, name, AT_REMOVEDIR);
}

static void remove_fake_leaf(int dir, const char *name, unsigned char type)
{
	cleanup_fd int leaf = type == DT_DIR ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (leaf >= 0)
		cgfile_empty(leaf);
	remove_leaf(dir, name, type);
}

void cgfile_empty(int dir)
{
	each_entry(dir, remove_file);
}

bool cgfile_rmdir(const char *path, bool fake)
{
	cleanup_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT;
	each_entry(dir, fake ? remove_fake_leaf : remove_leaf);
	if (fake)
		cgfile_empty(dir);
	return rmdir(path) == 0 || errno == ENOENT;
}

int cgfile_lock(const char *path)
{
	struct stat locked, there;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
	if (dir < 0)
		return -1;
	if (fault_hit(FAULT_IO) || flock(dir, LOCK_EX | LOCK_NB) != 0 || fstat(dir, &locked) != 0 ||
		stat(path, &there) != 0)
		error = errno;
	else if (locked.st_ino != there.st_ino) /* removed, and made anew */
		error = ENOENT;
	if (error == 0)
		return dir;
	close(dir);
	errno = error;
	return -1;
}
