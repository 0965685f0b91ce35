/* snapshot: take one, and read what one holds.
 *
 * Taking: scan what is asked for into the copy's nodes, seal the folders that changed, store content and folders in one
 * transaction where they fit into one. When anything fails the nodes are forgotten, and the next snapshot is taken as
 * if the copy had just been opened: nothing is lost but time. */
#include "vcs/snapshot.h"

#include <limits.h>

#include "base/caps.h"
#include "base/mem.h"
#include "vcs/beneath.h"
#include "vcs/copy.h"
#include "vcs/wild.h"

void snapshot_release(struct snapshot *s)
{
	changes_release(&s->changes);
	for (size_t i = 0; i < s->blob_count; i++)
		blob_unref(s->blobs[i].bytes);
	mem_free(s->blobs);
	s->blobs = NULL;
	s->blob_count = 0;
}

/* The paths of what was left out, as far as they fit. */
static void name_others(const struct node *dir, struct buf *path, struct buf *out)
{
	size_t before = path->len;

	for (size_t i = 0; i < dir->count && !out->failed; i++) {
		const struct node *kid = dir->kids[i];

		if (!kid->others || beneath_is_temp(kid->name))
			continue;
		if (path->len)
			buf_addc(path, '/');
		buf_adds(path, kid->name);
		if (kid->kind == ENTRY_DIR)
			name_others(kid, path, out);
		else
			buf_addf(out, "%s%s", out->len ? ", " : "", buf_span(path).p);
		path->failed = BUF_FINE;
		buf_cut(path, before);
	}
}

static void fill_skipped(const struct node *root, struct snapshot *out)
{
	cleanup_buf struct buf path = BUF_INIT(PATH_MAX), names = BUF_INIT(sizeof out->skipped - 8);

	out->skipped[0] = 0;
	if (!root->others)
		return;
	name_others(root, &path, &names);
	if (names.len)
		memcpy(out->skipped, names.data, names.len + 1);
	if (names.failed)
		memcpy(out->skipped + names.len, names.len ? ", …" : "…", names.len ? 6 : 4);
}

/* A path as the tools give it: relative, without "..", and not in .git. "" when it is of no interest. */
static int check_path(const char *path, char out[PATH_MAX], struct err *e)
{
	struct span rest = span_of(path), part;
	size_t n = 0;

	if (path[0] == '/' || rest.n >= PATH_MAX)
		return err_set(e, ERR_OUTSIDE, "%s: is no path relative to the working copy", path);
	while (wild_part(&rest, &part)) {
		if (span_is(part, ".."))
			return err_set(e, ERR_OUTSIDE, "%s: leads out of the working copy", path);
		if (span_is(part, ".git")) {
			out[0] = 0;
			return 0;
		}
		if (span_is(part, "."))
			continue;
		if (n)
			out[n++] = '/';
		memcpy(out + n, part.p, part.n);
		n += part.n;
	}
	if (n == 0)
		out[n++] = '.';
	out[n] = 0;
	return 0;
}

static int scan_paths(struct scan *s, int root, const char *const *paths, size_t count, struct err *e)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < count; i++)
		if (check_path(paths[i], path, e) || (path[0] && scan_path(s, root, path, e)))
			return -1;
	return 0;
}

static int take(struct scan *s, const char *const *paths, size_t count, bool carry, struct snapshot *out, struct err *e)
{
	struct copy *c = s->copy;
	cleanup_fd int root = copy_root_fd(c, e);
	struct node *top;

	if (root < 0 || copy_root(c, &top, e))
		return -1;
	if (paths ? scan_paths(s, root, paths, count, e) : scan_all(s, root, e))
		return -1;
	if (scan_seal(s, e) ||
		(!(carry && batch_carry(&s->batch, &out->blobs, &out->blob_count)) && batch_flush(&s->batch, e)))
		return -1;
	changes_sort(&out->changes);
	out->root = c->last = top->hash;
	c->has_last = true;
	out->files = top->files;
	out->bytes = top->size;
	fill_skipped(top, out);
	return 0;
}

static int snapshot(
	struct copy *c, const char *const *paths, size_t count, bool carry, struct snapshot *out, struct err *e)
{
	struct scan s;
	int rc;

	*out = (struct snapshot){.files = 0};
	scan_init(&s, c, true, &out->changes);
	rc = take(&s, paths, count, carry, out, e);
	scan_release(&s);
	if (rc) {
		copy_forget(c);
		snapshot_release(out);
		err_wrap(e, "snapshot of %s", c->dir);
	}
	return rc;
}

int snapshot_take(struct copy *c, const char *const *paths, size_t count, struct snapshot *out, struct err *e)
{
	return snapshot(c, paths, count, false, out, e);
}

int snapshot_carry(struct copy *c, const char *const *paths, size_t count, struct snapshot *out, struct err *e)
{
	return snapshot(c, paths, count, true, out, e);
}

/* The entry of a folder's blob with this name. */
static int find_entry(struct span blob, struct span name, struct entry *out, struct err *e)
{
	struct tree t;
	int rc = tree_open(&t, blob, e) ? -1 : 1;

	while (rc == 1)
		if ((rc = tree_next(&t, out, e)) == 1 && span_eq(out->name, name))
			return 1;
	return rc;
}

struct blob *snapshot_file(struct store *s, const struct hash *root, const char *path, struct err *e)
{
	struct span rest = span_of(path), part;
	struct entry entry = {.kind = ENTRY_DIR, .hash = *root};

	while (wild_part(&rest, &part)) {
		struct blob *dir = NULL;
		int rc = 0;

		if (entry.kind == ENTRY_DIR && !(dir = store_blob(s, &entry.hash, e)))
			return NULL;
		if (dir)
			rc = find_entry(blob_span(dir), part, &entry, e);
		blob_unref(dir);
		if (rc == 0)
			err_set(e, ERR_NOT_FOUND, "%s: the snapshot has no such file", path);
		if (rc != 1)
			return NULL;
	}
	if (entry.kind == ENTRY_DIR) {
		err_set(e, ERR_INVALID, "%s: is a folder, not a file", path);
		return NULL;
	}
	return store_blob(s, &entry.hash, e);
}

static int mark_folder(struct store *s, const struct hash *h, int depth, void (*mark)(void *ctx, const struct hash *h),
	void *ctx, struct err *e)
{
	struct blob *blob;
	struct tree t;
	struct entry entry;
	int rc;

	if (depth > CAP_WALK_DEPTH)
		return err_set(e, ERR_CORRUPT, "a snapshot is deeper than any can be; run muster verify");
	if (tree_load(s, h, &blob, &t, e))
		return -1;
	mark(ctx, h);
	while ((rc = tree_next(&t, &entry, e)) == 1) {
		if (entry.kind != ENTRY_DIR)
			mark(ctx, &entry.hash);
		else if (mark_folder(s, &entry.hash, depth + 1, mark, ctx, e)) {
			rc = -1;
			break;
		}
	}
	blob_unref(blob);
	return rc;
}

int snapshot_mark(struct store *s, const struct hash *root, void (*mark)(void *ctx, const struct hash *h), void *ctx,
	struct err *e)
{
	return mark_folder(s, root, 0, mark, ctx, e);
}
