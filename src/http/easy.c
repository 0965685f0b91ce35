#include "http/easy.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/guard.h"
#include "http/header.h"
#include "loop/stream.h"

/* Purpose: curl's options for one request, and its body, read from the caller's pieces without joining them. */

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
	struct easy *y = arg;
	const struct http_request *r = y->request;
	size_t room = size * n, done = 0;
	while (done < room && y->piece < r->body_pieces) {
		struct span s = r->body[y->piece];
		size_t part = s.n - y->offset < room - done ? s.n - y->offset : room - done;
		if (part)
			memcpy(to + done, s.p + y->offset, part);
		done += part;
		y->offset += part;
		if (y->offset == s.n) {
			y->piece++;
			y->offset = 0;
		}
	}
	return done;
}

/* curl sends again from the start when a kept connection turns out to be dead. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct easy *y = arg;
	if (offset != 0 || origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	y->piece = y->offset = 0;
	return CURL_SEEKFUNC_OK;
}

static int header_add(struct easy *y, const char *line)
{
	struct curl_slist *list = curl_slist_append(y->headers, line);
	if (!list)
		return -1;
	y->headers = list;
	return 0;
}

static int headers_make(struct easy *y, struct err *e)
{
	const struct http_request *r = y->request;
	bool typed = false;
	if (r->header_count > CAP_HTTP_HEADERS)
		return err_set(e, ERR_TOO_LARGE, "more than %d request headers", CAP_HTTP_HEADERS);
	for (size_t i = 0; i < r->header_count; i++) {
		const struct http_header *h = &r->headers[i];
		if (!header_name_valid(h->name))
			return err_set(e, ERR_INVALID, "a request header's name is not valid in HTTP; correct it");
		if (!header_value_valid(h->value)) /* the value may be a key: never shown */
			return err_set(
				e, ERR_INVALID, "the request header %s holds a line break or control byte", h->name);
		/* "Name:" would tell curl to leave the header out. */
		cleanup_free char *line = mem_printf(*h->value ? "%s: %s" : "%s;", h->name, h->value);
		if (!line || header_add(y, line) != 0)
			return err_nomem(e);
		typed = typed || strcasecmp(h->name, "content-type") == 0;
	}
	if (header_add(y, "Expect:") != 0 || (!typed && header_add(y, "Content-Type:") != 0))
		return err_nomem(e);
	return 0;
}

CURLU *easy_url(const char *url, char **host, struct err *e)
{
	CURLU *u = curl_url();
	char *scheme = NULL;
	if (!u) {
		err_nomem(e);
		return NULL;
	}
	CURLUcode rc = curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER);
	if (rc == CURLUE_OK)
		rc = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
	if (rc == CURLUE_OK)
		rc = curl_url_get(u, CURLUPART_HOST, host, 0);
	bool usable = rc == CURLUE_OK && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	if (rc == CURLUE_OUT_OF_MEMORY)
		err_nomem(e);
	else if (rc != CURLUE_OK)
		err_set(e, ERR_INVALID, "not a usable URL: %s", curl_url_strerror(rc));
	else if (!usable)
		err_set(e, ERR_INVALID, "%s: only http and https URLs are used, not %s", *host, scheme);
	curl_free(scheme);
	if (usable)
		return u;
	curl_free(*host);
	*host = NULL;
	curl_url_cleanup(u);
	return NULL;
}

/* Remembers the host for messages. */
static int url_check(struct easy *y, const char *url, struct err *e)
{
	char *host = NULL, *port = NULL;
	y->url = easy_url(url, &host, e);
	if (!y->url)
		return -1;
	curl_url_get(y->url, CURLUPART_PORT, &port, 0);
	y->host = port ? mem_printf("%s:%s", host, port) : mem_strdup(host);
	curl_free(host);
	curl_free(port);
	return y->host ? 0 : err_nomem(e);
}

/* Sets the option, and fails for good when curl has no memory for it. */
#define SET(option, value) (rc = rc != CURLE_OK ? rc : curl_easy_setopt(y->curl, option, value))

