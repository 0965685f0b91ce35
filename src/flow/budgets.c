/* budgets: see budgets.h. The counters are kept in memory while the house is open; a record holds what was set, and
 * which shares were told. */
#include "flow/budgets.h"

#include <math.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "flow/house_private.h"
#include "flow/private.h"

#define KIND "budget"

static const int standard_alerts[] = {50, 80, 100};

static void month_now(const struct house *h, char month[MONTH_TEXT])
{
	char now[CLOCK_TEXT];
	clock_text(now, clock_wall(loop_clock(h->loop)));
	snprintf(month, MONTH_TEXT, "%.7s", now);
}

/* A new month begins with nothing spent and nothing told. */
static void turn_month(const struct house *h, struct budget *b)
{
	char month[MONTH_TEXT];
	month_now(h, month);
	if (!strcmp(b->month, month))
		return;
	snprintf(b->month, sizeof(b->month), "%s", month);
	b->month_spent = 0;
	if (b->monthly)
		b->told = 0;
}

double budget_counted(const struct house *h, struct budget *b)
{
	turn_month(h, b);
	return b->monthly ? b->month_spent : b->spent;
}

/* Percent of the limit. */
static double share_of(const struct house *h, struct budget *b)
{
	double counted = budget_counted(h, b);
	return b->limit > 0 ? 100 * counted / b->limit : 0;
}

/* The largest share to be told that is reached; 0: none. */
static int share_reached(const struct house *h, struct budget *b)
{
	double share = share_of(h, b) + 1e-9;
	int reached = 0;
	for (int i = 0; i < b->alert_count; i++)
		if (b->alerts[i] <= share && b->alerts[i] > reached)
			reached = b->alerts[i];
	return reached;
}

/* ---- records ---- */

static json_t *alerts_json(const struct budget *b, struct err *e)
{
	json_t *out = json_make(e, "[]");
	for (int i = 0; out && i < b->alert_count; i++)
		if (json_array_append_new(out, json_integer(b->alerts[i]))) {
			json_decref(out);
			err_nomem(e);
			return NULL;
		}
	return out;
}

/* [{kind, id, value}], as an audit event carries it. */
static json_t *records_of(const char *scope, const struct budget *b, struct err *e)
{
	json_t *alerts = alerts_json(b, e);
	return alerts ? json_make(e, "[{s:s, s:s, s:{s:o?, s:s, s:o, s:i, s:s}}]", "kind", KIND, "id", scope, "value",
				"limit_usd", b->limit < 0 ? NULL : json_real(b->limit), "period",
				b->monthly ? "month" : "all", "alerts", alerts, "told", b->told, "told_in",
				b->monthly ? b->month : "")
		      : NULL;
}

static int read_alerts(struct budget *b, const json_t *alerts, struct err *e)
{
	size_t n = json_array_size(alerts);
	if (n > BUDGET_ALERTS)
		return err_set(e, ERR_INVALID, "alerts: at most %d shares", BUDGET_ALERTS);
	for (size_t i = 0; i < n; i++) {
		const json_t *one = json_array_get(alerts, i);
		if (!json_is_integer(one) || json_integer_value(one) < 1 || json_integer_value(one) > 100)
			return err_set(e, ERR_INVALID, "alerts: whole percents from 1 to 100");
		b->alerts[i] = (int)json_integer_value(one);
	}
	b->alert_count = (int)n;
	return 0;
}

/* Of a record, or of what somebody asks for. */
static int read_value(struct budget *b, const json_t *value, struct err *e)
{
	const json_t *limit = json_get(value, "limit_usd");
	const char *period = json_str(value, "period");
	if (limit)
		b->limit = json_is_number(limit) ? json_number_value(limit) : -1;
	if (limit && json_is_number(limit) && !(b->limit >= 0 && b->limit <= 1e9))
		return err_set(e, ERR_INVALID, "limit_usd: 0 to 1e9 dollars, or null for no limit");
	if (period)
		b->monthly = !strcmp(period, "month");
	return json_get(value, "alerts") ? read_alerts(b, json_get(value, "alerts"), e) : 0;
}

int budgets_load(struct house *h, struct err *e)
{
	char month[MONTH_TEXT];
	month_now(h, month);
	cleanup_json json_t *rows = store_budgets_shared(h->store, month, e);
	cleanup_json json_t *filter = rows ? json_make(e, "{s:s}", "kind", KIND) : NULL;
	cleanup_json json_t *records = filter ? store_records(h->store, filter, e) : NULL;
	const json_t *row;
	size_t i;
	if (!records)
		return -1;
	json_array_foreach(rows, i, row)
	{
		struct budget *b = house_budget(h, json_str(row, "scope"), e);
		if (!b)
			return -1;
		turn_month(h, b);
		if (*json_str(row, "month")) {
			b->month_spent = json_num(row, "spent", 0);
			continue;
		}
		b->spent = json_num(row, "spent", 0);
		b->reserved = json_num(row, "reserved", 0);
		b->limit = json_is_number(json_get(row, "limit_usd")) ? json_num(row, "limit_usd", -1) : -1;
	}
	json_array_foreach(records, i, row)
	{
		const json_t *value = json_get(row, "value");
		const char *told_in = json_str(value, "told_in");
		struct budget *b = house_budget(h, json_str(row, "id"), e);
		if (!b || read_value(b, value, e))
			return -1;
		turn_month(h, b);
		if (told_in && !strcmp(told_in, b->monthly ? b->month : ""))
			b->told = (int)json_int(value, "told", 0);
		if (h->llm)
			budget_tell(h, json_str(row, "id"), b);
	}
	return 0;
}

