/* patch: the difference of one file's two versions as unified text, like git's. */
#ifndef MUSTER_VCS_PATCH_H
#define MUSTER_VCS_PATCH_H

#include "base/blob.h"

struct err;

/* Append it; before or after NULL: the file is added or deleted. Binary files are only named. When out is full it is
 * cut after a line, and a last line says so: returns 1. 0, or -1 on error. */
int patch_add(const char *path, const struct blob *before, const struct blob *after, struct buf *out, struct err *e);
/* Only name the file: it has more than CAP_DIFF_FILE. By the same rule. */
int patch_add_large(const char *path, struct buf *out, struct err *e);
/* Append ready text under the same rule. */
int patch_add_text(struct span text, struct buf *out, struct err *e);

#endif
