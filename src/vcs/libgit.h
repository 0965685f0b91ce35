/* libgit: libgit2, set up so that nothing but the repository itself matters: no system, global or user configuration,
 * no templates, no check of who owns the folder (muster's own opens only). libgit2 runs no hooks, filters, fsmonitor
 * or credential helpers by itself; nothing here uses its network side. */
#ifndef MUSTER_VCS_LIBGIT_H
#define MUSTER_VCS_LIBGIT_H

#include <git2.h>

#include "base/err.h"
#include "base/fault.h"

int libgit_setup(struct err *e); /* any number of times, from any thread */

/* Set the error from libgit2's last one: "context: message". Returns -1. */
int libgit_err(struct err *e, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A call into libgit2 that may touch the disk: may be made to fail. */
#define LIBGIT(call) (fault_hit(FAULT_IO) ? GIT_ERROR : (call))

/* Values that are freed at the end of the scope; NULL is legal. */
#define LIBGIT_CLEANUP(type, free_it)                                                                                  \
	static inline void libgit_cleanup_##type(type **p)                                                             \
	{                                                                                                              \
		free_it(*p);                                                                                           \
	}
LIBGIT_CLEANUP(git_commit, git_commit_free)
LIBGIT_CLEANUP(git_tree, git_tree_free)
LIBGIT_CLEANUP(git_object, git_object_free)
LIBGIT_CLEANUP(git_reference, git_reference_free)
LIBGIT_CLEANUP(git_index, git_index_free)
LIBGIT_CLEANUP(git_diff, git_diff_free)
LIBGIT_CLEANUP(git_patch, git_patch_free)
LIBGIT_CLEANUP(git_signature, git_signature_free)
LIBGIT_CLEANUP(git_revwalk, git_revwalk_free)
LIBGIT_CLEANUP(git_repository, git_repository_free)
LIBGIT_CLEANUP(git_status_list, git_status_list_free)
LIBGIT_CLEANUP(git_odb, git_odb_free)
LIBGIT_CLEANUP(git_blob, git_blob_free)
LIBGIT_CLEANUP(git_reference_iterator, git_reference_iterator_free)
#define cleanup_git(type) __attribute__((cleanup(libgit_cleanup_##type))) type

#endif
