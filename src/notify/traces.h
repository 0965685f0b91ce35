/* traces: the spans of runs (spans.h) on their way to a collector, over OTLP/HTTP with JSON, as they end.
 *
 * A queue of CAP_TRACE_SPANS; what does not fit while the collector is away or slow is dropped and counted. No run
 * waits for any of it. Loop's thread only. */
#ifndef MUSTER_NOTIFY_TRACES_H
#define MUSTER_NOTIFY_TRACES_H

#include "store/store.h"

struct traces;
/* url: of the collector, http(s)://HOST:PORT; /v1/traces is added. headers: what lets us in there, as in
 * OTEL_EXPORTER_OTLP_HEADERS, a secret; NULL: nothing. ERR_INVALID. */
struct traces *traces_open(struct loop *l, struct store *s, const char *url, const char *headers, struct err *e);
/* One more try for what waits, some seconds at most, turning the loop for it. NULL is legal. */
void traces_close(struct traces *t);
/* Spans so far; NULL: none. */
uint64_t traces_sent(const struct traces *t);
uint64_t traces_dropped(const struct traces *t);

#endif
