#include "http/form.h"

#include <string.h>

#include "base/mem.h"
#include "http/connection.h"

/* Purpose: from the body to the reader, and from it to one spool after the other; the body waits for the one that is
 * open. It is over when the body is, and every spool has ended.
 *
 * Failure modes: the first error is kept; what still comes is dropped, and the spools are waited for. */

static void finish(struct form *f)
{
	if (f->ended && f->writing == 0)
		tick_start(&f->tick);
}

static void on_tick(struct tick *t)
{
	struct form *f = container_of(t, struct form, tick);
	f->request->user = NULL;
	f->on_done(f, f->why.code ? &f->why : NULL);
}

static void on_room(struct spool *s)
{
	struct form *f = container_of(s, struct form_part, content)->form;
	if (!f->open || s == &f->open->content) /* none is open: it was the end of this one that had no room */
		f->full = false;
	if (!f->full && !f->ended)
		request_resume(f->request);
}

static void on_end(struct spool *s, const struct err *why)
{
	struct form *f = container_of(s, struct form_part, content)->form;
	if (why && !f->why.code)
		f->why = *why;
	f->writing--;
	on_room(s); /* the body may have been waiting for its last bytes */
	finish(f);
}

static void end(struct form *f, const struct err *why)
{
	f->ended = true;
	if (why && !f->why.code)
		f->why = *why;
	if (f->open)
		spool_end(&f->open->content, &f->why);
	f->open = NULL;
	finish(f);
}

/* ---- the reader ---- */

static int on_part(void *ctx, const struct multipart_part *part, struct err *e)
{
	struct form *f = ctx;
	struct form_part *p = MEM_NEW(struct form_part);
	if (!p)
		return err_nomem(e);
	p->form = f;
	spool_init(&p->content, connection_of(f->request)->server->loop, f->dir, f->left);
	p->content.on_room = on_room;
	p->content.on_end = on_end;
	list_push(&f->parts, &p->link);
	f->writing++;
	f->open = p;
	f->full = false;
	p->name = mem_strdup(part->name);
	p->type = mem_strdup(part->type);
	p->filename = part->filename ? mem_strdup(part->filename) : NULL;
	return p->name && p->type && (!part->filename || p->filename) ? 0 : err_nomem(e);
}

static int on_bytes(void *ctx, struct span bytes, struct err *e)
{
	struct form *f = ctx;
	int got = spool_add(&f->open->content, bytes, e);
	f->left -= (int64_t)bytes.n;
	f->full = got > 0;
	return got < 0 ? -1 : 0;
}

static int on_part_end(void *ctx, struct err *e)
{
	struct form *f = ctx;
	(void)e;
	spool_end(&f->open->content, NULL);
	f->open = NULL;
	return 0; /* still full when it was: its end goes on */
}

static void on_body(struct server_request *r, struct span bytes, const struct err *why)
{
	struct form *f = r->user;
	struct err e = ERR_INIT;
	if (why) {
		end(f, why);
	} else if (bytes.n == 0) {
		end(f, multipart_end(&f->reader, &e) ? &e : NULL);
	} else if (multipart_feed(&f->reader, bytes, &e) != 0) {
		body_drop(connection_of(r));
		end(f, &e);
	} else if (f->full) {
		request_pause(r);
	}
}

/* ---- for the handler ---- */

void form_start(struct form *f, struct server_request *r, const char *dir, int64_t cap, int max_parts,
	void (*on_done)(struct form *f, const struct err *why))
{
	struct err e = ERR_INIT;
	*f = (struct form){.request = r, .on_done = on_done, .left = cap, .dir = dir};
	list_init(&f->parts);
	tick_init(&f->tick, connection_of(r)->server->loop, on_tick);
	r->user = f;
	int failed = multipart_init(&f->reader, request_header(r, "content-type"), max_parts, &e);
	f->reader.ctx = f;
	f->reader.on_part = on_part;
	f->reader.on_bytes = on_bytes;
	f->reader.on_part_end = on_part_end;
	if (failed)
		end(f, &e);
	else
		request_stream(r, on_body);
}

struct form_part *form_part(const struct form *f, const char *name)
{
	list_for (it, &f->parts) {
		struct form_part *p = list_entry(it, struct form_part, link);
		if (strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

void form_release(struct form *f)
{
	struct list *link;
	while ((link = list_shift(&f->parts))) {
		struct form_part *p = list_entry(link, struct form_part, link);
		spool_release(&p->content);
		mem_free(p->name);
		mem_free(p->filename);
		mem_free(p->type);
		mem_free(p);
	}
	multipart_release(&f->reader);
}
