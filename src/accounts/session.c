/* session: signing in and out.
 *
 * A session has an access token (ms_…, an hour) and a refresh token: "mr_" family "." secret. Each refresh makes both
 * anew; the family stays and is only ever in this session's refresh tokens, so one whose family is known but whose
 * secret is not the present one was used before, by its owner or a thief: the session ends (RFC 9700, 4.14.2). */
#include <stdio.h>

#include "accounts/private.h"
#include "base/mem.h"

#define ACCESS_US HOUR
#define SHORT_US DAY	    /* without a refresh; */
#define LONG_US (30 * DAY)  /* when the person asked to be remembered */
#define WHOLE_US (90 * DAY) /* then the password is asked again */
#define SESSIONS_MOST 50    /* of a person; the oldest ends for a new one */
#define REFRESH_TEXT (2 * TOKEN_TEXT)
#define AGENT_MOST 200

/* New tokens into the record's value and the answer. */
static int tokens_new(struct turn *t, json_t *value, const char *id, const char *family, struct err *e)
{
	char access[TOKEN_TEXT], secret[TOKEN_TEXT], hash[HASH_HEX], refresh[REFRESH_TEXT], csrf[HASH_HEX];
	int64_t left = json_int(value, "remember", 0) ? LONG_US : SHORT_US;
	int64_t whole = json_int(value, "created", 0) + WHOLE_US;
	int64_t until = t->now + left < whole ? t->now + left : whole;
	struct caller c = {.kind = CALLER_SESSION};
	int rc;

	token_new("ms_", access, hash);
	rc = json_put(value, "access", json_string(hash));
	token_new("mr_", secret, hash);
	snprintf(refresh, sizeof refresh, "%s.%s", family, secret + 3);
	token_hash(span_of(refresh), hash);
	rc = rc || json_put(value, "refresh", json_string(hash)) || json_put_int(value, "expires", until) ||
	     json_put_int(value, "access_until", t->now + ACCESS_US < until ? t->now + ACCESS_US : until) ||
	     json_put_int(value, "used", t->now);
	snprintf(c.token_id, ID_TEXT, "%s", id);
	accounts_csrf(t->a, &c, csrf);
	rc = rc || turn_result(t, "access", json_string(access), e) ||
	     turn_result(t, "refresh", json_string(refresh), e) || turn_result(t, "session", json_string(id), e) ||
	     turn_result(t, "csrf", json_string(csrf), e) ||
	     turn_result(t, "access_s", json_integer(ACCESS_US / SECOND), e) ||
	     turn_result(t, "expires", json_integer(until), e);
	crypt_wipe(access, sizeof access);
	crypt_wipe(secret, sizeof secret);
	crypt_wipe(refresh, sizeof refresh);
	return rc ? err_nomem(e) : 0;
}

/* Room for one more: the oldest ends. */
static int make_room(struct turn *t, const struct record *person, struct err *e)
{
	const struct record *oldest = NULL;
	int count = 0;

	list_for (it, (struct list *)&person->owned) {
		const struct record *r = list_entry(it, struct record, link);
		if (r->kind != KIND_SESSION)
			continue;
		count++;
		if (!oldest || record_int(r, "created") < record_int(oldest, "created"))
			oldest = r;
	}
	return count < SESSIONS_MOST ? 0 : turn_record(t, KIND_SESSION, oldest->id, NULL, e);
}

int session_add(struct turn *t, const struct record *person, const char *person_id, bool remember, struct err *e)
{
	char family[TOKEN_TEXT], hash[HASH_HEX], id[ID_TEXT];
	const char *agent = json_str(t->args, "agent");
	json_t *value, *shown = json_string(person_id);
	int rc;

	if (turn_result(t, "person", shown, e) || (person && make_room(t, person, e)))
		return -1;
	id_new(id, t->now, NULL);
	token_new("mr_", family, hash);
	value = json_make(e, "{s:s, s:I, s:i, s:s, s:s, s:o}", "person", person_id, "created", (json_int_t)t->now,
		"remember", remember ? 1 : 0, "family", hash, "address", t->op->address, "agent",
		json_from_span(span_n(agent, agent ? strnlen(agent, AGENT_MOST) : 0)));
	if (!value)
		return -1;
	rc = tokens_new(t, value, id, family, e);
	crypt_wipe(family, sizeof family);
	if (rc) {
		json_decref(value);
		return -1;
	}
	return turn_record(t, KIND_SESSION, id, value, e);
}

