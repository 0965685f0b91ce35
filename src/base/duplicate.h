/* duplicate: a tree of files written once more elsewhere, while others may go on changing it.
 * Links are copied as links and never followed; what is neither file, folder nor link is left out, as is what goes away
 * meanwhile. Rights are kept, owners and times are not. Nothing is synced: sync_all does that once for the whole. */
#ifndef MUSTER_BASE_DUPLICATE_H
#define MUSTER_BASE_DUPLICATE_H

#include <stdbool.h>

#include "base/err.h"

/* A file or folder into one that may be there already; a `from` that is not there is fine. leave (may be NULL) says of
 * a path below `from` ("a/b") that it is not wanted. */
int duplicate_tree(const char *from, const char *to, bool (*leave)(const char *path), struct err *e);
/* Everything written to this folder's file system so far is durable on return. */
int sync_all(const char *dir, struct err *e);

#endif
