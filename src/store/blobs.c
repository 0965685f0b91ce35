/* blobs: large contents as files. Two levels of folders keep each one small. A crash leaves at most a temporary file or
 * a file that no row knows; a walk over the files finds both. */
#include "store/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"

/* "<dir>/blobs/ab/cd" and, with name, "/<hex>". mem_free it. */
static char *path_of(const char *dir, const struct hash *h, bool name, struct err *e)
{
	char hex[HASH_HEX], *path;

	hash_hex(h, hex);
	path = name ? mem_printf("%s/blobs/%.2s/%.2s/%s", dir, hex, hex + 2, hex)
		    : mem_printf("%s/blobs/%.2s/%.2s", dir, hex, hex + 2);
	if (!path)
		err_nomem(e);
	return path;
}

/* Make the two folders durable as well: a file in a folder whose own name is lost would be lost with it. */
static int make_folders(const char *dir, const char *folder, struct err *e)
{
	cleanup_free char *upper = NULL, *top = NULL;

	if (fs_is_dir(folder))
		return 0;
	upper = mem_strndup(folder, strlen(folder) - 3);
	top = fs_join(dir, "blobs");
	if (!upper || !top)
		return err_nomem(e);
	if (fs_mkdirs(folder, 0700, e) || fs_fsync_dir(upper, e) || fs_fsync_dir(top, e))
		return -1;
	return fs_fsync_dir(dir, e);
}

int blob_file_put(const char *dir, const struct hash *h, struct span bytes, struct err *e)
{
	cleanup_free char *folder = path_of(dir, h, false, e);
	cleanup_free char *path = path_of(dir, h, true, e);

	if (!folder || !path)
		return -1;
	if (fs_exists(path))
		return 0;
	if (make_folders(dir, folder, e))
		return -1;
	return fs_replace(path, bytes, 0600, e);
}

int blob_file_temp(const char *dir, char **path, struct err *e)
{
	cleanup_free char *folder = mem_printf("%s/blobs/00/00", dir); /* where a walk finds what a crash leaves */
	uint64_t tag;
	int fd;

	crypt_random(&tag, sizeof tag);
	*path = folder ? mem_printf("%s/%016llx.tmp", folder, (unsigned long long)tag) : NULL;
	if (!*path)
		return err_nomem(e);
	fd = make_folders(dir, folder, e) ? -1 : fs_open(*path, O_WRONLY | O_CREAT | O_EXCL, 0600, e);
	if (fd < 0) {
		mem_free(*path);
		*path = NULL;
	}
	return fd;
}

int blob_file_place(const char *dir, const char *temp, const struct hash *h, struct err *e)
{
	cleanup_free char *folder = path_of(dir, h, false, e);
	cleanup_free char *path = path_of(dir, h, true, e);

	if (!folder || !path || make_folders(dir, folder, e) || fs_rename(temp, path, e))
		return -1;
	return fs_fsync_dir(folder, e);
}

bool blob_file_there(const char *dir, const struct hash *h)
{
	cleanup_free char *path = path_of(dir, h, true, NULL);

	return path && fs_exists(path);
}

int blob_file_open(const char *dir, const struct hash *h, struct err *e)
{
	cleanup_free char *path = path_of(dir, h, true, e);

	return path ? fs_open(path, O_RDONLY, 0, e) : -1;
}

struct blob *blob_file_get(const char *dir, const struct hash *h, int64_t size, struct err *e)
{
	cleanup_free char *path = path_of(dir, h, true, e);
	cleanup_fd int fd = path ? fs_open(path, O_RDONLY, 0, e) : -1;
	struct blob *b;
	size_t got = 0;
	ssize_t n = 1;

