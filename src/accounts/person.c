/* person: making, changing, disabling and deleting people; the first owner; registration; passwords. */
#include <ctype.h>
#include <stdio.h>

#include "accounts/private.h"
#include "base/mem.h"

#define NAME_MOST (CALLER_NAME - 1)
#define PEOPLE_MOST 100000
#define PROFILE_MOST 8192 /* bytes of a profile as text */

void email_plain(char out[EMAIL_MAX + 1], const char *email)
{
	size_t n = 0;

	for (; email[n] && n < EMAIL_MAX; n++)
		out[n] = (char)tolower((unsigned char)email[n]);
	out[n] = '\0';
}

/* Something before and after one @, and no blank or quote: mail is the real test. */
int arg_email(const struct turn *t, const char *name, char out[EMAIL_MAX + 1], struct err *e)
{
	const char *email = arg_text(t, name, 3, EMAIL_MAX, e), *at = email ? strrchr(email, '@') : NULL;

	if (!email)
		return -1;
	if (!at || at == email || !at[1] || strchr(email, '@') != at || strpbrk(email, " \"<>(),;:\\[]"))
		return err_set(e, ERR_INVALID, "\"%s\" must be an e-mail address, such as ada@example.org", name);
	email_plain(out, email);
	return 0;
}

static int address_free(const struct turn *t, const char *email, const char *but, struct err *e)
{
	const struct record *other = record_of_address(t->a, email);

	return !other || (but && strcmp(other->id, but) == 0)
		       ? 0
		       : err_set(e, ERR_EXISTS, "somebody has the address %s already", email);
}

json_t *person_new(
	struct turn *t, enum member_role role, const char *email, bool verified, char id[ID_TEXT], struct err *e)
{
	const char *name = arg_text(t, "name", 1, NAME_MOST, e);

	if (!name || address_free(t, email, NULL, e))
		return NULL;
	if (accounts_count(t->a) >= PEOPLE_MOST) {
		err_set(e, ERR_OVERLOADED, "there are %d people, and no room for more", PEOPLE_MOST);
		return NULL;
	}
	id_new(id, t->now, NULL);
	return json_make(e, "{s:s, s:s, s:s, s:s*, s:I, s:b, s:b}", "name", name, "email", email, "role",
		role_names[role], "password", t->sealed[0] ? t->sealed : NULL, "created", (json_int_t)t->now,
		"verified", verified, "disabled", 0);
}

/* A copy of the person's value with one member set; v is consumed. */
static json_t *with(const struct record *person, const char *name, json_t *v, struct err *e)
{
	json_t *value = json_clone(person->value);

	if (!value)
		json_decref(v);
	if (value && json_put(value, name, v) == 0)
		return value;
	json_decref(value);
	err_nomem(e);
	return NULL;
}

static int put(struct turn *t, const struct record *person, json_t *value, struct err *e)
{
	if (!value)
		return -1;
	return turn_record(t, KIND_PERSON, person->id, value, e) || turn_object(t, KIND_PERSON, person->id, e) ||
			       turn_result(t, "person", json_string(person->id), e)
		       ? -1
		       : 0;
}

/* ---- coming in ---- */

int setup_check(struct turn *t, struct err *e)
{
	const char *token = json_str(t->args, "token");
	char hash[HASH_HEX];

	token_hash(span_of(token ? token : ""), hash);
	if (!t->a->setup[0] || !token || !*token || !crypt_same(hash, t->a->setup, HASH_HEX))
		return err_set(e, ERR_INVALID,
			"this is not the present setup token; the server prints it at its start as long as there is no "
			"owner");
	return 0;
}

int setup_owner(struct turn *t, struct err *e)
{
	char email[EMAIL_MAX + 1], id[ID_TEXT];
	json_t *value;

	if (setup_check(t, e) || arg_email(t, "email", email, e))
		return -1;
	if (owner_count(t->a) > 0)
		return err_set(e, ERR_INVALID, "there is an owner already");
	value = person_new(t, ROLE_OWNER, email, true, id, e);
	if (!value || turn_record(t, KIND_PERSON, id, value, e) || turn_object(t, KIND_PERSON, id, e))
		return -1;
	snprintf(t->person, ID_TEXT, "%s", id);
	return session_add(t, NULL, id, json_bool(t->args, "remember", false), e);
}

