/* rows: the tables of the projections, described once, and the interface through which folds change them.
 *
 * A driver keeps these tables in its own way (SQLite tables, maps in memory). The first `keys` columns of a table are
 * its primary key and are never NULL. Money is counted in whole nano-dollars, so that sums do not depend on the order
 * of the events and a rebuild gives the same rows. */
#ifndef MUSTER_STORE_ROWS_H
#define MUSTER_STORE_ROWS_H

#include "base/arena.h"
#include "base/json.h"

enum column_type {
	COLUMN_TEXT,
	COLUMN_INT,
	COLUMN_USD,  /* nano-dollars; dollars in JSON */
	COLUMN_JSON, /* canonical text */
	COLUMN_SEQ,  /* not stored: the head of the run's stream */
	COLUMN_AT,   /* not stored: when that was appended */
};

enum table_id {
	TABLE_RUNS,
	TABLE_ACTIONS,
	TABLE_AGENTS,
	TABLE_REQUESTS,
	TABLE_USAGE,
	TABLE_BUDGETS,
	TABLE_RECORDS,
	TABLE_AUDIT,
	TABLES
};
enum {
#define RUNS(name, type, zero) RUNS_##name,
#include "store/rows.def"
	RUNS_COUNT
};
enum {
#define ACTIONS(name, type, zero) ACTIONS_##name,
#include "store/rows.def"
	ACTIONS_COUNT
};
enum {
#define AGENTS(name, type, zero) AGENTS_##name,
#include "store/rows.def"
	AGENTS_COUNT
};
enum {
#define REQUESTS(name, type, zero) REQUESTS_##name,
#include "store/rows.def"
	REQUESTS_COUNT
};
enum {
#define USAGE(name, type, zero) USAGE_##name,
#include "store/rows.def"
	USAGE_COUNT
};
enum {
#define BUDGETS(name, type, zero) BUDGETS_##name,
#include "store/rows.def"
	BUDGETS_COUNT
};
enum {
#define RECORDS(name, type, zero) RECORDS_##name,
#include "store/rows.def"
	RECORDS_COUNT
};
enum {
#define AUDIT(name, type, zero) AUDIT_##name,
#include "store/rows.def"
	AUDIT_COUNT
};

#define ROW_KEYS 6
#define ROW_CELLS 32
#define TABLE_INDEXES 3

struct column {
	const char *name;
	enum column_type type;
	bool zero;
};
struct table {
	const char *name;
	const struct column *columns;
	int count, keys, newest;    /* newest: the column that orders lists, or -1: by key */
	int indexed[TABLE_INDEXES]; /* columns by which rows are looked up; 0: no more */
};
extern const struct table store_tables[TABLES];

struct cell {
	enum { CELL_NULL, CELL_INT, CELL_TEXT } kind;
	int64_t i;
	struct span text; /* borrowed */
};
static inline struct cell cell_int(int64_t i)
{
	return (struct cell){CELL_INT, i, SPAN_NONE};
}
static inline struct cell cell_span(struct span text)
{
	return (struct cell){text.p ? CELL_TEXT : CELL_NULL, 0, text};
}
static inline struct cell cell_text(const char *text)
{
	return cell_span(span_of(text));
}
bool cell_eq(const struct cell *a, const struct cell *b);

struct change {
	int column;
	bool add; /* add to the number that is there (NULL counts as 0) */
	struct cell value;
};

struct rows;
struct rows_ops {
	/* The row with this key: all its stored columns into cells[], texts copied into rows->arena. 1 found, 0 none,
	 * -1. Columns that are only ever added to may be behind: a fold does not read its sums. */
	int (*get)(struct rows *r, enum table_id t, const struct cell *key, struct cell *cells, struct err *e);
	/* Change the row with this key; where there is none, make it (make) or do nothing. */
	int (*put)(struct rows *r, enum table_id t, const struct cell *key, const struct change *changes, size_t count,
		bool make, struct err *e);
	/* Delete every row whose first `keys` key columns equal these. */
	int (*drop)(struct rows *r, enum table_id t, const struct cell *key, int keys, struct err *e);
	/* Delete everything, before a rebuild. */
	int (*clear)(struct rows *r, struct err *e);
};
struct rows {
	const struct rows_ops *ops;
	struct arena arena; /* of one event */
	bool again;	    /* being made anew, in an order in which a parent may come after its child */
};

/* A list's filter: equalities on columns (a value, null, or an array of values of which any), and ranges of numbers. */
#define FILTER_VALUES 1024
#define FILTER_RANGES 2
struct filter {
	struct {
		int column;
		struct cell value;
	} conditions[FILTER_VALUES]; /* those of one column follow each other */
	size_t count;
	struct {
		int column;
		int64_t least, below;
	} ranges[FILTER_RANGES];
	size_t range_count;
	bool no_deleted; /* of runs: without those that were deleted */
};
/* From a JSON object (NULL: no condition); texts are borrowed from it. ERR_INVALID names an unknown column or a value
 * of the wrong type. */
int filter_from(enum table_id id, const json_t *filter, struct filter *out, struct err *e);
bool filter_matches(const struct filter *f, const struct cell *cells);

/* One row as a JSON object, NULL columns as null; NULL: no memory or a damaged JSON column. */
json_t *row_json(enum table_id id, const struct cell *cells, struct err *e);

#endif
