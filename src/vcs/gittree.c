/* gittree: git trees become snapshots and snapshots become git trees.
 *
 * Both ways content is taken as it is: no end-of-line or other filters. Going in, names are checked like those of our
 * own blobs (a hostile repository may hold "..", or `.git`), submodules become empty folders. Going out, .gitignore
 * files of the snapshot decide what is left out; what the parent commit already has stays, as in git. Folders that did
 * not change are found in the cache (oidmap) and cost one look-up. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/pieces.h"
#include "vcs/batch.h"
#include "vcs/ignore.h"
#include "vcs/loose.h"
#include "vcs/oidmap.h"
#include "vcs/private.h"
#include "vcs/tree.h"

/* ---- in ---- */

struct import {
	struct project *p;
	struct batch batch;
	bool trust;
	uint64_t entries;
};

static int import_tree(struct import *im, const git_oid *id, int depth, struct oid_hash *out, struct err *e);

/* The content of one kind of source, in pieces: 1, 0 at the end, -1. */
typedef int next_piece(void *from, struct span *piece, struct err *e);

static int next_of_loose(void *from, struct span *piece, struct err *e)
{
	return loose_next(from, piece, e);
}

/* What libgit2 has in memory is its only piece. */
static int next_of_whole(void *from, struct span *piece, struct err *e)
{
	struct span *rest = from;

	(void)e;
	*piece = *rest;
	*rest = SPAN_NONE;
	return piece->n > 0;
}

static int import_pieces(struct import *im, next_piece *next, void *from, struct oid_hash *out, struct err *e)
{
	struct store_blob stored;
	struct blob_writer w;
	struct span piece;
	int rc = blob_writer_begin(&w, im->batch.store, e);

	while (rc == 0 && (rc = next(from, &piece, e)) > 0)
		rc = blob_writer_add(&w, piece, e);
	if (rc == 0)
		rc = blob_writer_end(&w, &stored, e);
	if (rc == 0) {
		*out = (struct oid_hash){.hash = stored.hash, .size = (uint64_t)w.size, .files = 1};
		rc = batch_add_stored(&im->batch, &stored, e);
	}
	blob_writer_release(&w);
	return rc;
}

static int too_large(struct err *e)
{
	return err_set(e, ERR_TOO_LARGE, "has more than %lu bytes; take it out of the project", CAP_BLOB);
}

