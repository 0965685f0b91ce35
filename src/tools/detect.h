/* detect: which command runs a project's tests, and which installs the dependencies a file names; both are tables. */
#ifndef MUSTER_TOOLS_DETECT_H
#define MUSTER_TOOLS_DETECT_H

#include "workspace/files.h"

/* The command of the first runner whose mark is there, below `path` (relative folder; "." the root). -1 ERR_NOT_FOUND
 * listing what was looked for. Blocking. */
int detect_tests(struct files *f, const char *path, char *out, size_t room, struct err *e);
/* The command for a dependency file by its name; -1 ERR_INVALID listing the known names. */
int detect_install(const char *file, char *out, size_t room, struct err *e);

#endif
