/* Answers as our HTTP client reads them: the first byte says in what pieces they come, how often the reader pauses, and
 * whether a reset ends them. However they are cut, the same status, headers and body come out; caps hold; the end is
 * told once. */
#include <stdint.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/client.h"
#include "loopback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CAP (256 * KIB) /* small, so that compressed bodies reach it */

struct reading {
	struct http_request request;
	struct buf body, head;
	size_t pause; /* after so many bytes; 0: never */
	bool paused;
	int dones;
	struct err why;
};

static void on_head(struct http_request *r)
{
	static const char *const names[] = {"content-type", "retry-after", "retry-after-ms"};
	struct reading *x = container_of(r, struct reading, request);

	BUG_ON(x->head.len || r->status < 200 || r->status > 999);
	buf_addf(&x->head, "%d", r->status);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *value = http_response_header(r, names[i]);
		buf_addf(&x->head, "|%s", value ? value : "-");
		BUG_ON(value && strchr(value, '\n'));
	}
}

static bool on_body(struct http_request *r, struct span bytes)
{
	struct reading *x = container_of(r, struct reading, request);

	BUG_ON(!x->head.len || x->dones || x->paused);
	buf_addspan(&x->body, bytes);
	BUG_ON(x->body.len > CAP);
	x->paused = x->pause && x->body.len % x->pause == 0;
	return !x->paused;
}

static void on_done(struct http_request *r, const struct err *why)
{
	struct reading *x = container_of(r, struct reading, request);

	x->dones++;
	x->why = *why;
}

static void read_answer(struct reading *x, struct loop *loop, const char *url)
{
	struct err e = ERR_INIT;
	struct http *http = http_new(loop, &e);

	x->request = (struct http_request){.method = "GET",
		.url = url,
		.total_ms = 20000,
		.response_cap = CAP,
		.on_head = on_head,
		.on_body = on_body,
		.on_done = on_done};
	buf_init(&x->body, CAP + 1);
	buf_init(&x->head, 1 * MIB);
	if (!http || http_request_start(&x->request, http, &e))
		BUG("%s", e.text);
	while (!x->dones) {
		loop_turn(loop, x->paused ? 0 : -1);
		if (x->paused && !x->dones) {
			x->paused = false;
			http_request_resume(&x->request);
		}
	}
	BUG_ON(x->dones != 1 || http_alive(http));
	if (x->why.code == ERR_TIMEOUT)
		BUG("hung: %s", x->why.text);
	BUG_ON(x->why.code == ERR_OK && !x->head.len);
	http_free(http);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loopback server;
	static struct loop *loop;
	struct reading whole = {0}, cut = {0};
	struct err e = ERR_INIT;
	struct span bytes;

	if (!loop) {
		loop = loop_new(&e);
		if (!loop)
			BUG("%s", e.text);
		loopback_open(&server, loop, NULL);
	}
	if (size < 1)
		return 0;
	bytes = span_n((const char *)data + 1, size - 1);
	loopback_answer(&server, bytes, bytes.n, false);
	read_answer(&whole, loop, server.url);
	loopback_answer(&server, bytes, data[0] % 32 + 1u, data[0] & 0x80);
	cut.pause = data[0] & 0x40 ? 3 : 0;
	read_answer(&cut, loop, server.url);
	if (!server.reset && loopback_alike(bytes)) { /* a reset takes away what was not read yet */
		if (whole.why.code != cut.why.code || !span_eq(buf_span(&whole.head), buf_span(&cut.head)))
			BUG("cut differently, read differently: \"%s\" %s, \"%s\" %s", whole.head.data, whole.why.text,
				cut.head.data, cut.why.text);
		BUG_ON(whole.why.code == ERR_OK && !span_eq(buf_span(&whole.body), buf_span(&cut.body)));
	}
	loopback_hang_up(&server);
	for (struct reading *x = &whole; x; x = x == &whole ? &cut : NULL) {
		buf_release(&x->body);
		buf_release(&x->head);
	}
	return 0;
}
