/* checkout: a working copy and its read-only git directory.
 *
 * The copy's files come from the commit by way of a snapshot: git objects → blobs of the store → files, so the first
 * snapshot costs nothing more, and the second copy of a project only writes files.
 *
 * <copy>.git is written by us and read by git in the sandbox, where it is bound over the empty folder <copy>/.git: HEAD
 * on the copy's branch, packed refs, an index with the files' times, and the project's objects by way of
 * objects/info/alternates. Nothing reads it on the host, and the sandbox cannot write it. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "base/fs.h"
#include "base/mem.h"
#include "vcs/beneath.h"
#include "vcs/copy.h"
#include "vcs/private.h"

#define REFS_MAX 10000
#define GIT_CONFIG                                                                                                     \
	"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = false\n"       \
	"\tcheckStat = minimal\n\ttrustctime = false\n\tfsmonitor = false\n\thooksPath = /dev/null\n"                  \
	"[gc]\n\tauto = 0\n"

char *project_copy_git_dir(const char *copy_dir, struct err *e)
{
	char *out = mem_printf("%s.git", copy_dir);

	if (!out)
		err_nomem(e);
	return out;
}

/* Everything below the git directory is its owner's, whatever our umask: git reads it under that uid. */
static int give(const char *git, const char *path, struct err *e)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (SEAM(stat(git, &st)) || SEAM(lchown(path, st.st_uid, st.st_gid)))
		return err_errno(e, errno, "%s", path);
	return 0;
}

/* Whole or not at all, but not synced: it can be made again from the project (project_copy_update), and a sync would
 * wait for all the files of a fresh copy. */
static int put_file(const char *git, const char *name, struct span text, struct err *e)
{
	cleanup_free char *path = fs_join(git, name), *temp = path ? mem_printf("%s.new", path) : NULL;
	cleanup_fd int fd = -1;

	if (!temp)
		return err_nomem(e);
	fd = fs_open(temp, O_WRONLY | O_CREAT | O_TRUNC, 0644, e);
	if (fd < 0 || fs_write_fd(fd, text, e) || give(git, temp, e))
		return -1;
	return fs_rename(temp, path, e);
}

static int put_folder(const char *git, const char *name, struct err *e)
{
	cleanup_free char *path = fs_join(git, name);

	if (!path)
		return err_nomem(e);
	return fs_mkdirs(path, 0755, e) || give(git, path, e) ? -1 : 0;
}

static int put_alternates(struct project *p, const char *git, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(64 * KIB);

	for (size_t i = 0; p->objects[i]; i++)
		buf_addf(&text, "%s\n", p->objects[i]);
	if (buf_check(&text, "the object folders", e))
		return -1;
	return put_file(git, "objects/info/alternates", buf_span(&text), e);
}

/* All branches and tags of the project, and the copy's own branch at its commit. */
static int put_refs(struct project *p, const char *git, const char *own, const git_oid *commit, struct err *e)
{
	cleanup_git(git_reference_iterator) *it = NULL;
	cleanup_buf struct buf text = BUF_INIT(8 * MIB);
	git_reference *ref = NULL;
	char oid[OID_TEXT];
	int rc = LIBGIT(git_reference_iterator_new(&it, p->repo));

	for (int i = 0; rc == 0 && i < REFS_MAX && (rc = git_reference_next(&ref, it)) == 0; i++) {
		const git_oid *to = git_reference_target(ref);
		const char *name = git_reference_name(ref);

		if (to && strcmp(name, own) != 0)
			buf_addf(&text, "%s %s\n", git_oid_tostr(oid, sizeof oid, to), name);
		git_reference_free(ref);
	}
	if (rc && rc != GIT_ITEROVER)
		return libgit_err(e, rc, "the branches of %s", p->dir);
	if (commit)
		buf_addf(&text, "%s %s\n", git_oid_tostr(oid, sizeof oid, commit), own);
	if (buf_check(&text, "the branches", e))
		return -1;
	return put_file(git, "packed-refs", buf_span(&text), e);
}

