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
 * with the root's name. */
struct project *project_open(const char *dir, struct project_state *st, struct err *e);
void project_close(struct project *p);
const char *project_dir(const struct project *p); /* absolute */
const char *project_git_dir(const struct project *p);

/* Make a working copy of a commit ("" or NULL: empty) at dir, owned by uid/gid when root (0: unchanged): files checked
 * out without filters, and a .git for read-only use of git inside the sandbox (see project.c). Its first snapshot is
 * taken. */
int project_checkout(struct project *p, const char *commit, const char *dir, const char *branch, uid_t uid,
	struct copy **copy, struct store *store, struct err *e);

struct commit_author {
	const char *name, *email;
	int64_t at_us;
};
/* Write the snapshot as a commit on refs/heads/<branch> (created at `parent` when absent): the branch's expected old
 * value is `parent` ("" = no parent); a ref that already points to the same tree and parent is success (done before a
 * crash). Ignored files (.gitignore of the snapshot) are left out. An unchanged tree makes no commit: oid is the
 * parent's. */
int project_commit(struct project *p, struct store *s, const struct hash *root, const char *branch, const char *parent,
	const struct commit_author *who, const char *message, char oid[OID_TEXT], struct err *e);
/* The branch's commit; "" when there is none. */
int project_branch(struct project *p, const char *branch, char oid[OID_TEXT], struct err *e);

/* Three-way merge of commit `theirs` into `ours` on the branch `branch` (which must point to `ours`): writes a merge
 * commit, or fast-forwards. Conflicts: -1 with ERR_CONFLICT and *conflicts = [{path, base, ours, theirs}] (texts,
 * capped). */
int project_merge_branches(struct project *p, const char *branch, const char *ours, const char *theirs,
	const struct commit_author *who, const char *message, char oid[OID_TEXT], json_t **conflicts, struct err *e);

/* `muster merge`: bring the run's branch into the person's current branch: first merges the person's newer commits into
 * the run's branch (a merge commit there) when needed, then fast-forwards the checkout. ERR_CONFLICT with the paths; a
 * dirty checkout that the merge would touch is ERR_CONFLICT and nothing is changed. *already: nothing was left to
 * merge. */
int project_merge(struct project *p, const char *branch, const struct commit_author *who, char oid[OID_TEXT],
	bool *already, json_t **conflicts, struct err *e);

/* Texts for tools and verbs. status: of a copy's tree against a commit; diff between two commits; log of a branch. */
int project_diff_text(
	struct project *p, const char *from, const char *to, const char *path, struct buf *out, struct err *e);
json_t *project_log(struct project *p, const char *from, int max, struct err *e); /* [{oid, author, at, message}] */

#endif
