/* land: fast-forward the person's checkout.
 *
 * libgit2's safe checkout first looks whether any file that differs between the two commits was changed by the person,
 * or an unknown file stands in the way, and then writes all or nothing. The files come before the ref, and the ref
 * moves from its expected value. After a crash in between, some files already are what they should become: libgit2
 * takes them for obstacles, so when all obstacles are of that sort the checkout is done again with a baseline that
 * knows them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "vcs/beneath.h"
#include "vcs/private.h"

/* What the checkout found in its way. */
struct obstacles {
	char **paths;
	size_t count, room;
	bool nomem;
};

static void obstacles_release(struct obstacles *o)
{
	for (size_t i = 0; i < o->count; i++)
		mem_free(o->paths[i]);
	mem_free(o->paths);
	*o = (struct obstacles){.paths = NULL};
}

static int in_the_way(git_checkout_notify_t why, const char *path, const git_diff_file *baseline,
	const git_diff_file *target, const git_diff_file *workdir, void *ctx)
{
	struct obstacles *o = ctx;

	(void)why;
	(void)baseline;
	(void)target;
	(void)workdir;
	if (o->count == o->room) {
		size_t room = o->room ? o->room * 2 : 16;
		char **paths = mem_realloc(o->paths, room * sizeof *paths);
		if (!paths) {
			o->nomem = true;
			return -1;
		}
		o->paths = paths;
		o->room = room;
	}
	o->paths[o->count] = mem_strdup(path);
	o->nomem |= !o->paths[o->count];
	o->count += !o->nomem;
	return o->nomem ? -1 : 0;
}

static int checkout(struct project *p, const git_commit *to, git_index *baseline, struct obstacles *found)
{
	git_checkout_options o = GIT_CHECKOUT_OPTIONS_INIT;

	o.checkout_strategy = GIT_CHECKOUT_SAFE | GIT_CHECKOUT_RECREATE_MISSING | GIT_CHECKOUT_DONT_OVERWRITE_IGNORED;
	o.disable_filters = 1;
	o.notify_flags = GIT_CHECKOUT_NOTIFY_CONFLICT;
	o.notify_cb = in_the_way;
	o.notify_payload = found;
	o.baseline_index = baseline;
	return LIBGIT(git_checkout_tree(p->repo, (const git_object *)to, &o));
}

/* ---- after a crash ----
 *
 * git's lock files do not say whose they are. A file of ours that is held by flock while files and branch are moved
 * does: the kernel gives it up with the process, so who finds it free but not empty knows that a landing was cut off,
 * and that what is younger, lock files and unfinished files, was left by it. */

#define MARK "muster-landing"

struct mark {
	char *path;
	int fd;
	bool cut;	      /* an earlier landing did not come to its end */
	struct timespec when; /* it began */
};

static bool is_of_the_cut(const struct mark *m, const struct stat *st)
{
	return m->cut && (st->st_mtim.tv_sec > m->when.tv_sec ||
				 (st->st_mtim.tv_sec == m->when.tv_sec && st->st_mtim.tv_nsec >= m->when.tv_nsec));
}

static void drop_lock(const struct mark *m, const char *folder, const char *of)
{
	cleanup_free char *path = mem_printf("%s/%s.lock", folder, of);
	struct stat st;

	if (path && stat(path, &st) == 0 && is_of_the_cut(m, &st))
		SEAM(unlink(path));
}

static void mark_end(struct mark *m)
{
	if (m->fd >= 0) {
		SEAM(unlink(m->path));
		close(m->fd);
	}
	mem_free(m->path);
}

