/* PID 1 of a sandbox: takes frames, makes slots, reaps, reports.
 *
 * One poll over the channel, a signalfd for SIGCHLD, and the report socket of each slot that is to say when it starts:
 * what the others have to say is read at their end. It holds no command's output: the pipes are muster's. When the
 * channel closes it exits, and the kernel ends every process of the namespace. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/init/init.h"

struct slot {
	uint32_t id;
	pid_t pid;  /* 0: free; the keeper's where there is one */
	int report; /* -1: closed */
	int64_t started_us;
	int status, signal, error;
	int announced; /* STARTED is to be passed on while it runs */
	int told;      /* a keeper said ENDED, or the slot said FAILED */
};

static struct slot slots[WIRE_COMMANDS];
static struct slot_config config;
static char room[WIRE_FRAME + sizeof(struct wire)];

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Muster gone: so are we, and with us every process here. */
static void answer(const struct frame *f)
{
	if (frame_send(WIRE_CHANNEL_FD, f, 0) != 0)
		_exit(0);
}

static void answer_exited(const struct slot *s)
{
	struct frame f = {.head = {.type = WIRE_EXITED,
				  .id = s->id,
				  .status = s->status,
				  .signal = s->signal,
				  .error = s->error,
				  .took_us = now_us() - s->started_us}};
	answer(&f);
}

static void read_report(struct slot *s)
{
	char small[sizeof(struct wire)];
	struct frame f;
	int error = frame_recv(s->report, &f, small, sizeof(small), MSG_DONTWAIT);
	if (error == EAGAIN)
		return;
	if (error) { /* it executes its program, or is gone */
		close(s->report);
		s->report = -1;
		return;
	}
	if (f.head.type == REPORT_STARTED) {
		f.head.type = WIRE_STARTED;
		f.head.id = s->id;
		answer(&f);
	} else if (!s->told) { /* a keeper's ENDED follows the FAILED of what it kept */
		s->status = f.head.status;
		s->signal = f.head.signal;
		s->error = f.head.error;
		s->told = 1;
	}
	frame_close(&f);
}

static void slot_ended(struct slot *s, int status)
{
	while (s->report >= 0) {
		struct pollfd p = {.fd = s->report, .events = POLLIN};
		if (poll(&p, 1, 0) <= 0)
			break;
		read_report(s);
	}
	if (s->report >= 0)
		close(s->report);
	if (!s->told && config.begin.keeper) {
		/* Something killed the keeper: what its command left behind can no longer be told apart. */
		kill(-1, SIGKILL);
		_exit(1);
	}
	if (!s->told) {
		s->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		s->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	}
	answer_exited(s);
	s->pid = 0;
}

static void reap(void)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < WIRE_COMMANDS; i++)
			if (slots[i].pid == pid)
				slot_ended(&slots[i], status);
}

/* fork, into the cgroup whose directory is given: no move afterwards, which would cost milliseconds. */
static pid_t fork_into(int cgroup)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	if (cgroup >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static struct slot *slot_by_id(uint32_t id)
{
	for (int i = 0; i < WIRE_COMMANDS; i++)
		if (slots[i].pid && slots[i].id == id)
			return &slots[i];
	return NULL;
}

static struct slot *slot_free(void)
{
	for (int i = 0; i < WIRE_COMMANDS; i++)
		if (!slots[i].pid)
			return &slots[i];
	return NULL;
}

static void do_run(struct frame *f)
{
	struct slot none = {.id = f->head.id, .started_us = now_us(), .status = WIRE_AT_FORK};
	struct wire_run run = {0};
	struct slot *s = slot_free();
	int pair[2] = {-1, -1};
	if (f->head.size >= sizeof(run))
		memcpy(&run, f->payload, sizeof(run));
	if (!s || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		none.error = s ? errno : EAGAIN;
		answer_exited(&none);
		return;
	}
	int cgroup = -1;
	unsigned at = (run.flags & WIRE_RUN_PTY ? 0u : 1u) + (run.flags & WIRE_RUN_INPUT ? 1u : 0u);
	if ((run.flags & WIRE_RUN_CGROUP) && at < f->fd_count)
		cgroup = f->fds[at];
	pid_t pid = fork_into(cgroup);
	if (pid == 0) {
		close(WIRE_CHANNEL_FD);
		close(pair[0]);
		if (config.begin.keeper)
			keeper_main(&config, f, pair[1]);
		slot_main(&config, f, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		none.error = errno;
		close(pair[0]);
		answer_exited(&none);
		return;
	}
	*s = (struct slot){.id = f->head.id,
		.pid = pid,
		.report = pair[0],
		.started_us = none.started_us,
		.announced = (run.flags & (WIRE_RUN_PTY | WIRE_RUN_TELL)) != 0};
}

static void do_signal(const struct frame *f)
{
	int signal = f->head.status;
	if (f->head.id == 0) {
		kill(-1, signal);
		return;
	}
	struct slot *s = slot_by_id(f->head.id);
	if (!s)
		return; /* it ended meanwhile: EXITED is on its way */
	if (config.begin.keeper)
		kill(s->pid, signal == SIGKILL ? SIGUSR1 : SIGTERM);
	else if (kill(-s->pid, signal) != 0)
		kill(s->pid, signal); /* it has not made its session yet */
}

/* Inside one machine a connection is made or refused at once; only a full backlog would keep us waiting. */
static int dial_one(const struct sockaddr *to, socklen_t size, int *error)
{
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t n = sizeof(*error);
	*error = 0;
	if (fd < 0 || (connect(fd, to, size) != 0 && errno != EINPROGRESS))
		*error = errno;
	else if (poll(&p, 1, 50) <= 0)
		*error = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, error, &n) != 0)
		*error = errno;
	if (*error == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void do_dial(const struct frame *f)
{
	struct frame out = {.head = {.type = WIRE_DIALED, .id = f->head.id}};
	struct sockaddr_in v4 = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)f->head.status),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_port = v4.sin_port, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = dial_one((struct sockaddr *)&v4, sizeof(v4), &out.head.status);
	if (fd < 0)
		fd = dial_one((struct sockaddr *)&v6, sizeof(v6), &out.head.status);
	if (fd >= 0) {
		out.fds[0] = fd;
		out.fd_count = 1;
	}
	answer(&out);
	frame_close(&out);
}

