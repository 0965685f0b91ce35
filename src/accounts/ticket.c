/* ticket: tokens that are sent to an address and count once, for a while: to verify it, to set a new password. A new
 * one of the same purpose replaces the one before. */
#include <stdio.h>

#include "accounts/private.h"

#define VERIFY_US (3 * DAY)
#define RESET_US HOUR
#define FORGOT_SPARE 3 /* mails to one address before waiting begins */
#define FORGOT_MOST_S 3600

int ticket_add(
	struct turn *t, const char *purpose, const char *person, const char *name, const char *email, struct err *e)
{
	const struct record *owner = record_get(t->a, KIND_PERSON, person);
	int64_t until = t->now + (strcmp(purpose, "reset") == 0 ? RESET_US : VERIFY_US);
	char token[TOKEN_TEXT], hash[HASH_HEX], id[ID_TEXT];
	json_t *value;
	int rc = 0;

	if (owner)
		list_for (it, (struct list *)&owner->owned) {
			const struct record *r = list_entry(it, struct record, link);
			if (r->kind == KIND_TICKET && strcmp(record_str(r, "purpose"), purpose) == 0)
				rc |= turn_record(t, KIND_TICKET, r->id, NULL, e);
		}
	id_new(id, t->now, NULL);
	token_new("mt_", token, hash);
	value = json_make(e, "{s:s, s:s, s:s, s:s, s:I}", "purpose", purpose, "person", person, "email", email, "hash",
		hash, "until", (json_int_t)until);
	rc = rc || !value || turn_record(t, KIND_TICKET, id, value, e) || turn_mail(t, purpose, email, name, token, e);
	crypt_wipe(token, sizeof token);
	return rc ? -1 : 0;
}

bool verify_email(const struct accounts *a)
{
	const struct record *s = setting(a);

	return s && json_bool(s->value, "verify_email", false);
}

int ticket_verify(struct turn *t, const struct record *person, struct err *e)
{
	const char *email = record_str(person, "email");

	list_for (it, (struct list *)&person->owned) {
		const struct record *r = list_entry(it, struct record, link);
		if (r->kind == KIND_TICKET && strcmp(record_str(r, "purpose"), "verify") == 0 &&
			strcmp(record_str(r, "email"), email) == 0 && record_int(r, "until") > t->now)
			return 0;
	}
	return ticket_add(t, "verify", person->id, record_str(person, "name"), email, e);
}

struct record *ticket_of(struct turn *t, const char *purpose, struct err *e)
{
	const char *token = json_str(t->args, "token");
	struct span text = span_of(token ? token : "");
	struct record *r = token_looks(text, "mt_") ? record_of_token(t->a, KIND_TICKET, text) : NULL;

	if (r && strcmp(record_str(r, "purpose"), purpose) == 0 && record_int(r, "until") > t->now &&
		person_good(record_get(t->a, KIND_PERSON, record_str(r, "person"))))
		return r;
	err_set(e, ERR_INVALID,
		"the token is not valid: it was used before, is too old, or was never given; ask for a new one");
	return NULL;
}

/* The same answer, at the same pace, whether there is somebody with this address or not. */
int password_forgot(struct turn *t, struct err *e)
{
	const struct record *person;
	char email[EMAIL_MAX + 1];

	if (arg_email(t, "email", email, e))
		return -1;
	t->op->retry_ms = throttle_wait(&t->a->throttle, 'f', email);
	if (t->op->retry_ms)
		return err_set(e, ERR_RATE_LIMITED, "a new password was asked for several times; try again in %lld s",
			(long long)(t->op->retry_ms + 999) / 1000);
	throttle_fail(&t->a->throttle, 'f', email, FORGOT_SPARE, FORGOT_MOST_S);
	person = record_of_address(t->a, email);
	if (!person_good(person))
		return 0;
	return turn_object(t, KIND_PERSON, person->id, e) ||
			       ticket_add(t, "reset", person->id, record_str(person, "name"), email, e)
		       ? -1
		       : 0;
}

int email_change(struct turn *t, struct err *e)
{
	const struct record *person = record_get(t->a, KIND_PERSON, t->person);
	char email[EMAIL_MAX + 1];

	if (!person_good(person))
		return err_set(e, ERR_UNAUTHENTICATED, "sign in again");
	if (arg_email(t, "email", email, e))
		return -1;
	return turn_object(t, KIND_PERSON, person->id, e) ||
			       ticket_add(t, "verify", person->id, record_str(person, "name"), email, e)
		       ? -1
		       : 0;
}

int email_verify(struct turn *t, struct err *e)
{
	const struct record *ticket = ticket_of(t, "verify", e), *other, *person;
	json_t *value;

	if (!ticket)
		return -1;
	person = record_get(t->a, KIND_PERSON, record_str(ticket, "person"));
	other = record_of_address(t->a, record_str(ticket, "email"));
	if (other && other != person)
		return err_set(e, ERR_EXISTS, "somebody has this address already");
	value = json_clone(person->value);
	if (!value || json_put(value, "verified", json_true()) ||
		json_put(value, "email", json_string(record_str(ticket, "email")))) {
		json_decref(value);
		return err_nomem(e);
	}
	snprintf(t->person, ID_TEXT, "%s", person->id);
	return turn_record(t, KIND_PERSON, person->id, value, e) || turn_record(t, KIND_TICKET, ticket->id, NULL, e) ||
			       turn_object(t, KIND_PERSON, person->id, e)
		       ? -1
		       : 0;
}