static int mark_begin(struct project *p, const char *ref, struct mark *m, struct err *e)
{
	struct stat st = {.st_nlink = 0};

	*m = (struct mark){.path = mem_printf("%s" MARK, git_repository_path(p->repo)), .fd = -1};
	if (!m->path)
		return err_nomem(e);
	for (int tries = 0; tries < 4 && st.st_nlink == 0; tries++) { /* 0: another landing has just removed it */
		if (m->fd >= 0)
			close(m->fd);
		m->fd = fs_open(m->path, O_RDWR | O_CREAT, 0600, e);
		if (m->fd < 0)
			return -1;
		if (SEAM(flock(m->fd, LOCK_EX | LOCK_NB)) || SEAM(fstat(m->fd, &st))) {
			int why = errno;

			close(m->fd);
			m->fd = -1;
			return why == EWOULDBLOCK
				       ? err_set(e, ERR_LOCKED,
						 "another muster program is merging into %s; wait for it", p->dir)
				       : err_errno(e, why, "%s", m->path);
		}
	}
	m->cut = st.st_size != 0;
	m->when = st.st_mtim;
	drop_lock(m, git_repository_path(p->repo), "index");
	drop_lock(m, git_repository_path(p->repo), "HEAD");
	drop_lock(m, p->git_dir, ref);
	return fs_write_fd(m->fd, span_of("1"), e);
}

/* Remove an unfinished file: it has less than the commit's content, and nothing else. */
static bool drop_unfinished(const struct mark *m, struct project *p, int root, const git_tree *tree, const char *path)
{
	cleanup_git(git_blob) *whole = NULL;
	git_tree_entry *entry = NULL;
	cleanup_fd int fd = beneath_open(root, path, O_RDONLY, 0, BENEATH_NO_FOLLOW);
	struct blob *b = NULL;
	struct stat st;
	bool dropped = false;

	if (fd < 0 || SEAM(fstat(fd, &st)) || !S_ISREG(st.st_mode) || !is_of_the_cut(m, &st) ||
		LIBGIT(git_tree_entry_bypath(&entry, tree, path)))
		return false;
	if (LIBGIT(git_blob_lookup(&whole, p->repo, git_tree_entry_id(entry))) == 0)
		b = beneath_read(fd, CAP_BLOB);
	if (b && b->size < (size_t)git_blob_rawsize(whole) && !memcmp(b->data, git_blob_rawcontent(whole), b->size)) {
		cleanup_free char *full = fs_join(p->dir, path);
		dropped = full && SEAM(unlink(full)) == 0;
	}
	blob_unref(b);
	git_tree_entry_free(entry);
	return dropped;
}

static bool drop_all_unfinished(
	const struct mark *m, struct project *p, const git_tree *tree, const struct obstacles *found)
{
	cleanup_fd int root = m->cut ? fs_open(p->dir, O_PATH | O_DIRECTORY, 0, NULL) : -1;
	bool any = false;

	for (size_t i = 0; root >= 0 && i < found->count; i++)
		any |= drop_unfinished(m, p, root, tree, found->paths[i]);
	return any;
}

/* Is the file on disk exactly the one of the commit? (A link that was written is an obstacle: remove it by hand.) */
static bool is_as_in(int root, const git_tree *tree, const char *path)
{
	git_tree_entry *entry = NULL;
	cleanup_fd int fd = -1;
	struct blob *b = NULL;
	struct stat st;
	git_oid id;
	bool same = false;

	if (LIBGIT(git_tree_entry_bypath(&entry, tree, path)))
		return false;
	if (git_tree_entry_type(entry) == GIT_OBJECT_BLOB && git_tree_entry_filemode(entry) != GIT_FILEMODE_LINK)
		fd = beneath_open(root, path, O_RDONLY, 0, BENEATH_NO_FOLLOW);
	if (fd >= 0 && SEAM(fstat(fd, &st)) == 0 && S_ISREG(st.st_mode) &&
		!(st.st_mode & 0100) == (git_tree_entry_filemode(entry) == GIT_FILEMODE_BLOB))
		b = beneath_read(fd, CAP_BLOB);
	if (b && git_odb_hash(&id, b->data, b->size, GIT_OBJECT_BLOB) == 0)
		same = git_oid_equal(&id, git_tree_entry_id(entry));
	blob_unref(b);
	git_tree_entry_free(entry);
	return same;
}

