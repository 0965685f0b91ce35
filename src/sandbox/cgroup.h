/* cgroup: the kernel's limits on a sandbox as a whole, and on each of its commands.
 *
 * A sandbox gets one directory in every hierarchy that can be used, each below the one this process is in (nothing
 * moves out of the limits that muster itself was given):
 *
 * - unified (v2): muster-PID-N/ and its leaves init/ and, for each command, cID/, for ending and freezing; with
 *   delegated controllers for the limits too;
 * - memory, cpu, pids (v1): muster-PID-N/ for the limits, where v1 still holds these controllers;
 * - freezer (v1): muster-PID-N/ for freezing, where there is no v2.
 *
 * A directory is locked (flock) while its owner lives, so that the next start knows which ones were left behind.
 * All calls are short writes to kernel files; only cgroup_sweep waits. */
#ifndef MUSTER_SANDBOX_CGROUP_H
#define MUSTER_SANDBOX_CGROUP_H

#include <sys/types.h>

#include "base/err.h"
#include "sandbox/sandbox.h"

enum cgroup_kind { CGROUP_UNIFIED, CGROUP_MEMORY, CGROUP_CPU, CGROUP_PIDS, CGROUP_FREEZER, CGROUP_KINDS };

#define CGROUP_PATH 512

/* What this process may use. An empty path: not there or not writable. */
struct cgroup_host {
	char at[CGROUP_KINDS][CGROUP_PATH];
	bool unified_limits; /* v2 gives our directories memory, cpu and pids */
	bool fake;	     /* a tree of plain files, for tests: control files are created by writing */
};
/* Looks, and tries. `root` NULL: the real hierarchies, by /proc/self/mountinfo and /proc/self/cgroup; else a fake v2
 * tree. Never fails: what cannot be used is empty. The environment's MUSTER_CGROUPS leaves some aside, so that a weaker
 * host can be had anywhere: "v1" those of v2, "none" all. */
void cgroup_discover(struct cgroup_host *h, const char *root);
/* The limits that hold: SANDBOX_CGROUP2, _CGROUP1 or _RLIMITS. */
enum sandbox_level cgroup_level(const struct cgroup_host *h);
/* End and remove what dead owners left. Blocking, at most half a second. */
void cgroup_sweep(const struct cgroup_host *h);

/* leaf: one command's own directory in v2, so that all it left behind ends at once. */
struct leaf {
	int dir; /* -1: none */
	char name[16];
	bool spent; /* never for another command: limited, whose charges stay, or killed, whereupon Linux 6.18 kills
		       whatever is cloned into it */
};

struct cgroup {
	unsigned number;       /* of its directories' names */
	int dir[CGROUP_KINDS]; /* -1: none */
	int init;	       /* the unified leaf "init", for bubblewrap and muster-init */
	struct leaf spare;     /* see leaf_keep */
	const struct cgroup_host *host;
	uid_t uid;
};
/* New directories with these limits; commands will run as uid (which gets the right to be started there, nothing else).
 * On failure nothing is left. */
int cgroup_new(struct cgroup *c, const struct cgroup_host *h, const struct sandbox_limits *l, uid_t uid, struct err *e);
/* Of its directory in a hierarchy that is used. Returns the length; CGROUP_PATH or more: it was cut. */
int cgroup_path(const struct cgroup *c, enum cgroup_kind kind, char path[CGROUP_PATH]);
/* Descriptors of the v1 files that the sandbox's first process must join by (write "0"); at most
 * CGROUP_KINDS; the caller closes them. Returns the count, or -1. */
int cgroup_joins(const struct cgroup *c, int fds[CGROUP_KINDS], struct err *e);
/* Stop and continue all commands. -1 with ERR_NOT_FOUND when no hierarchy can. */
int cgroup_freeze(const struct cgroup *c, bool on, struct err *e);
void cgroup_kill(const struct cgroup *c);
/* Times the kernel ended something here for want of memory. */
uint64_t cgroup_ooms(const struct cgroup *c);
void cgroup_stats(const struct cgroup *c, struct sandbox_stats *out);
/* Remove the directories. false: something is still alive in them; try again. Releases everything when true. */
bool cgroup_remove(struct cgroup *c);
/* Leave what cannot be removed to the next start's cgroup_sweep. */
void cgroup_let_go(struct cgroup *c);

/* memory 0: no limit of its own. Without v2: dir -1, and 0. */
int leaf_new(struct leaf *f, struct cgroup *c, uint32_t id, uint64_t memory, struct err *e);
bool leaf_populated(const struct leaf *f);
void leaf_kill(struct leaf *f);
/* All that its command left behind is gone: unless it is spent, the leaf is kept for the next command. */
void leaf_keep(struct leaf *f, struct cgroup *c);
/* false: not empty yet. Releases the leaf when true; harmless without one. */
bool leaf_remove(struct leaf *f, const struct cgroup *c);

#endif
