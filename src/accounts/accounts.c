/* accounts: opening and closing, who is asking, and the lists. */
#include <stdio.h>

#include "accounts/private.h"
#include "base/log.h"
#include "base/mem.h"

#define HOURLY_MS (3600 * 1000)

struct accounts *accounts_open(const struct accounts_options *o, struct err *e)
{
	struct accounts *a = MEM_NEW(struct accounts);

	if (!a) {
		err_nomem(e);
		return NULL;
	}
	a->loop = o->loop;
	a->store = o->store;
	a->clock = loop_clock(o->loop);
	a->mail = o->mail;
	a->ctx = o->ctx;
	memcpy(a->key, o->key, KEY_SIZE);
	a->note_room = NOTE_RATE;
	a->note_at = clock_mono(a->clock);
	records_init(a);
	change_setup(a);
	passwords_init(&a->passwords, a->loop, o->password_kib ? o->password_kib : PASSWORD_KIB);
	throttle_init(&a->throttle, a->clock);
	timer_init(&a->hourly, a->loop, use_hourly);
	if (records_load(a, e) == 0 && timer_start(&a->hourly, HOURLY_MS, e) == 0)
		return a;
	err_wrap(e, "accounts");
	a->stale = true; /* nothing to write at the end */
	accounts_close(a);
	return NULL;
}

void accounts_close(struct accounts *a)
{
	struct err e = ERR_INIT;

	if (!a)
		return;
	change_end(a);
	timer_stop(&a->hourly);
	if (!a->stale && use_save(a, &e))
		log_warn("accounts", "the last use of sessions and keys could not be written: %s", e.text);
	throttle_release(&a->throttle);
	records_release(a);
	crypt_wipe(a->key, sizeof a->key);
	mem_free(a);
}

int accounts_setup_token(struct accounts *a, char out[TOKEN_TEXT], struct err *e)
{
	if (owner_count(a) > 0)
		return err_set(e, ERR_EXISTS, "there is an owner; they invite others");
	token_new("mo_", out, a->setup);
	return 0;
}

/* ---- who is asking ---- */

static bool session_good(const struct accounts *a, const struct record *r)
{
	return r && record_int(r, "expires") > clock_wall(a->clock);
}

static bool key_good(const struct accounts *a, const struct record *r)
{
	int64_t expires = r ? record_int(r, "expires") : 0;

	return r && (expires == 0 || expires > clock_wall(a->clock));
}

static const struct record *person_of(const struct accounts *a, const struct record *r)
{
	const struct record *person = r ? record_get(a, KIND_PERSON, record_str(r, "person")) : NULL;

	return person_good(person) ? person : NULL;
}

int accounts_identify(struct accounts *a, struct span token, struct caller *out, struct err *e)
{
	struct record *r = NULL;
	const struct record *person;
	bool key = token_looks(token, "mk_");

	memset(out, 0, sizeof *out);
	if (a->stale && records_load(a, e))
		return -1;
	if (key)
		r = record_of_token(a, KIND_KEY, token);
	else if (token_looks(token, "ms_"))
		r = record_of_token(a, KIND_SESSION, token);
	person = person_of(a, r);
	if (!person ||
		(key ? !key_good(a, r) : !session_good(a, r) || record_int(r, "access_until") <= clock_wall(a->clock)))
		return err_set(e, ERR_UNAUTHENTICATED, "the token is not known, or no longer valid; sign in again");
	use_note(a, r);
	out->kind = key ? CALLER_KEY : CALLER_SESSION;
	out->scopes = key ? (unsigned)record_int(r, "scopes") : SCOPES_ALL;
	/* A key for one project is nobody in the installation. */
	out->role = record_str(r, "project") ? ROLE_NONE : record_role(person);
	snprintf(out->person, ID_TEXT, "%s", person->id);
	snprintf(out->token_id, ID_TEXT, "%s", r->id);
	snprintf(out->name, CALLER_NAME, "%s", record_str(person, "name"));
	return 0;
}

void accounts_local(struct caller *out)
{
	*out = (struct caller){.kind = CALLER_LOCAL, .name = "owner", .role = ROLE_OWNER, .scopes = SCOPES_ALL};
}

/* The record of the caller's token, if it still is good. */
static const struct record *token_of(const struct accounts *a, const struct caller *c)
{
	const struct record *r;

	if (c->kind != CALLER_SESSION && c->kind != CALLER_KEY)
		return NULL;
	r = record_get(a, c->kind == CALLER_KEY ? KIND_KEY : KIND_SESSION, c->token_id);
	if (!r || strcmp(record_str(r, "person"), c->person) != 0)
		return NULL;
	return c->kind == CALLER_KEY ? (key_good(a, r) ? r : NULL) : session_good(a, r) ? r : NULL;
}

