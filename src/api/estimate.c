/* estimate: what a run might cost and take, by what earlier runs of its mode did. Starts nothing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/private.h"
#include "base/mem.h"
#include "flow/mode.h"

#define LOOKED_AT 200 /* runs, the newest */

static int by_size(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

/* Between its neighbours where it falls between two. */
static double quantile(const double *sorted, size_t n, double share)
{
	double at = share * (double)(n - 1);
	size_t i = (size_t)at;
	return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

static json_t *spread(double *values, size_t n, struct err *e)
{
	if (!n)
		return json_null();
	qsort(values, n, sizeof(*values), by_size);
	return json_make(e, "{s:f, s:f, s:f, s:f, s:f}", "median", quantile(values, n, 0.5), "low",
		quantile(values, n, 0.25), "high", quantile(values, n, 0.75), "least", values[0], "most",
		values[n - 1]);
}

/* What is left of the narrowest budget that it would draw on; -1: there is none. */
static double at_most(struct ask *q, const json_t *request, const char **by, struct err *e)
{
	static const char *const names[] = {"project", "user", "house"};
	char project[PROJECT_ID];
	double most = json_num(request, "budget_usd", -1);
	house_project_id(json_str(request, "project"), project);
	*by = most < 0 ? NULL : "run";
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *id = i == 0 ? project : json_str(request, "user");
		cleanup_free char *scope = i == 2 ? mem_strdup("house") : mem_printf("%s/%s", names[i], id);
		const struct budget *b = scope ? house_budget(q->needs->house, scope, e) : NULL;
		if (!b)
			return scope ? -1 : err_nomem(e);
		double left = fmax(b->limit - b->spent - b->reserved, 0);
		if (b->limit < 0 || (most >= 0 && left >= most))
			continue;
		most = left;
		*by = names[i];
	}
	return most;
}

/* Those that ended well, as far as the caller may see them. */
static json_t *earlier(struct ask *q, const char *mode, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s, s:s}", "mode", mode, "state", "completed");
	return filter && !ask_visible(q, filter, e) ? store_runs(q->needs->store, filter, LOOKED_AT, e) : NULL;
}

static char *words(const char *mode, size_t runs, const char *by)
{
	cleanup_free char *bound = by ? mem_printf("; the budget of the %s ends it at the latest", by)
				      : mem_strdup("; no budget limits it");
	if (!bound)
		return NULL;
	return runs ? mem_printf("%zu earlier run%s of the mode %s%s", runs, runs > 1 ? "s" : "", mode, bound)
		    : mem_printf("no run of the mode %s has ended well yet, so nothing is known%s", mode, bound);
}

static json_t *estimate(struct ask *q, struct err *e)
{
	const char *mode = json_str(q->body, "mode"), *by = NULL;
	double usd[LOOKED_AT], took[LOOKED_AT];
	size_t i;
	json_t *row;
	cleanup_json json_t *request = run_request(q, e);
	struct mode *m = request ? mode_find(mode, q->needs->places.own_modes, q->needs->places.modes, e) : NULL;
	cleanup_json json_t *said = m ? json_incref((json_t *)m->estimate) : NULL;
	cleanup_json json_t *rows = m ? earlier(q, mode, e) : NULL;
	mode_free(m);
	double most = rows ? at_most(q, request, &by, e) : -1;
	if (!rows || e->code != ERR_OK)
		return NULL;
	json_array_foreach(rows, i, row)
	{
		usd[i] = json_num(row, "usd", 0) + json_num(row, "usd_unknown", 0);
		took[i] = (double)(json_int(row, "updated", 0) - json_int(row, "created", 0)) / 1e6;
	}
	cleanup_free char *text = words(mode, i, by);
	cleanup_json json_t *cost = text ? spread(usd, i, e) : NULL;
	json_t *time = cost ? spread(took, i, e) : NULL;
	if (!text)
		err_nomem(e);
	return time ? json_make(e, "{s:s, s:i, s:O, s:o, s:o, s:s?, s:O?, s:s}", "mode", mode, "runs", (int)i, "usd",
			      cost, "took_s", time, "at_most_usd", by ? json_real(most) : json_null(), "limited_by", by,
			      "mode_says", said, "text", text)
		    : NULL;
}

const struct route routes_estimate[] = {
	{"POST", API "/runs/estimate", WHO_KNOWN,
		"what a run would cost and take, by earlier ones of its mode, and what its budgets allow at most", NULL,
		RUN_BODY, "@estimate", 0, estimate},
	{0},
};
