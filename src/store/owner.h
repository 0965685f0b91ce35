/* owner: the data folder itself: who owns it, in which format it is, and the key of its chain.
 *
 * The owner holds an fcntl lock (of the open file description) on <dir>/lock, whose content names its process and
 * host; it is freed by the kernel when the process ends in whatever way. */
#ifndef MUSTER_STORE_OWNER_H
#define MUSTER_STORE_OWNER_H

#include "base/crypt.h"
#include "base/err.h"

#define OWNER_FORMAT 1

/* Make the folder (0700) when it is missing, take the lock and check or write <dir>/format. Returns the lock's
 * descriptor, or -1: ERR_OWNED names process and host of the holder; ERR_NEWER. */
int owner_take(const char *dir, struct err *e);
void owner_leave(int fd);
/* Check <dir>/format without taking anything. ERR_NOT_FOUND: no data folder; ERR_NEWER; ERR_CORRUPT. */
int owner_check(const char *dir, struct err *e);
/* Write <dir>/format, or check it where it is there. */
int owner_write_format(const char *dir, struct err *e);
/* The chain key of this folder, derived from <dir>/vault.key (64 hex digits, 0600), which is made when it is missing
 * and `make`; a folder that has a journal but no key is ERR_NOT_FOUND. */
int owner_chain_key(const char *dir, bool make, uint8_t out[KEY_SIZE], struct err *e);

#endif