static CURLcode method_set(struct easy *y)
{
	const struct http_request *r = y->request;
	CURLcode rc = CURLE_OK;
	curl_off_t total = 0;
	for (size_t i = 0; i < r->body_pieces; i++)
		total += (curl_off_t)r->body[i].n;
	if (total > 0 || strcmp(r->method, "POST") == 0) {
		SET(CURLOPT_POST, 1l);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, total);
		if (r->body_pieces == 1 &&
			total > 0) { /* sent with the head, and without the buffer of the other way */
			SET(CURLOPT_POSTFIELDS, r->body->p);
		} else {
			SET(CURLOPT_READFUNCTION, on_read);
			SET(CURLOPT_READDATA, y);
			SET(CURLOPT_SEEKFUNCTION, on_seek);
			SET(CURLOPT_SEEKDATA, y);
			SET(CURLOPT_UPLOAD_BUFFERSIZE, 16384l); /* the least; kept until the answer has come */
		}
		if (strcmp(r->method, "POST") != 0)
			SET(CURLOPT_CUSTOMREQUEST, r->method);
	} else if (strcmp(r->method, "HEAD") == 0) {
		SET(CURLOPT_NOBODY, 1l);
	} else if (strcmp(r->method, "GET") != 0) {
		SET(CURLOPT_CUSTOMREQUEST, r->method);
	}
	return rc;
}

static int unix_set(struct easy *y, struct err *e)
{
	char path[SOCKET_PATH];
	CURLcode rc = CURLE_OK;
	if (!y->request->unix_socket)
		return 0;
	if (socket_short_path(y->request->unix_socket, path, &y->folder, e) != 0)
		return -1;
	SET(CURLOPT_UNIX_SOCKET_PATH, path);
	SET(CURLOPT_PROXY, "");
	if (y->folder >= 0) { /* the short path may mean another socket tomorrow */
		SET(CURLOPT_FRESH_CONNECT, 1l);
		SET(CURLOPT_FORBID_REUSE, 1l);
	}
	return rc == CURLE_OK ? 0 : err_nomem(e);
}

/* curl has looked the name up, or needed not to, and is about to connect. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct easy *y = arg;
	struct err why = ERR_INIT;
	char *host = NULL;
	int rc = -1;
	(void)purpose;
	if (curl_url_get(y->url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		err_nomem(&why);
	else
		rc = guard_address(y->request->guard, host, &a->addr, &why);
	curl_free(host);
	if (rc == 0)
		return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	err_keep(&y->denied, &why);
	return CURL_SOCKET_BAD;
}

static CURLcode guard_set(struct easy *y)
{
	CURLcode rc = CURLE_OK;
	if (!y->request->guard)
		return rc;
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
	SET(CURLOPT_OPENSOCKETDATA, y);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_FRESH_CONNECT, 1l);
	SET(CURLOPT_FORBID_REUSE, 1l);
	if (guard_answers(y->request->guard))
		SET(CURLOPT_RESOLVE, guard_answers(y->request->guard));
	return rc;
}

static int options_set(struct easy *y, struct err *e)
{
	CURLcode rc = CURLE_OK;
	SET(CURLOPT_ERRORBUFFER, y->words);
	SET(CURLOPT_CURLU, y->url);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1l);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_NOSIGNAL, 1l);
	SET(CURLOPT_NOPROGRESS, 1l);
	SET(CURLOPT_QUICK_EXIT, 1l); /* a cancel does not wait for the resolver's thread */
	SET(CURLOPT_TCP_NODELAY, 1l);
	SET(CURLOPT_BUFFERSIZE, 1024l); /* a thousand requests may wait for their answers, which come in small pieces */
	SET(CURLOPT_TCP_KEEPALIVE, 1l);
	SET(CURLOPT_ACCEPT_ENCODING, "");
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1l);
	SET(CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
	SET(CURLOPT_HTTPHEADER, y->headers);
	if (y->request->ca_file)
		SET(CURLOPT_CAINFO, y->request->ca_file);
	if (rc == CURLE_OK)
		rc = method_set(y);
	if (rc == CURLE_OK)
		rc = guard_set(y);
	if (rc == CURLE_OUT_OF_MEMORY)
		return err_nomem(e);
	if (rc != CURLE_OK)
		return err_set(e, ERR_INVALID, "%s: %s", y->host, curl_easy_strerror(rc));
	return unix_set(y, e);
}

int easy_init(struct easy *y, const struct http_request *r, struct err *e)
{
	*y = (struct easy){.request = r, .folder = -1};
	if (!header_name_valid(r->method))
		return err_set(e, ERR_INVALID, "the request's method is not valid in HTTP");
	if (url_check(y, r->url, e) == 0 && (!r->guard || guard_check(r->guard, r->url, e) == 0) &&
		headers_make(y, e) == 0) {
		y->curl = curl_easy_init();
		if (!y->curl)
			err_nomem(e);
		else if (options_set(y, e) == 0)
			return 0;
	}
	easy_release(y);
	return -1;
}

void easy_release(struct easy *y)
{
	curl_easy_cleanup(y->curl);
	curl_url_cleanup(y->url);
	curl_slist_free_all(y->headers);
	if (y->folder >= 0)
		close(y->folder);
	mem_free(y->host);
	err_drop(&y->denied);
	*y = (struct easy){.folder = -1};
}
