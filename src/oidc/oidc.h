/* oidc: people sign in with an account that an OpenID provider keeps (OpenID Connect Core 1.0, Discovery 1.0): the
 * authorization code flow (RFC 6749 4.1) with PKCE (RFC 7636, S256), as RFC 9700 advises.
 *
 * Two steps, each one oidc_login: first where to send the browser, then, when it comes back with a code, who it is. In
 * between nothing is kept here (attempt.h). What the provider says of itself, and its keys, are kept for an hour; keys
 * are asked for again when a token names one that is not known. On the loop's thread; requests go to addresses that
 * the administrator's issuer named, over TLS or to this machine only, and redirects are not followed. */
#ifndef MUSTER_OIDC_OIDC_H
#define MUSTER_OIDC_OIDC_H

#include "base/json.h"
#include "http/client.h"
#include "oidc/attempt.h"

struct oidc_options {
	struct loop *loop;
	/* borrowed */
	const char *issuer, *client;
	const char *secret; /* NULL: the client has none */
	const uint8_t *key; /* KEY_SIZE bytes, copied */
};

struct oidc;
/* ERR_INVALID naming the option that is wrong. Nothing is asked of the provider yet. */
struct oidc *oidc_open(const struct oidc_options *o, struct err *e);
/* Logins under way end with ERR_CANCELLED, and so do those that begin from now on. NULL is legal. */
void oidc_stop(struct oidc *o);
void oidc_close(struct oidc *o); /* no login is under way; NULL is legal */
const char *oidc_issuer(const struct oidc *o);
void oidc_attempt_new(const struct oidc *o, struct attempt *a);
/* ERR_INVALID: this state is none of ours, or too old. */
int oidc_attempt_find(const struct oidc *o, struct span state, struct attempt *a, struct err *e);

/* One step of a login. Set attempt, redirect, code, cb; they stay until cb was called, exactly once and never from
 * inside oidc_start: ERR_UNAUTHENTICATED (the provider refused the code, or its token is not good), ERR_NETWORK,
 * ERR_TIMEOUT (it is away, or says what cannot be understood), ERR_CANCELLED. */
struct oidc_login {
	const struct attempt *attempt;
	const char *redirect; /* where the provider sends the browser back to; the same in both steps */
	const char *code;     /* NULL: the first step */
	void (*cb)(struct oidc_login *l, const struct err *why);
	/* valid in cb: */
	const char *url; /* of the first step: where the browser goes */
	json_t *who;	 /* of the second: {issuer, sub, name?, email?, email_verified} */
	/* private */
	struct oidc *oidc;
	struct list link;
	struct tick begin;
	enum { OIDC_LEARNS, OIDC_TRADES, OIDC_KEYS, OIDC_ASKS } step;
	int64_t began;
	struct http_request request;
	struct http_header headers[3];
	struct span body;
	struct buf form, authorization, answer, token, access;
	json_t *claims;
};
int oidc_start(struct oidc *o, struct oidc_login *l, struct err *e); /* -1: ERR_OVERLOADED; cb is not called */

#endif
