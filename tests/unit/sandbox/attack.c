/* attack: small programs that try to get out of the sandbox or at each other, run inside by test_attacks.c.
 * attack NAME [ARG]: exit status 0 when everything it tried was denied, else 1 and a line for each thing that was not.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int bad;

/* What should fail returned `rc`; with wanted != 0 it must have failed with that errno. */
static void denied(const char *what, long rc, int wanted)
{
	if (rc < 0 && (!wanted || errno == wanted))
		return;
	printf("%s: returned %ld, %s\n", what, rc, rc < 0 ? strerror(errno) : "success");
	bad = 1;
}

static void send_to(const char *what, int family, int type, int protocol, const struct sockaddr *to, socklen_t size)
{
	int fd = socket(family, type | SOCK_NONBLOCK, protocol);
	long rc = fd;
	if (fd >= 0)
		rc = connect(fd, to, size);
	if (rc >= 0)
		rc = send(fd, "canary", 6, MSG_NOSIGNAL);
	denied(what, rc, 0);
	if (rc < 0 && errno == EINPROGRESS) {
		printf("%s: a connection is under way\n", what);
		bad = 1;
	}
}

/* ARG: the name of an abstract socket that somebody listens on outside. */
static void network(const char *arg)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(0x08080808)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
	static const uint8_t google[16] = {0x20, 0x01, 0x48, 0x60, 0x48, 0x60, [14] = 0x88, 0x88};
	memcpy(&v6.sin6_addr, google, 16);
	send_to("udp", AF_INET, SOCK_DGRAM, 0, (struct sockaddr *)&v4, sizeof(v4));
	send_to("tcp", AF_INET, SOCK_STREAM, 0, (struct sockaddr *)&v4, sizeof(v4));
	send_to("icmp", AF_INET, SOCK_DGRAM, IPPROTO_ICMP, (struct sockaddr *)&v4, sizeof(v4));
	send_to("udp6", AF_INET6, SOCK_DGRAM, 0, (struct sockaddr *)&v6, sizeof(v6));
	send_to("tcp6", AF_INET6, SOCK_STREAM, 0, (struct sockaddr *)&v6, sizeof(v6));
	denied("raw", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
	denied("packet", socket(AF_PACKET, SOCK_RAW, 0), EPERM);
	denied("vsock", socket(AF_VSOCK, SOCK_STREAM, 0), EPERM);
	denied("vsock, high bits", syscall(SYS_socket, AF_VSOCK | (1L << 40), SOCK_STREAM, 0), EPERM);
	denied("bluetooth", socket(AF_BLUETOOTH, SOCK_STREAM, 0), EPERM);
	denied("alg", socket(AF_ALG, SOCK_SEQPACKET, 0), EPERM);
	int two[2];
	denied("a pair of vsock", socketpair(AF_VSOCK, SOCK_STREAM, 0, two), EPERM);
	denied("a pair of tipc", socketpair(AF_TIPC, SOCK_STREAM, 0, two), EPERM);
	denied("a pair of tipc, high bits", syscall(SYS_socketpair, AF_TIPC | (1L << 40), SOCK_STREAM, 0, two), EPERM);
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t n = strlen(arg);
	memcpy(un.sun_path + 1, arg, n);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	denied("abstract socket",
		connect(fd, (struct sockaddr *)&un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)),
		ECONNREFUSED);
}

