/* adopt: see adopt.h.
 *
 * libgit2's indexer computes the name of every object anew and looks whether all that they name is there; only then
 * does the pack become part of the repository. Refs are packed-refs written by us. */
#include "vcs/adopt.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "vcs/beneath.h"
#include "vcs/private.h"

struct adoption {
	struct adopt *a;
	git_repository *repo;
	git_odb *odb;
	char head[REF_TEXT], first[REF_TEXT]; /* full names; "" : none */
	bool has_head;			      /* among the branches */
	struct buf packed;
};

/* What a program in a sandbox left: a regular file, or it is no file for us. */
static int open_from(const struct adopt *a, const char *name, struct err *e)
{
	cleanup_free char *path = fs_join(a->from, name);
	struct stat st;
	int fd = path ? fs_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, e) : err_nomem(e);

	if (fd < 0)
		return -1;
	if (SEAM(fstat(fd, &st)) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return err_set(e, ERR_INVALID, "the repository's %s is no file", name);
}

/* ---- objects ---- */

static int on_progress(const git_indexer_progress *now, void *ctx)
{
	const struct adopt *a = ctx;

	return (a->cancel && atomic_load(a->cancel)) || now->total_objects > CAP_CLONE_OBJECTS ? GIT_EUSER : 0;
}

#define EMPTY_PACK 32 /* its head and its hash */

static int feed(git_indexer *indexer, int fd, git_indexer_progress *now, struct err *e)
{
	uint64_t bytes = 0;
	cleanup_free char *piece = mem_alloc(CAP_BLOB_PIECE);
	ssize_t n = 1;
	int rc = piece ? 0 : err_nomem(e);

	while (rc == 0 && (n = SEAM(read(fd, piece, CAP_BLOB_PIECE))) > 0) {
		bytes += (uint64_t)n;
		rc = LIBGIT(git_indexer_append(indexer, piece, (size_t)n, now));
	}
	if (rc == 0 && n == 0 && now->total_objects == 0 && bytes != EMPTY_PACK)
		return err_set(e, ERR_GIT, "the repository's objects are cut");
	return n < 0 ? err_errno(e, errno, "read the objects") : rc;
}

static int take_objects(struct adoption *d, struct err *e)
{
	git_indexer_options o = GIT_INDEXER_OPTIONS_INIT;
	git_indexer_progress now = {.total_objects = 0};
	git_indexer *indexer = NULL;
	cleanup_fd int fd = open_from(d->a, "pack", e);
	cleanup_free char *to = fs_join(git_repository_path(d->repo), "objects/pack");
	int rc;

	if (fd < 0 || !to)
		return fd < 0 ? -1 : err_nomem(e);
	o.progress_cb = on_progress;
	o.progress_cb_payload = d->a;
	o.verify = 1;
	rc = LIBGIT(git_indexer_new(&indexer, to, 0, d->odb, &o));
	if (rc == 0)
		rc = feed(indexer, fd, &now, e);
	if (rc == 0 && now.total_objects > 0)
		rc = LIBGIT(git_indexer_commit(indexer, &now));
	git_indexer_free(indexer);
	d->a->objects = now.total_objects;
	if (rc == 0 && LIBGIT(git_odb_refresh(d->odb)) == 0)
		return 0;
	if (d->a->cancel && atomic_load(d->a->cancel))
		return err_set(e, ERR_CANCELLED, "it was cancelled");
	if (now.total_objects > CAP_CLONE_OBJECTS)
		return err_set(e, ERR_TOO_LARGE, "the repository has %u objects, more than %d", now.total_objects,
			CAP_CLONE_OBJECTS);
	return e->code != ERR_OK ? -1 : libgit_err(e, rc, "the repository's objects are not what they should be");
}

/* ---- branches and tags ---- */

/* A name that we could have given, of an object of the right kind? */
static bool is_kept(struct adoption *d, const char *name, const git_oid *id)
{
	bool branch = !strncmp(name, "refs/heads/", 11), tag = !strncmp(name, "refs/tags/", 10);
	char checked[REF_TEXT];
	struct err ignored = ERR_INIT;
	git_object_t type;
	size_t size;

	if ((!branch && !tag) || ref_name(name + (branch ? 11 : 10), checked, &ignored) ||
		(branch && !strncmp(name + 11, "muster/", 7)) || /* those are of our runs */
		git_odb_read_header(&size, &type, d->odb, id))
		return false;
	d->a->branches += branch && type == GIT_OBJECT_COMMIT;
	d->a->tags += tag && (type == GIT_OBJECT_COMMIT || type == GIT_OBJECT_TAG);
	return type == GIT_OBJECT_COMMIT || (tag && type == GIT_OBJECT_TAG);
}

