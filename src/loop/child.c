#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"

/* Purpose: posix_spawn (glibc's is a vfork that reports the error of exec) and a pidfd on a watch for the end.
 *
 * Descriptors: ours are first copied above the highest target, so that no dup2 in the child can overwrite one that is
 * still needed; then each copy is put on its target, the gaps are closed and everything above is closed.
 *
 * Failure modes: a child that was started but cannot be watched is killed and reaped before the error is returned. */

struct child_handle {
	struct watch watch;
	struct child *child;
	int pidfd;
};

struct plan {
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int copies[CAP_CHILD_FD + 1];
	size_t copy_count;
};

static void on_exit_ready(struct watch *w, int revents)
{
	struct child_handle *h = container_of(w, struct child_handle, watch);
	struct child *c = h->child;
	int st = 0;
	pid_t got;
	do
		got = waitpid(c->pid, &st, WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got == 0 && revents)
		return;
	watch_stop(w);
	close(h->pidfd);
	mem_free(h);
	c->handle = NULL;
	c->pid = 0;
	if (got > 0 && WIFEXITED(st))
		c->cb(c, WEXITSTATUS(st), 0);
	else
		c->cb(c, -1, got > 0 && WIFSIGNALED(st) ? WTERMSIG(st) : 0);
}

static int plan_fds(struct plan *p, const struct child_spec *spec)
{
	int rc = 0, top = 2;
	bool named[CAP_CHILD_FD + 1] = {false};
	for (size_t i = 0; i < spec->fd_count; i++) {
		int target = spec->fds[i].target;
		if (target < 0 || target > CAP_CHILD_FD || named[target])
			return EINVAL;
		named[target] = true;
		if (target > top)
			top = target;
	}
	for (size_t i = 0; i < spec->fd_count && rc == 0; i++) {
		int copy = fcntl(spec->fds[i].fd, F_DUPFD_CLOEXEC, top + 1);
		if (copy < 0)
			return errno;
		p->copies[p->copy_count++] = copy;
		rc = posix_spawn_file_actions_adddup2(&p->actions, copy, spec->fds[i].target);
	}
	if (spec->terminal && rc == 0) { /* opened by the leader of a session without one: it becomes the controlling */
		rc = posix_spawn_file_actions_addopen(&p->actions, 0, spec->terminal, O_RDWR, 0);
		for (int fd = 1; fd <= 2 && rc == 0; fd++)
			rc = posix_spawn_file_actions_adddup2(&p->actions, 0, fd);
		named[0] = named[1] = named[2] = true;
	}
	for (int fd = 0; fd <= top && rc == 0; fd++) {
		if (named[fd])
			continue;
		if (fd <= 2)
			rc = posix_spawn_file_actions_addopen(&p->actions, fd, "/dev/null", O_RDWR, 0);
		else
			rc = posix_spawn_file_actions_addclose(&p->actions, fd);
	}
	return rc ? rc : posix_spawn_file_actions_addclosefrom_np(&p->actions, top + 1);
}

static int plan_attr(struct plan *p, const struct child_spec *spec)
{
	sigset_t all, none;
	memset(&all, 0xff, sizeof(all)); /* sigfillset leaves out those of libc, which spawn then ignores */
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(&p->attr, &all);
	posix_spawnattr_setsigmask(&p->attr, &none);
	posix_spawnattr_setpgroup(&p->attr, 0);
	return posix_spawnattr_setflags(
		&p->attr, (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
				  (spec->terminal ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP)));
}

/* 0 or an errno value. */
static int spawn(pid_t *pid, const struct child_spec *spec)
{
	struct plan p = {.copy_count = 0};
	int rc = posix_spawn_file_actions_init(&p.actions);
	if (rc != 0)
		return rc;
	posix_spawnattr_init(&p.attr);
	rc = plan_attr(&p, spec);
	if (rc == 0)
		rc = plan_fds(&p, spec);
	if (rc == 0 && spec->cwd)
		rc = posix_spawn_file_actions_addchdir_np(&p.actions, spec->cwd);
	if (rc == 0)
		rc = fault_hit(FAULT_SPAWN)
			     ? EAGAIN
			     : posix_spawnp(pid, spec->file, &p.actions, &p.attr, (char *const *)(void *)spec->argv,
				       spec->env ? (char *const *)(void *)spec->env : environ);
	for (size_t i = 0; i < p.copy_count; i++)
		close(p.copies[i]);
	posix_spawnattr_destroy(&p.attr);
	posix_spawn_file_actions_destroy(&p.actions);
	return rc;
}

static int spawn_error(int rc, const struct child_spec *spec, struct err *e)
{
	if (rc == ENOMEM)
		return err_nomem(e);
	if (spec->cwd && !fs_is_dir(spec->cwd))
		return err_set(e, ERR_SPAWN, "%s cannot be started in %s: no such folder", spec->file, spec->cwd);
	if (rc == ENOENT)
		return err_set(e, ERR_SPAWN, "the program %s was not found; install it or correct its name%s",
			spec->file, strchr(spec->file, '/') ? "" : " or PATH");
	return err_set(e, ERR_SPAWN, "the program %s could not be started: %s", spec->file, strerror(rc));
}

int child_start(struct child *c, struct loop *l, const struct child_spec *spec,
	void (*cb)(struct child *c, int status, int signum), struct err *e)
{
	*c = (struct child){.loop = l, .cb = cb};
	cleanup_free struct child_handle *h = MEM_NEW(struct child_handle);
	if (!h)
		return err_nomem(e);
	int rc = spawn(&c->pid, spec);
	if (rc != 0) {
		c->pid = 0;
		return spawn_error(rc, spec, e);
	}
	h->child = c;
	h->pidfd = pidfd_open(c->pid, 0);
	if (h->pidfd < 0)
		err_set(e, ERR_SPAWN, "the program %s cannot be watched: %s", spec->file, strerror(errno));
	if (h->pidfd < 0 || watch_start(&h->watch, l, h->pidfd, WATCH_READ, on_exit_ready, e) != 0) {
		kill(-c->pid, SIGKILL);
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
		if (h->pidfd >= 0)
			close(h->pidfd);
		c->pid = 0;
		return -1;
	}
	c->handle = steal(&h);
	return 0;
}

void child_kill(struct child *c, int signum)
{
	if (c->pid > 0)
		kill(-c->pid, signum);
}
