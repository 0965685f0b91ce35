/* heads: <dir>/heads, the last seq and chain value of every stream, signed with the chain key and kept outside the
 * database: a database that was cut back or exchanged no longer agrees with it.
 * Text: "muster heads 1", then "<seq> <hash> <stream>" a line, then "signature <keyed BLAKE2b of all before>". */
#ifndef MUSTER_STORE_HEADS_H
#define MUSTER_STORE_HEADS_H

#include "store/driver.h"

/* Replace the file with the heads of this view. */
int heads_write(struct driver *d, struct reader *r, const char *dir, struct err *e);
/* Read the file and check its signature; text receives the signed lines (release it, also after a failure).
 * ERR_VERIFY_DIFFERS when it is missing or was changed. */
int heads_load(const char *dir, const uint8_t key[KEY_SIZE], struct buf *text, struct err *e);
/* Does the journal still hold every head of these lines, or go on from it? `stream` NULL: all. The view must have been
 * taken after the file was loaded, since an owner may replace the file. ERR_VERIFY_DIFFERS. */
int heads_verify(struct driver *d, struct reader *r, struct span text, const char *stream, struct err *e);

#endif
