/* attempt: a login under way, of which this server keeps nothing.
 *
 * Its state goes to the provider and into a cookie of the browser: 24 random bytes, when it began, and a keyed hash of
 * both, so that nobody else makes one. The nonce of the ID token and the verifier of the code (PKCE, RFC 7636) are
 * keyed hashes of it: who sees the state knows neither. */
#ifndef MUSTER_OIDC_ATTEMPT_H
#define MUSTER_OIDC_ATTEMPT_H

#include "base/crypt.h"
#include "base/err.h"

#define ATTEMPT_STATE 65  /* 48 bytes, base64url, with the NUL */
#define ATTEMPT_SECRET 44 /* 32 bytes of it */
#define ATTEMPT_LIFE_S 600

struct attempt {
	char state[ATTEMPT_STATE];
	char nonce[ATTEMPT_SECRET];
	char verifier[ATTEMPT_SECRET];
	char challenge[ATTEMPT_SECRET]; /* S256 of the verifier */
};

/* now: seconds since 1970. */
void attempt_new(struct attempt *a, const uint8_t key[KEY_SIZE], int64_t now);
/* The one with this state. ERR_INVALID: it is none of this key, or began too long ago. */
int attempt_find(struct attempt *a, const uint8_t key[KEY_SIZE], struct span state, int64_t now, struct err *e);

#endif
