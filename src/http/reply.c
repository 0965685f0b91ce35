#include "http/reply.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/caps.h"
#include "base/log.h"
#include "http/connection.h"
#include "http/header.h"
#include "http/origin.h"

/* Purpose: heads, bodies and chunks.
 *
 * Failure modes: what cannot be queued whole is not queued at all. A head that cannot be sent makes the connection one
 * whose client is gone, so that nothing of its body goes out. */

#define HEAD_MAX (CAP_HTTP_HEAD + 4 * KIB)

/* RFC 9110 15, RFC 6585, RFC 4918. */
static const struct {
	int status;
	const char *words;
} reasons[] = {
	{101, "Switching Protocols"},
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{206, "Partial Content"},
	{303, "See Other"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{402, "Payment Required"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{421, "Misdirected Request"},
	{422, "Unprocessable Content"},
	{423, "Locked"},
	{428, "Precondition Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
	{507, "Insufficient Storage"},
};

static const char *reason(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].words;
	return ""; /* may be empty, RFC 9112 4 */
}

/* Sent with every reply, unless the handler gave another. */
static const struct {
	const char *name, *value;
} defaults[] = {
	{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "no-referrer"},
	{"Cache-Control", "no-store"},
};

static bool was_added(const struct connection *c, const char *name)
{
	struct span rest = buf_span(&c->extra), line;
	while (span_line(&rest, &line))
		if (line.n > strlen(name) && line.p[strlen(name)] == ':' &&
			strncasecmp(line.p, name, strlen(name)) == 0)
			return true;
	return false;
}

/* Every head passes here. */
static void reply_security_headers(const struct connection *c, struct buf *out)
{
	const struct server_request *r = &c->request;
	for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++)
		if (!was_added(c, defaults[i].name))
			buf_addf(out, "%s: %s\r\n", defaults[i].name, defaults[i].value);
	/* RFC 6797; what a request says of itself is known only when its head was read. */
	if (r->tls || (sm_is(&c->sm) == CONN_HANDLING && strcmp(request_scheme(r), "https") == 0))
		buf_adds(out, "Strict-Transport-Security: max-age=31536000\r\n");
}

static bool has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

/* length -1: until reply_end. */
static void head_make(struct connection *c, int status, const char *type, int64_t length, struct buf *out)
{
	char date[64];
	time_t at = (time_t)(clock_wall(loop_clock(c->server->loop)) / 1000000);
	struct tm tm;
	gmtime_r(&at, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm); /* RFC 9110 5.6.7; the C locale */
	buf_addf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, reason(status), date);
	if (type)
		buf_addf(out, "Content-Type: %s\r\n", type);
	if (length >= 0 && has_body(status))
		buf_addf(out, "Content-Length: %lld\r\n", (long long)length);
	if (c->chunked)
		buf_adds(out, "Transfer-Encoding: chunked\r\n");
	if (!c->keep_alive)
		buf_adds(out, "Connection: close\r\n");
	else if (c->parser.minor == 0)
		buf_adds(out, "Connection: keep-alive\r\n");
	if (status == 405)
		buf_adds(out, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
	reply_security_headers(c, out);
	buf_addspan(out, buf_span(&c->extra));
	buf_adds(out, "\r\n");
}

/* Head and body, whole or not at all, however large. */
static int send_whole(
	struct connection *c, int status, const char *type, struct span body, bool head_only, struct err *e)
{
	cleanup_buf struct buf head = BUF_INIT(HEAD_MAX);
	c->chunked = false;
	head_make(c, status, type, (int64_t)body.n, &head);
	if (buf_check(&head, "the reply's head", e) != 0)
		return -1;
	if (head_only || !has_body(status))
		body = SPAN_NONE;
	size_t need = transport_queued(&c->transport) + head.len + body.n;
	if (need > CAP_HTTP_QUEUE)
		transport_set_cap(&c->transport, need);
	struct span pieces[] = {buf_span(&head), body};
	return connection_write(c, pieces, 2, e);
}

static void give_up(struct connection *c)
{
	if (sm_is(&c->sm) == CONN_HANDLING)
		sm_move(&c->sm, CONN_GONE);
}

static bool is_head(const struct connection *c)
{
	return strcmp(c->request.method, "HEAD") == 0;
}

static void decide(struct connection *c)
{
	c->owed = 0;
	c->keep_alive = c->parser.keep_alive && c->parser.place == PARSER_AT_END && !server_closing(c->server);
}

static void problem_make(int status, const struct err *why, struct buf *out)
{
	cleanup_buf struct buf masked = BUF_INIT(4 * ERR_TEXT_MAX);
	log_mask(span_of(why->text), &masked);
	buf_addf(out, "{\"code\":\"%s\",\"detail\":\"", err_name(why->code));
	buf_add_json(out, buf_span(&masked));
	buf_addf(out, "\",\"status\":%d,\"title\":\"%s\",\"type\":\"about:blank\"}", status, reason(status));
	if (masked.failed)
		out->failed = masked.failed;
}

int reply_header(struct server_request *r, const char *name, const char *value, struct err *e)
{
	struct buf *extra = &connection_of(r)->extra;
	size_t before = extra->len;
	if (!header_name_valid(name) || !header_value_valid(value))
		return err_set(e, ERR_INVALID, "the reply's header %s holds a line break or control byte",
			header_name_valid(name) ? name : "name");
	buf_addf(extra, "%s: %s\r\n", name, value);
	if (buf_check(extra, "the reply's headers", e) == 0)
		return 0;
	extra->failed = BUF_FINE; /* the others are whole */
	buf_cut(extra, before);
	return -1;
}

void reply_bytes(struct server_request *r, int status, const char *content_type, struct span body)
{
	struct connection *c = connection_of(r);
	struct err e = ERR_INIT;
	decide(c);
	if (send_whole(c, status, content_type, body, is_head(c), &e) != 0)
		give_up(c);
	connection_replied(c);
}

void reply_json(struct server_request *r, int status, struct span json)
{
	reply_bytes(r, status, "application/json", json);
}

void reply_problem(struct server_request *r, const struct err *why)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_HTTP_HEAD);
	int status = err_http(why->code);
	problem_make(status, why, &text);
	if (text.failed) {
		give_up(connection_of(r));
		connection_replied(connection_of(r));
		return;
	}
	reply_bytes(r, status, "application/problem+json", buf_span(&text));
}

