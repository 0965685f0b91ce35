/* catalogue: the modes and roles that can be used here. */
#include "api/route.h"
#include "base/mem.h"
#include "flow/catalog.h"
#include "flow/mode.h"

static bool fits(const json_t *row, const json_t *query, const char *name)
{
	const char *wanted = json_str(query, name), *has = json_str(row, name);
	return !wanted || (has && !strcmp(wanted, has));
}

static json_t *list_modes(struct ask *q, struct err *e)
{
	cleanup_json json_t *all = catalog_modes(&q->needs->places, e), *out = all ? json_make(e, "[]") : NULL;
	size_t i;
	json_t *row;
	json_array_foreach(all, i, row) if (out && fits(row, q->query, "engine") && fits(row, q->query, "category") &&
					    json_array_append(out, row))
	{
		err_nomem(e);
		return NULL;
	}
	return json_incref(out);
}

static json_t *get_mode(struct ask *q, struct err *e)
{
	cleanup_free char *id = ask_param(q, "mode");
	struct mode *m =
		id ? mode_find(id, q->needs->places.own_modes, q->needs->places.modes, e) : (err_nomem(e), NULL);
	json_t *out = m ? mode_json(m, e) : NULL;
	if (m)
		mode_free(m);
	return out;
}

static json_t *list_roles(struct ask *q, struct err *e)
{
	return catalog_roles(&q->needs->places, e);
}

const struct route routes_catalogue[] = {
	{"GET", API "/modes", WHO_KNOWN, "kinds of jobs", "engine:s? category:s?", NULL, "[@mode]", 0, list_modes},
	{"GET", API "/modes/{mode}", WHO_KNOWN, "one of them", NULL, NULL, "@mode", 0, get_mode},
	{"GET", API "/roles", WHO_KNOWN, "who does the work: shared roles and those of modes", NULL, NULL, "[@role]", 0,
		list_roles},
	{0},
};
