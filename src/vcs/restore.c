/* restore: make the disk equal to a snapshot.
 *
 * First a scan that stores nothing tells what is there, whatever happened to the copy since; then folder by folder what
 * is not in the snapshot is removed and what differs is written anew. Devices, pipes and whatever else no snapshot
 * holds are removed too; `.git` is left alone, except in folders that go as a whole. New files belong to the owner of
 * the copy's root. A restore that fails half-way leaves a mixture and an error; doing it again completes it. Programs
 * in the copy should not run meanwhile. */
#include <fcntl.h>

#include "base/caps.h"
#include "base/mem.h"
#include "store/pieces.h"
#include "vcs/beneath.h"
#include "vcs/copy.h"
#include "vcs/names.h"

struct restore {
	struct copy *copy;
	uid_t uid;
	gid_t gid;
	bool chown;
};

static int apply(struct restore *r, struct node *dir, const struct hash *want, int fd, struct err *e);

static int give(const struct restore *r, int fd)
{
	return r->chown ? SEAM(fchown(fd, r->uid, r->gid)) : 0;
}

static int write_all(int fd, struct span text)
{
	while (text.n) {
		ssize_t n = SEAM(write(fd, text.p, text.n));
		if (n < 0)
			return -1;
		text = span_n(text.p + n, text.n - (size_t)n);
	}
	return 0;
}

static int write_content(const struct restore *r, int dir, const char *name, const struct entry *entry,
	struct blob_reader *from, struct stat *st, struct err *e)
{
	cleanup_fd int fd = SEAM(openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
	struct span piece;
	int rc;

	if (fd < 0)
		return beneath_err(e, errno, name);
	while ((rc = blob_reader_next(from, &piece, e)) > 0)
		if (write_all(fd, piece))
			return beneath_err(e, errno, name);
	if (rc)
		return err_wrap(e, "%s", name);
	if (SEAM(fchmod(fd, entry->kind == ENTRY_EXEC ? 0755 : 0644)) || give(r, fd) || SEAM(fstat(fd, st)))
		return beneath_err(e, errno, name);
	return 0;
}

static int write_target(const struct restore *r, int dir, const char *name, const struct blob *b, struct stat *st)
{
	/* A blob ends with a NUL of its own; a target with one inside would be cut, and is refused. */
	if (memchr(b->data, 0, b->size) || b->size == 0) {
		errno = EINVAL;
		return -1;
	}
	if (SEAM(symlinkat(b->data, dir, name)))
		return -1;
	if (r->chown && SEAM(fchownat(dir, name, r->uid, r->gid, AT_SYMLINK_NOFOLLOW)))
		return -1;
	return SEAM(fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW));
}

static int write_link(
	const struct restore *r, int dir, const char *name, const struct entry *entry, struct stat *st, struct err *e)
{
	struct blob *b;
	int rc;

	if (entry->size > CAP_FILE_WHOLE)
		return beneath_err(e, ENAMETOOLONG, name);
	b = store_blob(r->copy->store, &entry->hash, e);
	if (!b)
		return -1;
	rc = write_target(r, dir, name, b, st) ? beneath_err(e, errno, name) : 0;
	blob_unref(b);
	return rc;
}

static int write_file(
	const struct restore *r, int dir, const char *name, const struct entry *entry, struct stat *st, struct err *e)
{
	struct blob_reader from;
	int rc = blob_reader_open(&from, r->copy->store, &entry->hash, e);

	if (rc == 0)
		rc = write_content(r, dir, name, entry, &from, st, e);
	blob_reader_release(&from);
	return rc;
}

static int put_entry(struct restore *r, struct node *kid, const struct entry *entry, int fd, struct err *e)
{
	struct stat st;

	if (entry->kind == ENTRY_LINK ? write_link(r, fd, kid->name, entry, &st, e)
				      : write_file(r, fd, kid->name, entry, &st, e))
		return -1;
	kid->kind = entry->kind;
	kid->hash = entry->hash;
	kid->size = entry->size;
	kid->files = 1;
	stamp_set(&kid->stamp, &st, STAMP_RESTORED);
	return 0;
}

/* Open a folder of ours for changing it, whatever rights its owner has left. */
static int open_sub(int fd, const char *name)
{
	struct stat st;
	int sub = SEAM(openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));

	if (sub < 0 && errno == EACCES && beneath_grant(fd, name) == 0)
		sub = SEAM(openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	if (sub >= 0 && SEAM(fstat(sub, &st)) == 0 && (st.st_mode & 0700) != 0700)
		(void)SEAM(fchmod(sub, 0700 | (st.st_mode & 0777))); /* if not, the first change says why */
	return sub;
}

/* Made by a restore that was stopped before it could give it away. */
static bool not_given(const struct restore *r, int fd)
{
	struct stat st;

	return r->chown && SEAM(fstat(fd, &st)) == 0 && st.st_uid == geteuid();
}

