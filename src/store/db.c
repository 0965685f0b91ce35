/* db: SQLite with our memory, faults and errors. Connections are opened without SQLite's own mutex (one thread at a
 * time uses one), extended result codes on. Failures: disk full and no memory keep their codes; damage is ERR_CORRUPT;
 * other input and output trouble ERR_IO. */
#include "store/db.h"

#include <pthread.h>

#include "base/fault.h"
#include "base/mem.h"

#define STATEMENTS_MAX 512

static void *alloc_bytes(int n)
{
	return mem_alloc((size_t)n);
}

static void *realloc_bytes(void *p, int n)
{
	return mem_realloc(p, (size_t)n);
}

static int size_of(void *p)
{
	return p ? (int)mem_size(p) : 0;
}

static int round_up(int n)
{
	return (n + 7) & ~7;
}

static int nothing_to_start(void *p)
{
	(void)p;
	return SQLITE_OK;
}

static void nothing_to_stop(void *p)
{
	(void)p;
}

static int setup_result;

static void setup(void)
{
	static const sqlite3_mem_methods methods = {
		alloc_bytes, mem_free, realloc_bytes, size_of, round_up, nothing_to_start, nothing_to_stop, NULL};

	setup_result = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
	if (setup_result == SQLITE_OK)
		setup_result = sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	if (setup_result == SQLITE_OK)
		setup_result = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int db_fail(struct db *db, int rc, struct err *e)
{
	bool latest = db->handle && sqlite3_extended_errcode(db->handle) == rc;
	const char *text = latest ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);

	switch (rc == SQLITE_IOERR_SHMSIZE ? SQLITE_FULL : rc & 0xff) {
	case SQLITE_NOMEM:
		return err_nomem(e);
	case SQLITE_FULL:
		return err_set(e, ERR_DISK_FULL, "%s: no space left; free some and try again", db->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(e, ERR_CORRUPT, "%s is damaged (%s); restore a backup", db->path, text);
	case SQLITE_READONLY:
		return err_set(e, ERR_READ_ONLY, "%s cannot be written: %s", db->path, text);
	case SQLITE_CANTOPEN:
		return err_set(e, ERR_IO,
			"%s cannot be opened: %s; check that it and its folder are yours, and that there is space left",
			db->path, text);
	case SQLITE_IOERR:
		if (rc == SQLITE_IOERR_NOMEM)
			return err_nomem(e);
		return err_set(e, ERR_IO, "%s cannot be read or written: %s (%d)", db->path, text, rc);
	default:
		return err_set(e, ERR_DATABASE, "%s: %s (%d)", db->path, text, rc);
	}
}

static int check(struct db *db, int rc, struct err *e)
{
	return rc == SQLITE_OK ? 0 : db_fail(db, rc, e);
}

int db_open(struct db *db, const char *path, int flags, const char *vfs, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int rc;

	pthread_once(&once, setup);
	*db = (struct db){.path = path};
	map_init(&db->statements, STATEMENTS_MAX);
	if (setup_result != SQLITE_OK)
		return err_set(e, ERR_INTERNAL, "SQLite was started by someone else in this process");
	rc = fault_hit(FAULT_DB) ? SQLITE_CANTOPEN
				 : sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, vfs);
	if (rc != SQLITE_OK) {
		db_fail(db, rc, e);
		db_close(db);
		return -1;
	}
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_timeout(db->handle, 5000);
	return 0;
}

static void statement_free(void *st)
{
	sqlite3_finalize(st);
}

void db_close(struct db *db)
{
	map_release(&db->statements, statement_free);
	if (db->handle)
		BUG_ON(sqlite3_close(db->handle) != SQLITE_OK);
	db->handle = NULL;
}

int db_exec(struct db *db, const char *sql, struct err *e)
{
	if (fault_hit(FAULT_DB))
		return db_fail(db, SQLITE_IOERR, e);
	return check(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL), e);
}

static int statement(struct db *db, const char *sql, sqlite3_stmt **out, struct err *e)
{
	*out = map_get(&db->statements, span_of(sql));
	if (*out)
		return 0;
	if (fault_hit(FAULT_DB))
		return db_fail(db, SQLITE_IOERR, e);
	if (check(db, sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL), e))
		return -1;
	if (map_set(&db->statements, span_of(sql), *out, NULL, e)) {
		sqlite3_finalize(*out);
		return err_wrap(e, "prepared statements");
	}
	return 0;
}

