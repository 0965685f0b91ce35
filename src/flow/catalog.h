/* catalog: the modes and roles that a person can use here. */
#ifndef MUSTER_FLOW_CATALOG_H
#define MUSTER_FLOW_CATALOG_H

#include "flow/bundle.h"

/* As mode_list. */
json_t *catalog_modes(const struct bundle_places *p, struct err *e);
/* [{id, name, class, dialect, tools, limits, output, mode (whose own it is; null: shared), path}], the data folder's
 * before shipped ones of the same id; one that cannot be read stands as {id, path, error: {code, message}}. */
json_t *catalog_roles(const struct bundle_places *p, struct err *e);

#endif
