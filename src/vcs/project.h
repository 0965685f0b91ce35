/* project: a git repository and the branches of runs in it, through libgit2 (never the git program: hooks, filters,
 * fsmonitor and configuration of the repository are not executed).
 *
 * muster writes objects and refs (refs/heads/muster/<run>, refs/muster/…) but never touches the person's branch, index
 * or files until project_merge, and then only fast-forwards a clean checkout. All functions block: worker pool. */
#ifndef MUSTER_VCS_PROJECT_H
#define MUSTER_VCS_PROJECT_H

#include "vcs/snapshot.h"

#define OID_TEXT 41

struct project;

struct project_state {
	char head[OID_TEXT]; /* commit of HEAD; "" when the repository has no commit yet */
	char branch[256];    /* short name of HEAD's branch; "" when detached */
	bool created;	     /* the folder was made, or made a repository, by this call */
	bool empty;	     /* no commit, or a commit with no files */
	bool dirty;	     /* uncommitted changes: the run starts from HEAD and says so */
};
/* Open DIR: missing → created with a repository; a folder that is no repository → initialised and its files committed
 * ("Initial import"); an existing repository → as it is. A path inside a repository that is not its root is refused
 * with the root's name. st may be NULL: to look at the state costs a walk over the files. */
struct project *project_open(const char *dir, struct project_state *st, struct err *e);
void project_close(struct project *p);
const char *project_dir(const struct project *p); /* absolute */
const char *project_git_dir(const struct project *p);

/* Its object folder, then those that it borrows from (info/alternates); NULL at the end. For sandbox_spec.read_only: a
 * copy's git directory points to them. Valid while p is open. */
const char *const *project_objects(const struct project *p);

/* ---- working copies ----
 *
 * A copy at DIR has an empty folder DIR/.git, and beside it DIR.git, a small git directory written by us: HEAD on the
 * copy's branch, packed refs of the whole project, an index, and the project's objects by objects/info/alternates. In
 * the sandbox DIR.git is bound read-only at /work/.git (sandbox_spec.git_dir = project_copy_git_dir(DIR)) and the
 * object folders at their own paths (sandbox_spec.read_only = project_objects(p)); so git status, diff, log, show and
 * blame work there and nothing that git would execute can be planted. The host never reads either of the two. Remove
 * both folders with the copy. */

/* Make a working copy of a commit ("" or NULL: empty) at dir, owned by uid/gid when root (0: unchanged): files checked
 * out without filters, submodules as empty folders. Its first snapshot is taken. The branch is the copy's; it comes
 * into being with the first commit. Doing it again over what a crash left completes it. */
int project_checkout(struct project *p, const char *commit, const char *dir, const char *branch, uid_t uid,
	struct copy **copy, struct store *store, struct err *e);
/* "<copy_dir>.git"; mem_free it. NULL: no memory. */
char *project_copy_git_dir(const char *copy_dir, struct err *e);
/* Bring the copy's git directory up to its branch (after a commit or merge on it, before a command runs there): until
 * then git in the sandbox shows the old commit. */
int project_copy_update(struct project *p, struct copy *copy, const char *branch, struct err *e);
/* Nothing of a copy is synced: after the power was cut its files may be anything, and are to be made again from the
 * last snapshot (project_checkout, snapshot_restore). keep: they are whole now. kept: that was said since the machine
 * started. */
int project_copy_keep(const char *copy_dir, struct err *e);
int project_copy_kept(const char *copy_dir, bool *kept, struct err *e);
/* The files of a commit as a snapshot (blobs are put where the store lacks them); "" or NULL: the empty one. */
int project_tree(struct project *p, struct store *s, const char *commit, struct hash *root, struct err *e);
/* git status of a copy: what its snapshot changes against a commit, ignored new files left out. */
int project_changes(struct project *p, struct store *s, const char *commit, const struct hash *root,
	struct changes *out, struct err *e);

/* ---- commits and branches ----
 *
 * Branch names have letters, digits and "._/+-@#=,%" only, and no '-' in front. */

struct commit_author {
	const char *name, *email;
	int64_t at_us;
};
/* Write the snapshot as a commit on refs/heads/<branch> (created at `parent` when absent): the branch's expected old
 * value is `parent` ("" = no parent); a ref that already points to the same tree and parent is success (done before a
 * crash). Ignored files (.gitignore of the snapshot) are left out. An unchanged tree makes no commit: oid is the
 * parent's (and the branch begins there). ERR_CONFLICT when the branch has moved elsewhere. */
int project_commit(struct project *p, struct store *s, const struct hash *root, const char *branch, const char *parent,
	const struct commit_author *who, const char *message, char oid[OID_TEXT], struct err *e);
/* The branch's commit; "" when there is none. */
int project_branch(struct project *p, const char *branch, char oid[OID_TEXT], struct err *e);

/* Branches of ours in a copy of the repository that is newer than what its copier knows of them: `branch`, and those
 * whose names go on with '-', become the commits given here, and go where none is given (a commit "", or a name that is
 * not here). What is not there stays away: it begins with the next commit. */
struct branch_at {
	const char *name, *commit;
};
int project_rewind(struct project *p, const char *branch, const struct branch_at *known, size_t count, struct err *e);

/* Three-way merge of commit `theirs` into `ours` on the branch `branch` (which must point to `ours`): writes a merge
 * commit, or fast-forwards. Conflicts: -1 with ERR_CONFLICT and *conflicts = [{path, base, ours, theirs}] (texts,
 * capped; a side that deleted the file is null), new reference. Merging what is already in is success. "" for a side
 * that has no commit yet. */
int project_merge_branches(struct project *p, const char *branch, const char *ours, const char *theirs,
	const struct commit_author *who, const char *message, char oid[OID_TEXT], json_t **conflicts, struct err *e);

/* `muster merge`: bring the run's branch into the person's current branch: first merges the person's newer commits into
 * the run's branch (a merge commit there) when needed, then fast-forwards the checkout. ERR_CONFLICT with the paths; a
 * dirty checkout that the merge would touch is ERR_CONFLICT, *conflicts = [{path, dirty: true}], and nothing is
 * changed; so is a detached HEAD, and a checkout in the middle of a merge or rebase. *already: nothing was left to
 * merge (the branch may be gone, or never have had a commit). */
int project_merge(struct project *p, const char *branch, const struct commit_author *who, char oid[OID_TEXT],
	bool *already, json_t **conflicts, struct err *e);

/* The commit that a branch, tag, hex digits, or HEAD~2 and the like name; ERR_NOT_FOUND, ERR_INVALID. */
int project_resolve(struct project *p, const char *text, char oid[OID_TEXT], struct err *e);
/* Texts for tools and verbs; from and to as for project_resolve, "" or NULL: no files. path: of this file or folder
 * only; NULL: of all. Up to out's cap, then cut with a line that says so. */
int project_diff_text(
	struct project *p, const char *from, const char *to, const char *path, struct buf *out, struct err *e);
/* [{oid, author, at (microseconds), message}], newest first; from "": []. */
json_t *project_log(struct project *p, const char *from, int max, struct err *e);

#endif
