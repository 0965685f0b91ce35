/* ID tokens: good ones of each kind of key are taken; each claim, key and algorithm that is wrong is refused. The keys
 * and signatures are libjose's. */
#include "unit.h"

#include <jose/jose.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "oidc/token.h"

#define NOW ((int64_t)1700000000)
static const struct token_expect expect = {"https://login.example", "muster", "the nonce", NOW};
static json_t *rsa, *rsa2, *ec; /* private */

static json_t *key_new(const char *alg, const char *kid)
{
	json_t *key = json_pack("{s:s, s:s}", "alg", alg, "kid", kid);
	assert_true(jose_jwk_gen(NULL, key));
	return key;
}

static json_t *public_of(const json_t *key)
{
	json_t *out = json_deep_copy(key);
	assert_true(jose_jwk_pub(NULL, out));
	return out;
}

/* Good claims with some members changed: a text of an object; null takes one away. */
static json_t *claims_with(const char *changes)
{
	json_t *c = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "iss", "https://login.example", "aud", "muster",
		"nonce", "the nonce", "sub", "user-1", "iat", (json_int_t)NOW, "exp", (json_int_t)NOW + 300, "email",
		"a@b.c");
	json_t *with = json_loads(changes, 0, NULL), *value;
	const char *name;
	assert_non_null(with);
	json_object_foreach(with, name, value)
	{
		if (json_is_null(value))
			json_object_del(c, name);
		else
			json_object_set(c, name, value);
	}
	json_decref(with);
	return c;
}

static char *dump(const json_t *v)
{
	cleanup_buf struct buf b = BUF_INIT(100000), out = BUF_INIT(100000);
	json_print(v, &b);
	base64_add(&out, BASE64_URL, buf_span(&b));
	return buf_take(&out);
}

/* The token with these claims (consumed) and this header, signed with the key. */
static char *token_of(json_t *claims, const json_t *key, const char *header)
{
	char *payload = dump(claims);
	json_t *jws = json_pack("{s:s}", "payload", payload),
	       *sig = json_pack("{s:o}", "protected", json_loads(header, 0, NULL));
	assert_true(jose_jws_sig(NULL, jws, sig, key));
	char *out = mem_printf(
		"%s.%s.%s", json_str(jws, "protected"), json_str(jws, "payload"), json_str(jws, "signature"));
	mem_free(payload);
	json_decref(sig);
	json_decref(jws);
	json_decref(claims);
	return out;
}

/* The keys of the provider; consumed. */
static json_t *keys_of(json_t *a, json_t *b)
{
	json_t *keys = json_pack("[o]", a);
	if (b)
		json_array_append_new(keys, b);
	return keys;
}

/* token and keys are consumed. */
static void gives(char *token, json_t *keys, enum err_code want, const char *says)
{
	struct err e = ERR_INIT;
	json_t *claims = token_check(span_of(token), keys, &expect, &e);
	if ((claims != NULL) != (want == ERR_OK) || e.code != want || (says && !strstr(e.text, says)))
		fail_msg("%s: %s: %s, wanted %s %s", token, err_name(e.code), e.text, err_name(want), says ? says : "");
	if (claims)
		assert_string_equal(json_str(claims, "sub"), "user-1");
	json_decref(claims);
	json_decref(keys);
	mem_free(token);
}

static void good_tokens(void **state)
{
	(void)state;
	gives(token_of(claims_with("{}"), rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}"),
		keys_of(public_of(rsa), public_of(ec)), ERR_OK, NULL);
	gives(token_of(claims_with("{}"), ec, "{\"alg\":\"ES256\",\"kid\":\"e\"}"),
		keys_of(public_of(rsa), public_of(ec)), ERR_OK, NULL);
	json_t *free_rsa = public_of(rsa), *other = public_of(rsa2);
	json_object_del(free_rsa, "alg");
	json_object_del(free_rsa, "kid");
	json_object_del(other, "kid");
	gives(token_of(claims_with("{}"), rsa, "{\"alg\":\"RS256\"}"), keys_of(other, json_deep_copy(free_rsa)), ERR_OK,
		NULL);
	json_t *signer = json_deep_copy(rsa);
	json_object_del(signer, "alg");
	gives(token_of(claims_with("{}"), signer, "{\"alg\":\"PS256\"}"), keys_of(free_rsa, NULL), ERR_OK, NULL);
	json_decref(signer);
}

