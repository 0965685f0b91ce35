/* dirnames: the names in a folder of modes, roles or templates, sorted by their bytes. */
#ifndef MUSTER_FLOW_DIRNAMES_H
#define MUSTER_FLOW_DIRNAMES_H

#include "base/json.h"

/* A new array of the names in `dir` that end with `suffix` ("" all) and do not begin with "."; an absent folder has
 * none. NULL: ERR_NOMEM, ERR_IO, ERR_TOO_LARGE beyond CAP_LIST_ENTRIES. */
json_t *dirnames(const char *dir, const char *suffix, struct err *e);

#endif
