/* People: the first owner, roles, passwords, invitations, registration, and that everything is in the journal. */
#include "world.h"

#include "accounts/password.h"

#include <stdio.h>

static void there_is_no_account_at_first(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	char token[TOKEN_TEXT];

	assert_int_equal(accounts_count(w->accounts), 1);
	assert_int_equal(w->ada.role, ROLE_OWNER);
	assert_int_equal(accounts_setup_token(w->accounts, token, &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
}

static json_t *setup_args(const char *token)
{
	return args_of(
		"{s:s?, s:s, s:s, s:s}", "token", token, "name", "Eve", "email", "eve@example.org", "password", GOOD);
}

/* Two with the same right token at the same moment: one is the owner. */
static void a_setup_token_counts_once(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	char token[TOKEN_TEXT];
	json_t *result;

	world_close(w);
	store_close(w->store);
	w->store = store_open(w->loop, &(struct store_options){.access = STORE_OWN}, &e);
	world_open(w);
	assert_int_equal(accounts_count(w->accounts), 0);
	did(w, &w->nobody, "setup", setup_args("mo_000000000000000000000000000000000000000000"), ERR_INVALID);
	must(accounts_setup_token(w->accounts, token, &e), &e);
	did(w, &w->nobody, "setup", setup_args(""), ERR_INVALID);
	did(w, &w->nobody, "setup", setup_args(NULL), ERR_INVALID);
	assert_int_equal(events(w), 0);
	result = act(w, &w->nobody, "setup", setup_args(token), ERR_OK);
	assert_int_equal(caller_of(w, result).role, ROLE_OWNER);
	json_decref(result);
	did(w, &w->nobody, "setup", setup_args(token), ERR_INVALID);
	assert_int_equal(accounts_count(w->accounts), 1);
}

static void bad_passwords_are_refused(void **state)
{
	static const char *const bad[] = {"", "short", "1234567", "password", "Password123!", "12345678", "qwertyui",
		"aaaaaaaaaa", "new@example.org", "newcomer", "ILOVEYOU1", "abcdefgh1"};
	static const char *const good[] = {"tall green lamp", "kzv9#qm2", "pässwörtchen", "Xy7!Xy7!Xy7"};
	struct world *w = *state;
	struct err e = ERR_INIT;
	char longest[PASSWORD_MOST + 2];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		did(w, &w->ada, "person.create",
			args_of("{s:s, s:s, s:s}", "name", "newcomer", "email", "new@example.org", "password", bad[i]),
			ERR_INVALID);
	assert_int_equal(accounts_count(w->accounts), 1);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		must(password_acceptable(span_of(good[i]), "newcomer", "new@example.org", &e), &e);
	memset(longest, 'x', sizeof longest);
	for (size_t i = 0; i < sizeof longest; i += 3)
		longest[i] = 'y';
	must(password_acceptable(span_n(longest, PASSWORD_MOST), NULL, NULL, &e), &e);
	assert_int_equal(password_acceptable(span_n(longest, PASSWORD_MOST + 1), NULL, NULL, &e), -1);
}

static void the_last_owner_stays(void **state)
{
	struct world *w = *state;
	char bob[ID_TEXT];

	did(w, &w->ada, "person.role", args_of("{s:s, s:s}", "person", w->ada_id, "role", "member"), ERR_CONFLICT);
	did(w, &w->ada, "person.disable", args_of("{s:s}", "person", w->ada_id), ERR_CONFLICT);
	did(w, &w->local, "person.delete", args_of("{s:s}", "person", w->ada_id), ERR_CONFLICT);
	person_made(w, "bob@example.org", "owner", bob);
	did(w, &w->ada, "person.role", args_of("{s:s, s:s}", "person", w->ada_id, "role", "admin"), ERR_OK);
	assert_int_equal(accounts_role(w->accounts, &w->ada), ROLE_ADMIN);
	/* an administrator is not above an owner */
	did(w, &w->ada, "person.disable", args_of("{s:s}", "person", bob), ERR_DENIED);
	did(w, &w->ada, "person.role", args_of("{s:s, s:s}", "person", w->ada_id, "role", "owner"), ERR_DENIED);
	did(w, &w->local, "person.disable", args_of("{s:s}", "person", bob), ERR_CONFLICT);
	did(w, &w->local, "person.delete", args_of("{s:s}", "person", w->ada_id), ERR_OK);
	assert_int_equal(accounts_count(w->accounts), 1);
	assert_false(accounts_alive(w->accounts, &w->ada));
}

static void who_may_not_is_denied(void **state)
{
	struct world *w = *state;
	struct caller bob, forged;
	char id[ID_TEXT];
	static const char *const admins[] = {
		"person.create", "person.role", "person.disable", "person.enable", "person.delete", "settings.change"};

	person_made(w, "bob@example.org", "member", id);
	bob = sign_in(w, "bob@example.org", GOOD);
	for (size_t i = 0; i < sizeof admins / sizeof *admins; i++) {
		did(w, &bob, admins[i],
			args_of("{s:s, s:s, s:s, s:s, s:s}", "person", w->ada_id, "role", "owner", "name", "x", "email",
				"x@example.org", "password", GOOD),
			ERR_DENIED);
		did(w, &w->nobody, admins[i], args_of("{s:s}", "person", w->ada_id), ERR_UNAUTHENTICATED);
	}
	/* what is another's is not there */
	did(w, &bob, "person.change", args_of("{s:s, s:s}", "person", w->ada_id, "name", "x"), ERR_NOT_FOUND);
	did(w, &bob, "session.revoke_all", args_of("{s:s}", "person", w->ada_id), ERR_NOT_FOUND);
	/* a caller that says more of itself than its token does */
	forged = bob;
	forged.role = ROLE_OWNER;
	did(w, &forged, "person.disable", args_of("{s:s}", "person", w->ada_id), ERR_DENIED);
	forged = bob;
	strcpy(forged.person, w->ada_id);
	did(w, &forged, "session.revoke_all", args_of("{}"), ERR_UNAUTHENTICATED);
	did(w, &bob, "person.change", args_of("{s:s, s:{s:s}}", "name", "Bobby", "profile", "city", "Ulm"), ERR_OK);
	did(w, &bob, "person.change", args_of("{s:s}", "email", "other@example.org"), ERR_DENIED);
	did(w, &bob, "nonsense", args_of("{}"), ERR_NOT_FOUND);
	did(w, &bob, "logout", args_of("[]"), ERR_INVALID);
}

/* Row 6: null, empty, absent, reused, expired, of another purpose. */
static void tokens_by_mail_count_once(void **state)
{
	struct world *w = *state;
	char id[ID_TEXT], token[TOKEN_TEXT], old[TOKEN_TEXT];
	struct caller bob;
	int64_t before;

	person_made(w, "bob@example.org", "member", id);
	bob = sign_in(w, "bob@example.org", GOOD);
	before = events(w);
	did(w, &w->nobody, "password.reset", args_of("{s:n, s:s}", "token", "password", "another plain one"),
		ERR_INVALID);
	did(w, &w->nobody, "password.reset", args_of("{s:s, s:s}", "token", "", "password", "another plain one"),
		ERR_INVALID);
	did(w, &w->nobody, "password.reset", args_of("{s:s}", "password", "another plain one"), ERR_INVALID);
	did(w, &w->nobody, "email.verify", args_of("{s:n}", "token"), ERR_INVALID);
	did(w, &w->nobody, "invite.accept", args_of("{s:n, s:s}", "token", "password", GOOD), ERR_INVALID);
	did(w, &w->nobody, "invite.accept", args_of("{s:s, s:s}", "token", "", "password", GOOD), ERR_INVALID);
	did(w, &w->nobody, "invite.accept", args_of("{s:s}", "password", GOOD), ERR_INVALID);
	assert_int_equal(events(w), before);
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "BOB@example.org"), ERR_OK);
	assert_string_equal(w->mail_kind, "reset");
	assert_string_equal(w->mail_to, "bob@example.org");
	strcpy(old, w->mail_token);
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "bob@example.org"), ERR_OK);
	strcpy(token, w->mail_token);
	assert_string_not_equal(token, old);
	did(w, &w->nobody, "password.reset", args_of("{s:s, s:s}", "token", old, "password", "another plain one"),
		ERR_INVALID);
	did(w, &w->nobody, "email.verify", args_of("{s:s}", "token", token), ERR_INVALID);
	did(w, &w->nobody, "password.reset", args_of("{s:s, s:s}", "token", token, "password", "short"), ERR_INVALID);
	did(w, &w->nobody, "password.reset", args_of("{s:s, s:s}", "token", token, "password", "another plain one"),
		ERR_OK);
	assert_false(accounts_alive(w->accounts, &bob));
	before = events(w);
	did(w, &w->nobody, "password.reset", args_of("{s:s, s:s}", "token", token, "password", "a third plain one"),
		ERR_INVALID);
	assert_int_equal(events(w), before);
	did(w, &w->nobody, "login", args_of("{s:s, s:s}", "email", "bob@example.org", "password", GOOD),
		ERR_UNAUTHENTICATED);
	sign_in(w, "bob@example.org", "another plain one");
	wait_us(w, 9000 * (int64_t)1000000); /* not with the hour, when old ones are removed */
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "bob@example.org"), ERR_OK);
	strcpy(token, w->mail_token);
	wait_us(w, 3601 * (int64_t)1000000);
	did(w, &w->nobody, "password.reset", args_of("{s:s, s:s}", "token", token, "password", "a third plain one"),
		ERR_INVALID);
}

