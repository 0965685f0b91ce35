/* stream: a byte stream over a pipe, socket or terminal descriptor.
 *
 * Reading is pulled: nothing is read until stream_read_start, and stream_read_stop stops it (back-pressure). Writes are
 * queued up to a cap and coalesced to one write a tick. The stream owns its descriptor from stream_open on. */
#ifndef MUSTER_LOOP_STREAM_H
#define MUSTER_LOOP_STREAM_H

#include <sys/types.h>

#include "base/buf.h"
#include "loop/loop.h"

struct stream {
	struct loop *loop;
	/* Bytes arrived (valid during the call); n = 0 at the end of input (why NULL) or after an error (why says
	 * which); then nothing more is read. May close. */
	void (*on_read)(struct stream *s, struct span bytes, const struct err *why);
	/* The write queue fell below half its cap after it was above that or refused a write, or (why != NULL) a write
	 * failed: nothing more can be written. May be NULL. May close. */
	void (*on_drain)(struct stream *s, const struct err *why);
	void (*on_closed)(struct stream *s); /* after stream_close: the struct may be freed */
	struct watch watch;
	struct tick flush;
	struct tick closing;
	struct buf out;	 /* private, as all that follows */
	size_t out_sent; /* bytes at the front of out that are gone */
	uint64_t sent;	 /* bytes that the kernel took, in all */
	size_t cap;	 /* of the bytes queued */
	int fd;		 /* -1: closed */
	int asked;	 /* WATCH_ bits */
	int input, output;
	bool pressed; /* on_drain is owed */
};

/* Set the callbacks before. Makes the descriptor non-blocking. On failure the descriptor stays the caller's. */
int stream_open(struct stream *s, struct loop *l, int fd, size_t write_cap, struct err *e);
int stream_read_start(struct stream *s, struct err *e); /* harmless when reading, or after the end of input */
void stream_read_stop(struct stream *s);
/* Queue bytes (copied). -1 with ERR_TOO_LARGE when the queue is full, ERR_IO when the peer is gone. */
int stream_write(struct stream *s, struct span bytes, struct err *e);
int stream_writev(struct stream *s, const struct span *pieces, size_t n, struct err *e); /* all of them or none */
/* Is there room for so many bytes, however many pieces they come in? When it fails as stream_writev would, nothing has
 * changed but that on_drain is owed. */
int stream_reserve(struct stream *s, size_t n, struct err *e);
void stream_set_cap(struct stream *s, size_t write_cap); /* what is queued beyond it stays */
size_t stream_queued(const struct stream *s);
uint64_t stream_sent(const struct stream *s); /* bytes that the kernel took since stream_open */
/* Send what is queued, then shut down writing (a socket) or close (the write end of a pipe); a terminal stays as it is.
 * Needs the loop to run. */
void stream_finish(struct stream *s);
/* Drops what is queued. on_closed fires later in this turn, once. */
void stream_close(struct stream *s);

/* listener: accepts connections on a Unix socket path or on address:port (numeric IPv4 or IPv6). */
struct listener {
	struct loop *loop;
	struct watch watch;
	int fd;
	int port; /* bound port for TCP (port 0 asks for a free one) */
	char *path;
	struct timer rest;			/* out of descriptors: accepts again a little later */
	void (*cb)(struct listener *l, int fd); /* a new connection (non-blocking); the callee owns the descriptor */
};
int listener_unix(struct listener *l, struct loop *loop, const char *path, mode_t mode,
	void (*cb)(struct listener *l, int fd),
	struct err *e); /* a stale socket file is replaced; ERR_EXISTS: somebody listens */
int listener_tcp(struct listener *l, struct loop *loop, const char *address, int port,
	void (*cb)(struct listener *l, int fd), struct err *e);
/* A non-blocking socket that is bound already; the listener owns it, also on failure. */
int listener_take(struct listener *l, struct loop *loop, int fd, void (*cb)(struct listener *l, int fd), struct err *e);
void listener_close(
	struct listener *l); /* also removes the socket's path; then the struct may be freed, but not from inside cb */
/* uid and pid of the peer of a Unix socket. */
int socket_peer(int fd, uid_t *uid, pid_t *pid, struct err *e);
/* A path to the same socket that fits an address (107 bytes). A longer one leads through /proc/self/fd: then *folder is
 * a descriptor that must stay open until it was connected to or bound; otherwise -1. */
#define SOCKET_PATH 108
int socket_short_path(const char *path, char out[SOCKET_PATH], int *folder, struct err *e);
/* A connected blocking Unix socket, or -1. */
int socket_connect_unix(const char *path, struct err *e);

#endif
