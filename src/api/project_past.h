/* project_past: the history that an archive brings along in its `.git`: its objects, branches and tags, packed anew by
 * git in a sandbox without a network (workspace/clone.h), and verified (vcs/adopt.h). */
#ifndef MUSTER_API_PROJECT_PAST_H
#define MUSTER_API_PROJECT_PAST_H

#include <stdatomic.h>

#include "workspace/clone.h"

struct past {
	/* Set before past_start: on the loop's thread, once; why says whether there is a history. */
	void (*cb)(struct past *p);
	struct err why;	    /* there is none, since */
	char *source;	    /* after past_prepare: where it goes (archive_in.h) */
	struct clone clone; /* its uid is the caller's to set */
	/* private */
	char *stage;
};
/* On the pool, in this order: a folder beside dir; what lies in it becomes the sandbox's; (past_start;) dir, which has
 * files and no `.git`, gets one. -1 of past_take: why says so, and there is none. */
int past_prepare(struct past *p, const char *dir, struct err *e);
int past_give(struct past *p, struct err *e);
int past_take(struct past *p, const char *dir, const atomic_bool *cancel);
void past_release(struct past *p); /* removes the folder */
/* On the loop's thread. */
int past_start(struct past *p, struct loop *l, struct err *e);

#endif
