#include "oidc/url.h"

#include <strings.h>

#include "base/address.h"
#include "http/forwarded.h"
#include "http/url.h"

static bool is_here(struct span name)
{
	struct address address;
	if ((name.n == 9 && strncasecmp(name.p, "localhost", 9) == 0) || span_is(name, "[::1]"))
		return true;
	return address_parse(name, &address) && address_is_v4(&address) && address_loopback(&address);
}

bool url_secure(const char *url)
{
	struct span name, rest = span_of(url ? url : "");
	int port;
	for (size_t i = 0; i < rest.n; i++)
		if ((unsigned char)rest.p[i] <= ' ' || (unsigned char)rest.p[i] >= 0x7f || strchr("#\\\"<>", rest.p[i]))
			return false;
	bool https = span_starts(rest, "https://"), http = span_starts(rest, "http://");
	if (!https && !http)
		return false;
	rest.p += https ? 8 : 7;
	struct span host = span_n(rest.p, strcspn(rest.p, "/?"));
	return host.n && !memchr(host.p, '@', host.n) && authority_split(host, &name, &port) &&
	       (https || is_here(name));
}

void form_add(struct buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	if (out->len && out->data[out->len - 1] != '?' && out->data[out->len - 1] != '&')
		buf_addc(out, '&');
	buf_addf(out, "%s=", name);
	url_encode(value, out);
}
