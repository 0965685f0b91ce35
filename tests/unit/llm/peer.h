/* peer: a local HTTP server that answers as a test says, faults included: cut, split, byte by byte, silent, never
 * ending. It serves one connection after the other and keeps the last request for inspection. */
#ifndef MUSTER_TESTS_PEER_H
#define MUSTER_TESTS_PEER_H

#include "base/buf.h"
#include "loop/loop.h"
#include "loop/stream.h"

struct peer {
	/* How to answer; borrowed. */
	const char *head; /* status line and headers, without the empty line */
	struct span body; /* repeated `times` */
	size_t times;	  /* 0 is 1 */
	size_t cut;	  /* send only so many bytes of the body, then close; SIZE_MAX: all */
	size_t split;	  /* send the body in two pieces split here, the loop turning in between; SIZE_MAX: no */
	int drip_ms;	  /* send it byte by byte with this pause; 0: no */
	bool hang;	  /* after what is sent, stay silent with the connection open */
	bool silent;	  /* accept, read, answer nothing */
	bool reset;	  /* end with a reset (RST) instead of a FIN */
	/* What was seen. */
	int connections;
	bool said; /* the head of an answer is on its way, or the request was read and there is none */
	struct buf request;
	char url[64]; /* http://127.0.0.1:PORT */
	/* private */
	struct loop *loop;
	struct listener listener;
	struct connection *open;
};

void peer_open(struct peer *p, struct loop *l); /* fails the test when it cannot */
void peer_answer(struct peer *p, const char *head, struct span body);
size_t peer_unread(const struct peer *p); /* bytes sent that the other side's system does not have yet */
void peer_close(struct peer *p);	  /* then let the loop turn once more */

#endif