/* ---- the index ---- */

struct index_fill {
	git_index *index;
	struct node *root; /* of the copy */
	int rc;
};

static const struct node *node_at(struct node *n, const char *folder, const char *name)
{
	char part[NAME_MAX + 1];
	size_t at;

	for (const char *p = folder; n && *p;) {
		size_t len = strcspn(p, "/");
		snprintf(part, sizeof part, "%.*s", (int)len, p);
		n = node_find(n, part, &at);
		p += len + (p[len] == '/');
	}
	return n ? node_find(n, name, &at) : NULL;
}

static int fill_entry(const char *folder, const git_tree_entry *from, void *ctx)
{
	struct index_fill *f = ctx;
	char path[PATH_MAX];
	const struct node *n = node_at(f->root, folder, git_tree_entry_name(from));
	git_index_entry entry = {.mode = git_tree_entry_filemode(from), .id = *git_tree_entry_id(from), .path = path};

	if (git_tree_entry_type(from) == GIT_OBJECT_TREE)
		return 0;
	if (snprintf(path, sizeof path, "%s%s", folder, git_tree_entry_name(from)) >= (int)sizeof path)
		return 0;
	/* With its time and size git need not read the file to know that it is unchanged. */
	if (n && n->stamp.known) {
		entry.mtime.seconds = (int32_t)(n->stamp.mtime / 1000000000);
		entry.mtime.nanoseconds = (uint32_t)(n->stamp.mtime % 1000000000);
		entry.file_size = (uint32_t)n->stamp.size;
	}
	f->rc = LIBGIT(git_index_add(f->index, &entry));
	return f->rc ? -1 : 0;
}

static int put_index(const char *git, git_commit *commit, struct copy *copy, struct err *e)
{
	cleanup_free char *path = fs_join(git, "index");
	cleanup_free char *lock = fs_join(git, "index.lock"); /* only the copy's one owner writes: a crash left it */
	cleanup_git(git_tree) *tree = NULL;
	struct index_fill f = {.index = NULL};
	int rc;

	if (!path || !lock)
		return err_nomem(e);
	if (fs_unlink(path, e) || fs_unlink(lock, e) || copy_root(copy, &f.root, e))
		return -1;
	rc = LIBGIT(git_commit_tree(&tree, commit));
	if (rc == 0)
		rc = LIBGIT(git_index_open(&f.index, path));
	if (rc == 0)
		rc = git_tree_walk(tree, GIT_TREEWALK_PRE, fill_entry, &f);
	if (rc == 0)
		rc = LIBGIT(git_index_write(f.index));
	git_index_free(f.index);
	if (rc || f.rc)
		return libgit_err(e, f.rc ? f.rc : rc, "write the index of %s", copy_dir(copy));
	return give(git, path, e);
}

/* ---- the git directory ---- */

static int write_git_dir(struct project *p, struct copy *copy, const char *branch, git_commit *commit, struct err *e)
{
	cleanup_free char *git = project_copy_git_dir(copy_dir(copy), e);
	char own[REF_TEXT], head[REF_TEXT + 8];

	if (!git || ref_name(branch, own, e))
		return -1;
	snprintf(head, sizeof head, "ref: %s\n", own);
	if (put_folder(git, "refs", e) || put_folder(git, "objects", e) || put_folder(git, "objects/info", e) ||
		put_alternates(p, git, e) || put_refs(p, git, own, commit ? git_commit_id(commit) : NULL, e) ||
		put_file(git, "config", span_of(GIT_CONFIG), e))
		return -1;
	if (commit && put_index(git, commit, copy, e))
		return -1;
	return put_file(git, "HEAD", span_of(head), e); /* last: without it git sees no repository */
}

/* ---- whether its files are what they were ---- */

#define BOOT                                                                                                           \
	"boot" /* in the git directory: since when the machine has been up, when the copy was last known to be whole   \
		*/

static int read_boot(struct buf *out, struct err *e)
{
	return fs_read("/proc/sys/kernel/random/boot_id", out, e);
}

