/* oidc: see oidc.h.
 *
 *   first step:  LEARNS ─▶ url
 *   second step: LEARNS ─▶ TRADES ─code for tokens─▶ KEYS ─token is good─▶ ASKS ─name and address─▶ who
 *                                                     ▲ └──a key that is not known, once
 *                                                     └─────┘
 * A step whose result is there already is left out: what the provider says of itself and its keys for an hour, name and
 * address when they stand in the token. */
#include "oidc/oidc.h"

#include "base/base64.h"
#include "base/caps.h"
#include "base/mem.h"
#include "http/url.h"
#include "oidc/token.h"
#include "oidc/url.h"

#define SECOND ((int64_t)1000000)
#define FRESH_US (3600 * SECOND)
#define WELL_KNOWN "/.well-known/openid-configuration"

struct oidc {
	struct loop *loop;
	struct http *http;
	const char *issuer, *client, *secret;
	uint8_t key[KEY_SIZE];
	char *about_url;
	json_t *about, *keys;	   /* caches; NULL: not known yet */
	int64_t about_at, keys_at; /* of the steady clock, from which they count */
	struct list logins;
	int count;
	bool stopped;
};

static int64_t steady(const struct oidc *o)
{
	return clock_mono(loop_clock(o->loop));
}

static int64_t wall_s(const struct oidc *o)
{
	return clock_wall(loop_clock(o->loop)) / SECOND;
}

static bool fresh(const struct oidc *o, const json_t *what, int64_t at)
{
	return what && steady(o) - at < FRESH_US;
}

/* ---- the end of a login ---- */

static void end(struct oidc_login *l, const struct err *why)
{
	list_remove(&l->link);
	tick_stop(&l->begin);
	l->oidc->count--;
	json_t *claims = l->claims, *who = l->who;
	struct buf kept[] = {l->form, l->authorization, l->answer, l->token, l->access};
	l->cb(l, why); /* may free it */
	json_decref(claims);
	json_decref(who);
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		crypt_wipe(kept[i].data, kept[i].len);
		buf_release(&kept[i]);
	}
}

static void advance(struct oidc_login *l);

static int refused(struct err *e, const char *what)
{
	return err_set(e, ERR_NETWORK, "the OpenID provider %s", what);
}

/* ---- what the provider answers ---- */

static bool on_body(struct http_request *r, struct span bytes)
{
	buf_addspan(&container_of(r, struct oidc_login, request)->answer, bytes);
	return true;
}

static json_t *read_answer(const struct oidc_login *l, struct err *e)
{
	struct err why = ERR_INIT;
	json_t *out = buf_check(&l->answer, "the answer", e)
			      ? NULL
			      : json_parse(buf_span(&l->answer), "the OpenID provider's answer", &why);
	if (json_is_object(out))
		return out;
	json_decref(out);
	if (e->code == ERR_OK)
		why.code == ERR_NOMEM ? err_nomem(e) : refused(e, "answered with what is no JSON object");
	return NULL;
}

/* Discovery 1.0, 4.3: a document of another issuer would let it speak for this one. */
static int learned(struct oidc_login *l, json_t *about, struct err *e)
{
	static const char *const needed[] = {"authorization_endpoint", "token_endpoint", "jwks_uri"};
	struct oidc *o = l->oidc;
	const char *issuer = json_str(about, "issuer"), *person = json_str(about, "userinfo_endpoint");
	if (!issuer || strcmp(issuer, o->issuer) != 0)
		return refused(e, "calls itself another issuer than oidc.issuer; write it as the provider does");
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!url_secure(json_str(about, needed[i])))
			return err_set(e, ERR_NETWORK, "the OpenID provider's %s is missing, or not https", needed[i]);
	if (person && !url_secure(person))
		return refused(e, "has a userinfo_endpoint that is not https");
	json_decref(o->about);
	o->about = json_incref(about);
	o->about_at = steady(o);
	return 0;
}

static int got_keys(struct oidc_login *l, const json_t *set, struct err *e)
{
	struct oidc *o = l->oidc;
	json_t *keys = json_get(set, "keys");
	if (!json_is_array(keys))
		return refused(e, "has no keys where it says they are");
	json_decref(o->keys);
	o->keys = json_incref(keys);
	o->keys_at = steady(o);
	return 0;
}

