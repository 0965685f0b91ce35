/* lock: who may change a file right now. A person's lock binds agents' tools; an agent's lock binds other agents. Locks
 * expire; a person may take any over. Kept in memory by the owner of the run and folded from file.locked events. */
#ifndef MUSTER_WORKSPACE_LOCK_H
#define MUSTER_WORKSPACE_LOCK_H

#include "base/json.h"
#include "base/map.h"

struct lock {
	char *by;	  /* "person/ada", "agent/0.1" */
	int64_t until_us; /* 0: no end */
};
struct locks {
	struct map by_path;
};
void locks_init(struct locks *l, size_t cap);
void locks_release(struct locks *l);
/* 0, or -1 ERR_LOCKED naming holder and how to take over. The same holder may lock again (extends). */
int locks_take(struct locks *l, const char *path, const char *by, int64_t until_us, int64_t now_us, bool take_over,
	struct err *e);
/* Absent is fine; ERR_LOCKED when another holds it. */
int locks_drop(struct locks *l, const char *path, const char *by, struct err *e);
/* May `by` change this path (or anything below it) now? */
int locks_check(struct locks *l, const char *path, const char *by, int64_t now_us, struct err *e);
/* [{path, by, until_us}] of the locks in force; NULL: no memory */
json_t *locks_json(const struct locks *l, int64_t now_us);

#endif