int sessions_end(struct turn *t, const struct record *person, const char *but, struct err *e)
{
	list_for (it, (struct list *)&person->owned) {
		const struct record *r = list_entry(it, struct record, link);
		if (r->kind == KIND_SESSION && (!but || strcmp(r->id, but) != 0) &&
			turn_record(t, KIND_SESSION, r->id, NULL, e))
			return -1;
	}
	return 0;
}

int session_login(struct turn *t, struct err *e)
{
	struct record *person = record_get(t->a, KIND_PERSON, t->person);

	if (!person_good(person) || strcmp(record_str(person, "password"), t->stored) != 0)
		return err_set(e, ERR_UNAUTHENTICATED, "the e-mail address or the password is wrong");
	if (verify_email(t->a) && !json_bool(person->value, "verified", false)) {
		t->what = "login.unverified";
		err_set(&t->told, ERR_DENIED,
			"the e-mail address is not verified yet; follow the link that was sent to it");
		return turn_object(t, KIND_PERSON, person->id, e) || ticket_verify(t, person, e) ? -1 : 0;
	}
	return turn_object(t, KIND_PERSON, person->id, e) ||
			       session_add(t, person, person->id, json_bool(t->args, "remember", false), e)
		       ? -1
		       : 0;
}

static int unknown_refresh(struct err *e)
{
	return err_set(e, ERR_UNAUTHENTICATED, "the refresh token is not valid; sign in again");
}

int session_refresh(struct turn *t, struct err *e)
{
	const char *token = json_str(t->args, "refresh"), *dot = token ? strchr(token, '.') : NULL;
	struct span family = span_n(token, dot ? (size_t)(dot - token) : 0);
	struct record *r = dot && token_looks(family, "mr_") ? record_of_token(t->a, KIND_SESSION, family) : NULL;
	const struct record *person = r ? record_get(t->a, KIND_PERSON, record_str(r, "person")) : NULL;
	char hash[HASH_HEX], text[TOKEN_TEXT];
	json_t *value;

	if (!r || !person_good(person) || record_int(r, "expires") <= t->now)
		return unknown_refresh(e);
	snprintf(t->person, ID_TEXT, "%s", person->id);
	token_hash(span_of(token), hash);
	if (turn_object(t, KIND_SESSION, r->id, e))
		return -1;
	if (!crypt_same(hash, record_str(r, "refresh"), HASH_HEX)) {
		t->what = "refresh.reused";
		unknown_refresh(&t->told);
		return turn_record(t, KIND_SESSION, r->id, NULL, e);
	}
	value = json_clone_deep(r->value);
	snprintf(text, sizeof text, "%.*s", (int)family.n, family.p);
	if (!value || tokens_new(t, value, r->id, text, e)) {
		json_decref(value);
		return err_nomem(e);
	}
	return turn_result(t, "person", json_string(person->id), e) || turn_record(t, KIND_SESSION, r->id, value, e)
		       ? -1
		       : 0;
}

int session_logout(struct turn *t, struct err *e)
{
	return turn_object(t, KIND_SESSION, t->by->token_id, e) ||
			       turn_record(t, KIND_SESSION, t->by->token_id, NULL, e)
		       ? -1
		       : 0;
}

int session_revoke(struct turn *t, struct err *e)
{
	const struct record *person = turn_person(t, e);
	const char *id = json_str(t->args, "session");
	const struct record *r = id ? record_get(t->a, KIND_SESSION, id) : NULL;

	if (!person)
		return -1;
	if (!r || strcmp(record_str(r, "person"), person->id) != 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such session of this person");
	return turn_object(t, KIND_SESSION, id, e) || turn_record(t, KIND_SESSION, id, NULL, e) ? -1 : 0;
}

int session_revoke_all(struct turn *t, struct err *e)
{
	const struct record *person = turn_person(t, e);
	bool keep = json_bool(t->args, "keep_own", false) && t->by->kind == CALLER_SESSION;

	if (!person)
		return -1;
	return turn_object(t, KIND_PERSON, person->id, e) || sessions_end(t, person, keep ? t->by->token_id : NULL, e)
		       ? -1
		       : 0;
}