static int take_ref(struct adoption *d, struct span line, struct err *e)
{
	cleanup_free char *text = span_dup(line);
	git_oid id;

	if (!text)
		return err_nomem(e);
	if (line.n < 42 || line.p[40] != ' ' || git_oid_fromstrn(&id, text, 40))
		return err_set(e, ERR_INVALID, "the list of the repository's branches cannot be read");
	const char *name = text + 41;
	if (!is_kept(d, name, &id)) {
		d->a->left_out++;
		return 0;
	}
	if (!strncmp(name, "refs/heads/", 11)) {
		d->has_head |= !strcmp(name, d->head);
		if (!*d->first || !strcmp(name, "refs/heads/main") ||
			(!strcmp(name, "refs/heads/master") && strcmp(d->first, "refs/heads/main") != 0))
			snprintf(d->first, sizeof d->first, "%s", name);
	}
	buf_addspan(&d->packed, line);
	buf_addc(&d->packed, '\n');
	return buf_check(&d->packed, "the list of branches", e);
}

static int read_small(const struct adopt *a, const char *name, struct buf *out, struct err *e)
{
	cleanup_fd int fd = open_from(a, name, e);

	return fd < 0 ? -1 : fs_read_fd(fd, out, e);
}

static int take_refs(struct adoption *d, struct err *e)
{
	cleanup_buf struct buf refs = BUF_INIT(CAP_CLONE_REFS), head = BUF_INIT(REF_TEXT);
	cleanup_free char *to = fs_join(git_repository_path(d->repo), "packed-refs");
	struct span rest, line;

	if (!to)
		return err_nomem(e);
	if (read_small(d->a, "refs", &refs, e) || read_small(d->a, "head", &head, e))
		return -1;
	snprintf(d->head, sizeof d->head, "%.*s", (int)span_trim(buf_span(&head)).n, span_trim(buf_span(&head)).p);
	rest = buf_span(&refs);
	while (span_line(&rest, &line))
		if (take_ref(d, line, e))
			return -1;
	return d->packed.len ? fs_replace(to, buf_span(&d->packed), 0644, e) : 0;
}

/* ---- HEAD and the index ---- */

static int set_head(struct adoption *d, struct err *e)
{
	cleanup_git(git_object) *commit = NULL;
	cleanup_git(git_tree) *tree = NULL;
	cleanup_git(git_index) *index = NULL;
	const char *name = d->has_head ? d->head : d->first;
	int rc;

	if (!*name)
		return 0;
	rc = LIBGIT(git_repository_set_head(d->repo, name));
	if (rc == 0)
		rc = LIBGIT(git_revparse_single(&commit, d->repo, name));
	if (rc == 0)
		rc = LIBGIT(git_commit_tree(&tree, (git_commit *)commit));
	if (rc == 0)
		rc = LIBGIT(git_repository_index(&index, d->repo));
	if (rc == 0)
		rc = LIBGIT(git_index_read_tree(index, tree));
	if (rc == 0)
		rc = LIBGIT(git_index_write(index));
	if (rc)
		return libgit_err(e, rc, "the branch %s", name);
	git_oid_tostr(d->a->commit, sizeof d->a->commit, git_object_id(commit));
	return 0;
}

int adopt(struct adopt *a, const char *dir, struct err *e)
{
	struct adoption d = {.a = a};
	cleanup_free char *git = fs_join(dir, ".git");
	int rc;

	a->objects = a->branches = a->tags = a->left_out = 0;
	a->commit[0] = 0;
	if (!git)
		return err_nomem(e);
	if (libgit_setup(e))
		return -1;
	d.repo = repository_new(dir, git, e);
	if (!d.repo)
		return -1;
	buf_init(&d.packed, CAP_CLONE_REFS);
	rc = LIBGIT(git_repository_odb(&d.odb, d.repo));
	if (rc)
		libgit_err(e, rc, "the objects of %s", dir);
	rc = rc || take_objects(&d, e) || take_refs(&d, e) || set_head(&d, e) ? -1 : 0;
	buf_release(&d.packed);
	git_odb_free(d.odb);
	git_repository_free(d.repo);
	return rc || fs_fsync_tree(git, e) ? -1 : 0;
}
