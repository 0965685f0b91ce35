/* shape: the fields of a JSON object in one line, as tables of routes and events write them.
 *
 *   fields := "" | field (" " field)*        field := name ":" type "?"?          (? it may be absent)
 *   type   := s string | i integer | n number | b boolean | t time (microseconds since 1970, UTC) | o object | a array
 *           | x anything | h content hash of a blob
 *           | "(" word ("|" word)* ")" one of these strings | "[" type "]" list of them | "@" name of another shape
 *           | type "~" (it may be null)
 *
 * "run:s at:i? kind:(pause|resume) runs:[@run]" is an object with these fields. */
#ifndef MUSTER_BASE_SHAPE_H
#define MUSTER_BASE_SHAPE_H

#include "base/json.h"

/* The JSON Schema (2020-12) of such an object. others: fields that are not named are fine too. "@name" becomes
 * {"$ref": prefix + name}. NULL with ERR_INVALID, showing where the text is no shape, or ERR_NOMEM. */
json_t *shape_schema(const char *fields, bool others, const char *prefix, struct err *e);
/* The schema of a type alone. */
json_t *shape_type(const char *type, const char *prefix, struct err *e);

#endif
