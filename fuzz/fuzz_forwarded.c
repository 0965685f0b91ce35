/* What strangers and proxies write about addresses, hosts and origins: whatever is read stays within the text, an
 * address that was read is written and read again as the same, and a range holds its own first address. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "http/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct span all, struct span part)
{
	BUG_ON(part.n && (part.p < all.p || part.p + part.n > all.p + all.n));
}

static void check_address(const struct address *a)
{
	char text[ADDRESS_TEXT];
	struct address again;
	address_text(a, text);
	BUG_ON(!address_parse(span_of(text), &again) || !address_eq(a, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_n((const char *)data, size), line = all, one;
	struct forwarded by[4];
	struct address a;
	struct address_range range;
	int n = forwarded_read(all, by, 4), port;
	BUG_ON(n == 0 || n > 4);
	for (int i = 0; i < n; i++) {
		within(all, by[i].client);
		within(all, by[i].scheme);
		within(all, by[i].host);
		if (address_parse_node(by[i].client, &a))
			check_address(&a);
	}
	size_t bytes = 0, elements = 0;
	while (forwarded_last(&line, &one)) {
		within(all, one);
		bytes += one.n;
		elements++;
		if (address_parse_node(one, &a))
			check_address(&a);
	}
	BUG_ON(size && bytes + elements > size + 1);
	if (address_range_parse(all, &range, NULL) == 0)
		BUG_ON(!address_range_holds(&range, &range.first) || range.prefix > 128);
	if (authority_split(all, &one, &port)) {
		within(all, one);
		BUG_ON(one.n == 0 || port > 65535);
		cleanup_free char *origin = mem_printf("https://%.*s", (int)all.n, all.p);
		BUG_ON(origin && strlen(origin) == all.n + 8 && !origin_same(origin, "https", all));
	}
	return 0;
}
