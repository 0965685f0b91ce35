/* client_peer: a server with blocking sockets in a thread of its own, which plays a script to the HTTP client: one
 * connection at a time, the same answer to every request. The script is changed only between requests. */
#ifndef MUSTER_TESTS_CLIENT_PEER_H
#define MUSTER_TESTS_CLIENT_PEER_H

#include <pthread.h>

#include "base/buf.h"

struct client_peer {
	/* the script; peer_start sets it back to a whole answer at once */
	struct span answer;
	size_t cut;	    /* close the connection after so many bytes; SIZE_MAX: never */
	int pause_after_ms; /* silence after pause_at bytes; 0: none */
	size_t pause_at;
	bool close_kept; /* close after each answer although it promised to keep */
	/* what was seen */
	int port;
	_Atomic int connections, requests;
	char seen[1 << 20]; /* the last request */
	size_t seen_len;
	_Atomic size_t sent;
	/* private */
	int fd;
	pthread_t thread;
	_Atomic bool quit, sending;
};
extern struct client_peer peer;

void peer_start(int fd);    /* serve this bound socket, which it then owns */
void peer_listen(int port); /* the same on 127.0.0.1; 0: a free port */
void peer_wait(void);	    /* until the answer is sent */
void peer_stop(void);

#endif