static bool all_as_in(struct project *p, const git_tree *tree, const struct obstacles *found)
{
	cleanup_fd int root = fs_open(p->dir, O_PATH | O_DIRECTORY, 0, NULL);

	if (root < 0)
		return false;
	for (size_t i = 0; i < found->count; i++)
		if (!is_as_in(root, tree, found->paths[i]))
			return false;
	return found->count > 0;
}

/* Put the entries of the tree for these paths into an index. */
static int put_paths(git_index *index, const git_tree *tree, const struct obstacles *found)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < found->count; i++) {
		git_tree_entry *from = NULL;
		git_index_entry entry = {.path = found->paths[i]};

		rc = LIBGIT(git_tree_entry_bypath(&from, tree, found->paths[i]));
		if (rc)
			break;
		entry.mode = git_tree_entry_filemode(from);
		entry.id = *git_tree_entry_id(from);
		git_tree_entry_free(from);
		rc = LIBGIT(git_index_add(index, &entry));
	}
	return rc;
}

/* Check out with `from` plus what is already there as the baseline; then the index gets what it may have missed. */
static int checkout_rest(struct project *p, const git_oid *from, const git_commit *to, const git_tree *tree,
	const struct obstacles *there, struct obstacles *found)
{
	cleanup_git(git_index) *baseline = NULL;
	cleanup_git(git_index) *index = NULL;
	cleanup_git(git_commit) *before = NULL;
	cleanup_git(git_tree) *had = NULL;
	int rc = LIBGIT(git_index_new(&baseline));

	if (rc == 0 && from)
		rc = LIBGIT(git_commit_lookup(&before, p->repo, from));
	if (rc == 0 && from)
		rc = LIBGIT(git_commit_tree(&had, before));
	if (rc == 0 && from)
		rc = LIBGIT(git_index_read_tree(baseline, had));
	if (rc == 0)
		rc = put_paths(baseline, tree, there);
	if (rc == 0)
		rc = checkout(p, to, baseline, found);
	if (rc == 0)
		rc = LIBGIT(git_repository_index(&index, p->repo));
	if (rc == 0)
		rc = put_paths(index, tree, there);
	return rc ? rc : LIBGIT(git_index_write(index));
}

/* ---- the whole ---- */

static int refuse(const struct project *p, const struct obstacles *found, json_t **conflicts, struct err *e)
{
	cleanup_buf struct buf names = BUF_INIT(ERR_TEXT_MAX / 2);
	cleanup_json json_t *list = json_array();

	for (size_t i = 0; list && i < found->count && i < CAP_CONFLICTS; i++) {
		json_t *one =
			json_make(NULL, "{s:o, s:b}", "path", json_from_span(span_of(found->paths[i])), "dirty", 1);
		if (!one || json_array_append_new(list, one))
			return err_nomem(e);
		buf_addf(&names, "%s%s", i ? ", " : "", found->paths[i]);
	}
	if (!list)
		return err_nomem(e);
	if (conflicts)
		*conflicts = steal(&list);
	return err_set(e, ERR_CONFLICT,
		"%s has uncommitted changes that the merge would touch: %s; commit or stash them and merge again. "
		"Nothing "
		"was changed",
		p->dir, buf_span(&names).p);
}

static int locked(const struct project *p, struct err *e)
{
	return err_set(e, ERR_LOCKED,
		"the index of %s is locked; wait for the other git program, or, if there is none, remove %sindex.lock",
		p->dir, git_repository_path(p->repo));
}

