/* easy: one request of ours as a curl easy handle: URL, method, headers and body checked and set. Everything that a
 * caller could get wrong is refused here, before anything is sent. Private to http/. */
#ifndef MUSTER_HTTP_EASY_H
#define MUSTER_HTTP_EASY_H

#include <curl/curl.h>

#include "http/client.h"

struct easy {
	CURL *curl;
	char *host;		     /* with the port when one was named; for messages */
	char words[CURL_ERROR_SIZE]; /* curl's, on failure */
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

#endif
