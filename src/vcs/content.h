/* content: what one file or link of a working copy holds, for a scan (copy.h). */
#ifndef MUSTER_VCS_CONTENT_H
#define MUSTER_VCS_CONTENT_H

#include "vcs/copy.h"

/* Something at the name changed under our hands: look again. */
enum { DONE, AGAIN, FAILED };

struct content {
	struct hash hash;
	uint64_t size;
	struct blob *bytes;	  /* of a small one */
	struct store_blob stored; /* of a large one that the store may not have known */
	bool is_stored;
};

/* Read it, with the stamp that fits; st is what the name was, and then what the open file was. before: what is known of
 * it, or NULL; a large file that may be as it was is first read for its hash alone. DONE (release it), or AGAIN, or
 * FAILED with the error. */
int content_read(struct content *out, const struct scan *s, const struct node *before, int dir, const char *name,
	struct stat *st, struct stamp *stamp, struct err *e);
void content_release(struct content *c);

/* Open name for reading; gives ourselves the right when its owner took it away. */
int content_open(int dir, const char *name, int flags);
/* Does the error say that the name is something else by now? */
bool content_gone(int errnum);

#endif
