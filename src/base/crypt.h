/* crypt: random bytes, hashes, sealing and wiping: libsodium behind our names. */
#ifndef MUSTER_BASE_CRYPT_H
#define MUSTER_BASE_CRYPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define HASH_SIZE 32
#define HASH_HEX 65 /* with the NUL */
#define KEY_SIZE 32

struct hash {
	uint8_t b[HASH_SIZE];
};

int crypt_setup(struct err *e); /* once at start */
void crypt_random(void *out, size_t n);
/* BLAKE2b-256 (RFC 7693), keyed when key is not NULL (KEY_SIZE bytes). */
void hash_bytes(struct hash *out, const uint8_t *key, struct span data);
/* SHA-256 (FIPS 180-4), where a protocol asks for it. */
void hash_sha256(struct hash *out, struct span data);
struct hash_stream {
	_Alignas(64) unsigned char state[384];
};
void hash_start(struct hash_stream *h, const uint8_t *key);
void hash_update(struct hash_stream *h, const void *p, size_t n);
void hash_end(struct hash_stream *h, struct hash *out);
void hash_hex(const struct hash *h, char out[HASH_HEX]);
int hash_parse(struct hash *out, struct span hex); /* 0, or -1 when it is not 64 hex digits */
static inline int hash_eq(const struct hash *a, const struct hash *b)
{
	return memcmp(a->b, b->b, HASH_SIZE) == 0;
}
/* XSalsa20-Poly1305 secretbox with a random nonce in front. open: -1 when the key is wrong or the data was changed. */
int crypt_seal(const uint8_t key[KEY_SIZE], struct span plain, struct buf *out);
int crypt_open(const uint8_t key[KEY_SIZE], struct span sealed, struct buf *out);
void crypt_wipe(void *p, size_t n);
/* In a time that does not depend on where they differ. */
bool crypt_same(const void *a, const void *b, size_t n);
/* n random bytes as text of A-Z a-z 0-9 - _ (RFC 4648, section 5, without padding), and its length with the NUL. */
#define CRYPT_TOKEN(n) ((n)*8 / 6 + 2)
void crypt_token(char *out, size_t n);

/* Passwords: argon2id (RFC 9106), 2 passes over kib of memory, which is taken while it works: slow on purpose, for the
 * worker pool. The text holds salt and cost. ERR_NOMEM. */
#define PASSWORD_TEXT 128
int password_hash(char out[PASSWORD_TEXT], struct span password, unsigned kib, struct err *e);
int password_check(const char *text, struct span password, bool *matches, struct err *e);

#endif