static int egress_listen(uint32_t port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 128) != 0)
		die("cannot listen for the egress proxy", errno);
	return fd;
}

/* Ours and, inherited, every command's: the kernel takes 0.06 ms to compile it. */
static void enter_filter(int fd)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		die("cannot read the seccomp filter", errno);
	void *code = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (code == MAP_FAILED)
		die("cannot map the seccomp filter", errno);
	struct sock_fprog filter = {
		.filter = code, .len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter))};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0)
		die("cannot filter system calls", errno);
	munmap(code, (size_t)st.st_size);
}

static void do_begin(struct frame *f)
{
	if (f->head.size != sizeof(config.begin) || f->fd_count != 1)
		die("malformed BEGIN", 0);
	memcpy(&config.begin, f->payload, sizeof(config.begin));
	enter_filter(f->fds[0]);
	config.landlock = (int)config.begin.landlock;
	struct frame out = {.head = {.type = WIRE_READY}};
	if (config.begin.egress_port) {
		out.fds[0] = egress_listen(config.begin.egress_port);
		out.fd_count = 1;
	}
	answer(&out);
	frame_close(&out);
	dup2(0, 2); /* nothing more to say to muster's log */
}

static void take_frame(void)
{
	struct frame f;
	int error = frame_recv(WIRE_CHANNEL_FD, &f, room, sizeof(room), MSG_DONTWAIT);
	if (error == EAGAIN)
		return;
	if (error)
		_exit(0);
	if (f.head.type == WIRE_BEGIN)
		do_begin(&f);
	else if (f.head.type == WIRE_RUN)
		do_run(&f);
	else if (f.head.type == WIRE_SIGNAL)
		do_signal(&f);
	else if (f.head.type == WIRE_DIAL)
		do_dial(&f);
	frame_close(&f);
}

noreturn void pid1_main(void)
{
	prctl(PR_SET_DUMPABLE, 0); /* /proc/1/mem, fd, environ: closed to everyone in here */
	prctl(PR_SET_NAME, "muster-init");
	fcntl(WIRE_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
	syscall(SYS_close_range, (unsigned)WIRE_FIRST_FD, ~0u, 0u);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		die("cannot open /dev/null", errno);
	close(null);
	setsid();
	umask(022);
	struct sigaction standard = {.sa_handler = SIG_DFL}; /* for the commands, which inherit it */
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &standard, NULL); /* KILL, STOP and the C library's own refuse: they are standard */
	sigset_t all, child;
	sigfillset(&all);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_SETMASK, &all, NULL);
	int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		die("cannot watch for ended processes", errno);
	for (;;) {
		struct pollfd p[2 + WIRE_COMMANDS] = {
			{.fd = WIRE_CHANNEL_FD, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
		struct slot *of[WIRE_COMMANDS];
		nfds_t n = 2;
		for (int i = 0; i < WIRE_COMMANDS; i++) {
			if (slots[i].announced && slots[i].pid && slots[i].report >= 0) {
				of[n - 2] = &slots[i];
				p[n++] = (struct pollfd){.fd = slots[i].report, .events = POLLIN};
			}
		}
		if (poll(p, n, -1) < 0 && errno != EINTR)
			_exit(1);
		for (nfds_t i = 2; i < n; i++)
			if (p[i].revents)
				read_report(of[i - 2]);
		if (p[1].revents) {
			struct signalfd_siginfo info;
			while (read(signals, &info, sizeof(info)) > 0)
				;
			reap();
		}
		if (p[0].revents)
			take_frame();
	}
}
