/* runs: what runs there are, starting one, and what one has spent. */
#include <stdio.h>

#include "api/aside.h"
#include "api/settings.h"
#include "base/mem.h"
#include "flow/mode.h"
#include "flow/queue.h"

static json_t *list_runs(struct ask *q, struct err *e)
{
	cleanup_json json_t *filter = json_clone(q->query);
	if (!filter) {
		err_nomem(e);
		return NULL;
	}
	struct ask_page page;
	json_object_del(filter, "limit");
	json_object_del(filter, "cursor");
	if (ask_page(q, 100, &page, e) || ask_visible(q, filter, e))
		return NULL;
	return ask_paged(
		q, &page, store_runs_before(q->needs->store, filter, page.before, page.fetch, e), "created", e);
}

static json_t *get_run(struct ask *q, struct err *e)
{
	(void)e;
	return json_incref(q->run);
}

static json_t *get_usage(struct ask *q, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "run", q->run_id);
	struct usage_query usage = {.group = USAGE_RUNS, .filter = filter, .limit = -1};
	return filter ? store_usage(q->needs->store, &usage, e) : NULL;
}

/* ---- starting one ---- */

/* The folder of a project that is at work. */
static char *project_dir(struct ask *q, const char *project, struct err *e)
{
	char id[PROJECT_ID];
	const json_t *known;
	bool path = q->caller.kind == CALLER_LOCAL && *project == '/';
	if (path)
		house_project_id(project, id);
	known = book_get(q->api->book, path ? id : project, e);
	if (path && !known && e->code == ERR_NOT_FOUND) {
		err_clear(e);
		return mem_strdup(project);
	}
	if (!known || !ask_may(q, json_str(known, "id"), ROLE_VIEWER)) {
		if (e->code == ERR_OK)
			err_set(e, ERR_NOT_FOUND, "there is no project %.80s", project);
		return NULL;
	}
	if (!ask_may(q, json_str(known, "id"), ROLE_MEMBER)) {
		err_set(e, ERR_DENIED, "this needs the role member in this project");
		return NULL;
	}
	if (strcmp(json_str(known, "state"), "active") != 0) {
		err_set(e, ERR_CONFLICT, "the project %s is %s; bring it back before a run begins in it",
			json_str(known, "id"), json_str(known, "state"));
		return NULL;
	}
	return mem_strdup(json_str(known, "dir"));
}

/* What can allow more than the installation does: rules, what the sandbox reaches, who is not asked. */
static int check_rules(struct ask *q, const char *project, struct err *e)
{
	static const char *const powers[] = {"sandbox", "approvals", NULL};
	const json_t *settings = json_get(q->body, "settings");
	const char *what = json_get(q->body, "policy") ? "policy" : json_get(q->body, "gates_off") ? "gates_off" : NULL;
	for (const char *const *power = powers; *power; power++)
		if (json_get(settings, *power))
			what = *power;
	return !what || (ask_may(q, project, ROLE_ADMIN) && (q->caller.scopes & SCOPE_ADMIN))
		       ? 0
		       : err_set(e, ERR_DENIED, "%s of a run is for administrators of its project", what);
}

/* A path in a request would name a file of the host. */
static int check_files(struct ask *q, struct err *e)
{
	const json_t *inputs = json_get(q->body, "inputs");
	const char *name;
	json_t *value;
	if (q->caller.kind == CALLER_LOCAL)
		return 0;
	struct mode *m = mode_find(json_str(q->body, "mode"), q->needs->places.own_modes, q->needs->places.modes, e);
	if (!m)
		return -1;
	json_object_foreach((json_t *)inputs, name, value) if (mode_input_is_file(m, name) && e->code == ERR_OK)
		err_set(e, ERR_DENIED, "the input %s is a file: put it into the project and name it in the task", name);
	mode_free(m);
	return e->code == ERR_OK ? 0 : -1;
}

/* What the project in this folder says, and who begins the run. A project without a record is the owner's own. */
static int add_standing(struct ask *q, const char *dir, json_t *request, struct err *e)
{
	char id[PROJECT_ID];
	struct err none = ERR_INIT;
	house_project_id(dir, id);
	const json_t *known = book_get(q->api->book, id, &none);
	cleanup_json json_t *person = q->needs->accounts && *q->caller.person
					      ? accounts_person(q->needs->accounts, q->caller.person, &none)
					      : NULL;
	if (known && !json_bool(known, "trusted", true) && json_put(request, "untrusted", json_true()))
		return err_nomem(e);
	return settings_apply(request, json_get(known, "settings"), json_get(person, "policy"), e);
}

