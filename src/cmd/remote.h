/* remote: asking a muster over HTTP: a server that --url or MUSTER_URL names, or the owner of a data folder over its
 * socket. The requests are the same ones.
 *
 * A server is shown MUSTER_KEY or, without it, the key that `muster auth login` kept. MUSTER_CA names the certificate
 * authorities to trust instead of the system's. */
#ifndef MUSTER_CMD_REMOTE_H
#define MUSTER_CMD_REMOTE_H

#include "cmd/app.h"
#include "http/client.h"

struct remote {
	struct loop *loop;
	struct http *http;
	char *url;     /* what paths stand behind; "http://muster" over the socket */
	char *sock;    /* NULL: a server */
	char *name;    /* whom one speaks to, for messages */
	char *bearer;  /* "Bearer …", or NULL */
	bool own_loop; /* made with this remote, and freed with it */
};

/* The server that is named, or NULL: --url, else, where --data is not given, MUSTER_URL. */
const char *remote_named(const struct args *args);
/* ERR_USAGE when one is named: `what` is done in a data folder only. */
int remote_refuse(const struct args *args, const char *what, struct err *e);
/* Does somebody serve the socket? */
bool remote_there(const struct app *a);
/* The folder's owner, on the loop of the app, which outlives the remote, or, where it has none, on a new one. */
struct remote *remote_owner(const struct app *a, struct err *e);
/* Who is asked instead of doing it here: the server that is named, or who serves the data folder; NULL: nobody does, or
 * does not answer (a stopped process), so that to open the folder says who owns it. */
int remote_find(const struct args *args, struct remote **out, struct err *e);
/* The server with this URL. bearer NULL: MUSTER_KEY, else the key that was kept, else none; "": none. */
struct remote *remote_server(const char *url, const char *bearer, struct err *e);
/* The URL as servers are told apart: without slashes at its end. ERR_USAGE when it is none. mem_free it. */
char *remote_url(const char *url, struct err *e);
/* The folder's owner refused, since it works on runs of its own only: the error is cleared, for to open the folder
 * names that owner better. */
bool remote_busy(const struct remote *r, struct err *e);
/* Turns the loop until what is under way has ended, so cancel that first. NULL is legal. */
void remote_close(struct remote *r);
static inline void remote_cleanup(struct remote **r)
{
	remote_close(*r);
}
#define cleanup_remote __attribute__((cleanup(remote_cleanup)))

/* One request. */
struct remote_call {
	/* Every line of the reply as it comes, which is then not kept; NULL: it is one JSON value. */
	void (*line)(struct remote_call *c, struct span line);
	/* Once, at the end: the reply (NULL: no content, or lines), or the error that the other side gave. */
	void (*over)(struct remote_call *c, json_t *reply, const struct err *why);
	struct buf *text_to; /* the reply is any text, and is appended here; NULL: JSON */
	int total_ms;	     /* for all of it; 0: two minutes, without end for lines */
	/* private */
	struct remote *remote;
	struct http_request request;
	struct http_header headers[2];
	struct span piece;
	struct buf reply;
	char *url, *text;
	char *next; /* path of the page behind this one, or NULL; until remote_call_release */
};
/* body NULL: none. -1: over() is not called. */
int remote_start(struct remote_call *c, struct remote *r, const char *method, const char *path, const json_t *body,
	struct err *e);
/* over() is called with ERR_CANCELLED, later in the turn. */
void remote_cancel(struct remote_call *c);

/* One request, waited for: the loop turns. The reply (null: no content), or NULL. */
json_t *remote_ask(struct remote *r, const char *method, const char *path, const json_t *body, struct err *e);
/* GET of any text. */
int remote_text(struct remote *r, const char *path, struct buf *out, struct err *e);
/* A list with all its pages, up to `limit` rows (-1: all there are). path: with a query, without limit. */
json_t *remote_list(struct remote *r, const char *path, int limit, struct err *e);

#endif
