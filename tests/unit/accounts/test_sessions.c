/* Sessions and keys: tokens, their ends, revocation while something lasts, guessing, floods. */
#include "world.h"

#include <stdio.h>

#include "accounts/password.h"
#include "base/caps.h"

#define S ((int64_t)1000000)
#define LOGIN(mail, word) args_of("{s:s, s:s}", "email", mail, "password", word)

static json_t *refresh(struct world *w, const json_t *session, enum err_code want)
{
	return act(w, &w->nobody, "refresh", args_of("{s:s}", "refresh", json_str(session, "refresh")), want);
}

static void sessions_begin_and_end(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	json_t *a = act(w, &w->nobody, "login", LOGIN("Ada@example.ORG", GOOD), ERR_OK), *list;
	struct caller c = caller_of(w, a);

	assert_string_equal(c.person, w->ada_id);
	assert_string_equal(c.name, "Ada");
	assert_int_equal(c.scopes, SCOPES_ALL);
	list = accounts_sessions(w->accounts, w->ada_id, &e);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_str(json_array_get(list, 1), "address"), "192.0.2.1");
	assert_null(json_get(json_array_get(list, 1), "access"));
	json_decref(list);
	assert_false(token_is_good(w, ""));
	assert_false(token_is_good(w, "ms_"));
	assert_false(token_is_good(w, json_str(a, "refresh")));
	assert_false(token_is_good(w, "ms_0000000000000000000000000000000000000000000"));
	did(w, &c, "logout", args_of("{}"), ERR_OK);
	assert_false(token_is_good(w, json_str(a, "access")));
	assert_false(accounts_alive(w->accounts, &c));
	did(w, &c, "logout", args_of("{}"), ERR_UNAUTHENTICATED);
	json_decref(refresh(w, a, ERR_UNAUTHENTICATED));
	assert_true(accounts_alive(w->accounts, &w->ada));
	json_decref(a);
}

static void access_is_short_and_a_session_long(void **state)
{
	struct world *w = *state;
	json_t *a = act(w, &w->nobody, "login", LOGIN("ada@example.org", GOOD), ERR_OK), *b, *long_one;
	struct caller c = caller_of(w, a);

	wait_us(w, 3601 * S);
	assert_false(token_is_good(w, json_str(a, "access")));
	assert_true(accounts_alive(w->accounts, &c)); /* a stream that it opened goes on */
	b = refresh(w, a, ERR_OK);
	assert_true(token_is_good(w, json_str(b, "access")));
	assert_string_equal(json_str(b, "session"), json_str(a, "session"));
	assert_string_equal(json_str(b, "csrf"), json_str(a, "csrf"));
	long_one = act(w, &w->nobody, "login",
		args_of("{s:s, s:s, s:b}", "email", "ada@example.org", "password", GOOD, "remember", 1), ERR_OK);
	wait_us(w, 25 * 3600 * S);
	assert_false(accounts_alive(w->accounts, &c));
	json_decref(refresh(w, b, ERR_UNAUTHENTICATED));
	json_decref(a);
	a = refresh(w, long_one, ERR_OK);
	json_decref(b);
	json_decref(a);
	json_decref(long_one);
}

/* A refresh token used twice: whoever stole it, and whoever lost it, both have to sign in again. */
static void a_refresh_token_counts_once(void **state)
{
	struct world *w = *state;
	json_t *a = act(w, &w->nobody, "login", LOGIN("ada@example.org", GOOD), ERR_OK), *b = refresh(w, a, ERR_OK),
	       *audit;
	struct err e = ERR_INIT;
	char forged[2 * TOKEN_TEXT];

	assert_false(token_is_good(w, json_str(a, "access")));
	assert_true(token_is_good(w, json_str(b, "access")));
	world_close(w);
	world_open(w); /* what was spent is known after a restart too */
	assert_true(token_is_good(w, json_str(b, "access")));
	snprintf(forged, sizeof forged, "mr_0000000000000000000000000000000000000000000.%s",
		strchr(json_str(b, "refresh"), '.') + 1);
	did(w, &w->nobody, "refresh", args_of("{s:s}", "refresh", forged), ERR_UNAUTHENTICATED);
	did(w, &w->nobody, "refresh", args_of("{s:s}", "refresh", ""), ERR_UNAUTHENTICATED);
	did(w, &w->nobody, "refresh", args_of("{s:n}", "refresh"), ERR_UNAUTHENTICATED);
	did(w, &w->nobody, "refresh", args_of("{}"), ERR_UNAUTHENTICATED);
	assert_true(token_is_good(w, json_str(b, "access")));
	json_decref(refresh(w, a, ERR_UNAUTHENTICATED));
	assert_false(token_is_good(w, json_str(b, "access")));
	json_decref(refresh(w, b, ERR_UNAUTHENTICATED));
	audit = store_audit(w->store, &(struct audit_query){.what = "refresh.reused", .limit = 9}, &e);
	assert_int_equal(json_array_size(audit), 1);
	assert_string_equal(json_str(json_array_get(audit, 0), "who"), w->ada_id);
	json_decref(audit);
	json_decref(a);
	json_decref(b);
}