bool accounts_alive(const struct accounts *a, const struct caller *c)
{
	return c->kind == CALLER_LOCAL || person_of(a, token_of(a, c)) != NULL;
}

enum member_role accounts_role(const struct accounts *a, const struct caller *c)
{
	const struct record *token = token_of(a, c), *person = person_of(a, token);

	if (c->kind == CALLER_LOCAL)
		return ROLE_OWNER;
	return !person || record_str(token, "project") ? ROLE_NONE : record_role(person);
}

enum member_role accounts_project_role(const struct accounts *a, const struct caller *c, const char *project)
{
	const struct record *token = token_of(a, c), *person = person_of(a, token);
	const char *only = token ? record_str(token, "project") : NULL;

	if (c->kind == CALLER_LOCAL)
		return ROLE_OWNER;
	return only && strcmp(only, project) != 0 ? ROLE_NONE : person_project_role(a, person, project);
}

enum member_role person_project_role(const struct accounts *a, const struct record *person, const char *project)
{
	const struct record *member;
	char id[CAP_RECORD_NAME];

	if (!person_good(person))
		return ROLE_NONE;
	if (record_role(person) >= ROLE_ADMIN)
		return ROLE_OWNER;
	member = member_id(id, project, person->id, NULL) == 0 ? record_get(a, KIND_MEMBER, id) : NULL;
	if (!member)
		return ROLE_NONE;
	/* A viewer of the installation only looks, wherever they were invited. */
	return record_role(person) == ROLE_VIEWER ? ROLE_VIEWER : record_role(member);
}

bool accounts_sees(const struct accounts *a, const char *person, const char *project)
{
	const struct record *r = record_get(a, KIND_PERSON, person);

	return person_good(r) && (!project || person_project_role(a, r, project) >= ROLE_VIEWER);
}

const char *accounts_address(const struct accounts *a, const char *person)
{
	const struct record *r = record_get(a, KIND_PERSON, person);

	return person_good(r) && json_bool(r->value, "verified", false) ? record_str(r, "email") : NULL;
}

json_t *accounts_projects(const struct accounts *a, const struct caller *c, struct err *e)
{
	const struct record *token = token_of(a, c), *person = person_of(a, token);
	const char *only = token ? record_str(token, "project") : NULL;
	cleanup_json json_t *list = json_array();

	if (c->kind == CALLER_LOCAL || (person && !only && record_role(person) >= ROLE_ADMIN))
		return json_null();
	bool own = list && only && accounts_project_role(a, c, only) > ROLE_NONE;
	if (!list || (own && json_array_append_new(list, json_string(only)))) {
		err_nomem(e);
		return NULL;
	}
	if (only || !person)
		return steal(&list);
	list_for (it, (struct list *)&person->owned) {
		const struct record *r = list_entry(it, struct record, link);
		if (r->kind == KIND_MEMBER && json_array_append_new(list, json_string(record_str(r, "project")))) {
			err_nomem(e);
			return NULL;
		}
	}
	return steal(&list);
}

void accounts_csrf(const struct accounts *a, const struct caller *c, char out[HASH_HEX])
{
	struct hash_stream s;
	struct hash h;

	hash_start(&s, a->key);
	hash_update(&s, "csrf", 4);
	hash_update(&s, c->token_id, strlen(c->token_id));
	hash_end(&s, &h);
	hash_hex(&h, out);
}

bool accounts_csrf_is(const struct accounts *a, const struct caller *c, struct span token)
{
	char right[HASH_HEX];

	accounts_csrf(a, c, right);
	return token.n == HASH_HEX - 1 && crypt_same(right, token.p, HASH_HEX - 1);
}

bool note_room(struct accounts *a)
{
	int64_t now = clock_mono(a->clock);

	a->note_room += (double)(now - a->note_at) * NOTE_RATE / (60.0 * SECOND);
	a->note_room = a->note_room < NOTE_RATE ? a->note_room : NOTE_RATE;
	a->note_at = now;
	if (a->note_room < 1) {
		a->notes_left_out++;
		return false;
	}
	a->note_room--;
	return true;
}

void accounts_note(
	struct accounts *a, const struct caller *c, const char *what, const char *object, const char *address)
{
	cleanup_json json_t *detail = NULL;
	struct err e = ERR_INIT;

	if (!note_room(a))
		return;
	detail = json_make(&e, "{s:s*, s:s*}", "address", address && *address ? address : NULL, "token",
		c->token_id[0] ? c->token_id : NULL);
	if (detail && a->notes_left_out && json_put_int(detail, "left_out", a->notes_left_out))
		err_nomem(&e);
	struct audit audit = {.who = turn_who(c), .what = what, .object = object, .detail = detail};
	if (!detail || e.code || store_record(a->store, &audit, NULL, NULL, &e))
		log_warn("accounts", "%s could not be written to the audit: %s", what, e.text);
	else
		a->notes_left_out = 0;
}

/* ---- lists ---- */

