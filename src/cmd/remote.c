/* remote: see remote.h.
 *
 * Failure modes: nobody answers, the certificate is not trusted, the caller is not known, or what answers is no muster:
 * each says so, with what to do. */
#include "cmd/remote.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "cmd/keyring.h"
#include "loop/stream.h"

#define CAP_REPLY (64 * MIB)
#define TIME_REPLY 120000
#define TIME_HEALTH 3000 /* until the folder's owner counts as stopped */
#define PAGE 1000	 /* rows that a server gives at once, at most */

/* ---- whom one speaks to ---- */

const char *remote_named(const struct args *args)
{
	const char *url = args_get(args, "url"), *set = getenv("MUSTER_URL");
	if (url)
		return url;
	return set && *set && !args_get(args, "data") ? set : NULL;
}

int remote_refuse(const struct args *args, const char *what, struct err *e)
{
	const char *url = remote_named(args);
	return url ? err_set(e, ERR_USAGE,
			     "muster %s works in a data folder, not at a server (%s): leave out --url and MUSTER_URL, "
			     "or name the folder with --data, on the server's machine",
			     what, url)
		   : 0;
}

bool remote_there(const struct app *a)
{
	struct err ignored = ERR_INIT;
	int fd = socket_connect_unix(a->sock, &ignored);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

char *remote_url(const char *url, struct err *e)
{
	size_t n = strlen(url);
	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) {
		err_set(e, ERR_USAGE, "\"%s\" is no server's address such as https://muster.example", url);
		return NULL;
	}
	while (n && url[n - 1] == '/')
		n--;
	char *out = mem_strndup(url, n);
	if (!out)
		err_nomem(e);
	return out;
}

static struct remote *make(struct loop *l, char *url, char *sock, char *name, struct err *e)
{
	struct remote *r = MEM_NEW(struct remote);
	if (!r || !url || !name) {
		mem_free(r);
		mem_free(url);
		mem_free(sock);
		mem_free(name);
		err_nomem(e);
		return NULL;
	}
	*r = (struct remote){.loop = l, .url = url, .sock = sock, .name = name, .own_loop = !l};
	if ((l || (r->loop = loop_new(e))) && (r->http = http_new(r->loop, e)))
		return r;
	remote_close(r);
	return NULL;
}

struct remote *remote_owner(const struct app *a, struct err *e)
{
	char *sock = mem_strdup(a->sock);
	if (!sock) {
		err_nomem(e);
		return NULL;
	}
	return make(a->loop, mem_strdup("http://muster"), sock, mem_printf("the owner of %s", a->data_dir), e);
}

struct remote *remote_server(const char *url, const char *bearer, struct err *e)
{
	const char *set = getenv("MUSTER_KEY");
	char *whole = remote_url(url, e);
	cleanup_free char *kept = NULL;
	if (!whole)
		return NULL;
	if (!bearer && set && *set)
		bearer = set;
	if (!bearer) {
		kept = keyring_get(whole, e);
		bearer = kept;
	}
	struct remote *r = e->code == ERR_OK ? make(NULL, whole, NULL, mem_strdup(whole), e) : (mem_free(whole), NULL);
	if (r && bearer && *bearer && !(r->bearer = mem_printf("Bearer %s", bearer))) {
		remote_close(r);
		err_nomem(e);
		return NULL;
	}
	return r;
}

bool remote_busy(const struct remote *r, struct err *e)
{
	bool busy = r->sock && e->code == ERR_OWNED;
	if (busy)
		err_clear(e);
	return busy;
}

void remote_close(struct remote *r)
{
	if (!r)
		return;
	while (r->http && http_alive(r->http))
		loop_turn(r->loop, -1);
	http_free(r->http);
	if (r->own_loop && r->loop) {
		while (loop_turn(r->loop, 0))
			;
		loop_free(r->loop);
	}
	if (r->bearer)
		crypt_wipe(r->bearer, strlen(r->bearer));
	mem_free(r->bearer);
	mem_free(r->url);
	mem_free(r->sock);
	mem_free(r->name);
	mem_free(r);
}

/* ---- what went wrong ---- */

static void unreached(const struct remote_call *c, const struct err *why, struct err *e)
{
	const struct remote *r = c->remote;
	bool untrusted = strstr(why->text, "certificate") || strstr(why->text, "SSL");
	if (why->code == ERR_CANCELLED || why->code == ERR_NOMEM || r->sock) {
		*e = *why;
		err_wrap(e, "%s", r->name);
		return;
	}
	err_set(e, why->code, "%s cannot be asked: %s; %s", r->name, why->text,
		untrusted ? "if the certificate is your own, name its authority with MUSTER_CA=FILE"
			  : "is the address right (--url, MUSTER_URL), and does `muster serve` run there?");
}

