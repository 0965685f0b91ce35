/* schema: the part of JSON Schema (2020-12) that models and modes use.
 *
 * Understood: type (string or array of strings), properties, required, additionalProperties, items, enum, const,
 * minItems/maxItems, minLength/maxLength, minimum/maximum, anyOf. Notes that assert nothing (title, description,
 * default, examples, format, …) are allowed. Any other keyword, pattern among them, would change the meaning: it is an
 * error of schema_check, never ignored. */
#ifndef MUSTER_BASE_SCHEMA_H
#define MUSTER_BASE_SCHEMA_H

#include "base/json.h"

/* Is the schema itself one we understand? -1 with ERR_INVALID naming the path (/properties/x/type) and keyword. */
int schema_check(const json_t *schema, struct err *e);
/* Does the value satisfy it? -1 with ERR_INVALID: the path in the value, what was expected, what was found; all of the
 * first 5 complaints, one a line, so that a model can repair them in one go. */
int schema_validate(const json_t *schema, const json_t *value, struct err *e);

#endif
