/* commit: a snapshot becomes a commit on a branch.
 * Done twice with the same parent, as after a crash, the second finds the first: the branch, or a commit on its way
 * back, has the same tree and parent. */
#include "base/mem.h"
#include "vcs/private.h"

#define LOOK_BACK 256

/* Is there, from `tip` back along first parents, a commit of this tree whose only parent is `parent`? 1, 0 or -1. */
static int find_done(struct project *p, const git_oid *tip, const git_oid *tree, const git_commit *parent, git_oid *out,
	struct err *e)
{
	git_oid at = *tip;

	for (int i = 0; i < LOOK_BACK; i++) {
		cleanup_git(git_commit) *c = NULL;
		unsigned parents;
		int rc = LIBGIT(git_commit_lookup(&c, p->repo, &at));

		if (rc)
			return libgit_err(e, rc, "read the branch's history");
		parents = git_commit_parentcount(c);
		if (git_oid_equal(git_commit_tree_id(c), tree) && parents == (parent ? 1u : 0u) &&
			(!parent || git_oid_equal(git_commit_parent_id(c, 0), git_commit_id(parent)))) {
			*out = *git_commit_id(c);
			return 1;
		}
		if (parents == 0)
			return 0;
		at = *git_commit_parent_id(c, 0);
	}
	return 0;
}

static int add_commit(struct project *p, const char *branch, git_commit *parent, const git_oid *tree,
	const struct commit_author *who, const char *message, git_oid *out, struct err *e)
{
	const git_commit *parents[] = {parent};
	git_oid tip;
	bool exists;

	if (ref_read(p, branch, &tip, &exists, e))
		return -1;
	if (exists && !(parent && git_oid_equal(&tip, git_commit_id(parent)))) {
		int done = find_done(p, &tip, tree, parent, out, e);
		return done ? (done < 0 ? -1 : 0)
			    : err_set(e, ERR_CONFLICT,
				      "branch %s has moved on from %s; take the newer commits in first", branch,
				      parent ? git_oid_tostr_s(git_commit_id(parent)) : "its beginning");
	}
	if (commit_make(p, tree, parents, parent ? 1 : 0, who, message, out, e))
		return -1;
	return ref_move(p, branch, exists ? &tip : NULL, out, who, "commit by muster", e);
}

/* The branch begins at the parent even when there is nothing to commit. */
static int begin_branch(
	struct project *p, const char *branch, const git_commit *parent, const struct commit_author *who, struct err *e)
{
	git_oid tip;
	bool exists;

	if (ref_read(p, branch, &tip, &exists, e))
		return -1;
	return exists ? 0 : ref_move(p, branch, NULL, git_commit_id(parent), who, "branch by muster", e);
}

int project_commit(struct project *p, struct store *s, const struct hash *root, const char *branch, const char *parent,
	const struct commit_author *who, const char *message, char oid[OID_TEXT], struct err *e)
{
	cleanup_git(git_commit) *before = NULL;
	cleanup_git(git_tree) *had = NULL;
	git_oid tree, id, empty;
	bool unchanged;

	LOCKED(p);
	oid[0] = 0;
	if (parent && *parent && commit_find(p, parent, &before, e))
		return -1;
	if (before) {
		int rc = LIBGIT(git_commit_tree(&had, before));
		if (rc)
			return libgit_err(e, rc, "the files of commit %.12s", parent);
	}
	if (gittree_export(p, s, root, had, &tree, e))
		return -1;
	git_oid_fromstr(&empty, "4b825dc642cb6eb9a060e54bf8d69288fbee4904"); /* the tree without entries */
	unchanged = git_oid_equal(&tree, had ? git_tree_id(had) : &empty);
	if (unchanged) {
		if (before)
			git_oid_tostr(oid, OID_TEXT, git_commit_id(before));
		return before ? begin_branch(p, branch, before, who, e) : 0;
	}
	if (add_commit(p, branch, before, &tree, who, message, &id, e))
		return -1;
	git_oid_tostr(oid, OID_TEXT, &id);
	return 0;
}
