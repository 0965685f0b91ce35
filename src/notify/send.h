/* send: notices on their way out: mail, push messages to browsers, webhooks. Where a target is, is asked at each try,
 * so that what was changed, switched off or deleted meanwhile counts. */
#ifndef MUSTER_NOTIFY_SEND_H
#define MUSTER_NOTIFY_SEND_H

#include "http/client.h"
#include "http/guard.h"
#include "http/mail.h"
#include "http/push.h"
#include "notify/outbox.h"

/* Where a target is: the strings are copied. */
struct reach {
	char *address;		   /* mail: an address; push: the endpoint; webhook: its URL */
	char *p256dh, *auth;	   /* push */
	char *secret, *old_secret; /* webhook; old_secret NULL: none is on its way out */
};
void reach_release(struct reach *r);

struct send_options {
	struct loop *loop;
	struct http *http;
	const struct guard *guard;
	struct mail_server mail; /* url NULL: no mail is sent; its strings are borrowed */
	const char *base;	 /* of links; "" for none */
	const char *push_key;	 /* the house's (push.h); NULL: no push messages */
	const char *contact;	 /* of push messages; may be NULL */
	/* Fill r; -1: ERR_NOT_FOUND, the target is gone or wants nothing. */
	int (*find)(void *ctx, const char *target, struct reach *r, struct err *e);
	/* The endpoint says it is gone, or NOTICE_FAILURES tries in a row failed: nothing more should be sent there. */
	void (*lost)(void *ctx, const char *target, bool gone);
	void *ctx;
};
/* The sender of an outbox. The options are copied, but for what they point to. */
struct sender *send_new(const struct send_options *o, struct err *e);
void send_free(struct sender *s); /* no try is under way; NULL is legal */

#endif