int reply_refusal(struct connection *c, int status, const struct err *why)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_HTTP_HEAD);
	struct err e = ERR_INIT;
	c->keep_alive = false;
	problem_make(status, why, &text);
	if (text.failed)
		return -1;
	bool head_only = c->parser.place != PARSER_BROKEN && c->parser.place != PARSER_IN_HEAD && is_head(c);
	return send_whole(c, status, "application/problem+json", buf_span(&text), head_only, &e);
}

int reply_start_length(struct server_request *r, int status, const char *content_type, int64_t length, struct err *e)
{
	struct connection *c = connection_of(r);
	cleanup_buf struct buf head = BUF_INIT(HEAD_MAX);
	sm_move(&c->reply, REPLY_STREAMING);
	decide(c);
	/* HTTP/1.0 knows no chunks: the end of the connection is the end of the body. */
	c->chunked = length < 0 && has_body(status) && c->parser.minor == 1;
	c->keep_alive = c->keep_alive && (c->chunked || length >= 0 || !has_body(status) || is_head(c));
	c->owed = length < 0 || is_head(c) || !has_body(status) ? 0 : length;
	head_make(c, status, content_type, length, &head);
	struct span piece = buf_span(&head);
	if (buf_check(&head, "the reply's head", e) == 0 && connection_write(c, &piece, 1, e) == 0)
		return 0;
	give_up(c);
	return -1;
}

int reply_start(struct server_request *r, int status, const char *content_type, struct err *e)
{
	return reply_start_length(r, status, content_type, -1, e);
}

int reply_writev(struct server_request *r, const struct span *given, size_t n, struct err *e)
{
	struct connection *c = connection_of(r);
	struct span pieces[REPLY_PIECES + 2];
	char size[24];
	size_t all = 0;
	BUG_ON(sm_is(&c->reply) != REPLY_STREAMING || n > REPLY_PIECES);
	for (size_t i = 0; i < n; i++) {
		pieces[i + 1] = given[i];
		all += given[i].n;
	}
	if (all == 0 || is_head(c)) /* an empty chunk would be the last */
		return 0;
	if (!c->chunked) {
		if (connection_write(c, given, n, e) != 0)
			return -1;
		c->owed -= (int64_t)all;
		return 0;
	}
	pieces[0] = span_n(size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", all));
	pieces[n + 1] = span_of("\r\n");
	return connection_write(c, pieces, n + 2, e);
}

int reply_write(struct server_request *r, struct span bytes, struct err *e)
{
	return reply_writev(r, &bytes, 1, e);
}

size_t reply_queued(const struct server_request *r)
{
	return transport_queued(&connection_of(r)->transport);
}

void reply_abort(struct server_request *r)
{
	struct connection *c = connection_of(r);
	BUG_ON(sm_is(&c->reply) != REPLY_STREAMING);
	give_up(c);
	connection_replied(c);
}

void reply_end(struct server_request *r)
{
	struct connection *c = connection_of(r);
	struct span last = span_of("0\r\n\r\n");
	struct err e = ERR_INIT;
	BUG_ON(sm_is(&c->reply) != REPLY_STREAMING);
	if (c->chunked && !is_head(c)) {
		transport_set_cap(&c->transport, CAP_HTTP_QUEUE + KIB); /* there is always room for the end */
		if (connection_write(c, &last, 1, &e) != 0)
			give_up(c);
	}
	if (c->owed > 0)
		give_up(c); /* what follows would be taken for the rest */
	connection_replied(c);
}
