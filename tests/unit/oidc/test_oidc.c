/* Logins at a provider of the test's own, on the same loop: what is asked of it and how often, and what it may say. */
#include "unit.h"

#include <jose/jose.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/caps.h"
#include "base/fault.h"
#include "base/mem.h"
#include "http/reply.h"
#include "oidc/oidc.h"

#define REDIRECT "https://house.example/back"

static struct loop *loop;
static struct server server;
static bool closed;
static struct oidc *oidc;
static struct err e;
static char issuer[64];
static const uint8_t key[KEY_SIZE] = "a key of thirty-two bytes, right";
static json_t *first, *second; /* keys of the provider */

/* What it answers, by path; a text of NULL is 404. */
enum { ABOUT, TOKEN, KEYS, PERSON, PATHS };
static const char *const paths[PATHS] = {"/.well-known/openid-configuration", "/token", "/keys", "/person"};
static char *answers[PATHS];
static int asked[PATHS], status;
static char form[4096], authorization[1024], proof[1024];
static bool holds; /* it does not answer, but keeps the request: */
static struct server_request *held;

static void collected(struct server_request *r, const struct err *why)
{
	(void)why;
	snprintf(proof, sizeof(proof), "%s", authorization);
	snprintf(form, sizeof(form), "%.*s", (int)r->body.n, r->body.n ? r->body.p : "");
	if (answers[TOKEN])
		reply_json(r, status, span_of(answers[TOKEN]));
	else
		reply_bytes(r, 404, NULL, SPAN_NONE);
}

static void handle(struct server_request *r, void *ctx)
{
	const char *by = request_header(r, "authorization");
	int at = 0;
	(void)ctx;
	while (at < PATHS && strcmp(paths[at], r->path) != 0)
		at++;
	if (at == PATHS)
		fail_msg("asked for %s", r->path);
	asked[at]++;
	snprintf(authorization, sizeof(authorization), "%s", by ? by : "");
	if (holds)
		held = r;
	else if (at == TOKEN)
		request_collect(r, 4096, collected);
	else if (status == 302 && reply_header(r, "Location", "/elsewhere", &e) == 0)
		reply_bytes(r, 302, NULL, SPAN_NONE);
	else if (answers[at])
		reply_json(r, 200, span_of(answers[at]));
	else
		reply_bytes(r, 404, NULL, SPAN_NONE);
}

static void says(int at, char *text)
{
	mem_free(answers[at]);
	answers[at] = text;
}

/* Its description with one member changed (text: JSON; NULL: gone). */
static void about_with(const char *name, const char *text)
{
	cleanup_json json_t *about = json_pack("{s:s, s:s+, s:s+, s:s+}", "issuer", issuer, "authorization_endpoint",
		issuer, "/login?a=b", "token_endpoint", issuer, "/token", "jwks_uri", issuer, "/keys");
	if (text)
		json_object_set_new(about, name, json_loads(text, JSON_DECODE_ANY, NULL));
	else if (name)
		json_object_del(about, name);
	says(ABOUT, json_text(about));
}

static void keys_are(const json_t *one)
{
	json_t *open = json_deep_copy(one);
	cleanup_json json_t *set = json_pack("{s:[o]}", "keys", open);
	assert_true(jose_jwk_pub(NULL, open));
	says(KEYS, json_text(set));
}

/* It will give a token of these claims beside the usual ones, signed with this key. */
static void token_is(const struct attempt *a, const json_t *by, const char *more)
{
	int64_t now = clock_wall(loop_clock(loop)) / 1000000;
	cleanup_json json_t *claims = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", issuer, "aud", "house", "sub",
		"s1", "nonce", a->nonce, "iat", (json_int_t)now, "exp", (json_int_t)now + 60);
	cleanup_json json_t *with = json_loads(more, 0, NULL);
	cleanup_buf struct buf text = BUF_INIT(9999), coded = BUF_INIT(9999);
	json_object_update(claims, with);
	json_print(claims, &text);
	base64_add(&coded, BASE64_URL, buf_span(&text));
	cleanup_json json_t *jws = json_pack("{s:s}", "payload", coded.data);
	cleanup_json json_t *sig = json_pack("{s:{s:s, s:s}}", "protected", "alg", "ES256", "kid", json_str(by, "kid"));
	assert_true(jose_jws_sig(NULL, jws, sig, by));
	says(TOKEN, mem_printf("{\"access_token\":\"at\",\"token_type\":\"Bearer\",\"id_token\":\"%s.%s.%s\"}",
			    json_str(jws, "protected"), json_str(jws, "payload"), json_str(jws, "signature")));
}

