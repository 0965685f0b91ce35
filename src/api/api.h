/* api: the resources under /api/v1, for the owner's socket and for `muster serve` alike.
 *
 * One table of routes (route.h) says who may call what with which query and body, and what is answered; it serves the
 * requests, and OpenAPI and `muster describe` print it. */
#ifndef MUSTER_API_API_H
#define MUSTER_API_API_H

#include "accounts/caller.h"
#include "config/options.h"
#include "config/vault.h"
#include "flow/bundle.h"
#include "flow/house.h"
#include "http/server.h"
#include "workspace/template.h"

struct accounts;
struct herald;
struct oidc;
struct queue;

/* What the resources stand on; all of it outlives the api. */
struct api_needs {
	struct loop *loop;
	struct store *store;
	struct house *house;
	struct llm *llm;
	struct vault *vault;
	struct options *options;
	struct accounts *accounts; /* NULL: nobody but the data folder's owner may call */
	const char *data_dir;
	struct bundle_places places; /* modes and roles */
	struct template_places templates;
	const char *sock;      /* the owner's socket */
	struct queue *queue;   /* runs begin through it; NULL: none are begun here */
	struct traces *traces; /* what it counts is among the metrics; NULL: none are sent */
	struct herald *herald; /* notices; NULL: none go out from here */
	struct oidc *oidc;     /* an OpenID provider; NULL: none */
	bool serving;	       /* this process stays: what a command sets off is begun here */
};

struct api;

/* Checks the table (a route without a rule for who may call it is a BUG) and serves the owner's socket. */
struct api *api_open(const struct api_needs *needs, struct err *e);
/* How people reach it over TCP. Texts may be NULL. */
struct api_door {
	const char *address;	       /* numeric, IPv4 or IPv6 */
	int port;		       /* 0: a free one */
	const char *certificate, *key; /* files (http/tls.h); NULL: plain HTTP */
	const char *proxies, *hosts;   /* http/origin.h */
	bool rfc7239;
};
/* Also serve there; door->port becomes the one bound. */
int api_listen(struct api *a, struct api_door *door, struct err *e);
/* Read the certificate again; on failure the present one stays. */
int api_renew(struct api *a, struct err *e);
/* No new connections; streams end; replies under way are given; then turns the loop until every connection is down.
 * NULL is legal. */
void api_close(struct api *a);

#endif
