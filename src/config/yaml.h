/* yaml: configuration, modes and front matter, read into JSON values that remember their lines.
 *
 * A strict part of YAML 1.2: block and flow collections and all scalar styles of libyaml, plain scalars resolved by the
 * core schema (YAML 1.2.2, 10.3). Refused, with file and line: anchors, aliases and tags (so that nothing can grow
 * beyond the text), duplicate keys, keys that are no scalars, a second document, infinities, integers beyond 64 bits,
 * NUL, more than CAP_YAML bytes, CAP_YAML_DEPTH levels or CAP_YAML_NODES values.
 *
 * Places in a document are JSON pointers (RFC 6901): "" the whole, "/inputs/0/name". */
#ifndef MUSTER_CONFIG_YAML_H
#define MUSTER_CONFIG_YAML_H

#include "base/json.h"
#include "base/map.h"

struct yaml_doc {
	char *name;	  /* the source, for messages */
	json_t *root;	  /* JSON null for an empty document */
	struct map lines; /* pointer → line (from 1) of the key or list item */
};

/* Parse a text. `first_line` is the line of its first byte (1 for a whole file). On failure (ERR_PARSE "name:line: …",
 * ERR_TOO_LARGE, ERR_NOMEM) the doc needs no release. */
int yaml_parse(struct yaml_doc *d, struct span text, const char *name, int first_line, struct err *e);
/* The same of a file; ERR_NOT_FOUND when there is none. */
int yaml_load(struct yaml_doc *d, const char *path, struct err *e);
void yaml_release(struct yaml_doc *d);

/* Line of the value at this pointer; of the nearest place around it when it does not exist; 0 unknown. */
int yaml_line(const struct yaml_doc *d, const char *pointer);
/* Set e to ERR_INVALID "name:line: message". Returns -1. */
int yaml_error(const struct yaml_doc *d, const char *pointer, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The value at `pointer` must be an object whose keys are all in `known` (NULL-terminated): -1 with ERR_INVALID that
 * names file, line, the unknown key, the kind of thing (`what`: "mode", "role", …) and the nearest known key. */
int yaml_known(
	const struct yaml_doc *d, const char *pointer, const char *const *known, const char *what, struct err *e);
/* Append "/key" with RFC 6901 escapes to a pointer kept in `out`. */
void yaml_pointer(struct buf *out, struct span key);

#endif
