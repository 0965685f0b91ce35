/* transport: a connection's bytes between it and its socket: as they are, or in TLS.
 *
 * A plain one is its stream: the callbacks are the stream's own, and every function is the stream's of the same name.
 * With TLS the same callbacks get what was in the records; the handshake is done on the way, and who takes too long
 * over it has sent nothing yet. What the client does against TLS ends its input, like its hanging up does: what tells
 * it why still goes out with the rest. */
#ifndef MUSTER_HTTP_TRANSPORT_H
#define MUSTER_HTTP_TRANSPORT_H

#include "http/tls.h"
#include "loop/stream.h"

struct transport {
	struct stream stream;  /* set its callbacks before transport_open */
	struct secure *secure; /* NULL: plain */
};

/* tls NULL: plain. On failure the descriptor stays the caller's. */
int transport_open(struct transport *t, struct loop *l, int fd, const struct tls *tls, size_t write_cap, struct err *e);
int transport_read_start(struct transport *t, struct err *e);
void transport_read_stop(struct transport *t);
int transport_writev(struct transport *t, const struct span *pieces, size_t n, struct err *e); /* all or none */
/* In bytes given to transport_writev: with TLS a little more may wait. */
void transport_set_cap(struct transport *t, size_t write_cap);
void transport_finish(struct transport *t);
void transport_close(struct transport *t);
/* In on_closed. */
void transport_release(struct transport *t);

static inline size_t transport_queued(const struct transport *t)
{
	return stream_queued(&t->stream);
}

#endif