	if (fd < 0)
		return NULL;
	b = blob_alloc((size_t)size);
	if (!b) {
		err_nomem(e);
		return NULL;
	}
	while (got < b->size && n > 0) {
		n = fault_hit(FAULT_IO) ? -1 : read(fd, b->data + got, b->size - got);
		if (n > 0)
			got += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (got == b->size)
		return b;
	blob_unref(b);
	if (n < 0)
		err_errno(e, errno, "read %s", path);
	else
		err_set(e, ERR_CORRUPT, "%s has %zu bytes instead of %lld; restore a backup", path, got,
			(long long)size);
	return NULL;
}

int blob_file_drop(const char *dir, const struct hash *h, struct err *e)
{
	cleanup_free char *path = path_of(dir, h, true, e);

	return path ? fs_unlink(path, e) : -1;
}

/* The file's bytes, piece by piece, into `to` (-1: nowhere) and into a hash. */
static int read_through(const char *dir, const struct hash *h, int to, struct hash *is, struct err *e)
{
	cleanup_buf struct buf piece = BUF_INIT(CAP_BLOB_PIECE);
	cleanup_fd int from = blob_file_open(dir, h, e);
	struct hash_stream hash;
	int rc = from < 0 ? -1 : 1;

	hash_start(&hash, NULL);
	while (rc > 0 && (rc = fs_read_some(from, CAP_BLOB_PIECE, &piece, e)) > 0) {
		hash_update(&hash, piece.data, piece.len);
		if (to >= 0 && fs_write_fd(to, buf_span(&piece), e))
			rc = -1;
		buf_clear(&piece);
	}
	hash_end(&hash, is);
	return rc;
}

int blob_file_hash(const char *dir, const struct hash *h, struct hash *is, struct err *e)
{
	return read_through(dir, h, -1, is, e);
}

static int copy_content(const char *dir, const char *to_dir, const struct hash *h, struct err *e)
{
	cleanup_free char *temp = NULL;
	cleanup_fd int to = blob_file_temp(to_dir, &temp, e);
	struct hash is;

	if (to < 0 || !temp)
		return -1;
	if (read_through(dir, h, to, &is, e) || fs_fsync(to, e) || blob_file_place(to_dir, temp, h, e)) {
		unlink(temp);
		return -1;
	}
	return 0;
}

int blob_file_copy(const char *dir, const char *to_dir, const struct hash *h, struct err *e)
{
	cleanup_free char *from = path_of(dir, h, true, e);
	cleanup_free char *folder = path_of(to_dir, h, false, e);
	cleanup_free char *to = path_of(to_dir, h, true, e);

	if (!from || !folder || !to || make_folders(to_dir, folder, e))
		return -1;
	if (!fault_hit(FAULT_IO) && (link(from, to) == 0 || errno == EEXIST))
		return fs_fsync_dir(folder, e);
	return copy_content(dir, to_dir, h, e); /* another file system, or no links there */
}

struct walk {
	int64_t before;
	int (*each)(void *ctx, const struct hash *h, struct err *e);
	void *ctx;
};

static int walk_file(struct walk *w, int folder, const char *path, const char *name, struct err *e)
{
	struct stat st;
	struct hash h;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : err_errno(e, errno, "look at %s/%s", path, name);
	if (st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000 >= w->before)
		return 0;
	if (hash_parse(&h, span_of(name)) == 0)
		return w->each(w->ctx, &h, e);
	if ((fault_hit(FAULT_IO) || unlinkat(folder, name, 0)) && errno != ENOENT)
		return err_errno(e, errno, "delete %s/%s", path, name);
	return 0;
}

/* depth 0: folders of folders; 1: folders of files; 2: files. */
static int walk_folder(struct walk *w, const char *path, int depth, struct err *e)
{
	DIR *d = fault_hit(FAULT_IO) ? NULL : opendir(path);
	struct dirent *entry;
	int rc = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_errno(e, errno, "read the folder %s", path);
	while (rc == 0 && (entry = readdir(d))) {
		if (entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.'))
			continue;
		if (depth == 2) {
			rc = walk_file(w, dirfd(d), path, entry->d_name, e);
			continue;
		}
		cleanup_free char *below = fs_join(path, entry->d_name);
		rc = below ? walk_folder(w, below, depth + 1, e) : err_nomem(e);
	}
	closedir(d);
	return rc;
}

int blob_files_each(const char *dir, int64_t before_us, int (*each)(void *ctx, const struct hash *h, struct err *e),
	void *ctx, struct err *e)
{
	struct walk w = {before_us, each, ctx};
	cleanup_free char *top = fs_join(dir, "blobs");

	return top ? walk_folder(&w, top, 0, e) : err_nomem(e);
}
