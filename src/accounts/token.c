/* token: 256 random bits as text, and the hash under which they are kept. */
#include <stdio.h>

#include "accounts/private.h"

#define PREFIX 3
#define BYTES 32
_Static_assert(TOKEN_TEXT >= PREFIX + CRYPT_TOKEN(BYTES), "a token fits");

void token_hash(struct span token, char hash[HASH_HEX])
{
	struct hash h;

	hash_bytes(&h, NULL, token);
	hash_hex(&h, hash);
}

void token_new(const char *prefix, char out[TOKEN_TEXT], char hash[HASH_HEX])
{
	memcpy(out, prefix, PREFIX);
	crypt_token(out + PREFIX, BYTES);
	token_hash(span_of(out), hash);
}

bool token_looks(struct span token, const char *prefix)
{
	return token.n == PREFIX + (BYTES * 8 + 5) / 6 && span_starts(token, prefix);
}
