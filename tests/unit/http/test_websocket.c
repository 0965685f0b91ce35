/* WebSockets (RFC 6455, RFC 7692) over raw sockets. */
#include "server_rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/websocket.h"

#define HELLO                                                                                                          \
	"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"                     \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80, DEFLATED = 0x40 };

static struct websocket ws;
static struct buf got; /* messages received by the server, a line each */
static int ws_closed, ws_drains;
static bool echoes, taken;

static void on_message(struct websocket *w, struct span message, bool binary)
{
	struct err why = ERR_INIT;
	buf_addf(&got, "%s %zu %.*s\n", binary ? "binary" : "text", message.n, (int)(message.n < 40 ? message.n : 40),
		message.p);
	if (echoes)
		must(websocket_send(w, message, binary, &why), &why);
}

static void drained(struct websocket *w)
{
	(void)w;
	ws_drains++;
}

static void ws_gone(struct websocket *w, int code)
{
	assert_ptr_equal(w, &ws);
	assert_false(websocket_open(w));
	assert_int_equal(ws_closed, 0);
	ws_closed = code;
}

static void handle(struct server_request *r, void *ctx)
{
	struct err why = ERR_INIT;
	(void)ctx;
	taken = websocket_accept(&ws, r, &why) == 0;
	if (!taken)
		reply_problem(r, &why);
}

static int ws_setup(void **state)
{
	int failed = setup(state);
	server.handle = handle;
	ws = (struct websocket){.on_message = on_message, .on_drain = drained, .on_closed = ws_gone};
	ws_closed = ws_drains = 0;
	echoes = taken = false;
	buf_init(&got, 1 << 20);
	return failed;
}

static int ws_teardown(void **state)
{
	buf_release(&got);
	return teardown(state);
}

/* ---- the client ---- */

static void frame(struct buf *out, int first, struct span payload)
{
	static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	size_t n = payload.n;
	buf_addc(out, (char)first);
	if (n < 126) {
		buf_addc(out, (char)(0x80 | n));
	} else if (n < 65536) {
		buf_addc(out, (char)(0x80 | 126));
		buf_addc(out, (char)(n >> 8));
		buf_addc(out, (char)n);
	} else {
		buf_addc(out, (char)(0x80 | 127));
		for (int shift = 56; shift >= 0; shift -= 8)
			buf_addc(out, (char)(n >> shift));
	}
	buf_add(out, mask, 4);
	for (size_t i = 0; i < n; i++)
		buf_addc(out, (char)((unsigned char)payload.p[i] ^ mask[i % 4]));
}

static void put(int fd, struct span bytes)
{
	while (bytes.n > 0) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n > 0)
			bytes = span_n(bytes.p + n, bytes.n - (size_t)n);
		else if (errno != EAGAIN)
			return;
		loop_turn(loop, 0);
	}
}

static void put_frame(int fd, int first, struct span payload)
{
	cleanup_buf struct buf out = BUF_INIT(32 << 20);
	frame(&out, first, payload);
	put(fd, buf_span(&out));
}

