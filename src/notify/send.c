#include "notify/send.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/delivery.h"
#include "http/webhook.h"
#include "notify/text.h"

/* Purpose: one try of one notice. What a try needs (texts, headers, addresses) lives as long as it does. */

struct send {
	struct sender base;
	struct send_options o;
};

struct attempt {
	struct send *send;
	struct notice *notice;
	struct reach reach;
	struct buf subject, text;
	struct mail mail;
	struct delivery delivery;
	struct push_message push;
	struct webhook_headers webhook;
};

void reach_release(struct reach *r)
{
	char *const all[] = {r->address, r->p256dh, r->auth, r->secret, r->old_secret};
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		mem_free(all[i]);
	*r = (struct reach){NULL};
}

static void attempt_free(struct attempt *a)
{
	reach_release(&a->reach);
	buf_release(&a->subject);
	buf_release(&a->text);
	push_release(&a->push);
	mem_free(a);
}

static bool is(const struct notice *n, const char *kind)
{
	return strncmp(n->target, kind, strlen(kind)) == 0;
}

/* ---- ends ---- */

static void finish(struct attempt *a, enum notice_end how, int64_t wait_ms, const struct err *why)
{
	struct notice *n = a->notice;
	struct err copy = *why;
	n->priv = NULL;
	attempt_free(a);
	notice_end(n, how, wait_ms, &copy);
}

static void on_mail(struct mail *m, const struct err *why)
{
	struct attempt *a = container_of(m, struct attempt, mail);
	finish(a,
		why->code == ERR_OK	  ? NOTICE_DELIVERED
		: why->code == ERR_DENIED ? NOTICE_NEVER
					  : NOTICE_AGAIN,
		0, why);
}

static void on_delivery(struct delivery *d, const struct err *why)
{
	struct attempt *a = container_of(d, struct attempt, delivery);
	struct send *s = a->send;
	bool push = is(a->notice, "push/");
	/* Of a push subscription 404 says the same; a webhook's server may be set up wrongly for a while. */
	bool gone = d->status == 410 || (push && d->status == 404);
	enum notice_end how = why->code == ERR_OK ? NOTICE_DELIVERED : gone ? NOTICE_NEVER : NOTICE_AGAIN;
	if (push && d->status >= 400 && d->status < 500 && why->code == ERR_DENIED)
		how = NOTICE_NEVER; /* the service understands our message, and will not have it tomorrow either */
	if (gone && s->o.lost)
		s->o.lost(s->o.ctx, a->notice->target, true);
	finish(a, how, d->wait_ms, why);
}

/* ---- starts ---- */

static int start_mail(struct attempt *a, struct err *e)
{
	const struct send_options *o = &a->send->o;
	if (!o->mail.url)
		return err_set(e, ERR_NOT_FOUND, "no mail server is configured");
	text_subject(a->notice->about, &a->subject);
	text_body(a->notice->about, o->base, &a->text);
	if (buf_check(&a->subject, "the subject", e) != 0 || buf_check(&a->text, "the mail", e) != 0)
		return -1;
	a->mail = (struct mail){.server = &o->mail,
		.to = a->reach.address,
		.subject = a->subject.data,
		.text = a->text.data,
		.id = a->notice->id,
		.on_done = on_mail};
	return mail_start(&a->mail, o->loop, e);
}

static int body_of(struct attempt *a, json_t *v, struct err *e)
{
	if (!v)
		return -1;
	json_print(v, &a->text);
	json_decref(v);
	return buf_check(&a->text, "the notice", e);
}

static int start_push(struct attempt *a, struct err *e)
{
	const struct send_options *o = &a->send->o;
	const json_t *about = a->notice->about;
	const struct push_target target = {a->reach.address, a->reach.p256dh, a->reach.auth};
	const char *priority = json_str(about, "priority"), *action = json_str(about, "action");
	if (!o->push_key)
		return err_set(e, ERR_NOT_FOUND, "push messages are switched off");
	struct push_options options = {.key = o->push_key,
		.contact = o->contact,
		.at = clock_wall(loop_clock(o->loop)) / 1000000,
		.ttl_s = TIME_NOTICE_LIFE / 1000,
		.urgent = priority && strcmp(priority, "urgent") == 0,
		.topic = action ? action : a->notice->id}; /* a reminder replaces what it reminds of */
	if (body_of(a, text_push(about, o->base, e), e) != 0 ||
		push_make(&a->push, &target, &options, buf_span(&a->text), e) != 0)
		return -1;
	a->delivery = (struct delivery){.url = a->reach.address,
		.guard = o->guard,
		.headers = a->push.headers,
		.header_count = a->push.header_count,
		.body = buf_span(&a->push.body),
		.on_done = on_delivery};
	return delivery_start(&a->delivery, o->http, e);
}

static int start_webhook(struct attempt *a, struct err *e)
{
	const struct send_options *o = &a->send->o;
	if (body_of(a, text_webhook(a->notice->about, o->base, e), e) != 0 ||
		webhook_sign(&a->webhook, a->reach.secret, a->reach.old_secret, a->notice->id,
			clock_wall(loop_clock(o->loop)) / 1000000, buf_span(&a->text), e) != 0)
		return -1;
	a->delivery = (struct delivery){.url = a->reach.address,
		.guard = o->guard,
		.headers = a->webhook.list,
		.header_count = a->webhook.count,
		.body = buf_span(&a->text),
		.on_done = on_delivery};
	return delivery_start(&a->delivery, o->http, e);
}

static int start(struct sender *base, struct notice *n, struct err *e)
{
	struct send *s = container_of(base, struct send, base);
	struct attempt *a = MEM_NEW(struct attempt);
	if (!a)
		return err_nomem(e);
	a->send = s;
	a->notice = n;
	buf_init(&a->subject, CAP_MAIL);
	buf_init(&a->text, CAP_MAIL);
	int rc = s->o.find(s->o.ctx, n->target, &a->reach, e);
	if (rc == 0)
		rc = is(n, "mail/") ? start_mail(a, e) : is(n, "push/") ? start_push(a, e) : start_webhook(a, e);
	if (rc != 0)
		attempt_free(a);
	else
		n->priv = a;
	return rc;
}

static void cancel(struct sender *base, struct notice *n)
{
	struct attempt *a = n->priv;
	(void)base;
	if (is(n, "mail/"))
		mail_cancel(&a->mail);
	else
		delivery_cancel(&a->delivery);
}

static void failing(struct sender *base, const char *target, int failures)
{
	struct send *s = container_of(base, struct send, base);
	(void)failures;
	if (s->o.lost)
		s->o.lost(s->o.ctx, target, false);
}

struct sender *send_new(const struct send_options *o, struct err *e)
{
	struct send *s = MEM_NEW(struct send);
	if (!s) {
		err_nomem(e);
		return NULL;
	}
	*s = (struct send){{start, cancel, failing}, *o};
	return &s->base;
}

void send_free(struct sender *s)
{
	if (s)
		mem_free(container_of(s, struct send, base));
}
