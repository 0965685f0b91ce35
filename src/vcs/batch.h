/* batch: new blobs on their way into the store, several in one transaction. */
#ifndef MUSTER_VCS_BATCH_H
#define MUSTER_VCS_BATCH_H

#include "store/store.h"

struct batch {
	struct store *store;
	struct store_blob *blobs;
	size_t count, room, bytes;
	bool flushed; /* something has gone to the store already, if only its content */
};
void batch_init(struct batch *b, struct store *s);
void batch_release(struct batch *b); /* what was not flushed is dropped */
/* Takes the reference, also on failure. */
int batch_add(struct batch *b, const struct hash *h, struct blob *bytes, struct err *e);
/* One whose content is in its place already (store/pieces.h). Takes the reference, if there is one. */
int batch_add_stored(struct batch *b, const struct store_blob *blob, struct err *e);
int batch_flush(struct batch *b, struct err *e); /* durable on return */
/* Hand all of it out instead, when it is little (CAP_SNAPSHOT_CARRY) and nothing of it was flushed: true. The blobs and
 * the array (mem_free) are the caller's then. */
bool batch_carry(struct batch *b, struct store_blob **blobs, size_t *count);

#endif