static int got_tokens(struct oidc_login *l, const json_t *tokens, struct err *e)
{
	const char *token = json_str(tokens, "id_token"), *access = json_str(tokens, "access_token");
	if (!token)
		return refused(e, "gave no ID token");
	buf_adds(&l->token, token);
	if (access)
		buf_addf(&l->access, "Bearer %s", access);
	return buf_check(&l->token, "the ID token", e) || buf_check(&l->access, "the access token", e) ? -1 : 0;
}

/* Core 1.0, 5.3.2: what is said of somebody else does not count. */
static int got_person(struct oidc_login *l, const json_t *person, struct err *e)
{
	static const char *const wanted[] = {"name", "preferred_username", "email", "email_verified"};
	const char *sub = json_str(person, "sub");
	if (!sub || strcmp(sub, json_str(l->claims, "sub")) != 0)
		return err_set(e, ERR_UNAUTHENTICATED, "the OpenID provider speaks of somebody else than its ID token");
	if (json_get(person, "email")) /* an address and whether it is verified come from one place */
		json_object_del(l->claims, "email_verified");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		json_t *value = json_get(person, wanted[i]);
		if (value && json_put(l->claims, wanted[i], json_incref(value)))
			return err_nomem(e);
	}
	return 0;
}

/* RFC 6749 5.2. A code that does not count is not always called invalid_grant, nor does the status always differ. */
static int refused_status(const struct oidc_login *l, int status, struct err *e)
{
	struct err none = ERR_INIT;
	cleanup_json json_t *answer =
		l->step == OIDC_TRADES && status >= 400 && status < 500 ? read_answer(l, &none) : NULL;
	const char *error = json_str(answer, "error");
	if (!error)
		return err_set(e, ERR_NETWORK, "the OpenID provider answered with status %d", status);
	if (strcmp(error, "invalid_client") == 0 || strcmp(error, "unauthorized_client") == 0)
		return refused(e, "does not know this client: see oidc.client_id and its secret");
	return err_set(e, ERR_UNAUTHENTICATED,
		"the OpenID provider does not take this login; it was used already, or is too old: begin it again");
}

static int take(struct oidc_login *l, int status, struct err *e)
{
	if (status != 200)
		return refused_status(l, status, e);
	cleanup_json json_t *answer = read_answer(l, e);
	if (!answer)
		return -1;
	switch (l->step) {
	case OIDC_LEARNS:
		return learned(l, answer, e);
	case OIDC_TRADES:
		return got_tokens(l, answer, e);
	case OIDC_KEYS:
		return got_keys(l, answer, e);
	case OIDC_ASKS:
		return got_person(l, answer, e);
	}
	return -1;
}

static void on_done(struct http_request *r, const struct err *why)
{
	struct oidc_login *l = container_of(r, struct oidc_login, request);
	struct err e = *why;
	if (e.code != ERR_OK)
		err_wrap(&e, "the OpenID provider");
	if (e.code == ERR_OK && take(l, r->status, &e) == 0) {
		advance(l);
		return;
	}
	if (e.code == ERR_TOO_LARGE) /* not what the person asked for */
		e.code = ERR_NETWORK;
	end(l, &e);
}

/* ---- what it is asked ---- */

static int ask(struct oidc_login *l, const char *url, struct err *e)
{
	size_t n = 0;
	bool form = l->step == OIDC_TRADES;
	l->headers[n++] = (struct http_header){"Accept", "application/json"};
	if (form)
		l->headers[n++] = (struct http_header){"Content-Type", "application/x-www-form-urlencoded"};
	if (l->authorization.len)
		l->headers[n++] = (struct http_header){"Authorization", l->authorization.data};
	buf_clear(&l->answer);
	l->body = buf_span(&l->form);
	l->request = (struct http_request){.method = form ? "POST" : "GET",
		.url = url,
		.headers = l->headers,
		.header_count = n,
		.body = form ? &l->body : NULL,
		.body_pieces = form ? 1 : 0,
		.total_ms = TIME_OIDC,
		.response_cap = CAP_OIDC_ANSWER,
		.on_body = on_body,
		.on_done = on_done};
	return http_request_start(&l->request, l->oidc->http, e);
}

/* How the client says who it is: RFC 6749 2.3.1, which the provider takes unless it says otherwise. */
static bool takes_basic(const json_t *about)
{
	const json_t *ways = json_get(about, "token_endpoint_auth_methods_supported");
	bool post = false;
	for (size_t i = 0; i < json_array_size(ways); i++) {
		const char *way = json_string_value(json_array_get(ways, i));
		if (way && strcmp(way, "client_secret_basic") == 0)
			return true;
		post |= way && strcmp(way, "client_secret_post") == 0;
	}
	return !post;
}

