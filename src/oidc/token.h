/* token: ID tokens (OpenID Connect Core 1.0, 2 and 3.1.3.7): JWTs (RFC 7519) signed with a key of the provider.
 *
 * Signatures are RS256, PS256 and ES256 (RFC 7518), whatever else a token asks for: "none" and those with a shared
 * secret never count. libjose does the arithmetic; which key and algorithm it uses is decided here. */
#ifndef MUSTER_OIDC_TOKEN_H
#define MUSTER_OIDC_TOKEN_H

#include "base/json.h"

#define TOKEN_LEEWAY_S 60 /* between the provider's clock and ours */
#define TOKEN_SUBJECT 255 /* bytes of "sub" */

struct token_expect {
	const char *issuer, *client, *nonce;
	int64_t now; /* seconds since 1970 */
};

/* The claims of a good one, a new reference. keys: the array of a JWK Set (RFC 7517). NULL: ERR_NOT_FOUND, none of the
 * keys may have signed it, so newer ones may be asked for; ERR_UNAUTHENTICATED naming what is wrong; ERR_NOMEM. */
json_t *token_check(struct span token, const json_t *keys, const struct token_expect *x, struct err *e);

#endif
