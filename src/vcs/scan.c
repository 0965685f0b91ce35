/* scan: bring what is known of a working copy up to date with the disk.
 *
 * A folder whose own stamp is unchanged has the same names as before, so only its entries are looked at, not listed. A
 * file whose stamp is unchanged is not read. What is read goes, with its hash, into a batch for the store; folders that
 * changed get their blobs at the end (scan_seal), so that one transaction usually holds everything.
 *
 * Everything is opened by one name at a time in its open parent, never following links: a program that swaps files and
 * links meanwhile can make the scan see either, never something outside. A file that changes while it is read is
 * stamped as unknown and read again next time. Files that their owner has made unreadable are made readable. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "store/store.h"
#include "vcs/beneath.h"
#include "vcs/content.h"
#include "vcs/copy.h"
#include "vcs/names.h"

#define TRIES 4
#define HOLLOW 16	       /* a file is hollow when less than one part in this is data */
#define HOLLOW_FROM (64 * KIB) /* and it has this many bytes */

void scan_init(struct scan *s, struct copy *c, bool keep, struct changes *changes)
{
	*s = (struct scan){.copy = c, .keep = keep, .changes = changes};
	buf_init(&s->path, PATH_MAX);
	batch_init(&s->batch, c->store);
}

void scan_release(struct scan *s)
{
	batch_release(&s->batch);
	buf_release(&s->path);
}

static int note(struct scan *s, enum change_kind kind, const struct hash *before, const struct hash *after,
	uint64_t size, struct err *e)
{
	if (!s->changes)
		return 0;
	return changes_add(s->changes, buf_span(&s->path), kind, before, after, size) ? err_nomem(e) : 0;
}

enum { PUSHED, TOO_LONG = 1, NO_MEMORY = -1 };

/* Add a name to the path; the length to cut it back to in *before. Unless PUSHED, the path is as before. */
static int push(struct scan *s, const char *name, size_t *before, struct err *e)
{
	enum buf_fail failed;

	*before = s->path.len;
	if (s->path.len)
		buf_addc(&s->path, '/');
	buf_adds(&s->path, name);
	failed = s->path.failed;
	s->path.failed = BUF_FINE;
	if (failed != BUF_FINE)
		buf_cut(&s->path, *before);
	if (failed == BUF_NOMEM)
		err_nomem(e);
	return failed == BUF_FINE ? PUSHED : failed == BUF_NOMEM ? NO_MEMORY : TOO_LONG;
}

/* ---- what is no longer there ---- */

/* Report everything in a node as deleted; the path is that of the node. */
static int note_deleted(struct scan *s, struct node *n, struct err *e)
{
	size_t before;

	if (!s->changes || n->kind == ENTRY_OTHER)
		return 0;
	if (n->kind != ENTRY_DIR)
		return note(s, CHANGE_DELETED, &n->hash, NULL, 0, e);
	if (node_load(s->copy, n, e))
		return -1;
	for (size_t i = 0; i < n->count; i++) {
		int rc = push(s, n->kids[i]->name, &before, e);

		if (rc == PUSHED) /* what lies too deep was never part of a snapshot */
			rc = note_deleted(s, n->kids[i], e);
		if (rc < 0)
			return -1;
		buf_cut(&s->path, before);
	}
	return 0;
}

static int drop(struct scan *s, struct node *dir, size_t at, struct err *e)
{
	if (note_deleted(s, dir->kids[at], e))
		return -1;
	node_remove(dir, at);
	return 0;
}

/* ---- one entry ---- */

/* Much hole and little data: a copy could take a hundred times its disk limit from the store. Where the data lies has
 * the last word, since some file systems count blocks late. */
static bool is_hollow(int dir, const char *name, const struct stat *st)
{
	off_t data = 0, at = 0, least = st->st_size / HOLLOW;

	if (!S_ISREG(st->st_mode) || (uint64_t)st->st_size < HOLLOW_FROM || st->st_blocks >= least / 512)
		return false;
	cleanup_fd int fd = content_open(dir, name, 0);
	if (fd < 0)
		return false;
	while (data < least) {
		off_t begin = lseek(fd, at, SEEK_DATA);
		if (begin < 0 && errno == ENXIO)
			return true; /* nothing but hole from here on */
		at = begin < 0 ? -1 : lseek(fd, begin, SEEK_HOLE);
		if (at < 0)
			return false;
		data += at - begin;
	}
	return false;
}

static enum entry_kind kind_of(const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return st->st_mode & 0100 ? ENTRY_EXEC : ENTRY_FILE;
	return S_ISDIR(st->st_mode) ? ENTRY_DIR : S_ISLNK(st->st_mode) ? ENTRY_LINK : ENTRY_OTHER;
}

