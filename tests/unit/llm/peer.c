/* peer: each connection collects the request, then sends the answer in steps driven by a timer. A connection for which
 * memory is short (armed faults) is hung up, as any server would. */
#include "peer.h"

#include "unit.h"

#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"

#define QUEUE (1 * MIB)

struct connection {
	struct peer *peer;
	struct stream stream;
	struct timer timer;
	struct buf in;
	bool answered, closing;
	size_t sent, times; /* of the body */
};

static void hang_up(struct connection *c)
{
	if (c->closing)
		return;
	c->closing = true;
	timer_stop(&c->timer);
	stream_close(&c->stream);
}

static void on_closed(struct stream *s)
{
	struct connection *c = container_of(s, struct connection, stream);

	if (c->peer->open == c)
		c->peer->open = NULL;
	buf_release(&c->in);
	mem_free(c);
}

/* What was sent by send() is gone already; what a stream still holds would be lost. */
static void reset(struct connection *c)
{
	struct peer *p = c->peer;
	struct linger now = {.l_onoff = 1};
	size_t n = p->cut < p->body.n ? p->cut : p->body.n;

	send(c->stream.fd, p->head, strlen(p->head), MSG_NOSIGNAL);
	send(c->stream.fd, "\r\n\r\n", 4, MSG_NOSIGNAL);
	send(c->stream.fd, p->body.p, n, MSG_NOSIGNAL);
	setsockopt(c->stream.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	hang_up(c);
}

static size_t limit(const struct peer *p)
{
	return p->cut < p->body.n ? p->cut : p->body.n;
}

static void on_drain(struct stream *s, const struct err *why);

/* Send what may be sent now; returns when the queue is full or a pause is due. */
static void step(struct connection *c)
{
	struct peer *p = c->peer;
	size_t end = limit(p), times = p->times ? p->times : 1;

	while (c->times < times) {
		size_t n = end - c->sent;
		bool pause = false;
		if (p->drip_ms && n) {
			n = 1;
			pause = true;
		} else if (p->split < end && c->sent < p->split) {
			n = p->split - c->sent;
			pause = true;
		}
		if (n > QUEUE / 4)
			n = QUEUE / 4;
		if (stream_queued(&c->stream) >= QUEUE / 2)
			return; /* on_drain goes on */
		if (n && stream_write(&c->stream, span_n(p->body.p + c->sent, n), NULL)) {
			hang_up(c);
			return;
		}
		c->sent += n;
		if (c->sent == end) {
			c->times++;
			c->sent = c->times < times ? 0 : end;
		}
		if (pause && c->times < times) {
			if (timer_start(&c->timer, p->drip_ms, NULL))
				hang_up(c);
			return;
		}
	}
	if (!p->hang)
		stream_finish(&c->stream);
}

static void on_timer(struct timer *t)
{
	step(container_of(t, struct connection, timer));
}

static void on_drain(struct stream *s, const struct err *why)
{
	struct connection *c = container_of(s, struct connection, stream);

	if (why)
		hang_up(c);
	else if (!c->timer.at)
		step(c);
}

static bool whole_request(const struct buf *in)
{
	const char *end = in->data ? strstr(in->data, "\r\n\r\n") : NULL;
	const char *length = in->data ? strcasestr(in->data, "content-length:") : NULL;

	if (!end)
		return false;
	return in->len - (size_t)(end + 4 - in->data) >= (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
}

static void on_read(struct stream *s, struct span bytes, const struct err *why)
{
	struct connection *c = container_of(s, struct connection, stream);
	struct peer *p = c->peer;

	(void)why;
	if (!bytes.n) {
		hang_up(c);
		return;
	}
	buf_addspan(&c->in, bytes);
	if (c->in.failed) {
		hang_up(c);
		return;
	}
	if (strcasestr(c->in.data, "expect: 100-continue") && !whole_request(&c->in) && strstr(c->in.data, "\r\n\r\n"))
		stream_write(s, span_of("HTTP/1.1 100 Continue\r\n\r\n"), NULL);
	if (c->answered || !whole_request(&c->in))
		return;
	c->answered = true;
	buf_clear(&p->request);
	buf_addspan(&p->request, buf_span(&c->in));
	p->said = true;
	if (p->silent)
		return;
	if (p->reset) {
		reset(c);
		return;
	}
	stream_write(s, span_of(p->head), NULL);
	stream_write(s, span_of("\r\n\r\n"), NULL);
	step(c);
}

static void on_connection(struct listener *l, int fd)
{
	struct peer *p = container_of(l, struct peer, listener);
	struct connection *c = MEM_NEW(struct connection);

	p->connections++;
	if (!c) {
		close(fd);
		return;
	}
	c->peer = p;
	buf_init(&c->in, 128 * MIB);
	timer_init(&c->timer, p->loop, on_timer);
	c->stream.on_read = on_read;
	c->stream.on_drain = on_drain;
	c->stream.on_closed = on_closed;
	if (stream_open(&c->stream, p->loop, fd, QUEUE, NULL)) {
		close(fd);
		mem_free(c);
		return;
	}
	p->open = c;
	if (stream_read_start(&c->stream, NULL))
		hang_up(c);
}

void peer_open(struct peer *p, struct loop *l)
{
	struct err e = ERR_INIT;

	*p = (struct peer){.loop = l, .cut = SIZE_MAX, .split = SIZE_MAX};
	buf_init(&p->request, 128 * MIB);
	must(listener_tcp(&p->listener, l, "127.0.0.1", 0, on_connection, &e), &e);
	snprintf(p->url, sizeof p->url, "http://127.0.0.1:%d", p->listener.port);
}

void peer_answer(struct peer *p, const char *head, struct span body)
{
	p->head = head;
	p->body = body;
	p->times = 1;
	p->cut = p->split = SIZE_MAX;
	p->drip_ms = 0;
	p->hang = p->silent = p->reset = p->said = false;
}

size_t peer_unread(const struct peer *p)
{
	int n = 0;

	if (!p->open || p->open->closing || ioctl(p->open->stream.fd, SIOCOUTQ, &n))
		return 0;
	return stream_queued(&p->open->stream) + (size_t)n;
}

void peer_close(struct peer *p)
{
	if (p->open)
		hang_up(p->open);
	listener_close(&p->listener);
	buf_release(&p->request);
}
