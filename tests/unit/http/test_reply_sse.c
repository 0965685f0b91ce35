/* Events as a browser reads them. */
#include "server_rig.h"

#include <string.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/reply_sse.h"

static void makes(const char *name, const char *id, const char *data, const char *expected)
{
	cleanup_buf struct buf out = BUF_INIT(1000);
	must(reply_sse_make(name, id, span_of(data), &out, &e), &e);
	assert_string_equal(out.data, expected);
}

static void test_events(void **state)
{
	(void)state;
	makes(NULL, NULL, "a", "data: a\n\n");
	makes("run", "5", "{\"a\":1}", "event: run\nid: 5\ndata: {\"a\":1}\n\n");
	makes(NULL, "", "", "id: \ndata: \n\n");
	makes(NULL, NULL, "a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n\n");
	makes(NULL, NULL, "a\n", "data: a\ndata: \n\n");
	/* Nothing in the data becomes a field of its own. */
	makes(NULL, NULL, "x\n\nevent: evil\rid: 7\n\n",
		"data: x\ndata: \ndata: event: evil\ndata: id: 7\ndata: \ndata: \n\n");
	cleanup_buf struct buf out = BUF_INIT(1000), small = BUF_INIT(10);
	assert_int_equal(reply_sse_make("a\nb", NULL, span_of(""), &out, &e), -1);
	assert_int_equal(reply_sse_make(NULL, "a\rb", span_of(""), &out, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(reply_sse_make(NULL, NULL, span_of("more than fits"), &small, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

static bool refused;

static void on_gone(struct server_request *r)
{
	(void)r;
	gone++;
}

static void on_drain(struct server_request *r)
{
	(void)r;
	drains++;
}

static void handle_events(struct server_request *r, void *ctx)
{
	(void)ctx;
	held = r;
	r->on_gone = on_gone;
	r->on_drain = on_drain;
	must(reply_sse_start(r, 3000, &e), &e);
	must(reply_sse_event(r, "first", "1", span_of("x"), &e), &e);
}

static void test_stream(void **state)
{
	(void)state;
	server.handle = handle_events;
	int fd = dial();
	buf_clear(&heard);
	say(fd, GET("/"));
	hear(fd, &heard, "data: x\n\n");
	has(heard.data, "\r\nContent-Type: text/event-stream\r\n");
	has(heard.data, "\r\nCache-Control: no-store\r\n");
	has(heard.data, "retry: 3000\n\n");
	has(heard.data, "event: first\nid: 1\ndata: x\n\n");
	assert_null(request_header(held, "host")); /* an idle stream holds no head */
	assert_string_equal(held->path, "");
	buf_clear(&heard);
	must(reply_sse_heartbeat(held, &e), &e);
	hear(fd, &heard, ":\n\n");
	/* A browser that does not read: the events have an end, heartbeats add nothing, and there is room again later.
	 */
	char block[10000];
	memset(block, 'y', sizeof(block));
	size_t sent = 0;
	for (refused = false; !refused; loop_turn(loop, 0)) {
		refused = reply_sse_event(held, NULL, "2", span_n(block, sizeof(block)), &e) != 0;
		sent += !refused;
		assert_true(reply_queued(held) <= CAP_HTTP_QUEUE);
	}
	assert_int_equal(e.code, ERR_TOO_LARGE);
	size_t queued = reply_queued(held);
	must(reply_sse_heartbeat(held, &e), &e);
	assert_int_equal(reply_queued(held), queued);
	buf_clear(&heard);
	while (drains == 0) {
		char bytes[65536];
		ssize_t n = read(fd, bytes, sizeof(bytes));
		if (n > 0)
			buf_add(&heard, bytes, (size_t)n);
		loop_turn(loop, 1);
	}
	must(reply_sse_event(held, "last", "3", span_of("end"), &e), &e);
	hear(fd, &heard, "event: last\nid: 3\ndata: end\n\n");
	size_t events = 0;
	for (const char *at = heard.data; (at = strstr(at, "id: 2\n")); at++)
		events++;
	assert_int_equal(events, sent); /* whole or not at all */
	assert_int_equal(gone, 0);
	close(fd);
	for (int i = 0; i < 1000 && !gone; i++)
		loop_turn(loop, 10);
	assert_int_equal(gone, 1);
	assert_int_equal(reply_sse_event(held, NULL, NULL, span_of("x"), &e), -1);
	reply_end(held);
	turns(3);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(events),
		T(stream),
	};
	return run("test_reply_sse", tests, sizeof(tests) / sizeof(*tests));
}
