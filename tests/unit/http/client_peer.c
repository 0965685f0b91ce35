/* client_peer: a thread that reads whole requests and writes what the script says. */
#include "client_peer.h"

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct client_peer peer;

/* Reads one request (by Content-Length); false at the end of the connection. */
static bool peer_read(int fd)
{
	size_t n = 0, need = 0;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		while (poll(&p, 1, 20) == 0)
			if (peer.quit)
				return false;
		ssize_t got = read(fd, peer.seen + n, sizeof(peer.seen) - 1 - n);
		if (got <= 0)
			return false;
		n += (size_t)got;
		peer.seen[n] = 0;
		char *end = strstr(peer.seen, "\r\n\r\n");
		if (!end)
			continue;
		char *length = strcasestr(peer.seen, "content-length: ");
		need = (size_t)(end + 4 - peer.seen) + (length ? strtoul(length + 16, NULL, 10) : 0);
		if (n >= need) {
			peer.seen_len = n;
			return true;
		}
	}
}

static bool peer_write(int fd, const char *p, size_t n)
{
	while (n > 0) {
		struct pollfd w = {.fd = fd, .events = POLLOUT};
		while (poll(&w, 1, 20) == 0)
			if (peer.quit)
				return false;
		ssize_t got = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
		peer.sent += (size_t)got;
	}
	return true;
}

static void peer_serve(int fd)
{
	while (peer_read(fd)) {
		peer.requests++;
		peer.sending = true;
		size_t n = peer.answer.n < peer.cut ? peer.answer.n : peer.cut;
		size_t first = peer.pause_after_ms && peer.pause_at < n ? peer.pause_at : n;
		if (!peer_write(fd, peer.answer.p, first))
			return;
		for (int ms = 0; first < n && ms < peer.pause_after_ms && !peer.quit; ms += 5)
			usleep(5000);
		if (!peer_write(fd, peer.answer.p + first, n - first))
			return;
		if (peer.cut <= peer.answer.n || peer.close_kept)
			return;
		peer.sending = false;
	}
}

static void *peer_main(void *arg)
{
	(void)arg;
	while (!peer.quit) {
		struct pollfd p = {.fd = peer.fd, .events = POLLIN};
		if (poll(&p, 1, 20) == 0)
			continue;
		int fd = accept(peer.fd, NULL, NULL);
		if (fd < 0)
			continue;
		peer.connections++;
		peer_serve(fd);
		peer.sending = false;
		close(fd);
	}
	return NULL;
}

void peer_start(int fd)
{
	peer.fd = fd;
	assert_int_equal(listen(fd, 16), 0);
	peer.quit = false;
	peer.connections = peer.requests = 0;
	peer.cut = SIZE_MAX;
	peer.pause_after_ms = 0;
	peer.close_kept = false;
	peer.sent = 0;
	assert_int_equal(pthread_create(&peer.thread, NULL, peer_main, NULL), 0);
}

void peer_listen(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
	peer.port = ntohs(a.sin_port);
	peer_start(fd);
}

void peer_wait(void)
{
	while (peer.sending)
		usleep(1000);
}

void peer_stop(void)
{
	peer.quit = true;
	pthread_join(peer.thread, NULL);
	close(peer.fd);
}