/* A connection that became a websocket. */
static int open_ws(const char *extensions)
{
	int fd = dial();
	cleanup_buf struct buf hello = BUF_INIT(4096);
	buf_addf(&hello, HELLO "%s\r\n", extensions);
	buf_clear(&heard);
	say(fd, hello.data);
	hear(fd, &heard, "\r\n\r\n");
	starts(heard.data, "HTTP/1.1 101 Switching Protocols\r\n");
	has(heard.data, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
	has(heard.data, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
	assert_null(strstr(heard.data, "Content-Length"));
	buf_drop(&heard, (size_t)(strstr(heard.data, "\r\n\r\n") + 4 - heard.data));
	return fd;
}

/* The next n bytes from the server, in heard. */
static void hear_n(int fd, size_t n)
{
	char bytes[65536];
	for (int i = 0; heard.len < n; i++) {
		ssize_t k = read(fd, bytes, sizeof(bytes));
		if (k > 0)
			buf_add(&heard, bytes, (size_t)k);
		else if (k == 0 || i > 5000)
			fail_msg("%zu bytes came of %zu", heard.len, n);
		else
			loop_turn(loop, 5);
	}
}

/* The next frame is this one. */
static void hears(int fd, int first, struct span payload)
{
	size_t head = payload.n < 126 ? 2 : payload.n < 65536 ? 4 : 10;
	hear_n(fd, head + payload.n);
	assert_int_equal((unsigned char)heard.data[0], first);
	assert_true(span_eq(span_n(heard.data + head, payload.n), payload));
	buf_drop(&heard, head + payload.n);
}

/* The server closes with a code; then the connection ends, and the owner is told another. */
static void fails_with(int fd, int code, int told)
{
	hear_n(fd, 4);
	assert_int_equal((unsigned char)heard.data[0], FIN | CLOSE);
	assert_int_equal((unsigned char)heard.data[2] << 8 | (unsigned char)heard.data[3], code);
	assert_true(hear(fd, &heard, NULL));
	close(fd);
	turns(5);
	assert_int_equal(ws_closed, told);
	assert_int_equal(server.count, 0);
}

static void got_is(const char *text)
{
	for (int i = 0; i < 2000 && got.len < strlen(text); i++)
		loop_turn(loop, 5);
	assert_string_equal(got.data ? got.data : "", text);
}

static void bye(int fd)
{
	put_frame(fd, FIN | CLOSE, span_n("\x03\xe8", 2));
	hears(fd, FIN | CLOSE, span_n("\x03\xe8", 2));
	assert_true(hear(fd, &heard, NULL));
	close(fd);
	turns(5);
	assert_int_equal(ws_closed, 1000);
	assert_int_equal(server.count, 0);
}

/* ---- tests ---- */

static void messages_go_both_ways(void **state)
{
	(void)state;
	cleanup_buf struct buf large = BUF_INIT(1 << 20);
	int fd = open_ws("");
	echoes = true;
	put_frame(fd, FIN | TEXT, span_of("Grüße"));
	hears(fd, FIN | TEXT, span_of("Grüße"));
	put_frame(fd, FIN | BINARY, span_n("\0\xff", 2));
	hears(fd, FIN | BINARY, span_n("\0\xff", 2));
	put_frame(fd, FIN | TEXT, SPAN_NONE);
	hears(fd, FIN | TEXT, SPAN_NONE);
	while (large.len < 70000)
		buf_adds(&large, "0123456789");
	put_frame(fd, FIN | TEXT, span_n(large.data, 300));
	hears(fd, FIN | TEXT, span_n(large.data, 300));
	put_frame(fd, FIN | TEXT, buf_span(&large));
	hears(fd, FIN | TEXT, buf_span(&large));
	assert_null(ws.frames); /* an idle one keeps no more than itself */
	assert_int_equal(ws.message.room, 0);
	bye(fd);
}

static void pieces_of_any_size_make_the_same_messages(void **state)
{
	(void)state;
	cleanup_buf struct buf all = BUF_INIT(4096);
	int fd = open_ws("");
	frame(&all, TEXT, span_of("one, "));
	frame(&all, FIN | PING, span_of("there?"));
	frame(&all, 0, SPAN_NONE);
	frame(&all, FIN, span_of("two"));
	frame(&all, FIN | PONG, span_of("unasked"));
	frame(&all, FIN | BINARY, span_of("three"));
	for (size_t i = 0; i < all.len; i++) {
		put(fd, span_n(all.data + i, 1));
		loop_turn(loop, 1);
	}
	got_is("text 8 one, two\nbinary 5 three\n");
	hears(fd, FIN | PONG, span_of("there?"));
	buf_clear(&got);
	put(fd, buf_span(&all));
	got_is("text 8 one, two\nbinary 5 three\n");
	hears(fd, FIN | PONG, span_of("there?"));
	bye(fd);
}

static void what_comes_with_the_request_is_not_lost(void **state)
{
	(void)state;
	cleanup_buf struct buf all = BUF_INIT(4096);
	int fd = dial();
	buf_adds(&all, HELLO "\r\n");
	frame(&all, FIN | TEXT, span_of("at once"));
	put(fd, buf_span(&all));
	got_is("text 7 at once\n");
	buf_clear(&heard);
	hear(fd, &heard, "\r\n\r\n");
	buf_drop(&heard, (size_t)(strstr(heard.data, "\r\n\r\n") + 4 - heard.data));
	bye(fd);
}

static void only_what_asks_for_one_becomes_one(void **state)
{
	static const char *const wrong[] = {
		"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
		"POST /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websockets\r\nConnection: Upgrade, close\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: close\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
		"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
		"Sec-WebSocket-Version: 13\r\n\r\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const char *answer = ask(wrong[i]);
		starts(answer, "HTTP/1.1 400 ");
		has(answer, "\"code\":\"invalid\"");
		assert_false(taken);
		if (i == 4)
			has(answer, "\r\nSec-WebSocket-Version: 13\r\n");
	}
}

/* Frames that may not be, and the code each ends with. */
static void mistakes_end_it(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int code;
	} wrong[] = {
#define W(bytes, code) {bytes, sizeof(bytes) - 1, code}
		W("\x81\x02hi", 1002),	     /* not masked */
		W("\xc1\x80\0\0\0\0", 1002), /* compressed, as nobody agreed */
		W("\xa1\x80\0\0\0\0", 1002), /* reserved bits */
		W("\x91\x80\0\0\0\0", 1002),
		W("\x83\x80\0\0\0\0", 1002), /* opcodes that are none */
		W("\x8b\x80\0\0\0\0", 1002),
		W("\x80\x80\0\0\0\0", 1002),		     /* a continuation of nothing */
		W("\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 1002), /* a message inside another */
		W("\x09\x80\0\0\0\0", 1002),		     /* half a ping */
		W("\x89\xfe\0\x7e\0\0\0\0", 1002),	     /* a large ping */
		W("\x88\x81\0\0\0\0\x03", 1002),	     /* half a code */
		W("\x88\x82\0\0\0\0\x03\xed", 1002),	     /* 1005 */
		W("\x88\x82\0\0\0\0\x03\xe7", 1002),	     /* 999 */
		W("\x88\x82\0\0\0\0\x13\x88", 1002),	     /* 5000 */
		W("\x88\x83\0\0\0\0\x03\xe8\xff", 1007),
		W("\x81\x82\0\0\0\0\xc3\x28", 1007),
		W("\x81\xff\0\0\0\0\0\x20\0\0\0\0\0\0x", 1009), /* 2 MiB */
		W("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x", 1009),
		W("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x", 1002),
	};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		int fd = open_ws("");
		put(fd, span_n(wrong[i].bytes, wrong[i].n));
		fails_with(fd, wrong[i].code, wrong[i].code);
		assert_int_equal(got.len, 0);
		ws = (struct websocket){.on_message = on_message, .on_closed = ws_gone};
		ws_closed = 0;
	}
}

static void a_message_in_many_frames_has_a_cap_too(void **state)
{
	static char block[65536];
	(void)state;
	int fd = open_ws("");
	memset(block, 'x', sizeof(block));
	put_frame(fd, TEXT, span_n(block, sizeof(block)));
	for (int i = 1; i < 16; i++)
		put_frame(fd, 0, span_n(block, sizeof(block)));
	turns(10);
	assert_int_equal(ws_closed, 0);
	put_frame(fd, 0, span_of("x"));
	fails_with(fd, 1009, 1009);
}

static void the_owner_closes(void **state)
{
	(void)state;
	char reason[200];
	int fd = open_ws("");
	memset(reason, 'r', sizeof(reason) - 1);
	reason[199] = '\0';
	websocket_close(&ws, WEBSOCKET_REFUSED, reason);
	websocket_close(&ws, WEBSOCKET_DONE, "again");
	assert_int_equal(websocket_send(&ws, span_of("late"), false, &e), -1);
	assert_int_equal(e.code, ERR_NETWORK);
	put_frame(fd, FIN | TEXT, span_of("crossed")); /* sent before the client saw it: nobody is told */
	hear_n(fd, 127);
	assert_int_equal((unsigned char)heard.data[0], FIN | CLOSE);
	assert_int_equal((unsigned char)heard.data[1], 125);
	buf_drop(&heard, 127);
	assert_int_equal(ws_closed, 0);
	put_frame(fd, FIN | CLOSE, span_n("\x03\xf0", 2));
	assert_true(hear(fd, &heard, NULL));
	assert_int_equal(heard.len, 0);
	close(fd);
	turns(5);
	assert_int_equal(ws_closed, 1008);
	assert_int_equal(got.len, 0);
}

static void a_client_that_goes_is_noticed(void **state)
{
	(void)state;
	int fd = open_ws("");
	put(fd, span_n("\x81\x85", 2)); /* in a frame */
	turns(3);
	assert_non_null(ws.frames);
	close(fd);
	for (int i = 0; i < 100 && !ws_closed; i++)
		loop_turn(loop, 5);
	assert_int_equal(ws_closed, WEBSOCKET_GONE);
}

static void a_silent_client_is_asked_and_given_up(void **state)
{
	(void)state;
	ws.ping_ms = 50;
	int fd = open_ws("");
	hears(fd, FIN | PING, SPAN_NONE);
	put_frame(fd, FIN | PONG, SPAN_NONE);
	hears(fd, FIN | PING, SPAN_NONE);
	assert_int_equal(ws_closed, 0);
	assert_true(hear(fd, &heard, NULL));
	turns(5);
	assert_int_equal(ws_closed, WEBSOCKET_GONE);
	close(fd);
}

static void a_slow_reader_holds_no_memory(void **state)
{
	static char block[65536];
	(void)state;
	int fd = open_ws("");
	size_t sent = 0;
	while (websocket_send(&ws, span_n(block, sizeof(block)), true, &e) == 0 && sent < 64 << 20) {
		sent += sizeof(block);
		turns(1);
	}
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_true(sent < 32 << 20);
	assert_int_equal(ws_drains, 0);
	for (size_t left = sent + sent / sizeof(block) * 10; left > 0;) {
		size_t n = left < 65536 ? left : 65536;
		hear_n(fd, n);
		left -= heard.len < left ? heard.len : left;
		buf_clear(&heard);
	}
	assert_int_equal(ws_drains, 1);
	bye(fd);
}

/* ---- compressed ---- */

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

static void squeeze(struct span text, bool final, struct buf *out)
{
	char bytes[65536];
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)text.p;
	z.avail_in = (unsigned)text.n;
	do {
		z.next_out = (unsigned char *)bytes;
		z.avail_out = sizeof(bytes);
		deflate(&z, final ? Z_FINISH : Z_SYNC_FLUSH);
		buf_add(out, bytes, sizeof(bytes) - z.avail_out);
	} while (z.avail_out == 0);
	deflateEnd(&z);
	if (!final)
		buf_cut(out, out->len - 4);
}

