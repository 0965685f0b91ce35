#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/* Purpose: one form for both families, so that nothing compares texts. */

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

bool address_parse(struct span text, struct address *out)
{
	char copy[ADDRESS_TEXT];
	if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, 0, text.n))
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	memcpy(out->bytes, mapped, sizeof(mapped));
	return inet_pton(AF_INET, copy, out->bytes + sizeof(mapped)) == 1 || inet_pton(AF_INET6, copy, out->bytes) == 1;
}

static bool is_port(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	return text.n > 0 && text.n <= 5;
}

bool address_parse_node(struct span text, struct address *out)
{
	if (span_starts(text, "[")) {
		size_t end = span_find(text, span_of("]"), 0);
		if (end == (size_t)-1)
			return false;
		struct span rest = span_n(text.p + end + 1, text.n - end - 1);
		if (rest.n && (rest.p[0] != ':' || !is_port(span_n(rest.p + 1, rest.n - 1))))
			return false;
		return address_parse(span_n(text.p + 1, end - 1), out) && memchr(text.p, ':', end);
	}
	size_t colon = span_find(text, span_of(":"), 0);
	if (colon != (size_t)-1 && memchr(text.p, '.', colon) &&
		is_port(span_n(text.p + colon + 1, text.n - colon - 1)))
		text.n = colon;
	return address_parse(text, out);
}

bool address_is_v4(const struct address *a)
{
	return memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
}

void address_text(const struct address *a, char out[ADDRESS_TEXT])
{
	if (address_is_v4(a))
		inet_ntop(AF_INET, a->bytes + sizeof(mapped), out, ADDRESS_TEXT);
	else
		inet_ntop(AF_INET6, a->bytes, out, ADDRESS_TEXT);
}

bool address_eq(const struct address *a, const struct address *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool address_loopback(const struct address *a)
{
	static const struct address one = {.bytes = {[15] = 1}};
	return address_eq(a, &one) || (address_is_v4(a) && a->bytes[12] == 127);
}

struct address address_cut(const struct address *a, int prefix)
{
	struct address out = *a;
	for (int i = 0; i < 16; i++) {
		int bits = prefix - 8 * i;
		if (bits < 8)
			out.bytes[i] &= (unsigned char)(bits <= 0 ? 0 : 0xff00 >> bits);
	}
	return out;
}

bool address_of(const struct sockaddr *a, struct address *out)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	memcpy(out->bytes, mapped, sizeof(mapped));
	if (a->sa_family == AF_INET) {
		memcpy(&v4, a, sizeof(v4));
		memcpy(out->bytes + sizeof(mapped), &v4.sin_addr, 4);
	} else if (a->sa_family == AF_INET6) {
		memcpy(&v6, a, sizeof(v6));
		memcpy(out->bytes, &v6.sin6_addr, 16);
	}
	return a->sa_family == AF_INET || a->sa_family == AF_INET6;
}

bool address_of_peer(int fd, struct address *out)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} peer = {.any = {.sa_family = AF_UNSPEC}};
	socklen_t n = sizeof(peer);
	if (getpeername(fd, &peer.any, &n) != 0)
		return false;
	return address_of(&peer.any, out);
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

int address_range_parse(struct span text, struct address_range *out, struct err *e)
{
	size_t slash = span_find(text, span_of("/"), 0);
	bool whole = slash == (size_t)-1;
	if (!address_parse(whole ? text : span_n(text.p, slash), &out->first))
		return err_set(e, ERR_INVALID, "%.*s is no address or range: write 10.0.0.0/8, fd00::/8 or 10.0.0.1",
			(int)text.n, text.p);
	bool v4 = address_is_v4(&out->first) && !memchr(text.p, ':', text.n);
	int most = v4 ? 32 : 128, bits = whole ? most : number(span_n(text.p + slash + 1, text.n - slash - 1));
	if (bits < 0 || bits > most)
		return err_set(
			e, ERR_INVALID, "%.*s: after the / stands a number from 0 to %d", (int)text.n, text.p, most);
	out->prefix = bits + 128 - most;
	struct address cut = address_cut(&out->first, out->prefix);
	if (!address_eq(&cut, &out->first))
		return err_set(e, ERR_INVALID, "%.*s is no range: bits after its prefix are set", (int)text.n, text.p);
	return 0;
}

bool address_range_holds(const struct address_range *r, const struct address *a)
{
	struct address cut = address_cut(a, r->prefix);
	return address_eq(&cut, &r->first);
}

/* ---- public ones ---- */

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
