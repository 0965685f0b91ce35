/* oidc: signing in with an account of an OpenID provider. The browser is sent there and comes back; in between its
 * cookie holds what this login is. */
#include "oidc/oidc.h"

#include <stdio.h>

#include "api/account.h"
#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "http/origin.h"

#define CALLBACK API "/auth/oidc/callback"

struct visit {
	struct oidc_login login;
	struct attempt attempt;
	struct ask *ask;
	char *redirect;
	struct buf code;
};

static void visit_free(struct visit *v)
{
	if (!v)
		return;
	mem_free(v->redirect);
	buf_release(&v->code);
	crypt_wipe(&v->attempt, sizeof(v->attempt));
	mem_free(v);
}

/* The provider compares it with what it was told when this house was made known to it. */
static char *redirect_address(const struct ask *q)
{
	const char *house = options_text(q->needs->options, OPTION_NOTIFY_URL);
	struct span host = request_host(q->request);
	size_t n = strlen(house);
	if (*house)
		return mem_printf("%.*s%s", (int)(n - (house[n - 1] == '/')), house, CALLBACK);
	return mem_printf("%s://%.*s%s", request_scheme(q->request), (int)host.n, host.p ? host.p : "", CALLBACK);
}

static struct visit *visit_new(struct ask *q, void (*cb)(struct oidc_login *l, const struct err *why), struct err *e)
{
	struct visit *v = MEM_NEW(struct visit);
	if (!v || !(v->redirect = redirect_address(q))) {
		visit_free(v);
		err_nomem(e);
		return NULL;
	}
	buf_init(&v->code, CAP_OIDC_TOKEN);
	v->ask = q;
	v->login = (struct oidc_login){.attempt = &v->attempt, .redirect = v->redirect, .cb = cb};
	return v;
}

static struct oidc *provider(const struct ask *q, struct err *e)
{
	if (!q->needs->oidc || !q->needs->accounts)
		err_set(e, ERR_NOT_FOUND, "there is no OpenID provider here; see oidc.issuer");
	else if (account_cookies_fine(q->request, e) == 0)
		return q->needs->oidc;
	return NULL;
}

/* ---- there ---- */

static void sent_there(struct oidc_login *l, const struct err *why)
{
	struct visit *v = container_of(l, struct visit, login);
	struct ask *q = v->ask;
	struct err e = *why;
	bool fine = e.code == ERR_OK && reply_header(q->request, "Location", l->url, &e) == 0 &&
		    account_set_cookie(q->request, COOKIE_OIDC, v->attempt.state, ATTEMPT_LIFE_S, &e) == 0;
	visit_free(v);
	ask_end(q, fine ? json_object() : NULL, &e);
}

static json_t *begin(struct ask *q, struct err *e)
{
	struct oidc *o = provider(q, e);
	struct visit *v = o ? visit_new(q, sent_there, e) : NULL;
	if (!v)
		return NULL;
	oidc_attempt_new(o, &v->attempt);
	if (reply_header(q->request, "Cache-Control", "no-store", e) || oidc_start(o, &v->login, e))
		visit_free(v);
	return NULL;
}

/* ---- and back ---- */

