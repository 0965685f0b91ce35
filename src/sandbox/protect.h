/* protect: names in a working copy that commands must not create, change or replace, even when they are not there yet
 * (a hook folder, a configuration file that the host would later trust).
 *
 * Read-only binds do it, and a bind needs something to sit on: an absent name gets an empty folder of mode 01555 as a
 * placeholder while the sandbox lives (snapshots do not record empty folders). */
#ifndef MUSTER_SANDBOX_PROTECT_H
#define MUSTER_SANDBOX_PROTECT_H

#include "base/err.h"

/* Make the placeholders. -1: ERR_INVALID for a path that is absolute or has "..", ERR_DENIED when one of its parts is a
 * symbolic link (a link cannot be protected: replace it by what it points to). */
int protect_make(const char *copy, const char *const *paths, struct err *e);
/* Remove the placeholders, and nothing else. */
void protect_remove(const char *copy, const char *const *paths);

#endif
