/* definition: what a check command runs according to the project's own files, so that an agent's change of it is seen
 * (docs/contracts.md, Evidence; row 55 of the threat table): the scripts of package.json behind `npm test`, the rules
 * of a Makefile behind `make check`, a script that the command names. Variables and included
 * files of a Makefile, its first rule behind a plain `make`, and links are not followed. */
#ifndef MUSTER_TOOLS_DEFINITION_H
#define MUSTER_TOOLS_DEFINITION_H

#include "store/store.h"
#include "workspace/files.h"

/* The file in which the command's definition is another now than in the snapshot; what the snapshot does not define
 * cannot have changed. False: none. Blocking; a file that cannot be read counts as changed. */
bool definition_changed(
	struct files *f, struct store *store, const struct hash *base, const char *command, char *file, size_t room);

#endif
