/* ignore: the rules of .gitignore files (gitignore(5)), a level for each folder that has one. */
#ifndef MUSTER_VCS_IGNORE_H
#define MUSTER_VCS_IGNORE_H

#include "base/crypt.h"

struct ignore_rule {
	struct span pattern;
	bool negated, folders_only, anchored;
};
struct ignore {
	const struct ignore *up; /* of a folder above; NULL */
	struct ignore_rule *rules;
	size_t count, room;
	size_t skip;	    /* bytes of a path up to this level's folder, with its '/' */
	struct hash digest; /* names all rules in force from here down */
};
/* The rules of the text (borrowed: it must outlive them) found in the folder `path` ("" is the root). */
int ignore_init(struct ignore *g, const struct ignore *up, struct span path, struct span text, struct err *e);
void ignore_release(struct ignore *g);
/* Is the path (relative to the root) ignored? The folders above it are taken as not ignored. g may be NULL. */
bool ignore_match(const struct ignore *g, struct span path, bool folder);

#endif
