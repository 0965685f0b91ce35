/* people: who there is, what they are in the installation and in projects, and whom one invites. */
#include <stdio.h>

#include "api/account.h"
#include "base/mem.h"

#define PAGE 100

static json_t *list_people(struct ask *q, struct err *e)
{
	struct accounts *a = account_all(q, e);
	struct accounts_page page = {.after = json_str(q->query, "cursor")};
	cleanup_json json_t *list = NULL;

	if (page.after && !id_valid(page.after)) {
		err_set(e, ERR_INVALID, "\"%.40s\" is no cursor; take it from the Link header", page.after);
		return NULL;
	}
	if (a && ask_limit(q, PAGE, false, &page.limit, e))
		return NULL;
	list = a ? accounts_people(a, &page, e) : NULL;
	size_t n = json_array_size(list);
	if (n == (size_t)page.limit && n > 0 && ask_next(q, json_str(json_array_get(list, n - 1), "id"), e))
		return NULL;
	return steal(&list);
}

static json_t *of_person(
	struct ask *q, json_t *(*list)(const struct accounts *a, const char *person, struct err *e), struct err *e)
{
	struct accounts *a = account_all(q, e);
	cleanup_free char *person = ask_param(q, "person");

	if (!person)
		err_nomem(e);
	return a && person ? list(a, person, e) : NULL;
}

static json_t *get_person(struct ask *q, struct err *e)
{
	return of_person(q, accounts_person, e);
}

static json_t *person_sessions(struct ask *q, struct err *e)
{
	return of_person(q, accounts_sessions, e);
}

static json_t *person_keys(struct ask *q, struct err *e)
{
	return of_person(q, accounts_keys, e);
}

#define HANDLER(name, verb, param)                                                                                     \
	static json_t *name(struct ask *q, struct err *e)                                                              \
	{                                                                                                              \
		return account_change(q, verb, account_args(q, param, e), NULL, e);                                    \
	}
HANDLER(make_person, "person.create", NULL)
HANDLER(change_person, "person.change", "person")
HANDLER(set_role, "person.role", "person")
HANDLER(disable, "person.disable", "person")
HANDLER(enable, "person.enable", "person")
HANDLER(delete_person, "person.delete", "person")
HANDLER(end_sessions, "session.revoke_all", "person")
HANDLER(unlink_identity, "oidc.unlink", "person")
HANDLER(make_invite, "invite.create", NULL)
HANDLER(end_invite, "invite.revoke", "invite")
#undef HANDLER

/* ---- invitations ---- */

static json_t *list_invites(struct ask *q, struct err *e)
{
	struct accounts *a = account_all(q, e);

	return a ? accounts_invites(a, q->project, e) : NULL;
}

static json_t *invite_to_project(struct ask *q, struct err *e)
{
	json_t *args = account_args(q, "project", e);

	return args ? account_change(q, "invite.create", args, NULL, e) : NULL;
}

/* ---- members ---- */

static json_t *list_members(struct ask *q, struct err *e)
{
	struct accounts *a = account_all(q, e);

	return a ? accounts_members(a, q->project, e) : NULL;
}

static json_t *change_member(struct ask *q, const char *verb, struct err *e)
{
	cleanup_json json_t *args = account_args(q, "person", e);

	if (args && json_put(args, "project", json_string(q->project))) {
		err_nomem(e);
		return NULL;
	}
	return account_change(q, verb, steal(&args), NULL, e);
}

static json_t *set_member(struct ask *q, struct err *e)
{
	return change_member(q, "member.set", e);
}

static json_t *remove_member(struct ask *q, struct err *e)
{
	return change_member(q, "member.remove", e);
}

#define ROLES "role:(viewer|member|admin|owner)"

const struct route routes_people[] = {
	{"GET", API "/people", WHO_ADMIN, "everybody, by the time they came", "limit:i? cursor:s?", NULL, "[@person]",
		0, list_people},
	{"POST", API "/people", WHO_ADMIN, "make an account for somebody", NULL, "name:s email:s password:s " ROLES "?",
		"@changed", 201, make_person},
	{"GET", API "/people/{person}", WHO_ADMIN, "a person", NULL, NULL, "@person", 0, get_person},
	{"PATCH", API "/people/{person}", WHO_ADMIN, "change name, address or profile", NULL,
		"name:s? email:s? profile:o?", "@changed", 0, change_person},
	{"DELETE", API "/people/{person}", WHO_ADMIN, "delete an account, its sessions and keys", NULL, NULL, NULL, 0,
		delete_person},
	{"PUT", API "/people/{person}/role", WHO_ADMIN, "what they are in the installation", NULL, ROLES, "@changed", 0,
		set_role},
	{"POST", API "/people/{person}/disable", WHO_ADMIN, "keep them out, and end what they have open", NULL, "",
		"@changed", 0, disable},
	{"POST", API "/people/{person}/enable", WHO_ADMIN, "let them in again", NULL, "", "@changed", 0, enable},
	{"GET", API "/people/{person}/sessions", WHO_ADMIN, "their sessions", NULL, NULL, "[@session_row]", 0,
		person_sessions},
	{"DELETE", API "/people/{person}/sessions", WHO_ADMIN, "end all their sessions", NULL, NULL, NULL, 0,
		end_sessions},
	{"DELETE", API "/people/{person}/identity", WHO_ADMIN, "their account at the OpenID provider is theirs no more",
		NULL, NULL, NULL, 0, unlink_identity},
	{"GET", API "/people/{person}/keys", WHO_ADMIN, "their API keys", NULL, NULL, "[@key]", 0, person_keys},
	{"GET", API "/invites", WHO_ADMIN, "open invitations into the installation", NULL, NULL, "[@invite]", 0,
		list_invites},
	{"POST", API "/invites", WHO_ADMIN, "invite somebody; the token is shown this once", NULL,
		ROLES "? project:s? project_role:(viewer|member|admin|owner)? email:s? days:i?", "@new_invite", 201,
		make_invite},
	{"DELETE", API "/invites/{invite}", WHO_KNOWN, "withdraw an invitation", NULL, NULL, NULL, 0, end_invite},
	{"GET", API "/projects/{project}/invites", WHO_ADMIN, "open invitations into a project", NULL, NULL,
		"[@invite]", 0, list_invites},
	{"POST", API "/projects/{project}/invites", WHO_ADMIN, "invite somebody into a project", NULL,
		"project_role:(viewer|member|admin|owner)? email:s? days:i?", "@new_invite", 201, invite_to_project},
	{"GET", API "/projects/{project}/members", WHO_VIEWER, "who belongs to a project", NULL, NULL, "[@member]", 0,
		list_members},
	{"PUT", API "/projects/{project}/members/{person}", WHO_ADMIN, "make somebody a member, or change their role",
		NULL, ROLES, NULL, 0, set_member},
	{"DELETE", API "/projects/{project}/members/{person}", WHO_VIEWER, "remove a member, or leave", NULL, NULL,
		NULL, 0, remove_member},
	{0},
};