/* ---- a login ---- */

static int ended;
static struct err outcome;
static json_t *who;
static char url[2000];

static void on_end(struct oidc_login *l, const struct err *why)
{
	outcome = *why;
	ended++;
	snprintf(url, sizeof(url), "%s", l->url ? l->url : "");
	json_decref(who);
	who = json_incref(l->who);
}

static void step(const struct attempt *a, const char *code, enum err_code want)
{
	struct oidc_login l = {.attempt = a, .redirect = REDIRECT, .code = code, .cb = on_end};
	ended = 0;
	must(oidc_start(oidc, &l, &e), &e);
	assert_int_equal(ended, 0); /* never from inside */
	while (!ended)
		loop_turn(loop, 5000);
	if (outcome.code != want)
		fail_msg("%s: %s, wanted %s", err_name(outcome.code), outcome.text, err_name(want));
}

static void open_with(const char *secret)
{
	struct oidc_options o = {.loop = loop, .issuer = issuer, .client = "house", .secret = secret, .key = key};
	oidc_close(oidc);
	oidc = oidc_open(&o, &e);
	if (!oidc)
		fail_msg("%s", e.text);
	memset(asked, 0, sizeof(asked));
}

static void on_closed(struct server *s)
{
	(void)s;
	closed = true;
}

static int setup(void **state)
{
	int port = 0;
	(void)state;
	loop = loop_new(&e);
	server_init(&server, loop, handle, NULL);
	must(server_tcp(&server, "127.0.0.1", &port, &e), &e);
	snprintf(issuer, sizeof(issuer), "http://127.0.0.1:%d", port);
	status = 200;
	holds = closed = false;
	about_with(NULL, NULL);
	keys_are(first);
	says(PERSON, NULL);
	open_with("a secret: 100%");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	oidc_close(oidc);
	oidc = NULL;
	server_close(&server, on_closed);
	while (!closed)
		loop_turn(loop, 5000);
	for (int i = 0; i < PATHS; i++)
		says(i, NULL);
	json_decref(who);
	who = NULL;
	loop_free(loop);
	return 0;
}

#define FULL "{\"name\":\"Bob\",\"email\":\"bob@example.org\",\"email_verified\":true}"

static void a_login_asks_only_for_what_is_not_known(void **state)
{
	struct attempt a;
	char expected[1000];
	(void)state;
	oidc_attempt_new(oidc, &a);
	step(&a, NULL, ERR_OK);
	snprintf(expected, sizeof(expected),
		"%s/login?a=b&response_type=code&client_id=house&redirect_uri=https%%3A%%2F%%2Fhouse.example%%2Fback&"
		"scope=openid%%20profile%%20email&state=%s&nonce=%s&code_challenge=%s&code_challenge_method=S256",
		issuer, a.state, a.nonce, a.challenge);
	assert_string_equal(url, expected);
	token_is(&a, first, FULL);
	step(&a, "the code&", ERR_OK);
	assert_string_equal(json_str(who, "sub"), "s1");
	assert_string_equal(json_str(who, "issuer"), issuer);
	assert_string_equal(json_str(who, "name"), "Bob");
	assert_true(json_bool(who, "email_verified", false));
	snprintf(expected, sizeof(expected),
		"grant_type=authorization_code&code=the%%20code%%26&redirect_uri=https%%3A%%2F%%2Fhouse.example%%"
		"2Fback&"
		"code_verifier=%s",
		a.verifier);
	assert_string_equal(form, expected);
	step(&a, "another", ERR_OK);
	assert_int_equal(asked[ABOUT], 1);
	assert_int_equal(asked[KEYS], 1);
	assert_int_equal(asked[TOKEN], 2);
	assert_int_equal(asked[PERSON], 0);
}

static void a_new_key_is_asked_for_once(void **state)
{
	struct attempt a;
	(void)state;
	oidc_attempt_new(oidc, &a);
	token_is(&a, first, FULL);
	step(&a, "c", ERR_OK);
	keys_are(second);
	token_is(&a, second, FULL);
	step(&a, "c", ERR_OK);
	assert_int_equal(asked[KEYS], 2);
	token_is(&a, first, FULL);
	step(&a, "c", ERR_UNAUTHENTICATED);
	assert_int_equal(asked[KEYS], 3);
	assert_null(who);
}

