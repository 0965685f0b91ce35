#include "http/push.h"

#include <stdio.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

#include "base/base64.h"
#include "base/caps.h"
#include "base/crypt.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/easy.h"

/* Purpose: the arithmetic of OpenSSL in the order of the RFCs. A failure of it that is not the fault of what was given
 * is taken for want of memory: it has no other. */

enum { SCALAR = 32, POINT = 65, SECRET = 16, SALT = 16, TAG = 16, RECORD = 4096, TOKEN_S = 12 * 3600 };

/* ---- keys ---- */

/* A key of P-256 from its point, and its scalar when that is known. NULL: the point is not on the curve. */
static EVP_PKEY *key_from(const unsigned char point[POINT], const BIGNUM *scalar)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	if (b && ctx && OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1, 0) &&
		OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, POINT) &&
		(!scalar || OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, scalar)))
		params = OSSL_PARAM_BLD_to_param(b);
	if (params && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &key, scalar ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* The key pair of a private key, and its point. */
static EVP_PKEY *key_pair(const char *text, unsigned char point[POINT])
{
	unsigned char bytes[SCALAR];
	EVP_PKEY *key = NULL;
	if (base64_take(span_of(text), BASE64_URL, bytes, SCALAR) != SCALAR)
		return NULL;
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *at = group ? EC_POINT_new(group) : NULL;
	BIGNUM *scalar = BN_bin2bn(bytes, SCALAR, NULL);
	if (at && scalar && !BN_is_zero(scalar) && BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0 &&
		EC_POINT_mul(group, at, scalar, NULL, NULL, NULL) &&
		EC_POINT_point2oct(group, at, POINT_CONVERSION_UNCOMPRESSED, point, POINT, NULL) == POINT)
		key = key_from(point, scalar);
	crypt_wipe(bytes, sizeof(bytes));
	BN_clear_free(scalar);
	EC_POINT_free(at);
	EC_GROUP_free(group);
	return key;
}

static int key_text(char *out, size_t room, const unsigned char *bytes, size_t n, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(room);
	base64_add(&text, BASE64_URL, span_n((const char *)bytes, n));
	if (buf_check(&text, "the key", e) != 0)
		return -1;
	snprintf(out, room, "%s", text.data);
	crypt_wipe(text.data, text.len);
	return 0;
}

int push_key_new(char out[PUSH_KEY], struct err *e)
{
	unsigned char bytes[SCALAR];
	BIGNUM *scalar = NULL;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	int rc = -1;
	if (!key || !EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) ||
		BN_bn2binpad(scalar, bytes, SCALAR) != SCALAR)
		err_nomem(e);
	else
		rc = key_text(out, PUSH_KEY, bytes, SCALAR, e);
	crypt_wipe(bytes, sizeof(bytes));
	BN_clear_free(scalar);
	EVP_PKEY_free(key);
	return rc;
}

int push_key_public(const char *key, char out[PUSH_PUBLIC], struct err *e)
{
	unsigned char point[POINT];
	EVP_PKEY *pair = key_pair(key, point);
	if (!pair)
		return err_set(e, ERR_INVALID, "the key of push messages is none; remove it, and a new one is made");
	EVP_PKEY_free(pair);
	return key_text(out, PUSH_PUBLIC, point, POINT, e);
}

static EVP_PKEY *target_read(
	const struct push_target *t, unsigned char point[POINT], unsigned char secret[SECRET], struct err *e)
{
	if (!t->auth || base64_take(span_of(t->auth), BASE64_URL, secret, SECRET) != SECRET) {
		err_set(e, ERR_INVALID, "keys.auth of a push subscription is base64url of %d bytes", SECRET);
		return NULL;
	}
	EVP_PKEY *key = NULL;
	if (t->p256dh && base64_take(span_of(t->p256dh), BASE64_URL, point, POINT) == POINT && point[0] == 4)
		key = key_from(point, NULL);
	if (!key)
		err_set(e, ERR_INVALID, "keys.p256dh of a push subscription is base64url of a point of P-256");
	return key;
}

int push_target_check(const struct push_target *t, struct err *e)
{
	unsigned char point[POINT], secret[SECRET];
	EVP_PKEY *key = target_read(t, point, secret, e);
	EVP_PKEY_free(key);
	return key ? 0 : -1;
}

/* ---- encryption ---- */

