#include "notify/herald.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "notify/choices.h"

#define VAULT_PUSH "push:key"
#define VAULT_MAIL "mail:password"
#define MAIL "mail/"
#define HOUSE_MAIL MAIL "house" /* the address of mail.to */

static const char *given(const struct herald *h, enum option which)
{
	const char *text = options_text(h->options, which);
	return *text ? text : NULL;
}

/* ---- what the parts ask ---- */

static void tell_person(struct herald *h, const char *person, const json_t *occasion,
	void (*add)(void *to, const char *target), void *to)
{
	char target[NOTICE_TARGET];
	if (choices_want(choices_of(h->targets, person), "push", occasion))
		push_each(h->targets, person, add, to);
	if (!herald_mails(h) || !h->people->address(h->people->ctx, person) ||
		!choices_want(choices_of(h->targets, person), "mail", occasion))
		return;
	snprintf(target, sizeof(target), "mail/%s", person);
	add(to, target);
}

static void whom(void *ctx, const json_t *occasion, void (*add)(void *to, const char *target), void *to)
{
	struct herald *h = ctx;
	webhook_each(h->targets, occasion, add, to);
	if (herald_mails(h) && given(h, OPTION_MAIL_TO))
		add(to, HOUSE_MAIL);
	tell_person(h, "local", occasion, add, to); /* the data folder's owner */
	const char *user = json_str(occasion, "user");
	if (user && h->people->sees(h->people->ctx, user, json_str(occasion, "project")))
		tell_person(h, user, occasion, add, to);
}

static int find(void *ctx, const char *target, struct reach *r, struct err *e)
{
	struct herald *h = ctx;
	if (strncmp(target, MAIL, strlen(MAIL)) != 0)
		return targets_find(h->targets, target, r, e);
	bool house = strcmp(target, HOUSE_MAIL) == 0;
	const char *to = house ? given(h, OPTION_MAIL_TO) : h->people->address(h->people->ctx, target + strlen(MAIL));
	if (!to)
		return err_set(e, ERR_NOT_FOUND,
			house ? "mail.to is not set any more" : "%s: mail reaches them no more", target);
	r->address = mem_strdup(to);
	return r->address ? 0 : err_nomem(e);
}

static void lost(void *ctx, const char *target, bool gone)
{
	struct herald *h = ctx;
	if (strncmp(target, MAIL, strlen(MAIL)) != 0)
		targets_lost(h->targets, target, gone);
}

/* ---- opening ---- */

static int set_mail(struct herald *h, struct vault *v, struct err *e)
{
	const char *password = getenv("MUSTER_MAIL_PASSWORD");
	h->mail = (struct mail_server){.url = given(h, OPTION_MAIL_URL),
		.from = options_text(h->options, OPTION_MAIL_FROM),
		.user = given(h, OPTION_MAIL_USER),
		.ca_file = given(h, OPTION_MAIL_CA),
		.plain = options_bool(h->options, OPTION_MAIL_PLAIN)};
	if (!h->mail.url)
		return 0;
	if (h->mail.user)
		h->mail.password = password && *password ? password : vault_get(v, VAULT_MAIL);
	if (h->mail.user && !h->mail.password)
		return err_set(e, ERR_INVALID, "mail.user is set without a password; set MUSTER_MAIL_PASSWORD");
	if (h->mail.password && strlen(h->mail.password) >= 6 && log_secret(h->mail.password, e) != 0)
		return -1;
	if (given(h, OPTION_MAIL_TO) && !mail_address_valid(given(h, OPTION_MAIL_TO)))
		return err_set(e, ERR_INVALID, "mail.to is no mail address");
	return mail_server_check(&h->mail, e) == 0 ? 0 : err_wrap(e, "mail");
}

/* The vault gives the key; a new one goes there first. */
static const char *push_key(struct herald *h, struct vault *v, struct err *e)
{
	char fresh[PUSH_KEY];
	if (!vault_get(v, VAULT_PUSH)) {
		int rc = push_key_new(fresh, e);
		if (rc == 0)
			rc = vault_put(v, VAULT_PUSH, fresh, e);
		crypt_wipe(fresh, sizeof(fresh));
		if (rc != 0)
			return NULL;
	}
	const char *key = vault_get(v, VAULT_PUSH);
	return push_key_public(key, h->push_public, e) == 0 ? key : NULL;
}

static int open_all(struct herald *h, struct vault *v, struct err *e)
{
	const struct options *o = h->options;
	uint64_t seed;
	h->guard = guard_new(options_tree(o, OPTION_OUTBOUND_EXEMPT), e);
	if (!h->guard)
		return err_wrap(e, "outbound.exempt");
	const char *key = push_key(h, v, e);
	if (!key || set_mail(h, v, e) != 0 || !(h->http = http_new(h->loop, e)) ||
		!(h->targets = targets_open(h->store, v, h->guard, e)) ||
		!(h->letters = letters_new(h->loop, &h->mail, options_text(o, OPTION_NOTIFY_URL), e)))
		return -1;
	struct send_options send = {.loop = h->loop,
		.http = h->http,
		.guard = h->guard,
		.mail = h->mail,
		.base = options_text(o, OPTION_NOTIFY_URL),
		.push_key = key,
		.contact = strncmp(options_text(o, OPTION_NOTIFY_URL), "https://", 8) == 0
				   ? options_text(o, OPTION_NOTIFY_URL)
				   : NULL,
		.find = find,
		.lost = lost,
		.ctx = h};
	h->sender = send_new(&send, e);
	crypt_random(&seed, sizeof(seed));
	struct notify_options notify = {.loop = h->loop,
		.store = h->store,
		.sender = h->sender,
		.seed = seed,
		.remind_ms = options_int(o, OPTION_NOTIFY_REMIND_MIN) * 60000,
		.understand_ms = options_int(o, OPTION_NOTIFY_UNDERSTAND_MIN) * 60000,
		.whom = whom,
		.ctx = h};
	h->notify = h->sender ? notify_open(&notify, e) : NULL;
	return h->notify ? 0 : -1;
}

struct herald *herald_open(struct loop *l, struct store *s, struct vault *v, const struct options *o,
	const struct herald_people *people, struct err *e)
{
	struct herald *h = MEM_NEW(struct herald);
	if (!h) {
		err_nomem(e);
		return NULL;
	}
	h->loop = l;
	h->store = s;
	h->options = o;
	h->people = people;
	if (open_all(h, v, e) == 0)
		return h;
	herald_close(h);
	return NULL;
}

void herald_close(struct herald *h)
{
	if (!h)
		return;
	if (h->notify) {
		notify_stop(h->notify);
		while (notify_busy(h->notify))
			loop_turn(h->loop, -1);
		notify_free(h->notify);
	}
	if (h->targets) {
		store_flush(h->store, NULL);
		while (targets_busy(h->targets))
			loop_turn(h->loop, -1);
	}
	letters_free(h->letters);
	targets_free(h->targets);
	send_free(h->sender);
	http_free(h->http);
	guard_free(h->guard);
	mem_free(h);
}

bool herald_mails(const struct herald *h)
{
	return h->mail.url != NULL;
}