struct watcher {
	struct accounts_watch watch;
	struct world *world;
	struct caller c;
	int told, closed;
};

static void on_watch(struct accounts_watch *watch, const char *person)
{
	struct watcher *v = container_of(watch, struct watcher, watch);

	assert_true(strlen(person) > 0);
	v->told++;
	if (!accounts_alive(v->world->accounts, &v->c)) {
		v->closed++;
		accounts_unwatch(&v->watch);
	}
}

/* Row 9: each of these ends what lasts, at once. */
static void what_lasts_is_closed(void **state)
{
	struct world *w = *state;
	char id[ID_TEXT];
	struct err e = ERR_INIT;

	person_made(w, "bob@example.org", "member", id);
	for (int way = 0; way < 7; way++) {
		struct watcher watchers[2] = {{.world = w}, {.world = w}};
		struct caller bob = sign_in(w, "bob@example.org", way > 3 ? "another plain one" : GOOD);
		json_t *key =
			act(w, &bob, "key.create", args_of("{s:s, s:[s]}", "name", "k", "scopes", "write"), ERR_OK);
		struct caller by_key;
		must(accounts_identify(w->accounts, json_span(key, "key"), &by_key, &e), &e);
		watchers[0].c = way == 5 ? by_key : bob;
		watchers[1].c = w->ada;
		for (int i = 0; i < 2; i++) {
			watchers[i].watch.cb = on_watch;
			accounts_watch(w->accounts, &watchers[i].watch);
		}
		sign_in(w, "ada@example.org", GOOD); /* which takes nothing from anybody */
		assert_int_equal(watchers[0].told, 0);
		if (way == 0)
			did(w, &bob, "logout", args_of("{}"), ERR_OK);
		else if (way == 1)
			did(w, &w->ada, "session.revoke", args_of("{s:s, s:s}", "person", id, "session", bob.token_id),
				ERR_OK);
		else if (way == 2)
			did(w, &bob, "session.revoke_all", args_of("{}"), ERR_OK);
		else if (way == 3) {
			struct caller second = sign_in(w, "bob@example.org", GOOD);
			did(w, &second, "password.change",
				args_of("{s:s, s:s}", "old", GOOD, "password", "another plain one"), ERR_OK);
			assert_true(accounts_alive(w->accounts, &second));
		} else if (way == 4)
			did(w, &w->ada, "person.disable", args_of("{s:s}", "person", id), ERR_OK);
		else if (way == 5)
			did(w, &bob, "key.revoke", args_of("{s:s}", "key", by_key.token_id), ERR_OK);
		else
			did(w, &w->ada, "person.delete", args_of("{s:s}", "person", id), ERR_OK);
		assert_int_equal(watchers[0].closed, 1);
		assert_int_equal(watchers[1].closed, 0);
		assert_true(watchers[1].told > 0);
		if (way == 4) {
			did(w, &w->nobody, "login", LOGIN("bob@example.org", "another plain one"), ERR_UNAUTHENTICATED);
			assert_false(token_is_good(w, json_str(key, "key")));
			did(w, &w->ada, "person.enable", args_of("{s:s}", "person", id), ERR_OK);
		}
		accounts_unwatch(&watchers[0].watch);
		accounts_unwatch(&watchers[1].watch);
		json_decref(key);
	}
}

