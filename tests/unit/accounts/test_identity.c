/* Signing in as somebody whom an OpenID provider knows: whose account that is, and when it is nobody's. */
#include "world.h"

#define ISSUER "https://login.example"

/* One login; email NULL: the provider says none. */
static json_t *comes(
	struct world *w, const char *sub, const char *email, bool verified, bool may_register, enum err_code want)
{
	return act(w, &w->nobody, "oidc.login",
		args_of("{s:s, s:s, s:s, s:s*, s:b, s:b}", "issuer", ISSUER, "sub", sub, "name", "Somebody", "email",
			email, "email_verified", verified, "register", may_register),
		want);
}

static void is_person(struct world *w, json_t *result, const char *id)
{
	struct caller c = caller_of(w, result);

	assert_string_equal(c.person, id);
	assert_int_equal(c.kind, CALLER_SESSION);
	json_decref(result);
}

static int audited(struct world *w, const char *what)
{
	struct err e = ERR_INIT;
	json_t *audit = store_audit(w->store, &(struct audit_query){.what = what, .limit = 99}, &e);
	int n = (int)json_array_size(audit);

	assert_non_null(audit);
	json_decref(audit);
	return n;
}

static void an_account_is_made_where_that_is_allowed(void **state)
{
	struct world *w = *state;
	json_t *result, *person;
	char id[ID_TEXT];
	struct err e = ERR_INIT;

	json_decref(comes(w, "s1", "bob@example.org", true, false, ERR_DENIED));
	json_decref(comes(w, "s1", "bob@example.org", false, true, ERR_DENIED));
	json_decref(comes(w, "s1", NULL, true, true, ERR_INVALID));
	json_decref(comes(w, "s1", "no address", true, true, ERR_INVALID));
	json_decref(comes(w, "", "bob@example.org", true, true, ERR_INVALID));
	assert_int_equal(accounts_count(w->accounts), 1);
	result = comes(w, "s1", "Bob@Example.org", true, true, ERR_OK);
	strcpy(id, json_str(result, "person"));
	is_person(w, result, id);
	person = accounts_person(w->accounts, id, &e);
	assert_string_equal(json_str(person, "role"), "member");
	assert_string_equal(json_str(person, "email"), "bob@example.org");
	assert_true(json_bool(person, "verified", false));
	assert_null(json_get(person, "password"));
	assert_null(json_get(person, "sub"));
	json_decref(person);
	assert_int_equal(audited(w, "oidc.registered"), 1);
	/* Known from now on, whatever else is said, also after a restart. */
	is_person(w, comes(w, "s1", NULL, false, false, ERR_OK), id);
	world_close(w);
	world_open(w);
	is_person(w, comes(w, "s1", "other@example.org", true, true, ERR_OK), id);
	assert_int_equal(accounts_count(w->accounts), 2);
	json_decref(comes(w, "s2", "bob@example.org", true, true, ERR_DENIED)); /* another there with his address */
}

/* There is no password that is right, until one is set by mail. */
static void nobody_knows_a_password(void **state)
{
	static const char *const guesses[] = {"x", GOOD, "somebody"};
	struct world *w = *state;
	char id[ID_TEXT];
	json_t *result = comes(w, "s1", "bob@example.org", true, true, ERR_OK);
	struct caller bob = caller_of(w, result);

	strcpy(id, bob.person);
	json_decref(result);
	for (size_t i = 0; i < sizeof guesses / sizeof *guesses; i++)
		did(w, &w->nobody, "login", args_of("{s:s, s:s}", "email", "bob@example.org", "password", guesses[i]),
			ERR_UNAUTHENTICATED);
	did(w, &bob, "password.change", args_of("{s:s, s:s}", "old", GOOD, "password", "five other plain words"),
		ERR_UNAUTHENTICATED);
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "bob@example.org"), ERR_OK);
	did(w, &w->nobody, "password.reset", args_of("{s:s, s:s}", "token", w->mail_token, "password", GOOD), ERR_OK);
	assert_string_equal(sign_in(w, "bob@example.org", GOOD).person, id);
}

