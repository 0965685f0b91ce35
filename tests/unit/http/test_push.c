/* Push messages: the example of RFC 8291, appendix A, and a message to a receiver that decrypts it and checks who sent
 * it. */
#include "client_peer.h"
#include "client_rig.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/crypt.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/delivery.h"
#include "http/guard.h"
#include "http/push.h"

/* RFC 8291, appendix A. */
#define UA_PUBLIC "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
#define UA_PRIVATE "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
#define UA_AUTH "BTBZMqHH6r4Tts7J_aSIgg"
#define AS_PUBLIC "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
#define AS_PRIVATE "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"

static const struct push_target ua = {
	"https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV", UA_PUBLIC, UA_AUTH};

static void the_example(void **state)
{
	(void)state;
	unsigned char salt[16];
	cleanup_buf struct buf out = BUF_INIT(4096), text = BUF_INIT(4096);
	assert_int_equal(base64_take(span_of("DGv6ra1nlYgDCS1FRnbzlw"), BASE64_URL, salt, 16), 16);
	must(push_encrypt(&ua, AS_PRIVATE, salt, span_of("When I grow up, I want to be a watermelon"), &out, &e), &e);
	base64_add(&text, BASE64_URL, buf_span(&out));
	assert_string_equal(text.data, "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
				       "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
				       "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN");
}

static void keys(void **state)
{
	(void)state;
	char public[PUSH_PUBLIC], one[PUSH_KEY], two[PUSH_KEY];
	must(push_key_public(AS_PRIVATE, public, &e), &e);
	assert_string_equal(public, AS_PUBLIC);
	must(push_key_new(one, &e), &e);
	must(push_key_new(two, &e), &e);
	assert_string_not_equal(one, two);
	must(push_key_public(one, public, &e), &e);
	assert_int_equal(strlen(public), PUSH_PUBLIC - 1);
	/* none, too short, zero, the order of the group */
	static const char *const wrong[] = {"", "yfWP", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (push_key_public(wrong[i], public, &e) == 0)
			fail_msg("%s is a key", wrong[i]);
}

static void targets(void **state)
{
	(void)state;
	must(push_target_check(&ua, &e), &e);
	static const struct push_target wrong[] = {
		{"https://x", "", UA_AUTH},
		{"https://x", UA_PUBLIC, ""},
		{"https://x", UA_PUBLIC, NULL},
		{"https://x", NULL, UA_AUTH},
		{"https://x", UA_PUBLIC, "BTBZMqHH6r4Tts7J_aSI"},
		{"https://x", UA_PUBLIC "A", UA_AUTH},
		/* the last byte changed: not on the curve */
		{"https://x", "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw8",
			UA_AUTH},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (push_target_check(&wrong[i], &e) == 0)
			fail_msg("row %zu is taken", i);
}

/* ---- a browser ---- */

static EVP_PKEY *point_key(const unsigned char *point, const char *scalar)
{
	OSSL_PARAM params[4], *p = params;
	unsigned char bytes[32];
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	*p++ = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"P-256", 0);
	*p++ = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point, 65);
	if (scalar) {
		assert_int_equal(base64_take(span_of(scalar), BASE64_URL, bytes, 32), 32);
		for (int i = 0; i < 16; i++) { /* native order */
			unsigned char t = bytes[i];
			bytes[i] = bytes[31 - i];
			bytes[31 - i] = t;
		}
		*p++ = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, bytes, 32);
	}
	*p = OSSL_PARAM_construct_end();
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void hkdf(const unsigned char *salt, size_t salt_n, const unsigned char *ikm, const void *info, size_t info_n,
	unsigned char *out, size_t n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)ikm, 32),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_n),
		OSSL_PARAM_construct_end()};
	assert_int_equal(EVP_KDF_derive(ctx, out, n, params), 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

static void decrypt(const unsigned char *body, size_t n, char *text)
{
	unsigned char point[65], secret[16], ecdh[32], ikm[32], cek[16], nonce[12], info[144] = "WebPush: info";
	size_t size = 32;
	int got = 0;
	assert_true(n > 86 + 17);
	assert_memory_equal(body + 16, "\0\0\x10\0\x41", 5); /* records of 4096, a key of 65 */
	base64_take(span_of(UA_PUBLIC), BASE64_URL, point, 65);
	base64_take(span_of(UA_AUTH), BASE64_URL, secret, 16);
	EVP_PKEY *own = point_key(point, UA_PRIVATE), *theirs = point_key(body + 21, NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
	assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
	assert_int_equal(EVP_PKEY_derive_set_peer(ctx, theirs), 1);
	assert_int_equal(EVP_PKEY_derive(ctx, ecdh, &size), 1);
	memcpy(info + 14, point, 65);
	memcpy(info + 79, body + 21, 65);
	hkdf(secret, 16, ecdh, info, 144, ikm, 32);
	hkdf(body, 16, ikm, "Content-Encoding: aes128gcm", 28, cek, 16);
	hkdf(body, 16, ikm, "Content-Encoding: nonce", 24, nonce, 12);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	assert_int_equal(EVP_DecryptInit_ex(c, EVP_aes_128_gcm(), NULL, cek, nonce), 1);
	assert_int_equal(EVP_DecryptUpdate(c, (unsigned char *)text, &got, body + 86, (int)n - 86 - 16), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, 16, (void *)(body + n - 16)), 1);
	assert_int_equal(EVP_DecryptFinal_ex(c, (unsigned char *)text + got, &(int){0}), 1);
	assert_int_equal(text[got - 1], 2); /* the last record's end */
	text[got - 1] = 0;
	EVP_CIPHER_CTX_free(c);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(own);
	EVP_PKEY_free(theirs);
}

/* The claims, once the signature is checked. */
static json_t *claims(const char *token, const char *key)
{
	unsigned char point[65], sig[64], *der = NULL, text[1024];
	const char *second = strchr(token, '.') + 1, *third = strchr(second, '.') + 1;
	assert_int_equal(base64_take(span_of(key), BASE64_URL, point, 65), 65);
	EVP_PKEY *k = point_key(point, NULL);
	ECDSA_SIG *s = ECDSA_SIG_new();
	assert_int_equal(base64_take(span_of(third), BASE64_URL, sig, 64), 64);
	ECDSA_SIG_set0(s, BN_bin2bn(sig, 32, NULL), BN_bin2bn(sig + 32, 32, NULL));
	int n = i2d_ECDSA_SIG(s, &der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, k), 1);
	assert_int_equal(
		EVP_DigestVerify(ctx, der, (size_t)n, (const unsigned char *)token, (size_t)(third - 1 - token)), 1);
	OPENSSL_free(der);
	ECDSA_SIG_free(s);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	long size = base64_take(span_n(token, (size_t)(second - 1 - token)), BASE64_URL, text, sizeof(text));
	assert_true(size > 0 && span_is(span_n((char *)text, (size_t)size), "{\"typ\":\"JWT\",\"alg\":\"ES256\"}"));
	size = base64_take(span_n(second, (size_t)(third - 1 - second)), BASE64_URL, text, sizeof(text));
	assert_true(size > 0);
	return json_parse(span_n((char *)text, (size_t)size), "claims", &e);
}

