/* template: files that a new project begins with, as a folder: template.yaml and files/.
 *
 *     name: Static web page
 *     description: One page …
 *     tags: [web, html]
 *
 * Templates lie in templates/ of the installation and of the data folder; there, one with the same id goes before the
 * shipped one. All block: pool. */
#ifndef MUSTER_WORKSPACE_TEMPLATE_H
#define MUSTER_WORKSPACE_TEMPLATE_H

#include "base/json.h"

struct template_places {
	const char *own, *shipped; /* need not exist; may be NULL */
};
/* [{id, name, description, tags, files: [paths]}] by id. One that is no good has {id, error} instead, which says file,
 * line and remedy. */
json_t *templates_list(const struct template_places *places, struct err *e);
/* Make the new folder `dir`, in one that is there, of a template: whole or not at all. ERR_NOT_FOUND names those
 * there are; ERR_EXISTS. */
int template_make(const struct template_places *places, const char *id, const char *dir, struct err *e);

#endif
