/* targets: the webhooks and push subscriptions of the house, and what its people want to be told of, which are records
 * of the journal; secrets of webhooks lie in the vault.
 *
 * A webhook is told of everything in the house, or in one project, or only some types of occasions; a push subscription
 * is a person's browser, told of what concerns the person. What an endpoint says it will not have any more is deleted
 * (push) or switched off (webhooks), and so are webhooks that failed for a day. */
#ifndef MUSTER_NOTIFY_TARGETS_H
#define MUSTER_NOTIFY_TARGETS_H

#include "config/vault.h"
#include "http/guard.h"
#include "http/webhook.h"
#include "notify/send.h"

struct targets;
struct targets *targets_open(struct store *s, struct vault *v, const struct guard *g, struct err *e);
bool targets_busy(const struct targets *t); /* changes are under way */
void targets_free(struct targets *t);	    /* no change is under way; NULL is legal */

/* One change: zero the struct, set cb; it stays until cb was called, once and never from inside the start. */
struct target_change {
	void (*cb)(struct target_change *c, const struct err *why);
	char id[ID_TEXT];	     /* of what was made or changed */
	char secret[WEBHOOK_SECRET]; /* of a webhook that was made, or given a new one: shown this once; "" else */
	/* private */
	struct targets *targets;
	char name[NOTICE_TARGET];
	json_t *value;
};
/* who: for the audit. body: {url, project?, events?: [type]}. -1, no callback: ERR_INVALID, ERR_DENIED (guard.h),
 * ERR_TOO_LARGE (CAP_WEBHOOKS). */
int webhook_add(struct targets *t, struct target_change *c, const char *who, const json_t *body, struct err *e);
/* body: any of {url, project, events, on}; on: switched on again, or off. ERR_NOT_FOUND. */
int webhook_change(
	struct targets *t, struct target_change *c, const char *who, const char *id, const json_t *body, struct err *e);
/* A new secret; the one before it signs, too, until the next rotation. */
int webhook_rotate(struct targets *t, struct target_change *c, const char *who, const char *id, struct err *e);
int webhook_remove(struct targets *t, struct target_change *c, const char *who, const char *id, struct err *e);
/* body: as a browser tells, {endpoint, keys: {p256dh, auth}}. The same endpoint again replaces what was there.
 * ERR_TOO_LARGE (CAP_PUSHES, CAP_PUSHES_PERSON). */
int push_add(struct targets *t, struct target_change *c, const char *person, const json_t *body, struct err *e);
/* Only the person's own: ERR_NOT_FOUND for others'. */
int push_remove(struct targets *t, struct target_change *c, const char *person, const char *id, struct err *e);

/* What the person is told of, and how (choices.h). */
int choices_set(struct targets *t, struct target_change *c, const char *person, const json_t *body, struct err *e);
const json_t *choices_of(const struct targets *t, const char *person); /* borrowed; NULL: they chose nothing */

/* [{id, url, project, events, on, why, by, at}] */
json_t *webhook_list(const struct targets *t, struct err *e);
/* [{id, host, at}]: the person's; an endpoint is a secret. */
json_t *push_list(const struct targets *t, const char *person, struct err *e);

/* Call add with each webhook that an occasion is told to, and each push subscription of a person. */
void webhook_each(const struct targets *t, const json_t *occasion, void (*add)(void *to, const char *target), void *to);
void push_each(const struct targets *t, const char *person, void (*add)(void *to, const char *target), void *to);
/* For send.h. */
int targets_find(const struct targets *t, const char *target, struct reach *r, struct err *e);
void targets_lost(struct targets *t, const char *target, bool gone);

#endif