/* ARG: a host path that must not be there. */
static void files(const char *arg)
{
	const char *paths[] = {arg, "/root/.ssh", "/root", "/home/muster/.ssh", "/etc/shadow", "/var/log",
		"/sys/kernel", "/dev/vda", "/dev/kmsg", "/dev/mem", "/run", "/oldroot", "/newroot", "/proc/1/root/etc",
		"/proc/1/environ", "/proc/1/cwd/..", "/proc/kcore"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		denied(paths[i], open(paths[i], O_RDONLY), 0);
	denied("write /usr", open("/usr/x", O_CREAT | O_WRONLY, 0600), EROFS);
	denied("write /", open("/x", O_CREAT | O_WRONLY, 0600), EROFS);
	denied("write /etc", open("/etc/passwd", O_WRONLY), EROFS);
	denied("make in /etc", open("/etc/x", O_CREAT | O_WRONLY, 0600), EROFS);
	denied("write /dev", open("/dev/x", O_CREAT | O_WRONLY, 0600), EROFS);
	for (char **e = environ; *e; e++)
		if (strstr(*e, "CANARY"))
			denied(*e, 0, 0);
}

/* ARG: a process id outside. */
static void processes(const char *arg)
{
	char byte;
	struct iovec mine = {&byte, 1}, theirs = {(void *)0x400000, 1};
	denied("signal outside", kill(atoi(arg), 0), ESRCH);
	denied("ptrace init", ptrace(PTRACE_ATTACH, 1, 0, 0), EPERM);
	denied("ptrace seize", ptrace(PTRACE_SEIZE, 1, 0, 0), EPERM);
	denied("process_vm_readv", process_vm_readv(1, &mine, 1, &theirs, 1, 0), EPERM);
	denied("process_vm_writev", process_vm_writev(1, &mine, 1, &theirs, 1, 0), EPERM);
	denied("init's memory", open("/proc/1/mem", O_RDWR), 0);
	denied("init's descriptors", open("/proc/1/fd", O_RDONLY), 0);
	denied("init's descriptor 3", open("/proc/1/fd/3", O_RDWR), 0);
	denied("init's map", open("/proc/1/map_files", O_RDONLY), 0);
	int fd = (int)syscall(SYS_pidfd_open, 1, 0);
	denied("init's channel by pidfd", syscall(438, fd, 3, 0), EPERM);
	kill(1, SIGKILL);
	kill(1, SIGSTOP);
	kill(1, SIGCHLD);
	kill(1, SIGTERM);
}

static void descriptors(const char *arg)
{
	(void)arg;
	DIR *d = opendir("/proc/self/fd");
	for (struct dirent *it; d && (it = readdir(d));) {
		int fd = atoi(it->d_name);
		if (it->d_name[0] != '.' && fd > 2 && fd != dirfd(d))
			denied(it->d_name, 0, 0);
	}
}

static void terminal(const char *arg)
{
	char c = 'x';
	(void)arg;
	denied("TIOCSTI", ioctl(0, TIOCSTI, &c), EPERM);
	denied("TIOCSTI, high bits", syscall(SYS_ioctl, 0, TIOCSTI | (1L << 32), &c), EPERM);
	denied("TIOCLINUX", ioctl(0, 0x541C, &c), EPERM);
	denied("TIOCCONS", ioctl(0, TIOCCONS, 0), EPERM);
}

static int nothing(void *x)
{
	(void)x;
	return 0;
}

static void calls(const char *arg)
{
	static char stack[65536] __attribute__((aligned(16)));
	(void)arg;
	denied("unshare user", unshare(CLONE_NEWUSER), EPERM);
	denied("unshare net", unshare(CLONE_NEWNET), EPERM);
	denied("clone user", clone(nothing, stack + sizeof(stack), CLONE_NEWUSER | SIGCHLD, NULL), EPERM);
	denied("clone mount", clone(nothing, stack + sizeof(stack), CLONE_NEWNS | SIGCHLD, NULL), EPERM);
	denied("clone3", syscall(435, NULL, 0), ENOSYS);
	denied("setns", setns(0, 0), EPERM);
	denied("mount", mount("x", "/tmp", "tmpfs", 0, NULL), EPERM);
	denied("mount cgroup", mount("x", "/tmp", "cgroup", 0, "memory"), EPERM);
	denied("umount", umount2("/work", 2), EPERM);
	denied("fsopen", syscall(430, "tmpfs", 0), EPERM);
	denied("open_tree", syscall(428, -100, "/work", 1), EPERM);
	denied("mount_setattr", syscall(442, -100, "/usr", 0, NULL, 0), EPERM);
	denied("pivot_root", syscall(SYS_pivot_root, ".", "."), EPERM);
	denied("chroot", chroot("/work"), EPERM);
	denied("bpf", syscall(SYS_bpf, 0, NULL, 0), EPERM);
	denied("keyctl", syscall(SYS_keyctl, 0, -3, 0), EPERM);
	denied("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -3), EPERM);
	denied("request_key", syscall(SYS_request_key, "user", "x", NULL, 0), EPERM);
	denied("userfaultfd", syscall(SYS_userfaultfd, 0), EPERM);
	denied("io_uring_setup", syscall(425, 1, stack), EPERM);
	denied("io_uring_enter", syscall(426, 0, 0, 0, 0, NULL, 0), EPERM);
	denied("perf_event_open", syscall(SYS_perf_event_open, stack, 0, -1, -1, 0), EPERM);
	denied("open_by_handle_at", syscall(SYS_open_by_handle_at, 0, stack, 0), EPERM);
	denied("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0), EPERM);
	denied("init_module", syscall(SYS_init_module, NULL, 0, ""), EPERM);
	denied("finit_module", syscall(SYS_finit_module, 0, "", 0), EPERM);
	denied("sethostname", sethostname("x", 1), EPERM);
	denied("setuid 0", setuid(0), 0);
	struct timespec then = {.tv_sec = 1};
	denied("clock_settime", clock_settime(CLOCK_REALTIME, &then), EPERM);
	denied("adjtimex", syscall(SYS_adjtimex, stack), EPERM);
	denied("syslog", syscall(SYS_syslog, 10, NULL, 0), EPERM);
	denied("fanotify_init", syscall(SYS_fanotify_init, 0, 0), EPERM);
	denied("name_to_handle_at", syscall(SYS_name_to_handle_at, -100, "/work", stack, stack, 0), EPERM);
	denied("process_madvise", syscall(440, 0, stack, 1, 4, 0), EPERM);
	denied("kcmp", syscall(SYS_kcmp, 1, 1, 0, 0, 0), EPERM);
	denied("quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL), EPERM);
	denied("reboot", syscall(SYS_reboot, 0, 0, 0, NULL), EPERM);
}

static void foreign32(const char *arg)
{
	(void)arg;
#ifdef __x86_64__
	long rc;
	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(20L) : "memory"); /* getpid, 32-bit */
	printf("a 32-bit system call returned %ld\n", rc);
	bad = 1;
#else
	raise(SIGSYS);
#endif
}

static void foreign_x32(const char *arg)
{
	(void)arg;
#ifdef __x86_64__
	printf("an x32 system call returned %ld\n", syscall(0x40000000 + 39));
	bad = 1;
#else
	raise(SIGSYS);
#endif
}

static void kernel(const char *arg)
{
	(void)arg;
	denied("core_pattern", open("/proc/sys/kernel/core_pattern", O_WRONLY), 0);
	denied("modprobe", open("/proc/sys/kernel/modprobe", O_WRONLY), 0);
	denied("sysrq", open("/proc/sysrq-trigger", O_WRONLY), 0);
	denied("max_user_namespaces", open("/proc/sys/user/max_user_namespaces", O_WRONLY), 0);
	denied("release_agent", open("/sys/fs/cgroup/memory/release_agent", O_WRONLY), ENOENT);
	denied("/sys", open("/sys", O_RDONLY), ENOENT);
	denied("mknod block", mknod("/work/disk", S_IFBLK | 0600, makedev(254, 0)), EPERM);
	denied("mknod char", mknod("/tmp/mem", S_IFCHR | 0600, makedev(1, 1)), EPERM);
	denied("nice", setpriority(PRIO_PROCESS, 0, -5), 0);
	denied("oom_score_adj", open("/proc/1/oom_score_adj", O_WRONLY), 0);
	struct rlimit more = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
	denied("more files", setrlimit(RLIMIT_NOFILE, &more), EPERM);
	denied("more processes", setrlimit(RLIMIT_NPROC, &more), EPERM);
}

/* Every process but us and init: another command of the same sandbox. */
static void neighbours(const char *arg)
{
	int seen = 0;
	(void)arg;
	DIR *d = opendir("/proc");
	for (struct dirent *it; d && (it = readdir(d));) {
		char path[300];
		int pid = atoi(it->d_name);
		if (pid <= 1 || pid == getpid())
			continue;
		seen++;
		denied("signal a neighbour", kill(pid, SIGKILL), EPERM);
		static const char *const parts[] = {"mem", "environ", "fd/1", "root", "cwd"};
		for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
			snprintf(path, sizeof(path), "/proc/%d/%s", pid, parts[i]);
			denied(path, open(path, O_RDONLY), 0);
		}
	}
	if (!seen) {
		printf("no neighbour to attack\n");
		bad = 1;
	}
	kill(-1, SIGKILL);
}

/* The bombs never come back: a limit or a time-out ends them. */
static void fork_bomb(const char *arg)
{
	(void)arg;
	signal(SIGTERM, SIG_IGN);
	for (;;)
		if (fork() == 0)
			setsid();
}

static void count_forks(const char *arg)
{
	int n = 0;
	(void)arg;
	while (n < 100000) {
		pid_t pid = fork();
		if (pid < 0)
			break;
		if (pid == 0) {
			pause();
			_exit(0);
		}
		n++;
	}
	printf("%d\n", n);
}

static void take_memory(const char *arg, int how)
{
	size_t n = (size_t)atol(arg) << 20, step = 1 << 20;
	for (size_t i = 0; i < n; i += step) {
		char *p = mmap(NULL, step, PROT_READ | PROT_WRITE, how | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			exit(3);
		memset(p, 1, step);
	}
	printf("took %zu MiB\n", n >> 20);
	bad = 1;
}

static void memory_bomb(const char *arg)
{
	take_memory(arg, MAP_PRIVATE);
}

/* One of several, all of which have theirs at once. */
static void held_bomb(const char *arg)
{
	take_memory(arg, MAP_PRIVATE);
	sleep(2);
}

/* What no limit of a process counts as its data. */
static void shared_bomb(const char *arg)
{
	take_memory(arg, MAP_SHARED);
}

/* Many files of a MiB in the working folder. */
static void disk_bomb(const char *arg)
{
	static char block[1 << 20];
	memset(block, 1, sizeof(block));
	for (int i = 0; i < atoi(arg); i++) {
		char name[32];
		snprintf(name, sizeof(name), "bomb%d", i);
		int fd = open(name, O_CREAT | O_WRONLY, 0600);
		if (fd < 0 || write(fd, block, sizeof(block)) != sizeof(block))
			exit(3);
		close(fd);
		usleep(2000);
	}
	bad = 1;
}

/* The same where folders are nested deeper than anybody would want to look. */
static void deep_bomb(const char *arg)
{
	for (int i = 0; i < 300; i++)
		if (mkdir("d", 0700) != 0 || chdir("d") != 0)
			exit(4);
	disk_bomb(arg);
}

/* And in a folder that its owner may change but not read. */
static void hidden_bomb(const char *arg)
{
	if (mkdir("hidden", 0300) != 0 || chdir("hidden") != 0)
		exit(4);
	disk_bomb(arg);
}

static void inode_bomb(const char *arg)
{
	for (int i = 0;; i++) {
		char name[64];
		snprintf(name, sizeof(name), "%s/i%d", arg, i);
		int fd = open(name, O_CREAT | O_WRONLY, 0600);
		if (fd < 0)
			exit(3);
		close(fd);
	}
}

static void big_file(const char *arg)
{
	static char block[1 << 20];
	int fd = open(arg, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	signal(SIGXFSZ, SIG_IGN);
	long n = 0;
	while (fd >= 0 && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
		n++;
	printf("%ld %s\n", n, strerror(errno));
}

/* No attack: answers one connection. */
static void serve(const char *arg)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(arg)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 1) != 0)
		exit(3);
	int c = accept(fd, NULL, NULL);
	if (c < 0 || write(c, "served", 6) != 6)
		exit(3);
	pause();
}

/* No attack: sends standard input to a port inside and prints what comes back until the end. */
static void talk(const char *arg)
{
	static char text[65536];
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(arg)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		exit(3);
	ssize_t n = read(0, text, sizeof(text));
	if (n > 0 && send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		exit(4);
	int quiet = strstr(text, "CONNECT") != NULL;
	while ((n = recv(fd, text, sizeof(text), 0)) > 0) {
		if (write(1, text, (size_t)n) != n)
			exit(4);
		if (quiet) /* the tunnel stands: that is all we wanted */
			break;
	}
}

/* No attacks: what is there and how. */
static void exists(const char *arg)
{
	bad = access(arg, R_OK) != 0;
}

static int can_write(const char *arg)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/muster-write", arg);
	int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
	return fd >= 0 && unlink(path) == 0;
}

static void writable(const char *arg)
{
	bad = !can_write(arg);
}

static void readonly(const char *arg)
{
	bad = can_write(arg) || errno != EROFS;
}

static const struct {
	const char *name;
	void (*run)(const char *arg);
} attacks[] = {
	{"network", network},
	{"files", files},
	{"processes", processes},
	{"descriptors", descriptors},
	{"terminal", terminal},
	{"calls", calls},
	{"foreign32", foreign32},
	{"foreign_x32", foreign_x32},
	{"kernel", kernel},
	{"neighbours", neighbours},
	{"fork_bomb", fork_bomb},
	{"count_forks", count_forks},
	{"memory_bomb", memory_bomb},
	{"held_bomb", held_bomb},
	{"shared_bomb", shared_bomb},
	{"disk_bomb", disk_bomb},
	{"deep_bomb", deep_bomb},
	{"hidden_bomb", hidden_bomb},
	{"inode_bomb", inode_bomb},
	{"big_file", big_file},
	{"serve", serve},
	{"talk", talk},
	{"exists", exists},
	{"writable", writable},
	{"readonly", readonly},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(attacks) / sizeof(*attacks); i++) {
		if (strcmp(attacks[i].name, argv[1]) != 0)
			continue;
		attacks[i].run(argc > 2 ? argv[2] : "");
		return bad;
	}
	fprintf(stderr, "attack: no such attack\n");
	return 2;
}
