/* pieces: contents of blobs written and read piece by piece, so that memory does not grow with them (but in the memory
 * driver, which has no other place). Any thread; each struct is used by one at a time.
 *
 * A content that is written goes into a temporary file, which gets its name, the hash, when all of it is there and
 * synced: only then is it a file of the store, and only with its row (store_put_blobs) a blob. */
#ifndef MUSTER_STORE_PIECES_H
#define MUSTER_STORE_PIECES_H

#include "store/store.h"

struct blob_writer {
	struct store *store;
	int64_t size; /* so far */
	/* private */
	struct hash_stream hash;
	char *temp; /* NULL: gathered in `whole` */
	int fd;
	struct buf whole;
};
/* begin; any number of adds, which all together may have CAP_BLOB bytes (ERR_TOO_LARGE); end. Then, and whenever
 * something fails or the content is not wanted any more, release. */
int blob_writer_begin(struct blob_writer *w, struct store *s, struct err *e);
int blob_writer_add(struct blob_writer *w, struct span piece, struct err *e);
/* *out is durable, and a blob as soon as store_put_blobs is given it. The reference in it, if any, is the caller's. */
int blob_writer_end(struct blob_writer *w, struct store_blob *out, struct err *e);
void blob_writer_release(struct blob_writer *w);

struct blob_reader {
	int64_t size; /* of the whole content */
	/* private */
	struct hash want;
	struct hash_stream hash;
	struct blob *whole; /* NULL: from the file */
	bool given;	    /* all of it */
	int fd;
	struct buf piece;
};
/* ERR_NOT_FOUND. Release it also after a failure. */
int blob_reader_open(struct blob_reader *r, struct store *s, const struct hash *h, struct err *e);
/* 1 and a piece, which is valid until the next call; 0 at the end, when all of it was what its hash says; -1:
 * ERR_CORRUPT, ERR_IO, and what was read may be wrong. */
int blob_reader_next(struct blob_reader *r, struct span *piece, struct err *e);
void blob_reader_release(struct blob_reader *r);
/* A descriptor of a regular file with the content, for reading here and there in it: that of the store, not compared
 * with its hash, or a copy in memory of a small one. -1: as blob_reader_open. */
int blob_open(struct store *s, const struct hash *h, struct err *e);

#endif