static void how_a_client_says_who_it_is(void **state)
{
	struct attempt a;
	(void)state;
	oidc_attempt_new(oidc, &a);
	token_is(&a, first, FULL);
	step(&a, "c", ERR_OK);
	about_with("token_endpoint_auth_methods_supported", "[\"client_secret_post\",\"client_secret_basic\"]");
	open_with("a secret: 100%");
	says(KEYS, NULL);
	step(&a, "c", ERR_NETWORK);
	keys_are(first);
	assert_string_equal(proof, "Basic aG91c2U6YSUyMHNlY3JldCUzQSUyMDEwMCUyNQ==");
	assert_string_equal(authorization, ""); /* it is not for the keys */
	assert_null(strstr(form, "secret"));
	about_with("token_endpoint_auth_methods_supported", "[\"client_secret_post\"]");
	open_with("a secret: 100%");
	step(&a, "c", ERR_OK);
	assert_non_null(strstr(form, "&client_id=house&client_secret=a%20secret%3A%20100%25"));
	assert_string_equal(proof, "");
	open_with(NULL);
	step(&a, "c", ERR_OK);
	assert_non_null(strstr(form, "&client_id=house"));
	assert_null(strstr(form, "secret"));
}

static void names_and_addresses_may_be_asked_for(void **state)
{
	struct attempt a;
	(void)state;
	about_with("userinfo_endpoint", NULL);
	cleanup_json json_t *about = json_loads(answers[ABOUT], 0, NULL);
	json_object_set_new(about, "userinfo_endpoint", json_sprintf("%s/person", issuer));
	says(ABOUT, json_text(about));
	oidc_attempt_new(oidc, &a);
	token_is(&a, first, "{\"email_verified\":true}");
	says(PERSON, mem_strdup("{\"sub\":\"s1\",\"preferred_username\":\"bob\",\"email\":\"bob@example.org\"}"));
	step(&a, "c", ERR_OK);
	assert_string_equal(authorization, "Bearer at");
	assert_string_equal(json_str(who, "email"), "bob@example.org");
	assert_string_equal(json_str(who, "name"), "bob");
	assert_false(json_bool(who, "email_verified", true)); /* that was said of no address */
	says(PERSON, mem_strdup("{\"sub\":\"s2\",\"email\":\"eve@example.org\",\"email_verified\":true}"));
	step(&a, "c", ERR_UNAUTHENTICATED);
	says(PERSON, mem_strdup("{\"email\":\"eve@example.org\",\"email_verified\":true}"));
	step(&a, "c", ERR_UNAUTHENTICATED);
	says(PERSON, NULL);
	step(&a, "c", ERR_NETWORK);
	token_is(&a, first, FULL);
	step(&a, "c", ERR_OK);
}

static void what_a_provider_may_not_say(void **state)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{"issuer", "\"https://login.example\""},
		{"issuer", NULL},
		{"issuer", "7"},
		{"authorization_endpoint", NULL},
		{"authorization_endpoint", "\"javascript:alert(1)\""},
		{"token_endpoint", "\"http://10.0.0.1/token\""},
		{"jwks_uri", "[]"},
		{"userinfo_endpoint", "\"http://login.example/\""},
	};
	struct attempt a;
	(void)state;
	oidc_attempt_new(oidc, &a);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		about_with(rows[i].name, rows[i].text);
		step(&a, NULL, ERR_NETWORK);
		assert_string_equal(url, "");
	}
	static const char *const texts[] = {"", "{", "[]", "7", "{\"issuer\":1,\"issuer\":2}"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		says(ABOUT, mem_strdup(texts[i]));
		step(&a, NULL, ERR_NETWORK);
	}
	says(ABOUT, mem_printf("{\"a\":\"%*s\"}", (int)CAP_OIDC_ANSWER, "x"));
	step(&a, NULL, ERR_NETWORK);
	status = 302; /* not followed */
	step(&a, NULL, ERR_NETWORK);
	status = 200;
	about_with(NULL, NULL);
	static const char *const tokens[] = {"{}", "{\"id_token\":7}", "{\"id_token\":\"a.b.c\"}", "no"};
	for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
		says(TOKEN, mem_strdup(tokens[i]));
		step(&a, "c", i == 2 ? ERR_UNAUTHENTICATED : ERR_NETWORK);
	}
	says(TOKEN, mem_printf("{\"id_token\":\"%*s\"}", (int)CAP_OIDC_TOKEN + 1, "x"));
	step(&a, "c", ERR_NETWORK);
	token_is(&a, first, FULL);
	open_with(NULL);
	says(KEYS, mem_strdup("{\"keys\":{}}"));
	step(&a, "c", ERR_NETWORK);
	status = 400;
	says(TOKEN, mem_strdup("{\"error\":\"invalid_grant\"}"));
	step(&a, "c", ERR_UNAUTHENTICATED);
	says(TOKEN, mem_strdup("{\"error\":\"invalid_client\"}"));
	step(&a, "c", ERR_NETWORK);
	assert_non_null(strstr(outcome.text, "oidc.client_id"));
	status = 500;
	step(&a, "c", ERR_NETWORK);
}

