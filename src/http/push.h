/* push: a message to a browser (Web Push): encrypted for it alone (RFC 8291, 8188), with the proof of who sends it
 * (VAPID, RFC 8292), as the headers and body of a request to its push service (RFC 8030), which delivery.h makes. */
#ifndef MUSTER_HTTP_PUSH_H
#define MUSTER_HTTP_PUSH_H

#include "base/buf.h"
#include "base/err.h"
#include "http/client.h"

/* The house's key pair: P-256; the private key as base64url, which is kept secret, the public one for browsers. */
#define PUSH_KEY 44    /* with the NUL */
#define PUSH_PUBLIC 88 /* with the NUL */
int push_key_new(char out[PUSH_KEY], struct err *e);
int push_key_public(const char *key, char out[PUSH_PUBLIC], struct err *e); /* ERR_INVALID: no key */

struct push_target { /* as a browser tells: endpoint, keys.p256dh, keys.auth */
	const char *endpoint, *p256dh, *auth;
};
/* ERR_INVALID, naming the member: no key of P-256, no secret of 16 bytes. The endpoint is for the guard to check. */
int push_target_check(const struct push_target *t, struct err *e);

#define PUSH_TEXT_MOST 3993 /* bytes of one message */
struct push_message {
	/* the request's; valid until push_release */
	struct http_header headers[6];
	size_t header_count;
	struct buf body;
	/* private */
	char *authorization;
	char ttl[12], topic[33];
};
struct push_options {
	const char *key;     /* the house's */
	const char *contact; /* mailto: or https: address of who runs the house; NULL: none */
	int64_t at;	     /* seconds */
	int ttl_s;	     /* kept so long for a browser that is away */
	bool urgent;	     /* wakes a device that saves its battery */
	const char *topic;   /* replaces an undelivered message with the same, hashed; NULL: none */
};
int push_make(struct push_message *m, const struct push_target *t, const struct push_options *o, struct span text,
	struct err *e);
void push_release(struct push_message *m);

/* Private to http/, for tests: the same with a given key of the message and salt. */
int push_encrypt(const struct push_target *t, const char *message_key, const unsigned char salt[16], struct span text,
	struct buf *out, struct err *e);

#endif
