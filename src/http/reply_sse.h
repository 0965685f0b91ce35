/* reply_sse: events to a browser as they happen (HTML living standard 9.2, text/event-stream). The request stays open
 * until reply_end; on_gone and on_drain are those of the request (server.h). */
#ifndef MUSTER_HTTP_REPLY_SSE_H
#define MUSTER_HTTP_REPLY_SSE_H

#include "http/reply.h"

/* The head, and how long the browser is to wait before it comes again (0: as it likes). Fails as reply_start. Path,
 * query and headers of the request are gone then: thousands of streams may wait for something to happen. */
int reply_sse_start(struct server_request *r, int retry_ms, struct err *e);
/* One event: its name (NULL: message) and id (NULL: the last one stays) must hold no line break and no NUL
 * (ERR_INVALID); data may hold any text. Whole or not at all, as reply_write: ERR_TOO_LARGE when the browser reads too
 * slowly. */
int reply_sse_event(struct server_request *r, const char *name, const char *id, struct span data, struct err *e);
/* A comment, that proxies and the browser know that the stream lives. Nothing when bytes are waiting anyway. */
int reply_sse_heartbeat(struct server_request *r, struct err *e);
/* Append an event as it goes out, to be given to many by reply_write. */
int reply_sse_make(const char *name, const char *id, struct span data, struct buf *out, struct err *e);

#endif