static int bring_files(const struct mark *m, struct project *p, const git_oid *from, const git_commit *to,
	json_t **conflicts, struct err *e)
{
	struct obstacles found = {.paths = NULL}, there = {.paths = NULL};
	cleanup_free char *lock = mem_printf("%sindex.lock", git_repository_path(p->repo));
	cleanup_git(git_tree) *tree = NULL;
	int rc;

	if (!lock)
		return err_nomem(e);
	if (fs_exists(lock)) /* libgit2 would notice after writing the files */
		return locked(p, e);
	rc = LIBGIT(git_commit_tree(&tree, to));
	if (rc == 0)
		rc = checkout(p, to, NULL, &found);
	if (rc && drop_all_unfinished(m, p, tree, &found)) {
		obstacles_release(&found);
		rc = checkout(p, to, NULL, &found);
	}
	if (rc && all_as_in(p, tree, &found)) {
		there = found;
		found = (struct obstacles){.paths = NULL};
		rc = checkout_rest(p, from, to, tree, &there, &found);
	}
	if (found.nomem)
		rc = err_nomem(e);
	else if (rc && found.count)
		rc = refuse(p, &found, conflicts, e);
	else if (rc == GIT_ELOCKED)
		rc = locked(p, e);
	else if (rc)
		rc = libgit_err(e, rc, "bring the merged files into %s", p->dir);
	obstacles_release(&found);
	obstacles_release(&there);
	return rc;
}

int land_branch(struct project *p, char name[REF_TEXT], git_oid *tip, bool *exists, struct err *e)
{
	cleanup_git(git_reference) *head = NULL;
	const char *target;
	int rc = LIBGIT(git_reference_lookup(&head, p->repo, "HEAD"));

	if (rc)
		return libgit_err(e, rc, "HEAD of %s", p->dir);
	target = git_reference_symbolic_target(head);
	if (!target || strncmp(target, "refs/heads/", 11) != 0)
		return err_set(e, ERR_CONFLICT,
			"%s is on no branch (detached HEAD); check out the branch to merge into and merge again",
			p->dir);
	if (git_repository_state(p->repo) != GIT_REPOSITORY_STATE_NONE)
		return err_set(e, ERR_CONFLICT,
			"%s is in the middle of a merge, rebase or the like; finish or abort it and merge again",
			p->dir);
	if (snprintf(name, REF_TEXT, "%s", target) >= REF_TEXT)
		return err_set(e, ERR_INVALID, "the branch of %s has too long a name", p->dir);
	rc = LIBGIT(git_reference_name_to_id(tip, p->repo, target));
	*exists = rc == 0;
	return rc == 0 || rc == GIT_ENOTFOUND ? 0 : libgit_err(e, rc, "the branch of %s", p->dir);
}

static int land_marked(const struct mark *m, struct project *p, const char *name, const git_oid *from,
	const git_commit *to, json_t **conflicts, struct err *e)
{
	cleanup_git(git_reference) *ref = NULL;
	int rc;

	if (bring_files(m, p, from, to, conflicts, e))
		return -1;
	rc = LIBGIT(git_reference_create_matching(
		&ref, p->repo, name, git_commit_id(to), from != NULL, from, "merge by muster: fast-forward"));
	if (rc == GIT_EMODIFIED || rc == GIT_EEXISTS)
		return err_set(e, ERR_CONFLICT,
			"somebody committed to %s at the same moment; the merged files are in place: look at them (git "
			"status) and merge again",
			p->dir);
	if (rc == GIT_ELOCKED)
		return err_set(e, ERR_LOCKED,
			"%s of %s is locked; wait for the other git program, or, if there is none, remove %s/%s.lock",
			name, p->dir, p->git_dir, name);
	return rc ? libgit_err(e, rc, "move %s", name) : 0;
}

int land(struct project *p, const char *name, const git_oid *from, const git_commit *to, json_t **conflicts,
	struct err *e)
{
	struct mark mark;
	int rc = mark_begin(p, name, &mark, e);

	if (rc == 0)
		rc = land_marked(&mark, p, name, from, to, conflicts, e);
	mark_end(&mark);
	return rc;
}
