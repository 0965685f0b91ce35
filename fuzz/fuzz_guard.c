/* URLs of people: one that the guard takes, with nothing exempt, is http or https, has no user name, and its host, read
 * here by other means, is no address that the C library knows in any notation, or a public one. */
#include <ctype.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/mem.h"
#include "http/guard.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The host between the slashes and the port. */
static struct span host_of(const char *url)
{
	const char *from = strchr(url, ':') + 1;
	from += strspn(from, "/");
	size_t n = strcspn(from, "/?#");
	struct span a = span_n(from, n);
	BUG_ON(memchr(a.p, '@', a.n));
	if (a.n && *a.p == '[')
		return span_n(a.p + 1, strcspn(a.p + 1, "]"));
	return span_n(a.p, strcspn(a.p, ":/?#"));
}

static void check(const struct guard *g, const char *url)
{
	cleanup_buf struct buf host = BUF_INIT(1 << 20);
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *list = NULL;
	struct err e = ERR_INIT;

	if (guard_check(g, url, &e) != 0) {
		BUG_ON(e.code != ERR_INVALID && e.code != ERR_DENIED);
		return;
	}
	BUG_ON(strncasecmp(url, "http:", 5) != 0 && strncasecmp(url, "https:", 6) != 0);
	if (url_decode(host_of(url), false, &host, &e) != 0 || !host.len)
		return;
	if (getaddrinfo(host.data, "1", &hints, &list) == 0)
		BUG_ON(!address_public(list->ai_addr));
	if (list)
		freeaddrinfo(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct guard *g = guard_new(NULL, &e);
	char *url = mem_strndup((const char *)data, size);

	if (!g || !url)
		abort();
	check(g, url);
	mem_free(url);
	guard_free(g);
	return 0;
}
