/* rows_memory: the projections' tables in memory; of the memory driver, and of verify, which folds into them what the
 * database should hold. Not thread-safe.
 *
 * Every change remembers the row it replaced until rows_memory_keep; rows_memory_undo puts them back, so that one
 * append applies as a whole or not at all. */
#ifndef MUSTER_STORE_ROWS_MEMORY_H
#define MUSTER_STORE_ROWS_MEMORY_H

#include "base/map.h"
#include "store/rows.h"

struct memory_row;
struct rows_memory {
	struct rows rows;
	struct map tables[TABLES]; /* key text → struct memory_row */
	struct memory_undo *undo;
};

void rows_memory_init(struct rows_memory *m);
void rows_memory_release(struct rows_memory *m);
void rows_memory_keep(struct rows_memory *m); /* the changes since the last keep or undo stay */
void rows_memory_undo(struct rows_memory *m); /* they are taken back; needs no memory */
/* The cells of the row with this key (borrowed until it is changed), or NULL. */
const struct cell *rows_memory_find(const struct rows_memory *m, enum table_id t, const struct cell *key);
/* for (size_t i = 0; (cells = rows_memory_next(m, t, &i));) */
const struct cell *rows_memory_next(const struct rows_memory *m, enum table_id t, size_t *i);

#endif
