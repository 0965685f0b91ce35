/* query: the parameters of a request as a checked object. */
#ifndef MUSTER_API_QUERY_H
#define MUSTER_API_QUERY_H

#include "base/json.h"

/* raw: as it stands in the request's target. Values become what the schema's property says (string, integer, number,
 * boolean: 1 0 true false). NULL with ERR_INVALID for a parameter that the schema lacks (it is named, with the ones
 * there are), one given twice, or a value of another kind. schema NULL: none are taken. */
json_t *query_parse(struct span raw, const json_t *schema, struct err *e);

#endif
