/* body: a request's body as its handler takes it (server.h: request_stream, request_collect). Private to http/. */
#ifndef MUSTER_HTTP_BODY_H
#define MUSTER_HTTP_BODY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct connection;
struct parser;

/* The handler has not asked for it, wants it, wants none for now, was told of its end. */
enum { BODY_UNASKED, BODY_WANTED, BODY_PAUSED, BODY_TOLD };

/* A new request. */
void body_init(struct connection *c);
/* A piece has come: parser.on_body. */
void body_piece(struct parser *p, struct span piece);
/* The end, once: why NULL when it was whole. Harmless when nobody waits for it. */
void body_tell(struct connection *c, const struct err *why);
/* The handler wants no more of it, and hears of no end. */
void body_drop(struct connection *c);
/* Is it to be collected, and said to be larger than may be? */
bool body_too_large(const struct connection *c, struct err *e);

#endif
