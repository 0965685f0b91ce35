/* client_rig: what the tests of the HTTP client share: a loop, a client, one request and what came of it. */
#ifndef MUSTER_TESTS_CLIENT_RIG_H
#define MUSTER_TESTS_CLIENT_RIG_H

#include "unit.h"

#include "http/client.h"

struct get {
	struct http_request r;
	struct buf body;
	int heads, dones;
	struct err why;
	char type[64];
	size_t pause_every; /* pause after each so many bytes */
	size_t since;
	bool cancel_in_head, cancel_in_body, frees_client;
	struct timer resume;
	bool paused;
};

extern struct loop *loop;
extern struct http *http;
extern struct err e;
extern char url[128]; /* of the peer, with a path and a query */

void get_init(struct get *g);
void get_run(struct get *g); /* start it, and turn the loop until its end */
void get_resume(struct timer *t);
#define GET(g, text)                                                                                                   \
	struct get g;                                                                                                  \
	get_init(&g);                                                                                                  \
	peer.answer = span_of(text);                                                                                   \
	get_run(&g)

int get_setup(void **state); /* the loop, the client, and the peer (client_peer.h) listening */
int get_teardown(void **state);

#endif