static void keys_have_limits(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct caller reader, limited;
	json_t *a, *b, *list;
	int64_t soon = START_US + 1000 * S;

	a = act(w, &w->ada, "key.create", args_of("{s:s, s:[s]}", "name", "r", "scopes", "read"), ERR_OK);
	b = act(w, &w->ada, "key.create",
		args_of("{s:s, s:[s], s:I, s:s}", "name", "p", "scopes", "admin", "expires", (json_int_t)soon,
			"project", "p1"),
		ERR_OK);
	must(accounts_identify(w->accounts, json_span(a, "key"), &reader, &e), &e);
	must(accounts_identify(w->accounts, json_span(b, "key"), &limited, &e), &e);
	assert_int_equal(reader.scopes, SCOPE_READ);
	assert_int_equal(reader.kind, CALLER_KEY);
	assert_int_equal(limited.role, ROLE_NONE);
	assert_int_equal(accounts_project_role(w->accounts, &limited, "p1"), ROLE_OWNER);
	assert_int_equal(accounts_project_role(w->accounts, &limited, "p2"), ROLE_NONE);
	did(w, &reader, "person.change", args_of("{s:s}", "name", "x"), ERR_DENIED);
	did(w, &limited, "person.create", LOGIN("x@example.org", GOOD), ERR_DENIED);
	did(w, &limited, "key.create", args_of("{s:s, s:[s]}", "name", "x", "scopes", "admin"), ERR_DENIED);
	did(w, &w->ada, "key.create", args_of("{s:s, s:[s]}", "name", "x", "scopes", "root"), ERR_INVALID);
	did(w, &w->ada, "key.create", args_of("{s:s, s:[]}", "name", "x", "scopes"), ERR_INVALID);
	did(w, &w->ada, "key.create", args_of("{s:s, s:[s], s:i}", "name", "x", "scopes", "read", "expires", 7),
		ERR_INVALID);
	list = accounts_keys(w->accounts, w->ada_id, &e);
	assert_int_equal(json_array_size(list), 2);
	assert_null(json_get(json_array_get(list, 0), "hash"));
	json_decref(list);
	wait_us(w, soon + 1 - clock_wall(loop_clock(w->loop)));
	assert_false(accounts_alive(w->accounts, &limited));
	assert_false(token_is_good(w, json_str(b, "key")));
	assert_true(token_is_good(w, json_str(a, "key")));
	json_decref(a);
	json_decref(b);
}

static struct caller key_of(struct world *w, const struct caller *c, const char *scope, const char *project)
{
	struct err e = ERR_INIT;
	struct caller out;
	json_t *key = act(w, c, "key.create",
		args_of("{s:s, s:[s], s:s*}", "name", "k", "scopes", scope, "project", project), ERR_OK);

	must(accounts_identify(w->accounts, json_span(key, "key"), &out, &e), &e);
	json_decref(key);
	return out;
}

/* Others are an administrator's business, also when only a project is concerned; oneself is not. */
static void changing_others_needs_the_admin_scope(void **state)
{
	struct world *w = *state;
	struct caller writes = key_of(w, &w->ada, "write", NULL), bobs;
	char bob[ID_TEXT];
	json_t *invite = act(w, &w->ada, "invite.create", args_of("{s:s}", "project", "p"), ERR_OK);

	person_made(w, "bob@example.org", "member", bob);
	bobs = sign_in(w, "bob@example.org", GOOD);
	bobs = key_of(w, &bobs, "write", NULL);
	did(w, &w->ada, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", bob, "role", "viewer"),
		ERR_OK);
	did(w, &writes, "member.remove", args_of("{s:s, s:s}", "project", "p", "person", bob), ERR_DENIED);
	did(w, &writes, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", bob, "role", "member"),
		ERR_DENIED);
	did(w, &writes, "invite.revoke", args_of("{s:s}", "invite", json_str(invite, "id")), ERR_NOT_FOUND);
	did(w, &bobs, "member.remove", args_of("{s:s, s:s}", "project", "p", "person", bob), ERR_OK);
	did(w, &w->ada, "invite.revoke", args_of("{s:s}", "invite", json_str(invite, "id")), ERR_OK);
	json_decref(invite);
}

static void a_key_of_a_project_is_not_the_person(void **state)
{
	struct world *w = *state;
	struct caller limited = key_of(w, &w->ada, "admin", "p"), other = key_of(w, &w->ada, "read", NULL);

	did(w, &limited, "person.change", args_of("{s:s}", "name", "x"), ERR_DENIED);
	did(w, &limited, "session.revoke", args_of("{s:s}", "session", w->ada.token_id), ERR_DENIED);
	did(w, &limited, "session.revoke_all", args_of("{}"), ERR_DENIED);
	did(w, &limited, "key.revoke", args_of("{s:s}", "key", other.token_id), ERR_DENIED);
	assert_true(accounts_alive(w->accounts, &w->ada) && accounts_alive(w->accounts, &other));
	did(w, &limited, "member.set", args_of("{s:s, s:s, s:s}", "project", "p", "person", w->ada_id, "role", "owner"),
		ERR_OK);
	did(w, &limited, "invite.create", args_of("{s:s}", "project", "p"), ERR_OK);
	did(w, &limited, "member.remove", args_of("{s:s, s:s}", "project", "p", "person", w->ada_id), ERR_OK);
}