/* Whoever asks for a new password learns nothing about who there is. */
static void forgetting_says_nothing(void **state)
{
	struct world *w = *state;
	int mails = w->mail_count;
	int64_t before = events(w);

	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "nobody@example.org"), ERR_OK);
	assert_int_equal(w->mail_count, mails);
	assert_int_equal(events(w), before + 1); /* the answer waits for a commit, as that to somebody's address does */
	for (int i = 0; i < 2; i++) {
		did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "nobody@example.org"), ERR_OK);
		did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "ada@example.org"), ERR_OK);
	}
	for (int i = 0; i < 2; i++)
		did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "ada@example.org"), ERR_OK);
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "nobody@example.org"), ERR_OK);
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "ada@example.org"), ERR_RATE_LIMITED);
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "nobody@example.org"), ERR_RATE_LIMITED);
	before = events(w);
	for (int i = 0; i < 2 * NOTE_RATE; i++) {
		char email[40];
		snprintf(email, sizeof email, "nobody%d@example.org", i);
		did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", email), ERR_OK);
	}
	assert_in_range(events(w) - before, 1, NOTE_RATE);
}

static void invitations_count_once(void **state)
{
	struct world *w = *state;
	json_t *invite = act(w, &w->ada, "invite.create",
		args_of("{s:s, s:s, s:s, s:i}", "role", "viewer", "project", "p1", "project_role", "admin", "days", 3),
		ERR_OK);
	json_t *other = act(w, &w->ada, "invite.create",
		args_of("{s:s, s:s}", "project", "p2", "email", "eve@example.org"), ERR_OK);
	json_t *session, *list;
	struct err e = ERR_INIT;
	struct caller eve;

	assert_string_equal(w->mail_kind, "invite");
	did(w, &w->nobody, "invite.accept",
		args_of("{s:s, s:s, s:s, s:s}", "token", json_str(other, "token"), "name", "Mallory", "email",
			"mallory@example.org", "password", GOOD),
		ERR_INVALID);
	session = act(w, &w->nobody, "invite.accept",
		args_of("{s:s, s:s, s:s, s:s}", "token", json_str(invite, "token"), "name", "Eve", "email",
			"eve@example.org", "password", GOOD),
		ERR_OK);
	eve = caller_of(w, session);
	assert_int_equal(eve.role, ROLE_VIEWER);
	/* a viewer of the house stays one in a project */
	assert_int_equal(accounts_project_role(w->accounts, &eve, "p1"), ROLE_VIEWER);
	assert_int_equal(accounts_project_role(w->accounts, &eve, "p2"), ROLE_NONE);
	assert_int_equal(accounts_project_role(w->accounts, &w->ada, "p2"), ROLE_OWNER);
	did(w, &w->nobody, "invite.accept",
		args_of("{s:s, s:s, s:s, s:s}", "token", json_str(invite, "token"), "name", "Eve", "email",
			"eve2@example.org", "password", GOOD),
		ERR_INVALID);
	did(w, &eve, "invite.join", args_of("{s:s}", "token", json_str(other, "token")), ERR_OK);
	did(w, &eve, "invite.join", args_of("{s:s}", "token", json_str(other, "token")), ERR_INVALID);
	assert_int_equal(accounts_project_role(w->accounts, &eve, "p2"), ROLE_VIEWER);
	list = accounts_members(w->accounts, "p2", &e);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_str(json_array_get(list, 0), "name"), "Eve");
	json_decref(list);
	list = accounts_invites(w->accounts, "p2", &e);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	did(w, &eve, "invite.create", args_of("{s:s}", "role", "member"), ERR_DENIED);
	json_decref(invite);
	json_decref(other);
	json_decref(session);
}

