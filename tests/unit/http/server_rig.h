/* A server with a handler that does something else for each path, and a client with raw sockets on the same thread. */
#ifndef MUSTER_TESTS_SERVER_RIG_H
#define MUSTER_TESTS_SERVER_RIG_H

#include "unit.h"

#include "http/reply.h"

#define FLOW (16u << 20) /* what /flow sends: more than the kernel's buffers take */
#define GET(p) "GET " p " HTTP/1.1\r\nHost: h\r\n\r\n"
#define LAST(p) "GET " p " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

extern struct loop *loop;
extern struct server server; /* on 127.0.0.1:port and on path */
extern struct err e;
extern int port, closed, handled, gone, drains, collected; /* how often each was called */
extern enum err_code why_code;				   /* of the last body or request that ended */
extern struct server_request *held;			   /* by /later, /events, /count, /flow */
extern size_t streamed, most_queued;
extern char dir[64], path[128];
extern struct buf heard;

int setup(void **state);
int teardown(void **state);
void on_collected(struct server_request *r, const struct err *why); /* answers with the body, or the problem */
void on_closed(struct server *s);

int dial(void); /* a non-blocking connection over TCP */
void say(int fd, const char *text);
/* Reads until `until` was seen, or to the end of the connection when NULL. Returns false on a reset. */
bool hear(int fd, struct buf *out, const char *until);
/* One connection, one text, everything that comes back until the server closes; valid until the next. */
const char *ask(const char *text);
void turns(int n);
void starts(const char *text, const char *with);
void has(const char *text, const char *what);
int run(const char *name, const struct CMUnitTest *tests, size_t count); /* in place of cmocka_run_group_tests */

#endif
