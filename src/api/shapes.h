/* shapes: what the resources reply, by name: "@run" in a route's row. */
#ifndef MUSTER_API_SHAPES_H
#define MUSTER_API_SHAPES_H

#include "api/route.h"

#define SHAPE_PREFIX "#/components/schemas/"

struct named_shape {
	const char *name, *fields, *summary;
};
extern const struct named_shape shape_table[]; /* ended by a row without a name */

/* {name: schema} of all of them. */
json_t *shapes_schemas(struct err *e);

#endif
