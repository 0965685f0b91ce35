/* export: a commit's files for archives. Names are checked as where a commit becomes a snapshot (gittree.c). */
#include "vcs/export.h"

#include "base/mem.h"
#include "vcs/private.h"

struct walk {
	struct project *p;
	git_odb *odb;
	struct export_list *out;
	struct buf path;
};

static int add_file(struct walk *w, const git_tree_entry *entry, struct err *e)
{
	struct export_list *out = w->out;
	git_filemode_t mode = git_tree_entry_filemode(entry);
	struct export_file file = {.oid = *git_tree_entry_id(entry)};
	git_object_t type;
	size_t size;
	int rc;

	if (out->count == CAP_ARCHIVE_FILES)
		return err_set(e, ERR_TOO_LARGE, "the commit has more than %d files", CAP_ARCHIVE_FILES);
	if (out->count == out->room) {
		size_t room = out->room ? out->room * 2 : 64;
		struct export_file *items = mem_realloc(out->items, room * sizeof *items);

		if (!items)
			return err_nomem(e);
		out->items = items;
		out->room = room;
	}
	rc = LIBGIT(git_odb_read_header(&size, &type, w->odb, &file.oid));
	if (rc || type != GIT_OBJECT_BLOB)
		return libgit_err(e, rc, "read %s", w->path.data);
	file.size = size;
	file.kind = mode == GIT_FILEMODE_LINK		   ? ENTRY_LINK
		    : mode == GIT_FILEMODE_BLOB_EXECUTABLE ? ENTRY_EXEC
							   : ENTRY_FILE;
	file.path = span_dup(buf_span(&w->path));
	if (!file.path)
		return err_nomem(e);
	out->items[out->count++] = file;
	return 0;
}

static int add_tree(struct walk *w, const git_oid *id, int depth, struct err *e)
{
	cleanup_git(git_tree) *tree = NULL;
	size_t before = w->path.len;
	int rc;

	if (depth > CAP_WALK_DEPTH)
		return err_set(e, ERR_TOO_LARGE, "the commit's folders are nested deeper than %d", CAP_WALK_DEPTH);
	rc = LIBGIT(git_tree_lookup(&tree, w->p->repo, id));
	if (rc)
		return libgit_err(e, rc, "read a folder of a commit");
	for (size_t i = 0; i < git_tree_entrycount(tree) && rc == 0; i++) {
		const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
		const char *name = git_tree_entry_name(entry);
		git_filemode_t mode = git_tree_entry_filemode(entry);

		if (!entry_name_ok(span_of(name)))
			return err_set(e, ERR_DENIED, "\"%s\" is a name that no honest commit contains", name);
		buf_addf(&w->path, "%s%s", before ? "/" : "", name);
		if (buf_check(&w->path, "a path of the commit", e))
			return -1;
		if (mode == GIT_FILEMODE_TREE)
			rc = add_tree(w, git_tree_entry_id(entry), depth + 1, e);
		else if (mode != GIT_FILEMODE_COMMIT)
			rc = add_file(w, entry, e);
		buf_cut(&w->path, before);
	}
	return rc;
}

int export_list(struct project *p, const char *oid, struct export_list *out, struct err *e)
{
	struct walk w = {.p = p, .out = out};
	cleanup_git(git_commit) *commit = NULL;
	cleanup_git(git_odb) *odb = NULL;
	int rc;

	*out = (struct export_list){.items = NULL};
	LOCKED(p);
	if (!*oid)
		return 0;
	if (commit_find(p, oid, &commit, e))
		return -1;
	rc = LIBGIT(git_repository_odb(&odb, p->repo));
	if (rc)
		return libgit_err(e, rc, "open the objects of %s", p->dir);
	w.odb = odb;
	out->at_us = (int64_t)git_commit_time(commit) * 1000000;
	buf_init(&w.path, (CAP_WALK_DEPTH + 2) * 256);
	rc = add_tree(&w, git_commit_tree_id(commit), 0, e);
	buf_release(&w.path);
	return rc;
}

void export_list_release(struct export_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		mem_free(l->items[i].path);
	mem_free(l->items);
	*l = (struct export_list){.items = NULL};
}

int export_open(struct export_reader *r, struct project *p, const struct export_file *f, struct err *e)
{
	int rc;

	LOCKED(p);
	*r = (struct export_reader){.blob = NULL};
	rc = loose_open(&r->loose, project_objects(p), &f->oid, e);
	r->pieces = rc == 1;
	if (rc)
		return rc < 0 ? -1 : 0;
	rc = LIBGIT(git_blob_lookup(&r->blob, p->repo, &f->oid));
	if (rc)
		return libgit_err(e, rc, "read %s", f->path);
	r->rest = span_n(git_blob_rawcontent(r->blob), (size_t)git_blob_rawsize(r->blob));
	return 0;
}

int export_next(struct export_reader *r, struct span *piece, struct err *e)
{
	size_t n = r->rest.n < CAP_BLOB_PIECE ? r->rest.n : CAP_BLOB_PIECE;

	if (r->pieces)
		return loose_next(&r->loose, piece, e);
	*piece = span_n(r->rest.p, n);
	r->rest = span_n(n ? r->rest.p + n : NULL, r->rest.n - n);
	return n > 0;
}

void export_release(struct export_reader *r)
{
	loose_release(&r->loose);
	git_blob_free(r->blob);
	r->blob = NULL;
}
