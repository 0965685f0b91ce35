/* address: an IPv4 or IPv6 address as sixteen bytes (an IPv4 one mapped, RFC 4291 2.5.5.2, so that ::ffff:10.0.0.1 and
 * 10.0.0.1 are the same), ranges of them (CIDR, RFC 4632), and which of them are public. */
#ifndef MUSTER_BASE_ADDRESS_H
#define MUSTER_BASE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"

struct address {
	unsigned char bytes[16];
};

struct address_range {
	struct address first; /* all bits after the prefix are 0 */
	int prefix;	      /* of 128 bits */
};

#define ADDRESS_TEXT 46

/* Numeric, in full, without a zone; nothing around it. */
bool address_parse(struct span text, struct address *out);
/* The same with a port, or in brackets with or without one: 10.0.0.1:80, [::1], [::1]:80 (RFC 7239 6). */
bool address_parse_node(struct span text, struct address *out);
void address_text(const struct address *a, char out[ADDRESS_TEXT]);
bool address_is_v4(const struct address *a);
bool address_eq(const struct address *a, const struct address *b);
/* What stays of an address when only so many of its 128 bits count. */
struct address address_cut(const struct address *a, int prefix);
/* Of a socket; false for any family but IPv4 and IPv6. */
bool address_of(const struct sockaddr *a, struct address *out);
/* Of this machine alone: 127.0.0.0/8, ::1. */
bool address_loopback(const struct address *a);
/* Is it a public unicast address (not private, loopback, link-local, shared, mapped, translated, multicast, reserved)?
 */
bool address_public(const struct sockaddr *a);
/* The other end of a TCP socket; false for any other descriptor. */
bool address_of_peer(int fd, struct address *out);

/* 10.0.0.0/8, fd00::/8, or one address. -1 with ERR_INVALID, also when bits after the prefix are set: one of the two
 * was meant otherwise. */
int address_range_parse(struct span text, struct address_range *out, struct err *e);
bool address_range_holds(const struct address_range *r, const struct address *a);

#endif