static void no_muster(const struct remote_call *c, struct err *e)
{
	err_set(e, ERR_INVALID, "%s does not answer as a muster server does (status %d): is the address right?",
		c->remote->name, c->request.status);
}

/* The error in a problem document. */
static void problem(const struct remote_call *c, struct err *e)
{
	struct err ignored = ERR_INIT;
	cleanup_json json_t *v = json_parse(buf_span(&c->reply), "the reply", &ignored);
	enum err_code code = json_str(v, "code") ? err_code_named(json_str(v, "code")) : ERR_CODES;
	const char *text = json_str(v, "detail") ? json_str(v, "detail") : json_str(v, "title");
	if (code >= ERR_CODES || code == ERR_OK) {
		no_muster(c, e);
		return;
	}
	err_set(e, code, "%s", text && *text ? text : err_text(code));
	if (code == ERR_UNAUTHENTICATED)
		err_set(e, code,
			"%s does not know who is asking: %s; sign in with `muster auth login %s`, or set "
			"MUSTER_KEY",
			c->remote->name, text && *text ? text : "no valid key", c->remote->url);
}

/* ---- one request ---- */

/* <path>; rel="next" (RFC 8288), as the server writes it. */
static char *next_page(const struct remote_call *c)
{
	const char *link = http_response_header(&c->request, "link");
	const char *end = link && *link == '<' ? strchr(link, '>') : NULL;
	return end && link[1] == '/' && strstr(end, "rel=\"next\"") ? mem_strndup(link + 1, (size_t)(end - link) - 1)
								    : NULL;
}

static bool lines(const struct remote_call *c)
{
	return c->line && c->request.status == 200;
}

static bool on_body(struct http_request *q, struct span bytes)
{
	struct remote_call *c = container_of(q, struct remote_call, request);
	buf_addspan(&c->reply, bytes);
	if (!lines(c))
		return true;
	char *end;
	size_t done = 0;
	while (done < c->reply.len && (end = memchr(c->reply.data + done, '\n', c->reply.len - done))) {
		size_t n = (size_t)(end - c->reply.data) - done;
		c->line(c, span_n(c->reply.data + done, n));
		done += n + 1;
	}
	buf_drop(&c->reply, done);
	return true;
}

static void release(struct remote_call *c)
{
	buf_release(&c->reply);
	mem_free(steal(&c->url));
	mem_free(steal(&c->text));
}

static json_t *result(struct remote_call *c, const struct err *why, struct err *e)
{
	int status = c->request.status;
	if (why->code != ERR_OK) {
		unreached(c, why, e);
	} else if (status < 200 || status > 299) {
		problem(c, e);
	} else if (buf_check(&c->reply, "the reply", e)) {
		return NULL;
	} else if (c->text_to) {
		buf_addspan(c->text_to, buf_span(&c->reply));
	} else if (!lines(c) && status != 204) {
		json_t *out = json_parse(buf_span(&c->reply), "the reply", e);
		if (!out && e->code != ERR_NOMEM) {
			err_clear(e);
			no_muster(c, e);
		}
		c->next = out ? next_page(c) : NULL;
		return out;
	}
	return NULL;
}

static void on_done(struct http_request *q, const struct err *why)
{
	struct remote_call *c = container_of(q, struct remote_call, request);
	struct err e = ERR_INIT;
	cleanup_json json_t *reply = result(c, why, &e);
	release(c);
	c->over(c, reply, &e);
}

