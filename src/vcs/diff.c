/* diff: two snapshots side by side.
 * Both folders' entries stand in byte order, so one pass over the two finds what differs; equal hashes are not entered.
 * A name that is a folder on one side and a file on the other is a deletion and an addition. Text differences are
 * libgit2's (patch.c). */
#include "base/caps.h"
#include "base/mem.h"
#include "store/pieces.h"
#include "vcs/copy.h"
#include "vcs/patch.h"

struct diff {
	struct store *store;
	struct changes *out;
	struct buf path;
};

/* One side of a folder: NULL hash when it is not there. */
struct side {
	struct blob *blob;
	struct tree tree;
	struct entry entry;
	int have; /* 1: entry holds the next one */
};

static int diff_folder(struct diff *d, const struct hash *from, const struct hash *to, int depth, struct err *e);

static int note(struct diff *d, const struct entry *from, const struct entry *to, struct err *e)
{
	enum change_kind kind = !from ? CHANGE_ADDED : !to ? CHANGE_DELETED : CHANGE_MODIFIED;

	return changes_add(d->out, buf_span(&d->path), kind, from ? &from->hash : NULL, to ? &to->hash : NULL,
		       to ? to->size : 0)
		       ? err_nomem(e)
		       : 0;
}

/* Either may be NULL. */
static int diff_entry(
	struct diff *d, struct span name, const struct entry *from, const struct entry *to, int depth, struct err *e)
{
	bool from_dir = from && from->kind == ENTRY_DIR, to_dir = to && to->kind == ENTRY_DIR;
	size_t before = d->path.len;
	int rc = 0;

	if (from && to && from->kind == to->kind && hash_eq(&from->hash, &to->hash))
		return 0;
	if (before)
		buf_addc(&d->path, '/');
	buf_addspan(&d->path, name);
	if (buf_check(&d->path, "a path of the snapshot", e))
		return -1;
	if (from_dir || to_dir)
		rc = diff_folder(d, from_dir ? &from->hash : NULL, to_dir ? &to->hash : NULL, depth + 1, e);
	if (rc == 0 && ((from && !from_dir) || (to && !to_dir)))
		rc = note(d, from_dir ? NULL : from, to_dir ? NULL : to, e);
	buf_cut(&d->path, before);
	return rc;
}

static int order(const struct side *a, const struct side *b)
{
	if (!a->have || !b->have)
		return a->have ? -1 : 1;
	return span_order(a->entry.name, b->entry.name);
}

static int next(struct side *s, struct err *e)
{
	s->have = s->blob ? tree_next(&s->tree, &s->entry, e) : 0;
	return s->have < 0 ? -1 : 0;
}

static int walk_both(struct diff *d, struct side *a, struct side *b, int depth, struct err *e)
{
	if (next(a, e) || next(b, e))
		return -1;
	while (a->have || b->have) {
		int rc = order(a, b);

		if (diff_entry(d, rc <= 0 ? a->entry.name : b->entry.name, rc <= 0 ? &a->entry : NULL,
			    rc >= 0 ? &b->entry : NULL, depth, e))
			return -1;
		if ((rc <= 0 && next(a, e)) || (rc >= 0 && next(b, e)))
			return -1;
	}
	return 0;
}

static int diff_folder(struct diff *d, const struct hash *from, const struct hash *to, int depth, struct err *e)
{
	struct side a = {.blob = NULL}, b = {.blob = NULL};
	int rc = -1;

	if (depth > CAP_WALK_DEPTH)
		return err_set(e, ERR_CORRUPT, "a snapshot is deeper than any can be; run muster verify");
	if (tree_load(d->store, from, &a.blob, &a.tree, e) == 0 && tree_load(d->store, to, &b.blob, &b.tree, e) == 0)
		rc = walk_both(d, &a, &b, depth, e);
	blob_unref(a.blob);
	blob_unref(b.blob);
	return rc;
}

int snapshot_diff(struct store *s, const struct hash *from, const struct hash *to, struct changes *out, struct err *e)
{
	struct diff d = {.store = s, .out = out};
	int rc;

	*out = (struct changes){0};
	if (from && to && hash_eq(from, to))
		return 0;
	buf_init(&d.path, (CAP_WALK_DEPTH + 2) * 256);
	rc = diff_folder(&d, from, to, 0, e);
	buf_release(&d.path);
	if (rc)
		changes_release(out);
	else
		changes_sort(out);
	return rc;
}

/* ---- as text ---- */

static bool absent(const struct hash *h)
{
	static const struct hash zero;

	return hash_eq(h, &zero);
}

/* 1, 0 or -1; found without reading it. */
static int is_large(struct store *s, const struct hash *h, struct err *e)
{
	struct blob_reader r;
	int rc;

	if (absent(h))
		return 0;
	rc = blob_reader_open(&r, s, h, e) ? -1 : r.size > (int64_t)CAP_DIFF_FILE;
	blob_reader_release(&r);
	return rc;
}

static int load_side(struct store *s, const struct hash *h, struct blob **out, struct err *e)
{
	*out = absent(h) ? NULL : store_blob(s, h, e);
	return absent(h) || *out ? 0 : -1;
}

static int add_change(struct store *s, const struct change *c, struct buf *out, struct err *e)
{
	struct blob *before = NULL, *after = NULL;
	int rc = is_large(s, &c->before, e);

	if (rc == 0)
		rc = is_large(s, &c->after, e);
	if (rc)
		return rc < 0 ? -1 : patch_add_large(c->path, out, e);
	rc = -1;
	if (load_side(s, &c->before, &before, e) == 0 && load_side(s, &c->after, &after, e) == 0)
		rc = patch_add(c->path, before, after, out, e);
	blob_unref(before);
	blob_unref(after);
	return rc;
}

int snapshot_diff_text(struct store *s, const struct hash *from, const struct hash *to, struct buf *out, struct err *e)
{
	struct changes changes;
	int rc = 0;

	if (snapshot_diff(s, from, to, &changes, e))
		return -1;
	for (size_t i = 0; rc == 0 && i < changes.count; i++)
		rc = add_change(s, &changes.items[i], out, e);
	changes_release(&changes);
	return rc < 0 ? -1 : 0;
}