int project_copy_keep(const char *dir, struct err *e)
{
	cleanup_buf struct buf boot = BUF_INIT(256);
	cleanup_free char *git = project_copy_git_dir(dir, e);

	return !git || read_boot(&boot, e) ? -1 : put_file(git, BOOT, buf_span(&boot), e);
}

int project_copy_kept(const char *dir, bool *kept, struct err *e)
{
	cleanup_buf struct buf now = BUF_INIT(256), then = BUF_INIT(256);
	cleanup_free char *git = project_copy_git_dir(dir, e), *path = git ? fs_join(git, BOOT) : NULL;
	struct err why = ERR_INIT;

	if (!path)
		return git ? err_nomem(e) : -1;
	if (read_boot(&now, e))
		return -1;
	/* The power may have left anything there; what cannot be read is no mark either. */
	*kept = fs_read(path, &then, &why) == 0 && span_eq(buf_span(&now), buf_span(&then));
	return why.code == ERR_NOMEM ? err_nomem(e) : 0;
}

int project_copy_update(struct project *p, struct copy *copy, const char *branch, struct err *e)
{
	cleanup_git(git_commit) *commit = NULL;
	char text[OID_TEXT];
	git_oid tip;
	bool exists;

	LOCKED(p);
	if (ref_read(p, branch, &tip, &exists, e))
		return -1;
	if (exists && commit_find(p, git_oid_tostr(text, sizeof text, &tip), &commit, e))
		return -1;
	return write_git_dir(p, copy, branch, commit, e);
}

/* ---- the copy ---- */

/* The folder, the empty .git in it (a mount point), and, for root, their owner: git wants to own what it trusts. */
static int make_folders(const char *dir, uid_t uid, struct err *e)
{
	cleanup_free char *mount = fs_join(dir, ".git"), *git = project_copy_git_dir(dir, e);
	const char *const all[] = {dir, mount, git};

	if (!mount || !git)
		return err_nomem(e);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (fs_mkdirs(all[i], 0755, e))
			return -1;
		if (geteuid() == 0 && uid && SEAM(chown(all[i], uid, uid)))
			return err_errno(e, errno, "give %s to uid %u", all[i], uid);
	}
	return 0;
}

static int commit_root(
	struct project *p, struct store *s, git_commit *commit, bool trust, struct hash *root, struct err *e)
{
	return gittree_import(p, s, commit ? git_commit_tree_id(commit) : NULL, trust, root, e);
}

static int fill_copy(struct project *p, struct store *s, git_commit *commit, struct copy *copy, struct err *e)
{
	struct hash root;

	if (commit_root(p, s, commit, true, &root, e))
		return -1;
	if (snapshot_restore(copy, &root, e) == 0)
		return 0;
	/* A blob that was there once may have been collected since. */
	if (e->code != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	if (commit_root(p, s, commit, false, &root, e))
		return -1;
	return snapshot_restore(copy, &root, e);
}

int project_checkout(struct project *p, const char *commit, const char *dir, const char *branch, uid_t uid,
	struct copy **copy, struct store *store, struct err *e)
{
	cleanup_git(git_commit) *from = NULL;
	struct err local = ERR_INIT;
	struct copy *c;

	LOCKED(p);
	e = e ? e : &local;
	if ((commit && *commit && commit_find(p, commit, &from, e)) || make_folders(dir, uid, e))
		return -1;
	c = copy_open(store, dir, NULL, e);
	if (!c)
		return -1;
	if (fill_copy(p, store, from, c, e) || write_git_dir(p, c, branch, from, e)) {
		copy_close(c);
		return -1;
	}
	*copy = c;
	return 0;
}

int project_tree(struct project *p, struct store *s, const char *commit, struct hash *root, struct err *e)
{
	cleanup_git(git_commit) *from = NULL;

	LOCKED(p);
	if (commit && *commit && commit_find(p, commit, &from, e))
		return -1;
	return commit_root(p, s, from, false, root, e);
}
