#include "loop/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"

/* Purpose: our own reads and writes on a watched descriptor. What is written in one turn of the loop goes out in one
 * write by a tick; when the descriptor takes no more, the watch also waits for writability.
 *
 * Both directions have their own state:
 *   input:  IN_OPEN ─end or error─▶ IN_ENDED
 *   output: OUT_OPEN ─finish─▶ OUT_FINISHING ─all sent─▶ OUT_SHUT;  any ─write failed─▶ OUT_BROKEN
 * Callbacks may close the stream; the struct lives until on_closed, so fd < 0 is checked after each. */

enum { IN_OPEN, IN_ENDED };
enum { OUT_OPEN, OUT_FINISHING, OUT_SHUT, OUT_BROKEN };

#define READ_SIZE (64 * KIB)

static void ask(struct stream *s, int asked)
{
	struct err e = ERR_INIT;
	if (asked == s->asked)
		return;
	s->asked = asked;
	/* The watch has its place in the loop's tables since stream_open: a change cannot fail. */
	if (watch_change(&s->watch, asked, &e) != 0)
		BUG("%s", e.text);
}

static void read_some(struct stream *s)
{
	char bytes[READ_SIZE];
	struct err why = ERR_INIT;
	ssize_t n;
	do
		n = fault_hit(FAULT_NET) ? (errno = ECONNRESET, -1) : read(s->fd, bytes, sizeof(bytes));
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		s->on_read(s, span_n(bytes, (size_t)n), NULL);
		return;
	}
	if (n < 0 && errno == EAGAIN)
		return;
	s->input = IN_ENDED;
	ask(s, s->asked & ~WATCH_READ);
	/* A terminal whose other side is gone reads EIO: that is its end of input. */
	bool failed = n < 0 && errno != EIO;
	if (failed)
		err_set(&why, ERR_IO, "cannot read from the peer: %s", strerror(errno));
	s->on_read(s, SPAN_NONE, failed ? &why : NULL);
}

/* An idle stream holds no buffer: there may be thousands. */
static void out_clear(struct stream *s)
{
	buf_release(&s->out);
	s->out_sent = 0;
}