int remote_start(struct remote_call *c, struct remote *r, const char *method, const char *path, const json_t *body,
	struct err *e)
{
	size_t n = 0;
	c->remote = r;
	c->next = NULL;
	buf_init(&c->reply, CAP_REPLY);
	c->url = mem_printf("%s%s", r->url, path);
	c->text = body ? json_text(body) : NULL;
	if (!c->url || (body && !c->text)) {
		release(c);
		return err_nomem(e);
	}
	c->piece = span_of(c->text);
	if (body)
		c->headers[n++] = (struct http_header){"Content-Type", "application/json"};
	if (r->bearer)
		c->headers[n++] = (struct http_header){"Authorization", r->bearer};
	const char *ca = getenv("MUSTER_CA");
	c->request = (struct http_request){.method = method,
		.url = c->url,
		.unix_socket = r->sock,
		.ca_file = ca && *ca ? ca : NULL,
		.headers = c->headers,
		.header_count = n,
		.body = body ? &c->piece : NULL,
		.body_pieces = body ? 1 : 0,
		.total_ms = c->total_ms ? c->total_ms
			    : c->line	? 0
					: TIME_REPLY,
		.response_cap = c->line ? SIZE_MAX : CAP_REPLY,
		.on_body = on_body,
		.on_done = on_done};
	if (!http_request_start(&c->request, r->http, e))
		return 0;
	release(c);
	return -1;
}

void remote_cancel(struct remote_call *c)
{
	http_request_cancel(&c->request);
}

/* ---- waited for ---- */

struct waited {
	struct remote_call call;
	bool over;
	json_t *reply;
	struct err why;
};

static void on_over(struct remote_call *c, json_t *reply, const struct err *why)
{
	struct waited *w = container_of(c, struct waited, call);
	w->over = true;
	w->why = *why;
	w->reply = reply ? json_incref(reply) : json_null();
}

/* The reply, or NULL; w is what the caller wants of it, and takes its next page. */
static json_t *wait_for(
	struct waited *w, struct remote *r, const char *method, const char *path, const json_t *body, struct err *e)
{
	if (remote_start(&w->call, r, method, path, body, e))
		return NULL;
	while (!w->over)
		loop_turn(r->loop, -1);
	if (w->why.code == ERR_OK)
		return w->reply;
	json_decref(w->reply);
	*e = w->why;
	return NULL;
}

/* text: where the reply goes when it is no JSON; next: path of the page behind this one; NULL: nobody asks. */
static json_t *ask(struct remote *r, const char *method, const char *path, const json_t *body, struct buf *text,
	char **next, struct err *e)
{
	struct waited w = {.call = {.over = on_over, .text_to = text}};
	json_t *reply = wait_for(&w, r, method, path, body, e);
	if (next)
		*next = steal(&w.call.next);
	mem_free(w.call.next);
	return reply;
}

json_t *remote_ask(struct remote *r, const char *method, const char *path, const json_t *body, struct err *e)
{
	return ask(r, method, path, body, NULL, NULL, e);
}

int remote_text(struct remote *r, const char *path, struct buf *out, struct err *e)
{
	cleanup_json json_t *nothing = ask(r, "GET", path, NULL, out, NULL, e);
	return nothing ? buf_check(out, "the reply", e) : -1;
}

json_t *remote_list(struct remote *r, const char *path, int limit, struct err *e)
{
	char *next = mem_printf(
		"%s%climit=%d", path, strchr(path, '?') ? '&' : '?', limit >= 0 && limit < PAGE ? limit : PAGE);
	cleanup_json json_t *out = next ? json_make(e, "[]") : (err_nomem(e), NULL);
	while (next && out) {
		cleanup_free char *page = steal(&next);
		cleanup_json json_t *rows = ask(r, "GET", page, NULL, NULL, &next, e);
		if (!rows || json_array_extend(out, rows)) {
			if (e->code == ERR_OK)
				err_nomem(e);
			mem_free(next);
			return NULL;
		}
		if (limit >= 0 && json_array_size(out) >= (size_t)limit)
			break;
	}
	mem_free(next);
	while (out && limit >= 0 && json_array_size(out) > (size_t)limit)
		json_array_remove(out, json_array_size(out) - 1);
	return steal(&out);
}

static bool answers(struct remote *r)
{
	struct waited w = {.call = {.over = on_over, .total_ms = TIME_HEALTH}};
	struct err ignored = ERR_INIT;
	cleanup_json json_t *reply = wait_for(&w, r, "GET", "/health", NULL, &ignored);
	return reply != NULL;
}

int remote_find(const struct args *args, struct remote **out, struct err *e)
{
	struct app a cleanup_app = {0};
	const char *url = remote_named(args);
	*out = NULL;
	if (url)
		*out = remote_server(url, NULL, e);
	else if (!app_open(&a, args, APP_FOLDERS, e) && remote_there(&a))
		*out = remote_owner(&a, e); /* on a loop of its own: the app has none */
	if (*out && (*out)->sock && !answers(*out)) {
		remote_close(*out);
		*out = NULL;
	}
	return e->code == ERR_OK ? 0 : -1;
}
