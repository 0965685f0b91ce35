/* roles: lists what agents can be. */
#include "base/mem.h"
#include "cmd/app.h"
#include "cmd/out.h"
#include "cmd/remote.h"
#include "flow/catalog.h"

static const struct verb_option options[] = {
	{"json", NULL, false, "print a JSON array"},
	{NULL},
};

static void add_row(struct table *t, const json_t *r)
{
	const json_t *error = json_get(r, "error");
	cleanup_buf struct buf cell = BUF_INIT(64 * KIB);
	size_t i;
	json_t *tool;
	table_adds(t, json_str(r, "id"));
	table_adds(t, json_str(r, "mode") ? json_str(r, "mode") : "any");
	table_adds(t, json_str(r, "class"));
	table_adds(t, error ? "broken" : json_str(r, "dialect"));
	json_array_foreach(json_get(r, "tools"), i, tool)
		buf_addf(&cell, "%s%s", i ? " " : "", json_string_value(tool));
	if (error)
		buf_adds(&cell, json_str(error, "message"));
	table_take(t, &cell);
}

static int print(const json_t *list, struct err *e)
{
	static const char *const heads[] = {"ROLE", "MODE", "CLASS", "DIALECT", "TOOLS"};
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	size_t i;
	json_t *r;
	struct table t;
	table_init(&t, 5);
	for (i = 0; i < 5; i++)
		table_adds(&t, heads[i]);
	json_array_foreach(list, i, r) add_row(&t, r);
	int failed = table_print(&t, &out, e);
	table_release(&t);
	return failed ? -1 : out_write(&out, e);
}

static int roles(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	struct remote *r cleanup_remote = remote_named(args) ? remote_server(remote_named(args), NULL, e) : NULL;
	if (e->code != ERR_OK || app_open(&a, args, APP_FOLDERS, e))
		return -1;
	struct bundle_places places = app_places(&a);
	cleanup_json json_t *list = r ? remote_ask(r, "GET", "/api/v1/roles", NULL, e) : catalog_roles(&places, e);
	if (!list)
		return -1;
	return args_has(args, "json") ? out_json(list, e) : print(list, e);
}

const struct verb verb_roles = {
	.name = "roles",
	.words = "",
	.summary = "list the roles: shared ones and those of modes",
	.options = options,
	.run = roles,
};
