/* ID tokens and keys as a provider gives them (a token, a line feed, a JWK Set), read as a token and as an address. The
 * seeds hold signed tokens, but none for this login, and nobody guesses a signature: one that is taken is a mistake. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "oidc/token.h"
#include "oidc/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct token_expect expect = {
		"https://login.example", "a client that no seed names", "a nonce that no seed has", 1700000000};
	struct span all = span_n((const char *)data, size), token;
	struct err e = ERR_INIT;
	static bool ready;
	if (!ready)
		json_setup();
	ready = true;
	if (!span_line(&all, &token))
		return 0;
	cleanup_json json_t *set = json_parse(all, "keys", &e);
	err_clear(&e);
	json_t *claims = token_check(token, json_get(set, "keys"), &expect, &e);
	BUG_ON(claims || (e.code != ERR_UNAUTHENTICATED && e.code != ERR_NOT_FOUND && e.code != ERR_NOMEM));
	cleanup_free char *url = span_dup(token);
	if (url && url_secure(url)) {
		bool https = strncmp(url, "https://", 8) == 0;
		BUG_ON(!https && strncmp(url, "http://", 7) != 0);
		BUG_ON(strpbrk(url, " \r\n\t#\\\"<>"));
	}
	return 0;
}
