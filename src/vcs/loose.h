/* loose: the content of a git object that lies in a file of its own, piece by piece. libgit2 reads such an object
 * whole, or maps its file into memory; a large file of a project is to cost neither. */
#ifndef MUSTER_VCS_LOOSE_H
#define MUSTER_VCS_LOOSE_H

#include <zlib.h>

#include "base/buf.h"
#include "vcs/libgit.h"

struct loose {
	uint64_t size; /* of the content */
	/* private */
	const char *objects;
	int fd;
	bool inflating;
	z_stream z;
	uint64_t given;
	struct buf in, out;
	struct span first; /* what came with the header */
};
/* Look for it in these object folders (NULL at the end). 1: opened; 0: it is in none of them (but in a pack, or
 * nowhere), or so small that it may be read whole; -1: it is no blob, or damaged. Release it in any case. */
int loose_open(struct loose *l, const char *const *objects, const git_oid *id, struct err *e);
/* 1 and a piece, valid until the next call; 0 at the end, when it had the size and the checksum that it should; -1. */
int loose_next(struct loose *l, struct span *piece, struct err *e);
void loose_release(struct loose *l);

#endif