static void projects_have_members(void **state)
{
	struct world *w = *state;
	char bob_id[ID_TEXT], eve_id[ID_TEXT];
	struct caller bob, eve;

	person_made(w, "bob@example.org", "member", bob_id);
	person_made(w, "eve@example.org", "member", eve_id);
	bob = sign_in(w, "bob@example.org", GOOD);
	eve = sign_in(w, "eve@example.org", GOOD);
	did(w, &bob, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", bob_id, "role", "owner"),
		ERR_NOT_FOUND);
	did(w, &w->local, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", bob_id, "role", "admin"),
		ERR_OK);
	assert_int_equal(accounts_project_role(w->accounts, &bob, "p"), ROLE_ADMIN);
	did(w, &bob, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", eve_id, "role", "owner"),
		ERR_DENIED);
	did(w, &bob, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", eve_id, "role", "viewer"),
		ERR_OK);
	assert_int_equal(accounts_project_role(w->accounts, &eve, "p"), ROLE_VIEWER);
	assert_int_equal(accounts_project_role(w->accounts, &eve, "q"), ROLE_NONE);
	assert_true(accounts_sees(w->accounts, eve_id, "p") && accounts_sees(w->accounts, eve_id, NULL));
	assert_true(accounts_sees(w->accounts, w->ada_id, "q"));
	assert_false(accounts_sees(w->accounts, eve_id, "q") || accounts_sees(w->accounts, "somebody", NULL));
	did(w, &w->ada, "person.disable", args_of("{s:s}", "person", eve_id), ERR_OK);
	assert_false(accounts_sees(w->accounts, eve_id, "p") || accounts_sees(w->accounts, eve_id, NULL));
	did(w, &w->ada, "person.enable", args_of("{s:s}", "person", eve_id), ERR_OK);
	eve = sign_in(w, "eve@example.org", GOOD);
	did(w, &eve, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", eve_id, "role", "admin"),
		ERR_DENIED);
	did(w, &eve, "member.remove", args_of("{s:s, s:s}", "project", "p", "person", bob_id), ERR_DENIED);
	did(w, &eve, "member.remove", args_of("{s:s, s:s}", "project", "p", "person", eve_id), ERR_OK);
	assert_int_equal(accounts_project_role(w->accounts, &eve, "p"), ROLE_NONE);
	did(w, &bob, "member.remove", args_of("{s:s, s:s}", "project", "p", "person", eve_id), ERR_NOT_FOUND);
	did(w, &w->ada, "person.delete", args_of("{s:s}", "person", bob_id), ERR_OK);
	struct err e = ERR_INIT;
	json_t *list = accounts_members(w->accounts, "p", &e);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

static void registration_is_a_setting(void **state)
{
	struct world *w = *state;
	json_t *result;
	char token[TOKEN_TEXT];
	int64_t before;

#define REGISTER(mail) args_of("{s:s, s:s, s:s}", "name", "Zoe", "email", mail, "password", GOOD)
	did(w, &w->nobody, "register", REGISTER("zoe@example.org"), ERR_DENIED);
	did(w, &w->ada, "settings.change", args_of("{s:b}", "registration", 1), ERR_OK);
	result = act(w, &w->nobody, "register", REGISTER("zoe@example.org"), ERR_OK);
	assert_int_equal(caller_of(w, result).role, ROLE_MEMBER);
	json_decref(result);
	did(w, &w->nobody, "register", REGISTER("zoe@example.org"), ERR_EXISTS);
	did(w, &w->ada, "settings.change", args_of("{s:b}", "verify_email", 1), ERR_OK);
	/* now the answer is the same for an address that somebody has */
	before = events(w);
	result = act(w, &w->nobody, "register", REGISTER("ZOE@example.org"), ERR_OK);
	assert_int_equal(events(w), before + 1);
	assert_int_equal(json_object_size(result), 1);
	assert_true(json_bool(result, "pending", false));
	json_decref(result);
	assert_string_equal(w->mail_kind, "exists");
	result = act(w, &w->nobody, "register", REGISTER("yan@example.org"), ERR_OK);
	assert_int_equal(json_object_size(result), 1);
	json_decref(result);
	assert_string_equal(w->mail_kind, "verify");
	strcpy(token, w->mail_token);
	did(w, &w->nobody, "login", args_of("{s:s, s:s}", "email", "yan@example.org", "password", GOOD), ERR_DENIED);
	did(w, &w->nobody, "email.verify", args_of("{s:s}", "token", token), ERR_OK);
	did(w, &w->nobody, "email.verify", args_of("{s:s}", "token", token), ERR_INVALID);
	struct caller yan = sign_in(w, "yan@example.org", GOOD);
	did(w, &yan, "email.change", args_of("{s:s, s:s}", "email", "yan@new.example", "old", "wrong word"),
		ERR_UNAUTHENTICATED);
	did(w, &yan, "email.change", args_of("{s:s, s:s}", "email", "yan@new.example", "old", GOOD), ERR_OK);
	assert_string_equal(w->mail_to, "yan@new.example");
	strcpy(token, w->mail_token);
	sign_in(w, "yan@example.org", GOOD);
	did(w, &w->nobody, "email.verify", args_of("{s:s}", "token", token), ERR_OK);
	sign_in(w, "yan@new.example", GOOD);
}

static void without_mail_administrators_see_the_links(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	json_t *links;

	w->mails = false;
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "ada@example.org"), ERR_OK);
	links = accounts_links(w->accounts, &w->ada, &e);
	assert_int_equal(json_array_size(links), 1);
	assert_string_equal(json_str(json_array_get(links, 0), "token"), w->mail_token);
	assert_string_equal(json_str(json_array_get(links, 0), "kind"), "reset");
	json_decref(links);
}

