/* notices: webhooks, push subscriptions of browsers, and trials of what goes out. */
#include <stdio.h>
#include <string.h>

#include "api/account.h"
#include "base/mem.h"
#include "notify/choices.h"
#include "notify/herald.h"

static struct herald *herald_of(const struct ask *q, struct err *e)
{
	if (!q->needs->herald)
		err_set(e, ERR_NOT_FOUND, "notices go out from `muster serve` only");
	return q->needs->herald;
}

static const char *who_of(const struct ask *q)
{
	return q->caller.person[0] ? q->caller.person : "local";
}

/* ---- changes ---- */

struct changing {
	struct target_change c;
	struct ask *q;
	bool shown; /* reply with what was made */
};

static void on_changed(struct target_change *c, const struct err *why)
{
	struct changing *x = container_of(c, struct changing, c);
	struct err e = *why;
	json_t *out = NULL;
	if (e.code == ERR_OK)
		out = json_make(&e, "{s:s, s:s*}", "id", c->id, "secret", x->shown && c->secret[0] ? c->secret : NULL);
	crypt_wipe(c->secret, sizeof(c->secret));
	struct ask *q = x->q;
	mem_free(x);
	ask_end(q, out, &e);
}

static struct changing *changing_new(struct ask *q, bool shown, struct err *e)
{
	struct changing *x = MEM_NEW(struct changing);
	if (!x) {
		err_nomem(e);
		return NULL;
	}
	x->c.cb = on_changed;
	x->q = q;
	x->shown = shown;
	return x;
}

enum what { ADD, CHANGE, ROTATE, REMOVE, SUBSCRIBE, UNSUBSCRIBE, CHOOSE };

static int begin(struct targets *t, struct changing *x, enum what what, struct err *e)
{
	struct ask *q = x->q;
	const char *who = who_of(q);
	if (what == ADD)
		return webhook_add(t, &x->c, who, q->body, e);
	if (what == SUBSCRIBE)
		return push_add(t, &x->c, who, q->body, e);
	if (what == CHOOSE)
		return choices_set(t, &x->c, who, q->body, e);
	cleanup_free char *id = ask_param(q, "id");
	if (!id)
		return err_nomem(e);
	switch (what) {
	case CHANGE:
		return webhook_change(t, &x->c, who, id, q->body, e);
	case ROTATE:
		return webhook_rotate(t, &x->c, who, id, e);
	case REMOVE:
		return webhook_remove(t, &x->c, who, id, e);
	default:
		return push_remove(t, &x->c, who, id, e);
	}
}

static json_t *change(struct ask *q, enum what what, struct err *e)
{
	struct herald *h = herald_of(q, e);
	struct changing *x = h ? changing_new(q, what == ADD || what == ROTATE, e) : NULL;
	if (!x)
		return NULL;
	if (begin(h->targets, x, what, e) != 0)
		mem_free(x);
	return NULL;
}

static json_t *add(struct ask *q, struct err *e)
{
	return change(q, ADD, e);
}

static json_t *set(struct ask *q, struct err *e)
{
	return change(q, CHANGE, e);
}

static json_t *rotate(struct ask *q, struct err *e)
{
	return change(q, ROTATE, e);
}

static json_t *drop(struct ask *q, struct err *e)
{
	return change(q, REMOVE, e);
}

static json_t *subscribe(struct ask *q, struct err *e)
{
	return account_whole(q, e) ? NULL : change(q, SUBSCRIBE, e);
}

static json_t *unsubscribe(struct ask *q, struct err *e)
{
	return account_whole(q, e) ? NULL : change(q, UNSUBSCRIBE, e);
}

static json_t *choose(struct ask *q, struct err *e)
{
	return account_whole(q, e) ? NULL : change(q, CHOOSE, e);
}

/* ---- lists ---- */

static json_t *chosen(struct ask *q, struct err *e)
{
	struct herald *h = account_whole(q, e) ? NULL : herald_of(q, e);
	const json_t *own = h ? choices_of(h->targets, who_of(q)) : NULL;
	return own ? json_incref((json_t *)own) : h ? choices_default(e) : NULL;
}

static json_t *list(struct ask *q, struct err *e)
{
	struct herald *h = herald_of(q, e);
	return h ? webhook_list(h->targets, e) : NULL;
}

static json_t *subscriptions(struct ask *q, struct err *e)
{
	struct herald *h = account_whole(q, e) ? NULL : herald_of(q, e);
	return h ? push_list(h->targets, who_of(q), e) : NULL;
}

static json_t *push_key(struct ask *q, struct err *e)
{
	struct herald *h = herald_of(q, e);
	return h ? json_make(e, "{s:s}", "key", h->push_public) : NULL;
}

