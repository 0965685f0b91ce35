/* The launcher: what muster starts outside, and what becomes bubblewrap with the sandbox's cgroups, mounts and uid.
 *
 * Happy path: join the sandbox's v1 cgroups at once (slow: the kernel waits for a grace period) and enter its v2 one,
 * wait for LAUNCH, put the inherited descriptors in place, mount the sources where the private uid can reach them, drop
 * to that uid, execute bubblewrap. Failure: one line on standard error, which muster reads, and exit status 1. Muster
 * gone: exit. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/init/init.h"

enum { STAGES = 64 };

static char room[WIRE_FRAME + sizeof(struct wire)];
static char *arguments[2048];

static void join_cgroups(int joins)
{
	for (int i = 0; i < joins; i++) {
		int fd = WIRE_FIRST_FD + i;
		if (write(fd, "0", 1) < 0)
			die("cannot join the sandbox's cgroup", errno);
		close(fd);
	}
}

/* First all out of the way, then to WIRE_FIRST_FD and up, inherited. */
static void place(struct frame *f)
{
	enum { HIGH = 100 };
	for (unsigned i = 0; i < f->fd_count; i++) {
		int high = fcntl(f->fds[i], F_DUPFD_CLOEXEC, HIGH);
		if (high < 0)
			die("cannot duplicate a descriptor", errno);
		close(f->fds[i]);
		f->fds[i] = high;
	}
	for (unsigned i = 0; i < f->fd_count; i++)
		if (dup2(f->fds[i], (int)(WIRE_FIRST_FD + i)) < 0)
			die("cannot place a descriptor", errno);
}

/* false: there is no such source. */
static int stage_one(const char *from, const char *to)
{
	struct stat st;
	if (stat(from, &st) != 0)
		return 0;
	int made = S_ISDIR(st.st_mode) ? mkdir(to, 0755) : mknod(to, S_IFREG | 0644, 0);
	if ((made != 0 && errno != EEXIST) || mount(from, to, NULL, MS_BIND | MS_REC, NULL) != 0)
		die("cannot stage a source", errno);
	return 1;
}

/* What is there of the host's /etc. */
static void stage_etc(const char *name)
{
	char from[PATH_MAX], to[PATH_MAX];
	if (snprintf(from, sizeof(from), "/etc/%s", name) >= PATH_MAX - (int)sizeof(WIRE_STAGE))
		die(name, ENAMETOOLONG);
	snprintf(to, sizeof(to), WIRE_STAGE "/etc/%s", name);
	for (char *slash = to + strlen(WIRE_STAGE "/etc/"); (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = 0;
		if (mkdir(to, 0755) != 0 && errno != EEXIST)
			die(to, errno);
	}
	(void)stage_one(from, to);
}

/* The sandbox's own, as what bubblewrap makes is: only the mount keeps it from being written. */
static void stage_file(const char *name, const char *content, uint32_t uid)
{
	char to[128];
	snprintf(to, sizeof(to), WIRE_STAGE "/etc/%s", name);
	int fd = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, content, strlen(content)) < 0 || fchown(fd, uid, uid) != 0)
		die(to, errno);
	close(fd);
}

static const char *next_string(const char **at, const char *end)
{
	const char *s = frame_string(at, end);
	if (!s)
		die("malformed LAUNCH", 0);
	return s;
}

static void stage_etc_tree(const char **at, const char *end, const struct wire_launch *launch)
{
	if (launch->files == 0)
		return;
	if (mkdir(WIRE_STAGE "/etc", 0755) != 0)
		die("cannot stage /etc", errno);
	for (uint32_t i = 0; i < launch->etc; i++)
		stage_etc(next_string(at, end));
	for (uint32_t i = 0; i < launch->files; i++) {
		const char *name = next_string(at, end);
		stage_file(name, next_string(at, end), launch->uid);
	}
}

/* A source may lie below WIRE_STAGE: so each is opened before that is covered, and in this mount namespace, which is
 * the only one it can be mounted from. */
static void stage(const char **at, const char *end, uint32_t count)
{
	int sources[STAGES];
	if (syscall(SYS_unshare, CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
		die("cannot make a mount namespace", errno);
	for (uint32_t i = 0; i < count; i++) {
		const char *path = frame_string(at, end);
		sources[i] = path ? open(path, O_PATH | O_CLOEXEC) : -1;
		if (sources[i] < 0)
			die(path ? path : "malformed LAUNCH", errno);
	}
	if (mount("muster", WIRE_STAGE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64k") != 0)
		die("cannot mount the stage", errno);
	for (uint32_t i = 0; i < count; i++) {
		char from[64], to[64];
		snprintf(from, sizeof(from), "/proc/self/fd/%d", sources[i]);
		snprintf(to, sizeof(to), WIRE_STAGE "/%u", i);
		if (!stage_one(from, to))
			die("cannot stage a source", errno);
	}
}

static void become(uint32_t uid)
{
	if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
		die("cannot take the sandbox's uid", errno);
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0)
		die("the sandbox's uid could go back to root", 0);
}

/* Into the sandbox's own cgroup v2, so that PID 1 may start commands in the leaves beside it: by a clone, since a move
 * would wait for a grace period. The first process stays behind to be waited for, and ends as the second one does. */
static void enter_cgroup(int cgroup)
{
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		die("cannot enter the sandbox's cgroup", errno);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == 1) /* it ended before we asked to be told */
			_exit(1);
		close(cgroup);
		return;
	}
	int status;
	syscall(SYS_close_range, 0u, ~0u, 0u);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			_exit(1);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

noreturn void launcher_main(int joins, int cgroup)
{
	struct frame f;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	join_cgroups(joins);
	if (cgroup)
		enter_cgroup(WIRE_FIRST_FD + joins);
	close(WIRE_FIRST_FD + joins + (cgroup ? 1 : 0)); /* ourselves */
	int error = frame_recv(WIRE_CHANNEL_FD, &f, room, sizeof(room), 0);
	if (error)
		die("muster went away", error);
	struct wire_launch launch;
	if (f.head.type != WIRE_LAUNCH || f.head.size < sizeof(launch))
		die("unexpected frame", 0);
	memcpy(&launch, f.payload, sizeof(launch));
	if (launch.stages > STAGES || launch.argc == 0 || launch.argc >= sizeof(arguments) / sizeof(*arguments))
		die("malformed LAUNCH", 0);
	const char *at = f.payload + sizeof(launch), *end = f.payload + f.head.size;
	for (uint32_t i = 0; i < launch.argc; i++)
		if (!(arguments[i] = (char *)(uintptr_t)frame_string(&at, end)))
			die("malformed LAUNCH", 0);
	place(&f);
	if (launch.uid) {
		umask(022);
		stage(&at, end, launch.stages);
		stage_etc_tree(&at, end, &launch);
		umount2("/sys", MNT_DETACH); /* not needed, and often half of the mounts bubblewrap would read about */
		become(launch.uid);
	}
	char *no_env[] = {NULL};
	execve(arguments[0], arguments, no_env);
	die("cannot execute bubblewrap", errno);
}
