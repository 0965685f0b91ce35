/* http client: requests over libcurl's multi interface on the loop.
 *
 * One struct http owns the connection pool and is shared by all requests of a process. The response body is handed out
 * as it arrives; the receiver may pause. Sizes are capped; compressed bodies are decoded by curl and the cap counts
 * decoded bytes. TLS certificates are always checked. Only http and https; redirects are not followed. */
#ifndef MUSTER_HTTP_CLIENT_H
#define MUSTER_HTTP_CLIENT_H

#include "base/buf.h"
#include "loop/loop.h"

/* curl made ready, once a process, by whoever needs it first. ERR_INTERNAL. */
int http_setup(struct err *e);

struct guard;
struct http;
struct http *http_new(struct loop *l, struct err *e);
void http_free(struct http *h);		 /* no request may be alive (legal in the last on_done); NULL is legal */
size_t http_alive(const struct http *h); /* requests whose on_done is still to come */

struct http_header {
	const char *name, *value; /* no CR, LF or other control bytes: refused with ERR_INVALID */
};

struct http_request {
	/* set by the caller, borrowed until the callback */
	const char *method, *url; /* no user name or password in the URL */
	const struct guard
		*guard; /* the URL is a person's: it may lead only where this allows (guard.h); NULL: anywhere */
	const char *unix_socket; /* connect to this path instead of the URL's host; NULL: no */
	const char *ca_file;	 /* PEM: the authorities to trust instead of the system's; NULL: the system's */
	const struct http_header *headers;
	size_t header_count;
	const struct span *body; /* the pieces of the body, sent in order without being joined */
	size_t body_pieces;
	/* 0: none. first_byte: until the first byte of the body; idle: from the last one on, not while paused. */
	int first_byte_ms, idle_ms, total_ms;
	size_t response_cap; /* decoded bytes; more fails with ERR_TOO_LARGE */
	/* Status and headers are known, before the first body byte. May be NULL. */
	void (*on_head)(struct http_request *r);
	/* Some of the body; valid during the call. Return false to pause; later, http_request_resume. */
	bool (*on_body)(struct http_request *r, struct span bytes);
	/* The end, exactly once: why->code is ERR_OK when the whole response came (any status), ERR_TIMEOUT,
	 * ERR_NETWORK (with curl's words and the host, never the key), ERR_TOO_LARGE, ERR_CANCELLED, ERR_DENIED (by the
	 * guard). */
	void (*on_done)(struct http_request *r, const struct err *why);
	/* set by the client */
	int status; /* 0: none came */
	void *priv;
};

/* -1: bad URL or header, or no memory; then no callback. */
int http_request_start(struct http_request *r, struct http *h, struct err *e);
/* on_done fires later in this turn, with ERR_CANCELLED unless the end was reached before. Only before on_done. */
void http_request_cancel(struct http_request *r);
void http_request_resume(struct http_request *r); /* harmless when not paused */
/* A response header by lower-case name, or NULL. Valid until on_done returns. As the peer wrote it: any bytes but NUL
 * and line breaks, so not to be shown as it is. */
const char *http_response_header(const struct http_request *r, const char *name);

#endif
