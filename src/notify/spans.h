/* spans: what runs do, as spans of OpenTelemetry, put together from their events: a run (invoke_workflow) with its
 * agents (invoke_agent), their model calls (chat) and tool calls (execute_tool). Names and attributes are those of the
 * semantic conventions for generative AI (gen_ai.*, 1.41), the form is OTLP's JSON (opentelemetry-proto 1, protobuf's
 * JSON mapping, ids in hexadecimal). No text of models, tools or people is in them.
 *
 * Ids are made of the run's id and the event's place, so nothing has to be kept for them; what began is remembered
 * until it ends. What began before this program did has no span. A run that failed and is resumed has its span at each
 * end. */
#ifndef MUSTER_NOTIFY_SPANS_H
#define MUSTER_NOTIFY_SPANS_H

#include "base/map.h"
#include "store/event.h"

struct spans {
	struct map runs; /* id → what began in it */
};

void spans_init(struct spans *s);
void spans_release(struct spans *s);
/* The span that this durable event of a run ends, as JSON to be added to out: 1, or 0 where it ends none, or -1. */
int spans_take(struct spans *s, const char *run, const struct event *ev, struct buf *out, struct err *e);

#endif