/* ---- trials ---- */

static json_t *try_webhook(struct ask *q, struct err *e)
{
	struct herald *h = herald_of(q, e);
	cleanup_free char *id = ask_param(q, "id");
	char target[NOTICE_TARGET];
	struct reach reach = {NULL};
	if (!h || !id)
		return h ? (err_nomem(e), NULL) : NULL;
	snprintf(target, sizeof(target), "webhook/%.64s", id);
	int rc = targets_find(h->targets, target, &reach, e);
	reach_release(&reach);
	return rc == 0 && notify_try(h->notify, target, e) >= 0 ? json_make(e, "{s:b}", "queued", 1) : NULL;
}

struct trial {
	struct mail mail;
	struct ask *q;
	char *to, id[ID_TEXT];
};

static void on_mail(struct mail *m, const struct err *why)
{
	struct trial *t = container_of(m, struct trial, mail);
	struct err e = *why;
	struct ask *q = t->q;
	json_t *out = e.code == ERR_OK ? json_make(&e, "{s:b}", "sent", 1) : NULL;
	mem_free(t->to);
	mem_free(t);
	ask_end(q, out, &e);
}

/* Now, so that whoever sets mail up reads what the server says. */
static json_t *try_mail(struct ask *q, struct err *e)
{
	struct herald *h = herald_of(q, e);
	if (!h)
		return NULL;
	if (!herald_mails(h)) {
		err_set(e, ERR_INVALID, "no mail server is configured; set mail.url and mail.from");
		return NULL;
	}
	struct trial *t = MEM_NEW(struct trial);
	if (!t || !(t->to = mem_strdup(json_str(q->body, "to")))) {
		mem_free(t);
		err_nomem(e);
		return NULL;
	}
	id_new(t->id, clock_wall(loop_clock(h->loop)), NULL);
	t->q = q;
	t->mail = (struct mail){.server = &h->mail,
		.to = t->to,
		.subject = "muster: a test",
		.text = "This is a test. Notices of muster arrive here.\n",
		.id = t->id,
		.on_done = on_mail};
	if (mail_start(&t->mail, h->loop, e) == 0)
		return NULL;
	mem_free(t->to);
	mem_free(t);
	return NULL;
}

const struct route routes_notices[] = {
	{"GET", API "/webhooks", WHO_ADMIN, "all webhooks, without their secrets", NULL, NULL, "[@webhook]", 0, list},
	{"POST", API "/webhooks", WHO_ADMIN,
		"a new webhook: signed as in the Standard Webhooks specification, with the secret that is shown this "
		"once",
		NULL, "url:s project:s? events:a?", "@made", 201, add},
	{"PATCH", API "/webhooks/{id}", WHO_ADMIN, "another address or choice; on: switched on again, or off", NULL,
		"url:s? project:s? events:a? on:b?", "@made", 0, set},
	{"DELETE", API "/webhooks/{id}", WHO_ADMIN, "no more of it", NULL, NULL, "@made", 0, drop},
	{"POST", API "/webhooks/{id}/secret", WHO_ADMIN,
		"a new secret; the one before signs, too, until there is a newer one", NULL, "", "@made", 0, rotate},
	{"POST", API "/webhooks/{id}/test", WHO_ADMIN, "send it a message of type test", NULL, "", "@queued", 202,
		try_webhook},
	{"GET", API "/auth/me/notices", WHO_KNOWN, "what one is told of by one's browsers, and what by mail", NULL,
		NULL, "@notices", 0, chosen},
	{"PUT", API "/auth/me/notices", WHO_KNOWN,
		"choose it: each a list of question, approval, failed, finished, budget", NULL, "push:[s] mail:[s]",
		NULL, 0, choose},
	{"GET", API "/push/key", WHO_KNOWN, "the house's public key, for PushManager.subscribe", NULL, NULL,
		"@push_key", 0, push_key},
	{"GET", API "/push/subscriptions", WHO_KNOWN, "the caller's browsers", NULL, NULL, "[@subscription]", 0,
		subscriptions},
	{"POST", API "/push/subscriptions", WHO_KNOWN, "tell this browser, too: what PushSubscription.toJSON gives",
		NULL, "endpoint:s keys:o expirationTime:x?", "@made", 201, subscribe},
	{"DELETE", API "/push/subscriptions/{id}", WHO_KNOWN, "no more to this browser", NULL, NULL, "@made", 0,
		unsubscribe},
	{"POST", API "/mail/test", WHO_ADMIN, "send a mail now, and say what the server answered", NULL, "to:s",
		"@sent", 0, try_mail},
	{0},
};
