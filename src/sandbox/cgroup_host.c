#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/fs.h"
#include "sandbox/cgfile.h"

/* Finding the hierarchies: the mount of each from /proc/self/mountinfo, our place in it from /proc/self/cgroup, and
 * whether we may make a directory there by making one. */

static const char *const controllers[CGROUP_KINDS] = {"", "memory", "cpu", "pids", "freezer"};

static bool has_word(struct span list, const char *word, char separator)
{
	size_t n = strlen(word);
	for (size_t at = 0; at + n <= list.n; at++)
		if ((at == 0 || list.p[at - 1] == separator) && strncmp(list.p + at, word, n) == 0 &&
			(at + n == list.n || list.p[at + n] == separator))
			return true;
	return false;
}

/* The field at index i of a line separated by single spaces. */
static struct span field(struct span line, int i)
{
	size_t start = 0, end;
	for (;; i--, start = end + 1) {
		end = span_find(line, span_of(" "), start);
		if (end == (size_t)-1)
			end = line.n;
		if (i == 0)
			return span_n(line.p + start, end - start);
		if (end >= line.n)
			return SPAN_NONE;
	}
}

/* proc(5): "36 35 98:0 /root /mount/point options… - type source superoptions". */
static void find_mounts(struct span text, struct span mount[CGROUP_KINDS], struct span root[CGROUP_KINDS])
{
	struct span line;
	while (span_line(&text, &line)) {
		size_t dash = span_find(line, span_of(" - "), 0);
		if (dash == (size_t)-1)
			continue;
		struct span tail = span_n(line.p + dash + 3, line.n - dash - 3);
		struct span type = field(tail, 0), super = field(tail, 2);
		for (int k = 0; k < CGROUP_KINDS; k++) {
			bool match = k == CGROUP_UNIFIED
					     ? span_is(type, "cgroup2")
					     : span_is(type, "cgroup") && has_word(super, controllers[k], ',');
			if (match && !mount[k].p) {
				root[k] = field(line, 3);
				mount[k] = field(line, 4);
			}
		}
	}
}

/* "4:memory:/path" for v1, "0::/path" for v2. */
static struct span find_own(struct span text, int kind)
{
	struct span line;
	while (span_line(&text, &line)) {
		size_t a = span_find(line, span_of(":"), 0);
		size_t b = a == (size_t)-1 ? a : span_find(line, span_of(":"), a + 1);
		if (b == (size_t)-1)
			continue;
		struct span names = span_n(line.p + a + 1, b - a - 1);
		if (kind == CGROUP_UNIFIED ? names.n == 0 : has_word(names, controllers[kind], ','))
			return span_n(line.p + b + 1, line.n - b - 1);
	}
	return SPAN_NONE;
}

static bool can_make(const char *at)
{
	char path[CGROUP_PATH + 32];
	snprintf(path, sizeof(path), "%s/muster-probe-%d", at, (int)getpid());
	if (mkdir(path, 0755) != 0)
		return false;
	rmdir(path);
	return true;
}

/* v2 hands controllers down only from a group that holds no process itself (but for the root). When we are alone in
 * ours (a service with Delegate=yes), we step into a leaf of it. */
static bool enable_controllers(const char *at, bool fake)
{
	cleanup_fd int dir = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *all = "+memory +cpu +pids";
	if (dir < 0)
		return false;
	if (cgfile_set(dir, "cgroup.subtree_control", fake, NULL, "%s", all) == 0)
		return true;
	if (errno != EBUSY || cgfile_number(dir, "cgroup.procs") != (uint64_t)getpid())
		return false;
	if (mkdirat(dir, "muster-self", 0755) != 0 && errno != EEXIST)
		return false;
	return cgfile_set(dir, "muster-self/cgroup.procs", false, NULL, "0") == 0 &&
	       cgfile_set(dir, "cgroup.subtree_control", false, NULL, "%s", all) == 0;
}