static int import_whole(struct import *im, const git_oid *id, struct oid_hash *out, struct err *e)
{
	cleanup_git(git_blob) *blob = NULL;
	struct span content;
	struct blob *b;
	int rc = LIBGIT(git_blob_lookup(&blob, im->p->repo, id));

	if (rc)
		return libgit_err(e, rc, "read a file of a commit");
	if (git_blob_rawsize(blob) > CAP_BLOB)
		return too_large(e);
	content = span_n(git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
	if (content.n > CAP_FILE_WHOLE) /* once in memory is enough */
		return import_pieces(im, next_of_whole, &content, out, e);
	b = blob_new(content.p, content.n);
	if (!b)
		return err_nomem(e);
	*out = (struct oid_hash){.size = b->size, .files = 1};
	store_blob_hash(blob_span(b), &out->hash);
	return batch_add(&im->batch, &out->hash, b, e);
}

/* A large one piece by piece where it can be read so: from a file of its own. In packs (a clone's, or of git gc) lie
 * differences and other things that libgit2 reads. */
static int import_blob(struct import *im, const git_oid *id, struct oid_hash *out, struct err *e)
{
	struct loose loose;
	int rc;

	if (oidmap_get_hash(id, out) && (im->trust || store_has_blob(im->batch.store, &out->hash)))
		return 0;
	rc = loose_open(&loose, project_objects(im->p), id, e);
	if (rc == 1 && loose.size > CAP_BLOB)
		rc = too_large(e);
	else if (rc == 1 && loose.size > CAP_FILE_WHOLE)
		rc = import_pieces(im, next_of_loose, &loose, out, e);
	else if (rc >= 0)
		rc = import_whole(im, id, out, e);
	loose_release(&loose);
	if (rc)
		return -1;
	oidmap_put_hash(id, out);
	oidmap_put(&out->hash, id);
	return 0;
}

static int put_folder(struct import *im, const struct buf *text, struct oid_hash *out, struct err *e)
{
	struct blob *b;

	if (buf_check(text, "the description of a folder", e))
		return -1;
	b = blob_new(text->data, text->len);
	if (!b)
		return err_nomem(e);
	store_blob_hash(buf_span(text), &out->hash);
	return batch_add(&im->batch, &out->hash, b, e);
}

static int import_entry(struct import *im, const git_tree_entry *from, int depth, struct entry *to, struct err *e)
{
	struct oid_hash value = {.size = 0};
	cleanup_buf struct buf empty = BUF_INIT(64);
	int rc;

	to->name = span_of(git_tree_entry_name(from));
	if (!entry_name_ok(to->name))
		return err_set(e, ERR_DENIED, "\"%s\" is a name that no honest commit contains", to->name.p);
	if (++im->entries > CAP_SNAPSHOT_FILES)
		return err_set(e, ERR_TOO_LARGE, "the commit has more than %d files", CAP_SNAPSHOT_FILES);
	switch (git_tree_entry_filemode(from)) {
	case GIT_FILEMODE_TREE:
		to->kind = ENTRY_DIR;
		rc = import_tree(im, git_tree_entry_id(from), depth + 1, &value, e);
		break;
	case GIT_FILEMODE_COMMIT:
		to->kind = ENTRY_DIR;
		tree_begin(&empty);
		rc = put_folder(im, &empty, &value, e);
		break;
	default:
		to->kind = git_tree_entry_filemode(from) == GIT_FILEMODE_LINK		   ? ENTRY_LINK
			   : git_tree_entry_filemode(from) == GIT_FILEMODE_BLOB_EXECUTABLE ? ENTRY_EXEC
											   : ENTRY_FILE;
		rc = import_blob(im, git_tree_entry_id(from), &value, e);
	}
	to->hash = value.hash;
	to->size = value.size;
	to->files = value.files;
	return rc ? err_wrap(e, "%s", to->name.p) : 0;
}

static int by_name(const void *a, const void *b)
{
	/* They are C strings in git's tree object. */
	return strcmp(((const struct entry *)a)->name.p, ((const struct entry *)b)->name.p);
}

/* git sorts folders as if their names ended in '/'; we do not. */
static int encode(struct entry *entries, size_t count, struct buf *text, struct oid_hash *out, struct err *e)
{
	if (count)
		qsort(entries, count, sizeof *entries, by_name);
	tree_begin(text);
	for (size_t i = 0; i < count; i++) {
		if (i && span_eq(entries[i - 1].name, entries[i].name))
			return err_set(e, ERR_CORRUPT, "%s: stands twice in a commit", entries[i].name.p);
		tree_add(text, &entries[i]);
		out->size += entries[i].size;
		out->files += entries[i].files;
	}
	return 0;
}

static int import_tree(struct import *im, const git_oid *id, int depth, struct oid_hash *out, struct err *e)
{
	cleanup_git(git_tree) *tree = NULL;
	cleanup_free struct entry *entries = NULL;
	cleanup_buf struct buf text = BUF_INIT(CAP_BLOB);
	size_t count;
	int rc;

	if (im->trust && oidmap_get_hash(id, out) && store_has_blob(im->batch.store, &out->hash))
		return 0;
	if (depth > CAP_WALK_DEPTH)
		return err_set(e, ERR_TOO_LARGE, "the commit's folders are nested deeper than %d", CAP_WALK_DEPTH);
	rc = LIBGIT(git_tree_lookup(&tree, im->p->repo, id));
	if (rc)
		return libgit_err(e, rc, "read a folder of a commit");
	count = git_tree_entrycount(tree);
	entries = mem_calloc(count + 1, sizeof *entries);
	if (!entries)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++)
		if (import_entry(im, git_tree_entry_byindex(tree, i), depth, &entries[i], e))
			return -1;
	*out = (struct oid_hash){.size = 0};
	if (encode(entries, count, &text, out, e) || put_folder(im, &text, out, e))
		return -1;
	oidmap_put_hash(id, out);
	return 0;
}

int gittree_import(
	struct project *p, struct store *s, const git_oid *tree, bool trust, struct hash *root, struct err *e)
{
	struct import im = {.p = p, .trust = trust};
	cleanup_buf struct buf empty = BUF_INIT(64);
	struct oid_hash value = {.size = 0};
	int rc;

	batch_init(&im.batch, s);
	tree_begin(&empty);
	rc = tree ? import_tree(&im, tree, 0, &value, e) : put_folder(&im, &empty, &value, e);
	if (rc == 0)
		rc = batch_flush(&im.batch, e);
	batch_release(&im.batch);
	*root = value.hash;
	return rc;
}

/* ---- out ---- */

struct export
{
	struct project *p;
	git_odb *odb;
	struct store *store;
	struct buf path; /* of the folder at hand, with '/' at the end */
};

