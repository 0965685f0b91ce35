#include "oidc/token.h"

#include <jose/jose.h>

#include "base/base64.h"
#include "base/caps.h"
#include "base/crypt.h"

/* Purpose: split a token, choose the key by the algorithm of our list, let libjose verify, then compare the claims. */

static const struct algorithm {
	const char *name, *kind, *curve;
	const char *parts[4]; /* of a public key */
} algorithms[] = {
	{"RS256", "RSA", NULL, {"kty", "n", "e"}},
	{"PS256", "RSA", NULL, {"kty", "n", "e"}},
	{"ES256", "EC", "P-256", {"kty", "crv", "x", "y"}},
};

struct parts {
	struct span header, claims, signature; /* base64url */
};

static int wrong(struct err *e, const char *what)
{
	return err_set(e, ERR_UNAUTHENTICATED, "the provider's ID token is refused: %s", what);
}

/* ---- the parts ---- */

static int split(struct span token, struct parts *out)
{
	size_t one = span_find(token, span_of("."), 0),
	       two = one < token.n ? span_find(token, span_of("."), one + 1) : one;
	if (two >= token.n || span_find(token, span_of("."), two + 1) < token.n)
		return -1;
	out->header = span_n(token.p, one);
	out->claims = span_n(token.p + one + 1, two - one - 1);
	out->signature = span_n(token.p + two + 1, token.n - two - 1);
	return 0;
}

static json_t *read_part(struct span part, const char *what, struct err *e)
{
	unsigned char bytes[CAP_OIDC_TOKEN];
	long n = base64_take(part, BASE64_URL, bytes, sizeof(bytes));
	struct err why = ERR_INIT;
	json_t *out = n < 0 ? NULL : json_parse(span_n((const char *)bytes, (size_t)n), what, &why);
	if (json_is_object(out))
		return out;
	json_decref(out);
	if (why.code == ERR_NOMEM)
		err_nomem(e);
	else
		wrong(e, what);
	return NULL;
}

/* ---- the signature ---- */

static void quiet(void *misc, const char *file, int line, uint64_t err, const char *fmt, va_list ap)
{
	(void)misc, (void)file, (void)line, (void)err, (void)fmt, (void)ap;
}

