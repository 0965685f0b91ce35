/* webhook: signatures of messages, as in the Standard Webhooks specification (standardwebhooks.com): HMAC-SHA-256 over
 * "ID.TIMESTAMP.BODY" in the headers webhook-id, webhook-timestamp, webhook-signature. A secret is written "whsec_" and
 * base64 of 24 to 64 bytes. While one is exchanged for another both sign. */
#ifndef MUSTER_HTTP_WEBHOOK_H
#define MUSTER_HTTP_WEBHOOK_H

#include "base/buf.h"
#include "base/err.h"
#include "http/client.h"

#define WEBHOOK_SECRET 64 /* room for a new one, with its NUL */
void webhook_secret_new(char out[WEBHOOK_SECRET]);

/* The headers of one message, with what they point to; the struct must not move. */
struct webhook_headers {
	struct http_header list[4];
	size_t count;
	char timestamp[24], signature[160];
};
/* `before`: the secret that is on its way out, or NULL. at: seconds. id is borrowed. ERR_INVALID: no secret. */
int webhook_sign(struct webhook_headers *h, const char *secret, const char *before, const char *id, int64_t at,
	struct span body, struct err *e);
/* Is one of the signatures (separated by blanks) that of this message, not older or newer than five minutes? */
bool webhook_verify(const char *secret, const char *id, const char *timestamp, const char *signatures, struct span body,
	int64_t now);

#endif
