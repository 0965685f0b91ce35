/* guard: where a request may go whose URL a person gave (a webhook, a push endpoint), not the administrator.
 *
 * Only http and https, no user name, and only public addresses (base/address.h), but for the hosts and networks that
 * the administrator exempts. The URL is read once, by the parser that also connects (curl's), and an address is checked
 * at the moment when a socket to it is made: what was checked is what is connected to, whatever a name leads to the
 * next time it is asked. No proxy is used, and no connection that another request has left open. */
#ifndef MUSTER_HTTP_GUARD_H
#define MUSTER_HTTP_GUARD_H

#include <curl/curl.h>
#include <sys/socket.h>

#include "base/caps.h"
#include "base/json.h"

struct guard;
/* `exempt`: a list of host names and of networks (base/address.h); NULL: nothing is exempt. ERR_INVALID names the entry
 * that is neither. */
struct guard *guard_new(const json_t *exempt, struct err *e);
void guard_free(struct guard *g); /* no request may use it any more; NULL is legal */
/* All that can be said of a URL before its name is looked up; for those who take one from a person. -1: ERR_INVALID (no
 * such URL), ERR_DENIED (its host is an address, in whatever notation, that is not public). */
int guard_check(const struct guard *g, const char *url, struct err *e);
/* The parts of such a URL, for programs of ours that ask by themselves. url is it anew, with its host in lower case. */
struct guard_url {
	char url[CAP_TARGET_URL + 1], host[256];
	int port;
	bool plain; /* http */
};
int guard_read(const struct guard *g, const char *url, struct guard_url *out, struct err *e);
/* May a request to this host go to this address? -1: ERR_DENIED. */
int guard_address(const struct guard *g, const char *host, const struct sockaddr *a, struct err *e);
/* Does the administrator exempt the host, or the address? */
bool guard_exempts(const struct guard *g, const char *host, const struct sockaddr *a);
/* For tests: names lead to these addresses instead of DNS's, "name:port:address" (curl's CURLOPT_RESOLVE). -1: no
 * memory. */
int guard_answer(struct guard *g, const char *line);

/* Private to http/ */
const struct curl_slist *guard_answers(const struct guard *g);

#endif
