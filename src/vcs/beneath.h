/* beneath: the seam to the files of a working copy, which programs in a sandbox may change at any moment.
 *
 * A path is opened relative to an open folder by openat2 (Linux 5.6), so that nothing on the way can lead out of it,
 * also when it is swapped meanwhile. Single names below an open folder go through the plain *at calls with SEAM. Every
 * call passes FAULT_IO and repeats EINTR; failures are errno values, put into words by beneath_err. */
#ifndef MUSTER_VCS_BENEATH_H
#define MUSTER_VCS_BENEATH_H

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/blob.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/fs.h"

#define SEAM(call)                                                                                                     \
	({                                                                                                             \
		__typeof__(call) seam_result;                                                                          \
		do                                                                                                     \
			seam_result = fault_hit(FAULT_IO) ? -1 : (call);                                               \
		while (seam_result == -1 && errno == EINTR);                                                           \
		seam_result;                                                                                           \
	})

enum beneath_links {
	BENEATH_FOLLOW,	   /* symbolic links are followed as long as they stay below the root */
	BENEATH_NO_FOLLOW, /* a symbolic link anywhere is ELOOP */
};
/* A descriptor (O_CLOEXEC, O_NOCTTY; O_NONBLOCK so that no FIFO or device hangs), or -1 with errno: EXDEV when the path
 * leaves the root. "." is the root itself. */
int beneath_open(int root, const char *path, int flags, mode_t mode, enum beneath_links links);

/* Where an open file or folder lies, relative to root ("." for itself), as of now; -1 with errno: EXDEV when it is not
 * below root. */
int beneath_where(int root, int fd, char *out, size_t room);

/* The bytes of an open regular file up to its end, which may move meanwhile; NULL with errno (EFBIG beyond cap). */
struct blob *beneath_read(int fd, size_t cap);

/* Files being written carry such a name until they are renamed into place; snapshots leave them out. */
#define BENEATH_TEMP 32
void beneath_temp(char out[BENEATH_TEMP]);
bool beneath_is_temp(const char *name);

/* Give ourselves the rights to read and change a file or folder of ours that its mode denies; -1 with errno. */
int beneath_grant(int dir, const char *name);

/* Remove name below an open folder, a folder with all in it; links are not followed; absent is fine. */
int beneath_remove(int dir, const char *name, struct err *e);

/* The error for an errno value met at a path of the copy. Returns -1. */
int beneath_err(struct err *e, int errnum, const char *path);

#endif