/* The journal says who did what, and no token or password stands in it. */
static void nothing_secret_is_journaled(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct event *all;
	json_t *result;
	char *secrets[5];
	int n;

	result = act(
		w, &w->nobody, "login", args_of("{s:s, s:s}", "email", "ada@example.org", "password", GOOD), ERR_OK);
	secrets[0] = mem_strdup(json_str(result, "access"));
	secrets[1] = mem_strdup(json_str(result, "refresh"));
	json_decref(result);
	result = act(w, &w->ada, "key.create", args_of("{s:s, s:[s]}", "name", "ci", "scopes", "read"), ERR_OK);
	secrets[2] = mem_strdup(json_str(result, "key"));
	json_decref(result);
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "ada@example.org"), ERR_OK);
	secrets[3] = mem_strdup(w->mail_token);
	secrets[4] = mem_strdup(GOOD);
	all = mem_calloc(64, sizeof *all);
	n = store_read(w->store, "house", 0, all, 64, &e);
	assert_true(n >= 4);
	for (int i = 0; i < n; i++) {
		for (int s = 0; s < 5; s++)
			assert_null(strstr(all[i].data->data, secrets[s] + (s < 4 ? 3 : 0)));
		assert_null(strstr(all[i].data->data, "argon2"));
		event_release(&all[i]);
	}
	for (int s = 0; s < 5; s++)
		mem_free(secrets[s]);
	mem_free(all);
	result = store_audit(w->store, &(struct audit_query){.what = "key.create", .who = w->ada_id, .limit = 9}, &e);
	assert_int_equal(json_array_size(result), 1);
	json_decref(result);
}

