/* bundle: everything that a run depends on, pinned as one text: the mode, its flow, the libraries, the templates, the
 * roles and the prices. A run keeps to its bundle when the installation is upgraded.
 *
 * The text is canonical JSON {v, mode, files: {name → text}, roles: {id → {path, text}}, prices,
 * called?: {mode → the same}}. Immutable; bundles of
 * equal text that are open in the process are one (counted), so a thousand runs of a mode hold it once. The struct role
 * of a bundle is shared the same way: use it on one thread. */
#ifndef MUSTER_FLOW_BUNDLE_H
#define MUSTER_FLOW_BUNDLE_H

#include "agent/role.h"
#include "flow/mode.h"

struct bundle;

/* Where things are looked for; folders need not exist, own_* and modes may be NULL. */
struct bundle_places {
	const char *own_modes, *modes; /* modes that are called: the data folder's first */
	const char *lib;	       /* libraries of all modes; a mode's own lib/ goes over it */
	const char *own_roles, *roles; /* roles that the mode names: its own roles/, then these */
};

/* Read and check all files: flow.lua and libraries must load as Lua source, roles must parse, everything is UTF-8; the
 * same for every mode that is called. inputs: of a run, checked; roles that they name are pinned, too; they and prices
 * may be NULL. NULL: ERR_NOT_FOUND, ERR_INVALID, ERR_PARSE or ERR_FLOW
 * naming file and line, ERR_TOO_LARGE beyond CAP_MODE_BUNDLE. Blocking. */
struct bundle *bundle_make(const struct mode *m, const json_t *inputs, const struct bundle_places *places,
	const json_t *prices, struct err *e);
/* The text to store; mem_free. */
char *bundle_text(const struct bundle *b, struct err *e);
/* What bundle_text gave. ERR_CORRUPT, ERR_NEWER, ERR_NOMEM. */
struct bundle *bundle_parse(struct span text, struct err *e);
struct bundle *bundle_ref(struct bundle *b);
void bundle_free(struct bundle *b); /* gives up the reference */
/* The bundle of a mode that this one's flow calls (`calls` of mode.yaml), pinned within it; a new reference.
 * ERR_NOT_FOUND: it names no such mode. */
struct bundle *bundle_called(const struct bundle *b, const char *id, struct err *e);

/* "flow.lua", "lib/<name>.lua", "templates/<file>": borrowed until bundle_free; p = NULL when there is none. */
struct span bundle_file(const struct bundle *b, const char *name);
struct role *bundle_role(const struct bundle *b, const char *id); /* borrowed; NULL: the mode names no such role */
const json_t *bundle_mode(const struct bundle *b);		  /* borrowed; as mode_json without dir */
const json_t *bundle_prices(const struct bundle *b);		  /* borrowed; an object */

#endif
