/* heads: <dir>/heads, the last seq and chain value of every stream, signed with the chain key and kept outside the
 * database: a database that was cut back or exchanged no longer agrees with it.
 * Text: "muster heads 1", then "<seq> <hash> <stream>" a line, then "signature <keyed BLAKE2b of all before>". */
#ifndef MUSTER_STORE_HEADS_H
#define MUSTER_STORE_HEADS_H

#include "store/driver.h"

/* Replace the file with the heads of this view. */
int heads_write(struct driver *d, struct reader *r, const char *dir, struct err *e);
/* Does the journal still hold every head in the file (or go on from it)? `stream` NULL: all. ERR_VERIFY_DIFFERS. */
int heads_verify(struct driver *d, struct reader *r, const char *dir, const char *stream, struct err *e);

#endif
