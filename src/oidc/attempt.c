#include "oidc/attempt.h"

#include "base/base64.h"

#define RANDOM 24
#define TIME 8
#define FRONT (RANDOM + TIME)
#define TAG 16
#define BYTES (FRONT + TAG)
#define AHEAD_S 60 /* of a clock that was set back meanwhile */

_Static_assert(ATTEMPT_STATE == BYTES * 4 / 3 + 1, "the state fits without bits left over");
_Static_assert(ATTEMPT_SECRET == CRYPT_TOKEN(HASH_SIZE), "a hash fits");

static void derive(const uint8_t *key, const char *label, const uint8_t front[FRONT], struct hash *out)
{
	struct hash_stream s;
	hash_start(&s, key);
	hash_update(&s, label, strlen(label) + 1);
	hash_update(&s, front, FRONT);
	hash_end(&s, out);
}

/* Into a text whose size is known to fit. */
static void spell(const void *bytes, size_t n, char *out, size_t size)
{
	cleanup_buf struct buf text = BUF_INIT(ATTEMPT_STATE);
	base64_add(&text, BASE64_URL, span_n(bytes, n));
	memcpy(out, text.data ? text.data : "", text.len < size ? text.len + 1 : size);
	out[size - 1] = '\0';
}

static void secrets(struct attempt *a, const uint8_t *key, const uint8_t front[FRONT])
{
	struct hash h;
	derive(key, "nonce", front, &h);
	spell(h.b, HASH_SIZE, a->nonce, sizeof(a->nonce));
	derive(key, "verifier", front, &h);
	spell(h.b, HASH_SIZE, a->verifier, sizeof(a->verifier));
	hash_sha256(&h, span_of(a->verifier));
	spell(h.b, HASH_SIZE, a->challenge, sizeof(a->challenge));
	crypt_wipe(&h, sizeof(h));
}

void attempt_new(struct attempt *a, const uint8_t key[KEY_SIZE], int64_t now)
{
	uint8_t all[BYTES];
	struct hash tag;
	crypt_random(all, RANDOM);
	for (int i = 0; i < TIME; i++)
		all[RANDOM + i] = (uint8_t)((uint64_t)now >> (8 * (TIME - 1 - i)));
	derive(key, "state", all, &tag);
	memcpy(all + FRONT, tag.b, TAG);
	spell(all, BYTES, a->state, sizeof(a->state));
	secrets(a, key, all);
}

int attempt_find(struct attempt *a, const uint8_t key[KEY_SIZE], struct span state, int64_t now, struct err *e)
{
	uint8_t all[BYTES];
	struct hash tag;
	uint64_t then = 0;
	bool ours = state.n == ATTEMPT_STATE - 1 && base64_take(state, BASE64_URL, all, BYTES) == BYTES;
	if (ours) {
		derive(key, "state", all, &tag);
		ours = crypt_same(tag.b, all + FRONT, TAG);
	}
	for (int i = 0; ours && i < TIME; i++)
		then = then << 8 | all[RANDOM + i];
	if (!ours || (int64_t)then > now + AHEAD_S || (int64_t)then + ATTEMPT_LIFE_S < now)
		return err_set(
			e, ERR_INVALID, "this login was not begun in this browser, or too long ago; begin it again");
	memcpy(a->state, state.p, state.n);
	a->state[state.n] = '\0';
	secrets(a, key, all);
	return 0;
}