static int keep_content(struct scan *s, struct content *c, struct err *e)
{
	if (c->bytes)
		return batch_add(&s->batch, &c->hash, steal(&c->bytes), e);
	if (!c->is_stored) /* only its mode has changed */
		return 0;
	c->is_stored = false;
	return batch_add_stored(&s->batch, &c->stored, e);
}

/* kid NULL: new, to stand at dir->kids[at]. */
static int note_content(struct scan *s, struct node *dir, struct node *kid, size_t at, const char *name,
	const struct stat *st, const struct stamp *stamp, struct content *c, struct err *e)
{
	enum entry_kind kind = kind_of(st);
	bool is_new = !kid, differs = is_new || kid->kind != kind || !hash_eq(&kid->hash, &c->hash);
	struct hash before = {0};

	if (is_new)
		kid = node_insert(dir, at, name, kind, e);
	if (!kid)
		return FAILED;
	if (!is_new)
		before = kid->hash;
	kid->seen = true;
	kid->stamp = *stamp;
	kid->kind = kind;
	kid->hash = c->hash;
	kid->size = c->size;
	kid->files = 1;
	if (!differs)
		return DONE;
	node_dirty(kid->up);
	if (!s->keep)
		return DONE;
	if (note(s, is_new ? CHANGE_ADDED : CHANGE_MODIFIED, is_new ? NULL : &before, &c->hash, c->size, e))
		return FAILED;
	return keep_content(s, c, e) ? FAILED : DONE;
}

/* A file or link that may have changed. */
static int look_content(struct scan *s, struct node *dir, struct node *kid, size_t at, int fd, const char *name,
	struct stat *st, struct err *e)
{
	struct content c = {.size = 0};
	struct stamp stamp;
	int rc = content_read(&c, s, kid, fd, name, st, &stamp, e);

	if (rc == DONE)
		rc = note_content(s, dir, kid, at, name, st, &stamp, &c, e);
	content_release(&c);
	return rc;
}

static int scan_folder(struct scan *s, struct node *dir, int fd, int depth, struct err *e);

static int look_folder(struct scan *s, struct node *dir, struct node *kid, size_t at, int fd, const char *name,
	int depth, struct err *e)
{
	cleanup_fd int sub = content_open(fd, name, O_DIRECTORY);

	if (sub < 0)
		return content_gone(errno) ? AGAIN : (beneath_err(e, errno, buf_span(&s->path).p), FAILED);
	if (!kid)
		kid = node_insert(dir, at, name, ENTRY_DIR, e);
	if (!kid)
		return FAILED;
	kid->seen = true;
	return scan_folder(s, kid, sub, depth + 1, e) ? FAILED : DONE;
}

static int look_other(struct node *dir, struct node *kid, size_t at, const char *name, struct err *e)
{
	if (!kid)
		kid = node_insert(dir, at, name, ENTRY_OTHER, e);
	if (!kid)
		return FAILED;
	kid->seen = true;
	return DONE;
}

/* Files and links may become one another; anything else that changes its kind is another entry. */
static bool same_class(enum entry_kind a, enum entry_kind b)
{
	bool content_a = a != ENTRY_DIR && a != ENTRY_OTHER, content_b = b != ENTRY_DIR && b != ENTRY_OTHER;

	return a == b || (content_a && content_b);
}

static int look_once(struct scan *s, struct node *dir, int fd, const char *name, int depth, struct err *e)
{
	size_t at;
	struct node *kid = node_find(dir, name, &at);
	enum entry_kind kind;
	struct stat st;

	if (SEAM(fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))) {
		if (errno != ENOENT)
			return beneath_err(e, errno, buf_span(&s->path).p), FAILED;
		return !kid ? DONE : drop(s, dir, at, e) ? FAILED : DONE;
	}
	kind = kind_of(&st);
	if (beneath_is_temp(name) || (kind == ENTRY_DIR && depth >= CAP_WALK_DEPTH) ||
		(S_ISREG(st.st_mode) && (uint64_t)st.st_size > CAP_BLOB) ||
		(!(kid && stamp_same(&kid->stamp, &st)) && is_hollow(fd, name, &st)))
		kind = ENTRY_OTHER;
	if (kid && !same_class(kid->kind, kind)) {
		if (drop(s, dir, at, e))
			return FAILED;
		kid = NULL;
	}
	if (kind == ENTRY_OTHER)
		return look_other(dir, kid, at, name, e);
	if (kind == ENTRY_DIR)
		return look_folder(s, dir, kid, at, fd, name, depth, e);
	if (kid && kid->kind == kind && stamp_same(&kid->stamp, &st)) {
		kid->seen = true;
		return DONE;
	}
	return look_content(s, dir, kid, at, fd, name, &st, e);
}

