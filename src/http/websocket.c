#include "http/websocket.h"

#include <string.h>
#include <wslay/wslay.h>

#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "http/connection.h"
#include "http/deflate.h"
#include "http/handshake.h"
#include "http/reply.h"

/* Purpose: frames as messages, and the two ends of a connection's life.
 *
 * wslay takes frames apart. Its context is larger than all the rest of a connection, so that there is one only while a
 * frame has come in part. Control frames may stand between the frames of a message (RFC 6455 5.4).
 *
 * Failure modes: a frame that may not be ends the connection with a code at once (fail), as nothing after it can be
 * trusted. A client that does not answer our close is dropped after a moment. */

#define SMALL 256 /* bytes; a smaller message is not compressed */
#define REASON 123

enum { WS_OPEN, WS_CLOSING, WS_ENDED };
static const struct sm_state states[] = {
	[WS_OPEN] = {"open", SM_TO(WS_CLOSING) | SM_TO(WS_ENDED)},
	[WS_CLOSING] = {"closing", SM_TO(WS_ENDED)},
	[WS_ENDED] = {"ended", 0},
};

bool websocket_open(const struct websocket *w)
{
	return sm_is(&w->sm) == WS_OPEN;
}

/* ---- sending ---- */

static int frame_send(struct websocket *w, uint8_t first, struct span payload, struct err *e)
{
	unsigned char head[10] = {first};
	size_t n = 2;

	if (payload.n < 126) {
		head[1] = (unsigned char)payload.n;
	} else {
		head[1] = payload.n <= UINT16_MAX ? 126 : 127;
		for (int shift = head[1] == 126 ? 8 : 56; shift >= 0; shift -= 8)
			head[n++] = (unsigned char)((uint64_t)payload.n >> shift);
	}
	struct span pieces[] = {span_n((char *)head, n), payload};
	return connection_write(connection_of(w->request), pieces, 2, e);
}

#define FINAL 0x80
#define COMPRESSED 0x40

int websocket_send(struct websocket *w, struct span message, bool binary, struct err *e)
{
	cleanup_buf struct buf small = BUF_INIT(message.n + SMALL);
	uint8_t first = FINAL | (binary ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME);

	if (!websocket_open(w))
		return err_set(e, ERR_NETWORK, "the client is gone");
	if (w->deflates && message.n >= SMALL) {
		if (deflate_message(connection_of(w->request)->server->deflate, message, &small, e))
			return -1;
		if (small.len < message.n)
			return frame_send(w, first | COMPRESSED, buf_span(&small), e);
	}
	return frame_send(w, first, message, e);
}

/* ---- ends ---- */

static void end(struct websocket *w, int code)
{
	if (sm_is(&w->sm) == WS_ENDED)
		return;
	sm_move(&w->sm, WS_ENDED);
	w->code = code;
	timer_stop(&w->timer);
	wslay_frame_context_free(w->frames);
	w->frames = NULL;
	buf_release(&w->message);
	reply_end(w->request);
	tick_start(&w->end);
}

static void on_end(struct tick *t)
{
	struct websocket *w = container_of(t, struct websocket, end);

	w->on_closed(w, w->code);
}

static void on_gone(struct server_request *r)
{
	end(r->user, WEBSOCKET_GONE);
}

static void close_send(struct websocket *w, int code, struct span reason)
{
	char payload[2 + REASON] = {(char)(code >> 8), (char)code};
	struct err ignored = ERR_INIT;
	size_t n = reason.p ? utf8_cut(reason, REASON) : 0;

	if (n)
		memcpy(payload + 2, reason.p, n);
	frame_send(w, FINAL | WSLAY_CONNECTION_CLOSE, span_n(payload, code == WEBSOCKET_NONE ? 0 : 2 + n),
		&ignored); /* or it ends without */
}

void websocket_close(struct websocket *w, enum websocket_code code, const char *reason)
{
	struct err e = ERR_INIT;

	if (!websocket_open(w))
		return;
	close_send(w, code, span_of(reason));
	sm_move(&w->sm, WS_CLOSING);
	if (timer_start(&w->timer, TIME_WEBSOCKET_CLOSE, &e))
		end(w, WEBSOCKET_GONE);
}

static void fail(struct websocket *w, enum websocket_code code, const char *reason)
{
	if (websocket_open(w))
		close_send(w, code, span_of(reason));
	end(w, code);
}

static void on_timer(struct timer *t)
{
	struct websocket *w = container_of(t, struct websocket, timer);
	struct err e = ERR_INIT;

	if (!websocket_open(w) || w->pinged || frame_send(w, FINAL | WSLAY_PING, SPAN_NONE, &e) ||
		timer_start(&w->timer, w->ping_ms, &e))
		end(w, WEBSOCKET_GONE);
	else
		w->pinged = true;
}

