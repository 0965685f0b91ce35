/* rows: the table descriptions, and what both drivers do alike with cells, filters and JSON. */
#include "store/rows.h"

#include <math.h>

#include "base/mem.h"
#include "store/projection.h"

static const struct column runs_columns[] = {
#define RUNS(name, type, zero) {#name, COLUMN_##type, zero},
#include "store/rows.def"
};
static const struct column actions_columns[] = {
#define ACTIONS(name, type, zero) {#name, COLUMN_##type, zero},
#include "store/rows.def"
};
static const struct column agents_columns[] = {
#define AGENTS(name, type, zero) {#name, COLUMN_##type, zero},
#include "store/rows.def"
};
static const struct column requests_columns[] = {
#define REQUESTS(name, type, zero) {#name, COLUMN_##type, zero},
#include "store/rows.def"
};
static const struct column usage_columns[] = {
#define USAGE(name, type, zero) {#name, COLUMN_##type, zero},
#include "store/rows.def"
};
static const struct column budgets_columns[] = {
#define BUDGETS(name, type, zero) {#name, COLUMN_##type, zero},
#include "store/rows.def"
};
static const struct column records_columns[] = {
#define RECORDS(name, type, zero) {#name, COLUMN_##type, zero},
#include "store/rows.def"
};
static const struct column audit_columns[] = {
#define AUDIT(name, type, zero) {#name, COLUMN_##type, zero},
#include "store/rows.def"
};

const struct table store_tables[TABLES] = {
	[TABLE_RUNS] = {"runs", runs_columns, RUNS_COUNT, 1, RUNS_created, {RUNS_dir}},
	[TABLE_ACTIONS] = {"actions", actions_columns, ACTIONS_COUNT, 2, ACTIONS_opened, {0}},
	[TABLE_AGENTS] = {"agents", agents_columns, AGENTS_COUNT, 2, -1, {0}},
	[TABLE_REQUESTS] = {"requests", requests_columns, REQUESTS_COUNT, 3, -1, {0}},
	[TABLE_USAGE] = {"usage", usage_columns, USAGE_COUNT, 6, -1, {USAGE_day, USAGE_project}},
	[TABLE_BUDGETS] = {"budgets", budgets_columns, BUDGETS_COUNT, 2, -1, {0}},
	[TABLE_RECORDS] = {"records", records_columns, RECORDS_COUNT, 2, -1, {0}},
	[TABLE_AUDIT] = {"audit", audit_columns, AUDIT_COUNT, 1, AUDIT_seq, {AUDIT_who, AUDIT_what, AUDIT_object}},
};
_Static_assert((int)RUNS_COUNT <= (int)ROW_CELLS && (int)ACTIONS_COUNT <= (int)ROW_CELLS, "ROW_CELLS is enough");

bool cell_eq(const struct cell *a, const struct cell *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == CELL_NULL || (a->kind == CELL_INT ? a->i == b->i : span_eq(a->text, b->text));
}

static int value_from(const struct table *t, int column, const json_t *v, struct cell *out, struct err *e)
{
	enum column_type type = t->columns[column].type;
	bool number = type == COLUMN_INT || type == COLUMN_SEQ || type == COLUMN_AT;

	if (json_is_null(v))
		*out = (struct cell){.kind = CELL_NULL};
	else if (type == COLUMN_TEXT && json_is_string(v))
		*out = cell_span(span_n(json_string_value(v), json_string_length(v)));
	else if (type == COLUMN_USD && json_is_number(v))
		*out = cell_int(llround(json_number_value(v) * 1e9));
	else if (number && json_is_integer(v))
		*out = cell_int(json_integer_value(v));
	else if (number && json_is_boolean(v))
		*out = cell_int(json_is_true(v));
	else
		return err_set(e, ERR_INVALID, "%s cannot be filtered by %s with a value of this type", t->name,
			t->columns[column].name);
	return 0;
}

int filter_from(enum table_id id, const json_t *filter, struct filter *out, struct err *e)
{
	const struct table *t = &store_tables[id];
	const char *name;
	json_t *v;

	out->count = out->range_count = 0;
	out->no_deleted = false;
	if (filter && !json_is_object(filter))
		return err_set(e, ERR_INVALID, "a filter must be an object of columns and values");
	json_object_foreach((json_t *)filter, name, v)
	{
		size_t n = json_is_array(v) ? json_array_size(v) : 1;
		int column = 0;
		while (column < t->count && strcmp(t->columns[column].name, name) != 0)
			column++;
		if (column == t->count)
			return err_set(
				e, ERR_INVALID, "%s cannot be filtered by %s: there is no such column", t->name, name);
		if (n == 0 || out->count + n > FILTER_VALUES)
			return err_set(
				e, ERR_INVALID, "the filter of %s must name 1 to %d values", t->name, FILTER_VALUES);
		for (size_t i = 0; i < n; i++) {
			const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
			if (value_from(t, column, one, &out->conditions[out->count].value, e))
				return -1;
			out->conditions[out->count++].column = column;
		}
	}
	return 0;
}

bool filter_matches(const struct filter *f, const struct cell *cells)
{
	size_t i = 0;

	if (f->no_deleted && span_is(cells[RUNS_state].text, PROJECTION_DELETED))
		return false;
	while (i < f->count) {
		int column = f->conditions[i].column;
		bool any = false;
		for (; i < f->count && f->conditions[i].column == column; i++)
			any |= cell_eq(&cells[column], &f->conditions[i].value);
		if (!any)
			return false;
	}
	for (i = 0; i < f->range_count; i++) {
		int64_t n = cells[f->ranges[i].column].i;
		if (n < f->ranges[i].least || n >= f->ranges[i].below)
			return false;
	}
	return true;
}

static json_t *cell_json(const struct column *c, const struct cell *cell, struct err *e)
{
	json_t *v;

	if (cell->kind == CELL_NULL)
		return json_null();
	if (c->type == COLUMN_JSON)
		return json_parse(cell->text, c->name, e);
	if (cell->kind == CELL_TEXT)
		v = json_from_span(cell->text);
	else
		v = c->type == COLUMN_USD ? json_real((double)cell->i / 1e9) : json_integer(cell->i);
	if (!v)
		err_nomem(e);
	return v;
}

json_t *row_json(enum table_id id, const struct cell *cells, struct err *e)
{
	const struct table *t = &store_tables[id];
	cleanup_json json_t *row = json_object();

	if (!row) {
		err_nomem(e);
		return NULL;
	}
	for (int i = 0; i < t->count; i++) {
		json_t *v = cell_json(&t->columns[i], &cells[i], e);
		if (!v)
			return NULL;
		if (json_put(row, t->columns[i].name, v)) {
			err_nomem(e);
			return NULL;
		}
	}
	return steal(&row);
}
