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

/* X(column, type, is it 0 rather than NULL when never set) */
#define RUNS_COLUMNS(X)                                                                                                \
	X(run, TEXT, 0)                                                                                                \
	X(mode, TEXT, 0)                                                                                               \
	X(project, TEXT, 0)                                                                                            \
	X(dir, TEXT, 0)                                                                                                \
	X(title, TEXT, 0)                                                                                              \
	X(state, TEXT, 0)                                                                                              \
	X(phase, TEXT, 0)                                                                                              \
	X(created, INT, 0)                                                                                             \
	X(updated, AT, 0)                                                                                              \
	X(seq, SEQ, 0)                                                                                                 \
	X(usd, USD, 1) X(usd_unknown, USD, 1) X(input_tokens, INT, 1) X(output_tokens, INT, 1)                         \
		X(cached_tokens, INT, 1) X(agents, INT, 1) X(evidence, TEXT, 0) X(branch, TEXT, 0) X(copy, TEXT, 0)    \
			X(base, TEXT, 0) X(merged, TEXT, 0) X(waiting_on, TEXT, 0) X(budget_usd, USD, 0)               \
				X(parent, TEXT, 0) X(user, TEXT, 0) X(error, JSON, 0) X(commit, TEXT, 0)               \
					X(snapshot, TEXT, 0)
#define ACTIONS_COLUMNS(X)                                                                                             \
	X(run, TEXT, 0)                                                                                                \
	X(action, TEXT, 0)                                                                                             \
	X(name, TEXT, 0)                                                                                               \
	X(kind, TEXT, 0)                                                                                               \
	X(title, TEXT, 0)                                                                                              \
	X(body, TEXT, 0)                                                                                               \
	X(blob, TEXT, 0)                                                                                               \
	X(options, JSON, 0)                                                                                            \
	X(priority, TEXT, 0)                                                                                           \
	X(state, TEXT, 0)                                                                                              \
	X(opened, INT, 0) X(resolved, INT, 0) X(answer, JSON, 0) X(agent, TEXT, 0) X(call, TEXT, 0)                    \
		X(call_hash, TEXT, 0) X(seq, INT, 0)
#define AGENTS_COLUMNS(X) X(run, TEXT, 0) X(agent, TEXT, 0) X(role, TEXT, 0)
#define REQUESTS_COLUMNS(X) X(run, TEXT, 0) X(agent, TEXT, 0) X(turn, INT, 0) X(model, TEXT, 0) X(reserved, USD, 1)
#define USAGE_COLUMNS(X)                                                                                               \
	X(run, TEXT, 0)                                                                                                \
	X(role, TEXT, 0)                                                                                               \
	X(model, TEXT, 0)                                                                                              \
	X(calls, INT, 1) X(input, INT, 1) X(output, INT, 1) X(cached, INT, 1) X(usd, USD, 1) X(usd_unknown, USD, 1)
#define BUDGETS_COLUMNS(X)                                                                                             \
	X(scope, TEXT, 0) X(limit_usd, USD, 0) X(spent, USD, 1) X(unknown, USD, 1) X(reserved, USD, 1)
enum table_id { TABLE_RUNS, TABLE_ACTIONS, TABLE_AGENTS, TABLE_REQUESTS, TABLE_USAGE, TABLE_BUDGETS, TABLES };
#define X(c, type, zero) RUNS_##c,
enum { RUNS_COLUMNS(X) RUNS_COUNT };
#undef X
#define X(c, type, zero) ACTIONS_##c,
enum { ACTIONS_COLUMNS(X) ACTIONS_COUNT };
#undef X
#define X(c, type, zero) AGENTS_##c,
enum { AGENTS_COLUMNS(X) AGENTS_COUNT };
#undef X
#define X(c, type, zero) REQUESTS_##c,
enum { REQUESTS_COLUMNS(X) REQUESTS_COUNT };
#undef X
#define X(c, type, zero) USAGE_##c,
enum { USAGE_COLUMNS(X) USAGE_COUNT };
#undef X
#define X(c, type, zero) BUDGETS_##c,
enum { BUDGETS_COLUMNS(X) BUDGETS_COUNT };
#undef X

#define ROW_KEYS 3
#define ROW_CELLS 32

struct column {
	const char *name;
	enum column_type type;
	bool zero;
};
struct table {
	const char *name;
	const struct column *columns;
	int count, keys, newest; /* newest: the column that orders lists, or -1: by key */
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

/* A list's filter: equalities on columns (a value, null, or an array of values of which any). */
#define FILTER_VALUES 64
struct filter {
	struct {
		int column;
		struct cell value;
	} conditions[FILTER_VALUES]; /* those of one column follow each other */
	size_t count;
	bool no_deleted; /* of runs: without those that were deleted */
};
/* From a JSON object (NULL: no condition); texts are borrowed from it. ERR_INVALID names an unknown column or a value
 * of the wrong type. */
int filter_from(enum table_id id, const json_t *filter, struct filter *out, struct err *e);
bool filter_matches(const struct filter *f, const struct cell *cells);

/* One row as a JSON object, NULL columns as null; NULL: no memory or a damaged JSON column. */
json_t *row_json(enum table_id id, const struct cell *cells, struct err *e);

#endif
