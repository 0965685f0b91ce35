/* origin: who sent a request and what it was sent to, also when a proxy passed it on.
 *
 * What a request says of that itself (X-Forwarded-*, Forwarded) counts only when its peer is a proxy that was named
 * with server_proxies, and of several addresses the right-most that is none of ours: all left of it was written by a
 * stranger. A request over a Unix socket comes from its user, and has no address. */
#ifndef MUSTER_HTTP_ORIGIN_H
#define MUSTER_HTTP_ORIGIN_H

#include "base/address.h"
#include "http/server.h"

/* Both before the first connection. Lists are separated by commas or spaces; called again, they replace.
 *
 * proxies: addresses and ranges whose peers are believed. rfc7239: they write Forwarded, otherwise X-Forwarded-For,
 * -Proto and -Host; the other kind is never looked at, as a proxy passes on what it does not know.
 * hosts: names by which this server may be called, without ports; what is sent to any other is refused with 421, so
 * that no name of a stranger leads to it (DNS rebinding). No list: all. Unix sockets are not asked. */
int server_proxies(struct server *s, const char *list, bool rfc7239, struct err *e);
int server_hosts(struct server *s, const char *list, struct err *e);

/* False over a Unix socket. */
bool request_address(const struct server_request *r, struct address *out);
const char *request_scheme(const struct server_request *r); /* "http" or "https": the client's */
/* host or host:port, as the client called us; valid as long as the request. */
struct span request_host(const struct server_request *r);
/* Does a browser send it from one of our own pages? Also true when no browser sends it: without Origin and
 * Sec-Fetch-Site (Fetch, Fetch Metadata). False for null, for other schemes, ports and names. */
bool request_same_origin(const struct server_request *r);

/* For the connection: 0, or -1 with ERR_DENIED when the host is none of the list. */
int request_host_check(const struct server_request *r, struct err *e);

#endif