static bool hmac(const unsigned char *key, size_t key_n, const void *data, size_t n, unsigned char out[32])
{
	unsigned size = 0;
	return HMAC(EVP_sha256(), key, (int)key_n, data, n, out, &size) != NULL;
}

static bool shared_secret(EVP_PKEY *own, EVP_PKEY *theirs, unsigned char out[32])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
	size_t n = 32;
	bool fine = ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
		    EVP_PKEY_derive(ctx, out, &n) == 1 && n == 32;
	EVP_PKEY_CTX_free(ctx);
	return fine;
}

struct keys {
	unsigned char content[32], nonce[32]; /* 16 and 12 of them */
};

/* RFC 8291 3.4. Each HKDF expands to one block. */
static bool derive(struct keys *k, const unsigned char ecdh[32], const unsigned char secret[SECRET],
	const unsigned char theirs[POINT], const unsigned char own[POINT], const unsigned char salt[SALT])
{
	static const char info[] = "WebPush: info", content[] = "Content-Encoding: aes128gcm\0\1",
			  nonce[] = "Content-Encoding: nonce\0\1";
	unsigned char prk[32], ikm[32], key_info[sizeof(info) + 2 * POINT + 1];
	memcpy(key_info, info, sizeof(info)); /* with its NUL */
	memcpy(key_info + sizeof(info), theirs, POINT);
	memcpy(key_info + sizeof(info) + POINT, own, POINT);
	key_info[sizeof(key_info) - 1] = 1;
	bool fine = hmac(secret, SECRET, ecdh, 32, prk) && hmac(prk, 32, key_info, sizeof(key_info), ikm) &&
		    hmac(salt, SALT, ikm, 32, prk) && hmac(prk, 32, content, sizeof(content) - 1, k->content) &&
		    hmac(prk, 32, nonce, sizeof(nonce) - 1, k->nonce);
	crypt_wipe(prk, sizeof(prk));
	crypt_wipe(ikm, sizeof(ikm));
	return fine;
}

/* One record, the last (RFC 8188 2): the text, 2, the tag. */
static bool seal(const struct keys *k, struct span text, struct buf *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, more = 0;
	char *to = buf_grow(out, text.n + 1 + TAG);
	bool fine = ctx && to && EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, k->content, k->nonce) &&
		    EVP_EncryptUpdate(ctx, (unsigned char *)to, &n, (const unsigned char *)text.p, (int)text.n) &&
		    EVP_EncryptUpdate(ctx, (unsigned char *)to + n, &more, (const unsigned char *)"\2", 1) &&
		    EVP_EncryptFinal_ex(ctx, (unsigned char *)to + n + more, &(int){0}) &&
		    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, to + n + more);
	EVP_CIPHER_CTX_free(ctx);
	if (fine)
		buf_grew(out, text.n + 1 + TAG);
	return fine;
}

int push_encrypt(const struct push_target *t, const char *message_key, const unsigned char salt[16], struct span text,
	struct buf *out, struct err *e)
{
	static const unsigned char record[] = {0, 0, RECORD >> 8, RECORD & 255, POINT};
	unsigned char theirs[POINT], own[POINT], secret[SECRET], ecdh[32];
	struct keys k;
	if (text.n > PUSH_TEXT_MOST)
		return err_set(e, ERR_TOO_LARGE, "a push message has at most %d bytes", PUSH_TEXT_MOST);
	EVP_PKEY *peer = target_read(t, theirs, secret, e);
	if (!peer)
		return -1;
	EVP_PKEY *pair = key_pair(message_key, own);
	bool fine = pair && shared_secret(pair, peer, ecdh) && derive(&k, ecdh, secret, theirs, own, salt);
	buf_add(out, salt, SALT);
	buf_add(out, record, sizeof(record));
	buf_add(out, own, fine ? POINT : 0);
	fine = fine && seal(&k, text, out) && !out->failed;
	crypt_wipe(&k, sizeof(k));
	crypt_wipe(ecdh, sizeof(ecdh));
	EVP_PKEY_free(pair);
	EVP_PKEY_free(peer);
	return fine ? 0 : err_nomem(e);
}

/* ---- who sends ---- */

/* ES256 (RFC 7518 3.4): both numbers of the signature, of 32 bytes each. */
static bool sign(EVP_PKEY *key, struct span text, unsigned char out[64])
{
	unsigned char der[128];
	const unsigned char *p = der;
	size_t n = sizeof(der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	ECDSA_SIG *sig = NULL;
	if (ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(ctx, der, &n, (const unsigned char *)text.p, text.n) == 1)
		sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
	bool fine = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32) == 32 &&
		    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32) == 32;
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
	return fine;
}

