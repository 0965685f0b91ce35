/* What a client may send after its WebSocket handshake, permessage-deflate agreed: the first byte says in what pieces.
 * However they are cut, the same messages come out and the same end, and text is UTF-8. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "http/connection.h"
#include "http/reply.h"
#include "http/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HELLO                                                                                                          \
	"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"    \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

static struct loop *loop;
static struct server server;
static struct websocket ws;
static struct buf *out;
static bool over;

static void on_message(struct websocket *w, struct span message, bool binary)
{
	BUG_ON(w != &ws || message.n > CAP_WEBSOCKET_MESSAGE || (!binary && !utf8_valid(message)));
	buf_addf(out, "<%d %zu>", binary, message.n);
	buf_addspan(out, message);
}

static void on_closed(struct websocket *w, int code)
{
	BUG_ON(w != &ws || over);
	over = true;
	buf_addf(out, "<end %d>", code);
}

static void handle(struct server_request *r, void *ctx)
{
	struct err e = ERR_INIT;

	(void)ctx;
	ws = (struct websocket){.on_message = on_message, .on_closed = on_closed};
	if (websocket_accept(&ws, r, &e))
		BUG("%s", e.text);
}

static void hear(int fd)
{
	char bytes[65536];

	while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
}

static void talk(struct span bytes, size_t step)
{
	int pair[2];

	over = false;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
		BUG("no socket pair");
	connection_new(&server, pair[0], true); /* one end of a pair has no address */
	BUG_ON(send(pair[1], HELLO, sizeof HELLO - 1, MSG_NOSIGNAL) != (ssize_t)sizeof HELLO - 1);
	while (bytes.n > 0 && !over) {
		ssize_t n = send(pair[1], bytes.p, bytes.n < step ? bytes.n : step, MSG_NOSIGNAL);
		if (n > 0)
			bytes = span_n(bytes.p + n, bytes.n - (size_t)n);
		hear(pair[1]);
		loop_turn(loop, 0);
	}
	shutdown(pair[1], SHUT_WR);
	while (server.count > 0) {
		hear(pair[1]);
		loop_turn(loop, 10);
	}
	BUG_ON(!over);
	close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf whole = BUF_INIT(64 * MIB), cut = BUF_INIT(64 * MIB);
	struct err e = ERR_INIT;
	struct span bytes;

	if (!loop) {
		loop = loop_new(&e);
		if (!loop)
			BUG("%s", e.text);
		server_init(&server, loop, handle, NULL);
	}
	if (size < 1)
		return 0;
	bytes = span_n((const char *)data + 1, size - 1);
	out = &whole;
	talk(bytes, SIZE_MAX);
	out = &cut;
	talk(bytes, data[0] % 64 + 1u);
	if (!span_eq(buf_span(&whole), buf_span(&cut)))
		BUG("cut differently, read differently: %s / %s", buf_span(&whole).p, buf_span(&cut).p);
	return 0;
}
