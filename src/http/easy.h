/* easy: one request of ours as a curl easy handle: URL, method, headers and body checked and set. Everything that a
 * caller could get wrong is refused here, before anything is sent. Private to http/. */
#ifndef MUSTER_HTTP_EASY_H
#define MUSTER_HTTP_EASY_H

#include <curl/curl.h>

#include "http/client.h"

struct easy {
	CURL *curl;
	CURLU *url;		     /* as it was read */
	char *host;		     /* with the port when one was named; for messages */
	char words[CURL_ERROR_SIZE]; /* curl's, on failure */
	const struct err *denied;    /* by the request's guard (err_keep) */
	/* private */
	const struct http_request *request;
	struct curl_slist *headers;
	size_t piece, offset; /* of the body, sent so far */
	int folder;	      /* keeps the short path of a Unix socket alive */
};

/* -1 with ERR_INVALID, ERR_TOO_LARGE or ERR_NOMEM; then nothing is held. The request is borrowed, the struct must not
 * move. */
int easy_init(struct easy *y, const struct http_request *r, struct err *e);
void easy_release(struct easy *y);
/* Read a URL: only http and https, no user name or password. Both results are curl's to free; NULL: ERR_INVALID,
 * ERR_NOMEM. */
CURLU *easy_url(const char *url, char **host, struct err *e);

#endif