/* What may stand in a person's name here, of what the provider says; false: nothing of it. */
static bool plain_name(const char *name, char out[CALLER_NAME])
{
	char line[CALLER_NAME];
	struct span text = span_of(name ? name : "");
	text = span_trim(span_n(text.p, utf8_cut(text, sizeof(line) - 1)));
	for (size_t i = 0; i < text.n; i++)
		line[i] = (unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f ? ' ' : text.p[i];
	text = span_trim(span_n(line, text.n));
	snprintf(out, CALLER_NAME, "%.*s", (int)text.n, text.p);
	return text.n > 0;
}

static json_t *login_args(const struct ask *q, const json_t *who, struct err *e)
{
	const char *agent = ask_header(q, "user-agent"), *email = json_str(who, "email");
	char name[CALLER_NAME];
	cleanup_json json_t *args = json_clone(who);
	bool named = plain_name(json_str(who, "name"), name) || plain_name(email, name);
	bool put =
		args && (!named || json_put(args, "name", json_string(name)) == 0) &&
		json_put(args, "register", json_boolean(options_bool(q->needs->options, OPTION_OIDC_REGISTER))) == 0 &&
		json_put_span(args, "agent", span_of(agent ? agent : "")) == 0;
	if (put)
		return steal(&args);
	err_nomem(e);
	return NULL;
}

/* The login's cookie goes last: curl 7.88 keeps one that is taken away before another is set. */
static json_t *come_in(struct ask *q, json_t *session, struct err *e)
{
	cleanup_json json_t *given = session;
	if (account_session_cookies(q, given, e) || account_set_cookie(q->request, COOKIE_OIDC, NULL, 0, e) ||
		reply_header(q->request, "Location", "/", e))
		return NULL;
	return json_object();
}

/* As a wrong password is. */
static void note_failure(const struct ask *q)
{
	char address[64];
	account_address(q->request, address);
	accounts_note(q->needs->accounts, &q->caller, "login.failed", "oidc", address);
}

static void came_back(struct oidc_login *l, const struct err *why)
{
	struct visit *v = container_of(l, struct visit, login);
	struct ask *q = v->ask;
	struct err e = *why;
	json_t *args = e.code == ERR_OK ? login_args(q, l->who, &e) : NULL;
	visit_free(v);
	if (e.code == ERR_UNAUTHENTICATED)
		note_failure(q);
	if (args)
		account_change(q, "oidc.login", args, come_in, &e);
	if (e.code != ERR_OK)
		ask_end(q, NULL, &e);
}

/* Does the query name what the cookie holds: is it the browser that was sent there? */
static int same_browser(const struct ask *q, struct attempt *a, struct err *e)
{
	struct span cookie = account_cookie(q->request, COOKIE_OIDC);
	cleanup_buf struct buf state = BUF_INIT(ATTEMPT_STATE);
	if (request_query(q->request, "state", &state, e) < 0 || buf_check(&state, "state", e))
		return -1;
	if (!cookie.n || state.len != cookie.n || !crypt_same(state.data, cookie.p, cookie.n))
		return err_set(e, ERR_INVALID, "this login was not begun in this browser; begin it again");
	return oidc_attempt_find(q->needs->oidc, cookie, a, e);
}

/* An answer of another provider (RFC 9207), and one that is a refusal. */
static int check_answer(const struct ask *q, struct err *e)
{
	cleanup_buf struct buf issuer = BUF_INIT(CAP_HTTP_HEAD), error = BUF_INIT(CAP_HTTP_HEAD);
	int named = request_query(q->request, "iss", &issuer, e);
	int refused = named < 0 ? -1 : request_query(q->request, "error", &error, e);
	if (refused < 0 || buf_check(&issuer, "iss", e) || buf_check(&error, "error", e))
		return -1;
	if (named && !span_is(buf_span(&issuer), oidc_issuer(q->needs->oidc)))
		return err_set(e, ERR_INVALID, "this answer is of another provider; begin the login again");
	return refused ? err_set(e, ERR_DENIED, "the provider did not let you in, or you have not let it") : 0;
}

static json_t *callback(struct ask *q, struct err *e)
{
	struct oidc *o = provider(q, e);
	struct visit *v = o ? visit_new(q, came_back, e) : NULL;
	if (!v)
		return NULL;
	int rc = reply_header(q->request, "Cache-Control", "no-store", e) || same_browser(q, &v->attempt, e) ||
		 check_answer(q, e);
	int coded = rc ? -1 : request_query(q->request, "code", &v->code, e);
	if (coded == 0 || (coded > 0 && !v->code.len))
		err_set(e, ERR_INVALID, "the provider's answer has no code; begin the login again");
	v->login.code = v->code.data;
	if (e->code != ERR_OK || buf_check(&v->code, "the provider's code", e) || oidc_start(o, &v->login, e))
		visit_free(v);
	return NULL;
}

const struct route routes_oidc[] = {
	{"GET", API "/auth/oidc", WHO_ANYONE, "sign in with the OpenID provider: the browser is sent there", NULL, NULL,
		NULL, 303, begin, .visited = true},
	{"GET", CALLBACK, WHO_ANYONE, "the browser comes back from the OpenID provider, signed in, and is sent to /",
		"code:s? state:s? iss:s? error:s?", NULL, NULL, 303, callback, .visited = true},
	{0},
};
