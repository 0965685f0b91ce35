/* change: an operation, from what is asked to what is told.
 *
 *   start ──▶ PASSWORD ──right──▶ QUEUED ──its turn──▶ decide ──▶ COMMITTING ──▶ in memory ──▶ cb
 *     │           └─wrong, cancelled──┴──────────────────┴─refused──┴─not committed──▶ cb
 *     └─ no password: QUEUED
 *
 * One operation at a time decides and commits, so that each decides over what all before it left. A verb (verbs.def)
 * only reads the records and fills in a turn: new records, the answer, mails. What failed before its commit changed
 * nothing. */
#include <ctype.h>
#include <stdio.h>

#include "accounts/private.h"
#include "base/log.h"
#include "base/mem.h"

#define LINKS_MAX 64
#define LINK_US (24 * HOUR)
#define LOGIN_SPARE 5	/* failures of an account, and of an address, before waiting begins */
#define LOGIN_MOST_S 60 /* of an account: whoever guesses must not keep its owner out for long */
#define ADDRESS_SPARE 20
#define ADDRESS_MOST_S 900

static const struct account_verb verbs[] = {
#define VERB(function, name, may, password, check, summary) {name, may, password, check, function},
#include "accounts/verbs.def"
#undef VERB
};

/* ---- turns: what verbs build ---- */

int turn_record(struct turn *t, enum kind k, const char *id, json_t *value, struct err *e)
{
	json_t *record =
		json_make(e, "{s:s, s:s, s:o}", "kind", kind_names[k], "id", id, "value", value ? value : json_null());

	return !record ? -1 : json_array_append_new(t->records, record) ? err_nomem(e) : 0;
}

int turn_object(struct turn *t, enum kind k, const char *id, struct err *e)
{
	int n = snprintf(t->object, sizeof t->object, "%s/%s", kind_names[k], id);

	return n < (int)sizeof t->object ? 0 : err_set(e, ERR_INVALID, "the id %.40s… is too long", id);
}

int turn_result(struct turn *t, const char *name, json_t *v, struct err *e)
{
	return json_put(t->result, name, v) ? err_nomem(e) : 0;
}

int turn_detail(struct turn *t, const char *name, json_t *v, struct err *e)
{
	return json_put(t->detail, name, v) ? err_nomem(e) : 0;
}

int turn_mail(struct turn *t, const char *kind, const char *to, const char *name, const char *token, struct err *e)
{
	json_t *mail = json_make(e, "{s:s, s:s, s:s?, s:s?}", "kind", kind, "to", to, "name", name, "token", token);

	return !mail ? -1 : json_array_append_new(t->mails, mail) ? err_nomem(e) : 0;
}

const char *turn_who(const struct caller *c)
{
	return c->person[0] ? c->person : c->kind == CALLER_LOCAL ? "local" : "nobody";
}

struct record *turn_person(struct turn *t, struct err *e)
{
	const char *named = json_str(t->args, "person"), *id = named && *named ? named : t->by->person;
	bool other = strcmp(id, t->by->person) != 0;
	struct record *person = record_get(t->a, KIND_PERSON, id);

	if (!*id) {
		err_set(e, ERR_INVALID, "the data folder's owner is not a person; name one");
		return NULL;
	}
	if (!person || (other && (accounts_role(t->a, t->by) < ROLE_ADMIN || !(t->by->scopes & SCOPE_ADMIN)))) {
		err_set(e, ERR_NOT_FOUND, "there is no person %.40s", id);
		return NULL;
	}
	if (other && record_role(person) == ROLE_OWNER && accounts_role(t->a, t->by) < ROLE_OWNER) {
		err_set(e, ERR_DENIED, "only an owner may change an owner");
		return NULL;
	}
	return person;
}