/* Append the origin of a URL (RFC 6454 6.2). */
static int add_origin(const char *url, struct buf *out, struct err *e)
{
	char *host = NULL, *scheme = NULL, *port = NULL;
	CURLU *u = easy_url(url, &host, e);
	if (!u)
		return -1;
	bool fine = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
	curl_url_get(u, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
	if (fine)
		buf_addf(out, "%s://%s%s%s", scheme, host, port ? ":" : "", port ? port : "");
	curl_free(host);
	curl_free(scheme);
	curl_free(port);
	curl_url_cleanup(u);
	return fine ? 0 : err_nomem(e);
}

/* RFC 8292 2: the header's value. */
static int authorize(struct push_message *m, const char *endpoint, const struct push_options *o, struct err *e)
{
	static const char head[] = "{\"typ\":\"JWT\",\"alg\":\"ES256\"}";
	cleanup_buf struct buf origin = BUF_INIT(4 * KIB), claims = BUF_INIT(8 * KIB), text = BUF_INIT(16 * KIB);
	unsigned char point[POINT], signature[64];
	if (add_origin(endpoint, &origin, e) != 0)
		return -1;
	EVP_PKEY *key = key_pair(o->key, point);
	if (!key)
		return err_set(e, ERR_INVALID, "the key of push messages is none; remove it, and a new one is made");
	buf_adds(&claims, "{\"aud\":\"");
	buf_add_json(&claims, buf_span(&origin));
	buf_addf(&claims, "\",\"exp\":%lld", (long long)o->at + TOKEN_S);
	if (o->contact) {
		buf_adds(&claims, ",\"sub\":\"");
		buf_add_json(&claims, span_of(o->contact));
		buf_addc(&claims, '"');
	}
	buf_addc(&claims, '}');
	buf_adds(&text, "vapid t=");
	size_t from = text.len;
	base64_add(&text, BASE64_URL, span_of(head));
	buf_addc(&text, '.');
	base64_add(&text, BASE64_URL, buf_span(&claims));
	bool fine = !text.failed && !claims.failed && sign(key, span_n(text.data + from, text.len - from), signature);
	EVP_PKEY_free(key);
	buf_addc(&text, '.');
	base64_add(&text, BASE64_URL, span_n((char *)signature, sizeof(signature)));
	buf_adds(&text, ", k=");
	base64_add(&text, BASE64_URL, span_n((char *)point, POINT));
	m->authorization = fine ? buf_take(&text) : NULL;
	return m->authorization ? 0 : err_nomem(e);
}

/* ---- the message ---- */

static void add_header(struct push_message *m, const char *name, const char *value)
{
	m->headers[m->header_count++] = (struct http_header){name, value};
}

/* At most 32 characters of base64url (RFC 8030 5.4). */
static int topic_set(struct push_message *m, const char *topic, struct err *e)
{
	struct hash h;
	hash_bytes(&h, NULL, span_of(topic));
	return key_text(m->topic, sizeof(m->topic), h.b, 24, e);
}

int push_make(struct push_message *m, const struct push_target *t, const struct push_options *o, struct span text,
	struct err *e)
{
	unsigned char salt[SALT];
	char key[PUSH_KEY];
	*m = (struct push_message){.body = BUF_INIT(RECORD)};
	crypt_random(salt, sizeof(salt));
	int rc = push_key_new(key, e);
	if (rc == 0)
		rc = push_encrypt(t, key, salt, text, &m->body, e);
	crypt_wipe(key, sizeof(key));
	if (rc != 0 || authorize(m, t->endpoint, o, e) != 0 || (o->topic && topic_set(m, o->topic, e) != 0)) {
		push_release(m);
		return -1;
	}
	snprintf(m->ttl, sizeof(m->ttl), "%d", o->ttl_s);
	add_header(m, "authorization", m->authorization);
	add_header(m, "content-type", "application/octet-stream");
	add_header(m, "content-encoding", "aes128gcm");
	add_header(m, "ttl", m->ttl);
	add_header(m, "urgency", o->urgent ? "high" : "normal");
	if (o->topic)
		add_header(m, "topic", m->topic);
	return 0;
}

void push_release(struct push_message *m)
{
	buf_release(&m->body);
	mem_free(m->authorization);
	*m = (struct push_message){.body = BUF_INIT(RECORD)};
}
