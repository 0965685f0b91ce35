/* table: all tools, in the order in which they are described. Adding one: its file, and its line in tools.def. */
#include <stdio.h>
#include <string.h>

#include "tools/policy.h"
#include "tools/private.h"

const struct tool *const tool_table[] = {
#define X(name) &tool_##name,
#include "tools/tools.def"
#undef X
	NULL};

enum {
#define X(name) INDEX_##name,
#include "tools/tools.def"
#undef X
	TOOL_COUNT
};

static json_t *schemas[TOOL_COUNT], *offers[TOOL_COUNT];
static struct policy *policy;

const struct tool *tool_named(const char *name)
{
	for (const struct tool *const *t = tool_table; *t; t++)
		if (!strcmp((*t)->name, name))
			return *t;
	return NULL;
}

/* Parsed once for the process, on the loop's thread; kept until it ends. */
const json_t *tool_schema(const struct tool *t)
{
	for (size_t i = 0; i < TOOL_COUNT; i++) {
		if (tool_table[i] != t)
			continue;
		struct err e = ERR_INIT;
		if (!schemas[i])
			schemas[i] = json_parse(span_of(t->schema), t->name, &e);
		return schemas[i];
	}
	return NULL;
}

const struct policy *tools_policy(struct err *e)
{
	struct policy *p = policy ? NULL : policy_new();
	if (policy)
		return policy;
	for (const struct tool *const *t = tool_table; p && *t; t++) {
		char rule[160];
		snprintf(rule, sizeof(rule), "%s(*)", (*t)->name);
		enum policy_effect effect = !strcmp((*t)->policy, "allow")  ? POLICY_ALLOW
					    : !strcmp((*t)->policy, "deny") ? POLICY_DENY
									    : POLICY_ASK;
		if (policy_add(p, POLICY_DEFAULTS, effect, rule, false, e)) {
			policy_free(p);
			return NULL;
		}
	}
	if (!p)
		err_nomem(e);
	return policy = p;
}

void tools_release(void)
{
	policy_free(policy);
	policy = NULL;
	for (size_t i = 0; i < TOOL_COUNT; i++) {
		json_decref(schemas[i]);
		json_decref(offers[i]);
		schemas[i] = offers[i] = NULL;
	}
}

json_t *tool_offer(const struct tool *t)
{
	for (size_t i = 0; i < TOOL_COUNT; i++) {
		if (tool_table[i] != t)
			continue;
		const json_t *schema = tool_schema(t);
		if (!offers[i] && schema)
			offers[i] = json_pack(
				"{s:s, s:s, s:O}", "name", t->name, "description", t->summary, "schema", schema);
		return json_incref(offers[i]);
	}
	return NULL;
}

/* jansson keeps the order of insertion, so the first property is the one written first. */
struct span tool_subject(const struct tool *t, const json_t *args)
{
	const json_t *properties = json_get(tool_schema(t), "properties");
	const char *key = json_object_iter_key(json_object_iter((json_t *)properties));
	return key ? json_span(args, key) : SPAN_NONE;
}

json_t *tools_describe(void)
{
	json_t *list = json_array();
	for (const struct tool *const *t = tool_table; list && *t; t++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:O, s:s, s:s, s:i}", "name", (*t)->name, "summary",
						    (*t)->summary, "schema", tool_schema(*t), "policy", (*t)->policy,
						    "directive", (*t)->directive, "effects", (int)(*t)->effects));
	return list;
}