static size_t unsqueeze(struct span bytes, char *out, size_t room)
{
	z_stream z = {0};
	assert_int_equal(inflateInit2(&z, -15), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)bytes.p;
	z.avail_in = (unsigned)bytes.n;
	z.next_out = (unsigned char *)out;
	z.avail_out = (unsigned)room;
	assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
	inflateEnd(&z);
	return room - z.avail_out;
}

static void compressed_messages_go_both_ways(void **state)
{
	char text[2000], back[4000];
	(void)state;
	int fd = open_ws(OFFER);
	echoes = true;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "abcdefg "[i * i % 8];
	for (int round = 0; round < 3; round++) { /* each for itself; with a final block and without */
		cleanup_buf struct buf small = BUF_INIT(4000);
		squeeze(span_n(text, sizeof(text)), round == 1, &small);
		put_frame(fd, FIN | TEXT | DEFLATED, buf_span(&small));
		hear_n(fd, 2);
		assert_int_equal((unsigned char)heard.data[0], FIN | TEXT | DEFLATED);
		size_t head = heard.data[1] < 126 ? 2 : 4;
		hear_n(fd, head);
		size_t n = head == 2 ? (size_t)heard.data[1]
				     : (size_t)((unsigned char)heard.data[2] << 8 | (unsigned char)heard.data[3]);
		assert_true(n < sizeof(text) / 2);
		hear_n(fd, head + n);
		assert_int_equal(unsqueeze(span_n(heard.data + head, n), back, sizeof(back)), sizeof(text));
		assert_memory_equal(back, text, sizeof(text));
		buf_drop(&heard, head + n);
	}
	put_frame(fd, FIN | TEXT, span_of("plain")); /* RFC 7692 6: each message may be */
	hears(fd, FIN | TEXT, span_of("plain"));
	cleanup_buf struct buf parts = BUF_INIT(4000);
	squeeze(span_of("in two frames"), false, &parts);
	put_frame(fd, TEXT | DEFLATED, span_n(parts.data, 5));
	put_frame(fd, FIN, span_n(parts.data + 5, parts.len - 5));
	hears(fd, FIN | TEXT, span_of("in two frames"));
	bye(fd);
}

