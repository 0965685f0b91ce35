#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "sandbox/cgfile.h"

/* Directories, joining, ending, freezing. Finding the hierarchies is cgroup_host.c, reading and writing single files
 * cgfile.c.
 *
 * Moving a running process between cgroups waits for a grace period of the kernel (8-15 ms), so nothing is moved. At v1
 * the launcher, which has one thread, joins by `tasks`: a thread that moves only itself need not wait. At v2 it, and
 * every command, is cloned into its leaf (CLONE_INTO_CGROUP), which costs nothing. For that
 * their uid must be allowed to write the cgroup.procs of the leaf and of the sandbox's directory above it, which holds
 * muster-init too; none of it is visible inside. There is no cgroup namespace: with `nsdelegate`, as systemd mounts v2,
 * muster-init could then not reach the leaves beside its own. */

static const char *const v1_limit_kinds[] = {"unified", "memory", "cpu", "pids", "freezer"};

static _Atomic unsigned next_number;

enum { MAKE_TRIES = 500 };   /* a millisecond each */
enum { OWN_PROCESSES = 16 }; /* bubblewrap, muster-init and slots on their way, beside the commands */

static int set_limits_v2(int dir, bool fake, const struct sandbox_limits *l, struct err *e)
{
	if (cgfile_set(dir, "memory.max", fake, e, "%llu", (unsigned long long)l->memory) != 0 ||
		cgfile_set(dir, "cpu.max", fake, e, "%lld 100000", (long long)(l->cpus * 100000)) != 0 ||
		cgfile_set(dir, "pids.max", fake, e, "%d", l->processes + OWN_PROCESSES) != 0)
		return -1;
	(void)cgfile_set(dir, "memory.swap.max", fake, NULL, "0"); /* absent without swap accounting */
	return cgfile_set(dir, "cgroup.subtree_control", fake, e, "+memory +pids");
}

static int set_limits_v1(const struct cgroup *c, const struct sandbox_limits *l, struct err *e)
{
	int memory = c->dir[CGROUP_MEMORY], cpu = c->dir[CGROUP_CPU], pids = c->dir[CGROUP_PIDS];
	if (memory >= 0) {
		if (cgfile_set(memory, "memory.limit_in_bytes", false, e, "%llu", (unsigned long long)l->memory) != 0)
			return -1;
		/* Absent without swap accounting. */
		(void)cgfile_set(
			memory, "memory.memsw.limit_in_bytes", false, NULL, "%llu", (unsigned long long)l->memory);
	}
	if (cpu >= 0 &&
		(cgfile_set(cpu, "cpu.cfs_period_us", false, e, "100000") != 0 ||
			cgfile_set(cpu, "cpu.cfs_quota_us", false, e, "%lld", (long long)(l->cpus * 100000)) != 0))
		return -1;
	if (pids >= 0 && cgfile_set(pids, "pids.max", false, e, "%d", l->processes + OWN_PROCESSES) != 0)
		return -1;
	return 0;
}

int cgroup_path(const struct cgroup *c, enum cgroup_kind kind, char path[CGROUP_PATH])
{
	return snprintf(path, CGROUP_PATH, "%s/muster-%d-%u", c->host->at[kind], (int)getpid(), c->number);
}

/* Between its making and its locking another muster may take it for one left behind and remove it (cgroup_sweep): then
 * it is made again. */
