/* auth: coming in and going out, and what a person keeps for themselves: sessions, password, address, keys. */
#include <stdio.h>

#include "api/account.h"
#include "api/settings.h"
#include "base/mem.h"

#define AUTH API "/auth"

/* ---- sessions ---- */

/* A session's tokens, in cookies where they were asked for. */
static json_t *session_shown(struct ask *q, json_t *session, struct err *e)
{
	cleanup_json json_t *out = session;
	bool cookies = json_bool(q->body, "cookies", false);

	if (cookies && json_get(out, "access") && account_session_cookies(q, out, e))
		return NULL;
	if (cookies) {
		json_object_del(out, "access");
		json_object_del(out, "refresh");
	}
	return steal(&out);
}

/* Refused before anybody's password is looked at: what could not be answered. */
static json_t *come_in(struct ask *q, const char *verb, struct err *e)
{
	if (json_bool(q->body, "cookies", false) && account_cookies_fine(q->request, e))
		return NULL;
	return account_change(q, verb, account_args(q, NULL, e), session_shown, e);
}

static json_t *setup(struct ask *q, struct err *e)
{
	return come_in(q, "setup", e);
}

static json_t *sign_up(struct ask *q, struct err *e)
{
	return come_in(q, "register", e);
}

static json_t *login(struct ask *q, struct err *e)
{
	return come_in(q, "login", e);
}

static json_t *accept(struct ask *q, struct err *e)
{
	return come_in(q, "invite.accept", e);
}

static json_t *refresh(struct ask *q, struct err *e)
{
	struct span cookie = account_cookie(q->request, COOKIE_REFRESH);
	cleanup_json json_t *args = account_args(q, NULL, e);
	bool from_cookie = args && !json_get(args, "refresh") && cookie.n;

	/* What no script could read stays so. */
	if (from_cookie && (json_put_span(args, "refresh", cookie) || json_put(q->body, "cookies", json_true()))) {
		err_nomem(e);
		return NULL;
	}
	if (from_cookie && account_cookies_fine(q->request, e))
		return NULL;
	return account_change(q, "refresh", steal(&args), session_shown, e);
}

static json_t *without_cookies(struct ask *q, json_t *result, struct err *e)
{
	bool any = account_cookie(q->request, COOKIE_ACCESS).p || account_cookie(q->request, COOKIE_REFRESH).p;

	if (any && (account_set_cookie(q->request, COOKIE_ACCESS, NULL, 0, e) ||
			   account_set_cookie(q->request, COOKIE_REFRESH, NULL, 0, e))) {
		json_decref(result);
		return NULL;
	}
	return result;
}

static json_t *logout(struct ask *q, struct err *e)
{
	return account_change(q, "logout", account_args(q, NULL, e), without_cookies, e);
}

static json_t *me(struct ask *q, struct err *e)
{
	static const char *const kinds[] = {"nobody", "local", "session", "key"};
	const struct caller *c = &q->caller;
	struct accounts *a = c->person[0] ? account_all(q, e) : NULL;
	cleanup_json json_t *person = a ? accounts_person(a, c->person, e) : NULL;
	char csrf[HASH_HEX] = "";

	if (c->person[0] && !person)
		return NULL;
	if (c->kind == CALLER_SESSION)
		accounts_csrf(a, c, csrf);
	return json_make(e, "{s:s, s:s, s:s, s:[s*, s*, s*], s:s?, s:s?, s:O?}", "by", kinds[c->kind], "name", c->name,
		"role", role_names[c->role], "scopes", c->scopes & SCOPE_READ ? "read" : NULL,
		c->scopes & SCOPE_WRITE ? "write" : NULL, c->scopes & SCOPE_ADMIN ? "admin" : NULL, "token",
		c->token_id[0] ? c->token_id : NULL, "csrf", csrf[0] ? csrf : NULL, "person", person);
}

static json_t *change_me(struct ask *q, struct err *e)
{
	return settings_check_own(json_get(q->body, "policy"), e)
		       ? NULL
		       : account_change(q, "person.change", account_args(q, NULL, e), NULL, e);
}

static json_t *own_sessions(struct ask *q, struct err *e)
{
	struct accounts *a = account_whole(q, e) ? NULL : account_all(q, e);

	return a ? accounts_sessions(a, q->caller.person, e) : NULL;
}

static json_t *end_session(struct ask *q, struct err *e)
{
	return account_change(q, "session.revoke", account_args(q, "session", e), NULL, e);
}

static json_t *end_sessions(struct ask *q, struct err *e)
{
	return account_change(q, "session.revoke_all", json_clone(q->query), NULL, e);
}

/* ---- passwords and addresses ---- */

#define HANDLER(name, verb)                                                                                            \
	static json_t *name(struct ask *q, struct err *e)                                                              \
	{                                                                                                              \
		return account_change(q, verb, account_args(q, NULL, e), NULL, e);                                     \
	}
HANDLER(change_password, "password.change")
HANDLER(forgot, "password.forgot")
HANDLER(reset, "password.reset")
HANDLER(change_email, "email.change")
HANDLER(verify, "email.verify")
HANDLER(change_settings, "settings.change")
HANDLER(make_key, "key.create")
HANDLER(join, "invite.join")
#undef HANDLER

