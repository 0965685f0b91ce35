/* blobs: content-addressed files under <data folder>/blobs/ab/cd/<64 hex digits>, for blobs above CAP_BLOB_INLINE.
 * A file is whole and durable once it has its name; it never changes. Any thread. */
#ifndef MUSTER_STORE_BLOBS_H
#define MUSTER_STORE_BLOBS_H

#include "base/blob.h"
#include "base/crypt.h"
#include "base/err.h"

/* Write the file (temporary name, fsync, rename, fsync of the folder); one that is there already is left alone. */
int blob_file_put(const char *dir, const struct hash *h, struct span bytes, struct err *e);
/* The content, not checked; ERR_NOT_FOUND, ERR_CORRUPT when its size is not `size`. */
struct blob *blob_file_get(const char *dir, const struct hash *h, int64_t size, struct err *e);
/* What the content has for a hash, without holding it. */
int blob_file_hash(const char *dir, const struct hash *h, struct hash *is, struct err *e);
/* For contents that come and go piece by piece (pieces.h). An empty file with a temporary name (mem_free it), open for
 * writing. */
int blob_file_temp(const char *dir, char **path, struct err *e);
/* A synced temporary file becomes that of the blob, in place of one that is there; durable on return. */
int blob_file_place(const char *dir, const char *temp, const struct hash *h, struct err *e);
bool blob_file_there(const char *dir, const struct hash *h);
int blob_file_open(const char *dir, const struct hash *h, struct err *e); /* a descriptor, or -1 */
int blob_file_drop(const char *dir, const struct hash *h, struct err *e); /* absent is fine */
/* A second name for the file (or a copy) in another data folder. */
int blob_file_copy(const char *dir, const char *to_dir, const struct hash *h, struct err *e);
/* Call for every file older than this wall time; left-over temporary files as old are deleted. */
int blob_files_each(const char *dir, int64_t before_us, int (*each)(void *ctx, const struct hash *h, struct err *e),
	void *ctx, struct err *e);

#endif
