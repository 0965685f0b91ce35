/* fs: the seam to the file system for the program's own files (the data folder, configuration, recordings).
 * Paths in working copies go through vcs/beneath.h
 * instead. Every call passes FAULT_IO and repeats EINTR; every descriptor is O_CLOEXEC. */
#ifndef MUSTER_BASE_FS_H
#define MUSTER_BASE_FS_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/buf.h"

int fs_open(const char *path, int flags, mode_t mode, struct err *e); /* a descriptor, or -1 */
int fs_openat(int dir, const char *path, int flags, mode_t mode, struct err *e);
/* Append the whole file to out (its cap rules: ERR_TOO_LARGE). */
int fs_read(const char *path, struct buf *out, struct err *e);
int fs_read_fd(int fd, struct buf *out, struct err *e);
/* Append what one read gives, at most so many bytes: 1, 0 at the end of the file, -1. */
int fs_read_some(int fd, size_t most, struct buf *out, struct err *e);
int fs_write_fd(int fd, struct span data, struct err *e); /* all of it */
/* Replace the file by temp file, fsync, rename, fsync of the folder: whole and durable on return. On failure it is as
 * before, or (when the folder's fsync failed) whole and perhaps not durable. */
int fs_replace(const char *path, struct span data, mode_t mode, struct err *e);
int fs_fsync(int fd, struct err *e);
int fs_fsync_dir(const char *dir, struct err *e);
/* Every file and folder of a tree that we made: without links, and not deep. */
int fs_fsync_tree(const char *path, struct err *e);
int fs_mkdirs(const char *path, mode_t mode, struct err *e); /* with parents; existing is fine */
/* The same; those that it makes are still there after a power cut. */
int fs_mkdirs_durable(const char *path, mode_t mode, struct err *e);
int fs_remove_tree(const char *path, struct err *e); /* never follows links; absent is fine */
int fs_rename(const char *from, const char *to, struct err *e);
int fs_unlink(const char *path, struct err *e); /* absent is fine */
bool fs_exists(const char *path);
bool fs_is_dir(const char *path);
/* A copy of the nearest path, from this one upwards, that is a folder; "/" or "." in the end. NULL: no memory. */
char *fs_existing_dir(const char *path);
/* "a" + "b/c" -> "a/b/c", mem_free it; NULL: no memory. */
char *fs_join(const char *dir, const char *name) __attribute__((warn_unused_result));

static inline void fs_cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define cleanup_fd __attribute__((cleanup(fs_cleanup_fd)))

#endif
