/* invite: tokens (mi_…) that make an account, a member of a project, or both; once, within days. */
#include <stdio.h>

#include "accounts/private.h"

#define DAYS 7
#define DAYS_MOST 90
#define INVITES_MOST 10000

/* What somebody is in the installation, and in the project of an invitation. */
struct giver {
	enum member_role house, there;
};

/* Who invites gives no role above their own: of the installation, or of the project. */
static int may_give(struct giver by, enum member_role role, const char *project, enum member_role in, struct err *e)
{
	if (project && by.there == ROLE_NONE)
		return err_set(e, ERR_NOT_FOUND, "there is no project %.80s", project);
	if (project && (by.there < ROLE_ADMIN || in > by.there))
		return err_set(e, ERR_DENIED,
			"inviting into this project needs to be its admin, for a role not above one's own");
	if (by.house < ROLE_ADMIN && (!project || role > ROLE_MEMBER))
		return err_set(e, ERR_DENIED, "inviting into the installation needs an administrator");
	if (role > by.house && role > ROLE_MEMBER)
		return err_set(e, ERR_DENIED, "only an owner may invite an owner");
	return 0;
}

int invite_create(struct turn *t, struct err *e)
{
	const char *project = json_str(t->args, "project"), *named = json_str(t->args, "role"),
		   *in_named = json_str(t->args, "project_role");
	enum member_role role = named ? role_named(named) : ROLE_MEMBER,
			 in = in_named ? role_named(in_named) : ROLE_MEMBER;
	int64_t days = json_int(t->args, "days", DAYS), until;
	char token[TOKEN_TEXT], hash[HASH_HEX], id[ID_TEXT], email[EMAIL_MAX + 1] = "";
	json_t *value;
	int rc;

	if (role == ROLE_NONE || in == ROLE_NONE)
		return err_set(e, ERR_INVALID, "a role must be viewer, member, admin or owner");
	if (days < 1 || days > DAYS_MOST)
		return err_set(e, ERR_INVALID, "\"days\" must be 1 to %d", DAYS_MOST);
	struct giver by = {t->by->scopes & SCOPE_ADMIN ? accounts_role(t->a, t->by) : ROLE_NONE,
		project ? accounts_project_role(t->a, t->by, project) : ROLE_NONE};
	if (may_give(by, role, project, in, e) || (json_get(t->args, "email") && arg_email(t, "email", email, e)))
		return -1;
	if (map_count(&t->a->records[KIND_INVITE]) >= INVITES_MOST)
		return err_set(e, ERR_CONFLICT, "there are %d invitations; revoke some first", INVITES_MOST);
	until = t->now + days * DAY;
	id_new(id, t->now, NULL);
	token_new("mi_", token, hash);
	value = json_make(e, "{s:s, s:s, s:s, s:I, s:I, s:s*, s:s*, s:s*}", "by", turn_who(t->by), "role",
		role_names[role], "hash", hash, "created", (json_int_t)t->now, "until", (json_int_t)until, "email",
		email[0] ? email : NULL, "project", project, "project_role", project ? role_names[in] : NULL);
	rc = !value || turn_record(t, KIND_INVITE, id, value, e) || turn_object(t, KIND_INVITE, id, e) ||
	     turn_result(t, "id", json_string(id), e) || turn_result(t, "token", json_string(token), e) ||
	     (email[0] && turn_mail(t, "invite", email, "", token, e));
	crypt_wipe(token, sizeof token);
	return rc ? -1 : 0;
}

int invite_revoke(struct turn *t, struct err *e)
{
	const char *id = json_str(t->args, "invite"), *project;
	const struct record *r = id ? record_get(t->a, KIND_INVITE, id) : NULL;
	bool mine;

	if (r) {
		project = record_str(r, "project");
		mine = (t->by->scopes & SCOPE_ADMIN) &&
		       (accounts_role(t->a, t->by) >= ROLE_ADMIN ||
			       (project && accounts_project_role(t->a, t->by, project) >= ROLE_ADMIN));
		r = mine ? r : NULL;
	}
	if (!r)
		return err_set(e, ERR_NOT_FOUND, "there is no such invitation");
	return turn_record(t, KIND_INVITE, id, NULL, e) || turn_object(t, KIND_INVITE, id, e) ? -1 : 0;
}