struct posting {
	struct delivery p;
	int dones;
	struct err why;
};

static void on_done(struct delivery *p, const struct err *why)
{
	struct posting *x = container_of(p, struct posting, p);
	x->dones++;
	x->why = *why;
}

static void posted(struct posting *x, const struct push_message *m, const struct guard *g, const char *answer)
{
	peer.answer = span_of(answer);
	x->dones = 0;
	x->p = (struct delivery){.url = url,
		.guard = g,
		.headers = m->headers,
		.header_count = m->header_count,
		.body = buf_span(&m->body),
		.on_done = on_done};
	must(delivery_start(&x->p, http, &e), &e);
	while (!x->dones)
		loop_turn(loop, 1000);
	assert_int_equal(x->dones, 1);
}

/* A header's value as the peer saw it. */
static void seen(const char *name, char *out)
{
	const char *at = strcasestr(peer.seen, name);
	assert_non_null(at);
	at += strlen(name);
	size_t n = strcspn(at, "\r");
	memcpy(out, at, n);
	out[n] = 0;
}

static const struct guard *local(void)
{
	cleanup_json json_t *list = json_pack("[s]", "127.0.0.1");
	struct guard *g = guard_new(list, &e);
	assert_non_null(g);
	return g;
}

static void a_browser_reads_it(void **state)
{
	(void)state;
	struct push_message m;
	struct posting x;
	char value[1024], text[4096];
	const struct guard *g = local();
	const struct push_target t = {url, UA_PUBLIC, UA_AUTH};
	const struct push_options o = {.key = AS_PRIVATE,
		.contact = "mailto:ann@example.org",
		.at = 1000,
		.ttl_s = 3600,
		.urgent = true,
		.topic = "a1"};
	must(push_make(&m, &t, &o, span_of("{\"title\":\"Grüße\"}"), &e), &e);
	posted(&x, &m, g, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(x.why.code, ERR_OK);
	assert_int_equal(x.p.status, 201);
	seen("ttl: ", value);
	assert_string_equal(value, "3600");
	seen("urgency: ", value);
	assert_string_equal(value, "high");
	seen("content-encoding: ", value);
	assert_string_equal(value, "aes128gcm");
	seen("topic: ", value);
	assert_int_equal(strlen(value), 32);
	const char *body = strstr(peer.seen, "\r\n\r\n") + 4;
	decrypt((const unsigned char *)body, peer.seen_len - (size_t)(body - peer.seen), text);
	assert_string_equal(text, "{\"title\":\"Grüße\"}");
	seen("authorization: vapid t=", value);
	char *key = strstr(value, ", k=");
	assert_non_null(key);
	*key = 0;
	assert_string_equal(key + 4, AS_PUBLIC);
	cleanup_json json_t *c = claims(value, key + 4);
	char origin[64];
	snprintf(origin, sizeof(origin), "http://127.0.0.1:%d", peer.port);
	assert_string_equal(json_str(c, "aud"), origin);
	assert_string_equal(json_str(c, "sub"), "mailto:ann@example.org");
	assert_int_equal(json_int(c, "exp", 0), 1000 + 12 * 3600);
	push_release(&m);
	guard_free((struct guard *)g);
}

static void what_answers_mean(void **state)
{
	(void)state;
	static const struct {
		const char *answer;
		enum err_code want;
		int64_t wait;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ERR_OK, 0},
		{"HTTP/1.1 204 OK\r\n\r\n", ERR_OK, 0},
		{"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", ERR_NOT_FOUND, 0},
		{"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", ERR_NOT_FOUND, 0},
		{"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", ERR_RATE_LIMITED, 7000},
		{"HTTP/1.1 429 No\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n", ERR_RATE_LIMITED,
			3600000},
		{"HTTP/1.1 503 No\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: 0\r\n\r\n",
			ERR_OVERLOADED, 0},
		{"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", ERR_OVERLOADED, 0},
		{"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", ERR_DENIED, 0},
		{"HTTP/1.1 301 No\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", ERR_DENIED, 0},
	};
	const struct guard *g = local();
	struct push_message m = {.body = BUF_INIT(100)};
	struct posting x;
	buf_adds(&m.body, "x");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		posted(&x, &m, g, rows[i].answer);
		if (x.why.code != rows[i].want || x.p.wait_ms != rows[i].wait)
			fail_msg("%s: %s, %lld", rows[i].answer, err_name(x.why.code), (long long)x.p.wait_ms);
	}
	/* Of an answer without end, the status counts. */
	cleanup_buf struct buf endless = BUF_INIT(1 << 20);
	buf_adds(&endless, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n");
	while (endless.len < 200000)
		buf_adds(&endless, "more and more and more and more and more ");
	posted(&x, &m, g, endless.data);
	assert_int_equal(x.why.code, ERR_OK);
	peer_wait();
	peer.cut = 20; /* inside the head */
	posted(&x, &m, g, rows[0].answer);
	assert_int_equal(x.why.code, ERR_NETWORK);
	push_release(&m);
	guard_free((struct guard *)g);
}

static void too_long(void **state)
{
	(void)state;
	static char text[PUSH_TEXT_MOST + 2];
	struct push_message m;
	const struct push_options o = {.key = AS_PRIVATE};
	memset(text, 'x', sizeof(text) - 1);
	assert_int_equal(push_make(&m, &ua, &o, span_of(text), &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	text[PUSH_TEXT_MOST] = 0;
	must(push_make(&m, &ua, &o, span_of(text), &e), &e);
	assert_int_equal(m.body.len, 4096);
	push_release(&m);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, get_setup, get_teardown)

int main(void)
{
	json_setup();
	if (crypt_setup(&e) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example),
		cmocka_unit_test(keys),
		cmocka_unit_test(targets),
		CASE(a_browser_reads_it),
		CASE(what_answers_mean),
		cmocka_unit_test(too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