static json_t *settings(struct ask *q, struct err *e)
{
	struct accounts *a = account_all(q, e);
	json_t *out = a ? accounts_settings(a, e) : NULL;
	const char *name = q->needs->oidc ? options_text(q->needs->options, OPTION_OIDC_NAME) : NULL;

	if (out && name && json_put(out, "oidc", json_make(e, "{s:s}", "name", name))) {
		json_decref(out);
		err_nomem(e);
		return NULL;
	}
	return out;
}

static json_t *links(struct ask *q, struct err *e)
{
	struct accounts *a = account_all(q, e);

	return a ? accounts_links(a, &q->caller, e) : NULL;
}

/* ---- keys ---- */

static json_t *own_keys(struct ask *q, struct err *e)
{
	struct accounts *a = account_whole(q, e) ? NULL : account_all(q, e);

	return a ? accounts_keys(a, q->caller.person, e) : NULL;
}

static json_t *end_key(struct ask *q, struct err *e)
{
	return account_change(q, "key.revoke", account_args(q, "key", e), NULL, e);
}

#define FROM "remember:b? agent:s? cookies:b?"

/* ---- the account at an OpenID provider ---- */

static json_t *identity(struct ask *q, struct err *e)
{
	struct accounts *a = account_whole(q, e) ? NULL : account_all(q, e);

	return a ? accounts_identity(a, q->caller.person, e) : NULL;
}

static json_t *unlink_identity(struct ask *q, struct err *e)
{
	return account_change(q, "oidc.unlink", account_args(q, NULL, e), NULL, e);
}

const struct route routes_auth[] = {
	{"POST", AUTH "/setup", WHO_ANYONE, "make the first owner, with the token that the server printed", NULL,
		"token:s name:s email:s password:s " FROM, "@session", 201, setup},
	{"POST", AUTH "/register", WHO_ANYONE, "make an account, where registration is open", NULL,
		"name:s email:s password:s " FROM, "@session", 201, sign_up},
	{"POST", AUTH "/login", WHO_ANYONE, "sign in", NULL, "email:s password:s " FROM, "@session", 0, login},
	{"POST", AUTH "/refresh", WHO_ANYONE, "new tokens for a session; the ones before count no longer", NULL,
		"refresh:s? cookies:b?", "@session", 0, refresh},
	{"POST", AUTH "/logout", WHO_KNOWN, "end this session", NULL, "", NULL, 0, logout},
	{"GET", AUTH "/me", WHO_KNOWN, "who is asking", NULL, NULL, "@me", 0, me},
	{"PATCH", AUTH "/me", WHO_KNOWN, "change one's name, profile, or rules for the runs that one begins", NULL,
		"name:s? profile:o? policy:[o]?", "@changed", 0, change_me},
	{"GET", AUTH "/me/identity", WHO_KNOWN, "one's account at the OpenID provider", NULL, NULL, "@identity", 0,
		identity},
	{"DELETE", AUTH "/me/identity", WHO_KNOWN,
		"sign in by it no more; only where there is a password, and all other sessions end", NULL, NULL, NULL,
		0, unlink_identity},
	{"GET", AUTH "/sessions", WHO_KNOWN, "one's sessions", NULL, NULL, "[@session_row]", 0, own_sessions},
	{"DELETE", AUTH "/sessions", WHO_KNOWN, "end all one's sessions", "keep_own:b?", NULL, NULL, 0, end_sessions},
	{"DELETE", AUTH "/sessions/{session}", WHO_KNOWN, "end one of them", NULL, NULL, NULL, 0, end_session},
	{"POST", AUTH "/password", WHO_KNOWN, "change one's password; all other sessions end", NULL, "old:s password:s",
		NULL, 0, change_password},
	{"POST", AUTH "/password/forgot", WHO_ANYONE, "have a token sent for a new password", NULL, "email:s", NULL, 0,
		forgot},
	{"POST", AUTH "/password/reset", WHO_ANYONE, "set a new password with such a token", NULL, "token:s password:s",
		NULL, 0, reset},
	{"POST", AUTH "/email", WHO_KNOWN, "change one's address; the new one counts when it is verified", NULL,
		"email:s old:s", NULL, 0, change_email},
	{"POST", AUTH "/email/verify", WHO_ANYONE, "verify an address with the token that was sent to it", NULL,
		"token:s", NULL, 0, verify},
	{"POST", AUTH "/invite", WHO_ANYONE, "make an account with an invitation", NULL,
		"token:s name:s email:s password:s " FROM, "@session", 201, accept},
	{"POST", AUTH "/join", WHO_KNOWN, "join a project with an invitation", NULL, "token:s", NULL, 0, join},
	{"GET", AUTH "/settings", WHO_ANYONE, "who may come in", NULL, NULL, "@account_settings", 0, settings},
	{"PATCH", AUTH "/settings", WHO_ADMIN, "change who may come in", NULL, "registration:b? verify_email:b?", NULL,
		0, change_settings},
	{"GET", AUTH "/links", WHO_ADMIN, "tokens that no mail could carry", NULL, NULL, "[@link]", 0, links},
	{"GET", "/api/v1/keys", WHO_KNOWN, "one's API keys", NULL, NULL, "[@key]", 0, own_keys},
	{"POST", "/api/v1/keys", WHO_KNOWN, "make one; it is shown this once", NULL,
		"name:s scopes:[s] expires:i? project:s?", "@new_key", 201, make_key},
	{"DELETE", "/api/v1/keys/{key}", WHO_KNOWN, "revoke one", NULL, NULL, NULL, 0, end_key},
	{0},
};