static int trade(struct oidc_login *l, struct err *e)
{
	const struct oidc *o = l->oidc;
	bool basic = o->secret && takes_basic(o->about);
	form_add(&l->form, "grant_type", "authorization_code");
	form_add(&l->form, "code", l->code);
	form_add(&l->form, "redirect_uri", l->redirect);
	form_add(&l->form, "code_verifier", l->attempt->verifier);
	form_add(&l->form, "client_id", basic ? NULL : o->client);
	form_add(&l->form, "client_secret", basic ? NULL : o->secret);
	if (basic) {
		cleanup_buf struct buf pair = BUF_INIT(CAP_OIDC_TOKEN);
		url_encode(o->client, &pair);
		buf_addc(&pair, ':');
		url_encode(o->secret, &pair);
		buf_adds(&l->authorization, "Basic ");
		base64_add(&l->authorization, BASE64_PLAIN, buf_span(&pair));
		crypt_wipe(pair.data, pair.len);
		if (buf_check(&pair, "the client's secret", e))
			return -1;
	}
	return buf_check(&l->form, "the request for tokens", e) ||
			       buf_check(&l->authorization, "the client's secret", e) ||
			       ask(l, json_str(o->about, "token_endpoint"), e)
		       ? -1
		       : 0;
}

/* With the access token in place of the client's own proof. */
static int ask_person(struct oidc_login *l, struct err *e)
{
	buf_clear(&l->authorization);
	buf_addspan(&l->authorization, buf_span(&l->access));
	return buf_check(&l->authorization, "the access token", e) ||
			       ask(l, json_str(l->oidc->about, "userinfo_endpoint"), e)
		       ? -1
		       : 0;
}

/* ---- results ---- */

static int make_url(struct oidc_login *l, struct err *e)
{
	const struct oidc *o = l->oidc;
	const char *to = json_str(o->about, "authorization_endpoint");
	buf_adds(&l->form, to);
	if (!strchr(to, '?'))
		buf_addc(&l->form, '?');
	form_add(&l->form, "response_type", "code");
	form_add(&l->form, "client_id", o->client);
	form_add(&l->form, "redirect_uri", l->redirect);
	form_add(&l->form, "scope", "openid profile email");
	form_add(&l->form, "state", l->attempt->state);
	form_add(&l->form, "nonce", l->attempt->nonce);
	form_add(&l->form, "code_challenge", l->attempt->challenge);
	form_add(&l->form, "code_challenge_method", "S256");
	l->url = l->form.data;
	return buf_check(&l->form, "the provider's address", e);
}

static int make_who(struct oidc_login *l, struct err *e)
{
	const char *name = json_str(l->claims, "name"), *other = json_str(l->claims, "preferred_username");
	l->who = json_make(e, "{s:s, s:s, s:s*, s:s*, s:b}", "issuer", l->oidc->issuer, "sub",
		json_str(l->claims, "sub"), "name", name ? name : other, "email", json_str(l->claims, "email"),
		"email_verified", json_bool(l->claims, "email_verified", false));
	return l->who ? 0 : -1;
}

/* ---- the steps ---- */

static int to(struct oidc_login *l, int step)
{
	l->step = step;
	return 1;
}

/* What is still missing: 1, the login is at that step now; 0, nothing; -1. */
static int next(struct oidc_login *l, struct err *e)
{
	struct oidc *o = l->oidc;
	if (o->stopped)
		return err_set(e, ERR_CANCELLED, "the server stops");
	if (!fresh(o, o->about, o->about_at))
		return to(l, OIDC_LEARNS);
	if (!l->code)
		return make_url(l, e);
	if (!l->token.len)
		return to(l, OIDC_TRADES);
	if (!l->claims) {
		struct token_expect x = {o->issuer, o->client, l->attempt->nonce, wall_s(o)};
		if (!fresh(o, o->keys, o->keys_at))
			return to(l, OIDC_KEYS);
		l->claims = token_check(buf_span(&l->token), o->keys, &x, e);
		if (!l->claims && e->code == ERR_NOT_FOUND && o->keys_at < l->began) {
			err_clear(e);
			return to(l, OIDC_KEYS);
		}
		if (!l->claims && e->code == ERR_NOT_FOUND)
			e->code = ERR_UNAUTHENTICATED;
		if (!l->claims)
			return -1;
	}
	bool can_ask = l->access.len && json_str(o->about, "userinfo_endpoint") && l->step != OIDC_ASKS;
	if (can_ask && (!json_str(l->claims, "email") || !json_str(l->claims, "name")))
		return to(l, OIDC_ASKS);
	return make_who(l, e);
}