/* Bring the entry `name` of dir up to date; fd is the open dir. */
static int look(struct scan *s, struct node *dir, int fd, const char *node_name, int depth, struct err *e)
{
	char name[NAME_MAX + 1]; /* the node, with its name, may go */
	struct node *kid;
	size_t before, at;
	int rc = AGAIN;

	if (++s->entries > CAP_SNAPSHOT_FILES)
		return err_set(e, ERR_TOO_LARGE,
			"the working copy has more than %d files and folders; delete what the "
			"project does not need",
			CAP_SNAPSHOT_FILES);
	snprintf(name, sizeof name, "%s", node_name);
	switch (push(s, name, &before, e)) {
	case NO_MEMORY:
		return -1;
	case TOO_LONG:
		kid = node_find(dir, name, &at);
		return look_other(dir, kid, at, name, e) == DONE ? 0 : -1;
	}
	for (int i = 0; rc == AGAIN && i < TRIES; i++)
		rc = look_once(s, dir, fd, name, depth, e);
	if (rc == AGAIN) {
		err_set(e, ERR_CONFLICT, "%s: changes faster than it can be read; stop the program that writes it",
			buf_span(&s->path).p);
		rc = FAILED;
	}
	buf_cut(&s->path, before);
	return rc == DONE ? 0 : -1;
}

/* ---- folders ---- */

static int look_at_names(struct scan *s, struct node *dir, int fd, int depth, struct err *e)
{
	cleanup_names struct names names = NAMES_INIT;

	if (names_read(fd, CAP_SNAPSHOT_FILES, &names, e))
		return err_wrap(e, "%s", buf_span(&s->path).p);
	for (size_t i = 0; i < dir->count; i++)
		dir->kids[i]->seen = false;
	for (size_t i = 0; i < names.count; i++)
		if (look(s, dir, fd, names.items[i], depth, e))
			return -1;
	for (size_t i = dir->count; i-- > 0;) {
		size_t before;

		if (dir->kids[i]->seen)
			continue;
		/* One that is too long is of kind OTHER and not reported. */
		if (push(s, dir->kids[i]->name, &before, e) == NO_MEMORY || drop(s, dir, i, e))
			return -1;
		buf_cut(&s->path, before);
	}
	return 0;
}

static int scan_folder(struct scan *s, struct node *dir, int fd, int depth, struct err *e)
{
	int64_t at = stamp_now();
	struct stat st;

	if (node_load(s->copy, dir, e))
		return -1;
	if (SEAM(fstat(fd, &st)))
		return err_errno(e, errno, "%s", buf_span(&s->path).p);
	if (!stamp_same(&dir->stamp, &st)) {
		dir->stamp.known = false;
		if (look_at_names(s, dir, fd, depth, e))
			return -1;
		stamp_set(&dir->stamp, &st, at);
		return 0;
	}
	for (size_t i = 0; i < dir->count;) {
		const struct node *kid = dir->kids[i];
		if (look(s, dir, fd, kid->name, depth, e))
			return -1;
		i += i < dir->count && dir->kids[i] == kid; /* or it is gone, or another */
	}
	return 0;
}

int scan_all(struct scan *s, int root, struct err *e)
{
	struct node *top;

	return copy_root(s->copy, &top, e) ? -1 : scan_folder(s, top, root, 0, e);
}

/* ---- single paths ---- */

/* Where a path of the copy leads when links are followed; when it leads to nothing, its folder's place and its name. */
static int real_path(int root, const char *path, char out[PATH_MAX])
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	cleanup_fd int fd = beneath_open(root, path, O_PATH, 0, BENEATH_FOLLOW);

	if (fd >= 0)
		return beneath_where(root, fd, out, PATH_MAX);
	if (!slash)
		return -1;
	snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
	fd = beneath_open(root, parent, O_PATH | O_DIRECTORY, 0, BENEATH_FOLLOW);
	if (fd < 0 || beneath_where(root, fd, parent, sizeof parent))
		return -1;
	if (strcmp(parent, ".") == 0)
		return snprintf(out, PATH_MAX, "%s", slash + 1) < PATH_MAX ? 0 : -1;
	return snprintf(out, PATH_MAX, "%s%s", parent, slash) < PATH_MAX ? 0 : -1;
}

/* One step down to a folder that must exist both as node and on disk: its node, or NULL when the name is no folder.
 * *fd is replaced by the folder's descriptor. */
