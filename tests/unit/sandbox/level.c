#include "level.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "box.h"
#include "sandbox/cgfile.h"
#include "sandbox/cgroup.h"

static enum { OPEN, FIXED } known = OPEN;
static enum sandbox_level wanted;

enum sandbox_level level_wanted(enum sandbox_level found)
{
	return known == FIXED ? wanted : found;
}

/* A directory in each hierarchy that belongs to this uid, with this process in it. */
static void delegate(const struct cgroup_host *h, char path[CGROUP_KINDS][CGROUP_PATH + 32], uid_t uid)
{
	static const char *const files[] = {"cgroup.procs", "cgroup.subtree_control", "tasks"};
	for (int k = 0; k < CGROUP_KINDS; k++) {
		struct err e = ERR_INIT;
		if (!h->at[k][0])
			continue;
		snprintf(path[k], CGROUP_PATH + 32, "%s/muster-user-%d", h->at[k], (int)getpid());
		assert_int_equal(mkdir(path[k], 0755), 0);
		assert_int_equal(chown(path[k], uid, uid), 0);
		int dir = open(path[k], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(dir >= 0);
		for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
			if (faccessat(dir, files[i], F_OK, 0) == 0)
				assert_int_equal(fchownat(dir, files[i], uid, uid, 0), 0);
		must(cgfile_set(dir, "cgroup.procs", false, &e, "0"), &e);
		close(dir);
	}
}

static void become(uid_t uid)
{
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setresgid(uid, uid, uid), 0);
	assert_int_equal(setresuid(uid, uid, uid), 0);
	/* As a program of that user would be: its own files in /proc are its own. */
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
	assert_int_equal(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
}

static void as_user(const struct cgroup_host *h)
{
	static char path[CGROUP_KINDS][CGROUP_PATH + 32];
	int status = 0;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uid_t uid = box_uid();
		delegate(h, path, uid);
		become(uid);
		return;
	}
	for (int k = 0; k < CGROUP_KINDS; k++)
		if (h->at[k][0])
			snprintf(path[k], sizeof(path[k]), "%s/muster-user-%d", h->at[k], (int)pid);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (int k = 0; k < CGROUP_KINDS; k++)
		if (path[k][0])
			(void)cgfile_rmdir(path[k], false);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

void level_enter(int argc, char **argv)
{
	static struct cgroup_host h;
	bool user = false;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "user") == 0)
			user = true;
		else
			setenv("MUSTER_CGROUPS", argv[i], 1);
	}
	if (geteuid() != 0)
		return;
	cgroup_discover(&h, NULL);
	wanted = cgroup_level(&h);
	known = FIXED;
	if (user)
		as_user(&h);
}
