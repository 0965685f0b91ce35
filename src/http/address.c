#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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
	memcpy(out->bytes, mapped, sizeof(mapped));
	if (peer.any.sa_family == AF_INET)
		memcpy(out->bytes + sizeof(mapped), &peer.v4.sin_addr, 4);
	else if (peer.any.sa_family == AF_INET6)
		memcpy(out->bytes, &peer.v6.sin6_addr, 16);
	return peer.any.sa_family == AF_INET || peer.any.sa_family == AF_INET6;
}

int address_range_parse(struct span text, struct address_range *out, struct err *e)
{
	size_t slash = span_find(text, span_of("/"), 0);
	bool whole = slash == (size_t)-1;
	char digits[4] = {0};
	char *end = digits;
	if (!address_parse(whole ? text : span_n(text.p, slash), &out->first))
		return err_set(e, ERR_INVALID, "%.*s is no address or range: write 10.0.0.0/8, fd00::/8 or 10.0.0.1",
			(int)text.n, text.p);
	bool v4 = address_is_v4(&out->first) && !memchr(text.p, ':', text.n);
	out->prefix = 128;
	if (!whole) {
		struct span bits = span_n(text.p + slash + 1, text.n - slash - 1);
		if (is_port(bits) && bits.n < sizeof(digits))
			memcpy(digits, bits.p, bits.n);
		out->prefix = (int)strtol(digits, &end, 10) + (v4 ? 96 : 0);
		if (end == digits || out->prefix > 128)
			return err_set(e, ERR_INVALID, "%.*s: after the / stands a number from 0 to %d", (int)text.n,
				text.p, v4 ? 32 : 128);
	}
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
