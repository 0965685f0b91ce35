#include "http/assets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/negotiate.h"

/* Purpose: find, choose a coding, answer. */

/* Pages load nothing but what this server gives, and run no script that stands in them. */
#define PAGES                                                                                                          \
	"default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "     \
	"frame-ancestors 'none'"

static int by_path(const void *path, const void *asset)
{
	return strcmp(path, ((const struct asset *)asset)->path);
}

static const struct asset *find(const char *path)
{
	return bsearch(path, assets, asset_count, sizeof(*assets), by_path);
}

static bool is_page(const char *path)
{
	const char *last = strrchr(path, '/');
	return last && !strchr(last, '.');
}

static void reply_found(struct server_request *r, const struct asset *a)
{
	static const char *const names[] = {[CODING_GZIP] = "gzip", [CODING_BROTLI] = "br"};
	int coding = negotiate_coding(request_header(r, "accept-encoding"),
		CODING_IDENTITY | (a->gzip.n ? CODING_GZIP : 0) | (a->brotli.n ? CODING_BROTLI : 0));
	char etag[100];
	/* Another coding is another representation (RFC 9110 8.8.3.3). */
	snprintf(etag, sizeof(etag), "\"%.32s%s%s\"", a->hash, names[coding] ? "-" : "",
		names[coding] ? names[coding] : "");
	const struct {
		const char *name, *value;
	} headers[] = {
		{"ETag", etag},
		{"Vary", "Accept-Encoding"},
		{"Cache-Control", a->immutable ? "public, max-age=31536000, immutable" : "no-cache"},
		{"Content-Security-Policy", PAGES},
		{"Content-Encoding", names[coding]},
	};
	bool unchanged = negotiate_unchanged(request_header(r, "if-none-match"), etag);
	struct err e = ERR_INIT;
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
		if (!headers[i].value || (unchanged && strcmp(headers[i].name, "Content-Encoding") == 0))
			continue;
		if (reply_header(r, headers[i].name, headers[i].value, &e) != 0) {
			reply_problem(r, &e);
			return;
		}
	}
	if (unchanged)
		reply_bytes(r, 304, NULL, SPAN_NONE);
	else
		reply_bytes(r, 200, a->type,
			coding == CODING_BROTLI ? a->brotli
			: coding == CODING_GZIP ? a->gzip
						: a->identity);
}

bool reply_asset(struct server_request *r)
{
	if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0)
		return false;
	const struct asset *a = find(r->path);
	if (!a && is_page(r->path))
		a = find("/index.html");
	if (a)
		reply_found(r, a);
	return a != NULL;
}
