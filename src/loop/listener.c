#include "loop/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"

/* Purpose: sockets that listen (Unix, TCP), and those that connect to a Unix path.
 *
 * A Unix socket's path may be longer than the 107 bytes of an address: it is then reached through a descriptor of its
 * folder, /proc/self/fd/N/name.
 *
 * Failure modes: out of descriptors, accept fails although connections wait; the listener then rests for a moment
 * instead of spinning, and the connections stay in the kernel's queue. */

#define BACKLOG 511

int socket_short_path(const char *path, char out[SOCKET_PATH], int *folder, struct err *e)
{
	*folder = -1;
	size_t n = strlen(path);
	if (n < SOCKET_PATH) {
		memcpy(out, path, n + 1);
		return 0;
	}
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
	if (!dir)
		return err_nomem(e);
	*folder = fs_open(*dir ? dir : "/", O_PATH | O_DIRECTORY, 0, e);
	if (*folder < 0)
		return -1;
	int len = snprintf(out, SOCKET_PATH, "/proc/self/fd/%d/%s", *folder, slash ? slash + 1 : path);
	if (len > 0 && len < SOCKET_PATH)
		return 0;
	close(*folder);
	*folder = -1;
	return err_set(e, ERR_INVALID, "the socket's name is too long: %s", path);
}

static int unix_address(const char *path, struct sockaddr_un *a, int *folder, struct err *e)
{
	_Static_assert(sizeof(a->sun_path) == SOCKET_PATH, "unix(7)");
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	return socket_short_path(path, a->sun_path, folder, e);
}

/* A connected descriptor, or -1 with errno. */
static int unix_connect(const struct sockaddr_un *a)
{
	if (fault_hit(FAULT_NET)) {
		errno = ENOBUFS;
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int rc;
	do
		rc = connect(fd, (const struct sockaddr *)a, sizeof(*a));
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return fd;
	int kept = errno;
	close(fd);
	errno = kept;
	return -1;
}

static void on_rest_over(struct timer *t)
{
	struct listener *l = container_of(t, struct listener, rest);
	struct err e = ERR_INIT;
	if (watch_change(&l->watch, WATCH_READ, &e) != 0)
		BUG("%s", e.text); /* watched before: cannot fail */
}

static void on_waiting(struct watch *w, int revents)
{
	struct listener *l = container_of(w, struct listener, watch);
	(void)revents;
	for (int i = 0; i < CAP_ACCEPT_BURST && l->fd >= 0; i++) {
		int fd = fault_hit(FAULT_NET) ? (errno = EMFILE, -1)
					      : accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			if (!l->path)
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
			l->cb(l, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			struct err e = ERR_INIT;
			if (timer_start(&l->rest, TIME_ACCEPT_REST, &e) == 0 && watch_change(w, 0, &e) != 0)
				BUG("%s", e.text);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

/* Takes over fd, also on failure. */
static int listen_on(struct listener *l, struct loop *loop, int fd, struct err *e)
{
	l->fd = fd;
	l->loop = loop;
	timer_init(&l->rest, loop, on_rest_over);
	if (listen(fd, BACKLOG) != 0) {
		err_errno(e, errno, "cannot listen");
		close(fd);
		return -1;
	}
	if (watch_start(&l->watch, loop, fd, WATCH_READ, on_waiting, e) != 0) {
		close(fd);
		return -1;
	}
	return 0;
}

/* Remove a socket file that nobody serves any more. */
static int remove_stale(const char *path, const struct sockaddr_un *a, struct err *e)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : err_errno(e, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_EXISTS, "%s exists and is no socket; remove it", path);
	int fd = unix_connect(a);
	if (fd >= 0) {
		close(fd);
		return err_set(e, ERR_EXISTS, "another process already serves %s", path);
	}
	if (errno != ECONNREFUSED)
		return err_errno(e, errno, "cannot tell whether %s is served", path);
	return fs_unlink(path, e);
}

int listener_unix(struct listener *l, struct loop *loop, const char *path, mode_t mode,
	void (*cb)(struct listener *l, int fd), struct err *e)
{
	*l = (struct listener){.cb = cb, .fd = -1};
	struct sockaddr_un a;
	cleanup_fd int folder = -1;
	if (unix_address(path, &a, &folder, e) != 0 || remove_stale(path, &a, e) != 0)
		return -1;
	cleanup_free char *copy = mem_strdup(path);
	if (!copy)
		return err_nomem(e);
	int fd = fault_hit(FAULT_NET) ? (errno = EMFILE, -1)
				      : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, errno, "cannot make a socket for %s", path);
	/* The mode of the descriptor becomes the file's (less the umask): never wider than asked, not for a moment. */
	if (fchmod(fd, mode) != 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || chmod(path, mode) != 0) {
		err_errno(e, errno, "cannot serve %s", path);
		close(fd);
		return -1;
	}
	l->path = copy;
	if (listen_on(l, loop, fd, e) != 0) {
		l->path = NULL;
		l->fd = -1;
		unlink(path);
		return -1;
	}
	(void)steal(&copy);
	return 0;
}

int listener_tcp(struct listener *l, struct loop *loop, const char *address, int port,
	void (*cb)(struct listener *l, int fd), struct err *e)
{
	*l = (struct listener){.cb = cb, .fd = -1};
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = {.any = {0}};
	socklen_t size;
	if (port < 0 || port > 65535)
		return err_set(e, ERR_INVALID, "%d is no port number", port);
	if (inet_pton(AF_INET, address, &a.v4.sin_addr) == 1) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons((uint16_t)port);
		size = sizeof(a.v4);
	} else if (inet_pton(AF_INET6, address, &a.v6.sin6_addr) == 1) {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons((uint16_t)port);
		size = sizeof(a.v6);
	} else {
		return err_set(e, ERR_INVALID, "%s is no numeric IPv4 or IPv6 address to listen on", address);
	}
	int fd = fault_hit(FAULT_NET) ? (errno = EMFILE, -1)
				      : socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, errno, "cannot make a socket for %s port %d", address, port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(fd, &a.any, size) != 0 || getsockname(fd, &a.any, &size) != 0) {
		err_errno(e, errno, "cannot listen on %s port %d", address, port);
		close(fd);
		return -1;
	}
	l->port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	if (listen_on(l, loop, fd, e) != 0) {
		l->fd = -1;
		return err_wrap(e, "%s port %d", address, port);
	}
	return 0;
}

int listener_take(struct listener *l, struct loop *loop, int fd, void (*cb)(struct listener *l, int fd), struct err *e)
{
	*l = (struct listener){.cb = cb};
	if (listen_on(l, loop, fd, e) != 0) {
		l->fd = -1;
		return -1;
	}
	return 0;
}

void listener_close(struct listener *l)
{
	if (l->fd < 0)
		return;
	timer_stop(&l->rest);
	watch_stop(&l->watch);
	if (l->path)
		unlink(l->path);
	close(l->fd);
	l->fd = -1;
	mem_free(l->path);
	l->path = NULL;
}

int socket_peer(int fd, uid_t *uid, pid_t *pid, struct err *e)
{
	struct ucred c;
	socklen_t size = sizeof(c);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &size) != 0)
		return err_errno(e, errno, "cannot tell who is connected");
	*uid = c.uid;
	*pid = c.pid;
	return 0;
}

int socket_connect_unix(const char *path, struct err *e)
{
	struct sockaddr_un a;
	cleanup_fd int folder = -1;
	if (unix_address(path, &a, &folder, e) != 0)
		return -1;
	int fd = unix_connect(&a);
	return fd >= 0 ? fd : err_errno(e, errno, "cannot connect to %s", path);
}
