/* money: what was spent, by whom and on what, and the budgets that runs share.
 *
 * Usage is added up on the pool: there may be many rows. */
#include <stdio.h>
#include <stdlib.h>

#include "api/account.h"
#include "api/intervene.h"
#include "api/private.h"
#include "base/caps.h"
#include "base/mem.h"
#include "flow/budgets.h"

/* ---- usage ---- */

struct adding {
	struct work work;
	struct ask *q;
	struct usage_query query;
	json_t *filter, *rows;
	bool csv;
	struct err why;
};

static const char *const sums[] = {"calls", "input", "output", "cached", "cache_rate", "usd", "usd_unknown"};

/* 2026-11-22 as 20261122; 0 when it is not given. */
static int read_day(const struct ask *q, const char *name, int64_t *out, struct err *e)
{
	const char *text = json_str(q->query, name);
	int year, month, day, end = 0;
	*out = 0;
	if (!text)
		return 0;
	if (strlen(text) != 10 || strspn(text, "0123456789-") != 10 ||
		sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &end) != 3 || end != 10 || month < 1 || month > 12 ||
		day < 1 || day > 31)
		return err_set(e, ERR_INVALID, "%s must be a day such as 2026-11-22, not \"%.20s\"", name, text);
	*out = year * 10000 + month * 100 + day;
	return 0;
}

static void adding_free(struct adding *a)
{
	json_decref(a->filter);
	json_decref(a->rows);
	mem_free(a);
}

static void add_run(struct work *w)
{
	struct adding *a = container_of(w, struct adding, work);
	a->rows = store_usage(a->q->needs->store, &a->query, &a->why);
}

static void add_field(const json_t *value, struct buf *out)
{
	if (json_is_integer(value))
		buf_addf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_number(value))
		buf_addf(out, "%.9f", json_number_value(value));
	else
		csv_add(out, span_of(json_string_value(value)));
}

static void add_line(const struct adding *a, const json_t *row, struct buf *out)
{
	for (const char *at = a->query.group; *at; at += strcspn(at, ","), at += *at == ',') {
		cleanup_free char *name = mem_strndup(at, strcspn(at, ","));
		if (row)
			add_field(json_get(row, name ? name : ""), out);
		else
			buf_addf(out, "%.*s", (int)strcspn(at, ","), at);
		buf_addc(out, ',');
	}
	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++) {
		buf_adds(out, i ? "," : "");
		if (row)
			add_field(json_get(row, sums[i]), out);
		else
			buf_adds(out, sums[i]);
	}
	buf_adds(out, "\r\n");
}

static void send_csv(struct adding *a)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_USAGE_CSV);
	struct server_request *r = a->q->request;
	const json_t *row;
	size_t i;
	add_line(a, NULL, &out);
	json_array_foreach(a->rows, i, row) add_line(a, row, &out);
	if (buf_check(&out, "the usage; ask for fewer days", &a->why) ||
		reply_header(r, "Content-Disposition", "attachment; filename=\"usage.csv\"", &a->why)) {
		ask_end(a->q, NULL, &a->why);
		return;
	}
	ask_forget(a->q);
	reply_bytes(r, 200, "text/csv; charset=utf-8", buf_span(&out));
}

static void add_done(struct work *w)
{
	struct adding *a = container_of(w, struct adding, work);
	char cursor[24];
	bool more = !a->csv && a->query.limit > 0 && json_array_size(a->rows) == (size_t)a->query.limit;
	snprintf(cursor, sizeof(cursor), "%d", a->query.skip + a->query.limit);
	if (!a->rows || (more && ask_next(a->q, cursor, &a->why)))
		ask_end(a->q, NULL, &a->why);
	else if (a->csv)
		send_csv(a);
	else
		ask_end(a->q, json_incref(a->rows), &a->why);
	adding_free(a);
}

/* The query's filters as far as the caller may see, and its days and page. */
static int read_query(struct ask *q, struct adding *a, struct err *e)
{
	static const char *const filters[] = {"user", "project", "run", "role", "model"};
	const char *cursor = json_str(q->query, "cursor"), *group = json_str(q->query, "group");
	char *end = NULL;
	long skip = cursor ? strtol(cursor, &end, 10) : 0;
	if (cursor && (*end || skip < 1 || skip > CAP_USAGE_ROWS))
		return err_set(e, ERR_INVALID, "\"%.40s\" is no cursor; take it from the Link header", cursor);
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++)
		if (json_get(q->query, filters[i]) &&
			json_put(a->filter, filters[i], json_incref(json_get(q->query, filters[i]))))
			return err_nomem(e);
	a->query.group = group ? group : USAGE_RUNS;
	a->query.filter = a->filter;
	a->query.skip = (int)skip;
	if (read_day(q, "from", &a->query.from, e) || read_day(q, "to", &a->query.until, e) ||
		ask_visible(q, a->filter, e))
		return -1;
	a->query.until += a->query.until > 0; /* that day, too */
	a->query.limit = -1;
	return a->csv ? 0 : ask_limit(q, PAGE_MOST, true, &a->query.limit, e);
}

static json_t *usage(struct ask *q, bool csv, struct err *e)
{
	struct adding *a = MEM_NEW(struct adding);
	if (!a) {
		err_nomem(e);
		return NULL;
	}
	a->q = q;
	a->csv = csv;
	a->filter = json_make(e, "{}");
	if (!a->filter || read_query(q, a, e) || work_start(&a->work, q->needs->loop, add_run, add_done, e))
		adding_free(a);
	return NULL;
}

static json_t *list_usage(struct ask *q, struct err *e)
{
	return usage(q, false, e);
}

