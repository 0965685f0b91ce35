#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>

struct range4 {
	uint32_t net;
	int bits;
};
/* IANA IPv4 Special-Purpose Address Registry, what is not globally reachable; multicast and reserved. */
static const struct range4 closed4[] = {{0x00000000, 8}, {0x0a000000, 8}, {0x64400000, 10}, {0x7f000000, 8},
	{0xa9fe0000, 16}, {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
	{0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3}};

static bool public4(uint32_t a)
{
	for (size_t i = 0; i < sizeof(closed4) / sizeof(*closed4); i++)
		if (((a ^ closed4[i].net) >> (32 - closed4[i].bits)) == 0)
			return false;
	return true;
}

bool address_public(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET) {
		struct sockaddr_in v4;
		memcpy(&v4, a, sizeof(v4));
		return public4(ntohl(v4.sin_addr.s_addr));
	}
	if (a->sa_family != AF_INET6)
		return false;
	struct sockaddr_in6 v6;
	memcpy(&v6, a, sizeof(v6));
	const uint8_t *b = v6.sin6_addr.s6_addr;
	/* Only global unicast 2000::/3, without what embeds or may embed IPv4 addresses (2001::/23 with Teredo,
	 * 2002::/16 6to4) and documentation (2001:db8::/32, 3fff::/20). Mapped and translated ones lie outside of
	 * 2000::/3. */
	if ((b[0] & 0xe0) != 0x20)
		return false;
	if (b[0] == 0x20 && b[1] == 0x01 && (b[2] & 0xfe) == 0)
		return false;
	if ((b[0] == 0x20 && b[1] == 0x02) || (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8))
		return false;
	return !(b[0] == 0x3f && b[1] == 0xff && (b[2] & 0xf0) == 0);
}

/* Are the first `bits` bits the same? */
static bool same(const unsigned char *a, const unsigned char *b, int bits)
{
	int rest = bits % 8;
	if (memcmp(a, b, (size_t)bits / 8) != 0)
		return false;
	return rest == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0;
}

/* Decimal, at most three digits, no zero in front of others; -1: it is none. */
static int number(struct span text)
{
	int n = 0;
	if (text.n == 0 || text.n > 3 || (text.n > 1 && text.p[0] == '0'))
		return -1;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return -1;
		n = n * 10 + (text.p[i] - '0');
	}
	return n;
}

bool address_net_parse(struct address_net *n, struct span text)
{
	char address[INET6_ADDRSTRLEN];
	size_t slash = span_find(text, span_of("/"), 0), length = slash == (size_t)-1 ? text.n : slash;
	*n = (struct address_net){.family = AF_INET6};
	if (length >= sizeof(address) || memchr(text.p, 0, length))
		return false;
	memcpy(address, text.p, length);
	address[length] = 0;
	if (inet_pton(AF_INET, address, n->bytes) == 1)
		n->family = AF_INET;
	else if (inet_pton(AF_INET6, address, n->bytes) != 1)
		return false;
	int most = n->family == AF_INET ? 32 : 128;
	n->bits = slash == (size_t)-1 ? most : number(span_n(text.p + slash + 1, text.n - slash - 1));
	if (n->bits < 0 || n->bits > most)
		return false;
	for (int bit = n->bits; bit < most; bit++)
		if (n->bytes[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

bool address_in(const struct address_net *n, const struct sockaddr *a)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	if (a->sa_family != n->family)
		return false;
	if (n->family == AF_INET) {
		memcpy(&v4, a, sizeof(v4));
		return same(n->bytes, (const unsigned char *)&v4.sin_addr, n->bits);
	}
	memcpy(&v6, a, sizeof(v6));
	return same(n->bytes, v6.sin6_addr.s6_addr, n->bits);
}
