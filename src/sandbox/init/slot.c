/* A slot: the child of muster-init that becomes a command.
 *
 * In order: its own session, its standard descriptors or terminal, limits, folder, program, Landlock
 * domain, signals, seccomp, execute. Whatever fails is reported with its stage, and the child ends with 127. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "sandbox/init/init.h"

enum { STRINGS = 4096 };
static char *strings[STRINGS + 2]; /* arguments, NULL, variables, NULL */

int report_send(int report, enum report_kind kind, int status, int signal, int error, int fd)
{
	struct frame f = {.head = {.type = (uint32_t)kind, .status = status, .signal = signal, .error = error}};
	if (fd >= 0) {
		f.fds[0] = fd;
		f.fd_count = 1;
	}
	return frame_send(report, &f, 0);
}

static noreturn void fail(int report, enum wire_stage stage, int error)
{
	report_send(report, REPORT_FAILED, (int)stage, 0, error ? error : EINVAL, -1);
	_exit(127);
}

/* A terminal of our own on 0, 1 and 2; returns its master side. */
static int open_terminal(int report, const struct wire_run *run)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), unlock = 0;
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) != 0)
		fail(report, WIRE_AT_PTY, errno);
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct winsize size = {.ws_row = run->rows, .ws_col = run->cols};
	if (slave < 0 || ioctl(slave, TIOCSWINSZ, &size) != 0 || ioctl(slave, TIOCSCTTY, 0) != 0)
		fail(report, WIRE_AT_PTY, errno);
	if (dup2(slave, 0) < 0 || dup2(slave, 1) < 0 || dup2(slave, 2) < 0)
		fail(report, WIRE_AT_PTY, errno);
	close(slave);
	return master;
}

static void apply_limits(const struct slot_config *config, const struct wire_run *run, int report)
{
	for (uint32_t i = 0; i < config->begin.rlimits && i < WIRE_RLIMITS; i++) {
		const struct wire_rlimit *l = &config->begin.rlimit[i];
		struct rlimit r = {.rlim_cur = l->value, .rlim_max = l->value};
		if (setrlimit((int)l->resource, &r) != 0)
			fail(report, WIRE_AT_LIMITS, errno);
	}
	struct rlimit data = {.rlim_cur = run->data_limit, .rlim_max = run->data_limit};
	if (run->data_limit && setrlimit(RLIMIT_DATA, &data) != 0)
		fail(report, WIRE_AT_LIMITS, errno);
}

/* Out of memory, rather a command than muster-init: advice to the kernel, whose failure changes nothing. We are not
 * dumpable, as muster-init is not, so our own /proc files are closed to us; they are opened for this one write, when
 * the Landlock domain already keeps other commands out. */
static void prefer_as_victim(void)
{
	prctl(PR_SET_DUMPABLE, 1);
	(void)write_text(AT_FDCWD, "/proc/self/oom_score_adj", "500");
	prctl(PR_SET_DUMPABLE, 0);
}

static void enter_folder(int report, const char *path)
{
	int work = open("/work", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (work < 0)
		fail(report, WIRE_AT_FOLDER, errno);
	if (*path) {
		struct open_how how = {
			.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
		int below = (int)syscall(SYS_openat2, work, path, &how, sizeof(how));
		if (below < 0)
			fail(report, WIRE_AT_FOLDER, errno);
		work = below;
	}
	if (fchdir(work) != 0)
		fail(report, WIRE_AT_FOLDER, errno);
}

/* The program's path: as named when it has a slash, else the first executable of the PATH given to it. */
static const char *find_program(const char *name, char *const *env, char *path, size_t room)
{
	if (strchr(name, '/'))
		return access(name, X_OK) == 0 ? name : NULL;
	const char *dirs = "/usr/local/bin:/usr/bin:/bin";
	for (; *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			dirs = *env + 5;
	while (*dirs) {
		size_t n = strcspn(dirs, ":");
		int len = snprintf(path, room, "%.*s/%s", (int)n, dirs, name);
		if (n && len > 0 && (size_t)len < room && access(path, X_OK) == 0)
			return path;
		dirs += n + (dirs[n] == ':');
	}
	errno = ENOENT;
	return NULL;
}

static void unblock_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* On top of the filter that muster-init has and we inherit: clone3, which it needs itself, and whose flags lie in
 * memory where no filter can see them. ENOSYS makes the C library take clone. */
static int deny_clone3(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.filter = code, .len = sizeof(code) / sizeof(*code)};
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

noreturn void slot_main(const struct slot_config *config, struct frame *f, int report)
{
	struct wire_run run;
	if (f->head.size < sizeof(run))
		fail(report, WIRE_AT_EXEC, EBADMSG);
	memcpy(&run, f->payload, sizeof(run));
	const char *at = f->payload + sizeof(run), *end = f->payload + f->head.size;
	const char *folder = frame_string(&at, end);
	if (!folder || run.argc == 0 || run.argc > STRINGS || run.envc > STRINGS - run.argc)
		fail(report, WIRE_AT_EXEC, E2BIG);
	char **env = strings + run.argc + 1;
	for (uint32_t i = 0; i < run.argc + run.envc; i++) {
		char **to = i < run.argc ? &strings[i] : &env[i - run.argc];
		if (!(*to = (char *)(uintptr_t)frame_string(&at, end)))
			fail(report, WIRE_AT_EXEC, EBADMSG);
	}
	setsid();
	unsigned next = 0;
	int output = run.flags & WIRE_RUN_PTY ? -1 : frame_take(f, next++);
	int input = run.flags & WIRE_RUN_INPUT ? frame_take(f, next) : -1;
	int master = -1;
	if (run.flags & WIRE_RUN_PTY)
		master = open_terminal(report, &run);
	else if (dup2(output, 1) < 0 || dup2(output, 2) < 0 || (input >= 0 && dup2(input, 0) < 0))
		fail(report, WIRE_AT_EXEC, errno);
	apply_limits(config, &run, report);
	enter_folder(report, folder);
	static char path[4096];
	const char *program = find_program(strings[0], env, path, sizeof(path));
	if (!program)
		fail(report, WIRE_AT_EXEC, errno);
	/* A terminal is a person's: it may signal what runs, but not trace it. */
	int error = landlock_enter(config->landlock, !(run.flags & WIRE_RUN_PTY));
	if (error)
		fail(report, WIRE_AT_LANDLOCK, error);
	if (config->landlock >= 2)
		prefer_as_victim();
	unblock_signals();
	if ((run.flags & (WIRE_RUN_PTY | WIRE_RUN_TELL)) && report_send(report, REPORT_STARTED, 0, 0, 0, master) != 0)
		_exit(127);
	if (syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) != 0)
		fail(report, WIRE_AT_EXEC, errno);
	if (deny_clone3() != 0)
		fail(report, WIRE_AT_SECCOMP, errno);
	execve(program, strings, env);
	fail(report, WIRE_AT_EXEC, errno);
}
