/* remote: see remote.h. Each call turns the loop until its answer is there. */
#include "cmd/remote.h"

#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/client.h"
#include "loop/stream.h"

struct exchange {
	struct http_request request;
	struct buf body;
	bool over;
	struct err why;
};

bool remote_there(const struct app *a)
{
	struct err ignored = ERR_INIT;
	int fd = socket_connect_unix(a->sock, &ignored);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool on_body(struct http_request *r, struct span bytes)
{
	struct exchange *x = container_of(r, struct exchange, request);
	buf_addspan(&x->body, bytes);
	return true;
}

static void on_done(struct http_request *r, const struct err *why)
{
	struct exchange *x = container_of(r, struct exchange, request);
	x->over = true;
	x->why = *why;
}

/* The error in a problem document. */
static int problem(const struct exchange *x, struct err *e)
{
	cleanup_json json_t *v = json_parse(buf_span(&x->body), "the owner's reply", e);
	if (!v)
		return -1;
	enum err_code code = json_str(v, "code") ? err_code_named(json_str(v, "code")) : ERR_CODES;
	const char *text = json_str(v, "detail") ? json_str(v, "detail") : json_str(v, "title");
	err_clear(e);
	return err_set(e, code < ERR_CODES && code != ERR_OK ? code : ERR_INTERNAL, "%s",
		text && text[0] ? text : "no reason was given");
}

static int exchange(struct app *a, struct exchange *x, const char *path, const json_t *body, struct err *e)
{
	cleanup_free char *url = mem_printf("http://muster%s", path), *text = body ? json_text(body) : NULL;
	struct span piece = span_of(text);
	struct http_header header = {"Content-Type", "application/json"};
	struct http *http = url && (!body || text) ? http_new(a->loop, e) : NULL;
	if (!http)
		return e->code == ERR_OK ? err_nomem(e) : -1;
	buf_init(&x->body, 64 * MIB);
	x->request = (struct http_request){.method = body ? "POST" : "GET",
		.url = url,
		.unix_socket = a->sock,
		.headers = &header,
		.header_count = body ? 1 : 0,
		.body = body ? &piece : NULL,
		.body_pieces = body ? 1 : 0,
		.total_ms = 120000,
		.response_cap = 64 * MIB,
		.on_body = on_body,
		.on_done = on_done};
	int failed = http_request_start(&x->request, http, e);
	while (!failed && !x->over)
		loop_turn(a->loop, -1);
	while (http_alive(http))
		loop_turn(a->loop, -1);
	http_free(http);
	return failed;
}

json_t *remote_call(struct app *a, const char *path, const json_t *body, struct err *e)
{
	struct exchange x = {0};
	json_t *out = NULL;
	if (!exchange(a, &x, path, body, e)) {
		if (x.why.code != ERR_OK) {
			*e = x.why;
			err_wrap(e, "the owner of %s", a->data_dir);
		} else if (x.request.status != 200) {
			problem(&x, e);
		} else {
			out = json_parse(buf_span(&x.body), "the owner's reply", e);
		}
	}
	buf_release(&x.body);
	return out;
}
