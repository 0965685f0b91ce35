/* sock: the owner's socket, <data>/sock: HTTP with the routes of routes.h for any other muster of the same person. The
 * server admits our own user and root only (http/server.h). */
#ifndef MUSTER_CMD_SOCK_H
#define MUSTER_CMD_SOCK_H

#include "cmd/app.h"

struct sock;
/* Serve from now on; the app outlives it. */
struct sock *sock_open(struct app *a, struct err *e);
/* Turns the loop until every connection is down. NULL is legal. */
void sock_close(struct sock *s);

#endif