int register_check(struct turn *t, struct err *e)
{
	const struct record *s = setting(t->a);
	char email[EMAIL_MAX + 1];

	if (!s || !json_bool(s->value, "registration", false))
		return err_set(e, ERR_DENIED, "registration is closed; ask an administrator for an invitation");
	return arg_email(t, "email", email, e) || !arg_text(t, "name", 1, NAME_MOST, e) ? -1 : 0;
}

/* Where addresses are verified, the answer does not say whether there was somebody with this one. */
int person_register(struct turn *t, struct err *e)
{
	const char *name = json_str(t->args, "name");
	char email[EMAIL_MAX + 1], id[ID_TEXT];
	json_t *value;
	bool verify;

	if (register_check(t, e) || arg_email(t, "email", email, e))
		return -1;
	verify = verify_email(t->a);
	const struct record *other = record_of_address(t->a, email);
	if (verify && turn_result(t, "pending", json_true(), e))
		return -1;
	if (verify && other)
		return turn_mail(t, "exists", email, record_str(other, "name"), NULL, e);
	value = person_new(t, ROLE_MEMBER, email, false, id, e);
	if (!value || turn_record(t, KIND_PERSON, id, value, e) || turn_object(t, KIND_PERSON, id, e))
		return -1;
	snprintf(t->person, ID_TEXT, "%s", id);
	return verify ? ticket_add(t, "verify", id, name, email, e) : session_add(t, NULL, id, false, e);
}

int person_create(struct turn *t, struct err *e)
{
	const char *named = json_str(t->args, "role");
	enum member_role role = named ? role_named(named) : ROLE_MEMBER;
	char email[EMAIL_MAX + 1], id[ID_TEXT];
	json_t *value;

	if (role == ROLE_NONE)
		return err_set(e, ERR_INVALID, "\"role\" must be viewer, member, admin or owner");
	if (role > accounts_role(t->a, t->by))
		return err_set(e, ERR_DENIED, "only an owner may make an owner");
	if (arg_email(t, "email", email, e))
		return -1;
	value = person_new(t, role, email, true, id, e);
	return !value || turn_record(t, KIND_PERSON, id, value, e) || turn_object(t, KIND_PERSON, id, e) ||
			       turn_result(t, "person", json_string(id), e)
		       ? -1
		       : 0;
}

/* ---- changes ---- */

static int set_profile(json_t *value, const json_t *profile, struct err *e)
{
	cleanup_free char *text = json_is_object(profile) ? json_text(profile) : NULL;

	if (!text || strlen(text) > PROFILE_MOST)
		return err_set(e, ERR_INVALID, "\"profile\" must be an object of at most %d bytes", PROFILE_MOST);
	return json_put(value, "profile", json_incref((json_t *)profile)) ? err_nomem(e) : 0;
}

int person_change(struct turn *t, struct err *e)
{
	const struct record *person = turn_person(t, e);
	cleanup_json json_t *value = person ? json_clone(person->value) : NULL;
	const json_t *profile = json_get(t->args, "profile"), *policy = json_get(t->args, "policy");
	char email[EMAIL_MAX + 1];

	if (!value)
		return person ? err_nomem(e) : -1;
	if (json_get(t->args, "name")) {
		const char *name = arg_text(t, "name", 1, NAME_MOST, e);
		if (!name)
			return -1;
		if (json_put(value, "name", json_string(name)))
			return err_nomem(e);
	}
	if (json_get(t->args, "email")) {
		/* One's own is changed through email.change, which asks for the password and verifies the new one. */
		if (accounts_role(t->a, t->by) < ROLE_ADMIN || !(t->by->scopes & SCOPE_ADMIN))
			return err_set(e, ERR_DENIED,
				"only an administrator sets an address; change your own with its password");
		if (arg_email(t, "email", email, e) || address_free(t, email, person->id, e))
			return -1;
		if (json_put(value, "email", json_string(email)))
			return err_nomem(e);
	}
	if (profile && set_profile(value, profile, e))
		return -1;
	if (policy && json_put(value, "policy", json_incref((json_t *)policy)))
		return err_nomem(e);
	return put(t, person, steal(&value), e);
}