static json_t *export_usage(struct ask *q, struct err *e)
{
	return usage(q, true, e);
}

/* ---- budgets ---- */

static bool keeps_house(const struct ask *q)
{
	return admit_role(q->api, &q->caller, NULL) >= ROLE_ADMIN && (q->caller.scopes & SCOPE_ADMIN);
}

static const char *who(const struct ask *q)
{
	return *q->caller.person ? q->caller.person : q->caller.name;
}

static bool may_see(void *ctx, const char *scope)
{
	const struct ask *q = ctx;
	struct err part = ERR_INIT; /* a key of one project is not its person */
	if (!strncmp(scope, "project/", 8))
		return ask_may(q, scope + 8, ROLE_VIEWER);
	return keeps_house(q) ||
	       (!strncmp(scope, "user/", 5) && !strcmp(scope + 5, who(q)) && !account_whole(q, &part));
}

static json_t *list_budgets(struct ask *q, struct err *e)
{
	return budgets_json(q->needs->house, may_see, q, e);
}

/* Of the path: that of a project, of a person, of the house. NULL: no memory, or there is no such person. */
static char *scope_of(struct ask *q, struct err *e)
{
	char *scope = NULL;
	if (q->project) {
		scope = mem_printf("project/%s", q->project);
	} else if (strstr(q->route->path, "{person}")) {
		cleanup_free char *person = ask_param(q, "person");
		bool known = q->caller.kind == CALLER_LOCAL || !person || !strcmp(person, who(q));
		cleanup_json json_t *row = known ? NULL : accounts_person(q->needs->accounts, person, e);
		if (!known && !row)
			return NULL;
		scope = person ? mem_printf("user/%s", person) : NULL;
	} else {
		scope = mem_strdup("house");
	}
	if (!scope)
		err_nomem(e);
	return scope;
}

static json_t *get_budget(struct ask *q, struct err *e)
{
	cleanup_free char *scope = scope_of(q, e);
	if (scope && !may_see(q, scope)) {
		err_set(e, ERR_NOT_FOUND, "there is no such person, or their budget is for administrators");
		return NULL;
	}
	return scope ? budget_json(q->needs->house, scope, e) : NULL;
}

static json_t *put_budget(struct ask *q, struct err *e)
{
	if (!q->project && account_whole(q, e))
		return NULL;
	cleanup_free char *scope = scope_of(q, e);
	return !scope || budget_change(q->needs->house, scope, q->body, who(q), e)
		       ? NULL
		       : budget_json(q->needs->house, scope, e);
}

/* An action tells of its budget in the title alone, which only agent_budget_reached writes. */
int money_may_answer(struct ask *q, const char *action, const char *option, struct err *e)
{
	static const char before[] = "The budget of ", after[] = " is reached";
	if (!option || strcmp(option, "extend") != 0)
		return 0;
	cleanup_json json_t *row = intervene_action(q->needs, q->run_id, action ? action : "", e);
	struct span title = json_span(row, "title");
	const char *kind = json_str(row, "kind");
	if (!row)
		return -1;
	if (!kind || strcmp(kind, "budget") != 0 || !span_starts(title, before) ||
		title.n < sizeof(before) + sizeof(after))
		return 0;
	cleanup_free char *scope =
		mem_strndup(title.p + sizeof(before) - 1, title.n - (sizeof(before) - 1) - (sizeof(after) - 1));
	if (!scope)
		return err_nomem(e);
	bool project = !strncmp(scope, "project/", 8),
	     shared = project || strchr(scope, '/') || !strcmp(scope, "house");
	bool keeps = project ? q->role >= ROLE_ADMIN && (q->caller.scopes & SCOPE_ADMIN) : keeps_house(q);
	return !shared || keeps ? 0
				: err_set(e, ERR_DENIED, "the budget of %.80s is extended by an administrator of %s",
					  scope, project ? "the project" : "the installation");
}

#define DAYS "from:s? to:s? user:s? project:s? run:s? role:s? model:s? group:s? "
#define BUDGET "limit_usd:n~? period:(all|month)? alerts:[i]?"

const struct route routes_money[] = {
	{"GET", API "/usage", WHO_KNOWN,
		"what was spent from one day to another (UTC), by `group`: some of user, project, run, role, model, "
		"day, with commas between them",
		DAYS "limit:i? cursor:s?", NULL, "[@usage_sum]", 0, list_usage},
	{"GET", API "/usage/export", WHO_KNOWN, "all of it, as CSV", DAYS, NULL, "s", 0, export_usage,
		.content_type = "text/csv"},
	{"GET", API "/budgets", WHO_KNOWN, "the limits that runs share", NULL, NULL, "[@budget]", 0, list_budgets},
	{"GET", API "/budget", WHO_ADMIN, "what everything here may cost", NULL, NULL, "@budget", 0, get_budget},
	{"PUT", API "/budget", WHO_ADMIN,
		"change it; limit_usd null: none; alerts: percents of it at which a notice is given", NULL, BUDGET,
		"@budget", 0, put_budget},
	{"GET", API "/projects/{project}/budget", WHO_VIEWER, "what a project may cost", NULL, NULL, "@budget", 0,
		get_budget},
	{"PUT", API "/projects/{project}/budget", WHO_ADMIN, "change it", NULL, BUDGET, "@budget", 0, put_budget},
	{"GET", API "/people/{person}/budget", WHO_KNOWN,
		"what the runs of a person may cost; one's own, or as an admin", NULL, NULL, "@budget", 0, get_budget},
	{"PUT", API "/people/{person}/budget", WHO_ADMIN, "change it", NULL, BUDGET, "@budget", 0, put_budget},
	{0},
};