static const struct algorithm *algorithm_of(const json_t *header)
{
	const char *name = json_str(header, "alg");
	for (size_t i = 0; name && i < sizeof(algorithms) / sizeof(*algorithms); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}

static bool says(const json_t *key, const char *field, const char *only, bool must)
{
	const json_t *value = json_get(key, field);
	const char *text = json_str(key, field);
	return value ? text && strcmp(text, only) == 0 : !must;
}

static bool may_verify(const json_t *key)
{
	const json_t *operations = json_get(key, "key_ops");
	for (size_t i = 0; i < json_array_size(operations); i++) {
		const char *one = json_string_value(json_array_get(operations, i));
		if (one && strcmp(one, "verify") == 0)
			return true;
	}
	return !operations;
}

static bool key_fits(const json_t *key, const struct algorithm *a, const char *id)
{
	const char *own = json_str(key, "kid");
	return says(key, "kty", a->kind, true) && (!a->curve || says(key, "crv", a->curve, true)) &&
	       says(key, "use", "sig", false) && says(key, "alg", a->name, false) && may_verify(key) &&
	       (!id || (own && strcmp(own, id) == 0));
}

/* 1: it is signed with this key, 0: it is not, -1: no memory. Only the public numbers go to libjose, so that nothing
 * else in the key chooses what it does. */
static int signed_with(const struct parts *p, const json_t *key, const struct algorithm *a)
{
	jose_cfg_auto_t *cfg = jose_cfg();
	cleanup_json json_t *bare = json_object();
	cleanup_json json_t *jws = json_pack("{s:s%, s:s%, s:s%}", "protected", p->header.p, p->header.n, "payload",
		p->claims.p, p->claims.n, "signature", p->signature.p, p->signature.n);
	bool ready = cfg && bare && jws;
	for (size_t i = 0; ready && i < sizeof(a->parts) / sizeof(*a->parts) && a->parts[i]; i++) {
		json_t *part = json_get(key, a->parts[i]);
		if (!json_is_string(part))
			return 0;
		ready = json_put(bare, a->parts[i], json_incref(part)) == 0;
	}
	if (!ready)
		return -1;
	jose_cfg_set_err_func(cfg, quiet, NULL);
	return jose_jws_ver(cfg, jws, NULL, bare, false);
}

static int check_signature(const struct parts *p, const json_t *header, const json_t *keys, struct err *e)
{
	const struct algorithm *a = algorithm_of(header);
	const char *id = json_str(header, "kid");
	size_t tried = 0;
	if (!a)
		return wrong(e, "it is not signed by RS256, PS256 or ES256");
	if (json_get(header, "crit") || json_get(header, "b64"))
		return wrong(e, "its header asks for what is not known here");
	for (size_t i = 0; i < json_array_size(keys); i++) {
		const json_t *key = json_array_get(keys, i);
		if (!key_fits(key, a, id))
			continue;
		int is = signed_with(p, key, a);
		if (is)
			return is > 0 ? 0 : err_nomem(e);
		tried++;
	}
	return tried ? wrong(e, "its signature is not the provider's")
		     : err_set(e, ERR_NOT_FOUND, "the provider has no key that may have signed its ID token");
}

/* ---- the claims ---- */

/* The client is meant, and if others are too, it is the one that asked. */
static bool is_for(const json_t *claims, const char *client)
{
	const json_t *audience = json_get(claims, "aud");
	const char *one = json_string_value(audience), *party = json_str(claims, "azp");
	bool meant = one && strcmp(one, client) == 0;
	for (size_t i = 0; i < json_array_size(audience); i++) {
		one = json_string_value(json_array_get(audience, i));
		meant |= one && strcmp(one, client) == 0;
	}
	if (json_array_size(audience) > 1 && !party)
		return false;
	return meant && (!json_get(claims, "azp") || (party && strcmp(party, client) == 0));
}

static bool same(const char *given, const char *expected)
{
	size_t n = strlen(expected);
	return given && strlen(given) == n && crypt_same(given, expected, n);
}

static bool is_time(const json_t *claims, const char *name)
{
	const json_t *v = json_get(claims, name);
	double n = json_number_value(v);
	return json_is_number(v) && n >= 0 && n < 1e12; /* in microseconds it fits too */
}

static int check_times(const json_t *claims, int64_t now, struct err *e)
{
	if (!is_time(claims, "exp") || !is_time(claims, "iat") || (json_get(claims, "nbf") && !is_time(claims, "nbf")))
		return wrong(e, "it says not, or not as a number, when it was made and until when it counts");
	if (json_num(claims, "exp", 0) <= (double)(now - TOKEN_LEEWAY_S))
		return wrong(e, "it is too old");
	if (json_num(claims, "iat", 0) > (double)(now + TOKEN_LEEWAY_S) ||
		json_num(claims, "nbf", 0) > (double)(now + TOKEN_LEEWAY_S))
		return wrong(e, "it is of a later time; is the clock right?");
	return 0;
}

static int check_claims(const json_t *claims, const struct token_expect *x, struct err *e)
{
	const char *issuer = json_str(claims, "iss"), *subject = json_str(claims, "sub");
	if (!issuer || strcmp(issuer, x->issuer) != 0)
		return wrong(e, "it is of another issuer");
	if (!is_for(claims, x->client))
		return wrong(e, "it is for another client");
	if (!same(json_str(claims, "nonce"), x->nonce))
		return wrong(e, "it is of another login");
	if (!subject || !*subject || strlen(subject) > TOKEN_SUBJECT)
		return wrong(e, "it does not say whose it is");
	return check_times(claims, x->now, e);
}

json_t *token_check(struct span token, const json_t *keys, const struct token_expect *x, struct err *e)
{
	struct parts p;
	if (token.n > CAP_OIDC_TOKEN || split(token, &p)) {
		wrong(e, "it is no signed JWT");
		return NULL;
	}
	cleanup_json json_t *header = read_part(p.header, "its header is malformed", e);
	cleanup_json json_t *claims = header ? read_part(p.claims, "its claims are malformed", e) : NULL;
	if (!claims || check_signature(&p, header, keys, e) || check_claims(claims, x, e))
		return NULL;
	return json_incref(claims);
}
