/* The keeper: where no cgroup can end a command as a whole, a process between muster-init and the command does.
 *
 * It is the reaper of all its descendants, however they detach themselves. When the command ends, or muster says so, it
 * ends them all and only then reports the status. With Landlock's signal scopes the command cannot signal its keeper,
 * and one kill(-1) ends exactly the keeper's own; on older kernels it stops and then kills the tree it finds in /proc,
 * and a keeper that was killed by its command ends the sandbox (pid1.c). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/init/init.h"

enum { TREE = 4096 };
static pid_t tree[TREE];

/* Adds the children of one process to tree[]; returns the new count. */
static int add_children(pid_t pid, int count)
{
	char path[64];
	static char text[65536];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return count;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	for (char *at = text, *rest; count < TREE; at = rest) {
		long child = strtol(at, &rest, 10);
		if (rest == at)
			break;
		tree[count++] = (pid_t)child;
	}
	return count;
}

/* Stop the whole tree until a pass finds nothing new, so that nobody forks away, then kill it. */
static void kill_tree(void)
{
	int before = -1, count = 0;
	for (int pass = 0; pass < 64 && count != before; pass++) {
		before = count;
		count = add_children(getpid(), 0);
		for (int i = 0; i < count; i++) {
			kill(tree[i], SIGSTOP);
			count = add_children(tree[i], count);
		}
	}
	for (int i = 0; i < count; i++)
		kill(tree[i], SIGKILL);
}

static void kill_all(int landlock)
{
	if (landlock >= 6)
		kill(-1, SIGKILL); /* reaches our own domain and those below it, never ourselves */
	else
		kill_tree();
}

noreturn void keeper_main(const struct slot_config *config, struct frame *f, int report)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	prctl(PR_SET_NAME, "muster-keeper");
	int error = prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 ? errno : 0;
	if (!error && config->landlock >= 6)
		error = landlock_enter(config->landlock, 1);
	pid_t command = error ? -1 : fork();
	if (command == 0)
		slot_main(config, f, report);
	if (command < 0) {
		report_send(report, REPORT_FAILED, WIRE_AT_KEEPER, 0, error ? error : errno, -1);
		_exit(127);
	}
	frame_close(f);
	for (int fd = 0; fd < 256; fd++)
		if (fd != report)
			close(fd);
	int status = 0, ended = 0;
	for (;;) {
		int st;
		pid_t pid;
		while ((pid = waitpid(-1, &st, WNOHANG)) > 0) {
			if (pid == command) {
				status = st;
				ended = 1;
			}
		}
		if (pid < 0 && errno == ECHILD && ended)
			break;
		if (ended)
			kill_all(config->landlock);
		struct timespec soon = {.tv_nsec = 2000000};
		int signal = ended ? sigtimedwait(&set, NULL, &soon) : sigwaitinfo(&set, NULL);
		if (signal == SIGTERM && !ended)
			kill(-command, SIGTERM);
		else if (signal == SIGUSR1)
			kill_all(config->landlock);
	}
	report_send(report, REPORT_ENDED, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		WIFSIGNALED(status) ? WTERMSIG(status) : 0, 0, -1);
	_exit(0);
}
