#include "http/webhook.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include "base/base64.h"
#include "base/crypt.h"

#define SECRET_NEW 32
#define SECRET_LEAST 24
#define SECRET_MOST 64
#define TOLERANCE 300 /* seconds */
#define PREFIX "whsec_"

void webhook_secret_new(char out[WEBHOOK_SECRET])
{
	unsigned char bytes[SECRET_NEW];
	struct buf text = BUF_INIT(WEBHOOK_SECRET);
	crypt_random(bytes, sizeof(bytes));
	base64_add(&text, BASE64_PLAIN, span_n((char *)bytes, sizeof(bytes)));
	snprintf(out, WEBHOOK_SECRET, PREFIX "%s", text.data ? text.data : "");
	crypt_wipe(bytes, sizeof(bytes));
	buf_release(&text);
}

static int signature(const char *secret, const char *id, const char *timestamp, struct span body, unsigned char out[32])
{
	unsigned char key[SECRET_MOST];
	unsigned n = 0;
	long size = -1;
	if (span_starts(span_of(secret), PREFIX))
		size = base64_take(span_of(secret + strlen(PREFIX)), BASE64_PLAIN, key, sizeof(key));
	struct buf signed_text = BUF_INIT(body.n + 1024);
	buf_addf(&signed_text, "%s.%s.", id, timestamp);
	buf_addspan(&signed_text, body);
	int rc = -1;
	if (size >= SECRET_LEAST && !signed_text.failed &&
		HMAC(EVP_sha256(), key, (int)size, (unsigned char *)signed_text.data, signed_text.len, out, &n))
		rc = 0;
	buf_release(&signed_text);
	crypt_wipe(key, sizeof(key));
	return rc;
}

static int add_signature(
	struct buf *out, const char *secret, const char *id, const char *timestamp, struct span body, struct err *e)
{
	unsigned char mac[32];
	if (signature(secret, id, timestamp, body, mac) != 0)
		return err_set(e, ERR_INVALID, "a webhook's secret is " PREFIX " and base64 of %d to %d bytes",
			SECRET_LEAST, SECRET_MOST);
	buf_adds(out, out->len ? " v1," : "v1,");
	base64_add(out, BASE64_PLAIN, span_n((char *)mac, sizeof(mac)));
	return 0;
}

int webhook_sign(struct webhook_headers *h, const char *secret, const char *before, const char *id, int64_t at,
	struct span body, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(sizeof(h->signature));
	snprintf(h->timestamp, sizeof(h->timestamp), "%lld", (long long)at);
	if (add_signature(&text, secret, id, h->timestamp, body, e) != 0 ||
		(before && add_signature(&text, before, id, h->timestamp, body, e) != 0) ||
		buf_check(&text, "the signature", e) != 0)
		return -1;
	snprintf(h->signature, sizeof(h->signature), "%s", text.data);
	h->count = 0;
	h->list[h->count++] = (struct http_header){"content-type", "application/json"};
	h->list[h->count++] = (struct http_header){"webhook-id", id};
	h->list[h->count++] = (struct http_header){"webhook-timestamp", h->timestamp};
	h->list[h->count++] = (struct http_header){"webhook-signature", h->signature};
	return 0;
}

bool webhook_verify(const char *secret, const char *id, const char *timestamp, const char *signatures, struct span body,
	int64_t now)
{
	unsigned char want[32], given[32];
	char *end;
	long long at = strtoll(timestamp, &end, 10);
	struct span rest = span_of(signatures);
	if (*timestamp < '0' || *timestamp > '9' || *end || at < now - TOLERANCE || at > now + TOLERANCE ||
		signature(secret, id, timestamp, body, want) != 0)
		return false;
	while (rest.n > 0) {
		size_t n = span_find(rest, span_of(" "), 0);
		struct span one = span_n(rest.p, n == (size_t)-1 ? rest.n : n);
		if (span_starts(one, "v1,") &&
			base64_take(span_n(one.p + 3, one.n - 3), BASE64_PLAIN, given, sizeof(given)) == 32 &&
			CRYPTO_memcmp(given, want, 32) == 0)
			return true;
		rest = n == (size_t)-1 ? SPAN_NONE : span_n(rest.p + n + 1, rest.n - n - 1);
	}
	return false;
}
