/* projects: those of a server, as a person names them. */
#ifndef MUSTER_CMD_PROJECTS_H
#define MUSTER_CMD_PROJECTS_H

#include "cmd/remote.h"

/* The project with this id, or the only one with this name. */
json_t *project_named(struct remote *r, const char *name, struct err *e);

#endif
