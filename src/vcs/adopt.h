/* adopt: a repository made of one that came from elsewhere: of a pack, whose objects are verified one by one, and of a
 * list of branches and tags.
 *
 * Nothing else of the other repository is read: no configuration, hooks, attributes, alternates or index. Whoever made
 * the files may be hostile; nobody may change them meanwhile. Blocks: pool. */
#ifndef MUSTER_VCS_ADOPT_H
#define MUSTER_VCS_ADOPT_H

#include <stdatomic.h>

#include "vcs/project.h"

struct adopt {
	/* Files of FROM: `pack` (objects, none whose base is elsewhere), `refs` (lines "OID refs/…"), `head` (the
	 * branch to be on, "refs/heads/…"; may be empty). */
	const char *from;
	const atomic_bool *cancel; /* may be NULL; set from anywhere: ERR_CANCELLED */
	/* out */
	uint64_t objects;
	uint32_t branches, tags, left_out; /* left_out: refs whose name or object is not one that we keep */
	char commit[OID_TEXT];		   /* of HEAD; "" when there is none */
};
/* Make DIR/.git, where DIR is a folder without one; its index is as the commit, files are not written. On failure DIR
 * is the caller's to remove. ERR_INVALID, ERR_TOO_LARGE, ERR_CANCELLED, ERR_GIT. */
int adopt(struct adopt *a, const char *dir, struct err *e);

#endif
