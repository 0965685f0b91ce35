/* Any bytes as an archive: whatever is refused leaves nothing; whatever is taken lies in its folder, within the caps,
 * without links that leave it, without `.git`. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/crypt.h"
#include "base/fs.h"
#include "vcs/beneath.h"
#include "workspace/archive_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct archive_caps caps = {
	.entries = 64, .bytes = 64 * KIB, .file = 32 * KIB, .ratio = 100, .slack = 16 * KIB, .time_ms = 60000};

static uint64_t found, bytes;

static void look(int root, int dir)
{
	DIR *d = fdopendir(dir);
	struct dirent *entry;
	struct stat st;

	BUG_ON(!d);
	while ((entry = readdir(d))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		BUG_ON(fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW));
		BUG_ON(strcasecmp(name, ".git") == 0 || beneath_is_temp(name));
		BUG_ON(!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode));
		BUG_ON(!S_ISLNK(st.st_mode) && (st.st_mode & 07000));
		found++;
		bytes += S_ISREG(st.st_mode) && st.st_nlink == 1 ? (uint64_t)st.st_size : 0;
		if (S_ISDIR(st.st_mode))
			look(root, openat(dirfd(d), name, O_RDONLY | O_DIRECTORY));
		if (S_ISLNK(st.st_mode)) {
			char where[PATH_MAX], path[2 * PATH_MAX];

			BUG_ON(beneath_where(root, dirfd(d), where, sizeof where));
			snprintf(path, sizeof path, "%s/%s", where, name);
			int fd = beneath_open(root, path, O_PATH, 0, BENEATH_FOLLOW);
			BUG_ON(fd < 0 && errno == EXDEV);
			if (fd >= 0)
				close(fd);
		}
	}
	closedir(d);
}

static char top[64];

static void tidy(void)
{
	(void)fs_remove_tree(top, NULL);
}

static int entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = -2;

	BUG_ON(!d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char in_dir[80], archive[80], out[90];
	struct archive_in in = {.name = "fuzz", .caps = &caps};
	struct err e = ERR_INIT;
	int fd;

	if (!*top) {
		BUG_ON(crypt_setup(&e));
		snprintf(top, sizeof top, "%s/muster-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
		BUG_ON(!mkdtemp(top));
		snprintf(in_dir, sizeof in_dir, "%s/in", top);
		snprintf(archive, sizeof archive, "%s/archive", top);
		snprintf(out, sizeof out, "%s/new", in_dir);
		BUG_ON(mkdir(in_dir, 0700) || atexit(tidy));
	}
	fd = open(archive, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	BUG_ON(fd < 0 || write(fd, data, size) != (ssize_t)size);
	close(fd);
	if (archive_unpack(&in, archive, out, &e)) {
		BUG_ON(e.code != ERR_INVALID && e.code != ERR_TOO_LARGE && e.code != ERR_NOMEM);
		BUG_ON(entries(in_dir) != 0);
		return 0;
	}
	BUG_ON(entries(in_dir) != 1);
	found = bytes = 0;
	fd = open(out, O_RDONLY | O_DIRECTORY);
	look(fd, dup(fd));
	close(fd);
	BUG_ON(found > caps.entries || bytes > caps.bytes);
	BUG_ON(fs_remove_tree(out, &e));
	return 0;
}
