/* catalog: the modes and roles that a person can use here. */
#ifndef MUSTER_CMD_CATALOG_H
#define MUSTER_CMD_CATALOG_H

#include "cmd/app.h"

/* As mode_list. */
json_t *catalog_modes(const struct app *a, struct err *e);
/* [{id, name, class, dialect, tools, limits, output, mode (whose own it is; null: shared), path}], the data folder's
 * before shipped ones of the same id; one that cannot be read stands as {id, path, error: {code, message}}. */
json_t *catalog_roles(const struct app *a, struct err *e);

#endif