/* Row 7. Guessing becomes slow, for accounts that are there and that are not alike, and is never a lock. */
static void guessing_becomes_slow(void **state)
{
	struct world *w = *state;
	static const char *const mails[] = {"ada@example.org", "nobody@example.org"};

	for (int m = 0; m < 2; m++) {
		for (int i = 0; i < 20; i++)
			did(w, &w->nobody, "login", LOGIN(mails[m], "a wrong word"),
				i < 6 ? ERR_UNAUTHENTICATED : ERR_RATE_LIMITED);
		did(w, &w->nobody, "login", LOGIN(mails[m], GOOD), ERR_RATE_LIMITED);
	}
	wait_us(w, 61 * S);
	sign_in(w, "ada@example.org", GOOD);
	for (int i = 0; i < 5; i++)
		did(w, &w->nobody, "login", LOGIN("ada@example.org", "a wrong word"), ERR_UNAUTHENTICATED);
	sign_in(w, "ada@example.org", GOOD);
}

struct flood {
	struct account_op op;
	int ended;
	enum err_code code;
	char text[ERR_TEXT_MAX];
};

static void on_flood(struct account_op *op, const struct err *why)
{
	struct flood *f = container_of(op, struct flood, op);

	f->ended++;
	f->code = why->code;
	snprintf(f->text, sizeof f->text, "%s", why->text);
}

static int flood(struct world *w, struct flood *all, int count, const char *mail, const char *word)
{
	int begun = 0, ended = 0;

	memset(all, 0, (size_t)count * sizeof *all);
	for (int i = 0; i < count; i++) {
		struct err e = ERR_INIT;
		all[i].op = (struct account_op){.caller = w->nobody, .args = LOGIN(mail, word), .cb = on_flood};
		if (accounts_start(w->accounts, &all[i].op, "login", &e) == 0)
			begun++;
		else
			all[i].code = e.code;
	}
	for (int turn = 0; ended < begun && turn < 100000; turn++) {
		loop_turn(w->loop, 0);
		ended = 0;
		for (int i = 0; i < count; i++)
			ended += all[i].ended;
	}
	assert_int_equal(ended, begun);
	return begun;
}

static int freed;
static void on_freed(struct account_op *op, const struct err *why)
{
	assert_int_equal(why->code, ERR_OK);
	freed++;
	mem_free(op);
}

/* Row 8: two at once, the rest wait, and no more than a queue's length of them; all that began are served. */
static void a_flood_of_logins_is_served(void **state)
{
	struct world *w = *state;
	struct flood *all = mem_calloc(400, sizeof *all);
	int good = 0, begun;

	flood(w, all, 100, "ada@example.org", GOOD);
	for (int i = 0; i < 100; i++)
		assert_int_equal(all[i].code, ERR_OK);
	begun = flood(w, all, 400, "ada@example.org", GOOD);
	assert_true(begun >= PASSWORD_QUEUE && begun <= PASSWORD_QUEUE + PASSWORDS_AT_ONCE);
	for (int i = 0; i < 400; i++) {
		assert_true(all[i].code == ERR_OK || all[i].code == ERR_OVERLOADED);
		good += all[i].code == ERR_OK;
	}
	assert_int_equal(good, begun);
	begun = 0;
	for (int i = 0; i < 1200; i++) {
		struct account_op *op = MEM_NEW(struct account_op);
		struct err e = ERR_INIT;
		*op = (struct account_op){.caller = w->local,
			.args = args_of("{s:s, s:s}", "person", w->ada_id, "name", "Ada"),
			.cb = on_freed};
		if (accounts_start(w->accounts, op, "person.change", &e) == 0) {
			begun++;
			continue;
		}
		assert_int_equal(e.code, ERR_OVERLOADED);
		mem_free(op);
	}
	assert_int_equal(begun, CAP_ACCOUNT_OPS);
	while (freed < begun)
		loop_turn(w->loop, 0);
	/* guesses at once are no faster than one after the other, and say the same of everybody */
	for (int m = 0; m < 2; m++) {
		int wrong = 0;
		flood(w, all, 100, m ? "nobody@example.org" : "ada@example.org", "a wrong word");
		for (int i = 0; i < 100; i++) {
			assert_true(all[i].code == ERR_UNAUTHENTICATED || all[i].code == ERR_RATE_LIMITED);
			wrong += all[i].code == ERR_UNAUTHENTICATED;
		}
		assert_int_equal(wrong, 6);
		assert_string_equal(all[0].text, "the e-mail address or the password is wrong");
	}
	mem_free(all);
}