static void ten_thousand_people_come_back(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	json_t *records, *page;
	char id[ID_TEXT], last[ID_TEXT] = "";
	int seen = 0;

	for (int batch = 0; batch < 20; batch++) {
		struct audit audit = {.who = "system", .what = "test"};
		audit.records = records = json_array();
		for (int i = 0; i < 500; i++) {
			char email[32];
			snprintf(email, sizeof email, "p%d@example.org", batch * 500 + i);
			id_new(id, START_US + batch * 500 + i, NULL);
			json_array_append_new(
				records, args_of("{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:b, s:b}}", "kind", "person", "id",
						 id, "value", "name", email, "email", email, "role", "member",
						 "password", "00", "disabled", 0, "verified", 1));
		}
		must(store_record_wait(w->store, &audit, &e), &e);
		json_decref(records);
	}
	world_close(w);
	world_open(w);
	assert_int_equal(accounts_count(w->accounts), 10001);
	for (size_t got = 200; got == 200;) {
		page = accounts_people(w->accounts, &(struct accounts_page){last[0] ? last : NULL, 200}, &e);
		got = json_array_size(page);
		for (size_t i = 0; i < got; i++) {
			const char *next = json_str(json_array_get(page, i), "id");
			assert_true(strcmp(next, last) > 0);
			strcpy(last, next);
			assert_null(json_get(json_array_get(page, i), "password"));
			seen++;
		}
		json_decref(page);
	}
	assert_int_equal(seen, 10001);
	assert_true(accounts_alive(w->accounts, &w->ada));
}

