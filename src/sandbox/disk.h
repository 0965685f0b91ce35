/* disk: a file system of a working copy's own, in one sparse file, so that what commands can fill is a hard limit, of
 * bytes and of entries (DESIGN section 9). For root, where the kernel has loop devices and e2fsprogs is installed.
 *
 * Beside the copy DIR lies DIR.img, made by mkfs.ext4 (with a journal: a crash leaves it whole), mounted at DIR.disk;
 * its folders work and home are bound to DIR and to the home. Loop devices: loop(4), LOOP_CONFIGURE.
 *
 * Mounts are seen by this process alone (disk_private comes first), so nothing is left mounted however it ends. All
 * functions block; a new disk takes some 15 ms and 200 KiB, one that is there 3 ms. */
#ifndef MUSTER_SANDBOX_DISK_H
#define MUSTER_SANDBOX_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { DISK_MIN_MIB = 16 };

/* Take a mount namespace of our own: what the host mounts still arrives here, what we mount is not seen there. It is
 * the calling thread's and that of the threads it starts from now on. Where this fails, disk_open says so. */
void disk_private(void);
/* Whether disks can be made, by making one in a folder that must exist. ERR_NO_SANDBOX with the reason. */
int disk_try(const char *dir, struct err *e);
bool disk_is_there(const char *copy);
/* Make DIR.img when there is none (bytes as large, owned by uid inside), mount it, and bind copy and home. The size of
 * one that is there stays. Again: does what is missing. A crash in the middle leaves nothing half made in use. */
int disk_open(const char *copy, const char *home, uint64_t bytes, uid_t uid, struct err *e);
/* Unmount; what still uses it keeps it until it ends. Harmless where nothing is mounted. */
void disk_close(const char *copy, const char *home);
/* Unmount and remove all of a copy: its files, those of its home, the image. Absent is fine. */
int disk_remove(const char *copy, const char *home, struct err *e);

#endif