static int bind_span(sqlite3_stmt *st, int at, struct span s, bool text)
{
	if (!s.p)
		return sqlite3_bind_null(st, at);
	return text ? sqlite3_bind_text64(st, at, s.p, s.n, SQLITE_STATIC, SQLITE_UTF8)
		    : sqlite3_bind_blob64(st, at, s.p, s.n, SQLITE_STATIC);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 8-4-4-4-12 lower-case hex digits into 16 bytes. */
static bool pack_id(const char *id, uint8_t out[16])
{
	size_t n = 0;

	if (strnlen(id, ID_TEXT) != ID_TEXT - 1)
		return false;
	for (size_t i = 0; i < ID_TEXT - 1; i += 2) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (id[i++] != '-')
				return false;
		}
		if (digit(id[i]) < 0 || digit(id[i + 1]) < 0)
			return false;
		out[n++] = (uint8_t)(digit(id[i]) << 4 | digit(id[i + 1]));
	}
	return n == 16;
}

static int bind_id(sqlite3_stmt *st, int at, const char *id)
{
	uint8_t bytes[16];

	if (!*id)
		return sqlite3_bind_null(st, at);
	if (pack_id(id, bytes))
		return sqlite3_bind_blob(st, at, bytes, sizeof bytes, SQLITE_TRANSIENT);
	return sqlite3_bind_text(st, at, id, -1, SQLITE_STATIC);
}

int db_bind_cell(struct db *db, sqlite3_stmt *st, int at, const struct cell *cell, struct err *e)
{
	int rc = cell->kind == CELL_INT	   ? sqlite3_bind_int64(st, at, cell->i)
		 : cell->kind == CELL_TEXT ? bind_span(st, at, cell->text, true)
					   : sqlite3_bind_null(st, at);

	return check(db, rc, e);
}

static int query(struct db *db, sqlite3_stmt **out, struct err *e, const char *sql, const char *types, va_list *ap)
{
	int rc = SQLITE_OK;

	if (statement(db, sql, out, e))
		return -1;
	for (int at = 1; *types && rc == SQLITE_OK; types++, at++) {
		const struct cell *cell;
		switch (*types) {
		case 'i':
			rc = sqlite3_bind_int64(*out, at, va_arg(*ap, int64_t));
			break;
		case 's':
			rc = sqlite3_bind_text(*out, at, va_arg(*ap, const char *), -1, SQLITE_STATIC);
			break;
		case 't':
		case 'b':
			rc = bind_span(*out, at, va_arg(*ap, struct span), *types == 't');
			break;
		case 'u':
			rc = bind_id(*out, at, va_arg(*ap, const char *));
			break;
		case 'c':
			cell = va_arg(*ap, const struct cell *);
			if (db_bind_cell(db, *out, at, cell, e))
				return -1;
			break;
		default:
			BUG("type %c of a database value", *types);
		}
	}
	return check(db, rc, e);
}

int db_query(struct db *db, sqlite3_stmt **out, struct err *e, const char *sql, const char *types, ...)
{
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = query(db, out, e, sql, types, &ap);
	va_end(ap);
	return rc;
}

int db_step(struct db *db, sqlite3_stmt *st, struct err *e)
{
	int rc = fault_hit(FAULT_DB) ? SQLITE_IOERR : sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		db_fail(db, rc, e);
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

int db_do(struct db *db, struct err *e, const char *sql, const char *types, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = query(db, &st, e, sql, types, &ap);
	va_end(ap);
	if (rc == 0)
		while ((rc = db_step(db, st, e)) > 0)
			;
	return rc;
}

struct span db_span(sqlite3_stmt *st, int column)
{
	int type = sqlite3_column_type(st, column);
	const char *p = sqlite3_column_blob(st, column); /* also gives text as its bytes */
	int n = sqlite3_column_bytes(st, column);

	return type == SQLITE_NULL ? SPAN_NONE : span_n(p ? p : "", p ? (size_t)n : 0);
}

struct cell db_cell(sqlite3_stmt *st, int column)
{
	switch (sqlite3_column_type(st, column)) {
	case SQLITE_NULL:
		return (struct cell){.kind = CELL_NULL};
	case SQLITE_INTEGER:
		return cell_int(sqlite3_column_int64(st, column));
	default:
		return cell_span(db_span(st, column));
	}
}

void db_id(sqlite3_stmt *st, int column, char out[ID_TEXT])
{
	static const char hex[] = "0123456789abcdef";
	int type = sqlite3_column_type(st, column);
	struct span s = db_span(st, column);
	char *p = out;

	if (type != SQLITE_BLOB || s.n != 16) {
		size_t n = s.n < ID_TEXT - 1 ? s.n : ID_TEXT - 1;
		if (n)
			memcpy(out, s.p, n);
		out[n] = 0;
		return;
	}
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[(uint8_t)s.p[i] >> 4];
		*p++ = hex[(uint8_t)s.p[i] & 15];
	}
	*p = 0;
}

int db_hash(sqlite3_stmt *st, int column, struct hash *out, struct err *e)
{
	struct span s = db_span(st, column);

	if (s.n != HASH_SIZE)
		return err_set(e, ERR_CORRUPT, "a hash in the database has %zu bytes; restore a backup", s.n);
	memcpy(out->b, s.p, HASH_SIZE);
	return 0;
}
