/* Invitations and links: whose rights they carry, who may see them, and which address they prove. */
#include "world.h"

static json_t *accept_args(const json_t *invite, const char *email)
{
	return args_of("{s:s, s:s, s:s, s:s}", "token", json_str(invite, "token"), "name", "Zoe", "email", email,
		"password", GOOD);
}

/* Whoever may no longer give what they gave has not given it. */
static void invitations_fall_with_the_rights_of_their_giver(void **state)
{
	struct world *w = *state;
	char bob_id[ID_TEXT], eve_id[ID_TEXT];
	json_t *admin, *member, *project, *local;
	struct caller bob, eve;

	person_made(w, "bob@example.org", "admin", bob_id);
	person_made(w, "eve@example.org", "member", eve_id);
	bob = sign_in(w, "bob@example.org", GOOD);
	eve = sign_in(w, "eve@example.org", GOOD);
	did(w, &w->ada, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", eve_id, "role", "admin"),
		ERR_OK);
	admin = act(w, &bob, "invite.create", args_of("{s:s}", "role", "admin"), ERR_OK);
	member = act(w, &bob, "invite.create", args_of("{s:s}", "role", "member"), ERR_OK);
	project = act(w, &eve, "invite.create", args_of("{s:s, s:s}", "project", "p", "project_role", "admin"), ERR_OK);
	local = act(w, &w->local, "invite.create", args_of("{s:s}", "role", "owner"), ERR_OK);
	did(w, &w->ada, "person.role", args_of("{s:s, s:s}", "person", bob_id, "role", "member"), ERR_OK);
	did(w, &w->nobody, "invite.accept", accept_args(admin, "z1@example.org"), ERR_INVALID);
	did(w, &w->nobody, "invite.accept", accept_args(member, "z1@example.org"), ERR_INVALID);
	did(w, &w->ada, "person.role", args_of("{s:s, s:s}", "person", bob_id, "role", "admin"), ERR_OK);
	did(w, &w->nobody, "invite.accept", accept_args(member, "z1@example.org"), ERR_OK);
	did(w, &w->ada, "person.disable", args_of("{s:s}", "person", bob_id), ERR_OK);
	did(w, &w->nobody, "invite.accept", accept_args(admin, "z2@example.org"), ERR_INVALID);
	did(w, &w->ada, "person.delete", args_of("{s:s}", "person", bob_id), ERR_OK);
	did(w, &w->nobody, "invite.accept", accept_args(admin, "z2@example.org"), ERR_INVALID);
	did(w, &w->ada, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", eve_id, "role", "member"),
		ERR_OK);
	did(w, &w->nobody, "invite.accept", accept_args(project, "z2@example.org"), ERR_INVALID);
	did(w, &w->ada, "invite.join", args_of("{s:s}", "token", json_str(project, "token")), ERR_INVALID);
	did(w, &w->ada, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", eve_id, "role", "admin"),
		ERR_OK);
	did(w, &w->nobody, "invite.accept", accept_args(project, "z2@example.org"), ERR_OK);
	did(w, &w->nobody, "invite.accept", accept_args(local, "z3@example.org"), ERR_OK);
	json_decref(admin);
	json_decref(member);
	json_decref(project);
	json_decref(local);
}