static int step(struct oidc_login *l, struct err *e)
{
	const struct oidc *o = l->oidc;
	switch (l->step) {
	case OIDC_LEARNS:
		return ask(l, o->about_url, e);
	case OIDC_TRADES:
		return trade(l, e);
	case OIDC_KEYS:
		buf_clear(&l->authorization); /* that was for the token's endpoint */
		return ask(l, json_str(o->about, "jwks_uri"), e);
	case OIDC_ASKS:
		return ask_person(l, e);
	}
	return -1;
}

static void advance(struct oidc_login *l)
{
	struct err e = ERR_INIT;
	int more = next(l, &e);
	if (more != 1 || step(l, &e))
		end(l, &e);
}

static void on_begin(struct tick *t)
{
	advance(container_of(t, struct oidc_login, begin));
}

int oidc_start(struct oidc *o, struct oidc_login *l, struct err *e)
{
	if (o->count >= CAP_OIDC_LOGINS)
		return err_set(e, ERR_OVERLOADED, "%d logins are under way; try again in a moment", o->count);
	o->count++;
	l->oidc = o;
	l->url = NULL;
	l->who = l->claims = NULL;
	l->step = OIDC_LEARNS;
	l->began = steady(o);
	l->request = (struct http_request){0};
	buf_init(&l->form, CAP_OIDC_TOKEN);
	buf_init(&l->authorization, CAP_OIDC_TOKEN);
	buf_init(&l->answer, CAP_OIDC_ANSWER);
	buf_init(&l->token, CAP_OIDC_TOKEN);
	buf_init(&l->access, CAP_OIDC_TOKEN);
	list_push(&o->logins, &l->link);
	tick_init(&l->begin, o->loop, on_begin);
	tick_start(&l->begin);
	return 0;
}

/* ---- opening, closing ---- */

static int set_up(struct oidc *o, struct err *e)
{
	size_t n = strlen(o->issuer);
	if (!url_secure(o->issuer) || strchr(o->issuer, '?'))
		return err_set(e, ERR_INVALID,
			"oidc.issuer must be an address such as https://login.example (http only on this machine)");
	if (!*o->client)
		return err_set(e, ERR_INVALID, "oidc.issuer is set without oidc.client_id, which the provider gives");
	n -= o->issuer[n - 1] == '/';
	o->about_url = mem_printf("%.*s%s", (int)n, o->issuer, WELL_KNOWN);
	if (!o->about_url)
		return err_nomem(e);
	o->http = http_new(o->loop, e);
	return o->http ? 0 : -1;
}

struct oidc *oidc_open(const struct oidc_options *options, struct err *e)
{
	struct oidc *o = MEM_NEW(struct oidc);
	if (!o) {
		err_nomem(e);
		return NULL;
	}
	o->loop = options->loop;
	o->issuer = options->issuer;
	o->client = options->client;
	o->secret = options->secret;
	memcpy(o->key, options->key, KEY_SIZE);
	list_init(&o->logins);
	if (set_up(o, e) == 0)
		return o;
	oidc_close(o);
	return NULL;
}

void oidc_stop(struct oidc *o)
{
	if (!o)
		return;
	o->stopped = true;
	list_for (it, &o->logins) {
		struct oidc_login *l = list_entry(it, struct oidc_login, link);
		if (l->request.priv)
			http_request_cancel(&l->request);
	}
}

void oidc_close(struct oidc *o)
{
	if (!o)
		return;
	BUG_ON(!list_empty(&o->logins));
	http_free(o->http);
	json_decref(o->about);
	json_decref(o->keys);
	mem_free(o->about_url);
	crypt_wipe(o->key, sizeof(o->key));
	mem_free(o);
}

const char *oidc_issuer(const struct oidc *o)
{
	return o->issuer;
}

void oidc_attempt_new(const struct oidc *o, struct attempt *a)
{
	attempt_new(a, o->key, wall_s(o));
}

int oidc_attempt_find(const struct oidc *o, struct span state, struct attempt *a, struct err *e)
{
	return attempt_find(a, o->key, state, wall_s(o), e);
}
