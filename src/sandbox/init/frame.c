#include "sandbox/init/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* A frame is one message of a SOCK_SEQPACKET socket, so it is whole or not there: nothing is ever half read. */

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * WIRE_FDS)];
};

int frame_send(int channel, const struct frame *f, int flags)
{
	struct iovec iov[2] = {
		{.iov_base = (void *)(uintptr_t)&f->head, .iov_len = sizeof(f->head)},
		{.iov_base = (void *)(uintptr_t)f->payload, .iov_len = f->head.size},
	};
	union control control;
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = f->head.size ? 2 : 1};
	if (f->fd_count > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.room;
		msg.msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * f->fd_count); /* musl's type */
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * f->fd_count);
		memcpy(CMSG_DATA(c), f->fds, sizeof(int) * f->fd_count);
	}
	ssize_t n;
	do
		n = sendmsg(channel, &msg, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? errno : 0;
}

int frame_recv(int channel, struct frame *f, char *room, size_t room_size, int flags)
{
	struct iovec iov = {.iov_base = room, .iov_len = room_size};
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control)};
	ssize_t n;
	do
		n = recvmsg(channel, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	f->fd_count = 0;
	if (n < 0)
		return errno;
	if (n == 0)
		return ECONNRESET;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		f->fd_count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(f->fds, CMSG_DATA(c), sizeof(int) * f->fd_count);
	}
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)n < sizeof(f->head)) {
		frame_close(f);
		return EBADMSG;
	}
	memcpy(&f->head, room, sizeof(f->head));
	f->payload = room + sizeof(f->head);
	if (f->head.size != (size_t)n - sizeof(f->head)) {
		frame_close(f);
		return EBADMSG;
	}
	return 0;
}

void frame_close(struct frame *f)
{
	for (unsigned i = 0; i < f->fd_count; i++)
		if (f->fds[i] >= 0)
			close(f->fds[i]);
	f->fd_count = 0;
}

int frame_take(struct frame *f, unsigned i)
{
	if (i >= f->fd_count)
		return -1;
	int fd = f->fds[i];
	f->fds[i] = -1;
	return fd;
}

const char *frame_string(const char **at, const char *end)
{
	const char *s = *at;
	const char *nul = s < end ? memchr(s, 0, (size_t)(end - s)) : NULL;
	if (!nul)
		return NULL;
	*at = nul + 1;
	return s;
}
