#include "http/reply_sse.h"

#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "http/connection.h"

/* Purpose: fields and lines. CR, LF and CR LF all end a line for the browser, so that each begins a new data field. */

static bool one_line(const char *text)
{
	return !strpbrk(text, "\r\n");
}

int reply_sse_make(const char *name, const char *id, struct span data, struct buf *out, struct err *e)
{
	if ((name && !one_line(name)) || (id && !one_line(id)))
		return err_set(e, ERR_INVALID, "the name and id of an event have no line breaks");
	if (name)
		buf_addf(out, "event: %s\n", name);
	if (id)
		buf_addf(out, "id: %s\n", id);
	for (size_t i = 0, from = 0; i <= data.n; i++) {
		if (i < data.n && data.p[i] != '\r' && data.p[i] != '\n')
			continue;
		buf_adds(out, "data: ");
		buf_add(out, data.p + from, i - from);
		buf_addc(out, '\n');
		if (i + 1 < data.n && data.p[i] == '\r' && data.p[i + 1] == '\n')
			i++;
		from = i + 1;
	}
	buf_addc(out, '\n');
	return buf_check(out, "the event", e);
}

int reply_sse_start(struct server_request *r, int retry_ms, struct err *e)
{
	char retry[40];
	int n = snprintf(retry, sizeof(retry), "retry: %d\n\n", retry_ms);
	struct connection *c = connection_of(r);
	/* Proxies that gather answers (nginx) would hold the events back. */
	if (reply_header(r, "X-Accel-Buffering", "no", e) != 0 || reply_start(r, 200, "text/event-stream", e) != 0)
		return -1;
	if (c->parser.place == PARSER_AT_END)
		connection_forget(c);
	return retry_ms ? reply_write(r, span_n(retry, (size_t)n), e) : 0;
}

int reply_sse_event(struct server_request *r, const char *name, const char *id, struct span data, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_HTTP_QUEUE);
	if (reply_sse_make(name, id, data, &out, e) != 0)
		return -1;
	return reply_write(r, buf_span(&out), e);
}

int reply_sse_heartbeat(struct server_request *r, struct err *e)
{
	return reply_queued(r) ? 0 : reply_write(r, span_of(":\n\n"), e);
}
