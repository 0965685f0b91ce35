/* delivery: one message to an endpoint that a person named (a webhook, a push service): a guarded POST, and what the
 * answer's status says about it. One try; who sends decides about more. Redirects are not followed: a signed message is
 * for the address that it was signed for. */
#ifndef MUSTER_HTTP_DELIVERY_H
#define MUSTER_HTTP_DELIVERY_H

#include "http/client.h"

struct delivery {
	/* set by the caller, borrowed until the callback */
	const char *url;
	const struct guard *guard;
	const struct http_header *headers;
	size_t header_count;
	struct span body;
	/* The end, exactly once: ERR_OK (2xx), ERR_NOT_FOUND (404, 410), ERR_RATE_LIMITED (429), ERR_OVERLOADED (408,
	 * 425, 5xx), ERR_DENIED (any other status; the guard), or what ended the request. */
	void (*on_done)(struct delivery *d, const struct err *why);
	/* set before it */
	int status;	 /* 0: none came */
	int64_t wait_ms; /* Retry-After in seconds; 0: it was not there */
	/* private */
	struct http_request request;
};

int delivery_start(struct delivery *d, struct http *h, struct err *e); /* -1: as http_request_start */
void delivery_cancel(struct delivery *d);			       /* on_done fires later, with ERR_CANCELLED */

#endif