/* A folder of the snapshot; when fresh, it is not on disk yet. */
static int put_folder(struct restore *r, struct node *kid, const struct entry *entry, int fd, bool fresh, struct err *e)
{
	cleanup_fd int sub = -1;

	if (!fresh && !kid->dirty && hash_eq(&kid->hash, &entry->hash) && !kid->others)
		return 0;
	if (fresh && SEAM(mkdirat(fd, kid->name, 0755)))
		return beneath_err(e, errno, kid->name);
	sub = open_sub(fd, kid->name);
	if (sub < 0 || ((fresh || not_given(r, sub)) && give(r, sub)))
		return beneath_err(e, errno, kid->name);
	return apply(r, kid, &entry->hash, sub, e);
}

static const struct entry *entry_named(const struct entry *entries, size_t count, const char *name)
{
	struct span want = span_of(name);
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = span_order(entries[mid].name, want);
		if (order == 0)
			return &entries[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool is_dir(enum entry_kind kind)
{
	return kind == ENTRY_DIR;
}

/* Remove what the snapshot does not have at all, or as something else. */
static int remove_others(struct node *dir, const struct entry *entries, size_t count, int fd, struct err *e)
{
	for (size_t i = dir->count; i-- > 0;) {
		const struct node *kid = dir->kids[i];
		const struct entry *entry = entry_named(entries, count, kid->name);

		if (entry && kid->kind != ENTRY_OTHER && is_dir(entry->kind) == is_dir(kid->kind) &&
			(is_dir(kid->kind) || (entry->kind == kid->kind && hash_eq(&entry->hash, &kid->hash))))
			continue;
		if (beneath_remove(fd, kid->name, e))
			return -1;
		node_remove(dir, i);
	}
	return 0;
}

static int put_entries(
	struct restore *r, struct node *dir, const struct entry *entries, size_t count, int fd, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *name = span_dup(entries[i].name);
		size_t at;
		struct node *kid;
		bool fresh;

		if (!name)
			return err_nomem(e);
		kid = node_find(dir, name, &at);
		fresh = !kid;
		if (fresh && !(kid = node_insert(dir, at, name, entries[i].kind, e)))
			return -1;
		if (is_dir(entries[i].kind)) {
			if (put_folder(r, kid, &entries[i], fd, fresh, e))
				return -1;
			kid->size = entries[i].size;
			kid->files = entries[i].files;
		} else if (fresh && put_entry(r, kid, &entries[i], fd, e)) {
			return -1;
		}
	}
	return 0;
}

/* Make the open folder equal to the blob `want`. */
static int apply(struct restore *r, struct node *dir, const struct hash *want, int fd, struct err *e)
{
	struct blob *blob = store_blob(r->copy->store, want, e);
	cleanup_free struct entry *entries = NULL;
	size_t count = 0;
	int rc;

	if (!blob)
		return -1;
	rc = tree_entries(blob_span(blob), &entries, &count, e);
	if (rc == 0)
		rc = node_load(r->copy, dir, e);
	if (rc == 0)
		rc = remove_others(dir, entries, count, fd, e);
	if (rc == 0)
		rc = put_entries(r, dir, entries, count, fd, e);
	blob_unref(blob);
	if (rc) {
		if (dir->name[0])
			err_wrap(e, "%s", dir->name);
		return -1;
	}
	dir->hash = *want;
	dir->dirty = false;
	dir->others = 0;
	dir->stamp.known = false;
	return 0;
}

/* From now on the stamps of what was written count: nobody else was at work. */
static void settle(struct node *n, int64_t now)
{
	if (n->stamp.known && n->stamp.at == STAMP_RESTORED)
		n->stamp.at = now;
	for (size_t i = 0; i < n->count; i++)
		settle(n->kids[i], now);
}

static int look_first(struct copy *c, int root, struct err *e)
{
	struct scan s;
	int rc;

	scan_init(&s, c, false, NULL);
	rc = scan_all(&s, root, e) || scan_seal(&s, e) ? -1 : 0;
	scan_release(&s);
	return rc;
}

static int restore(struct copy *c, const struct hash *root, struct err *e)
{
	cleanup_fd int fd = copy_root_fd(c, e);
	struct restore r = {.copy = c};
	struct node *top;
	struct stat st;

	if (fd < 0 || look_first(c, fd, e) || copy_root(c, &top, e))
		return -1;
	if (SEAM(fstat(fd, &st)))
		return err_errno(e, errno, "%s", c->dir);
	r.uid = st.st_uid;
	r.gid = st.st_gid;
	r.chown = geteuid() == 0 && (st.st_uid || st.st_gid);
	if ((!hash_eq(&top->hash, root) || top->others) && apply(&r, top, root, fd, e))
		return -1;
	settle(top, stamp_now());
	return 0;
}

int snapshot_restore(struct copy *c, const struct hash *root, struct err *e)
{
	if (restore(c, root, e)) {
		copy_forget(c);
		return err_wrap(e, "restore %s", c->dir);
	}
	c->last = *root;
	c->has_last = true;
	return 0;
}
