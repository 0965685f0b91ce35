/* identity: signing in as somebody whom an OpenID provider knows.
 *
 * It knows people by issuer and subject, which are kept in their record; an address only joins the two the first time,
 * and only when both sides have verified it: else whoever registers first with a stranger's address here, or there,
 * would share their account. */
#include <stdio.h>

#include "accounts/private.h"

/* Issuer and subject as one hash, by which the person is found. */
static void identity_hash(const char *issuer, const char *sub, char hex[HASH_HEX])
{
	struct hash_stream s;
	struct hash h;

	hash_start(&s, NULL);
	hash_update(&s, issuer, strlen(issuer) + 1);
	hash_update(&s, sub, strlen(sub));
	hash_end(&s, &h);
	hash_hex(&h, hex);
}

/* The person's value with this identity; v is consumed. */
static json_t *identified(struct turn *t, json_t *v, const char *hash, struct err *e)
{
	if (v && json_put(v, "identity", json_string(hash)) == 0 &&
		json_put(v, "issuer", json_string(json_str(t->args, "issuer"))) == 0 &&
		json_put(v, "sub", json_string(json_str(t->args, "sub"))) == 0)
		return v;
	if (v)
		err_nomem(e);
	json_decref(v);
	return NULL;
}

/* Somebody here has the same address. */
static int link_person(struct turn *t, const struct record *person, const char *hash, struct err *e)
{
	const char *issuer = record_str(person, "issuer");

	if (!json_bool(person->value, "verified", false))
		return err_set(e, ERR_DENIED,
			"somebody here has your address, who has not verified it; sign in by password and verify it, "
			"or "
			"ask an administrator");
	if (issuer && strcmp(issuer, json_str(t->args, "issuer")) == 0)
		return err_set(e, ERR_DENIED,
			"somebody here has your address, but is another account of the provider; ask an administrator");
	t->what = "oidc.linked";
	json_t *value = identified(t, json_clone(person->value), hash, e);
	return value ? turn_record(t, KIND_PERSON, person->id, value, e) : e->code ? -1 : err_nomem(e);
}

static int make_person(struct turn *t, const char *email, const char *hash, char id[ID_TEXT], struct err *e)
{
	if (!json_bool(t->args, "register", false))
		return err_set(
			e, ERR_DENIED, "there is no account for you here; ask an administrator for an invitation");
	t->what = "oidc.registered";
	json_t *value = identified(t, person_new(t, ROLE_MEMBER, email, true, id, e), hash, e);
	return value ? turn_record(t, KIND_PERSON, id, value, e) : -1;
}

/* Whose identity this is from now on, into id. */
static int find_or_make(struct turn *t, const char *hash, char id[ID_TEXT], struct err *e)
{
	char email[EMAIL_MAX + 1];
	const struct record *person;

	if (!json_bool(t->args, "email_verified", false))
		return err_set(e, ERR_DENIED,
			"the provider has not verified an address of yours, and your account there is not known here; "
			"verify it there, or ask an administrator");
	if (arg_email(t, "email", email, e))
		return -1;
	person = record_of_address(t->a, email);
	if (!person)
		return make_person(t, email, hash, id, e);
	snprintf(id, ID_TEXT, "%s", person->id);
	return person_good(person) ? link_person(t, person, hash, e) : 0; /* refused by identity_login */
}

int identity_login(struct turn *t, struct err *e)
{
	const char *issuer = json_str(t->args, "issuer"), *sub = json_str(t->args, "sub");
	char hash[HASH_HEX], id[ID_TEXT] = "";
	const struct record *person;

	if (!issuer || !sub || !*sub)
		return err_set(e, ERR_INVALID, "\"issuer\" and \"sub\" are missing");
	identity_hash(issuer, sub, hash);
	person = record_of_hash(t->a, KIND_PERSON, hash);
	if (person)
		snprintf(id, sizeof id, "%s", person->id);
	else if (find_or_make(t, hash, id, e))
		return -1;
	person = record_get(t->a, KIND_PERSON, id);
	if (person && !person_good(person))
		return err_set(e, ERR_DENIED, "your account is disabled; ask an administrator");
	snprintf(t->person, ID_TEXT, "%s", id);
	return turn_object(t, KIND_PERSON, id, e) || turn_detail(t, "issuer", json_string(issuer), e) ||
			       session_add(t, person, id, false, e)
		       ? -1
		       : 0;
}

/* The other sessions may be of whoever has that account now. */
int identity_unlink(struct turn *t, struct err *e)
{
	const struct record *person = turn_person(t, e);
	static const char *const fields[] = {"identity", "issuer", "sub"};

	if (!person)
		return -1;
	if (!record_str(person, "identity"))
		return err_set(e, ERR_NOT_FOUND, "no account of an OpenID provider is linked");
	if (!record_str(person, "password"))
		return err_set(e, ERR_CONFLICT,
			"without it nobody could sign in as %s: there is no password; set one first, with the token "
			"that \"forgot password\" sends",
			record_str(person, "name"));
	json_t *value = json_clone(person->value);
	for (size_t i = 0; value && i < sizeof fields / sizeof *fields; i++)
		json_object_del(value, fields[i]);
	if (!value)
		return err_nomem(e);
	if (turn_record(t, KIND_PERSON, person->id, value, e) || turn_object(t, KIND_PERSON, person->id, e) ||
		turn_detail(t, "issuer", json_string(record_str(person, "issuer")), e))
		return -1;
	return sessions_end(t, person, strcmp(t->by->person, person->id) ? NULL : t->by->token_id, e);
}

json_t *accounts_identity(const struct accounts *a, const char *person, struct err *e)
{
	const struct record *r = record_get(a, KIND_PERSON, person);
	bool linked = r && record_str(r, "identity");

	if (!r) {
		err_set(e, ERR_NOT_FOUND, "there is no person %.40s", person);
		return NULL;
	}
	return json_make(e, "{s:b, s:s*, s:s*}", "linked", linked, "issuer", linked ? record_str(r, "issuer") : NULL,
		"sub", linked ? record_str(r, "sub") : NULL);
}