/* Whoever gave an address that nobody wrote to proves it before they are in, however they came. */
static void an_invitation_without_an_address_verifies_none(void **state)
{
	struct world *w = *state;
	json_t *early = act(w, &w->ada, "invite.create", args_of("{}"), ERR_OK),
	       *open = act(w, &w->ada, "invite.create", args_of("{}"), ERR_OK),
	       *bound = act(w, &w->ada, "invite.create", args_of("{s:s}", "email", "z3@example.org"), ERR_OK), *result;
	char token[TOKEN_TEXT];
	int mails;

	did(w, &w->nobody, "invite.accept", accept_args(early, "z1@example.org"), ERR_OK);
	sign_in(w, "z1@example.org", GOOD);
	did(w, &w->ada, "settings.change", args_of("{s:b}", "verify_email", 1), ERR_OK);
	result = act(w, &w->nobody, "invite.accept", accept_args(open, "z2@example.org"), ERR_OK);
	assert_int_equal(json_object_size(result), 1);
	assert_true(json_bool(result, "pending", false));
	json_decref(result);
	assert_string_equal(w->mail_kind, "verify");
	assert_string_equal(w->mail_to, "z2@example.org");
	mails = w->mail_count;
	did(w, &w->nobody, "login", args_of("{s:s, s:s}", "email", "z2@example.org", "password", GOOD), ERR_DENIED);
	assert_int_equal(w->mail_count, mails); /* the first one still counts */
	did(w, &w->nobody, "email.verify", args_of("{s:s}", "token", w->mail_token), ERR_OK);
	sign_in(w, "z2@example.org", GOOD);
	/* from before: the link is sent when it is needed, once */
	for (int i = 0; i < 2; i++)
		did(w, &w->nobody, "login", args_of("{s:s, s:s}", "email", "z1@example.org", "password", GOOD),
			ERR_DENIED);
	assert_int_equal(w->mail_count, mails + 1);
	assert_string_equal(w->mail_to, "z1@example.org");
	strcpy(token, w->mail_token);
	wait_us(w, (int64_t)4 * 86400 * 1000000);
	did(w, &w->nobody, "email.verify", args_of("{s:s}", "token", token), ERR_INVALID);
	did(w, &w->nobody, "login", args_of("{s:s, s:s}", "email", "z1@example.org", "password", GOOD), ERR_DENIED);
	did(w, &w->nobody, "email.verify", args_of("{s:s}", "token", w->mail_token), ERR_OK);
	sign_in(w, "z1@example.org", GOOD);
	result = act(w, &w->nobody, "invite.accept", accept_args(bound, "z3@example.org"), ERR_OK);
	assert_int_equal(caller_of(w, result).role, ROLE_MEMBER);
	json_decref(result);
	json_decref(early);
	json_decref(open);
	json_decref(bound);
}

static size_t links_for(struct world *w, const struct caller *c)
{
	struct err e = ERR_INIT;
	json_t *links = accounts_links(w->accounts, c, &e);
	size_t n = json_array_size(links);

	assert_non_null(links);
	json_decref(links);
	return n;
}

/* With an owner's link, an administrator would be the owner. */
static void nobody_sees_a_link_of_somebody_above(void **state)
{
	struct world *w = *state;
	char bob_id[ID_TEXT], eve_id[ID_TEXT];
	struct caller bob;

	w->mails = false;
	person_made(w, "bob@example.org", "admin", bob_id);
	person_made(w, "eve@example.org", "member", eve_id);
	bob = sign_in(w, "bob@example.org", GOOD);
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "ada@example.org"), ERR_OK);
	did(w, &w->ada, "invite.create", args_of("{s:s, s:s}", "role", "owner", "email", "x@example.org"), ERR_OK);
	assert_int_equal(links_for(w, &bob), 0);
	assert_int_equal(links_for(w, &w->local), 2);
	did(w, &w->ada, "invite.create", args_of("{s:s, s:s}", "role", "admin", "email", "y@example.org"), ERR_OK);
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "eve@example.org"), ERR_OK);
	assert_int_equal(links_for(w, &bob), 2);
	assert_int_equal(links_for(w, &w->ada), 4);
	/* what she has become since counts, and what was used is no link any more */
	did(w, &w->ada, "person.role", args_of("{s:s, s:s}", "person", eve_id, "role", "owner"), ERR_OK);
	assert_int_equal(links_for(w, &bob), 1);
	did(w, &w->nobody, "password.forgot", args_of("{s:s}", "email", "ada@example.org"), ERR_OK);
	assert_int_equal(links_for(w, &w->ada), 4);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		T(invitations_fall_with_the_rights_of_their_giver),
		T(an_invitation_without_an_address_verifies_none),
		T(nobody_sees_a_link_of_somebody_above),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
