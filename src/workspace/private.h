/* What the files of this folder share: an open root, the place a path leads to, and the walk over folders. */
#ifndef MUSTER_WORKSPACE_PRIVATE_H
#define MUSTER_WORKSPACE_PRIVATE_H

#include <limits.h>
#include <sys/stat.h>

#include "vcs/beneath.h"
#include "vcs/names.h"
#include "workspace/files.h"

struct files {
	int root;
	uid_t uid; /* of new files; 0: unchanged */
};

/* place: where a path really leads, links followed: a name (never "." or "..", never a link) in an open folder. The
 * folder stays the same one whatever is swapped after it was opened. */
struct place {
	int dir;
	char name[NAME_MAX + 1];
	bool exists;
	struct stat st; /* when it exists */
};
#define PLACE_INIT                                                                                                     \
	{                                                                                                              \
		.dir = -1                                                                                              \
	}
enum place_how {
	PLACE_FOLLOW, /* a link at the end is followed */
	PLACE_ITSELF, /* the link at the end is the place */
	PLACE_MAKE,   /* as FOLLOW, and missing parent folders are made */
};
int place_find(struct files *f, const char *path, enum place_how how, struct place *p, struct err *e);
void place_release(struct place *p);
#define cleanup_place __attribute__((cleanup(place_release)))

/* Open what a path leads to; `.git` is refused also when a link leads there. A descriptor, or -1. */
int files_open_at(struct files *f, const char *path, int flags, struct err *e);

/* One entry met by a walk. */
struct walk_entry {
	const char *path; /* relative to the root */
	const char *name;
	struct stat st;
	int dir; /* the folder it lies in */
	int depth;
	bool collapsed;	  /* a dependency, build or version control folder: not entered */
	uint32_t entries; /* of a collapsed folder, directly inside */
};
struct walk {
	bool (*skip)(void *ctx, const char *name); /* is this a folder to collapse? NULL: none */
	/* false ends the walk */
	bool (*each)(void *ctx, const struct walk_entry *entry);
	void *ctx;
	bool incomplete;  /* out: an entry or folder could not be looked at, was too deep, or there were too many */
	uint32_t entries; /* out: looked at */
};
/* Every entry below path, folders first where asked for, each folder in byte order; links are never followed. */
int walk_run(struct files *f, const char *path, struct walk *w, struct err *e);

bool folder_is_dependency(const char *name); /* node_modules, .venv, target, … */

/* Append {"more": n} when n > 0. */
int json_more(json_t *array, int64_t more, struct err *e);

#endif
