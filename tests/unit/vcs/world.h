/* world: a store, a scratch folder and a working copy in it, for the tests of vcs; and an independent description of
 * what lies in a folder, to compare copies by. */
#ifndef MUSTER_TESTS_WORLD_H
#define MUSTER_TESTS_WORLD_H

#include "unit.h"

#include "base/mem.h"
#include "scratch.h"
#include "store/store.h"
#include "vcs/snapshot.h"

struct world {
	struct loop *loop;
	struct store *store;
	struct scratch s; /* of the copy: <top>/copy */
	struct scratch top;
	struct copy *copy;
};

int world_new(void **state);	  /* memory store */
int world_new_disk(void **state); /* SQLite in <top>/data */
int world_free(void **state);

/* Take a snapshot; paths: NULL or "a b c" of which only these are looked at. Returns its hash. */
struct hash snap(struct world *w, const char *paths);
/* The same, and the changes must read "+a ~b -c" in order of path. */
struct hash snap_is(struct world *w, const char *paths, const char *want);
void restore_to(struct world *w, struct hash h);
/* The copy closed and opened again with its last snapshot (its cache lost). */
void reopen(struct world *w);

/* Everything below a folder as text: a line for each entry with kind, name and content; mem_free it. */
char *describe(const char *dir);
#define same_tree(a, b)                                                                                                \
	do {                                                                                                           \
		cleanup_free char *tree_a = describe(a), *tree_b = describe(b);                                        \
		assert_string_equal(tree_a, tree_b);                                                                   \
	} while (0)
/* Sleep until what was written now counts as settled. */
void rest(void);
/* Run a command with the shell in a folder; it must succeed. Its output (mem_free it). */
char *shell(const char *dir, const char *command);

#endif
