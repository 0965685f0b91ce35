/* assigned: does a line give what looks random to a name such as password? Pure. */
#ifndef MUSTER_WORKSPACE_ASSIGNED_H
#define MUSTER_WORKSPACE_ASSIGNED_H

#include "base/buf.h"

/* bare: values may stand without quotes (files of settings). The first such name, a view into the line. */
bool assigned_secret(struct span line, bool bare, struct span *name);

#endif
