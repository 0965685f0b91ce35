/* rows_sqlite: the projections' tables in SQLite, on the writer's connection.
 *
 * Sums wait: a change that only adds to existing sums is kept in memory, with those to the same row that follow, and
 * written by rows_sqlite_flush before the commit. Many events move the same few rows (the house's budget is in all of
 * them), and no fold reads a sum. */
#ifndef MUSTER_STORE_ROWS_SQLITE_H
#define MUSTER_STORE_ROWS_SQLITE_H

#include "store/db.h"
#include "store/rows.h"

/* A statement by what it does, so that its SQL is built once. */
struct row_shape {
	unsigned char table, verb, count, columns[ROW_CELLS]; /* column * 2 + add */
};
#define ROW_SHAPES 64
#define ROW_SUMS 8 /* changes of one waiting addition */

struct row_sums;
struct row_undo;

struct rows_sqlite {
	struct rows rows;
	struct db *db;
	struct row_shape shapes[ROW_SHAPES];
	char *sql[ROW_SHAPES];
	int shape_count;
	/* sums that wait */
	struct map waiting; /* shape and key → struct row_sums */
	int waiting_in[TABLES];
	struct buf name;
	struct row_undo *undo; /* what this write added to them */
	size_t undo_count, undo_room;
};

void rows_sqlite_init(struct rows_sqlite *r, struct db *db);
void rows_sqlite_release(struct rows_sqlite *r);
/* Before a write: forget how to undo the one before. */
void rows_sqlite_mark(struct rows_sqlite *r);
/* Take back what was added to waiting sums since the mark. */
void rows_sqlite_undo(struct rows_sqlite *r);
/* Write the waiting sums. Before the commit, and before a write that deletes rows (its rollback would lose the sums of
 * others otherwise). */
int rows_sqlite_flush(struct rows_sqlite *r, struct err *e);
void rows_sqlite_forget(struct rows_sqlite *r); /* the group is lost */
/* CREATE TABLE statements of all projections. */
void rows_sqlite_schema(struct buf *out);
/* The columns of a table as a SELECT list; what is not stored is looked up in streams. */
void rows_sqlite_columns(enum table_id t, struct buf *out);
/* One column as an expression. */
void rows_sqlite_column(enum table_id t, int column, struct buf *out);

#endif