static int export_tree(struct export *ex, const struct hash *folder, const git_tree *parent, const struct ignore *up,
	bool tracked_only, git_oid *out, bool *empty, struct err *e);

/* Into an object of its own, as git_odb_write does it. */
static int write_pieces(git_odb *odb, struct blob_reader *from, git_oid *out, struct err *e)
{
	git_odb_stream *to = NULL;
	struct span piece;
	int rc = LIBGIT(git_odb_open_wstream(&to, odb, (git_object_size_t)from->size, GIT_OBJECT_BLOB)), more = 0;

	while (rc == 0 && (more = blob_reader_next(from, &piece, e)) > 0)
		rc = LIBGIT(git_odb_stream_write(to, piece.p, piece.n));
	if (rc == 0 && more == 0)
		rc = LIBGIT(git_odb_stream_finalize_write(out, to));
	git_odb_stream_free(to);
	if (rc)
		return libgit_err(e, rc, "write a file into the repository");
	return more;
}

static int export_blob(struct export *ex, const struct hash *h, git_oid *out, struct err *e)
{
	struct blob_reader from;
	int rc;

	if (oidmap_get(h, out) && git_odb_exists(ex->odb, out))
		return 0;
	rc = blob_reader_open(&from, ex->store, h, e);
	if (rc == 0)
		rc = write_pieces(ex->odb, &from, out, e);
	if (rc == 0) {
		oidmap_put(h, out);
		oidmap_put_hash(out, &(struct oid_hash){.hash = *h, .size = (uint64_t)from.size, .files = 1});
	}
	blob_reader_release(&from);
	return rc;
}

static git_filemode_t mode_of(enum entry_kind kind)
{
	return kind == ENTRY_DIR    ? GIT_FILEMODE_TREE
	       : kind == ENTRY_EXEC ? GIT_FILEMODE_BLOB_EXECUTABLE
	       : kind == ENTRY_LINK ? GIT_FILEMODE_LINK
				    : GIT_FILEMODE_BLOB;
}

/* The parent commit's folder of that name, or NULL. */
static int parent_folder(const git_tree_entry *had, struct export *ex, git_tree **out, struct err *e)
{
	int rc;

	*out = NULL;
	if (!had || git_tree_entry_type(had) != GIT_OBJECT_TREE)
		return 0;
	rc = LIBGIT(git_tree_lookup(out, ex->p->repo, git_tree_entry_id(had)));
	return rc ? libgit_err(e, rc, "read a folder of the parent commit") : 0;
}

/* The object of one entry; *skip: it is left out. */
static int export_entry(struct export *ex, const struct entry *entry, const char *name, const git_tree *parent,
	const struct ignore *ignore, bool tracked_only, git_oid *out, bool *skip, struct err *e)
{
	const git_tree_entry *had = parent ? git_tree_entry_byname(parent, name) : NULL;
	bool folder = entry->kind == ENTRY_DIR, ignored;
	size_t before = ex->path.len;
	cleanup_git(git_tree) *sub = NULL;
	int rc;

	buf_adds(&ex->path, name);
	if (buf_check(&ex->path, "a path of the snapshot", e))
		return -1;
	ignored = tracked_only || ignore_match(ignore, buf_span(&ex->path), folder);
	if (!folder) {
		*skip = ignored && (!had || git_tree_entry_type(had) != GIT_OBJECT_BLOB);
		rc = *skip ? 0 : export_blob(ex, &entry->hash, out, e);
	} else {
		buf_addc(&ex->path, '/');
		rc = parent_folder(had, ex, &sub, e);
		*skip = ignored && !sub;
		if (rc == 0 && !*skip)
			rc = export_tree(ex, &entry->hash, sub, ignore, ignored, out, skip, e);
	}
	buf_cut(&ex->path, before);
	return rc;
}

/* The level of a folder's own .gitignore; *blob holds its text. */
static int load_ignore(struct export *ex, const struct entry *entries, size_t count, const struct ignore *up,
	struct ignore *level, struct blob **blob, struct err *e)
{
	struct span path = buf_span(&ex->path);

	for (size_t i = 0; i < count; i++) {
		if (!span_is(entries[i].name, ".gitignore") || entries[i].kind == ENTRY_DIR ||
			entries[i].kind == ENTRY_LINK)
			continue;
		*blob = store_blob(ex->store, &entries[i].hash, e);
		if (!*blob)
			return -1;
		return ignore_init(level, up, span_n(path.p, path.n ? path.n - 1 : 0), blob_span(*blob), e);
	}
	return 0;
}

