/* setup: what a sandbox's file system and namespaces look like, as an ordered list of operations, and that list as
 * arguments of bubblewrap.
 *
 * Making the list is pure: everything it must know of the host comes in struct setup_facts. Sources of binds that only
 * muster may be able to reach are stages: in the list by number; a launcher that runs as root mounts them at
 * WIRE_STAGE/number, otherwise their own path is used. That launcher also puts /etc together, since bubblewrap reads
 * the whole table of mounts again for each of its own. */
#ifndef MUSTER_SANDBOX_SETUP_H
#define MUSTER_SANDBOX_SETUP_H

#include "base/arena.h"
#include "sandbox/sandbox.h"

enum { SETUP_OPS = 256, SETUP_STAGES = 16, SETUP_ETC = 48, SETUP_ENTRIES = 64 };

#define SANDBOX_USER "muster"
#define SANDBOX_UID 1000 /* inside */
#define SANDBOX_HOME "/home/muster"

enum setup_kind {
	SETUP_FLAG,	  /* a */
	SETUP_VALUE,	  /* a b */
	SETUP_BIND,	  /* stage or a → b */
	SETUP_RO_BIND,	  /* stage or a → b */
	SETUP_SYMLINK,	  /* text a at b */
	SETUP_TMPFS,	  /* at b, size bytes */
	SETUP_TMPFS_OPEN, /* the same, mode 1777 */
	SETUP_ETC_TREE,	  /* etc and setup_files at /etc */
	SETUP_DIR,	  /* b */
	SETUP_PROC,	  /* at b */
	SETUP_DEV,	  /* at b */
	SETUP_READ_ONLY,  /* b from now on */
};

struct setup_op {
	enum setup_kind kind;
	int stage; /* -1: a is a host path; else a is what follows the stage's path, "" or "/sub" */
	const char *a, *b;
	uint64_t size;
};

/* One entry of the root folder to show: a folder, or a symbolic link with this text. */
struct setup_entry {
	const char *name;
	const char *link; /* NULL: a folder */
};

/* A file of /etc that is the same in every sandbox. */
struct setup_file {
	const char *name, *content;
};
enum { SETUP_FILES = 4 };
extern const struct setup_file setup_files[SETUP_FILES];

struct setup_facts {
	struct setup_entry entries[SETUP_ENTRIES];
	size_t entry_count;
	const char *git_at; /* where git_dir is bound; NULL: none */
};

struct setup {
	struct setup_op ops[SETUP_OPS];
	size_t count;
	const char *stages[SETUP_STAGES];
	size_t stage_count;
	const char *etc[SETUP_ETC]; /* of the host's /etc, those that are there; none with an image */
	size_t etc_count;
	struct arena *arena;
	bool full; /* a cap was reached or memory ran out */
};

/* Look at the host or the image, and at where the copy's .git points. Strings live in the arena. */
int setup_facts_read(struct setup_facts *f, const struct sandbox_spec *spec, struct arena *arena, struct err *e);
/* The list. Protected paths must exist (protect.h). -1: a cap, no memory, or a path that is no absolute one. */
int setup_plan(struct setup *s, const struct sandbox_spec *spec, const struct setup_facts *f, struct arena *arena,
	struct err *e);
/* Append the arguments, each NUL-terminated, without the program's name; contents of files are read from descriptors
 * first_file, first_file + 1, …. Returns how many. */
size_t setup_arguments(const struct setup *s, bool staged, int first_file, struct buf *out);

#endif