static int make_dir(struct cgroup *c, enum cgroup_kind kind, struct err *e)
{
	char path[CGROUP_PATH];
	int n = cgroup_path(c, kind, path);
	if (n < 0 || n >= CGROUP_PATH)
		return err_set(e, ERR_TOO_LARGE, "the path of the cgroup %s is too long", c->host->at[kind]);
	for (int tries = 0; tries < MAKE_TRIES; tries++) {
		if (fault_hit(FAULT_IO) || (mkdir(path, 0755) != 0 && errno != EEXIST))
			return err_errno(e, errno, "cannot make the cgroup %s", path);
		c->dir[kind] = cgfile_lock(path);
		if (c->dir[kind] >= 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != ENOENT)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	int error = errno;
	rmdir(path);
	return err_errno(e, error, "cannot lock the cgroup %s", path);
}

/* cgroups v2, Delegation Containment: moving into a leaf needs cgroup.procs there and at the common ancestor. */
static int give_procs(int dir, uid_t uid, bool fake, struct err *e)
{
	if (uid == 0 || uid == geteuid() || fake)
		return 0;
	if (fault_hit(FAULT_IO) || fchownat(dir, "cgroup.procs", uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) != 0)
		return err_errno(e, errno, "cannot hand a cgroup to uid %d", (int)uid);
	return 0;
}

static int make_leaf(int dir, const char *name, int *fd, struct err *e)
{
	if (fault_hit(FAULT_IO) || (mkdirat(dir, name, 0755) != 0 && errno != EEXIST))
		return err_errno(e, errno, "cannot make the cgroup %s", name);
	*fd = fs_openat(dir, name, O_RDONLY | O_DIRECTORY, 0, e);
	return *fd < 0 ? -1 : 0;
}

int cgroup_new(struct cgroup *c, const struct cgroup_host *h, const struct sandbox_limits *l, uid_t uid, struct err *e)
{
	*c = (struct cgroup){.number = ++next_number, .host = h, .uid = uid};
	c->init = c->spare.dir = -1;
	for (int k = 0; k < CGROUP_KINDS; k++)
		c->dir[k] = -1;
	for (int k = 0; k < CGROUP_KINDS; k++)
		if (h->at[k][0] && make_dir(c, (enum cgroup_kind)k, e) != 0)
			goto fail;
	int unified = c->dir[CGROUP_UNIFIED];
	if (unified >= 0 && make_leaf(unified, "init", &c->init, e) != 0)
		goto fail;
	if (unified >= 0 && give_procs(unified, uid, h->fake, e) != 0)
		goto fail;
	if (unified >= 0 && h->unified_limits && set_limits_v2(unified, h->fake, l, e) != 0)
		goto fail;
	if (set_limits_v1(c, l, e) != 0)
		goto fail;
	return 0;
fail:
	cgroup_remove(c);
	return err_wrap(e, "limits of the sandbox");
}

int cgroup_joins(const struct cgroup *c, int fds[CGROUP_KINDS], struct err *e)
{
	int n = 0;
	for (int k = CGROUP_MEMORY; k < CGROUP_KINDS; k++) {
		if (c->dir[k] < 0)
			continue;
		fds[n] = fs_openat(c->dir[k], "tasks", O_WRONLY, 0, e);
		if (fds[n] < 0) {
			while (n > 0)
				close(fds[--n]);
			return err_wrap(e, "cgroup %s", v1_limit_kinds[k]);
		}
		n++;
	}
	return n;
}

int cgroup_freeze(const struct cgroup *c, bool on, struct err *e)
{
	if (c->dir[CGROUP_UNIFIED] >= 0)
		return cgfile_set(c->dir[CGROUP_UNIFIED], "cgroup.freeze", c->host->fake, e, "%d", on);
	if (c->dir[CGROUP_FREEZER] >= 0)
		return cgfile_set(c->dir[CGROUP_FREEZER], "freezer.state", false, e, "%s", on ? "FROZEN" : "THAWED");
	return err_set(e, ERR_NOT_FOUND, "no cgroup can freeze this sandbox");
}

void cgroup_kill(const struct cgroup *c)
{
	/* A failure shows: whoever kills then waits until nothing is left, and says so when something stays. */
	if (c->dir[CGROUP_UNIFIED] >= 0)
		(void)cgfile_set(c->dir[CGROUP_UNIFIED], "cgroup.kill", c->host->fake, NULL, "1");
	for (int k = CGROUP_MEMORY; k < CGROUP_KINDS; k++)
		if (c->dir[k] >= 0)
			cgfile_kill_procs(c->dir[k]);
}

uint64_t cgroup_ooms(const struct cgroup *c)
{
	if (c->dir[CGROUP_MEMORY] >= 0)
		return cgfile_key(c->dir[CGROUP_MEMORY], "memory.oom_control", "oom_kill");
	if (c->dir[CGROUP_UNIFIED] >= 0 && c->host->unified_limits)
		return cgfile_key(c->dir[CGROUP_UNIFIED], "memory.events", "oom_kill");
	return 0;
}

void cgroup_stats(const struct cgroup *c, struct sandbox_stats *out)
{
	int memory = c->dir[CGROUP_MEMORY], unified = c->dir[CGROUP_UNIFIED];
	if (memory >= 0) {
		out->memory = cgfile_number(memory, "memory.usage_in_bytes");
		out->memory_peak = cgfile_number(memory, "memory.max_usage_in_bytes");
	} else if (unified >= 0 && c->host->unified_limits) {
		out->memory = cgfile_number(unified, "memory.current");
		out->memory_peak = cgfile_number(unified, "memory.peak");
	}
	if (c->dir[CGROUP_PIDS] >= 0)
		out->processes = (int)cgfile_number(c->dir[CGROUP_PIDS], "pids.current");
	else if (unified >= 0 && c->host->unified_limits)
		out->processes = (int)cgfile_number(unified, "pids.current");
	if (unified >= 0)
		out->cpu_us = cgfile_key(unified, "cpu.stat", "usage_usec"); /* there without any controller */
}

static void close_spare(struct cgroup *c)
{
	if (c->spare.dir >= 0)
		close(c->spare.dir);
	c->spare.dir = -1;
}

bool cgroup_remove(struct cgroup *c)
{
	char path[CGROUP_PATH];
	bool gone = true;
	if (c->init >= 0)
		close(c->init);
	c->init = -1;
	close_spare(c); /* its directory goes with the others */
	for (int k = 0; k < CGROUP_KINDS; k++) {
		if (c->dir[k] < 0)
			continue;
		cgroup_path(c, (enum cgroup_kind)k, path);
		if (!cgfile_rmdir(path, c->host->fake)) {
			gone = false;
			continue;
		}
		close(c->dir[k]);
		c->dir[k] = -1;
	}
	return gone;
}

void cgroup_let_go(struct cgroup *c)
{
	close_spare(c);
	for (int k = 0; k < CGROUP_KINDS; k++) {
		if (c->dir[k] >= 0)
			close(c->dir[k]);
		c->dir[k] = -1;
	}
}

int leaf_new(struct leaf *f, struct cgroup *c, uint32_t id, uint64_t memory, struct err *e)
{
	int unified = c->dir[CGROUP_UNIFIED];
	*f = (struct leaf){.dir = -1, .spent = memory != 0};
	if (unified < 0)
		return 0;
	if (!memory && c->spare.dir >= 0) {
		*f = c->spare;
		c->spare.dir = -1;
		return 0;
	}
	snprintf(f->name, sizeof(f->name), "c%u", id);
	if (make_leaf(unified, f->name, &f->dir, e) != 0 || give_procs(f->dir, c->uid, c->host->fake, e) != 0 ||
		(memory && c->host->unified_limits &&
			cgfile_set(f->dir, "memory.max", c->host->fake, e, "%llu", (unsigned long long)memory) != 0)) {
		leaf_remove(f, c);
		return -1;
	}
	return 0;
}

bool leaf_populated(const struct leaf *f)
{
	return f->dir >= 0 && cgfile_key(f->dir, "cgroup.events", "populated") != 0;
}

void leaf_kill(struct leaf *f)
{
	f->spent = true;
	if (f->dir >= 0 && cgfile_set(f->dir, "cgroup.kill", false, NULL, "1") != 0)
		cgfile_kill_procs(f->dir); /* before Linux 5.14 */
}

void leaf_keep(struct leaf *f, struct cgroup *c)
{
	if (f->dir < 0 || f->spent || c->spare.dir >= 0)
		return;
	c->spare = *f;
	f->dir = -1;
}

bool leaf_remove(struct leaf *f, const struct cgroup *c)
{
	if (f->dir < 0)
		return true;
	if (c->host->fake)
		cgfile_empty(f->dir);
	if (unlinkat(c->dir[CGROUP_UNIFIED], f->name, AT_REMOVEDIR) != 0 && errno != ENOENT)
		return false;
	close(f->dir);
	f->dir = -1;
	return true;
}
