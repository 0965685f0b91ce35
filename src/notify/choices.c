#include "notify/choices.h"

#include <string.h>

#define ALL "question, approval, failed, finished, budget"

static const struct {
	const char *name;
	bool by_mail; /* unless something else was chosen */
} kinds[] = {{"question", false}, {"approval", false}, {"failed", true}, {"finished", false}, {"budget", true}};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

static bool is(const json_t *about, const char *member, const char *value)
{
	const char *have = json_str(about, member);
	return have && strcmp(have, value) == 0;
}

static size_t kind_named(const char *name)
{
	size_t k = 0;
	while (k < KINDS && !(name && strcmp(kinds[k].name, name) == 0))
		k++;
	return k;
}

static const char *kind_of(const json_t *occasion)
{
	if (is(occasion, "type", "run.ended"))
		return is(occasion, "state", "failed") ? "failed" : "finished";
	if (is(occasion, "type", "budget.alert") || is(occasion, "kind", "budget"))
		return "budget";
	return is(occasion, "kind", "approval") || is(occasion, "kind", "gate") ? "approval" : "question";
}

int choices_check(const json_t *chosen, struct err *e)
{
	static const char *const ways[] = {"push", "mail"};
	for (size_t w = 0; w < sizeof(ways) / sizeof(*ways); w++) {
		const json_t *list = json_get(chosen, ways[w]), *one;
		bool seen[KINDS + 1] = {false};
		size_t i;
		if (!json_is_array(list))
			return err_set(e, ERR_INVALID, "%s: a list of " ALL, ways[w]);
		json_array_foreach(list, i, one)
		{
			size_t k = kind_named(json_string_value(one));
			if (k == KINDS || seen[k])
				return err_set(e, ERR_INVALID, "%s: a list of " ALL ", each once", ways[w]);
			seen[k] = true;
		}
	}
	return 0;
}

json_t *choices_default(struct err *e)
{
	json_t *push = json_array(), *mail = json_array();
	bool bad = !push || !mail;
	for (size_t k = 0; !bad && k < KINDS; k++)
		bad = json_array_append_new(push, json_string(kinds[k].name)) ||
		      (kinds[k].by_mail && json_array_append_new(mail, json_string(kinds[k].name)));
	if (!bad)
		return json_make(e, "{s:o, s:o}", "push", push, "mail", mail);
	json_decref(push);
	json_decref(mail);
	err_nomem(e);
	return NULL;
}

bool choices_want(const json_t *chosen, const char *way, const json_t *occasion)
{
	const char *kind = kind_of(occasion);
	const json_t *one;
	size_t i;
	if (!chosen)
		return strcmp(way, "push") == 0 || kinds[kind_named(kind)].by_mail;
	json_array_foreach(json_get(chosen, way), i, one) if (strcmp(json_string_value(one), kind) == 0) return true;
	return false;
}