/* Whatever was answered is there after a restart, and the same as before it. */
static void everything_comes_back(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	char id[ID_TEXT], *before, *after;
	json_t *lists[2];
	struct caller bob;

	person_made(w, "bob@example.org", "member", id);
	bob = sign_in(w, "bob@example.org", GOOD);
	did(w, &bob, "key.create", args_of("{s:s, s:[s]}", "name", "ci", "scopes", "write"), ERR_OK);
	did(w, &w->ada, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", id, "role", "admin"),
		ERR_OK);
	did(w, &w->ada, "settings.change", args_of("{s:b}", "registration", 1), ERR_OK);
	for (int i = 0; i < 2; i++) {
		lists[i] = args_of("[o, o, o, o, o, o]", accounts_people(w->accounts, NULL, &e),
			accounts_sessions(w->accounts, id, &e), accounts_keys(w->accounts, id, &e),
			accounts_members(w->accounts, "p", &e), accounts_invites(w->accounts, NULL, &e),
			accounts_settings(w->accounts, &e));
		if (i == 0) {
			must(store_rebuild(w->store, &e), &e);
			world_close(w);
			world_open(w);
		}
	}
	before = json_text(lists[0]);
	after = json_text(lists[1]);
	assert_string_equal(before, after);
	assert_true(accounts_alive(w->accounts, &bob));
	sign_in(w, "bob@example.org", GOOD);
	mem_free(before);
	mem_free(after);
	json_decref(lists[0]);
	json_decref(lists[1]);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		T(there_is_no_account_at_first),
		T(a_setup_token_counts_once),
		T(bad_passwords_are_refused),
		T(the_last_owner_stays),
		T(who_may_not_is_denied),
		T(tokens_by_mail_count_once),
		T(forgetting_says_nothing),
		T(invitations_count_once),
		T(projects_have_members),
		T(registration_is_a_setting),
		T(without_mail_administrators_see_the_links),
		T(nothing_secret_is_journaled),
		T(ten_thousand_people_come_back),
		T(everything_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