static void bombs_and_damage_end_it(void **state)
{
	(void)state;
	cleanup_buf struct buf bomb = BUF_INIT(1 << 20);
	char *zeros = mem_calloc(1, 64 << 20);
	squeeze(span_n(zeros, 64 << 20), false, &bomb);
	mem_free(zeros);
	assert_true(bomb.len < 100000);
	int fd = open_ws(OFFER);
	put_frame(fd, FIN | TEXT | DEFLATED, buf_span(&bomb));
	fails_with(fd, 1009, 1009);
	ws = (struct websocket){.on_message = on_message, .on_closed = ws_gone};
	ws_closed = 0;
	fd = open_ws(OFFER);
	put_frame(fd, FIN | TEXT | DEFLATED, span_of("\xff\xff\xff\xff no"));
	fails_with(fd, 1007, 1007);
	assert_int_equal(got.len, 0);
}

static void offers_are_taken_or_declined(void **state)
{
	static const struct {
		const char *offer;
		bool taken;
	} offers[] = {
		{"permessage-deflate", true},
		{"PerMessage-Deflate ; server_no_context_takeover; client_no_context_takeover", true},
		{"permessage-deflate; client_max_window_bits=10; server_max_window_bits=15", true},
		{"permessage-deflate; server_max_window_bits=\"15\"", true},
		{"permessage-deflate; server_max_window_bits=10, permessage-deflate", true},
		{"x-webkit-deflate-frame, permessage-deflate", true},
		{"permessage-deflate; server_max_window_bits=10", false},
		{"permessage-deflate; server_max_window_bits", false},
		{"permessage-deflate; server_no_context_takeover=1", false},
		{"permessage-deflate; client_max_window_bits; client_max_window_bits", false},
		{"permessage-deflate; what", false},
		{"permessage-deflate;", false},
		{"", false},
		{"foo", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(offers) / sizeof(*offers); i++) {
		char line[512];
		int fd = dial();
		snprintf(line, sizeof(line), HELLO "Sec-WebSocket-Extensions: %s\r\n\r\n", offers[i].offer);
		buf_clear(&heard);
		say(fd, line);
		hear(fd, &heard, "\r\n\r\n");
		const char *said = strstr(heard.data, "Sec-WebSocket-Extensions: permessage-deflate; "
						      "server_no_context_takeover; client_no_context_takeover\r\n");
		if ((said != NULL) != offers[i].taken)
			fail_msg("%s: %s", offers[i].offer, heard.data);
		close(fd);
		for (int k = 0; k < 100 && !ws_closed; k++)
			loop_turn(loop, 5);
		ws = (struct websocket){.on_message = on_message, .on_closed = ws_gone};
		ws_closed = 0;
	}
}

static void a_server_that_closes_ends_them(void **state)
{
	(void)state;
	int fd = open_ws("");
	server_close(&server, on_closed);
	for (int i = 0; i < 100 && !closed; i++)
		loop_turn(loop, 5);
	assert_int_equal(ws_closed, WEBSOCKET_GONE);
	assert_int_equal(closed, 1);
	close(fd);
}

int main(void)
{
#define WS(test) cmocka_unit_test_setup_teardown(test, ws_setup, ws_teardown)
	const struct CMUnitTest tests[] = {
		WS(messages_go_both_ways),
		WS(pieces_of_any_size_make_the_same_messages),
		WS(what_comes_with_the_request_is_not_lost),
		WS(only_what_asks_for_one_becomes_one),
		WS(mistakes_end_it),
		WS(a_message_in_many_frames_has_a_cap_too),
		WS(the_owner_closes),
		WS(a_client_that_goes_is_noticed),
		WS(a_silent_client_is_asked_and_given_up),
		WS(a_slow_reader_holds_no_memory),
		WS(compressed_messages_go_both_ways),
		WS(bombs_and_damage_end_it),
		WS(offers_are_taken_or_declined),
		WS(a_server_that_closes_ends_them),
	};
	return run("websocket", tests, sizeof(tests) / sizeof(*tests));
}
