/* tree: the blob that describes one folder of a snapshot.
 *
 *     "mt1\n" entry*
 *     entry = kind (1 byte: f file, x executable file, l link, d folder)
 *             length of name (1 byte, 1-255) | size (8 bytes, little-endian) | hash (32 bytes)
 *             | number of files (8 bytes; folders only) | name
 *
 * Entries stand in strictly growing byte order of name. A name has no NUL and no '/', and is not ".", ".." or `.git`. A
 * file's hash is that of its content, a link's that of its target, a folder's that of its own blob; a folder's size and
 * number are the sums of what is below it. Equal folders have equal blobs. */
#ifndef MUSTER_VCS_TREE_H
#define MUSTER_VCS_TREE_H

#include <stdbool.h>

#include "base/blob.h"
#include "base/crypt.h"

struct err;
struct store;

enum entry_kind {
	ENTRY_FILE = 'f',
	ENTRY_EXEC = 'x',
	ENTRY_LINK = 'l',
	ENTRY_DIR = 'd',
	ENTRY_OTHER = 'o', /* in memory only: a device, pipe, socket; too large or too deep; never in a blob */
};

struct entry {
	enum entry_kind kind;
	uint64_t size, files;
	struct hash hash;
	struct span name; /* into the blob */
};

bool entry_name_ok(struct span name);

void tree_begin(struct buf *out);
void tree_add(struct buf *out, const struct entry *entry);

/* Reading one. Anything that the above forbids is ERR_CORRUPT. */
struct tree {
	struct span rest, last;
};
int tree_open(struct tree *t, struct span blob, struct err *e);
int tree_next(struct tree *t, struct entry *out, struct err *e); /* 1, or 0 at the end, or -1 */

/* A folder's blob and reader at once; NULL hash: an empty folder with *blob NULL. */
int tree_load(struct store *s, const struct hash *h, struct blob **blob, struct tree *t, struct err *e);
/* All entries, mem_free them; they point into the blob. */
int tree_entries(struct span blob, struct entry **out, size_t *count, struct err *e);

#endif
