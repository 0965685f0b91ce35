/* sqlite_schema: the tables of the SQLite file, how those of an older program become them, and whether the projections'
 * are this program's.
 *
 * PRAGMA user_version is the format of the journal: so many of the steps below were taken. They are taken in one
 * transaction, after a copy of what was there was put into <dir>/before-format-N; a step is never changed once it was
 * released (tests/golden has a journal of every release). PRAGMA application_id is a print of the projections' tables:
 * another one means that rows.def or its folds are of another program, and the owner makes them anew from the events.
 * Whoever changes a fold without changing rows.def changes ROWS_VERSION. */
#include <inttypes.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/sqlite.h"

#define SQL_MAX (64 * 1024)
#define ROWS_VERSION 1

static const char *const released[] = {
	/* 1, of 0.1 */
	"CREATE TABLE streams(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, at INTEGER NOT "
	"NULL, hash BLOB NOT NULL, fence INTEGER NOT NULL, holder TEXT, until INTEGER NOT NULL) STRICT;\n"
	"CREATE TABLE events(stream INTEGER NOT NULL, seq INTEGER NOT NULL, id ANY NOT NULL, at INTEGER NOT NULL, type "
	"TEXT NOT NULL, v INTEGER NOT NULL, actor INTEGER NOT NULL, actor_id TEXT, cause ANY, data TEXT NOT NULL, hash "
	"BLOB NOT NULL, PRIMARY KEY(stream, seq)) STRICT, WITHOUT ROWID;\n"
	/* body NULL: in a file. named: an event names it. */
	"CREATE TABLE blobs(id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, at INTEGER NOT "
	"NULL, named INTEGER NOT NULL, body BLOB) STRICT;\n"
	"CREATE INDEX blobs_unnamed ON blobs(hash, at) WHERE named = 0;\n"
	"CREATE TABLE commands(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, stream TEXT NOT NULL, text TEXT NOT "
	"NULL, "
	"done INTEGER NOT NULL) STRICT;\n"
	"CREATE INDEX commands_open ON commands(stream, n) WHERE done = 0;\n"
	"CREATE TABLE limits(scope TEXT PRIMARY KEY, nano INTEGER NOT NULL) STRICT, WITHOUT ROWID;\n",
	/* 2: a stream's head is its last event; folded: up to there its events are in the projections */
	("ALTER TABLE streams RENAME COLUMN seq TO folded; ALTER TABLE streams DROP COLUMN at; "
	 "ALTER TABLE streams DROP COLUMN hash;\n"),
	/* 3: limits of budgets are records */
	"DROP TABLE limits;\n",
};

const struct sqlite_steps sqlite_released = {released, sizeof released / sizeof *released};

/* ---- the projections' tables ---- */

static int rows_schema(struct buf *sql, int32_t *print, struct err *e)
{
	struct hash h;

	rows_sqlite_schema(sql);
	if (buf_check(sql, "the projections' tables", e))
		return -1;
	hash_bytes(&h, NULL, buf_span(sql));
	memcpy(print, h.b, sizeof *print);
	*print ^= ROWS_VERSION;
	return 0;
}

static int rows_are_ours(struct db *db, bool *ours, struct err *e)
{
	cleanup_buf struct buf sql = BUF_INIT(SQL_MAX);
	sqlite3_stmt *st;
	int32_t print;

	if (rows_schema(&sql, &print, e) || db_query(db, &st, e, "PRAGMA application_id", "") || db_step(db, st, e) < 0)
		return -1;
	*ours = sqlite3_column_int(st, 0) == print;
	db_reset(st);
	return 0;
}

