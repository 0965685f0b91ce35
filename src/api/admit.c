/* admit: from a request's head to a caller who may call this route, with the run and the project of its path.
 *
 * What a caller may not even see is "not found", whether it exists or not. */
#include <stdio.h>

#include "api/private.h"
#include "api/query.h"
#include "base/mem.h"

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

static int identify(struct ask *q, struct err *e)
{
	if (q->request->local) {
		q->caller = (struct caller){.kind = CALLER_LOCAL, .role = ROLE_OWNER, .scopes = SCOPES_ALL};
		snprintf(q->caller.name, sizeof(q->caller.name), "%s", "owner");
		return 0;
	}
	if (q->route->who == WHO_ANYONE)
		return 0;
	return err_set(e, ERR_UNAUTHENTICATED, "this needs a login or an API key: Authorization: Bearer …");
}

/* Roles in projects are those of the installation where nobody keeps accounts. */
enum member_role admit_role(const struct api *a, const struct caller *c, const char *project)
{
	(void)a;
	(void)project;
	return c->role;
}

int admit_again(const struct api *a, const struct caller *c, struct err *e)
{
	(void)a;
	return c->kind == CALLER_LOCAL ? 0 : err_set(e, ERR_UNAUTHENTICATED, "the session has ended");
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

/* A part of an id is enough for the data folder's owner; elsewhere it would tell of others' runs. */
static int find_run(struct ask *q, struct err *e)
{
	cleanup_free char *id = ask_param(q, "run");
	if (!id)
		return err_nomem(e);
	if (q->caller.kind != CALLER_LOCAL && !id_valid(id))
		return no_run(id, e);
	q->run = store_run(q->needs->store, id, e);
	if (!q->run)
		return q->caller.kind != CALLER_LOCAL && e->code == ERR_NOT_FOUND ? no_run(id, e) : -1;
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
	q->project = json_str(known, "id");
	q->role = known ? role_in(q, q->project) : ROLE_NONE;
	return q->role >= ROLE_VIEWER ? 0 : err_set(e, ERR_NOT_FOUND, "there is no project %.80s", id);
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

int admit(struct ask *q, struct err *e)
{
	if (identify(q, e))
		return -1;
	q->role = q->caller.role;
	if (strstr(q->route->path, "{run}") && find_run(q, e))
		return -1;
	if (strstr(q->route->path, "{project}") && find_project(q, e))
		return -1;
	if (allowed(q, e))
		return -1;
	q->query = query_parse(q->request->query, route_query_schema(q->route), e);
	return q->query ? 0 : -1;
}