/* ---- receiving ---- */

static void message_whole(struct websocket *w)
{
	bool binary = w->opcode == WSLAY_BINARY_FRAME;
	cleanup_buf struct buf plain = BUF_INIT(w->cap), came = w->message;
	struct err e = ERR_INIT;
	struct span message;

	buf_init(&w->message, w->cap);
	w->opcode = 0;
	if (w->compressed) {
		if (inflate_message(connection_of(w->request)->server->deflate, buf_span(&came), &plain, &e)) {
			fail(w, e.code == ERR_TOO_LARGE ? WEBSOCKET_TOO_LARGE : WEBSOCKET_DAMAGED, e.text);
			return;
		}
	}
	message = buf_span(w->compressed ? &plain : &came);
	if (binary || utf8_valid(message))
		w->on_message(w, message, binary);
	else
		fail(w, WEBSOCKET_DAMAGED, "the text is not UTF-8");
}

/* RFC 6455 7.4: what a client may give as a code. */
static bool code_may_come(int code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static void closed_by_client(struct websocket *w)
{
	int code = w->control_size ? w->control[0] << 8 | w->control[1] : WEBSOCKET_NONE;

	if (w->control_size == 1 || (w->control_size && !code_may_come(code))) {
		fail(w, WEBSOCKET_PROTOCOL, "a close with a code that may not be");
	} else if (w->control_size && !utf8_valid(span_n((char *)w->control + 2, w->control_size - 2u))) {
		fail(w, WEBSOCKET_DAMAGED, "the reason is not UTF-8");
	} else {
		if (websocket_open(w))
			close_send(w, code, SPAN_NONE);
		end(w, code);
	}
}

static void frame_whole(struct websocket *w)
{
	struct err e = ERR_INIT;

	w->in_frame = false;
	if (w->frame == WSLAY_CONNECTION_CLOSE)
		closed_by_client(w);
	else if (!websocket_open(w) || w->frame == WSLAY_PONG)
		return;
	else if (w->frame != WSLAY_PING) {
		if (w->final)
			message_whole(w);
	} else if (frame_send(w, FINAL | WSLAY_PONG, span_n((char *)w->control, w->control_size), &e)) {
		end(w, WEBSOCKET_GONE); /* it sends pings and does not read */
	}
}

/* NULL, or why the frame may not be. */
static const char *frame_fault(const struct websocket *w, const struct wslay_frame_iocb *io)
{
	bool control = wslay_is_ctrl_frame(io->opcode), begins = io->opcode && !control;

	if (!io->mask)
		return "a frame of a client must be masked";
	if ((io->rsv & ~WSLAY_RSV1_BIT) || (io->rsv && (!w->deflates || !begins)))
		return "a frame with reserved bits";
	if (control && (!io->fin || io->payload_length > sizeof w->control || io->opcode > WSLAY_PONG))
		return "a control frame that may not be";
	if (!control && (io->opcode > WSLAY_BINARY_FRAME || begins == (w->opcode != 0)))
		return "a data frame out of order";
	return NULL;
}

/* false: it ended the connection. */
static bool frame_begins(struct websocket *w, const struct wslay_frame_iocb *io)
{
	const char *fault = frame_fault(w, io);

	if (fault) {
		fail(w, WEBSOCKET_PROTOCOL, fault);
		return false;
	}
	w->in_frame = true;
	w->frame = io->opcode;
	w->left = io->payload_length;
	w->control_size = 0;
	if (wslay_is_ctrl_frame(io->opcode))
		return true;
	w->final = io->fin;
	if (io->opcode) {
		w->opcode = io->opcode;
		w->compressed = io->rsv != 0;
	}
	if (w->left <= w->cap - w->message.len)
		return true;
	fail(w, WEBSOCKET_TOO_LARGE, "the message is too large");
	return false;
}

static void payload(struct websocket *w, const struct wslay_frame_iocb *io)
{
	w->left -= io->data_length;
	if (wslay_is_ctrl_frame(w->frame)) {
		memcpy(w->control + w->control_size, io->data, io->data_length);
		w->control_size = (uint8_t)(w->control_size + io->data_length);
	} else if (websocket_open(w)) {
		buf_add(&w->message, io->data, io->data_length);
	}
}

static ssize_t take(uint8_t *to, size_t n, int flags, void *ctx)
{
	struct websocket *w = ctx;

	(void)flags;
	if (w->input.n == 0)
		return -1;
	if (n > w->input.n)
		n = w->input.n;
	memcpy(to, w->input.p, n);
	w->input = span_n(w->input.p + n, w->input.n - n);
	w->held += n;
	return (ssize_t)n;
}

static size_t head_size(const struct wslay_frame_iocb *io)
{
	return 2u + (io->mask ? 4u : 0u) + (io->payload_length < 126 ? 0u : io->payload_length <= UINT16_MAX ? 2u : 8u);
}

/* One step with what came; false when more is needed, or nothing. */
static bool advance(struct websocket *w)
{
	struct wslay_frame_iocb io = {0};
	ssize_t n = wslay_frame_recv(w->frames, &io);

	if (n == WSLAY_ERR_WANT_READ)
		return false;
	if (n < 0) {
		fail(w, WEBSOCKET_PROTOCOL, "a frame that may not be");
		return false;
	}
	if (!w->in_frame) {
		w->held -= head_size(&io);
		if (!frame_begins(w, &io))
			return false;
	}
	w->held -= io.data_length;
	payload(w, &io);
	if (w->message.failed)
		fail(w, WEBSOCKET_FAILED, "out of memory");
	else if (w->left == 0)
		frame_whole(w);
	return sm_is(&w->sm) != WS_ENDED;
}

static void on_raw(void *ctx, struct span bytes)
{
	static const struct wslay_frame_callbacks callbacks = {.recv_callback = take};
	struct websocket *w = ctx;

	if (sm_is(&w->sm) == WS_ENDED)
		return;
	w->pinged = false;
	w->input = bytes;
	if (!w->frames && wslay_frame_context_init(&w->frames, &callbacks, w)) {
		fail(w, WEBSOCKET_FAILED, "out of memory");
		return;
	}
	while (advance(w))
		;
	if (w->frames && w->held == 0 && !w->in_frame) {
		wslay_frame_context_free(w->frames);
		w->frames = NULL;
	}
}

static void on_drain(struct server_request *r)
{
	struct websocket *w = r->user;

	if (w->on_drain && websocket_open(w))
		w->on_drain(w);
}

/* ---- the beginning ---- */

/* RFC 6455 4.2.1 */
static int check(struct server_request *r, char accept[HANDSHAKE_ACCEPT], struct err *e)
{
	const char *version = request_header(r, "sec-websocket-version");

	if (strcmp(r->method, "GET") != 0 || r->length != 0 ||
		!handshake_token(request_header(r, "upgrade"), "websocket") ||
		!handshake_token(request_header(r, "connection"), "upgrade"))
		return err_set(e, ERR_INVALID, "this is for WebSockets: GET with Upgrade: websocket");
	if (!version || strcmp(version, "13") != 0) {
		reply_header(r, "Sec-WebSocket-Version", "13", e);
		return err_set(e, ERR_INVALID, "Sec-WebSocket-Version must be 13");
	}
	return handshake_accept(request_header(r, "sec-websocket-key"), accept, e);
}

/* Without memory for it, messages go as they are. */
static bool may_deflate(struct server_request *r)
{
	struct server *s = connection_of(r)->server;
	struct err ignored = ERR_INIT;

	if (!handshake_deflates(request_header(r, "sec-websocket-extensions")))
		return false;
	if (!s->deflate)
		s->deflate = deflate_new(&ignored);
	return s->deflate != NULL;
}

int websocket_accept(struct websocket *w, struct server_request *r, struct err *e)
{
	struct connection *c = connection_of(r);
	char accept[HANDSHAKE_ACCEPT];

	if (check(r, accept, e))
		return -1;
	w->request = r;
	w->cap = w->cap ? w->cap : CAP_WEBSOCKET_MESSAGE;
	w->ping_ms = w->ping_ms ? w->ping_ms : TIME_WEBSOCKET_PING;
	w->deflates = may_deflate(r);
	sm_init(&w->sm, states, WS_OPEN);
	buf_init(&w->message, w->cap);
	timer_init(&w->timer, c->server->loop, on_timer);
	tick_init(&w->end, c->server->loop, on_end);
	if (reply_header(r, "Upgrade", "websocket", e) || reply_header(r, "Connection", "Upgrade", e) ||
		reply_header(r, "Sec-WebSocket-Accept", accept, e) ||
		(w->deflates &&
			reply_header(r, "Sec-WebSocket-Extensions",
				"permessage-deflate; server_no_context_takeover; client_no_context_takeover", e)) ||
		timer_start(&w->timer, w->ping_ms, e))
		return -1;
	r->user = w;
	r->on_gone = on_gone;
	r->on_drain = on_drain;
	if (reply_start(r, 101, NULL, e))
		end(w, WEBSOCKET_GONE); /* it is told like any other end */
	else
		connection_upgrade(c, on_raw, w);
	return 0;
}