static int step(struct scan *s, struct node **dir, int *fd, const char *name, struct err *e)
{
	int sub = content_open(*fd, name, O_DIRECTORY);
	size_t at;
	struct node *kid;

	if (sub < 0)
		return content_gone(errno) ? AGAIN : (beneath_err(e, errno, buf_span(&s->path).p), FAILED);
	close(*fd);
	*fd = sub;
	if (node_load(s->copy, *dir, e))
		return FAILED;
	kid = node_find(*dir, name, &at);
	if (kid && kid->kind != ENTRY_DIR) {
		if (drop(s, *dir, at, e))
			return FAILED;
		kid = NULL;
	}
	*dir = kid ? kid : node_insert(*dir, at, name, ENTRY_DIR, e);
	return *dir ? DONE : FAILED;
}

/* Walk down to the path's folder and look at its last name; when the way ends before, look at where it ends.
 * *link: that is a symbolic link. Takes the descriptor. */
static int scan_plain(struct scan *s, struct node *dir, int fd, const char *path, bool *link, struct err *e)
{
	char name[NAME_MAX + 1];
	struct stat st;
	int depth = 0, rc = DONE;

	buf_clear(&s->path);
	for (const char *end = path; rc == DONE; path = end + 1, depth++) {
		size_t before;

		end = strchrnul(path, '/');
		snprintf(name, sizeof name, "%.*s", (int)(end - path), path);
		if (*end == 0 || depth >= CAP_WALK_DEPTH)
			break;
		if (push(s, name, &before, e)) {
			rc = FAILED;
			break;
		}
		rc = step(s, &dir, &fd, name, e);
		if (rc == AGAIN)
			buf_cut(&s->path, before);
	}
	if (rc != FAILED && node_load(s->copy, dir, e))
		rc = FAILED;
	if (rc != FAILED) {
		*link = SEAM(fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW)) == 0 && S_ISLNK(st.st_mode);
		rc = look(s, dir, fd, name, depth, e) ? FAILED : DONE;
	}
	close(fd);
	return rc == DONE ? 0 : -1;
}

#define HOPS 8

int scan_path(struct scan *s, int root, const char *path, struct err *e)
{
	char at[PATH_MAX], target[PATH_MAX];
	bool link = true;
	struct node *top;

	if (strcmp(path, ".") == 0)
		return scan_all(s, root, e);
	if (snprintf(at, sizeof at, "%s", path) >= (int)sizeof at)
		return err_set(e, ERR_INVALID, "the path is too long");
	for (int hop = 0; link && hop < HOPS; hop++) {
		int fd = beneath_open(root, ".", O_RDONLY | O_DIRECTORY, 0, BENEATH_NO_FOLLOW);

		if (fd < 0)
			return beneath_err(e, errno, s->copy->dir);
		if (copy_root(s->copy, &top, e)) {
			close(fd);
			return -1;
		}
		if (scan_plain(s, top, fd, at, &link, e))
			return -1;
		if (!link)
			break;
		/* A tool that was given a path over a link changed the file behind it. */
		if (real_path(root, at, target) || strcmp(at, target) == 0)
			break;
		snprintf(at, sizeof at, "%s", target);
	}
	return 0;
}

/* ---- the end ---- */

static int seal(struct scan *s, struct node *dir, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_BLOB);
	struct hash h;
	struct blob *b;

	if (!dir->dirty)
		return 0;
	dir->size = dir->files = 0;
	dir->others = 0;
	tree_begin(&text);
	for (size_t i = 0; i < dir->count; i++) {
		struct node *kid = dir->kids[i];

		if (kid->kind == ENTRY_DIR && seal(s, kid, e))
			return -1;
		dir->others += kid->others;
		if (kid->kind == ENTRY_OTHER)
			continue;
		dir->size += kid->size;
		dir->files += kid->files;
		tree_add(&text, &(struct entry){.kind = kid->kind,
					.size = kid->size,
					.files = kid->files,
					.hash = kid->hash,
					.name = span_of(kid->name)});
	}
	if (buf_check(&text, "the description of a folder", e))
		return -1;
	store_blob_hash(buf_span(&text), &h);
	dir->dirty = false;
	if (hash_eq(&h, &dir->hash))
		return 0;
	dir->hash = h;
	if (!s->keep)
		return 0;
	b = blob_new(text.data, text.len);
	return b ? batch_add(&s->batch, &h, b, e) : err_nomem(e);
}

int scan_seal(struct scan *s, struct err *e)
{
	struct node *top;

	return copy_root(s->copy, &top, e) || seal(s, top, e) ? -1 : 0;
}