static int fill(struct export *ex, git_treebuilder *tb, const struct entry *entries, size_t count,
	const git_tree *parent, const struct ignore *ignore, bool tracked_only, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *name = span_dup(entries[i].name);
		const git_tree_entry *had;
		git_filemode_t mode = mode_of(entries[i].kind);
		bool skip = false;
		git_oid oid;
		int rc;

		if (!name)
			return err_nomem(e);
		had = parent ? git_tree_entry_byname(parent, name) : NULL;
		if (had && git_tree_entry_type(had) == GIT_OBJECT_COMMIT && entries[i].kind == ENTRY_DIR) {
			oid = *git_tree_entry_id(had);
			mode = GIT_FILEMODE_COMMIT;
		} else if (export_entry(ex, &entries[i], name, parent, ignore, tracked_only, &oid, &skip, e)) {
			return -1;
		}
		if (skip)
			continue;
		rc = LIBGIT(git_treebuilder_insert(NULL, tb, name, &oid, mode));
		if (rc)
			return libgit_err(e, rc, "%s%s: git takes no file of this name; rename or delete it",
				buf_span(&ex->path).p, name);
	}
	return 0;
}

/* What a folder's git tree depends on, besides the objects being there. */
static void key_of(const struct export *ex, const struct hash *folder, const git_oid *parent,
	const struct ignore *ignore, bool tracked_only, struct hash *out)
{
	static const git_oid none;
	struct hash_stream h;

	hash_start(&h, NULL);
	hash_update(&h, folder->b, HASH_SIZE);
	hash_update(&h, parent ? parent->id : none.id, GIT_OID_RAWSZ);
	hash_update(&h, tracked_only ? "1" : "0", 1);
	if (ignore) {
		hash_update(&h, ignore->digest.b, HASH_SIZE);
		hash_update(&h, buf_span(&ex->path).p, ex->path.len);
	}
	hash_end(&h, out);
}

static int build(struct export *ex, const struct entry *entries, size_t count, const git_tree *parent,
	const struct ignore *ignore, bool tracked_only, git_oid *out, bool *empty, struct err *e)
{
	git_treebuilder *tb = NULL;
	int rc = LIBGIT(git_treebuilder_new(&tb, ex->p->repo, NULL));

	if (rc)
		return libgit_err(e, rc, "make a folder of a commit");
	rc = fill(ex, tb, entries, count, parent, ignore, tracked_only, e);
	*empty = rc == 0 && git_treebuilder_entrycount(tb) == 0;
	if (rc == 0) {
		rc = LIBGIT(git_treebuilder_write(out, tb));
		if (rc)
			libgit_err(e, rc, "write a folder into the repository");
	}
	git_treebuilder_free(tb);
	return rc ? -1 : 0;
}

static int export_tree(struct export *ex, const struct hash *folder, const git_tree *parent, const struct ignore *up,
	bool tracked_only, git_oid *out, bool *empty, struct err *e)
{
	struct hash key;
	struct blob *text = NULL, *rules = NULL;
	cleanup_free struct entry *entries = NULL;
	struct ignore level = {.rules = NULL};
	size_t count = 0;
	int rc;

	*empty = false;
	key_of(ex, folder, parent ? git_tree_id(parent) : NULL, up, tracked_only, &key);
	if (oidmap_get(&key, out) && git_odb_exists(ex->odb, out))
		return 0;
	text = store_blob(ex->store, folder, e);
	rc = text ? tree_entries(blob_span(text), &entries, &count, e) : -1;
	if (rc == 0)
		rc = load_ignore(ex, entries, count, up, &level, &rules, e);
	if (rc == 0)
		rc = build(ex, entries, count, parent, rules ? &level : up, tracked_only, out, empty, e);
	ignore_release(&level);
	blob_unref(rules);
	blob_unref(text);
	if (rc || *empty)
		return rc ? -1 : 0;
	oidmap_put(&key, out);
	/* With itself as the parent it would come out the same. */
	key_of(ex, folder, out, up, tracked_only, &key);
	oidmap_put(&key, out);
	return 0;
}

int gittree_export(struct project *p, struct store *s, const struct hash *root, const git_tree *parent, git_oid *out,
	struct err *e)
{
	struct export ex = {.p = p, .store = s};
	cleanup_git(git_odb) *odb = NULL;
	bool empty;
	int rc = LIBGIT(git_repository_odb(&odb, p->repo));

	if (rc)
		return libgit_err(e, rc, "open the objects of %s", p->dir);
	ex.odb = odb;
	buf_init(&ex.path, (CAP_WALK_DEPTH + 2) * 256);
	rc = export_tree(&ex, root, parent, NULL, false, out, &empty, e);
	buf_release(&ex.path);
	return rc;
}
