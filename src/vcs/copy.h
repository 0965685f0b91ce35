/* copy: what is known of a working copy's files, as a tree of nodes in memory; private to snapshots and restores.
 *
 * A node is an entry of the last snapshot, plus what stat said when its content was last known. Folders are loaded from
 * the store when first looked into. When an operation fails half-way the whole tree is forgotten (copy_forget): the
 * last snapshot's hash is enough to begin anew. */
#ifndef MUSTER_VCS_COPY_H
#define MUSTER_VCS_COPY_H

#include <sys/stat.h>

#include "vcs/batch.h"
#include "vcs/snapshot.h"
#include "vcs/tree.h"

/* When and as what a file or folder was seen. Times in nanoseconds UTC of the file system's clock. */
struct stamp {
	bool known;
	uint64_t ino, size;
	int64_t mtime, ctime;
	int64_t at; /* the content was read after this moment */
};
#define STAMP_RESTORED INT64_MAX /* at: until the restore that wrote it is complete */

struct node {
	struct node *up;
	struct node **kids; /* in byte order of name */
	size_t count, room;
	enum entry_kind kind;
	bool loaded; /* a folder's kids are known */
	bool dirty;  /* a folder's hash is no longer that of its kids */
	bool seen;   /* during a scan */
	uint64_t size, files;
	uint32_t others; /* entries of kind ENTRY_OTHER here and below */
	struct hash hash;
	struct stamp stamp; /* of a folder: when its names were read */
	char name[];
};

struct copy {
	struct store *store;
	char *dir;
	struct hash last;
	bool has_last;
	bool live;	   /* programs of the copy go on running between snapshots */
	struct node *root; /* NULL: to be loaded */
};

int64_t stamp_now(void);
void stamp_set(struct stamp *s, const struct stat *st, int64_t at);
/* Is the file certainly what it was when stamped? */
bool stamp_same(const struct stamp *s, const struct stat *st);

struct node *node_find(struct node *dir, const char *name, size_t *at); /* NULL, and where it would stand */
struct node *node_insert(struct node *dir, size_t at, const char *name, enum entry_kind kind, struct err *e);
void node_remove(struct node *dir, size_t at); /* with all below it */
void node_free(struct node *n);
void node_dirty(struct node *n); /* and all above it */
int node_load(struct copy *c, struct node *dir, struct err *e);
int copy_root(struct copy *c, struct node **root, struct err *e);
void copy_forget(struct copy *c);
/* A descriptor of the copy's root. */
int copy_root_fd(const struct copy *c, struct err *e);

int changes_add(struct changes *c, struct span path, enum change_kind kind, const struct hash *before,
	const struct hash *after, uint64_t size);
void changes_sort(struct changes *c);

/* scan: bring the nodes up to date with the disk, collecting new content for the store. */
struct scan {
	struct copy *copy;
	bool keep;		 /* put new content into the store; else only hash it */
	struct changes *changes; /* NULL: not wanted */
	struct buf path;	 /* of what is being looked at */
	struct batch batch;
	uint64_t entries;
};
void scan_init(struct scan *s, struct copy *c, bool keep, struct changes *changes);
void scan_release(struct scan *s);
int scan_all(struct scan *s, int root, struct err *e);
/* One file or folder (with all in it), relative. */
int scan_path(struct scan *s, int root, const char *path, struct err *e);
/* Compute the hashes of changed folders up to the root. What was collected is in the batch, as far as it was not
 * flushed on the way. */
int scan_seal(struct scan *s, struct err *e);

#endif
