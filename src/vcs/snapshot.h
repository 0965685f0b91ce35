/* snapshot: the content of a working copy at an instant, as content-addressed blobs.
 *
 * A folder is a blob listing its entries in byte order of name: kind (file, executable, link, folder), size, hash of
 * content or of the folder's blob, name. The root folder's hash names the snapshot (a Merkle tree): an edit writes one
 * file blob and the folder blobs above it, whatever the project's size. `.git` is never part of it; everything else is,
 * ignored files and files written through memory maps included. Sockets, devices, FIFOs, files above CAP_BLOB,
 * files that are nearly all hole and what lies deeper than CAP_WALK_DEPTH folders are left out and named in `skipped`.
 * vcs/tree.h has the format.
 *
 * All functions block and belong on the worker pool; a struct copy is used by one thread at a time. */
#ifndef MUSTER_VCS_SNAPSHOT_H
#define MUSTER_VCS_SNAPSHOT_H

#include "store/store.h"

/* One difference between two snapshots. */
enum change_kind { CHANGE_ADDED, CHANGE_MODIFIED, CHANGE_DELETED };
struct change {
	char *path; /* relative, '/' separated */
	enum change_kind kind;
	struct hash before, after; /* zero when absent */
	uint64_t size;		   /* after */
};
struct changes {
	struct change *items;
	size_t count, room;
};
void changes_release(struct changes *c);
/* [{path, change: added|modified|deleted, hash, size}], at most max entries and then {"more": n} */
json_t *changes_json(const struct changes *c, size_t max);

/* A working copy with what is known of its files: last snapshot's tree and, as a cache, each file's stat (size, mtime,
 * ctime, inode). Losing the cache costs re-hashing, nothing else. */
struct copy;
struct copy *copy_open(
	struct store *store, const char *dir, const struct hash *last, struct err *e); /* last: NULL when new */
void copy_close(struct copy *c);
const char *copy_dir(const struct copy *c);
const struct hash *copy_snapshot(const struct copy *c); /* the last one taken or restored; NULL: none yet */
/* Do programs of the copy go on running between snapshots (background jobs, terminals)? Then files are written back
 * before they are read, so that a later write through a memory map that stays open moves their times and is found. */
void copy_live(struct copy *c, bool live);

struct snapshot {
	struct hash root;
	uint64_t files, bytes;
	struct changes
		changes; /* files and links against the copy's previous snapshot; an empty folder shows in root */
	char skipped[256];
	struct store_blob *blobs; /* see snapshot_carry */
	size_t blob_count;
};
void snapshot_release(struct snapshot *s);
/* Take one. paths: NULL walks the whole tree by statx against the cache (files whose ctime is within the clock's grain
 * of the last snapshot are hashed again); otherwise only these files and folders (relative) are looked at: cost follows
 * them alone. New blobs are durable on return. */
int snapshot_take(struct copy *c, const char *const *paths, size_t count, struct snapshot *out, struct err *e);
/* The same, but when little is new it is not stored: it is in out->blobs, to be appended together with the event that
 * names the snapshot. Nobody may read it before, and the copy takes it for stored from then on: when that append fails,
 * close the copy. */
int snapshot_carry(struct copy *c, const char *const *paths, size_t count, struct snapshot *out, struct err *e);
/* Make the copy's files equal to the snapshot: writes and deletes only what differs. New files belong to the owner of
 * the copy's folder (when root). No program should run in the copy meanwhile. After a failure: again. */
int snapshot_restore(struct copy *c, const struct hash *root, struct err *e);
/* Differences between two snapshots (either may be NULL: the empty one); descends only where hashes differ. */
int snapshot_diff(struct store *s, const struct hash *from, const struct hash *to, struct changes *out, struct err *e);
/* The content of one file of a snapshot; NULL with ERR_NOT_FOUND. */
struct blob *snapshot_file(struct store *s, const struct hash *root, const char *path, struct err *e);
/* Calls mark for every blob a snapshot names (for store_collect). */
int snapshot_mark(struct store *s, const struct hash *root, void (*mark)(void *ctx, const struct hash *h), void *ctx,
	struct err *e);
/* A unified diff of two snapshots (either may be NULL) as text, up to out's cap (then cut with a line that says so);
 * binary files are named. */
int snapshot_diff_text(struct store *s, const struct hash *from, const struct hash *to, struct buf *out, struct err *e);

#endif