static void an_address_joins_only_what_both_have_verified(void **state)
{
	struct world *w = *state;
	char id[ID_TEXT];

	json_decref(comes(w, "s1", "ada@example.org", false, true, ERR_DENIED));
	is_person(w, comes(w, "s1", "ADA@example.org", true, false, ERR_OK), w->ada_id);
	assert_int_equal(audited(w, "oidc.linked"), 1);
	json_decref(comes(w, "s2", "ada@example.org", true, true, ERR_DENIED));
	is_person(w, comes(w, "s1", NULL, false, false, ERR_OK), w->ada_id);
	/* An unverified one here. */
	did(w, &w->local, "settings.change", args_of("{s:b}", "registration", 1), ERR_OK);
	json_decref(act(w, &w->nobody, "register",
		args_of("{s:s, s:s, s:s}", "name", "Mallory", "email", "carol@example.org", "password", GOOD), ERR_OK));
	json_decref(comes(w, "s3", "carol@example.org", true, true, ERR_DENIED));
	/* A house that changes its provider. */
	person_made(w, "dan@example.org", "admin", id);
	is_person(w, comes(w, "s4", "dan@example.org", true, false, ERR_OK), id);
	is_person(w,
		act(w, &w->nobody, "oidc.login",
			args_of("{s:s, s:s, s:s, s:b}", "issuer", "https://other.example", "sub", "s9", "email",
				"dan@example.org", "email_verified", 1),
			ERR_OK),
		id);
	json_decref(comes(w, "s9", "eve@example.org", true, false, ERR_DENIED)); /* that is of the other */
	json_decref(comes(w, "s4", "new@example.org", true, false, ERR_DENIED)); /* one identity at a time */
}

static void disabled_people_stay_out(void **state)
{
	struct world *w = *state;
	char id[ID_TEXT];

	person_made(w, "bob@example.org", "member", id);
	is_person(w, comes(w, "s1", "bob@example.org", true, false, ERR_OK), id);
	did(w, &w->local, "person.disable", args_of("{s:s}", "person", id), ERR_OK);
	json_decref(comes(w, "s1", "bob@example.org", true, true, ERR_DENIED));
	assert_true(audited(w, "denied") > 0);
	person_made(w, "dan@example.org", "member", id);
	did(w, &w->local, "person.disable", args_of("{s:s}", "person", id), ERR_OK);
	json_decref(comes(w, "s2", "dan@example.org", true, true, ERR_DENIED));
	did(w, &w->local, "person.enable", args_of("{s:s}", "person", id), ERR_OK);
	is_person(w, comes(w, "s2", "dan@example.org", true, false, ERR_OK), id);
	did(w, &w->local, "person.delete", args_of("{s:s}", "person", id), ERR_OK);
	json_decref(comes(w, "s2", "dan@example.org", true, false, ERR_DENIED));
}

static void one_that_has_a_password_can_be_unlinked(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	char id[ID_TEXT], other[ID_TEXT];

	person_made(w, "bob@example.org", "member", id);
	json_t *result = comes(w, "s1", "bob@example.org", true, false, ERR_OK);
	struct caller bob = caller_of(w, result);
	json_decref(result);
	result = comes(w, "s1", "bob@example.org", true, false, ERR_OK);
	struct caller elsewhere = caller_of(w, result);
	json_decref(result);
	cleanup_json json_t *linked = accounts_identity(w->accounts, id, &e);
	assert_string_equal(json_str(linked, "sub"), "s1");
	did(w, &bob, "oidc.unlink", json_object(), ERR_OK);
	assert_true(accounts_alive(w->accounts, &bob));
	assert_false(accounts_alive(w->accounts, &elsewhere));
	cleanup_json json_t *none = accounts_identity(w->accounts, id, &e);
	assert_false(json_bool(none, "linked", true));
	assert_null(json_get(none, "sub"));
	json_decref(comes(w, "s1", "bob@example.org", false, false, ERR_DENIED)); /* known no more */
	did(w, &bob, "oidc.unlink", json_object(), ERR_NOT_FOUND);
	assert_int_equal(audited(w, "oidc.unlink"), 1);
	/* Nobody else's, but by an administrator. */
	person_made(w, "eve@example.org", "member", other);
	json_decref(comes(w, "s2", "eve@example.org", true, false, ERR_OK));
	did(w, &bob, "oidc.unlink", args_of("{s:s}", "person", other), ERR_NOT_FOUND);
	did(w, &w->local, "oidc.unlink", args_of("{s:s}", "person", other), ERR_OK);
	json_decref(comes(w, "s2", "eve@example.org", false, false, ERR_DENIED));
}

static void the_only_way_in_stays(void **state)
{
	struct world *w = *state;
	json_t *result = comes(w, "s1", "new@example.org", true, true, ERR_OK);
	struct caller her = caller_of(w, result);

	json_decref(result);
	did(w, &her, "oidc.unlink", json_object(), ERR_CONFLICT);
	is_person(w, comes(w, "s1", "new@example.org", true, false, ERR_OK), her.person);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		T(an_account_is_made_where_that_is_allowed),
		T(nobody_knows_a_password),
		T(an_address_joins_only_what_both_have_verified),
		T(disabled_people_stay_out),
		T(one_that_has_a_password_can_be_unlinked),
		T(the_only_way_in_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