/* Could whoever gave it give it now? */
static bool still_given(const struct accounts *a, const struct record *invite)
{
	const char *by = record_str(invite, "by"), *project = record_str(invite, "project");
	const struct record *person = by ? record_get(a, KIND_PERSON, by) : NULL;
	struct giver now = {ROLE_OWNER, ROLE_OWNER};

	if (!by || strcmp(by, "local") != 0)
		now = (struct giver){person_good(person) ? record_role(person) : ROLE_NONE,
			project ? person_project_role(a, person, project) : ROLE_NONE};
	return may_give(now, record_role(invite), project, role_named(record_str(invite, "project_role")), NULL) == 0;
}

/* The invitation that the argument names; for an address, only that address. */
static const struct record *invite_of(struct turn *t, struct err *e)
{
	const char *token = json_str(t->args, "token");
	struct span text = span_of(token ? token : "");
	const struct record *r = token_looks(text, "mi_") ? record_of_token(t->a, KIND_INVITE, text) : NULL;

	if (r && record_int(r, "until") > t->now && still_given(t->a, r))
		return r;
	err_set(e, ERR_INVALID,
		"the invitation is not valid: it was used before, is too old, was never given, or whoever gave it may "
		"no longer do so; ask for a new one");
	return NULL;
}

static int use(struct turn *t, const struct record *invite, const char *person, struct err *e)
{
	const char *project = record_str(invite, "project");
	char id[CAP_RECORD_NAME];
	json_t *value;

	if (turn_record(t, KIND_INVITE, invite->id, NULL, e) || turn_object(t, KIND_INVITE, invite->id, e))
		return -1;
	if (!project)
		return 0;
	if (member_id(id, project, person, e))
		return -1;
	const struct record *old = record_get(t->a, KIND_MEMBER, id);
	if (old && record_role(old) >= role_named(record_str(invite, "project_role")))
		return 0;
	value = json_make(e, "{s:s, s:s, s:s, s:I}", "project", project, "person", person, "role",
		record_str(invite, "project_role"), "since", (json_int_t)t->now);
	return value ? turn_record(t, KIND_MEMBER, id, value, e) : -1;
}

int invite_check(struct turn *t, struct err *e)
{
	return invite_of(t, e) ? 0 : -1;
}

int invite_accept(struct turn *t, struct err *e)
{
	const struct record *invite = invite_of(t, e);
	const char *bound = invite ? record_str(invite, "email") : NULL;
	char email[EMAIL_MAX + 1], id[ID_TEXT];
	json_t *value;

	if (!invite || arg_email(t, "email", email, e))
		return -1;
	if (bound && strcmp(bound, email) != 0)
		return err_set(e, ERR_INVALID, "the invitation is for another address");
	/* One that was mailed to this address has verified it. */
	value = person_new(t, role_named(record_str(invite, "role")), email, bound != NULL, id, e);
	if (!value || turn_record(t, KIND_PERSON, id, value, e) || use(t, invite, id, e))
		return -1;
	snprintf(t->person, ID_TEXT, "%s", id);
	if (!bound && verify_email(t->a))
		return turn_result(t, "pending", json_true(), e) ||
				       ticket_add(t, "verify", id, json_str(t->args, "name"), email, e)
			       ? -1
			       : 0;
	return session_add(t, NULL, id, json_bool(t->args, "remember", false), e);
}

int invite_join(struct turn *t, struct err *e)
{
	const struct record *invite = invite_of(t, e), *person = record_get(t->a, KIND_PERSON, t->by->person);
	const char *bound = invite ? record_str(invite, "email") : NULL;

	if (!invite)
		return -1;
	if (!record_str(invite, "project"))
		return err_set(e, ERR_INVALID, "the invitation is for somebody without an account");
	if (bound && strcmp(bound, record_str(person, "email")) != 0)
		return err_set(e, ERR_INVALID, "the invitation is for another address");
	return use(t, invite, person->id, e);
}
