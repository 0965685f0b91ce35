#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

/* Purpose: files into an SSL_CTX, with a message for each way in which they can be wrong. */

struct tls {
	SSL_CTX *ctx;
	char *certificate, *key; /* the files */
};

/* The last thing that OpenSSL complained of. */
static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());
	return text ? text : "unknown error of OpenSSL";
}

static int no_passphrase(char *out, int size, int writing, void *ctx)
{
	(void)out;
	(void)size;
	(void)writing;
	*(bool *)ctx = true;
	return -1;
}

/* RFC 7301 3.2: a client that offers only what we do not speak is told so. */
static int on_alpn(
	SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *offered, unsigned n, void *ctx)
{
	static const char ours[] = "http/1.1";
	(void)ssl;
	(void)ctx;
	for (unsigned i = 0; i < n && offered[i] < n - i; i += offered[i] + 1u) {
		if (!span_is(span_n((const char *)offered + i + 1, offered[i]), ours))
			continue;
		*out = offered + i + 1;
		*out_n = offered[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *ctx_new(struct err *e)
{
	static const unsigned char session_context[] = "muster";
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx) {
		err_nomem(e);
		return NULL;
	}
	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS); /* an idle client holds none */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1) != 1) {
		err_set(e, ERR_INTERNAL, "OpenSSL cannot be set up: %s", reason());
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/* A BIO over the file's text, which must stay. */
static BIO *file_open(const char *path, struct buf *text, struct err *e)
{
	if (fs_read(path, text, e) != 0)
		return NULL;
	BIO *bio = BIO_new_mem_buf(buf_span(text).p, (int)text->len);
	if (!bio)
		err_nomem(e);
	return bio;
}

static int leaf_use(SSL_CTX *ctx, X509 *leaf, const char *path, struct err *e)
{
	if (SSL_CTX_use_certificate(ctx, leaf) != 1)
		return err_set(e, ERR_INVALID, "the certificate in %s cannot be used: %s", path, reason());
	if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
		log_warn("http", "the certificate in %s has expired: browsers will refuse it; renew it", path);
	else if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
		log_warn("http", "the certificate in %s is not valid yet: is this machine's clock right?", path);
	return 0;
}

static int certificate_read(SSL_CTX *ctx, const char *path, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_TLS_FILE);
	BIO *bio = file_open(path, &text, e);
	int failed = 0, n = 0;
	X509 *x;
	if (!bio)
		return -1;
	for (; !failed && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)); n++) {
		if (n == 0)
			failed = leaf_use(ctx, x, path, e);
		else if (SSL_CTX_add1_chain_cert(ctx, x) != 1)
			failed = err_set(
				e, ERR_INVALID, "certificate %d in %s cannot be used: %s", n + 1, path, reason());
		X509_free(x);
	}
	BIO_free(bio);
	if (!failed && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		failed = err_set(e, ERR_INVALID, "certificate %d in %s is damaged: %s", n + 1, path, reason());
	else if (!failed && n == 0)
		failed = err_set(e, ERR_INVALID, "there is no certificate in %s: it must be in PEM form", path);
	return failed;
}

static int key_read(SSL_CTX *ctx, const char *path, const char *certificate, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_TLS_FILE);
	bool encrypted = false;
	int failed = 0;
	BIO *bio = file_open(path, &text, e);
	if (!bio)
		return -1;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &encrypted);
	BIO_free(bio);
	if (text.len)
		OPENSSL_cleanse(text.data, text.len);
	if (encrypted)
		failed = err_set(e, ERR_INVALID, "the key in %s is encrypted: give one without a passphrase", path);
	else if (!key)
		failed = err_set(e, ERR_INVALID, "there is no private key in %s: it must be in PEM form", path);
	else if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) != 1)
		failed = err_set(
			e, ERR_INVALID, "the key in %s is not that of the certificate in %s", path, certificate);
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
		failed = err_set(e, ERR_INVALID, "the key in %s cannot be used: %s", path, reason());
	EVP_PKEY_free(key);
	return failed;
}

struct tls *tls_new(const char *certificate, const char *key, struct err *e)
{
	struct tls *t = MEM_NEW(struct tls);
	if (!t) {
		err_nomem(e);
		return NULL;
	}
	ERR_clear_error();
	t->certificate = mem_strdup(certificate);
	t->key = mem_strdup(key);
	t->ctx = t->certificate && t->key ? ctx_new(e) : NULL;
	if (!t->certificate || !t->key)
		err_nomem(e);
	if (t->ctx && certificate_read(t->ctx, certificate, e) == 0 && key_read(t->ctx, key, certificate, e) == 0)
		return t;
	ERR_clear_error();
	tls_free(t);
	return NULL;
}

struct tls *tls_again(const struct tls *t, struct err *e)
{
	return tls_new(t->certificate, t->key, e);
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	mem_free(t->certificate);
	mem_free(t->key);
	mem_free(t);
}

SSL *tls_accept(const struct tls *t)
{
	SSL *ssl = SSL_new(t->ctx);
	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}
