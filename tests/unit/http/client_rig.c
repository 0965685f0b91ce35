/* client_rig: the callbacks of a request that notes everything. */
#include "client_rig.h"

#include <stdio.h>
#include <string.h>

#include "client_peer.h"

struct loop *loop;
struct http *http;
struct err e;
char url[128];

static void on_head(struct http_request *r)
{
	struct get *g = container_of(r, struct get, r);
	const char *type = http_response_header(r, "content-type");
	g->heads++;
	assert_int_equal(g->body.len, 0);
	snprintf(g->type, sizeof(g->type), "%s", type ? type : "");
	assert_null(http_response_header(r, "no-such"));
	if (g->cancel_in_head)
		http_request_cancel(r);
}

void get_resume(struct timer *t)
{
	struct get *g = container_of(t, struct get, resume);
	g->paused = false;
	size_t before = g->body.len;
	http_request_resume(&g->r);
	assert_int_equal(g->body.len, before); /* nothing from inside */
}

static bool on_body(struct http_request *r, struct span bytes)
{
	struct get *g = container_of(r, struct get, r);
	assert_int_equal(g->heads, 1);
	assert_false(g->paused);
	assert_int_equal(g->dones, 0);
	buf_addspan(&g->body, bytes);
	if (g->cancel_in_body) {
		http_request_cancel(r);
		return true;
	}
	g->since += bytes.n;
	if (g->pause_every && g->since >= g->pause_every) {
		g->since = 0;
		g->paused = true;
		must(timer_start(&g->resume, 1, &e), &e);
		return false;
	}
	return true;
}

static void on_done(struct http_request *r, const struct err *why)
{
	struct get *g = container_of(r, struct get, r);
	g->dones++;
	g->why = *why;
	if (g->frees_client) {
		http_free(http);
		http = NULL;
	}
}

void get_init(struct get *g)
{
	memset(g, 0, sizeof(*g));
	g->r = (struct http_request){.method = "GET",
		.url = url,
		.response_cap = 16u << 20,
		.on_head = on_head,
		.on_body = on_body,
		.on_done = on_done};
	buf_init(&g->body, 64u << 20);
	timer_init(&g->resume, loop, get_resume);
}

void get_run(struct get *g)
{
	must(http_request_start(&g->r, http, &e), &e);
	assert_int_equal(g->dones, 0);
	while (!g->dones)
		assert_true(loop_turn(loop, 5000) || g->dones);
	assert_int_equal(g->dones, 1);
}

int get_setup(void **state)
{
	(void)state;
	err_clear(&e);
	loop = loop_new(&e);
	http = http_new(loop, &e);
	peer_listen(0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/path?q=1", peer.port);
	return loop && http ? 0 : -1;
}

int get_teardown(void **state)
{
	(void)state;
	assert_true(!http || http_alive(http) == 0);
	http_free(http);
	loop_free(loop);
	peer_stop();
	return 0;
}
