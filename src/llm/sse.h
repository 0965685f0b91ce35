/* sse: the event stream format (WHATWG HTML, 9.2.6 "Interpreting an event stream"), incremental and pure.
 *
 * Lines end with LF, CR or CRLF; a byte order mark at the very beginning is skipped; an event is handed out at the
 * empty line after it, so that of an event which the stream's end cuts nothing is seen. `id` and `retry` are ignored:
 * an answer is never resumed. Comments are ignored. */
#ifndef MUSTER_LLM_SSE_H
#define MUSTER_LLM_SSE_H

#include "base/buf.h"

struct sse {
	/* An event with data; name "" is "message". Both valid during the call. -1 stops feeding with that error. */
	int (*on_event)(struct sse *s, struct span name, struct span data, struct err *e);
	void *ctx;
	struct buf line, name, data;
	size_t lines; /* whole ones so far, for the byte order mark */
	bool plain;   /* set after sse_init: every line that is not empty is an event's data (NDJSON) */
	bool cr;      /* the last byte was CR: a following LF belongs to it */
};

/* line_cap: of one line and of one event's data. */
void sse_init(struct sse *s, size_t line_cap, int (*on_event)(struct sse *, struct span, struct span, struct err *));
void sse_release(struct sse *s);
/* 0, or -1 with on_event's error, ERR_TOO_LARGE (a line or event beyond the cap) or ERR_NOMEM; then feed no more. */
int sse_feed(struct sse *s, struct span bytes, struct err *e);

#endif