void cgroup_discover(struct cgroup_host *h, const char *fake_root)
{
	*h = (struct cgroup_host){.fake = fake_root != NULL};
	if (fake_root) {
		snprintf(h->at[CGROUP_UNIFIED], CGROUP_PATH, "%s", fake_root);
		h->unified_limits = enable_controllers(fake_root, true);
		return;
	}
	cleanup_buf struct buf mounts = BUF_INIT(CAP_JSON_TEXT), own = BUF_INIT(64 * KIB);
	if (fs_read("/proc/self/mountinfo", &mounts, NULL) != 0 || fs_read("/proc/self/cgroup", &own, NULL) != 0)
		return;
	const char *only = getenv("MUSTER_CGROUPS");
	if (only && strcmp(only, "none") == 0)
		return;
	struct span mount[CGROUP_KINDS] = {0}, root[CGROUP_KINDS] = {0};
	find_mounts(buf_span(&mounts), mount, root);
	for (int k = 0; k < CGROUP_KINDS; k++) {
		struct span path = find_own(buf_span(&own), k);
		if (!mount[k].p || !path.p || (k == CGROUP_UNIFIED && only && strcmp(only, "v1") == 0))
			continue;
		/* In a container the mount may show only a part of the hierarchy. */
		if (root[k].n > 1 && path.n >= root[k].n && strncmp(path.p, root[k].p, root[k].n) == 0)
			path = span_n(path.p + root[k].n, path.n - root[k].n);
		if (path.n == 1)
			path.n = 0;
		int n = snprintf(h->at[k], CGROUP_PATH, "%.*s%.*s", (int)mount[k].n, mount[k].p, (int)path.n, path.p);
		if (n < 0 || n >= CGROUP_PATH - 64 || !can_make(h->at[k]))
			h->at[k][0] = 0;
	}
	if (h->at[CGROUP_UNIFIED][0]) {
		cleanup_fd int dir = open(h->at[CGROUP_UNIFIED], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char all[256] = "";
		cleanup_fd int fd = dir < 0 ? -1 : openat(dir, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? 0 : read(fd, all, sizeof(all) - 1);
		struct span offered = span_trim(span_n(all, n > 0 ? (size_t)n : 0));
		h->unified_limits = has_word(offered, "memory", ' ') && has_word(offered, "cpu", ' ') &&
				    has_word(offered, "pids", ' ') && enable_controllers(h->at[CGROUP_UNIFIED], false);
		h->at[CGROUP_FREEZER][0] = 0;
	}
	if (h->unified_limits)
		h->at[CGROUP_MEMORY][0] = h->at[CGROUP_CPU][0] = h->at[CGROUP_PIDS][0] = 0;
}

enum sandbox_level cgroup_level(const struct cgroup_host *h)
{
	if (h->unified_limits)
		return SANDBOX_CGROUP2;
	return h->at[CGROUP_MEMORY][0] && h->at[CGROUP_PIDS][0] ? SANDBOX_CGROUP1 : SANDBOX_RLIMITS;
}

static void sweep_one(const char *at, const char *name, bool fake)
{
	char path[CGROUP_PATH * 2];
	snprintf(path, sizeof(path), "%s/%s", at, name);
	cleanup_fd int dir = cgfile_lock(path);
	if (dir < 0)
		return; /* its owner lives */
	if (cgfile_set(dir, "cgroup.kill", fake, NULL, "1") != 0)
		cgfile_kill_procs(dir);
	for (int i = 0; i < 250 && !cgfile_rmdir(path, fake); i++)
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

void cgroup_sweep(const struct cgroup_host *h)
{
	int a, b, end;
	for (int k = 0; k < CGROUP_KINDS; k++) {
		DIR *d = h->at[k][0] ? opendir(h->at[k]) : NULL;
		if (!d)
			continue;
		for (struct dirent *it; (it = readdir(d));)
			if (sscanf(it->d_name, "muster-%d-%d%n", &a, &b, &end) == 2 && it->d_name[end] == 0)
				sweep_one(h->at[k], it->d_name, h->fake);
		closedir(d);
	}
}
