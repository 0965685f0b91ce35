/* spool: bytes that come in pieces, kept: up to CAP_SPOOL_MEMORY bytes in memory; beyond, they are written by the pool
 * to a file without a name, so that of any number of them a few pieces are held. The content is hashed as it comes. */
#ifndef MUSTER_HTTP_SPOOL_H
#define MUSTER_HTTP_SPOOL_H

#include "base/crypt.h"
#include "base/sm.h"
#include "loop/loop.h"

struct spool {
	/* Set by the owner before spool_add. There is room again after spool_add said that there was none; may be NULL.
	 */
	void (*on_room)(struct spool *s);
	/* Once, after spool_end, never inside it. */
	void (*on_end)(struct spool *s, const struct err *why);
	/* After an end without an error: the content is in `text`, or, when fd is not -1, in that file, from its
	 * beginning; no name leads to it. */
	int64_t size;
	struct hash hash; /* BLAKE2b-256 */
	struct span text;
	int fd;
	/* private */
	struct loop *loop;
	const char *dir;
	int64_t cap;
	struct sm sm;
	struct buf held, out; /* what came, and of it what the pool writes */
	struct hash_stream state;
	struct work work;
	struct tick tick;
	struct err why, wrote; /* wrote: of the pool, which has no other */
};

/* dir: where a file is made; must outlive the spool. cap: of the bytes. */
void spool_init(struct spool *s, struct loop *l, const char *dir, int64_t cap);
/* 0: more may come. 1: taken, and the giver waits for on_room, but for a piece that it has already. -1: too large, or
 * what went wrong before; then only spool_end is left. */
int spool_add(struct spool *s, struct span bytes, struct err *e);
/* No more will come: why NULL, or why not; then nothing is kept. */
void spool_end(struct spool *s, const struct err *why);
/* After on_end, or instead of spool_end when nothing was added: gives up the content. */
void spool_release(struct spool *s);

#endif
