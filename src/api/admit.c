/* admit: from a request's head to a caller who may call this route, with the run and the project of its path.
 *
 * What a caller may not even see is "not found", whether it exists or not. */
#include <stdio.h>
#include <strings.h>

#include "api/account.h"
#include "api/private.h"
#include "api/query.h"
#include "base/mem.h"
#include "http/origin.h"

/* The role that a rule asks for. */
static enum member_role least_role(enum who who)
{
	static const enum member_role roles[] = {[WHO_KNOWN] = ROLE_NONE,
		[WHO_VIEWER] = ROLE_VIEWER,
		[WHO_MEMBER] = ROLE_MEMBER,
		[WHO_ADMIN] = ROLE_ADMIN,
		[WHO_OWNER] = ROLE_OWNER,
		[WHO_LOCAL] = ROLE_OWNER};
	return roles[who];
}

static unsigned needed_scope(const struct ask *q)
{
	if (!strcmp(q->route->method, "GET"))
		return q->route->who >= WHO_ADMIN ? SCOPE_ADMIN : SCOPE_READ;
	return q->route->who >= WHO_ADMIN ? SCOPE_ADMIN : SCOPE_WRITE;
}

/* Pages of other sites are refused before (api.c); this is for browsers that do not say where a request is from: no
 * other page can read the token. */
static int check_form(const struct ask *q, struct err *e)
{
	const char *token = ask_header(q, "x-csrf-token");
	bool reads = !strcmp(q->request->method, "GET") || !strcmp(q->request->method, "HEAD");

	return reads || accounts_csrf_is(q->needs->accounts, &q->caller, span_of(token))
		       ? 0
		       : err_set(e, ERR_DENIED,
				 "a change by a cookie's caller needs X-CSRF-Token (GET /api/v1/auth/me)");
}

static int identify_token(struct ask *q, struct err *e)
{
	static const char bearer[] = "Bearer ";
	const char *header = ask_header(q, "authorization");
	struct span cookie = header ? SPAN_NONE : account_cookie(q->request, COOKIE_ACCESS);

	if (header && strncasecmp(header, bearer, sizeof(bearer) - 1) != 0)
		return err_set(e, ERR_UNAUTHENTICATED, "Authorization must be: Bearer and a token or key");
	if (header)
		return accounts_identify(q->needs->accounts, span_of(header + sizeof(bearer) - 1), &q->caller, e);
	if (cookie.n)
		return accounts_identify(q->needs->accounts, cookie, &q->caller, e) || check_form(q, e) ? -1 : 0;
	return err_set(e, ERR_UNAUTHENTICATED, "this needs a login or an API key: Authorization: Bearer …");
}

static int identify(struct ask *q, struct err *e)
{
	if (q->request->local) {
		accounts_local(&q->caller);
		return 0;
	}
	if (q->route->who == WHO_ANYONE)
		return 0;
	if (q->needs->accounts)
		return identify_token(q, e);
	return err_set(
		e, ERR_UNAUTHENTICATED, "nobody but the data folder's owner may ask this process, over its socket");
}

/* Roles in projects are those of the installation where nobody keeps accounts. */
enum member_role admit_role(const struct api *a, const struct caller *c, const char *project)
{
	const struct accounts *all = a->needs.accounts;
	if (!all || c->kind == CALLER_LOCAL)
		return c->role;
	return project ? accounts_project_role(all, c, project) : accounts_role(all, c);
}

int admit_again(const struct api *a, const struct caller *c, struct err *e)
{
	bool alive = c->kind == CALLER_LOCAL || (a->needs.accounts && accounts_alive(a->needs.accounts, c));
	return alive ? 0 : err_set(e, ERR_UNAUTHENTICATED, "the session has ended");
}

static enum member_role role_in(const struct ask *q, const char *project)
{
	return admit_role(q->api, &q->caller, project);
}

bool ask_may(const struct ask *q, const char *project, enum member_role least)
{
	return role_in(q, project) >= least;
}

static int no_run(const char *id, struct err *e)
{
	err_clear(e);
	return err_set(e, ERR_NOT_FOUND, "there is no run %.64s", id);
}

/* By its whole id: a look-up, where store_run may have to search. */
json_t *admit_run(const struct api *a, const char *id, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "run", id);
	cleanup_json json_t *rows = filter ? store_runs(a->needs.store, filter, 1, e) : NULL;
	if (rows && !json_array_size(rows))
		no_run(id, e);
	return json_incref(json_array_get(rows, 0));
}