static void wrong_claims(void **state)
{
	static const struct {
		const char *changes, *says; /* says NULL: it is good */
	} rows[] = {
		{"{\"aud\":[\"muster\"]}", NULL},
		{"{\"aud\":[\"other\",\"muster\"],\"azp\":\"muster\"}", NULL},
		{"{\"azp\":\"muster\"}", NULL},
		{"{\"exp\":1699999941}", NULL},
		{"{\"iat\":1700000060}", NULL},
		{"{\"iat\":1699999999.5}", NULL},
		{"{\"iss\":\"https://login.example/\"}", "issuer"},
		{"{\"iss\":null}", "issuer"},
		{"{\"iss\":[\"https://login.example\"]}", "issuer"},
		{"{\"aud\":\"other\"}", "client"},
		{"{\"aud\":null}", "client"},
		{"{\"aud\":[]}", "client"},
		{"{\"aud\":[\"other\"]}", "client"},
		{"{\"aud\":[\"other\",\"muster\"]}", "client"},
		{"{\"aud\":[\"other\",\"muster\"],\"azp\":\"other\"}", "client"},
		{"{\"azp\":\"other\"}", "client"},
		{"{\"azp\":7}", "client"},
		{"{\"nonce\":\"another\"}", "login"},
		{"{\"nonce\":\"\"}", "login"},
		{"{\"nonce\":null}", "login"},
		{"{\"sub\":\"\"}", "whose"},
		{"{\"sub\":null}", "whose"},
		{"{\"sub\":7}", "whose"},
		{"{\"exp\":1699999940}", "old"},
		{"{\"exp\":null}", "number"},
		{"{\"exp\":\"1700000300\"}", "number"},
		{"{\"exp\":1e300}", "number"},
		{"{\"iat\":null}", "number"},
		{"{\"iat\":1700000061}", "later"},
		{"{\"nbf\":1700000061}", "later"},
		{"{\"nbf\":\"x\"}", "number"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		gives(token_of(claims_with(rows[i].changes), ec, "{\"alg\":\"ES256\"}"), keys_of(public_of(ec), NULL),
			rows[i].says ? ERR_UNAUTHENTICATED : ERR_OK, rows[i].says);
}

static void wrong_keys(void **state)
{
	(void)state;
	json_t *named = public_of(rsa2), *use = public_of(rsa), *ops = public_of(rsa), *alg = public_of(rsa);
	json_object_set_new(named, "kid", json_string("r"));
	gives(token_of(claims_with("{}"), rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}"), keys_of(named, NULL),
		ERR_UNAUTHENTICATED, "signature");
	gives(token_of(claims_with("{}"), rsa, "{\"alg\":\"RS256\",\"kid\":\"new\"}"), keys_of(public_of(rsa), NULL),
		ERR_NOT_FOUND, "no key");
	gives(token_of(claims_with("{}"), rsa, "{\"alg\":\"RS256\"}"), keys_of(public_of(ec), NULL), ERR_NOT_FOUND,
		"no key");
	gives(token_of(claims_with("{}"), rsa, "{\"alg\":\"RS256\"}"), json_array(), ERR_NOT_FOUND, "no key");
	json_object_set_new(use, "use", json_string("enc"));
	gives(token_of(claims_with("{}"), rsa, "{\"alg\":\"RS256\"}"), keys_of(use, NULL), ERR_NOT_FOUND, "no key");
	json_object_set_new(ops, "key_ops", json_pack("[s]", "encrypt"));
	gives(token_of(claims_with("{}"), rsa, "{\"alg\":\"RS256\"}"), keys_of(ops, NULL), ERR_NOT_FOUND, "no key");
	json_object_set_new(alg, "alg", json_string("PS256"));
	gives(token_of(claims_with("{}"), rsa, "{\"alg\":\"RS256\"}"), keys_of(alg, NULL), ERR_NOT_FOUND, "no key");
	gives(token_of(claims_with("{}"), rsa, "{\"alg\":\"RS256\"}"),
		keys_of(json_string("key"), json_pack("{s:s}", "kty", "RSA")), ERR_UNAUTHENTICATED, "signature");
}

/* Nothing but our own list of algorithms chooses. */
static void wrong_algorithms(void **state)
{
	(void)state;
	json_t *claims = claims_with("{}");
	char *payload = dump(claims);
	json_decref(claims);
	gives(mem_printf("eyJhbGciOiJub25lIn0.%s.", payload), keys_of(public_of(rsa), NULL), ERR_UNAUTHENTICATED,
		"RS256");
	gives(mem_printf("e30.%s.", payload), keys_of(public_of(rsa), NULL), ERR_UNAUTHENTICATED, "RS256");
	mem_free(payload);
	/* The public key's text as the secret of an HMAC, and as a key that calls itself one. */
	json_t *open = public_of(rsa),
	       *secret = json_pack("{s:s, s:o, s:s}", "kty", "oct", "k", json_incref(json_get(open, "n")), "kid", "r");
	gives(token_of(claims_with("{}"), secret, "{\"alg\":\"HS256\",\"kid\":\"r\"}"),
		keys_of(open, json_incref(secret)), ERR_UNAUTHENTICATED, "RS256");
	json_object_set_new(secret, "alg", json_string("RS256"));
	json_decref(secret);
	gives(token_of(claims_with("{}"), ec, "{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}"),
		keys_of(public_of(ec), NULL), ERR_UNAUTHENTICATED, "header");
}

static void broken_tokens(void **state)
{
	char *good = token_of(claims_with("{}"), ec, "{\"alg\":\"ES256\"}");
	size_t n = strlen(good);
	(void)state;
	for (size_t cut = 0; cut < n; cut += 7) {
		char *text = mem_strndup(good, cut);
		gives(text, keys_of(public_of(ec), NULL), ERR_UNAUTHENTICATED, NULL);
	}
	for (size_t at = 0; at < n;
		at += 5) { /* in the last place of a part some bits say nothing: then it is malformed */
		char *text = mem_strdup(good);
		text[at] = text[at] == 'Q' ? 'R' : 'Q';
		gives(text, keys_of(public_of(ec), NULL), ERR_UNAUTHENTICATED, NULL);
	}
	gives(mem_printf("%s.", good), keys_of(public_of(ec), NULL), ERR_UNAUTHENTICATED, "JWT");
	gives(mem_printf("%s=", good), keys_of(public_of(ec), NULL), ERR_UNAUTHENTICATED, NULL);
	gives(mem_printf("%s\n", good), keys_of(public_of(ec), NULL), ERR_UNAUTHENTICATED, NULL);
	mem_free(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_tokens),
		cmocka_unit_test(wrong_claims),
		cmocka_unit_test(wrong_keys),
		cmocka_unit_test(wrong_algorithms),
		cmocka_unit_test(broken_tokens),
	};
	rsa = key_new("RS256", "r");
	rsa2 = key_new("RS256", "r2");
	ec = key_new("ES256", "e");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(rsa);
	json_decref(rsa2);
	json_decref(ec);
	return failed;
}
