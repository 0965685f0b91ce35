/* letter: see letter.h.
 *
 *   DUE ─its turn─▶ TRYING ─taken by the server─▶ gone
 *    ▲                 │ └──refused for good, or the third failure─▶ gone (logged, without its text)
 *    └─time─ RESTING ◀─┴─failed
 *
 * One is tried at a time: a server that hangs holds one thread of the pool. */
#include "notify/letter.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"

#define CAP_LETTERS 1000
#define TRIES 3
#define REST_MS 60000 /* after the first failure; four times as long after the second */

struct letters {
	struct loop *loop;
	const struct mail_server *server;
	const char *base;
	struct list all, due;
	struct letter *trying; /* NULL: none */
	size_t count;
	bool stopped;
};

struct letter {
	struct list link, due;
	struct letters *letters;
	struct mail mail;
	struct timer rest;
	char id[ID_TEXT], *to;
	struct buf subject, text;
	int tries;
};

static const struct words {
	const char *kind, *subject, *path, *text;
} words[] = {
	{"verify", "Confirm your address", "verify", "please confirm that this address is yours.\n"},
	{"reset", "A new password", "reset",
		"somebody, probably you, asked for a new password. If it was not you, there is nothing to do.\n"},
	{"invite", "You are invited", "join", "you are invited to work here.\n"},
	{"exists", "You have an account already", NULL,
		"somebody, probably you, tried to register with this address, which has an account. Sign in, or ask "
		"for a "
		"new password.\n"},
	{NULL},
};

static void forget(struct letter *t)
{
	list_remove(&t->link);
	list_remove(&t->due);
	t->letters->count--;
	timer_stop(&t->rest);
	crypt_wipe(t->text.data, t->text.len);
	buf_release(&t->subject);
	buf_release(&t->text);
	mem_free(t->to);
	mem_free(t);
}

static void try_next(struct letters *all);

static void rested(struct timer *timer)
{
	struct letter *t = container_of(timer, struct letter, rest);
	list_push(&t->letters->due, &t->due);
	try_next(t->letters);
}

static void on_done(struct mail *m, const struct err *why)
{
	struct letter *t = container_of(m, struct letter, mail);
	struct letters *all = t->letters;
	struct err e = ERR_INIT;
	all->trying = NULL;
	bool again = !all->stopped && why->code != ERR_OK && why->code != ERR_DENIED && ++t->tries < TRIES;
	if (!again || timer_start(&t->rest, t->tries == 1 ? REST_MS : 4 * REST_MS, &e)) {
		if (why->code != ERR_OK && why->code != ERR_CANCELLED)
			log_warn("mail", "a letter about an account could not be sent: %s", why->text);
		forget(t);
	}
	try_next(all);
}

static bool try_it(struct letter *t)
{
	struct err e = ERR_INIT;
	t->mail = (struct mail){.server = t->letters->server,
		.to = t->to,
		.subject = t->subject.data,
		.text = t->text.data,
		.id = t->id,
		.on_done = on_done};
	if (!mail_start(&t->mail, t->letters->loop, &e))
		return true;
	log_warn("mail", "a letter about an account could not be sent: %s", e.text);
	forget(t);
	return false;
}

static void try_next(struct letters *all)
{
	while (!all->trying && !list_empty(&all->due)) {
		struct letter *t = list_entry(list_shift(&all->due), struct letter, due);
		all->trying = try_it(t) ? t : NULL;
	}
}

static const struct words *words_of(const char *kind)
{
	for (const struct words *w = words; w->kind; w++)
		if (!strcmp(w->kind, kind))
			return w;
	return NULL;
}

/* Names are people's own words: one line of them, cut. */
static void add_name(const char *name, struct buf *out)
{
	for (size_t i = 0; name && name[i] && i < 80; i++)
		buf_addc(out, (unsigned char)name[i] < ' ' || name[i] == 0x7f ? ' ' : name[i]);
}

static void write_text(const struct letters *all, const struct words *w, const struct account_mail *m, struct buf *out)
{
	buf_adds(out, "Hello ");
	add_name(m->name, out);
	buf_addf(out, ",\n\n%s", w->text);
	if (m->token && w->path && *all->base)
		buf_addf(out, "\n%s/%s#%s\n", all->base, w->path, m->token);
	else if (m->token)
		buf_addf(out, "\nYour token: %s\n", m->token);
	buf_adds(out, "\nIt can be used once, and not for long.\n");
}

bool letters_send(struct letters *all, const struct account_mail *m)
{
	const struct words *w = words_of(m->kind);
	struct letter *t = all->server->url && w && all->count < CAP_LETTERS ? MEM_NEW(struct letter) : NULL;
	if (!t)
		return false;
	t->letters = all;
	list_init(&t->due);
	list_push(&all->all, &t->link);
	all->count++;
	timer_init(&t->rest, all->loop, rested);
	id_new(t->id, clock_wall(loop_clock(all->loop)), NULL);
	buf_init(&t->subject, 4 * KIB);
	buf_init(&t->text, 16 * KIB);
	t->to = mem_strdup(m->to);
	buf_adds(&t->subject, w->subject);
	write_text(all, w, m, &t->text);
	if (!t->to || t->subject.failed || t->text.failed || !mail_address_valid(t->to)) {
		forget(t);
		return false;
	}
	struct err e = ERR_INIT;
	if (!timer_start(&t->rest, 0, &e)) /* from the loop, not from inside the caller's change */
		return true;
	forget(t);
	return false;
}

size_t letters_waiting(const struct letters *all)
{
	return all->count;
}

struct letters *letters_new(struct loop *l, const struct mail_server *server, const char *base, struct err *e)
{
	struct letters *all = MEM_NEW(struct letters);
	if (!all) {
		err_nomem(e);
		return NULL;
	}
	all->loop = l;
	all->server = server;
	all->base = base;
	list_init(&all->all);
	list_init(&all->due);
	return all;
}

void letters_free(struct letters *all)
{
	if (!all)
		return;
	all->stopped = true;
	list_for (it, &all->all) {
		struct letter *t = list_entry(it, struct letter, link);
		if (t == all->trying)
			mail_cancel(&t->mail);
		else
			forget(t);
	}
	while (all->count)
		loop_turn(all->loop, -1);
	mem_free(all);
}
