/* records: what the journal's records say, in memory, with the ways to find them: by id, people by address, whatever
 * has a token by its hash, and what belongs to a person from theirs.
 *
 * A record's struct stays when its value changes, so that those that hang on it stay. Applying one that was applied
 * before changes nothing. */
#include <stdio.h>

#include "accounts/private.h"
#include "base/mem.h"

const char *const kind_names[KINDS] = {"person", "session", "key", "invite", "ticket", "member", "setting"};
static const char *const token_fields[] = {"access", "family", "hash", "identity"};
#define TOKEN_FIELDS (sizeof token_fields / sizeof *token_fields)

const char *const role_names[] = {"none", "viewer", "member", "admin", "owner"};

enum member_role role_named(const char *name)
{
	for (int r = ROLE_OWNER; name && r > ROLE_NONE; r--)
		if (strcmp(role_names[r], name) == 0)
			return (enum member_role)r;
	return ROLE_NONE;
}

enum member_role record_role(const struct record *r)
{
	return role_named(record_str(r, "role"));
}

bool person_good(const struct record *person)
{
	return person && !json_bool(person->value, "disabled", false);
}

int owner_count(const struct accounts *a)
{
	struct map_entry *entry;
	int n = 0;

	for (size_t i = 0; (entry = map_next(&a->records[KIND_PERSON], &i));)
		n += person_good(entry->value) && record_role(entry->value) == ROLE_OWNER;
	return n;
}

static void record_free(void *p)
{
	struct record *r = p;

	list_remove(&r->link);
	list_for (it, &r->owned)
		list_remove(it);
	json_decref(r->value);
	mem_free(r);
}

void records_init(struct accounts *a)
{
	for (int k = 0; k < KINDS; k++)
		map_init(&a->records[k], CAP_STORE_ROWS);
	map_init(&a->addresses, CAP_STORE_ROWS);
	map_init(&a->tokens, CAP_STORE_ROWS);
}

void records_release(struct accounts *a)
{
	map_release(&a->addresses, NULL);
	map_release(&a->tokens, NULL);
	for (int k = KINDS - 1; k >= 0; k--) /* people last: the others hang on them */
		map_release(&a->records[k], record_free);
}

/* Hashes of different kinds cannot meet: the kind goes into the key. */
static struct span token_key(char key[HASH_HEX + 2], enum kind k, const char *hash)
{
	return span_n(key, (size_t)snprintf(key, HASH_HEX + 2, "%d%s", k, hash));
}

static void unindex(struct accounts *a, struct record *r)
{
	char key[HASH_HEX + 2];
	const char *email = record_str(r, "email");

	for (size_t i = 0; i < TOKEN_FIELDS; i++) {
		const char *hash = record_str(r, token_fields[i]);
		if (hash && map_get(&a->tokens, token_key(key, r->kind, hash)) == r)
			map_del(&a->tokens, token_key(key, r->kind, hash));
	}
	if (r->kind == KIND_PERSON && email && map_get(&a->addresses, span_of(email)) == r)
		map_del(&a->addresses, span_of(email));
}

static int reindex(struct accounts *a, struct record *r, struct err *e)
{
	char key[HASH_HEX + 2];
	const char *email = record_str(r, "email"), *person = record_str(r, "person");
	struct record *owner = person ? record_get(a, KIND_PERSON, person) : NULL;

	for (size_t i = 0; i < TOKEN_FIELDS; i++) {
		const char *hash = record_str(r, token_fields[i]);
		if (hash && map_set(&a->tokens, token_key(key, r->kind, hash), r, NULL, e))
			return -1;
	}
	if (r->kind == KIND_PERSON && email && map_set(&a->addresses, span_of(email), r, NULL, e))
		return -1;
	list_remove(&r->link);
	if (owner && owner != r)
		list_push(&owner->owned, &r->link);
	r->used = r->used > record_int(r, "used") ? r->used : record_int(r, "used");
	return 0;
}

static struct record *record_make(struct accounts *a, enum kind k, const char *id, struct err *e)
{
	size_t n = strlen(id);
	struct record *r = mem_calloc(1, sizeof *r + n + 1);

	if (!r) {
		err_nomem(e);
		return NULL;
	}
	list_init(&r->owned);
	list_init(&r->link);
	memcpy(r->id, id, n);
	r->kind = k;
	r->value = json_null();
	if (map_set(&a->records[k], span_of(id), r, NULL, e)) {
		mem_free(r);
		return NULL;
	}
	return r;
}

int records_apply(struct accounts *a, enum kind k, const char *id, json_t *value, struct err *e)
{
	struct record *r = record_get(a, k, id);

	if (!value || json_is_null(value)) {
		if (r) {
			unindex(a, r);
			map_del(&a->records[k], span_of(id));
			record_free(r);
		}
		return 0;
	}
	if (r)
		unindex(a, r);
	else
		r = record_make(a, k, id, e);
	if (!r)
		return -1;
	json_decref(r->value);
	r->value = json_incref(value);
	return reindex(a, r, e);
}

int records_apply_json(struct accounts *a, const json_t *record, struct err *e)
{
	const char *kind = json_str(record, "kind"), *id = json_str(record, "id");

	for (int k = 0; kind && id && k < KINDS; k++)
		if (strcmp(kind_names[k], kind) == 0)
			return records_apply(a, (enum kind)k, id, json_get(record, "value"), e);
	return 0;
}

int records_load(struct accounts *a, struct err *e)
{
	records_release(a);
	for (int k = 0; k < KINDS; k++) {
		cleanup_json json_t *filter = json_make(e, "{s:s}", "kind", kind_names[k]);
		cleanup_json json_t *rows = filter ? store_records(a->store, filter, e) : NULL;
		if (!rows)
			return -1;
		for (size_t i = 0; i < json_array_size(rows); i++)
			if (records_apply_json(a, json_array_get(rows, i), e))
				return -1;
	}
	a->stale = false;
	return 0;
}

/* ---- finding ---- */

struct record *record_get(const struct accounts *a, enum kind k, const char *id)
{
	return map_get(&a->records[k], span_of(id));
}

struct record *record_of_address(const struct accounts *a, const char *email)
{
	return map_get(&a->addresses, span_of(email));
}

struct record *record_of_hash(const struct accounts *a, enum kind k, const char *hex)
{
	char key[HASH_HEX + 2];

	return map_get(&a->tokens, token_key(key, k, hex));
}

struct record *record_of_token(const struct accounts *a, enum kind k, struct span token)
{
	char hash[HASH_HEX];

	token_hash(token, hash);
	return record_of_hash(a, k, hash);
}

struct record *setting(const struct accounts *a)
{
	return record_get(a, KIND_SETTING, "accounts");
}
