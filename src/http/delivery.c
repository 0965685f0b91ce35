#include "http/delivery.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/mem.h"

static bool on_body(struct http_request *r, struct span bytes)
{
	(void)r, (void)bytes;
	return true;
}

static enum err_code meaning(int status)
{
	if (status >= 200 && status < 300)
		return ERR_OK;
	if (status == 404 || status == 410)
		return ERR_NOT_FOUND;
	if (status == 429)
		return ERR_RATE_LIMITED;
	return status == 408 || status == 425 || status >= 500 ? ERR_OVERLOADED : ERR_DENIED;
}

/* RFC 9110 10.2.3, of its two forms the one that does not need our clocks to agree. */
static int64_t wait_of(const char *value)
{
	char *end;
	if (!value || *value < '0' || *value > '9')
		return 0;
	long long s = strtoll(value, &end, 10);
	return *end || s > TIME_DELIVERY_WAIT / 1000 ? TIME_DELIVERY_WAIT : s * 1000;
}

static void on_done(struct http_request *r, const struct err *why)
{
	struct delivery *d = container_of(r, struct delivery, request);
	struct err e = *why;
	d->status = r->status;
	/* Once the status is known, a body that is too long or never ends changes nothing. */
	if (r->status && e.code != ERR_CANCELLED) {
		d->wait_ms = wait_of(http_response_header(r, "retry-after"));
		err_clear(&e);
		if (meaning(r->status) != ERR_OK)
			err_set(&e, meaning(r->status), "the endpoint answered with status %d", r->status);
	}
	d->on_done(d, &e);
}

int delivery_start(struct delivery *d, struct http *h, struct err *e)
{
	d->status = 0;
	d->wait_ms = 0;
	d->request = (struct http_request){.method = "POST",
		.url = d->url,
		.guard = d->guard,
		.headers = d->headers,
		.header_count = d->header_count,
		.body = &d->body,
		.body_pieces = 1,
		.total_ms = TIME_DELIVERY,
		.response_cap = CAP_DELIVERY_ANSWER,
		.on_body = on_body,
		.on_done = on_done};
	return http_request_start(&d->request, h, e);
}

void delivery_cancel(struct delivery *d)
{
	http_request_cancel(&d->request);
}