static void a_stop_ends_what_is_under_way(void **state)
{
	struct oidc_login all[CAP_OIDC_LOGINS + 1];
	struct attempt a;
	(void)state;
	oidc_attempt_new(oidc, &a);
	for (size_t i = 0; i <= CAP_OIDC_LOGINS; i++) {
		all[i] = (struct oidc_login){.attempt = &a, .redirect = REDIRECT, .cb = on_end};
		assert_int_equal(oidc_start(oidc, &all[i], &e), i < CAP_OIDC_LOGINS ? 0 : -1);
	}
	assert_int_equal(e.code, ERR_OVERLOADED);
	err_clear(&e);
	ended = 0;
	while (ended < CAP_OIDC_LOGINS)
		loop_turn(loop, 5000);
	assert_int_equal(outcome.code, ERR_OK);
	open_with(NULL);
	holds = true;
	held = NULL;
	ended = 0;
	must(oidc_start(oidc, &all[0], &e), &e);
	while (!held)
		loop_turn(loop, 5000);
	must(oidc_start(oidc, &all[1], &e), &e);
	oidc_stop(oidc);
	must(oidc_start(oidc, &all[2], &e), &e);
	while (ended < 3)
		loop_turn(loop, 5000);
	assert_int_equal(outcome.code, ERR_CANCELLED);
	reply_bytes(held, 404, NULL, SPAN_NONE);
}

/* One allocation after the other fails, of ours and of what libjose takes from jansson: a login ends all the same. */
static void a_login_without_memory_ends(void **state)
{
	static const enum fault_kind kinds[] = {FAULT_ALLOC, FAULT_NET};
	struct attempt a;
	int failed = 0;
	(void)state;
	oidc_attempt_new(oidc, &a);
	token_is(&a, first, FULL);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
		for (uint64_t n = 1;; n++) {
			struct oidc_login l = {.attempt = &a, .redirect = REDIRECT, .code = "c", .cb = on_end};
			open_with("a secret");
			ended = 0;
			fault_arm(kinds[k], n, false);
			int rc = oidc_start(oidc, &l, &e);
			while (rc == 0 && !ended)
				loop_turn(loop, 5000);
			bool through = fault_seen() < n;
			fault_disarm();
			err_clear(&e);
			failed += rc || outcome.code != ERR_OK;
			if (through) {
				assert_int_equal(outcome.code, ERR_OK);
				break;
			}
			assert_true(rc || outcome.code == ERR_OK || !who);
		}
	assert_true(failed > 20);
}

static void options_are_checked(void **state)
{
	struct oidc_options o = {.loop = loop, .client = "house", .key = key};
	static const char *const bad[] = {
		"", "login.example", "http://login.example", "https://login.example/?a", "https://a@b/"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		o.issuer = bad[i];
		assert_null(oidc_open(&o, &e));
		assert_int_equal(e.code, ERR_INVALID);
		err_clear(&e);
	}
	o.issuer = "https://login.example/";
	o.client = "";
	assert_null(oidc_open(&o, &e));
	assert_non_null(strstr(e.text, "oidc.client_id"));
	err_clear(&e);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_login_asks_only_for_what_is_not_known),
		T(a_new_key_is_asked_for_once),
		T(how_a_client_says_who_it_is),
		T(names_and_addresses_may_be_asked_for),
		T(what_a_provider_may_not_say),
		T(a_stop_ends_what_is_under_way),
		T(a_login_without_memory_ends),
		T(options_are_checked),
	};
	json_setup();
	must(crypt_setup(&e), &e);
	first = json_pack("{s:s, s:s}", "alg", "ES256", "kid", "1");
	second = json_pack("{s:s, s:s}", "alg", "ES256", "kid", "2");
	assert_true(jose_jwk_gen(NULL, first) && jose_jwk_gen(NULL, second));
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(first);
	json_decref(second);
	return failed;
}
