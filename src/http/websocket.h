/* websocket: a connection that became one (RFC 6455), with permessage-deflate (RFC 7692) where the client offers it.
 *
 * The handler of a request calls websocket_accept; from then on the request belongs to the websocket, until on_closed.
 * Messages arrive whole, text as valid UTF-8; pings are answered and a silent client is asked for a sign of life, which
 * ends it when it gives none. Sent messages are queued up to CAP_HTTP_QUEUE bytes.
 *
 *   OPEN ─websocket_close, or the client's mistake─▶ CLOSING ─client closed, gone, or time─▶ ENDED ─on_closed─▶ freed
 *   OPEN ─client closed, or gone─▶ ENDED */
#ifndef MUSTER_HTTP_WEBSOCKET_H
#define MUSTER_HTTP_WEBSOCKET_H

#include "http/server.h"

/* RFC 6455 7.4.1, of those we send. */
enum websocket_code {
	WEBSOCKET_DONE = 1000,
	WEBSOCKET_LEAVES = 1001,   /* the server stops */
	WEBSOCKET_PROTOCOL = 1002, /* a frame that may not be */
	WEBSOCKET_KIND = 1003,	   /* binary where text is spoken, or the other way */
	WEBSOCKET_NONE = 1005,	   /* never sent: the client's close said no code */
	WEBSOCKET_GONE = 1006,	   /* never sent: the connection ended without a close */
	WEBSOCKET_DAMAGED = 1007,  /* text that is no UTF-8, compressed data that is none */
	WEBSOCKET_REFUSED = 1008,
	WEBSOCKET_TOO_LARGE = 1009,
	WEBSOCKET_FAILED = 1011,
};

struct websocket {
	/* set by the owner before websocket_accept */
	void (*on_message)(struct websocket *w, struct span message, bool binary); /* valid during the call */
	void (*on_drain)(struct websocket *w); /* a message may be sent again after one was refused; may be NULL */
	/* Once, in a later turn than the call that led to it: code is the client's, or WEBSOCKET_GONE. The struct may
	 * be freed. */
	void (*on_closed)(struct websocket *w, int code);
	size_t cap;  /* bytes of one message received; 0: CAP_WEBSOCKET_MESSAGE */
	int ping_ms; /* silence until a ping, and from it until the end; 0: TIME_WEBSOCKET_PING */
	/* private */
	struct server_request *request;
	struct sm sm;
	struct wslay_frame_context *frames; /* only while a frame is under way */
	struct span input;		    /* of which wslay takes */
	struct buf message;		    /* received so far */
	uint64_t left;			    /* bytes of the present frame to come */
	size_t held;			    /* bytes that wslay took and has not given back */
	uint8_t opcode, control[125];	    /* of the message; the payload of the present control frame */
	uint8_t frame, control_size;	    /* opcode of the present frame */
	bool in_frame, final, compressed, deflates, pinged;
	int code; /* for on_closed */
	struct timer timer;
	struct tick end;
};

/* Answers the request with 101 and takes it over. -1 with ERR_INVALID when it does not ask for a websocket as RFC
 * 6455 4.2.1 says, or for want of memory: the request is still the caller's, to be answered. The Origin is the caller's
 * to check. */
int websocket_accept(struct websocket *w, struct server_request *r, struct err *e);
/* All of it or nothing: ERR_TOO_LARGE when the client reads too slowly (on_drain says when to try again), ERR_NETWORK
 * when it is gone or closing. */
int websocket_send(struct websocket *w, struct span message, bool binary, struct err *e);
/* Nothing more is sent or told but on_closed. Reason: at most 123 bytes of UTF-8; longer ones are cut. Harmless when
 * closing. */
void websocket_close(struct websocket *w, enum websocket_code code, const char *reason);
bool websocket_open(const struct websocket *w);

#endif
