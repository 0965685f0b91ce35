#include "loop/private.h"

#include <string.h>

#include "base/fault.h"
#include "base/mem.h"

/* Purpose: readiness of descriptors over uv_poll, and signals over uv_signal. The libuv handle lives on the heap and is
 * freed in its close callback, so that the owner's struct and descriptor are free at once after a stop.
 *
 * Failure modes: uv_poll stops itself and reports EBADF when a descriptor has an error or hung up (epoll's EPOLLERR).
 * The watch then reports every event it was asked for and goes on: the owner's next read or write gets the real error.
 */

struct watch_handle {
	uv_poll_t poll;
	struct watch *watch;
	int events;
};

static void on_free(uv_handle_t *h)
{
	mem_free(h->data);
}

static int to_uv(int events)
{
	return (events & WATCH_READ ? UV_READABLE : 0) | (events & WATCH_WRITE ? UV_WRITABLE : 0) |
	       (events & WATCH_HANGUP ? UV_DISCONNECT : 0);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static int poll_events(struct watch_handle *h, int events)
{
	h->events = events;
	return events ? uv_poll_start(&h->poll, to_uv(events), on_poll) : uv_poll_stop(&h->poll);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch_handle *h = poll->data;
	struct watch *w = h->watch;
	int revents = (events & UV_READABLE ? WATCH_READ : 0) | (events & UV_WRITABLE ? WATCH_WRITE : 0) |
		      (events & UV_DISCONNECT ? WATCH_HANGUP : 0);
	if (status < 0)
		revents = poll_events(h, h->events) == 0 ? h->events : 0;
	w->cb(w, revents);
}

/* libuv keeps a table indexed by descriptor and aborts the process when it cannot grow: grow it here, where that is an
 * error. The layout (two more slots at the end, kept) is uv_loop_t's public one since 1.0. */
static int table_reserve(uv_loop_t *uv, int fd, struct err *e)
{
	size_t need = (size_t)fd + 1, count = 64;
	if (need <= uv->nwatchers)
		return 0;
	while (count < need + 2)
		count *= 2;
	void **table = mem_calloc(count, sizeof(void *));
	if (!table)
		return err_nomem(e);
	if (uv->watchers) {
		memcpy(table, uv->watchers, uv->nwatchers * sizeof(void *));
		memcpy(table + count - 2, uv->watchers + uv->nwatchers, 2 * sizeof(void *));
	}
	mem_free(uv->watchers);
	uv->watchers = (void *)table;
	uv->nwatchers = (unsigned)(count - 2);
	return 0;
}

int watch_start(
	struct watch *w, struct loop *l, int fd, int events, void (*cb)(struct watch *w, int revents), struct err *e)
{
	w->handle = NULL;
	if (l->sim)
		return sim_refuse("a watch", e);
	if (table_reserve(&l->uv, fd, e) != 0)
		return -1;
	struct watch_handle *h = MEM_NEW(struct watch_handle);
	if (!h)
		return err_nomem(e);
	int rc = fault_hit(FAULT_IO) ? UV_EMFILE : uv_poll_init(&l->uv, &h->poll, fd);
	if (rc != 0) {
		mem_free(h);
		return err_errno(e, -rc, "cannot watch descriptor %d", fd);
	}
	w->loop = l;
	w->fd = fd;
	w->cb = cb;
	w->handle = h;
	h->watch = w;
	h->poll.data = h;
	l->watches++;
	rc = poll_events(h, events);
	if (rc != 0) {
		watch_stop(w);
		return err_errno(e, -rc, "cannot watch descriptor %d", fd);
	}
	return 0;
}

int watch_change(struct watch *w, int events, struct err *e)
{
	BUG_ON(!w->handle);
	int rc = poll_events(w->handle, events);
	return rc == 0 ? 0 : err_errno(e, -rc, "cannot watch descriptor %d", w->fd);
}

void watch_stop(struct watch *w)
{
	struct watch_handle *h = w->handle;
	if (!h)
		return;
	w->handle = NULL;
	w->loop->watches--;
	uv_poll_stop(&h->poll);
	uv_close((uv_handle_t *)&h->poll, on_free);
}

struct sign_handle {
	uv_signal_t signal;
	struct sign *sign;
};

static void on_signal(uv_signal_t *signal, int signum)
{
	struct sign_handle *h = signal->data;
	h->sign->cb(h->sign, signum);
}

int sign_start(struct sign *s, struct loop *l, int signum, void (*cb)(struct sign *s, int signum), struct err *e)
{
	s->handle = NULL;
	if (l->sim)
		return sim_refuse("a signal", e);
	struct sign_handle *h = MEM_NEW(struct sign_handle);
	if (!h)
		return err_nomem(e);
	int rc = uv_signal_init(&l->uv, &h->signal);
	if (rc != 0) {
		mem_free(h);
		return err_errno(e, -rc, "cannot watch signal %d", signum);
	}
	h->signal.data = h;
	h->sign = s;
	rc = uv_signal_start(&h->signal, on_signal, signum);
	if (rc != 0) {
		uv_close((uv_handle_t *)&h->signal, on_free);
		return err_errno(e, -rc, "cannot watch signal %d", signum);
	}
	uv_unref((uv_handle_t *)&h->signal);
	s->loop = l;
	s->cb = cb;
	s->handle = h;
	l->signs++;
	return 0;
}

void sign_stop(struct sign *s)
{
	struct sign_handle *h = s->handle;
	if (!h)
		return;
	s->handle = NULL;
	s->loop->signs--;
	uv_close((uv_handle_t *)&h->signal, on_free);
}