/* However many fail, the journal grows by at most so many events a minute, which say how many they stand for. */
static void a_flood_does_not_fill_the_journal(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	int64_t before = events(w), left_out = 0;
	json_t *audit;

	for (int i = 0; i < 1000; i++)
		accounts_note(w->accounts, &w->nobody, "denied", "project/x", "192.0.2.7");
	must(store_flush(w->store, &e), &e);
	assert_int_equal(events(w) - before, NOTE_RATE);
	wait_us(w, 60 * S);
	accounts_note(w->accounts, &w->nobody, "denied", "project/x", "192.0.2.7");
	audit = store_audit(w->store, &(struct audit_query){.what = "denied", .limit = 1}, &e);
	left_out = json_int(json_get(json_array_get(audit, 0), "detail"), "left_out", 0);
	assert_int_equal(left_out, 1000 - NOTE_RATE);
	json_decref(audit);
}

static void forms_need_the_sessions_token(void **state)
{
	struct world *w = *state;
	struct caller other = sign_in(w, "ada@example.org", GOOD);
	char csrf[HASH_HEX];

	accounts_csrf(w->accounts, &w->ada, csrf);
	assert_int_equal(strlen(csrf), HASH_HEX - 1);
	assert_true(accounts_csrf_is(w->accounts, &w->ada, span_of(csrf)));
	assert_false(accounts_csrf_is(w->accounts, &other, span_of(csrf)));
	assert_false(accounts_csrf_is(w->accounts, &w->ada, span_of("")));
	assert_false(accounts_csrf_is(w->accounts, &w->ada, SPAN_NONE));
	csrf[5] ^= 1;
	assert_false(accounts_csrf_is(w->accounts, &w->ada, span_of(csrf)));
}

/* An hour of use is one event, and a session that was revoked meanwhile does not come back through it. */
static void use_is_written_seldom(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	json_t *key = act(w, &w->ada, "key.create", args_of("{s:s, s:[s]}", "name", "k", "scopes", "read"), ERR_OK),
	       *list;
	struct caller c, gone = sign_in(w, "ada@example.org", GOOD);
	int64_t before, used;

	wait_us(w, 2 * 3600 * S);
	before = events(w);
	for (int i = 0; i < 1000; i++)
		must(accounts_identify(w->accounts, json_span(key, "key"), &c, &e), &e);
	used = clock_wall(loop_clock(w->loop));
	assert_int_equal(events(w), before);
	did(w, &w->local, "session.revoke", args_of("{s:s, s:s}", "person", w->ada_id, "session", gone.token_id),
		ERR_OK);
	wait_us(w, 3600 * S);
	assert_int_equal(events(w), before + 2);
	world_close(w);
	world_open(w);
	list = accounts_keys(w->accounts, w->ada_id, &e);
	assert_int_equal(json_int(json_array_get(list, 0), "used", 0), used);
	assert_false(accounts_alive(w->accounts, &gone));
	assert_true(accounts_alive(w->accounts, &w->ada));
	/* what is over is removed */
	wait_us(w, 100 * 3600 * S);
	json_decref(list);
	json_t *filter = args_of("{s:s}", "kind", "session");
	list = store_records(w->store, filter, &e);
	assert_int_equal(json_array_size(list), 0);
	json_decref(filter);
	json_decref(list);
	json_decref(key);
}