/* ---- what was spent ---- */

static int tell(struct house *h, const char *scope, struct budget *b, int share)
{
	struct err e = ERR_INIT;
	int told = b->told;
	b->told = share;
	cleanup_json json_t *records = records_of(scope, b, &e);
	cleanup_json json_t *detail = json_make(&e, "{s:i, s:f, s:f, s:s}", "share", share, "limit_usd", b->limit,
		"spent", budget_counted(h, b), "period", b->monthly ? b->month : "all");
	struct audit a = {
		.who = "system", .what = "budget.alert", .object = scope, .detail = detail, .records = records};
	if (!records || !detail || store_record(h->store, &a, NULL, NULL, &e)) {
		b->told = told; /* the next answer tries again */
		log_warn("budget", "nobody is told that %d %% of the budget of %s are spent: %s", share, scope, e.text);
		return -1;
	}
	return 0;
}

void budget_tell(struct house *h, const char *scope, struct budget *b)
{
	double share = share_of(h, b) + 1e-9;
	int next;
	do {
		next = 0;
		for (int i = 0; i < b->alert_count; i++)
			if (b->alerts[i] > b->told && b->alerts[i] <= share && (!next || b->alerts[i] < next))
				next = b->alerts[i];
	} while (next && !tell(h, scope, b, next));
}

void budget_spend(struct house *h, const char *scope, struct budget *b, double reserved, double spent)
{
	turn_month(h, b);
	b->reserved = fmax(0, b->reserved - reserved);
	b->spent += spent;
	b->month_spent += spent;
	if (b->limit > 0 && b->alert_count && strncmp(scope, "run/", 4) != 0)
		budget_tell(h, scope, b);
}

/* ---- for people ---- */

json_t *budget_json(struct house *h, const char *scope, struct err *e)
{
	struct budget *b = house_budget(h, scope, e);
	json_t *alerts = b ? alerts_json(b, e) : NULL;
	return alerts ? json_make(e, "{s:s, s:o?, s:s, s:o, s:f, s:f, s:f}", "scope", scope, "limit_usd",
				b->limit < 0 ? NULL : json_real(b->limit), "period", b->monthly ? "month" : "all",
				"alerts", alerts, "spent", budget_counted(h, b), "reserved", b->reserved, "share",
				share_of(h, b))
		      : NULL;
}

json_t *budgets_json(struct house *h, bool (*may)(void *ctx, const char *scope), void *ctx, struct err *e)
{
	cleanup_json json_t *out = json_make(e, "[]");
	struct map_entry *it;
	for (size_t i = 0; out && (it = map_next(&h->budgets, &i));) {
		const struct budget *b = it->value;
		if (b->limit < 0 || !strncmp(it->key, "run/", 4) || !may(ctx, it->key))
			continue;
		json_t *one = budget_json(h, it->key, e);
		if (!one)
			return NULL;
		if (json_array_append_new(out, one)) {
			err_nomem(e);
			return NULL;
		}
	}
	return json_incref(out);
}

int budget_change(struct house *h, const char *scope, const json_t *change, const char *by, struct err *e)
{
	struct budget *b = house_budget(h, scope, e), next;
	if (!b)
		return -1;
	turn_month(h, b);
	next = *b;
	if (read_value(&next, change, e))
		return -1;
	/* Of another limit other shares are told; those that it begins beyond are known to whoever sets it. */
	next.told = share_reached(h, &next);
	cleanup_json json_t *records = records_of(scope, &next, e);
	char who[EVENT_ACTOR_MAX];
	snprintf(who, sizeof(who), "%.*s", (int)utf8_cut(span_of(by), sizeof(who) - 1), by);
	struct audit a = {.who = who,
		.what = "budget.changed",
		.object = scope,
		.detail = json_get(json_array_get(records, 0), "value"),
		.records = records};
	if (!records || store_record_wait(h->store, &a, e))
		return -1;
	b->limit = next.limit;
	b->monthly = next.monthly;
	b->told = next.told;
	b->alert_count = next.alert_count;
	memcpy(b->alerts, next.alerts, sizeof(b->alerts));
	budget_wake(h);
	return 0;
}

/* ---- the counters ---- */

struct budget *house_budget(struct house *h, const char *scope, struct err *e)
{
	struct budget *b = map_get(&h->budgets, span_of(scope));
	if (b)
		return b;
	b = MEM_NEW(struct budget);
	if (!b) {
		err_nomem(e);
		return NULL;
	}
	b->limit = -1;
	b->alert_count = (int)(sizeof(standard_alerts) / sizeof(*standard_alerts));
	memcpy(b->alerts, standard_alerts, sizeof(standard_alerts));
	if (map_set(&h->budgets, span_of(scope), b, NULL, e)) {
		mem_free(b);
		return NULL;
	}
	return b;
}
