/* key: tokens for programs (mk_…), shown once, with scopes, an end, and perhaps one project. A key acts for its person
 * and never may more than they. */
#include "accounts/private.h"

#define KEYS_MOST 100 /* of a person */
#define KEY_NAME 80

static int scopes_from(const struct turn *t, int *out, struct err *e)
{
	static const struct {
		const char *name;
		int scopes;
	} names[] = {{"read", SCOPE_READ}, {"write", SCOPE_READ | SCOPE_WRITE}, {"admin", SCOPES_ALL}};
	const json_t *list = json_get(t->args, "scopes");

	*out = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		int scopes = 0;
		for (int s = 0; s < 3; s++)
			if (name && strcmp(names[s].name, name) == 0)
				scopes = names[s].scopes;
		if (!scopes)
			return err_set(e, ERR_INVALID, "\"scopes\" must be a list of read, write, admin");
		*out |= scopes;
	}
	return *out ? 0 : err_set(e, ERR_INVALID, "\"scopes\" must be a list of read, write, admin");
}

static int key_count(const struct record *person)
{
	int n = 0;

	list_for (it, (struct list *)&person->owned)
		n += list_entry(it, struct record, link)->kind == KIND_KEY;
	return n;
}

int key_create(struct turn *t, struct err *e)
{
	const struct record *person = record_get(t->a, KIND_PERSON, t->by->person);
	const char *name = arg_text(t, "name", 1, KEY_NAME, e), *project = json_str(t->args, "project");
	int64_t expires = json_int(t->args, "expires", 0);
	char token[TOKEN_TEXT], hash[HASH_HEX], id[ID_TEXT];
	json_t *value;
	int scopes, rc;

	if (!name || scopes_from(t, &scopes, e))
		return -1;
	if (expires && expires <= t->now)
		return err_set(e, ERR_INVALID, "\"expires\" must be a time to come, in microseconds since 1970");
	if (project && accounts_project_role(t->a, t->by, project) == ROLE_NONE)
		return err_set(e, ERR_NOT_FOUND, "there is no project %.80s", project);
	if (key_count(person) >= KEYS_MOST)
		return err_set(e, ERR_CONFLICT, "there are %d keys; revoke one first", KEYS_MOST);
	id_new(id, t->now, NULL);
	token_new("mk_", token, hash);
	value = json_make(e, "{s:s, s:s, s:s, s:i, s:I, s:I, s:s*}", "person", person->id, "name", name, "hash", hash,
		"scopes", scopes, "created", (json_int_t)t->now, "expires", (json_int_t)expires, "project", project);
	rc = !value || turn_record(t, KIND_KEY, id, value, e) || turn_object(t, KIND_KEY, id, e) ||
	     turn_result(t, "id", json_string(id), e) || turn_result(t, "key", json_string(token), e);
	crypt_wipe(token, sizeof token);
	return rc ? -1 : 0;
}

int key_revoke(struct turn *t, struct err *e)
{
	const struct record *person = turn_person(t, e);
	const char *id = json_str(t->args, "key");
	const struct record *r = id ? record_get(t->a, KIND_KEY, id) : NULL;

	if (!person)
		return -1;
	if (!r || strcmp(record_str(r, "person"), person->id) != 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such key of this person");
	return turn_object(t, KIND_KEY, id, e) || turn_record(t, KIND_KEY, id, NULL, e) ? -1 : 0;
}
