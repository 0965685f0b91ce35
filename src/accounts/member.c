/* member: who belongs to a project, and as what; and the settings of accounts. */
#include <stdio.h>

#include "accounts/private.h"

int member_id(char out[CAP_RECORD_NAME], const char *project, const char *person, struct err *e)
{
	int n = snprintf(out, CAP_RECORD_NAME, "%s/%s", project, person);

	return *project && *person && n < CAP_RECORD_NAME
		       ? 0
		       : err_set(e, ERR_INVALID, "a membership needs a project and a person");
}

json_t *accounts_membership(
	const struct accounts *a, const char *project, const char *person, enum member_role role, struct err *e)
{
	char id[CAP_RECORD_NAME];

	if (!record_get(a, KIND_PERSON, person))
		return json_null();
	if (member_id(id, project, person, e))
		return NULL;
	return json_make(e, "{s:s, s:s, s:{s:s, s:s, s:s, s:I}}", "kind", kind_names[KIND_MEMBER], "id", id, "value",
		"project", project, "person", person, "role", role_names[role], "since",
		(json_int_t)clock_wall(a->clock));
}

void accounts_journaled(struct accounts *a, const json_t *records)
{
	for (size_t i = 0; i < json_array_size(records) && !a->stale; i++)
		a->stale = records_apply_json(a, json_array_get(records, i), NULL) != 0;
}

/* The project's admins keep its members; nobody sets or removes what is above themselves. */
static const struct record *target(struct turn *t, const char **project, char id[CAP_RECORD_NAME], struct err *e)
{
	const char *person = json_str(t->args, "person");
	enum member_role mine;
	const struct record *old;

	*project = json_str(t->args, "project");
	mine = *project ? accounts_project_role(t->a, t->by, *project) : ROLE_NONE;
	if (mine == ROLE_NONE) {
		err_set(e, ERR_NOT_FOUND, "there is no such project");
		return NULL;
	}
	old = person && member_id(id, *project, person, NULL) == 0 ? record_get(t->a, KIND_MEMBER, id) : NULL;
	if (mine < ROLE_ADMIN || (old && record_role(old) > mine)) {
		err_set(e, ERR_DENIED, "this needs a role in the project of at least %s",
			old && record_role(old) > ROLE_ADMIN ? "owner" : "admin");
		return NULL;
	}
	if (!(t->by->scopes & SCOPE_ADMIN)) {
		err_set(e, ERR_DENIED, "the key lacks the scope admin, which changing other members needs");
		return NULL;
	}
	const struct record *r = person ? record_get(t->a, KIND_PERSON, person) : NULL;
	if (!r)
		err_set(e, ERR_NOT_FOUND, "there is no such person");
	return r;
}

int member_set(struct turn *t, struct err *e)
{
	char id[CAP_RECORD_NAME];
	const char *project;
	const struct record *person = target(t, &project, id, e);
	enum member_role role = role_named(json_str(t->args, "role"));
	json_t *value;

	if (!person || member_id(id, project, person->id, e))
		return -1;
	if (role == ROLE_NONE)
		return err_set(e, ERR_INVALID, "\"role\" must be viewer, member, admin or owner");
	if (role > accounts_project_role(t->a, t->by, project))
		return err_set(e, ERR_DENIED, "nobody gives a role above their own");
	value = json_make(e, "{s:s, s:s, s:s, s:I}", "project", project, "person", person->id, "role", role_names[role],
		"since", (json_int_t)t->now);
	return !value || turn_record(t, KIND_MEMBER, id, value, e) || turn_object(t, KIND_MEMBER, id, e) ||
			       turn_detail(t, "role", json_string(role_names[role]), e)
		       ? -1
		       : 0;
}

int member_remove(struct turn *t, struct err *e)
{
	char id[CAP_RECORD_NAME];
	const char *project = json_str(t->args, "project"), *who = json_str(t->args, "person");
	bool own = project && who && strcmp(who, t->by->person) == 0;
	const struct record *person = own ? record_get(t->a, KIND_PERSON, who) : target(t, &project, id, e);

	if (!person || member_id(id, project, person->id, e))
		return -1;
	if (!record_get(t->a, KIND_MEMBER, id))
		return err_set(e, ERR_NOT_FOUND, "%s is no member of this project", record_str(person, "name"));
	return turn_record(t, KIND_MEMBER, id, NULL, e) || turn_object(t, KIND_MEMBER, id, e) ? -1 : 0;
}

int settings_change(struct turn *t, struct err *e)
{
	static const char *const names[] = {"registration", "verify_email"};
	const struct record *old = setting(t->a);
	cleanup_json json_t *value = old ? json_clone(old->value) : json_object();

	for (int i = 0; value && i < 2; i++) {
		const json_t *v = json_get(t->args, names[i]);
		if (v && !json_is_boolean(v))
			return err_set(e, ERR_INVALID, "\"%s\" must be true or false", names[i]);
		if (v && json_put(value, names[i], json_incref((json_t *)v)))
			return err_nomem(e);
	}
	return !value ? err_nomem(e)
	       : turn_record(t, KIND_SETTING, "accounts", steal(&value), e) ||
			       turn_object(t, KIND_SETTING, "accounts", e)
		       ? -1
		       : 0;
}