/* The hour may come while something commits: it must not write what was there before over it. */
static void the_hour_does_not_undo(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;

	for (int i = 0; i < 40; i++) {
		int64_t opened = clock_mono(loop_clock(w->loop));
		world_close(w);
		world_open(w);
		struct caller gone, ada = sign_in(w, "ada@example.org", GOOD);
		json_t *key =
			act(w, &ada, "key.create", args_of("{s:s, s:[s]}", "name", "k", "scopes", "read"), ERR_OK);
		must(accounts_identify(w->accounts, json_span(key, "key"), &gone, &e), &e);
		json_decref(key);
		struct flood others[6] = {{.ended = 0}}, f = {.ended = 0};
		wait_us(w, 3590 * S);
		clock_advance(
			(struct clock *)loop_clock(w->loop), opened + 3600 * S - 150 - clock_mono(loop_clock(w->loop)));
		for (int n = 0; n < 6; n++) {
			others[n].op = (struct account_op){
				.caller = w->nobody, .cb = on_flood, .args = LOGIN("ada@example.org", GOOD)};
			must(accounts_start(w->accounts, &others[n].op, "login", &e), &e);
		}
		f.op = (struct account_op){.caller = w->local,
			.cb = on_flood,
			.args = args_of("{s:s, s:s}", "person", w->ada_id, "key", gone.token_id)};
		must(accounts_start(w->accounts, &f.op, "key.revoke", &e), &e);
		bool ended = false;
		while (!ended) {
			clock_advance((struct clock *)loop_clock(w->loop), 100);
			loop_turn(w->loop, 0);
			ended = f.ended;
			for (int n = 0; n < 6; n++)
				ended &= others[n].ended;
		}
		assert_int_equal(f.code, ERR_OK);
		assert_false(accounts_alive(w->accounts, &gone));
		world_close(w);
		world_open(w);
		assert_false(accounts_alive(w->accounts, &gone));
	}
}

static void cancelled_ones_end_once(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct flood f[3] = {{.ended = 0}};
	int64_t before = events(w);

	for (int i = 0; i < 3; i++) {
		f[i].op = (struct account_op){.caller = w->ada,
			.cb = on_flood,
			.args = i ? args_of("{s:s}", "name", "New") : LOGIN("ada@example.org", GOOD)};
		must(accounts_start(w->accounts, &f[i].op, i ? "person.change" : "login", &e), &e);
	}
	accounts_cancel(&f[0].op);
	accounts_cancel(&f[1].op);
	for (int i = 0; i < 100; i++)
		loop_turn(w->loop, 0);
	assert_int_equal(f[0].ended + f[1].ended + f[2].ended, 3);
	assert_int_equal(f[0].code, ERR_CANCELLED);
	assert_int_equal(f[1].code, ERR_CANCELLED);
	assert_int_equal(f[2].code, ERR_OK);
	assert_int_equal(events(w), before + 1);
}

/* The real cost is what the header says, and a wrong password costs the same whether there is somebody or not: the same
 * parameters stand in both texts. */
static void passwords_cost_what_they_should(void **state)
{
	char text[PASSWORD_TEXT], *cost;
	struct err e = ERR_INIT;
	bool matches;

	(void)state;
	must(crypt_setup(&e), &e);
	must(password_hash(text, span_of(GOOD), PASSWORD_KIB, &e), &e);
	cost = mem_printf("$argon2id$v=19$m=%u,t=2,p=1$", PASSWORD_KIB);
	assert_int_equal(strncmp(text, cost, strlen(cost)), 0);
	assert_true(PASSWORD_KIB >= 46 * 1024);
	must(password_check(text, span_of(GOOD), &matches, &e), &e);
	assert_true(matches);
	must(password_check(text, span_of(GOOD "!"), &matches, &e), &e);
	assert_false(matches);
	mem_free(cost);
	cost = mem_printf(
		"$argon2id$v=19$m=%u,t=2,p=1$bm9ib2R5IGlzIGhlcmU$bm9ib2R5IGlzIGhlcmUsIG5vYm9keSBpcyBoZXJlISE", 64);
	must(password_check(cost, span_of(GOOD), &matches, &e), &e);
	assert_false(matches);
	mem_free(cost);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		T(sessions_begin_and_end),
		T(access_is_short_and_a_session_long),
		T(a_refresh_token_counts_once),
		T(what_lasts_is_closed),
		T(keys_have_limits),
		T(changing_others_needs_the_admin_scope),
		T(a_key_of_a_project_is_not_the_person),
		T(guessing_becomes_slow),
		T(a_flood_of_logins_is_served),
		T(a_flood_does_not_fill_the_journal),
		T(forms_need_the_sessions_token),
		T(use_is_written_seldom),
		T(the_hour_does_not_undo),
		T(cancelled_ones_end_once),
		cmocka_unit_test(passwords_cost_what_they_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
