/* export: the files of a commit, listed, and read piece by piece. Submodules are left out. All block: pool. */
#ifndef MUSTER_VCS_EXPORT_H
#define MUSTER_VCS_EXPORT_H

#include "vcs/loose.h"
#include "vcs/project.h"
#include "vcs/tree.h"

struct export_file {
	char *path;	      /* relative, '/' separated; any bytes that git takes */
	enum entry_kind kind; /* ENTRY_FILE, ENTRY_EXEC, ENTRY_LINK */
	uint64_t size;
	git_oid oid;
};
struct export_list {
	struct export_file *items; /* in git's order */
	size_t count, room;
	int64_t at_us; /* of the commit */
};
/* The files of a commit (project_resolve's oid); "": none. ERR_TOO_LARGE beyond CAP_ARCHIVE_FILES or CAP_WALK_DEPTH,
 * ERR_DENIED for a name that no honest commit has. Release it in any case. */
int export_list(struct project *p, const char *oid, struct export_list *out, struct err *e);
void export_list_release(struct export_list *l);

/* The content of one. A large one that lies in a pack is in memory whole while it is read (libgit2). Zero it, open it,
 * release it in any case. */
struct export_reader {
	struct loose loose;
	git_blob *blob;
	bool pieces;
	struct span rest;
};
int export_open(struct export_reader *r, struct project *p, const struct export_file *f, struct err *e);
int export_next(struct export_reader *r, struct span *piece, struct err *e); /* 1, 0 at the end, -1 */
void export_release(struct export_reader *r);

#endif
