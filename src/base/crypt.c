/* crypt: the only file that includes sodium.h. Sealed form: 24 bytes nonce, 16 bytes tag, ciphertext. */
#include "base/crypt.h"

#include <errno.h>
#include <sodium.h>

#include "base/err.h"

_Static_assert(sizeof(crypto_generichash_state) <= sizeof(struct hash_stream), "the state fits");
_Static_assert(_Alignof(crypto_generichash_state) <= _Alignof(struct hash_stream), "the state is aligned");
_Static_assert(KEY_SIZE == crypto_secretbox_KEYBYTES && KEY_SIZE <= crypto_generichash_KEYBYTES_MAX, "key size");

_Static_assert(PASSWORD_TEXT >= crypto_pwhash_STRBYTES, "a password's text fits");

#define TOKEN_BYTES 64
#define PASSWORD_PASSES 2
#define FRONT (crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES)

static crypto_generichash_state *state_of(struct hash_stream *h)
{
	return (crypto_generichash_state *)(void *)h->state;
}

int crypt_setup(struct err *e)
{
	if (sodium_init() < 0)
		return err_set(e, ERR_INTERNAL, "libsodium cannot start: the system gives no random numbers");
	return 0;
}

void crypt_random(void *out, size_t n)
{
	randombytes_buf(out, n);
}

void hash_bytes(struct hash *out, const uint8_t *key, struct span data)
{
	int rc = crypto_generichash(
		out->b, HASH_SIZE, (const unsigned char *)data.p, data.n, key, key ? (size_t)KEY_SIZE : 0);

	BUG_ON(rc != 0);
}

void hash_sha256(struct hash *out, struct span data)
{
	crypto_hash_sha256(out->b, (const unsigned char *)data.p, data.n);
}

void hash_start(struct hash_stream *h, const uint8_t *key)
{
	int rc = crypto_generichash_init(state_of(h), key, key ? (size_t)KEY_SIZE : 0, HASH_SIZE);

	BUG_ON(rc != 0);
}

void hash_update(struct hash_stream *h, const void *p, size_t n)
{
	int rc = crypto_generichash_update(state_of(h), p, n);

	BUG_ON(rc != 0);
}

void hash_end(struct hash_stream *h, struct hash *out)
{
	int rc = crypto_generichash_final(state_of(h), out->b, HASH_SIZE);

	BUG_ON(rc != 0);
}

void hash_hex(const struct hash *h, char out[HASH_HEX])
{
	sodium_bin2hex(out, HASH_HEX, h->b, HASH_SIZE);
}

int hash_parse(struct hash *out, struct span hex)
{
	struct hash h;
	size_t n = 0;

	if (hex.n != HASH_HEX - 1 || sodium_hex2bin(h.b, HASH_SIZE, hex.p, hex.n, NULL, &n, NULL) || n != HASH_SIZE)
		return -1;
	*out = h;
	return 0;
}

int crypt_seal(const uint8_t key[KEY_SIZE], struct span plain, struct buf *out)
{
	unsigned char *to = plain.n < SIZE_MAX - FRONT ? (unsigned char *)buf_grow(out, plain.n + FRONT) : NULL;

	if (!to)
		return -1;
	randombytes_buf(to, crypto_secretbox_NONCEBYTES);
	if (crypto_secretbox_easy(to + crypto_secretbox_NONCEBYTES, (const unsigned char *)plain.p, plain.n, to, key))
		return -1;
	buf_grew(out, plain.n + FRONT);
	return 0;
}

int crypt_open(const uint8_t key[KEY_SIZE], struct span sealed, struct buf *out)
{
	const unsigned char *from = (const unsigned char *)sealed.p;
	unsigned char *to;

	if (sealed.n < FRONT)
		return -1;
	to = (unsigned char *)buf_grow(out, sealed.n - FRONT);
	if (!to || crypto_secretbox_open_easy(
			   to, from + crypto_secretbox_NONCEBYTES, sealed.n - crypto_secretbox_NONCEBYTES, from, key))
		return -1;
	buf_grew(out, sealed.n - FRONT);
	return 0;
}

void crypt_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}

bool crypt_same(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}

void crypt_token(char *out, size_t n)
{
	unsigned char bytes[TOKEN_BYTES];

	BUG_ON(n > sizeof bytes);
	randombytes_buf(bytes, n);
	sodium_bin2base64(out, CRYPT_TOKEN(n), bytes, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	crypt_wipe(bytes, sizeof bytes);
}

int password_hash(char out[PASSWORD_TEXT], struct span password, unsigned kib, struct err *e)
{
	return crypto_pwhash_str_alg(
		       out, password.p, password.n, PASSWORD_PASSES, (size_t)kib * 1024, crypto_pwhash_ALG_ARGON2ID13)
		       ? err_nomem(e)
		       : 0;
}

int password_check(const char *text, struct span password, bool *matches, struct err *e)
{
	errno = 0;
	*matches = crypto_pwhash_str_verify(text, password.p, password.n) == 0;
	/* libsodium says EINVAL for another password, and anything else when there is no memory to find out */
	return *matches || errno == EINVAL ? 0 : err_nomem(e);
}
