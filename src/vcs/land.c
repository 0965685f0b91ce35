/* land: fast-forward the person's checkout.
 *
 * libgit2's safe checkout first looks whether any file that differs between the two commits was changed by the person,
 * or an unknown file stands in the way, and then writes all or nothing. The files come before the ref, and the ref
 * moves from its expected value. After a crash in between, some files already are what they should become: libgit2
 * takes them for obstacles, so when all obstacles are of that sort the checkout is done again with a baseline that
 * knows them. Above 600 lines because what a cut landing leaves is mended by what knows in which order it writes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "vcs/beneath.h"
#include "vcs/copy.h"
#include "vcs/private.h"

/* What the checkout found in its way; what it wrote. */
struct obstacles {
	char **paths;
	size_t count, room;
	bool nomem;
	struct obstacles *written;
};

static void obstacles_release(struct obstacles *o)
{
	for (size_t i = 0; i < o->count; i++)
		mem_free(o->paths[i]);
	mem_free(o->paths);
	*o = (struct obstacles){.written = o->written};
}

static int noted(git_checkout_notify_t why, const char *path, const git_diff_file *baseline,
	const git_diff_file *target, const git_diff_file *workdir, void *ctx)
{
	struct obstacles *o = why == GIT_CHECKOUT_NOTIFY_UPDATED ? ((struct obstacles *)ctx)->written : ctx;

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

/* baseline: what the person's files are compared with; NULL both: nothing is there. */
static int checkout(
	struct project *p, const git_commit *to, const git_tree *from, git_index *baseline, struct obstacles *found)
{
	git_checkout_options o = GIT_CHECKOUT_OPTIONS_INIT;

	o.checkout_strategy = GIT_CHECKOUT_SAFE | GIT_CHECKOUT_RECREATE_MISSING | GIT_CHECKOUT_DONT_OVERWRITE_IGNORED;
	o.disable_filters = 1;
	o.notify_flags = GIT_CHECKOUT_NOTIFY_CONFLICT | GIT_CHECKOUT_NOTIFY_UPDATED;
	o.notify_cb = noted;
	o.notify_payload = found;
	o.baseline = (git_tree *)from;
	o.baseline_index = baseline;
	return LIBGIT(git_checkout_tree(p->repo, (const git_object *)to, &o));
}

/* ---- after a crash ----
 *
 * git's lock files do not say whose they are. A file of ours that is held by flock while files and branch are moved
 * does: the kernel gives it up with the process. Who finds it free but not empty knows that landings were cut off at
 * the times in it (nanoseconds since 1970, one a line); lock files and unfinished files that came soon after one of
 * them were left by it. What came later is a person's. */

#define MARK "muster-landing"
#define MARK_TIMES 32
#define MARK_SOON 60000000000 /* ns: no landing goes on longer after its last sign of life in the file */
#define MARK_TRIES 100	      /* of 10 ms: a child between fork and exec may hold a dead program's lock a moment more */

struct mark {
	char *path;
	int fd;
	int64_t times[MARK_TIMES]; /* of landings that did not come to their end */
	size_t count;
};

static bool is_of_the_cut(const struct mark *m, const struct stat *st)
{
	struct stamp s;

	stamp_set(&s, st, 0);
	for (size_t i = 0; i < m->count; i++)
		if (s.mtime >= m->times[i] && s.mtime <= m->times[i] + MARK_SOON)
			return true;
	return false;
}

static void drop_lock(const struct mark *m, const char *folder, const char *of)
{
	cleanup_free char *path = mem_printf("%s/%s.lock", folder, of);
	struct stat st;

	if (path && stat(path, &st) == 0 && is_of_the_cut(m, &st))
		SEAM(unlink(path));
}

/* done: nothing of this landing is left half way; else the mark stays for the next one. */
static void mark_end(struct mark *m, bool done)
{
	if (m->fd >= 0 && done)
		SEAM(unlink(m->path));
	if (m->fd >= 0)
		close(m->fd);
	mem_free(m->path);
}

/* Open and lock the file; it may have been removed by another landing in between. */
static int mark_take(struct project *p, struct mark *m, struct err *e)
{
	for (int tries = 0; tries < MARK_TRIES; tries++) {
		struct stat st;

		m->fd = fs_open(m->path, O_RDWR | O_CREAT, 0600, e);
		if (m->fd < 0)
			return -1;
		if (SEAM(flock(m->fd, LOCK_EX | LOCK_NB)) == 0) {
			if (SEAM(fstat(m->fd, &st)))
				return err_errno(e, errno, "%s", m->path);
			if (st.st_nlink)
				return 0;
		} else if (errno != EWOULDBLOCK) {
			return err_errno(e, errno, "%s", m->path);
		} else {
			usleep(10000);
		}
		close(m->fd);
		m->fd = -1;
	}
	return err_set(e, ERR_LOCKED, "another muster program is merging into %s; wait for it", p->dir);
}

static int mark_begin(struct project *p, const char *ref, struct mark *m, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(4096);
	struct span rest, line;

	*m = (struct mark){.path = mem_printf("%s" MARK, git_repository_path(p->repo)), .fd = -1};
	if (!m->path)
		return err_nomem(e);
	if (mark_take(p, m, e) || fs_read_fd(m->fd, &text, e))
		return -1;
	for (rest = buf_span(&text); m->count < MARK_TIMES && span_line(&rest, &line);)
		m->times[m->count++] = strtoll(line.p, NULL, 10);
	drop_lock(m, git_repository_path(p->repo), "index");
	drop_lock(m, git_repository_path(p->repo), "HEAD");
	drop_lock(m, p->git_dir, ref);
	if (m->count == MARK_TIMES)
		return 0;
	buf_clear(&text);
	buf_addf(&text, "%lld\n", (long long)stamp_now());
	if (fs_write_fd(m->fd, buf_span(&text), e) || fs_fsync(m->fd, e))
		return -1;
	return fs_fsync_dir(git_repository_path(p->repo), e);
}

/* Is it the beginning of that, perhaps with zeros where the power went before the data was on the disk? */
static bool is_part(const struct blob *b, const unsigned char *whole, size_t size)
{
	bool less = b->size < size;

	for (size_t i = 0; i < b->size && i < size; i++) {
		unsigned char c = (unsigned char)b->data[i];
		if (c && c != whole[i])
			return false;
		less |= c != whole[i];
	}
	return less && b->size <= size;
}

/* Has the file less than the commit's content, and nothing else, since a landing was cut off? */
static bool is_unfinished(const struct mark *m, struct project *p, int root, const git_tree *tree, const char *path)
{
	cleanup_git(git_blob) *whole = NULL;
	git_tree_entry *entry = NULL;
	cleanup_fd int fd = beneath_open(root, path, O_RDONLY, 0, BENEATH_NO_FOLLOW);
	struct blob *b = NULL;
	struct stat st;
	bool is;

	if (fd < 0 || SEAM(fstat(fd, &st)) || !S_ISREG(st.st_mode) || !is_of_the_cut(m, &st) ||
		LIBGIT(git_tree_entry_bypath(&entry, tree, path)))
		return false;
	if (LIBGIT(git_blob_lookup(&whole, p->repo, git_tree_entry_id(entry))) == 0)
		b = beneath_read(fd, CAP_BLOB);
	is = b && is_part(b, git_blob_rawcontent(whole), (size_t)git_blob_rawsize(whole));
	blob_unref(b);
	git_tree_entry_free(entry);
	return is;
}

static bool remove_below(int root, const char *path)
{
	cleanup_free char *folder = mem_strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	cleanup_fd int dir = -1;

	if (!folder)
		return false;
	if (slash)
		*slash = 0;
	dir = beneath_open(root, slash ? folder : ".", O_PATH | O_DIRECTORY, 0, BENEATH_NO_FOLLOW);
	return dir >= 0 && SEAM(unlinkat(dir, slash ? slash + 1 : path, 0)) == 0;
}

/* Is the file on disk exactly the one of the commit? (A link that was written is an obstacle: remove it by hand.) */
static bool is_as_in(int root, const git_tree *tree, const char *path)
{
	git_tree_entry *entry = NULL;
	cleanup_fd int fd = -1;
	char self[32];
	struct stat st;
	git_oid id;
	bool same = false;

	if (LIBGIT(git_tree_entry_bypath(&entry, tree, path)))
		return false;
	if (git_tree_entry_type(entry) == GIT_OBJECT_BLOB && git_tree_entry_filemode(entry) != GIT_FILEMODE_LINK)
		fd = beneath_open(root, path, O_RDONLY, 0, BENEATH_NO_FOLLOW);
	if (fd >= 0 && SEAM(fstat(fd, &st)) == 0 && S_ISREG(st.st_mode) &&
		!(st.st_mode & 0100) == (git_tree_entry_filemode(entry) == GIT_FILEMODE_BLOB)) {
		snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
		same = LIBGIT(git_odb_hashfile(&id, self, GIT_OBJECT_BLOB)) == 0 &&
		       git_oid_equal(&id, git_tree_entry_id(entry));
	}
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

/* Remove the unfinished files, when everything in the way is a cut landing's: finished files or unfinished ones. */
static bool drop_unfinished(
	const struct mark *m, struct project *p, const git_tree *tree, const struct obstacles *found)
{
	cleanup_fd int root = m->count ? fs_open(p->dir, O_PATH | O_DIRECTORY, 0, NULL) : -1;
	bool any = false;

	for (size_t i = 0; root >= 0 && i < found->count; i++)
		if (!is_as_in(root, tree, found->paths[i]) && !is_unfinished(m, p, root, tree, found->paths[i]))
			return false;
	for (size_t i = 0; root >= 0 && i < found->count; i++)
		if (is_unfinished(m, p, root, tree, found->paths[i]))
			any |= remove_below(root, found->paths[i]);
	return any;
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

/* Check out with `had` plus what is already there as the baseline; then the index gets what it may have missed. */
static int checkout_rest(struct project *p, const git_tree *had, const git_commit *to, const git_tree *tree,
	const struct obstacles *there, struct obstacles *found)
{
	cleanup_git(git_index) *baseline = NULL;
	cleanup_git(git_index) *index = NULL;
	int rc = LIBGIT(git_index_new(&baseline));

	if (rc == 0 && had)
		rc = LIBGIT(git_index_read_tree(baseline, had));
	if (rc == 0)
		rc = put_paths(baseline, tree, there);
	if (rc == 0)
		rc = checkout(p, to, NULL, baseline, found);
	if (rc == 0)
		rc = LIBGIT(git_repository_index(&index, p->repo));
	if (rc == 0)
		rc = put_paths(index, tree, there);
	return rc ? rc : LIBGIT(git_index_write(index));
}

/* ---- large files ---- */

/* Is nothing in the way? */
static bool is_free(struct project *p, const git_commit *to, const git_tree *from)
{
	git_checkout_options o = GIT_CHECKOUT_OPTIONS_INIT;

	o.checkout_strategy = GIT_CHECKOUT_NONE | GIT_CHECKOUT_DONT_OVERWRITE_IGNORED | GIT_CHECKOUT_DONT_UPDATE_INDEX;
	o.disable_filters = 1;
	o.baseline = (git_tree *)from;
	return LIBGIT(git_checkout_tree(p->repo, (const git_object *)to, &o)) == 0;
}

/* Into the person's index, with their times: git need not read them to know that they are as in the commit. */
static int put_entries(struct project *p, git_index *files)
{
	cleanup_git(git_index) *index = NULL;
	int rc = LIBGIT(git_repository_index(&index, p->repo));

	for (size_t i = 0; rc == 0 && i < git_index_entrycount(files); i++)
		rc = LIBGIT(git_index_add(index, git_index_get_byindex(files, i)));
	return rc ? rc : LIBGIT(git_index_write(index));
}

/* A checkout that does not load large files: these are written first, as if by a landing that was cut off then; so one
 * that is cut off here is mended as any other. placed: their paths. */
static int checkout_all(struct project *p, const git_commit *to, const git_tree *had, const git_tree *tree,
	struct obstacles *placed, struct obstacles *found)
{
	cleanup_git(git_index) *files = NULL;
	int rc = LIBGIT(git_index_new(&files));

	if (rc == 0)
		rc = large_find(p, had, tree, files);
	if (rc == 0 && git_index_entrycount(files) && is_free(p, to, had))
		rc = large_write(p, files);
	else if (rc == 0)
		rc = git_index_clear(files);
	for (size_t i = 0; rc == 0 && i < git_index_entrycount(files); i++)
		rc = noted(GIT_CHECKOUT_NOTIFY_NONE, git_index_get_byindex(files, i)->path, NULL, NULL, NULL, placed);
	if (rc)
		return rc;
	if (!placed->count)
		return checkout(p, to, had, NULL, found);
	rc = checkout_rest(p, had, to, tree, placed, found);
	return rc ? rc : put_entries(p, files);
}

/* ---- the disk ---- */

static int sync_folder_of(int root, const char *path, struct err *e)
{
	cleanup_free char *folder = mem_strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	cleanup_fd int fd = -1;

	if (!folder)
		return err_nomem(e);
	if (slash)
		*slash = 0;
	fd = beneath_open(root, slash ? folder : ".", O_RDONLY | O_DIRECTORY, 0, BENEATH_NO_FOLLOW);
	if (fd < 0 && errno == ENOENT) /* its last file went */
		return slash ? sync_folder_of(root, folder, e) : 0;
	if (fd < 0)
		return err_errno(e, errno, "sync the folder of %s", path);
	return fs_fsync(fd, e) || (slash && sync_folder_of(root, folder, e)) ? -1 : 0;
}

/* What was written is there after a power cut, before the branch says so. A link, a submodule or what is gone needs its
 * folder only. */
static int sync_files(struct project *p, const struct obstacles *written, struct err *e)
{
	cleanup_fd int root = fs_open(p->dir, O_PATH | O_DIRECTORY, 0, e);

	if (root < 0)
		return -1;
	for (size_t i = 0; i < written->count; i++) {
		const char *path = written->paths[i];
		cleanup_fd int fd = beneath_open(root, path, O_RDONLY, 0, BENEATH_NO_FOLLOW);
		if ((fd >= 0 && fs_fsync(fd, e)) || sync_folder_of(root, path, e))
			return -1;
	}
	return 0;
}

static int sync_index(struct project *p, struct err *e)
{
	cleanup_free char *path = mem_printf("%sindex", git_repository_path(p->repo));
	cleanup_fd int fd = path ? fs_open(path, O_RDONLY, 0, e) : -1;

	if (fd < 0)
		return !path ? err_nomem(e) : e->code == ERR_NOT_FOUND ? 0 : -1;
	return fs_fsync(fd, e) ? -1 : fs_fsync_dir(git_repository_path(p->repo), e);
}

/* An index that a landing wrote just before the power went may have no content: make it anew. Opening it reads it,
 * unless somebody did. */
static int mend_index(struct project *p, const git_tree *had)
{
	cleanup_free char *path = mem_printf("%sindex", git_repository_path(p->repo));
	cleanup_git(git_index) *index = NULL;
	const git_error *last;
	int rc;

	if (!path)
		return -1;
	git_error_clear();
	rc = LIBGIT(git_repository_index(&index, p->repo));
	if (rc == 0)
		rc = LIBGIT(git_index_read(index, true));
	last = git_error_last();
	if (rc == 0 || !last || last->klass != GIT_ERROR_INDEX)
		return rc;
	if (SEAM(unlink(path)) && errno != ENOENT)
		return -1;
	rc = index ? 0 : LIBGIT(git_repository_index(&index, p->repo));
	if (rc == 0)
		rc = LIBGIT(git_index_read(index, true));
	if (rc == 0 && had)
		rc = LIBGIT(git_index_read_tree(index, had));
	return rc ? rc : LIBGIT(git_index_write(index));
}

int land_mend(struct project *p)
{
	cleanup_free char *path = mem_printf("%s" MARK, git_repository_path(p->repo));
	cleanup_git(git_reference) *head = NULL;
	cleanup_git(git_object) *tree = NULL;

	if (!path || !fs_exists(path))
		return -1;
	if (LIBGIT(git_repository_head(&head, p->repo)) == 0 &&
		LIBGIT(git_reference_peel(&tree, head, GIT_OBJECT_TREE)))
		return -1;
	return mend_index(p, (git_tree *)tree);
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
	return locked_by_another(p, "the index", git_repository_path(p->repo), "index", e);
}

static int bring_files(const struct mark *m, struct project *p, const git_oid *from, const git_commit *to,
	json_t **conflicts, struct err *e)
{
	struct obstacles written = {.paths = NULL}, found = {.written = &written}, there = {.paths = NULL},
			 placed = {.paths = NULL};
	cleanup_free char *lock = mem_printf("%sindex.lock", git_repository_path(p->repo));
	cleanup_git(git_tree) *tree = NULL;
	cleanup_git(git_tree) *had = NULL;
	cleanup_git(git_commit) *before = NULL;
	int rc;

	if (!lock)
		return err_nomem(e);
	if (fs_exists(lock)) /* libgit2 would notice after writing the files */
		return locked(p, e);
	rc = LIBGIT(git_commit_tree(&tree, to));
	if (rc == 0 && from)
		rc = LIBGIT(git_commit_lookup(&before, p->repo, from));
	if (rc == 0 && from)
		rc = LIBGIT(git_commit_tree(&had, before));
	if (rc == 0 && m->count)
		rc = mend_index(p, had);
	if (rc == 0)
		rc = checkout_all(p, to, had, tree, &placed, &found);
	if (rc && drop_unfinished(m, p, tree, &found)) {
		obstacles_release(&found);
		rc = checkout_all(p, to, had, tree, &placed, &found);
	}
	if (rc && all_as_in(p, tree, &found)) {
		there = found;
		found = (struct obstacles){.written = &written};
		rc = checkout_rest(p, had, to, tree, &there, &found);
	}
	if (found.nomem || written.nomem || placed.nomem)
		rc = err_nomem(e);
	else if (rc == 0)
		rc = sync_files(p, &written, e) || sync_files(p, &there, e) || sync_files(p, &placed, e)
			     ? -1
			     : sync_index(p, e);
	else if (found.count)
		rc = refuse(p, &found, conflicts, e);
	else if (rc == GIT_ELOCKED)
		rc = locked(p, e);
	else
		rc = libgit_err(e, rc, "bring the merged files into %s", p->dir);
	obstacles_release(&found);
	obstacles_release(&written);
	obstacles_release(&there);
	obstacles_release(&placed);
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

/* Is the branch still where the merge was made from? Asked under the mark, so that no other landing comes in between.
 */
static int check_tip(struct project *p, const char *name, const git_oid *from, struct err *e)
{
	git_oid now;
	int rc = LIBGIT(git_reference_name_to_id(&now, p->repo, name));

	if (rc && rc != GIT_ENOTFOUND)
		return libgit_err(e, rc, "the branch of %s", p->dir);
	if (from ? rc == 0 && git_oid_equal(&now, from) : rc == GIT_ENOTFOUND)
		return 0;
	return err_set(e, ERR_CONFLICT, "somebody committed to %s at the same moment; merge again. Nothing was changed",
		p->dir);
}

static int land_marked(const struct mark *m, struct project *p, const char *name, const git_oid *from,
	const git_commit *to, json_t **conflicts, struct err *e)
{
	cleanup_git(git_reference) *ref = NULL;
	int rc;

	if (check_tip(p, name, from, e) || bring_files(m, p, from, to, conflicts, e))
		return -1;
	rc = LIBGIT(git_reference_create_matching(
		&ref, p->repo, name, git_commit_id(to), from != NULL, from, "merge by muster: fast-forward"));
	if (rc == GIT_EMODIFIED || rc == GIT_EEXISTS)
		return err_set(e, ERR_CONFLICT,
			"somebody committed to %s at the same moment; the merged files are in place: look at them (git "
			"status) and merge again",
			p->dir);
	if (rc == GIT_ELOCKED)
		return locked_by_another(p, name, p->git_dir, name, e);
	return rc ? libgit_err(e, rc, "move %s", name) : 0;
}

int land(struct project *p, const char *name, const git_oid *from, const git_commit *to, json_t **conflicts,
	struct err *e)
{
	struct mark mark;
	int rc = mark_begin(p, name, &mark, e);

	if (rc == 0)
		rc = land_marked(&mark, p, name, from, to, conflicts, e);
	/* a refusal has written nothing; other failures may have */
	mark_end(&mark, rc == 0 || (!mark.count && (e->code == ERR_CONFLICT || e->code == ERR_LOCKED)));
	return rc;
}