/* Without this one, is there still an owner? */
static int not_last(const struct turn *t, const struct record *person, struct err *e)
{
	if (record_role(person) != ROLE_OWNER || !person_good(person) || owner_count(t->a) > 1)
		return 0;
	return err_set(
		e, ERR_CONFLICT, "%s is the last owner; make somebody else an owner first", record_str(person, "name"));
}

int person_role(struct turn *t, struct err *e)
{
	const struct record *person = turn_person(t, e);
	enum member_role role = role_named(json_str(t->args, "role"));

	if (!person)
		return -1;
	if (role == ROLE_NONE)
		return err_set(e, ERR_INVALID, "\"role\" must be viewer, member, admin or owner");
	if (role > accounts_role(t->a, t->by))
		return err_set(e, ERR_DENIED, "only an owner may make an owner");
	if ((role != ROLE_OWNER && not_last(t, person, e)) || turn_detail(t, "role", json_string(role_names[role]), e))
		return -1;
	return put(t, person, with(person, "role", json_string(role_names[role]), e), e);
}

int person_disable(struct turn *t, struct err *e)
{
	const struct record *person = turn_person(t, e);

	if (!person || not_last(t, person, e) || sessions_end(t, person, NULL, e))
		return -1;
	return put(t, person, with(person, "disabled", json_true(), e), e);
}

int person_enable(struct turn *t, struct err *e)
{
	const struct record *person = turn_person(t, e);

	return person ? put(t, person, with(person, "disabled", json_false(), e), e) : -1;
}

/* Everything that hangs on them goes with them; what they did stays in the audit. */
int person_delete(struct turn *t, struct err *e)
{
	struct record *person = turn_person(t, e);

	if (!person || not_last(t, person, e))
		return -1;
	list_for (it, &person->owned) {
		const struct record *r = list_entry(it, struct record, link);
		if (turn_record(t, r->kind, r->id, NULL, e))
			return -1;
	}
	return turn_record(t, KIND_PERSON, person->id, NULL, e) || turn_object(t, KIND_PERSON, person->id, e) ? -1 : 0;
}

/* ---- passwords ---- */

int password_change(struct turn *t, struct err *e)
{
	const struct record *person = record_get(t->a, KIND_PERSON, t->person);

	if (!person_good(person) || strcmp(record_str(person, "password"), t->stored) != 0)
		return err_set(e, ERR_CONFLICT, "the password was changed meanwhile; sign in again");
	if (sessions_end(t, person, t->by->token_id, e))
		return -1;
	return put(t, person, with(person, "password", json_string(t->sealed), e), e);
}

int reset_check(struct turn *t, struct err *e)
{
	return ticket_of(t, "reset", e) ? 0 : -1;
}

/* Whoever reads the mail has the address, so it is verified too. */
int password_reset(struct turn *t, struct err *e)
{
	const struct record *ticket = ticket_of(t, "reset", e);
	const struct record *person = ticket ? record_get(t->a, KIND_PERSON, record_str(ticket, "person")) : NULL;
	json_t *value;

	if (!person)
		return -1;
	value = with(person, "password", json_string(t->sealed), e);
	if (value && json_put(value, "verified", json_true())) {
		json_decref(value);
		return err_nomem(e);
	}
	snprintf(t->person, ID_TEXT, "%s", person->id);
	throttle_forget(&t->a->throttle, 'a', record_str(person, "email"));
	return sessions_end(t, person, NULL, e) || turn_record(t, KIND_TICKET, ticket->id, NULL, e)
		       ? -1
		       : put(t, person, value, e);
}
