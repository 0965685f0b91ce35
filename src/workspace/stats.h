/* stats: how much there is of what in a folder. Files of dependency folders (node_modules, …) are counted apart and not
 * read. Costs a read of every other file; who asks often keeps the answer. Blocks: pool. */
#ifndef MUSTER_WORKSPACE_STATS_H
#define MUSTER_WORKSPACE_STATS_H

#include <stdatomic.h>

#include "base/json.h"

/* {files, lines, bytes, incomplete, dependencies: entries of such folders directly inside, languages: [{name, files,
 * lines, bytes}], most bytes first}; "Other" for text that has no language, "Binary" (no lines). ERR_CANCELLED. */
json_t *stats_of(const char *dir, const atomic_bool *cancel, struct err *e);

#endif
