/* egress: the only way out of a sandbox that has an allow-list: a proxy for HTTPS (CONNECT) and plain http (GET, HEAD).
 *
 * It accepts on a listening socket that muster-init opened on 127.0.0.1:3128 of the sandbox's own network namespace and
 * handed out: the sandbox has no other network, and this socket is all that crosses. A request is allowed when its host
 * and port match an entry exactly, by the bytes of the one parse that is also used to connect; the resolved addresses
 * must be public ones, and the connection goes to the address that was checked. */
#ifndef MUSTER_SANDBOX_EGRESS_H
#define MUSTER_SANDBOX_EGRESS_H

#include "base/buf.h"
#include "sandbox/sandbox.h"

#define EGRESS_PORT 3128
#define EGRESS_URL "http://127.0.0.1:3128"

struct egress;
/* Owns the listening descriptor from here on, also on failure. Borrows spec. */
struct egress *egress_new(struct loop *l, int listener, const struct sandbox_spec *spec, struct err *e);
/* Nothing is accepted any more, connections close in this turn, on_denied is not called again. NULL is legal. */
void egress_free(struct egress *g);

/* egress_rule.c: the decisions, pure. */
enum { EGRESS_HOST = 254 };
struct egress_request {
	enum { EGRESS_CONNECT, EGRESS_GET } kind;
	char host[EGRESS_HOST];
	int port;
	struct span method, path, headers; /* of GET: in the head that was parsed; path may be empty */
};
/* Are the entries of an allow-list ones that can ever match? -1: ERR_INVALID naming the entry. */
int egress_check(const struct sandbox_allow *allow, size_t count, struct err *e);
/* Parse a request head, up to and with its empty line. -1 with ERR_DENIED for a name that is refused whatever the list
 * says (NUL, upper case, trailing or double dots, an address in any notation, non-ASCII), ERR_INVALID for what is no
 * proper request. r->host is then what could be read of it, for the audit. */
int egress_parse(struct span head, struct egress_request *r, struct err *e);
/* The entry that allows it, or NULL. */
const struct sandbox_allow *egress_allowed(const struct sandbox_allow *allow, size_t count, const char *host, int port);
/* The head to send to the server of a GET. */
void egress_rewrite(const struct egress_request *r, struct buf *out);

#endif
