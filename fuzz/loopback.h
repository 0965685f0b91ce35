/* loopback: a server in the same loop that answers any request with the same bytes, in pieces of one size, one turn of
 * the loop for each, and then ends the connection. One connection at a time. */
#ifndef MUSTER_FUZZ_LOOPBACK_H
#define MUSTER_FUZZ_LOOPBACK_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/stream.h"

struct loopback {
	struct listener listener;
	char url[64]; /* http://127.0.0.1:PORT; "" on a Unix socket */
	struct span bytes;
	size_t step;
	bool reset; /* end with a reset instead of a FIN */
	/* private */
	struct watch watch;
	size_t sent;
	bool open, asked;
};

static inline void loopback_hang_up(struct loopback *b)
{
	int fd = b->watch.fd;

	if (!b->open)
		return;
	b->open = false;
	watch_stop(&b->watch);
	close(fd);
}

static inline void loopback_end(struct loopback *b)
{
	struct linger now = {.l_onoff = 1};

	if (b->reset) {
		setsockopt(b->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
		loopback_hang_up(b);
	} else {
		shutdown(b->watch.fd, SHUT_WR);
		if (watch_change(&b->watch, WATCH_READ, NULL))
			loopback_hang_up(b);
	}
}

static inline void loopback_ready(struct watch *w, int revents)
{
	struct loopback *b = container_of(w, struct loopback, watch);
	char request[4096];

	if (revents & WATCH_READ || !revents) {
		ssize_t n = recv(w->fd, request, sizeof request, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			loopback_hang_up(b);
			return;
		}
		if (n > 0 && !b->asked) {
			b->asked = true;
			if (watch_change(w, WATCH_READ | WATCH_WRITE, NULL))
				loopback_hang_up(b);
			return;
		}
	}
	if (b->asked && revents & WATCH_WRITE) {
		size_t left = b->bytes.n - b->sent;
		ssize_t n =
			send(w->fd, b->bytes.p + b->sent, left < b->step ? left : b->step, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			b->sent += (size_t)n;
		if (b->sent == b->bytes.n || (n < 0 && errno != EAGAIN))
			loopback_end(b);
	}
}

static inline void loopback_accepted(struct listener *l, int fd)
{
	struct loopback *b = container_of(l, struct loopback, listener);

	loopback_hang_up(b);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* the pieces as they are */
	b->open = true;
	b->asked = false;
	b->sent = 0;
	if (watch_start(&b->watch, l->loop, fd, WATCH_READ, loopback_ready, NULL))
		abort();
}

/* path NULL: TCP. */
static inline void loopback_open(struct loopback *b, struct loop *l, const char *path)
{
	struct err e = ERR_INIT;

	*b = (struct loopback){0};
	if (path ? listener_unix(&b->listener, l, path, 0600, loopback_accepted, &e)
		 : listener_tcp(&b->listener, l, "127.0.0.1", 0, loopback_accepted, &e))
		BUG("%s", e.text);
	if (!path)
		snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d", b->listener.port);
}

/* Do the pieces matter to nobody? curl sees a zero byte in a header or not by where the pieces end. An answer may have
 * several heads, with 1xx before the one that counts; the last may lack its end. */
static inline bool loopback_alike(struct span bytes)
{
	size_t heads = 0, at;

	while ((at = span_find(bytes, span_of("\n\r\n"), heads)) != (size_t)-1)
		heads = at + 3;
	if (span_starts(span_n(bytes.p + heads, bytes.n - heads), "HTTP/"))
		heads = bytes.n;
	return !memchr(bytes.p, 0, heads ? heads : bytes.n);
}

static inline void loopback_answer(struct loopback *b, struct span bytes, size_t step, bool reset)
{
	b->bytes = bytes;
	b->step = step ? step : 1;
	b->reset = reset;
}

#endif
