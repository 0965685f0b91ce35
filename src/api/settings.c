/* settings: see settings.h. */
#include "api/settings.h"

#include "base/caps.h"
#include "base/mem.h"
#include "base/schema.h"
#include "base/shape.h"
#include "tools/policy.h"

static int check_size(const json_t *value, const char *what, struct err *e)
{
	cleanup_free char *text = json_text(value);
	if (!text)
		return err_nomem(e);
	return strlen(text) <= CAP_SETTINGS
		       ? 0
		       : err_set(e, ERR_TOO_LARGE, "%s must have at most %zu bytes", what, (size_t)CAP_SETTINGS);
}

static int check_policy(enum policy_scope scope, const json_t *list, struct err *e)
{
	struct policy *p = policy_new();
	int failed = p ? policy_load_json(p, scope, list, e) : err_nomem(e);
	policy_free(p);
	return failed ? err_wrap(e, "policy") : 0;
}

int settings_check(const struct ask *q, const json_t *settings, struct err *e)
{
	if (!settings)
		return 0;
	cleanup_json json_t *schema = shape_schema(PROJECT_SETTINGS, false, NULL, e);
	if (!schema || schema_validate(schema, settings, e))
		return err_wrap(e, "settings");
	return check_size(settings, "settings", e) || ask_model(q, json_str(settings, "model"), e) ||
			       check_policy(POLICY_PROJECT, json_get(settings, "policy"), e)
		       ? -1
		       : 0;
}

int settings_check_own(const json_t *policy, struct err *e)
{
	const json_t *rule;
	size_t i;
	if (!policy)
		return 0;
	json_array_foreach(policy, i, rule) if (json_get(rule, "allow")) return err_set(e, ERR_DENIED,
		"policy: rule %zu allows; one's own rules may ask or deny, allowing is for the settings of a project",
		i + 1);
	return check_size(policy, "policy", e) || check_policy(POLICY_USER, policy, e) ? -1 : 0;
}

/* What the request has not, of the settings. */
static int fill(json_t *request, const json_t *settings)
{
	static const char *const plain[] = {"model", "check", "budget_usd", "gates_off", NULL};
	const json_t *values = json_get(settings, "values"), *asked = json_get(request, "settings");
	for (const char *const *name = plain; *name; name++)
		if (json_get(settings, *name) && !json_get(request, *name) &&
			json_put(request, *name, json_incref(json_get(settings, *name))))
			return -1;
	if (!values)
		return 0;
	cleanup_json json_t *all = json_clone(values);
	return !all || (asked && json_object_update(all, (json_t *)asked)) ||
	       json_put(request, "settings", json_incref(all));
}

int settings_apply(json_t *request, const json_t *settings, const json_t *own_policy, struct err *e)
{
	cleanup_json json_t *policies = json_object();
	const json_t *rules = json_get(settings, "policy");
	if (!policies || fill(request, settings) ||
		(own_policy && json_put(policies, "user", json_incref((json_t *)own_policy))) ||
		(rules && json_put(policies, "project", json_incref((json_t *)rules))) ||
		(json_object_size(policies) && json_put(request, "policies", json_incref(policies))))
		return err_nomem(e);
	return 0;
}