const char *arg_text(const struct turn *t, const char *name, size_t least, size_t most, struct err *e)
{
	const char *text = json_str(t->args, name);
	size_t n = text ? strlen(text) : 0;
	bool fine = text && n >= least && n <= most &&
		    (n == 0 || (!isspace((unsigned char)text[0]) && !isspace((unsigned char)text[n - 1])));

	for (size_t i = 0; fine && i < n; i++)
		fine = (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
	if (fine)
		return text;
	err_set(e, ERR_INVALID,
		"\"%s\" must be a text of %zu to %zu bytes, without blanks at its ends or control characters", name,
		least, most);
	return NULL;
}

static void turn_free(struct turn *t)
{
	if (!t)
		return;
	json_decref(t->records);
	json_decref(t->result);
	json_decref(t->detail);
	json_decref(t->mails);
	crypt_wipe(t->sealed, sizeof t->sealed);
	mem_free(t);
}

static struct turn *turn_new(struct accounts *a, struct account_op *op, struct err *e)
{
	struct turn *t = MEM_NEW(struct turn);

	if (!t) {
		err_nomem(e);
		return NULL;
	}
	t->a = a;
	t->op = op;
	t->by = &op->caller;
	t->args = op->args;
	t->now = clock_wall(a->clock);
	t->what = op->verb->name;
	t->records = json_array();
	t->result = json_object();
	t->detail = json_object();
	t->mails = json_array();
	if (t->records && t->result && t->detail && t->mails &&
		(!op->address[0] || json_put_span(t->detail, "address", span_of(op->address)) == 0))
		return t;
	turn_free(t);
	err_nomem(e);
	return NULL;
}

/* ---- telling ---- */

static void link_free(struct accounts *a, struct link *l)
{
	list_remove(&l->link);
	json_decref(l->value);
	mem_free(l);
	a->link_count--;
}

/* What no mail can carry waits for an administrator, in memory only. Best effort: it can be asked for again. */
static void keep_link(struct accounts *a, json_t *mail)
{
	struct link *l = json_str(mail, "token") ? MEM_NEW(struct link) : NULL;

	if (!l)
		return;
	if (a->link_count == LINKS_MAX)
		link_free(a, list_entry(a->links.next, struct link, link));
	l->until = clock_wall(a->clock) + LINK_US;
	l->value = json_incref(mail);
	list_push(&a->links, &l->link);
	a->link_count++;
	json_put_int(mail, "until", l->until);
}

static void send_mails(struct accounts *a, json_t *mails)
{
	for (size_t i = 0; i < json_array_size(mails); i++) {
		json_t *m = json_array_get(mails, i);
		struct account_mail mail = {
			json_str(m, "kind"), json_str(m, "to"), json_str(m, "name"), json_str(m, "token")};
		if (!a->mail || !a->mail(a->ctx, &mail))
			keep_link(a, m);
	}
}

/* Does its token still count, for nobody above this role? */
static bool link_fits(const struct accounts *a, const struct link *l, enum member_role most)
{
	struct span token = json_span(l->value, "token");
	const struct record *invite = record_of_token(a, KIND_INVITE, token);
	const struct record *ticket = invite ? NULL : record_of_token(a, KIND_TICKET, token);
	const struct record *whose = ticket ? record_get(a, KIND_PERSON, record_str(ticket, "person")) : invite;

	return l->until > clock_wall(a->clock) && whose && record_role(whose) <= most;
}

json_t *accounts_links(const struct accounts *a, const struct caller *c, struct err *e)
{
	json_t *all = json_array();

	list_for (it, (struct list *)&a->links) {
		struct link *l = list_entry(it, struct link, link);
		if (all && link_fits(a, l, accounts_role(a, c)) && json_array_append(all, l->value)) {
			json_decref(all);
			all = NULL;
		}
	}
	if (!all)
		err_nomem(e);
	return all;
}

void accounts_watch(struct accounts *a, struct accounts_watch *w)
{
	list_push(&a->watches, &w->link);
}

void accounts_unwatch(struct accounts_watch *w)
{
	list_remove(&w->link);
}

/* The callbacks may take any watch off: those still to be told wait in a list of their own. */
static void tell_watches(struct accounts *a, const char *person)
{
	struct list due, *it;

	list_init(&due);
	while ((it = list_shift(&a->watches)))
		list_push(&due, it);
	while ((it = list_shift(&due))) {
		struct accounts_watch *w = list_entry(it, struct accounts_watch, link);
		list_push(&a->watches, it);
		w->cb(w, person);
	}
}

/* Whose rights shrink when this record becomes that: their id, or NULL. */
static const char *who_loses(const struct accounts *a, const json_t *record)
{
	const char *kind = json_str(record, "kind"), *id = json_str(record, "id");
	const json_t *value = json_get(record, "value");
	enum kind k = KIND_PERSON;

	while (k < KIND_MEMBER && strcmp(kind_names[k], kind) != 0)
		k++;
	const struct record *r = k == KIND_INVITE || k == KIND_TICKET ? NULL : record_get(a, k, id);
	if (!r)
		return NULL;
	bool fewer = json_is_null(value) ||
		     ((k == KIND_PERSON || k == KIND_MEMBER) && (role_named(json_str(value, "role")) < record_role(r) ||
									json_bool(value, "disabled", false)));
	return !fewer ? NULL : k == KIND_PERSON ? r->id : record_str(r, "person");
}

/* ---- the operation ---- */

static void end(struct account_op *op, const struct err *why)
{
	struct accounts *a = op->accounts;
	struct turn *t = op->turn;
	json_t *args = op->args, *result;

	op->state = OP_ENDED;
	op->turn = NULL;
	op->args = NULL;
	op->result = result = t && !why->code ? json_incref(t->result) : NULL;
	turn_free(t);
	json_decref(args);
	a->ops--;
	op->cb(op, why);
	json_decref(result);
}

static void committed(void *ctx, const struct err *why)
{
	struct account_op *op = ctx;
	struct accounts *a = op->accounts;
	struct turn *t = op->turn;
	char losers[8][ID_TEXT];
	int loser_count = 0;
	struct err e = ERR_INIT;

	a->now = NULL;
	if (!list_empty(&a->queue))
		tick_start(&a->next);
	for (size_t i = 0; !why->code && i < json_array_size(t->records); i++) {
		const json_t *record = json_array_get(t->records, i);
		const char *loser = who_loses(a, record);
		bool known = !loser;
		for (int l = 0; loser && l < loser_count; l++)
			known |= strcmp(losers[l], loser) == 0;
		if (!known && loser_count < 8)
			snprintf(losers[loser_count++], ID_TEXT, "%s", loser);
		if (!a->stale && records_apply_json(a, record, &e)) {
			a->stale = true;
			log_warn("accounts", "%s; they are read anew from the journal", e.text);
		}
	}
	if (!why->code)
		send_mails(a, t->mails);
	for (int l = 0; l < loser_count; l++)
		tell_watches(a, losers[l]);
	e = t->told;
	end(op, why->code ? why : &e);
}

static int decide(struct account_op *op, struct err *e)
{
	struct accounts *a = op->accounts;

	if (op->cancelled)
		return err_set(e, ERR_CANCELLED, "%s was cancelled", op->verb->name);
	if (a->stale && records_load(a, e))
		return -1;
	if (op->turn) /* since it was asked, much may have happened */
		op->turn->now = clock_wall(a->clock);
	else
		op->turn = turn_new(a, op, e);
	if (!op->turn)
		return -1;
	if (op->verb->may != MAY_ANYONE && !accounts_alive(a, &op->caller))
		return err_set(e, ERR_UNAUTHENTICATED, "the token is no longer valid; sign in again");
	return op->verb->decide(op->turn, e);
}

static void on_next(struct tick *tick)
{
	struct accounts *a = container_of(tick, struct accounts, next);
	struct list *link = a->now ? NULL : list_shift(&a->queue);
	struct err e = ERR_INIT;
	struct account_op *op;

	if (!link)
		return;
	op = list_entry(link, struct account_op, link);
	if (decide(op, &e) == 0) {
		struct turn *t = op->turn;
		struct audit audit = {.who = t->person[0] ? t->person : turn_who(t->by),
			.what = t->what,
			.object = t->object[0] ? t->object : NULL,
			.detail = t->detail,
			.records = json_array_size(t->records) ? t->records : NULL};
		op->state = OP_COMMITTING;
		a->now = op;
		/* Nothing changed. It waits for a commit all the same: how long it takes must not say so. */
		if (!audit.records && !note_room(a)) {
			committed(op, &e);
			return;
		}
		if (store_record(a->store, &audit, committed, op, &e) == 0)
			return;
		a->now = NULL;
	}
	if (!list_empty(&a->queue))
		tick_start(&a->next);
	if (e.code == ERR_DENIED)
		accounts_note(a, &op->caller, "denied", op->verb->name, op->address);
	end(op, &e);
}

static void enqueue(struct account_op *op)
{
	op->state = OP_QUEUED;
	list_push(&op->accounts->queue, &op->link);
	tick_start(&op->accounts->next);
}

/* ---- passwords ---- */

static struct record *subject(const struct account_op *op)
{
	const char *email = json_str(op->args, "email");
	char address[EMAIL_MAX + 1];

	if (op->verb->may != MAY_ANYONE)
		return record_get(op->accounts, KIND_PERSON, op->caller.person);
	email_plain(address, email ? email : "");
	return record_of_address(op->accounts, address);
}

static const char *account_key(const struct account_op *op, char key[EMAIL_MAX + 1])
{
	const char *email = json_str(op->args, "email");

	if (op->verb->may != MAY_ANYONE)
		return op->caller.person;
	email_plain(key, email ? email : "");
	return key;
}

static int throttled(struct account_op *op, struct err *e)
{
	char key[EMAIL_MAX + 1];
	int64_t wait = throttle_wait(&op->accounts->throttle, 'a', account_key(op, key));
	int64_t other = throttle_wait(&op->accounts->throttle, 'i', op->network);

	op->retry_ms = wait > other ? wait : other;
	if (op->retry_ms == 0)
		return 0;
	return err_set(e, ERR_RATE_LIMITED, "too many wrong passwords; try again in %lld s",
		(long long)(op->retry_ms + 999) / 1000);
}

static void wrong_password(struct account_op *op)
{
	struct accounts *a = op->accounts;
	char key[EMAIL_MAX + 1];
	const struct record *person = subject(op);

	throttle_fail(&a->throttle, 'a', account_key(op, key), LOGIN_SPARE, LOGIN_MOST_S);
	if (op->network[0])
		throttle_fail(&a->throttle, 'i', op->network, ADDRESS_SPARE, ADDRESS_MOST_S);
	accounts_note(a, &op->caller, "login.failed", person ? person->id : NULL, op->address);
}

static int password_result(struct account_op *op, struct password_job *j, struct err *e)
{
	struct accounts *a = op->accounts;
	const struct record *person = j->checks ? subject(op) : NULL;
	char key[EMAIL_MAX + 1];

	if (j->why.code) {
		*e = j->why;
		return -1;
	}
	if (op->cancelled)
		return err_set(e, ERR_CANCELLED, "%s was cancelled", op->verb->name);
	if (j->checks && throttled(op, e)) /* of many guesses at once, no more are answered than one after the other */
		return -1;
	if (j->checks && (!j->matches || !person_good(person))) {
		wrong_password(op);
		return err_set(e, ERR_UNAUTHENTICATED, "the e-mail address or the password is wrong");
	}
	op->turn = turn_new(a, op, e);
	if (!op->turn)
		return -1;
	if (j->checks) {
		throttle_forget(&a->throttle, 'a', account_key(op, key));
		snprintf(op->turn->person, ID_TEXT, "%s", person->id);
		snprintf(op->turn->stored, PASSWORD_SEALED, "%s", record_str(person, "password"));
	}
	return j->made[0] ? password_seal(a->key, j->made, op->turn->sealed, e) : 0;
}

static void on_password(struct password_job *j)
{
	struct account_op *op = j->ctx;
	struct err e = ERR_INIT;
	int rc = password_result(op, j, &e);

	op->job = NULL;
	password_free(j);
	if (rc)
		end(op, &e);
	else
		enqueue(op);
}

static int start_password(struct account_op *op, struct err *e)
{
	struct accounts *a = op->accounts;
	int asked = op->verb->password;
	const char *old = json_str(op->args, op->verb->may == MAY_ANYONE ? "password" : "old");
	const char *fresh = json_str(op->args, "password"), *sealed = NULL;
	char stored[PASSWORD_TEXT] = "";
	int rc = 0;

	if (asked & PASSWORD_OLD) {
		const struct record *person = subject(op);
		if (!old || !*old || strlen(old) > PASSWORD_MOST)
			return err_set(e, ERR_INVALID, "the present password is missing, or too long");
		if (throttled(op, e))
			return -1;
		sealed = person ? record_str(person, "password") : NULL;
		rc = sealed ? password_open(a->key, sealed, stored, e) : 0;
	}
	if (rc == 0 && (asked & PASSWORD_NEW))
		rc = password_acceptable(span_of(fresh), json_str(op->args, "name"), json_str(op->args, "email"), e);
	if (rc == 0) {
		op->state = OP_PASSWORD;
		op->job = password_start(&a->passwords, asked & PASSWORD_OLD, stored[0] ? stored : NULL, span_of(old),
			asked & PASSWORD_NEW ? span_of(fresh) : SPAN_NONE, on_password, op, e);
		rc = op->job ? 0 : -1;
	}
	crypt_wipe(stored, sizeof stored);
	return rc;
}

/* ---- starting ---- */

static int allowed(const struct accounts *a, const struct account_op *op, struct err *e)
{
	const struct caller *c = &op->caller;
	enum may may = op->verb->may;

	if (may == MAY_ANYONE)
		return 0;
	if (c->kind == CALLER_NOBODY || !accounts_alive(a, c))
		return err_set(e, ERR_UNAUTHENTICATED, "%s needs somebody who has signed in", op->verb->name);
	if (may == MAY_SESSION && c->kind != CALLER_SESSION)
		return err_set(e, ERR_DENIED, "%s needs a session: sign in as a person", op->verb->name);
	if (!(c->scopes & SCOPE_WRITE) || (may == MAY_ADMIN && !(c->scopes & SCOPE_ADMIN)))
		return err_set(e, ERR_DENIED, "the key's scopes do not allow %s", op->verb->name);
	if (may == MAY_PERSON && accounts_role(a, c) == ROLE_NONE)
		return err_set(e, ERR_DENIED, "a key of one project does not allow %s; use another key, or sign in",
			op->verb->name);
	if (may == MAY_ADMIN && accounts_role(a, c) < ROLE_ADMIN)
		return err_set(e, ERR_DENIED, "%s needs an administrator", op->verb->name);
	return 0;
}

static int check(struct accounts *a, struct account_op *op, struct err *e)
{
	struct turn *t = op->verb->check ? turn_new(a, op, e) : NULL;
	int rc = !op->verb->check ? 0 : !t ? -1 : op->verb->check(t, e);

	turn_free(t);
	return rc;
}

int accounts_start(struct accounts *a, struct account_op *op, const char *verb, struct err *e)
{
	size_t v = 0;
	int rc;

	while (v < sizeof verbs / sizeof *verbs && strcmp(verbs[v].name, verb) != 0)
		v++;
	op->accounts = a;
	op->verb = v < sizeof verbs / sizeof *verbs ? &verbs[v] : NULL;
	op->state = OP_ENDED;
	op->cancelled = false;
	op->result = NULL;
	op->retry_ms = 0;
	op->turn = NULL;
	op->job = NULL;
	list_init(&op->link);
	if (!op->verb)
		rc = err_set(e, ERR_NOT_FOUND, "there is no operation %s on accounts", verb);
	else if (!json_is_object(op->args))
		rc = err_set(e, ERR_INVALID, "%s needs an object of arguments", verb);
	else if (a->ops >= CAP_ACCOUNT_OPS)
		rc = err_set(e, ERR_OVERLOADED, "%d operations on accounts are waiting; try again in a moment", a->ops);
	else if (a->stale && records_load(a, e))
		rc = -1;
	else
		rc = allowed(a, op, e) || check(a, op, e) || (op->verb->password && start_password(op, e)) ? -1 : 0;
	if (rc) {
		if (op->verb && e && e->code == ERR_DENIED)
			accounts_note(a, &op->caller, "denied", op->verb->name, op->address);
		json_decref(steal(&op->args));
		return -1;
	}
	a->ops++;
	if (!op->verb->password)
		enqueue(op);
	return 0;
}

void accounts_cancel(struct account_op *op)
{
	op->cancelled = true;
}

void change_setup(struct accounts *a)
{
	list_init(&a->queue);
	list_init(&a->links);
	list_init(&a->watches);
	tick_init(&a->next, a->loop, on_next);
}

void change_end(struct accounts *a)
{
	BUG_ON(a->ops != 0 || !list_empty(&a->watches));
	tick_stop(&a->next);
	while (!list_empty(&a->links))
		link_free(a, list_entry(a->links.next, struct link, link));
}