/* A record as others see it: its id, these fields, and when it was last used. */
static json_t *shown(const struct record *r, const char *const *fields, struct err *e)
{
	json_t *v = json_make(e, "{s:s}", "id", r->id);
	int rc = v ? 0 : -1;

	for (; rc == 0 && *fields; fields++) {
		json_t *field = json_get(r->value, *fields);
		if (strcmp(*fields, "used") == 0)
			rc = json_put(v, *fields, r->used ? json_integer(r->used) : json_null());
		else if (field)
			rc = json_put(v, *fields, json_incref(field));
	}
	if (rc) {
		json_decref(v);
		err_nomem(e);
		return NULL;
	}
	return v;
}

static const char *const fields_of[KINDS][12] = {
	[KIND_PERSON] = {"name", "email", "role", "disabled", "verified", "created", "profile", "policy"},
	[KIND_SESSION] = {"created", "expires", "remember", "address", "agent", "used"},
	[KIND_KEY] = {"name", "scopes", "created", "expires", "project", "used"},
	[KIND_INVITE] = {"by", "role", "email", "project", "project_role", "created", "until"},
	[KIND_MEMBER] = {"person", "role", "since"},
};

static int add(json_t *list, const struct record *r, struct err *e)
{
	json_t *v = shown(r, fields_of[r->kind], e);

	return !v ? -1 : json_array_append_new(list, v) ? err_nomem(e) : 0;
}

/* Those of a kind whose field equals this (NULL: have none), after an id, up to a limit. */
static json_t *list_kind(const struct accounts *a, enum kind k, const char *field, const char *value,
	const struct accounts_page *p, struct err *e)
{
	cleanup_json json_t *list = json_array();
	struct map_entry *entry;
	int left = p && p->limit >= 0 ? p->limit : INT32_MAX;

	if (!list) {
		err_nomem(e);
		return NULL;
	}
	for (size_t i = 0; left > 0 && (entry = map_next(&a->records[k], &i));) {
		const struct record *r = entry->value;
		const char *is = field ? record_str(r, field) : NULL;
		if ((p && p->after && strcmp(r->id, p->after) <= 0) ||
			(field && (value ? !is || strcmp(is, value) != 0 : is != NULL)))
			continue;
		if (add(list, r, e))
			return NULL;
		left--;
	}
	return steal(&list);
}

static json_t *list_owned(const struct accounts *a, enum kind k, const char *person, struct err *e)
{
	const struct record *owner = record_get(a, KIND_PERSON, person);
	cleanup_json json_t *list = json_array();

	if (!owner || !list) {
		err_set(e, owner ? ERR_NOMEM : ERR_NOT_FOUND, owner ? "out of memory" : "there is no such person");
		return NULL;
	}
	list_for (it, (struct list *)&owner->owned) {
		const struct record *r = list_entry(it, struct record, link);
		if (r->kind == k && (k != KIND_SESSION || session_good(a, r)) && add(list, r, e))
			return NULL;
	}
	return steal(&list);
}

json_t *accounts_people(const struct accounts *a, const struct accounts_page *p, struct err *e)
{
	return list_kind(a, KIND_PERSON, NULL, NULL, p, e);
}

json_t *accounts_person(const struct accounts *a, const char *person, struct err *e)
{
	const struct record *r = record_get(a, KIND_PERSON, person);

	if (!r) {
		err_set(e, ERR_NOT_FOUND, "there is no person %.40s", person);
		return NULL;
	}
	return shown(r, fields_of[KIND_PERSON], e);
}

json_t *accounts_sessions(const struct accounts *a, const char *person, struct err *e)
{
	return list_owned(a, KIND_SESSION, person, e);
}

json_t *accounts_keys(const struct accounts *a, const char *person, struct err *e)
{
	return list_owned(a, KIND_KEY, person, e);
}

json_t *accounts_invites(const struct accounts *a, const char *project, struct err *e)
{
	return list_kind(a, KIND_INVITE, "project", project, NULL, e);
}

json_t *accounts_members(const struct accounts *a, const char *project, struct err *e)
{
	cleanup_json json_t *list = list_kind(a, KIND_MEMBER, "project", project, NULL, e);

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *member = json_array_get(list, i);
		const struct record *person = record_get(a, KIND_PERSON, json_str(member, "person"));
		if (person && json_put(member, "name", json_string(record_str(person, "name")))) {
			err_nomem(e);
			return NULL;
		}
	}
	return steal(&list);
}

json_t *accounts_settings(const struct accounts *a, struct err *e)
{
	const struct record *s = setting(a);

	return json_make(e, "{s:b, s:b}", "registration", s && json_bool(s->value, "registration", false),
		"verify_email", s && json_bool(s->value, "verify_email", false));
}

size_t accounts_count(const struct accounts *a)
{
	return map_count(&a->records[KIND_PERSON]);
}
