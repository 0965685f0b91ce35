#include "sandbox/internal.h"

#include <unistd.h>

#include "base/caps.h"

/* A connection to a port inside, made by muster-init and handed out as a descriptor: previews of what runs in a
 * sandbox, without a port on the host. */

int sandbox_dial_start(struct sandbox_dial *d, struct sandbox *s, int port,
	void (*on_done)(struct sandbox_dial *d, int fd, const struct err *why), struct err *e)
{
	size_t n = 0;
	if (port < 1 || port > 65535)
		return err_set(e, ERR_INVALID, "%d is no port", port);
	list_for (it, &s->dials)
		n++;
	if (n >= CAP_SANDBOX_DIALS || s->freeing != KEEP)
		return err_set(e, ERR_OVERLOADED, "too many connections into this sandbox are being made");
	*d = (struct sandbox_dial){.sandbox = s, .port = port, .on_done = on_done, .ctx = d->ctx, .id = ++s->last_id};
	list_push(&s->dials, &d->link);
	sandbox_poke(s);
	return 0;
}

static void done(struct sandbox_dial *d, int fd, const struct err *why)
{
	list_remove(&d->link);
	d->sandbox = NULL;
	d->on_done(d, fd, why);
}

void dial_send(struct sandbox *s)
{
	struct err e = ERR_INIT;
	list_for (it, &s->dials) {
		struct sandbox_dial *d = list_entry(it, struct sandbox_dial, link);
		struct frame f = {.head = {.type = WIRE_DIAL, .id = d->id, .status = d->port}};
		if (d->state == SANDBOX_DIAL_SENT)
			continue;
		if (sandbox_send(s, &f, &e) != 0)
			return; /* full, and comes again; or gone, and dial_abort follows */
		d->state = SANDBOX_DIAL_SENT;
	}
}

void dial_answered(struct sandbox *s, struct frame *f)
{
	list_for (it, &s->dials) {
		struct sandbox_dial *d = list_entry(it, struct sandbox_dial, link);
		struct err why = ERR_INIT;
		if (d->id != f->head.id)
			continue;
		int fd = frame_take(f, 0);
		if (fd < 0)
			err_set(&why, ERR_NETWORK, "nothing listens on port %d in the sandbox", d->port);
		done(d, fd, &why);
		return;
	}
}

void dial_abort(struct sandbox *s, const struct err *why)
{
	struct list *it;
	while ((it = s->dials.next) != &s->dials)
		done(list_entry(it, struct sandbox_dial, link), -1, why);
}

void sandbox_dial_cancel(struct sandbox_dial *d)
{
	if (!d->sandbox)
		return;
	list_remove(&d->link);
	d->sandbox = NULL;
}
