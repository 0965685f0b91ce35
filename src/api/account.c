#include "api/account.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/limiter.h"
#include "http/origin.h"

/* Purpose: an operation on accounts as the end of an ask. The operation outlives its client: what was begun is done. */

struct account_ask {
	struct account_op op;
	struct ask *ask;
	account_shown *shown;
};

void account_address(const struct server_request *r, char out[64])
{
	struct address address;

	out[0] = '\0';
	if (request_address(r, &address))
		address_text(&address, out);
}

static void retry_after(struct server_request *r, int64_t ms)
{
	char seconds[32];

	snprintf(seconds, sizeof seconds, "%lld", (long long)(ms + 999) / 1000);
	reply_header(r, "Retry-After", seconds, NULL); /* a courtesy: the text says it too */
}

static void ended(struct account_op *op, const struct err *why)
{
	struct account_ask *o = container_of(op, struct account_ask, op);
	struct ask *q = o->ask;
	struct err e = *why;
	json_t *out = NULL;

	q->noted = e.code == ERR_DENIED;

	if (op->retry_ms)
		retry_after(q->request, op->retry_ms);
	if (e.code == ERR_OK)
		out = o->shown ? o->shown(q, json_incref(op->result), &e) : json_incref(op->result);
	mem_free(o);
	ask_end(q, out, &e);
}

struct accounts *account_all(const struct ask *q, struct err *e)
{
	if (!q->needs->accounts)
		err_set(e, ERR_NOT_FOUND, "no accounts are kept here; muster serve keeps them");
	return q->needs->accounts;
}

int account_whole(const struct ask *q, struct err *e)
{
	bool part = q->caller.kind == CALLER_KEY && q->caller.role == ROLE_NONE;

	return part ? err_set(e, ERR_DENIED, "a key of one project does not allow this; use another key, or sign in")
		    : 0;
}

json_t *account_args(struct ask *q, const char *name, struct err *e)
{
	cleanup_free char *value = name ? ask_param(q, name) : NULL;
	json_t *args = q->body ? json_clone(q->body) : json_object();

	if (args && (!name || (value && json_put(args, name, json_string(value)) == 0)))
		return args;
	json_decref(args);
	err_nomem(e);
	return NULL;
}

json_t *account_change(struct ask *q, const char *verb, json_t *args, account_shown *shown, struct err *e)
{
	struct accounts *a = args ? account_all(q, e) : NULL;
	struct account_ask *o = a ? MEM_NEW(struct account_ask) : NULL;
	struct address address;

	if (!o) {
		json_decref(args);
		if (a)
			err_nomem(e);
		return NULL;
	}
	o->ask = q;
	o->shown = shown;
	o->op = (struct account_op){.caller = q->caller, .args = args, .cb = ended};
	account_address(q->request, o->op.address);
	if (request_address(q->request, &address)) {
		address = limiter_address(&address);
		address_text(&address, o->op.network);
	}
	if (accounts_start(a, &o->op, verb, e)) {
		if (o->op.retry_ms)
			retry_after(q->request, o->op.retry_ms);
		q->noted = e->code == ERR_DENIED;
		mem_free(o);
		return NULL;
	}
	return NULL;
}

/* ---- cookies ---- */

static bool is_loopback(const struct server_request *r)
{
	struct address address;

	return request_address(r, &address) && address_loopback(&address);
}

static bool is_https(const struct server_request *r)
{
	return strcmp(request_scheme(r), "https") == 0;
}

static const char *cookie_name(const struct server_request *r, enum account_cookie which)
{
	static const char *const names[2][3] = {{"muster", "muster-refresh", "muster-oidc"},
		{"__Host-muster", "__Host-muster-refresh", "__Host-muster-oidc"}};

	return names[is_https(r)][which];
}

struct span account_cookie(const struct server_request *r, enum account_cookie which)
{
	const char *all = request_header(r, "cookie"), *name = cookie_name(r, which);
	struct span rest = span_of(all ? all : "");

	while (rest.n) {
		size_t end = span_find(rest, span_of(";"), 0);
		struct span one = span_trim(span_n(rest.p, end < rest.n ? end : rest.n));
		size_t is = strlen(name);
		rest = end < rest.n ? span_n(rest.p + end + 1, rest.n - end - 1) : SPAN_NONE;
		if (one.n > is && one.p[is] == '=' && memcmp(one.p, name, is) == 0)
			return span_n(one.p + is + 1, one.n - is - 1);
	}
	return SPAN_NONE;
}

int account_cookies_fine(const struct server_request *r, struct err *e)
{
	return is_https(r) || is_loopback(r) ? 0
					     : err_set(e, ERR_INVALID,
						       "cookies would go over the network in the clear; "
						       "serve over TLS, or ask for tokens instead");
}

int account_set_cookie(
	struct server_request *r, enum account_cookie which, const char *value, int64_t seconds, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT(CAP_HTTP_HEAD);

	if (account_cookies_fine(r, e))
		return -1;
	buf_addf(&line, "%s=%s; Path=/; HttpOnly; SameSite=%s; Max-Age=%lld%s", cookie_name(r, which),
		value ? value : "", which == COOKIE_OIDC ? "Lax" : "Strict", value ? (long long)seconds : 0ll,
		is_https(r) ? "; Secure" : "");
	return buf_check(&line, "a cookie", e) ? -1 : reply_header(r, "Set-Cookie", line.data, e);
}

#define SECOND ((int64_t)1000000)

int account_session_cookies(const struct ask *q, const json_t *session, struct err *e)
{
	int64_t left = (json_int(session, "expires", 0) - clock_wall(loop_clock(q->needs->loop))) / SECOND;

	return account_set_cookie(
		       q->request, COOKIE_ACCESS, json_str(session, "access"), json_int(session, "access_s", 0), e) ||
			       account_set_cookie(q->request, COOKIE_REFRESH, json_str(session, "refresh"), left, e)
		       ? -1
		       : 0;
}
