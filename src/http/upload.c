#include "http/upload.h"

#include "http/connection.h"

/* Purpose: from the body to the spool, which pauses it. After an error what still comes is dropped. */

static void on_room(struct spool *s)
{
	struct upload *u = container_of(s, struct upload, content);
	request_resume(u->request);
}

static void on_end(struct spool *s, const struct err *why)
{
	struct upload *u = container_of(s, struct upload, content);
	u->request->user = NULL;
	u->on_done(u, why);
}

static void end(struct upload *u, const struct err *why)
{
	u->content.on_room = NULL;
	spool_end(&u->content, why);
}

static void on_body(struct server_request *r, struct span bytes, const struct err *why)
{
	struct upload *u = r->user;
	struct err e = ERR_INIT;
	if (bytes.n == 0) {
		end(u, why);
		return;
	}
	int got = spool_add(&u->content, bytes, &e);
	if (got < 0) {
		body_drop(connection_of(r));
		end(u, &e);
	} else if (got > 0) {
		request_pause(r);
	}
}

void upload_start(struct upload *u, struct server_request *r, const char *dir, int64_t cap,
	void (*on_done)(struct upload *u, const struct err *why))
{
	struct err e = ERR_INIT;
	spool_init(&u->content, connection_of(r)->server->loop, dir, cap);
	u->request = r;
	u->on_done = on_done;
	u->content.on_room = on_room;
	u->content.on_end = on_end;
	r->user = u;
	if (r->length > cap) { /* not even asked for */
		err_set(&e, ERR_TOO_LARGE, "the request's body may have at most %lld bytes", (long long)cap);
		end(u, &e);
	} else {
		request_stream(r, on_body);
	}
}
