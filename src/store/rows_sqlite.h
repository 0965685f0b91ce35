/* rows_sqlite: the projections' tables in SQLite, on the writer's connection. */
#ifndef MUSTER_STORE_ROWS_SQLITE_H
#define MUSTER_STORE_ROWS_SQLITE_H

#include "store/db.h"
#include "store/rows.h"

/* A statement by what it does, so that its SQL is built once. */
struct row_shape {
	unsigned char table, verb, count, columns[ROW_CELLS]; /* column * 2 + add */
};
#define ROW_SHAPES 64

struct rows_sqlite {
	struct rows rows;
	struct db *db;
	struct row_shape shapes[ROW_SHAPES];
	char *sql[ROW_SHAPES];
	int shape_count;
};

void rows_sqlite_init(struct rows_sqlite *r, struct db *db);
void rows_sqlite_release(struct rows_sqlite *r);
/* CREATE TABLE statements of all projections. */
void rows_sqlite_schema(struct buf *out);
/* The columns of a table as a SELECT list; what is not stored is looked up in streams. */
void rows_sqlite_columns(enum table_id t, struct buf *out);
/* One column as an expression. */
void rows_sqlite_column(enum table_id t, int column, struct buf *out);

#endif