static void shut(struct stream *s)
{
	s->output = OUT_SHUT;
	if (shutdown(s->fd, SHUT_WR) == 0 || errno != ENOTSOCK)
		return;
	if ((fcntl(s->fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
		watch_stop(&s->watch);
		close(s->fd);
		s->fd = -1;
		s->asked = 0;
	}
}

static void broken(struct stream *s, int errnum)
{
	struct err why = ERR_INIT;
	err_set(&why, ERR_IO, "cannot write to the peer: %s", strerror(errnum));
	s->output = OUT_BROKEN;
	s->pressed = false;
	out_clear(s);
	ask(s, s->asked & ~WATCH_WRITE);
	if (s->on_drain)
		s->on_drain(s, &why);
}

static void flush(struct stream *s)
{
	while (stream_queued(s) > 0) {
		ssize_t n = fault_hit(FAULT_NET) ? (errno = EPIPE, -1)
						 : write(s->fd, s->out.data + s->out_sent, stream_queued(s));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			broken(s, errno);
			return;
		}
		s->out_sent += (size_t)n;
		s->sent += (uint64_t)n;
	}
	ask(s, stream_queued(s) ? s->asked | WATCH_WRITE : s->asked & ~WATCH_WRITE);
	if (stream_queued(s) == 0) {
		out_clear(s);
		if (s->output == OUT_FINISHING)
			shut(s);
	}
	if (s->pressed && stream_queued(s) < s->cap / 2) {
		s->pressed = false;
		if (s->on_drain && s->output == OUT_OPEN)
			s->on_drain(s, NULL);
	}
}

static void on_ready(struct watch *w, int revents)
{
	struct stream *s = container_of(w, struct stream, watch);
	if (revents == 0) /* cannot be watched any more: the calls say why */
		revents = s->asked;
	if (revents & WATCH_WRITE)
		flush(s);
	if (revents & WATCH_READ && s->asked & WATCH_READ && s->fd >= 0)
		read_some(s);
}

static void on_flush(struct tick *t)
{
	struct stream *s = container_of(t, struct stream, flush);
	if (s->fd >= 0 && !(s->asked & WATCH_WRITE))
		flush(s);
}

static void on_closing(struct tick *t)
{
	struct stream *s = container_of(t, struct stream, closing);
	if (s->on_closed)
		s->on_closed(s);
}

int stream_open(struct stream *s, struct loop *l, int fd, size_t write_cap, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return err_errno(e, errno, "cannot use descriptor %d as a stream", fd);
	s->loop = l;
	s->fd = fd;
	s->cap = write_cap;
	s->out_sent = 0;
	s->sent = 0;
	s->asked = 0;
	s->input = IN_OPEN;
	s->output = OUT_OPEN;
	s->pressed = false;
	buf_init(&s->out, write_cap);
	tick_init(&s->flush, l, on_flush);
	tick_init(&s->closing, l, on_closing);
	return watch_start(&s->watch, l, fd, 0, on_ready, e);
}

int stream_read_start(struct stream *s, struct err *e)
{
	if (s->fd < 0)
		return err_set(e, ERR_IO, "the stream is closed");
	if (s->input == IN_OPEN)
		ask(s, s->asked | WATCH_READ);
	return 0;
}

void stream_read_stop(struct stream *s)
{
	if (s->fd >= 0)
		ask(s, s->asked & ~WATCH_READ);
}

size_t stream_queued(const struct stream *s)
{
	return s->out.len - s->out_sent;
}

uint64_t stream_sent(const struct stream *s)
{
	return s->sent;
}

int stream_reserve(struct stream *s, size_t n, struct err *e)
{
	size_t queued = stream_queued(s);
	if (s->output == OUT_BROKEN)
		return err_set(e, ERR_IO, "the peer is gone");
	if (s->fd < 0 || s->output != OUT_OPEN)
		return err_set(e, ERR_IO, "nothing can be written after the end");
	if (queued > s->cap || n > s->cap - queued) {
		s->pressed = true;
		return err_set(e, ERR_TOO_LARGE, "the peer reads too slowly: %zu bytes wait, %zu more are too many",
			queued, n);
	}
	if (s->out_sent > 0 && (n > s->out.room - s->out.len || n > s->out.cap - s->out.len)) {
		buf_drop(&s->out, s->out_sent); /* rather move than grow */
		s->out_sent = 0;
	}
	if (!buf_grow(&s->out, n)) {
		s->out.failed = BUF_FINE; /* what was queued before is whole and still goes out */
		return err_nomem(e);
	}
	return 0;
}

int stream_writev(struct stream *s, const struct span *pieces, size_t n, struct err *e)
{
	size_t total = 0;
	for (size_t i = 0; i < n; i++)
		total += pieces[i].n;
	if (stream_reserve(s, total, e) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		buf_addspan(&s->out, pieces[i]);
	if (stream_queued(s) >= s->cap / 2)
		s->pressed = true;
	tick_start(&s->flush);
	return 0;
}

int stream_write(struct stream *s, struct span bytes, struct err *e)
{
	return stream_writev(s, &bytes, 1, e);
}

void stream_set_cap(struct stream *s, size_t write_cap)
{
	s->cap = write_cap;
	s->out.cap = write_cap > s->out.len ? write_cap : s->out.len;
	if (stream_queued(s) >= s->cap / 2)
		s->pressed = true;
}

void stream_finish(struct stream *s)
{
	if (s->fd < 0 || s->output != OUT_OPEN)
		return;
	s->output = OUT_FINISHING;
	tick_start(&s->flush);
}

void stream_close(struct stream *s)
{
	if (!list_empty(&s->closing.link))
		return;
	tick_stop(&s->flush);
	watch_stop(&s->watch);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->asked = 0;
	buf_release(&s->out);
	s->out_sent = 0;
	tick_start(&s->closing);
}