json_t *run_request(struct ask *q, struct err *e)
{
	if (ask_model(q, json_str(q->body, "model"), e) || check_rules(q, json_str(q->body, "project"), e) ||
		check_files(q, e))
		return NULL;
	const char *standard = options_text(q->needs->options, OPTION_MODEL);
	double budget = options_number(q->needs->options, OPTION_RUN_BUDGET_USD);
	cleanup_free char *dir = project_dir(q, json_str(q->body, "project"), e);
	cleanup_json json_t *request = dir ? json_clone(q->body) : NULL;
	if (!request || json_put(request, "project", json_string(dir)) || add_standing(q, dir, request, e) ||
		json_put(request, "user", json_string(*q->caller.person ? q->caller.person : q->caller.name)) ||
		(*standard && !json_get(request, "model") && json_put(request, "model", json_string(standard))) ||
		(budget > 0 && !json_get(request, "budget_usd") &&
			json_put(request, "budget_usd", json_real(budget))) ||
		(ask_header(q, "idempotency-key") && json_put(request, "id", json_string(q->command_id)))) {
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	return json_incref(request);
}

static json_t *begun(struct ask *q, const char *id, struct err *e)
{
	cleanup_free char *place = mem_printf("/api/v1/runs/%s", id);
	cleanup_json json_t *row = store_run(q->needs->store, id, e);
	if (!row)
		return NULL;
	if (!ask_may(q, json_str(row, "project"), ROLE_VIEWER)) {
		err_set(e, ERR_NOT_FOUND, "there is no project %.80s", json_str(q->body, "project"));
		return NULL;
	}
	bool begins = !strcmp(json_str(row, "state"), "created"); /* said again later, it may have been paused since */
	if (!place || reply_header(q->request, "Location", place, e))
		return NULL;
	if (begins && queue_add(q->needs->queue, id, json_str(row, "user"), (int)json_int(row, "priority", 0), e))
		return NULL;
	return json_incref(row);
}

/* Said a second time with the same Idempotency-Key, it is the same run: its id is made of the key. */
static bool begun_before(struct ask *q, struct err *e)
{
	cleanup_json json_t *row =
		ask_header(q, "idempotency-key") ? store_run(q->needs->store, q->command_id, e) : NULL;
	err_clear(e);
	return row != NULL;
}

/* An ask whose run is being made. */
struct beginning {
	struct list link; /* of the api's */
	struct ask *q;
};

static void made(void *ctx, json_t *out, const struct err *why)
{
	struct beginning *b = ctx;
	struct ask *q = b->q;
	struct err e = *why;
	json_t *row = out ? begun(q, json_str(out, "run"), &e) : NULL;
	list_remove(&b->link);
	mem_free(b);
	json_decref(out);
	ask_end(q, row, &e);
}

static int check_alone(const struct ask *q, struct err *e)
{
	list_for (it, &q->api->begun)
		if (!strcmp(list_entry(it, struct beginning, link)->q->command_id, q->command_id))
			return err_set(e, ERR_LOCKED,
				"a run is being made with this Idempotency-Key already; ask again in a moment");
	return 0;
}

static json_t *start(struct ask *q, struct err *e)
{
	if (!q->needs->queue) {
		err_set(e, ERR_OWNED,
			"this process works on runs of its own and begins no others; `muster serve` does");
		return NULL;
	}
	if (begun_before(q, e))
		return begun(q, q->command_id, e);
	if (json_get(q->body, "record") && q->caller.kind != CALLER_LOCAL) {
		err_set(e, ERR_DENIED,
			"a recording is a file of the host; only the data folder's owner may ask for it");
		return NULL;
	}
	cleanup_json json_t *request = check_alone(q, e) ? NULL : run_request(q, e);
	struct house_job *j = request ? house_create_job(q->needs->house, request, e) : NULL;
	struct beginning *b = j ? MEM_NEW(struct beginning) : NULL;
	if (!b) {
		house_job_free(j);
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	b->q = q;
	list_push(&q->api->begun, &b->link);
	aside_job(q, j, made, b, e);
	if (e->code != ERR_OK) {
		list_remove(&b->link);
		mem_free(b);
	}
	return NULL;
}

const struct route routes_runs[] = {
	{"GET", API "/runs", WHO_KNOWN, "runs, newest first", "state:s? project:s? mode:s? limit:i? cursor:s?", NULL,
		"[@run]", 0, list_runs},
	{"POST", API "/runs", WHO_KNOWN,
		"start a run in a project of which one is a member; with an Idempotency-Key, once", NULL, RUN_BODY,
		"@run", 201, start},
	{"GET", API "/runs/{run}", WHO_VIEWER, "one run", NULL, NULL, "@run", 0, get_run},
	{"GET", API "/runs/{run}/usage", WHO_VIEWER, "what a run spent, by role and model", NULL, NULL, "[@usage_row]",
		0, get_usage},
	{0},
};
