/* address: IP addresses: which of them are public ones, and networks written as ADDRESS or ADDRESS/BITS. */
#ifndef MUSTER_BASE_ADDRESS_H
#define MUSTER_BASE_ADDRESS_H

#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"

/* Is it a public unicast address (not private, loopback, link-local, shared, mapped, translated, multicast, reserved)?
 */
bool address_public(const struct sockaddr *a);

struct address_net {
	int family, bits;
	unsigned char bytes[16];
};
/* "10.0.0.0/8", "::1": one notation only (inet_pton(3)). False: it is none, or bits are set beyond its length. */
bool address_net_parse(struct address_net *n, struct span text);
/* An address that is IPv4 within IPv6 (::ffff:10.0.0.1) lies in no network of IPv4. */
bool address_in(const struct address_net *n, const struct sockaddr *a);

#endif
