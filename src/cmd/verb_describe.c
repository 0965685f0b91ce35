/* describe: prints the program's own tables as JSON, for generators of documentation, types and shells. */
#include "api/route.h"
#include "base/shape.h"
#include "cmd/app.h"
#include "cmd/out.h"
#include "flow/catalog.h"
#include "tools/tool.h"

static json_t *events_json(struct err *e)
{
	static const char *const classes[] = {[EVENT_CLASS_INPUT] = "input",
		[EVENT_CLASS_DERIVED] = "derived",
		[EVENT_CLASS_TRANSIENT] = "transient",
		[EVENT_CLASS_PLAIN] = "plain"};
	json_t *list = json_array();
	for (int i = 0; list && i < EVENT_TYPES; i++) {
		const struct event_kind *k = &event_kinds[i];
		json_t *schema = shape_schema(k->fields, true, NULL, e);
		if (!schema || json_array_append_new(list,
				       json_make(e, "{s:s, s:i, s:s, s:s, s:o}", "name", k->type, "version", k->version,
					       "class", classes[k->class], "summary", k->summary, "schema", schema))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *errors_json(void)
{
	json_t *list = json_array();
	for (int i = 1; list && i < ERR_CODES; i++) {
		enum err_code code = (enum err_code)i;
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:i, s:i, s:b}", "name", err_name(code), "summary", err_text(code),
				"http", err_http(code), "exit", err_exit(code), "retryable", err_retryable(code)));
	}
	return list;
}

static json_t *options_json(const struct verb_option *o)
{
	json_t *list = json_array();
	for (; list && o && o->name; o++)
		json_array_append_new(list, json_pack("{s:s, s:s?, s:b, s:s}", "name", o->name, "value", o->value,
						    "repeatable", o->repeats, "summary", o->help));
	return list;
}

static json_t *verbs_json(void)
{
	json_t *list = json_array();
	for (const struct verb *const *v = verb_table; list && *v; v++)
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:s?, s:o}", "name", (*v)->name, "words", (*v)->words, "summary",
				(*v)->summary, "help", (*v)->help, "options", options_json((*v)->options)));
	return list;
}

static int describe(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	if (app_open(&a, args, APP_FOLDERS, e))
		return -1;
	cleanup_json json_t *options = options_describe(NULL, e);
	struct bundle_places places = app_places(&a);
	cleanup_json json_t *modes = options ? catalog_modes(&places, e) : NULL;
	cleanup_json json_t *roles = modes ? catalog_roles(&places, e) : NULL;
	json_t *routes = roles ? routes_describe(e) : NULL, *events = routes ? events_json(e) : NULL;
	routes_release();
	if (!events) {
		json_decref(routes);
		return -1;
	}
	cleanup_json json_t *all = json_make(e, "{s:s, s:o, s:o, s:o, s:O, s:o, s:o, s:o, s:O, s:O}", "version",
		MUSTER_VERSION, "routes", routes, "events", events, "tools", tools_describe(), "options", options,
		"errors", errors_json(), "verbs", verbs_json(), "common_options", options_json(verb_common), "modes",
		modes, "roles", roles);
	return all ? out_json(all, e) : -1;
}

const struct verb verb_describe = {
	.name = "describe",
	.words = "",
	.summary = "print the program's tables as JSON: routes, events, tools, options, errors, verbs, modes, roles",
	.run = describe,
};
