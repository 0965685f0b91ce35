/* db: one SQLite connection with its prepared statements, used by one thread at a time.
 *
 * Every call into SQLite that can fail passes FAULT_DB. Values are given by a string of types, one letter each:
 *   i int64_t   s const char * (NULL: NULL)   t struct span text   b struct span bytes (p NULL: NULL)
 *   u const char * id: a UUID as its 16 bytes, "" as NULL, other text as it is   c const struct cell * */
#ifndef MUSTER_STORE_DB_H
#define MUSTER_STORE_DB_H

#include <sqlite3.h>

#include "base/blob.h"
#include "base/map.h"
#include "store/event.h"
#include "store/rows.h"

struct db {
	sqlite3 *handle;
	struct map statements; /* SQL → sqlite3_stmt */
	const char *path;      /* borrowed, for messages */
};

/* flags and vfs (NULL: the usual one) of sqlite3_open_v2. */
int db_open(struct db *db, const char *path, int flags, const char *vfs, struct err *e);
void db_close(struct db *db); /* harmless when not open */
/* Without values, perhaps several statements. */
int db_exec(struct db *db, const char *sql, struct err *e);
/* The prepared statement (kept for the next time) with its values bound; texts are borrowed until db_reset. */
int db_query(struct db *db, sqlite3_stmt **out, struct err *e, const char *sql, const char *types, ...);
/* 1: a row; 0: done; -1. After 0 and -1 the statement is reset. */
int db_step(struct db *db, sqlite3_stmt *st, struct err *e);
/* Query, step to the end, forget the rows. */
int db_do(struct db *db, struct err *e, const char *sql, const char *types, ...);
static inline void db_reset(sqlite3_stmt *st)
{
	sqlite3_reset(st);
}
/* Set the error from the connection's last failure. Returns -1. */
int db_fail(struct db *db, int rc, struct err *e);
int db_bind_cell(struct db *db, sqlite3_stmt *st, int at, const struct cell *cell, struct err *e);

/* Columns of the present row; spans are borrowed until the next step. */
struct span db_span(sqlite3_stmt *st, int column);
struct cell db_cell(sqlite3_stmt *st, int column);
/* An id bound with 'u'; cut when longer than out. */
void db_id(sqlite3_stmt *st, int column, char out[ID_TEXT]);
/* 0, or -1 with ERR_CORRUPT when it is not HASH_SIZE bytes. */
int db_hash(sqlite3_stmt *st, int column, struct hash *out, struct err *e);

#endif