/* A part of an id is enough for the data folder's owner; elsewhere it would tell of others' runs. */
static int find_run(struct ask *q, struct err *e)
{
	cleanup_free char *id = ask_param(q, "run");
	if (!id)
		return err_nomem(e);
	if (q->caller.kind != CALLER_LOCAL && !id_valid(id))
		return no_run(id, e);
	q->run = q->caller.kind == CALLER_LOCAL ? store_run(q->needs->store, id, e) : admit_run(q->api, id, e);
	if (!q->run)
		return -1;
	q->run_id = json_str(q->run, "run");
	q->project = json_str(q->run, "project");
	q->role = role_in(q, q->project);
	return q->role >= ROLE_VIEWER ? 0 : no_run(id, e);
}

static int find_project(struct ask *q, struct err *e)
{
	cleanup_free char *id = ask_param(q, "project");
	struct err why = ERR_INIT;
	if (!id)
		return err_nomem(e);
	const json_t *known = book_get(q->api->book, id, &why);
	if (!known && why.code != ERR_NOT_FOUND)
		return err_set(e, why.code, "%s", why.text);
	q->known = json_incref((json_t *)known);
	q->project = json_str(known, "id");
	q->role = known ? role_in(q, q->project) : ROLE_NONE;
	return q->role >= ROLE_VIEWER ? 0 : err_set(e, ERR_NOT_FOUND, "there is no project %.80s", id);
}

void admit_note(const struct api *a, const struct caller *c, enum err_code code, const char *what, const char *address)
{
	bool known = c->kind == CALLER_SESSION || c->kind == CALLER_KEY;
	if (a->needs.accounts && known && (code == ERR_DENIED || code == ERR_NOT_FOUND))
		accounts_note(a->needs.accounts, c, code == ERR_DENIED ? "denied" : "not_found", what, address);
}

static int allowed(const struct ask *q, struct err *e)
{
	enum who who = q->route->who;
	if (who == WHO_ANYONE)
		return 0;
	if (who == WHO_LOCAL && q->caller.kind != CALLER_LOCAL)
		return err_set(e, ERR_DENIED, "only the data folder's owner may do this, on the machine itself");
	if (q->role < least_role(who))
		return err_set(e, ERR_DENIED, "this needs the role %s%s", who_names[who],
			q->project ? " in this project" : "");
	unsigned scope = needed_scope(q);
	return q->caller.scopes & scope ? 0
					: err_set(e, ERR_DENIED, "the key lacks the scope %s",
						  scope == SCOPE_READ	 ? "read"
						  : scope == SCOPE_WRITE ? "write"
									 : "admin");
}

/* A flood by one caller is slowed down before it costs more than being known. */
static int check_rate(struct ask *q, struct err *e)
{
	struct address address;
	char wait[24];
	bool known = q->caller.kind == CALLER_SESSION || q->caller.kind == CALLER_KEY;
	struct span key =
		known && q->caller.kind == CALLER_KEY ? span_of(q->caller.token_id) : span_of(q->caller.person);
	if (q->request->local || (!known && !request_address(q->request, &address)))
		return 0;
	if (!known) {
		address = limiter_address(&address);
		key = span_n((const char *)address.bytes, sizeof(address.bytes));
	}
	int s = limiter_ask(q->api->limiter, known ? "caller" : "address", key, &q->api->rate);
	if (!s)
		return 0;
	snprintf(wait, sizeof(wait), "%d", s);
	return reply_header(q->request, "Retry-After", wait, e)
		       ? -1
		       : err_set(e, ERR_RATE_LIMITED, "too many requests; try again in %d s", s);
}

int admit(struct ask *q, struct err *e)
{
	if (identify(q, e)) {
		struct err slow = ERR_INIT;
		if (check_rate(q, &slow))
			*e = slow;
		return -1;
	}
	if (check_rate(q, e) || admit_known(q, e))
		return -1;
	struct span query = q->route->visited ? SPAN_NONE : q->request->query;
	q->query = query_parse(query, route_query_schema(q->route), e);
	return q->query ? 0 : -1;
}

int admit_known(struct ask *q, struct err *e)
{
	q->role = q->caller.role;
	bool run = strstr(q->route->path, "{run}"), project = strstr(q->route->path, "{project}");
	return (run && find_run(q, e)) || (project && find_project(q, e)) || allowed(q, e) ? -1 : 0;
}
