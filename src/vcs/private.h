/* What the files about projects share. */
#ifndef MUSTER_VCS_PRIVATE_H
#define MUSTER_VCS_PRIVATE_H

#include <pthread.h>

#include "base/caps.h"
#include "vcs/libgit.h"
#include "vcs/project.h"

struct project {
	git_repository *repo;
	char *dir;			   /* absolute, without links */
	char *git_dir;			   /* where objects and refs are; without a '/' at the end */
	char *objects[CAP_ALTERNATES + 2]; /* its object folder and those it borrows from; NULL at the end */
	pthread_mutex_t lock;		   /* libgit2's repository serves one thread at a time */
};

static inline void project_unlock(struct project **p)
{
	if (*p)
		pthread_mutex_unlock(&(*p)->lock);
}
/* At the top of every function that other folders call: held to the end of its scope. */
#define LOCKED(p)                                                                                                      \
	__attribute__((cleanup(project_unlock), unused)) struct project *locked_project = (p);                         \
	pthread_mutex_lock(&(p)->lock)

/* A repository whose files are in dir, made at git_dir. It is on a branch that has no commit yet. */
git_repository *repository_new(const char *dir, const char *git_dir, struct err *e);

/* ---- refs and commits (refs.c) ---- */

#define REF_TEXT 300
/* "refs/heads/<branch>", or ERR_INVALID for a name that git, a shell or a command line could misread. */
int ref_name(const char *branch, char out[REF_TEXT], struct err *e);
/* The commit a branch points to; *exists false when there is none. */
int ref_read(struct project *p, const char *branch, git_oid *out, bool *exists, struct err *e);
/* Move it from its expected value (NULL: it must not exist) to another. ERR_CONFLICT when it is elsewhere. */
int ref_move(struct project *p, const char *branch, const git_oid *from, const git_oid *to,
	const struct commit_author *who, const char *why, struct err *e);
/* ERR_LOCKED: another git program holds <git_dir>/<file>.lock. */
int locked_by_another(const struct project *p, const char *what, const char *git_dir, const char *file, struct err *e);
/* By the 40 hex digits. */
int commit_find(struct project *p, const char *oid, git_commit **out, struct err *e);
int commit_make(struct project *p, const git_oid *tree, const git_commit *const *parents, size_t count,
	const struct commit_author *who, const char *message, git_oid *out, struct err *e);

/* ---- git trees and snapshots (gittree.c) ---- */

/* A git tree as a snapshot, stored; trust: an earlier result may be used although parts of it may have been collected
 * since. NULL tree: the empty snapshot. */
int gittree_import(
	struct project *p, struct store *s, const git_oid *tree, bool trust, struct hash *root, struct err *e);
/* A snapshot as a git tree: without what its .gitignore files name, unless `parent` (may be NULL) has it; submodules of
 * the parent stay as they are. */
int gittree_export(struct project *p, struct store *s, const struct hash *root, const git_tree *parent, git_oid *out,
	struct err *e);

/* ---- large files of the person's checkout (large.c) ---- */

/* Those that differ between two trees (from may be NULL) and lie in the repository so that they can be read piece by
 * piece, as entries of an index in memory. 0, or libgit2's error. */
int large_find(struct project *p, const git_tree *from, const git_tree *to, git_index *out);
/* Write them, nothing being in their way, and note their times; what cannot be written is taken out of the index, for
 * the checkout to do or to say why not. 0, or libgit2's error. */
int large_write(struct project *p, git_index *files);

/* ---- the person's checkout (land.c) ---- */

/* The ref of the person's branch, and its commit unless it has none yet. */
int land_branch(struct project *p, char name[REF_TEXT], git_oid *tip, bool *exists, struct err *e);
/* Make the index anew if the power, gone in the middle of a landing, left one that cannot be read; 0 when there is one.
 */
int land_mend(struct project *p);
/* Fast-forward the checkout and the branch `name` from a commit (NULL: it has none) to a descendant of it. */
int land(struct project *p, const char *name, const git_oid *from, const git_commit *to, json_t **conflicts,
	struct err *e);

#endif
