#include "base/base64.h"

#include <sodium.h>

static int variant(enum base64 kind)
{
	return kind == BASE64_PLAIN ? sodium_base64_VARIANT_ORIGINAL : sodium_base64_VARIANT_URLSAFE_NO_PADDING;
}

void base64_add(struct buf *out, enum base64 kind, struct span bytes)
{
	size_t n = sodium_base64_encoded_len(bytes.n, variant(kind)); /* with the NUL */
	char *to = buf_grow(out, n);
	if (!to)
		return;
	sodium_bin2base64(to, n, (const unsigned char *)bytes.p, bytes.n, variant(kind));
	buf_grew(out, n - 1);
}

long base64_take(struct span text, enum base64 kind, unsigned char *out, size_t room)
{
	size_t n = 0;
	const char *end = NULL;
	if (sodium_base642bin(out, room, text.p, text.n, NULL, &n, &end, variant(kind)) != 0 || end != text.p + text.n)
		return -1;
	return (long)n;
}
