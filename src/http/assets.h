/* assets: the files of the web pages, inside the program: made from a folder by scripts/assets when it is built,
 * compressed once, each with the tag of its content. */
#ifndef MUSTER_HTTP_ASSETS_H
#define MUSTER_HTTP_ASSETS_H

#include "http/reply.h"

struct asset {
	const char *path, *type; /* "/index.html", "text/html; charset=utf-8" */
	const char *hash;	 /* hex, of the identity's bytes */
	bool immutable;		 /* its name changes with its content */
	/* gzip and brotli with n = 0 where they save nothing */
	struct span identity, gzip, brotli;
};

extern const struct asset assets[]; /* sorted by path */
extern const size_t asset_count;

/* For GET and HEAD: answers the request when there is such a file, or when the path is one of a page (its last part has
 * no dot), which /index.html shows. False: it is the caller's to answer. */
bool reply_asset(struct server_request *r);

#endif