int sqlite_remake_rows(struct db *db, struct err *e)
{
	cleanup_buf struct buf sql = BUF_INIT(SQL_MAX);
	cleanup_buf struct buf made = BUF_INIT(SQL_MAX);
	sqlite3_stmt *st;
	int32_t print;
	int rc;

	if (db_query(db, &st, e,
		    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('streams', 'events', "
		    "'blobs', "
		    "'commands') AND name NOT LIKE 'sqlite_%'",
		    ""))
		return -1;
	while ((rc = db_step(db, st, e)) > 0) {
		struct span name = db_span(st, 0);
		buf_addf(&sql, "DROP TABLE \"%.*s\";\n", (int)name.n, name.p);
	}
	if (rc < 0 || rows_schema(&made, &print, e))
		return -1;
	buf_add(&sql, made.data, made.len);
	buf_addf(&sql, "PRAGMA application_id = %" PRId32, print);
	return buf_check(&sql, "the projections' tables", e) ? -1 : db_exec(db, sql.data, e);
}

/* ---- the journal's format ---- */

static int format_of(struct db *db, int most, int *format, struct err *e)
{
	sqlite3_stmt *st;

	if (db_query(db, &st, e, "PRAGMA user_version", "") || db_step(db, st, e) < 0)
		return -1;
	*format = sqlite3_column_int(st, 0);
	db_reset(st);
	if (*format > most)
		return err_set(e, ERR_NEWER, "%s has version %d; this program knows version %d; use a newer muster",
			db->path, *format, most);
	return 0;
}

static int copy_text(const char *from_dir, const char *to_dir, const char *name, struct err *e)
{
	cleanup_free char *from = fs_join(from_dir, name), *to = fs_join(to_dir, name);
	cleanup_buf struct buf text = BUF_INIT(1024 * 1024 * 1024);

	if (!from || !to)
		return err_nomem(e);
	return !fs_exists(from) ? 0 : fs_read(from, &text, e) || fs_replace(to, buf_span(&text), 0600, e) ? -1 : 0;
}

/* The journal as it was, to go back to with the older program; its key is the folder's. The format file comes last, as
 * in every backup. */
static int keep_old(struct sqlite *s, int to_format, struct err *e)
{
	const char *dir = s->base.dir;
	cleanup_free char *to = mem_printf("%s/before-format-%d", dir, to_format);

	if (!to)
		return err_nomem(e);
	if (fs_remove_tree(to, e) || fs_mkdirs(to, 0700, e) || sqlite_copy(&s->base, to, e) ||
		copy_text(dir, to, "heads", e) || copy_text(dir, to, "format", e))
		return err_wrap(e, "the copy before the journal is brought to a newer format");
	log_info("store", "the journal is brought to a newer format; as it was, it is in %s", to);
	return 0;
}

static int take_steps(struct sqlite *s, const struct sqlite_steps *steps, int from, struct err *e)
{
	cleanup_free char *version = mem_printf("PRAGMA user_version = %d", steps->count);
	int rc = version ? db_exec(&s->db, "BEGIN IMMEDIATE", e) : err_nomem(e);

	if (rc)
		return -1;
	for (int i = from; rc == 0 && i < steps->count; i++)
		rc = db_exec(&s->db, steps->sql[i], e);
	if (rc == 0 && from == 0)
		rc = sqlite_remake_rows(&s->db, e);
	if (rc == 0)
		rc = db_exec(&s->db, version, e);
	if (rc == 0)
		rc = db_exec(&s->db, "COMMIT", e);
	if (rc)
		db_exec(&s->db, "ROLLBACK", NULL);
	return rc;
}

int sqlite_bring_up(struct sqlite *s, const struct sqlite_steps *steps, struct err *e)
{
	bool ours = false;
	int format;

	if (format_of(&s->db, steps->count, &format, e))
		return -1;
	if (format > 0 && format < steps->count && keep_old(s, steps->count, e))
		return -1;
	if (format < steps->count && take_steps(s, steps, format, e))
		return err_wrap(e, "bring %s from format %d to %d", s->path, format, steps->count);
	if (rows_are_ours(&s->db, &ours, e))
		return -1;
	s->base.rows_stale = !ours;
	return 0;
}

int sqlite_check_reader(struct db *db, const struct sqlite_steps *steps, struct err *e)
{
	bool ours = false;
	int format;

	if (format_of(db, steps->count, &format, e))
		return -1;
	if (format == 0)
		return err_set(e, ERR_NOT_FOUND, "%s holds no journal yet", db->path);
	if (format == steps->count && rows_are_ours(db, &ours, e))
		return -1;
	return ours ? 0
		    : err_set(e, ERR_OLDER, "%s was last written by an older muster; its owner brings it up to date",
			      db->path);
}
