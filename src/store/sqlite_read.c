/* sqlite_read: the reading side of the SQLite driver. It is a small pool of read-only connections, each with its
 * prepared statements; a thread takes one for as long as it reads and waits when all are out. Reading an event checks
 * its chain value. */
#include <errno.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/blobs.h"
#include "store/projection.h"
#include "store/sqlite.h"

#define SQL_MAX (16 * 1024)

static struct reader *reader_new(struct sqlite *s, struct err *e)
{
	struct reader *r = MEM_NEW(struct reader);

	if (!r) {
		err_nomem(e);
		return NULL;
	}
	r->sqlite = s;
	list_init(&r->link);
	if (s->alone ? db_open(&r->db, s->path, SQLITE_OPEN_READWRITE, "unix-excl", e) == 0
		     : db_open(&r->db, s->path, SQLITE_OPEN_READONLY, NULL, e) == 0) {
		sqlite3_db_config(r->db.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		if (db_exec(&r->db, "PRAGMA query_only = ON; PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY",
			    e) == 0)
			return r;
		db_close(&r->db);
	}
	mem_free(r);
	return NULL;
}

struct reader *sqlite_reader(struct driver *d, bool view, struct err *e)
{
	struct sqlite *s = sqlite_of(d);
	struct reader *r = NULL;
	struct list *link;

	pthread_mutex_lock(&s->lock);
	while (!(link = list_shift(&s->readers)) && s->reader_count == CAP_STORE_READERS)
		pthread_cond_wait(&s->freed, &s->lock);
	if (!link)
		s->reader_count++;
	pthread_mutex_unlock(&s->lock);
	r = link ? list_entry(link, struct reader, link) : reader_new(s, e);
	if (!r) {
		pthread_mutex_lock(&s->lock);
		s->reader_count--;
		pthread_cond_signal(&s->freed);
		pthread_mutex_unlock(&s->lock);
		return NULL;
	}
	r->view = view;
	/* The SELECT takes the view now, not at the first read. */
	if (view && db_exec(&r->db, "BEGIN; SELECT count(*) FROM streams", e)) {
		sqlite_reader_end(r);
		return NULL;
	}
	return r;
}

void sqlite_reader_end(struct reader *r)
{
	struct sqlite *s = r->sqlite;

	if (r->view && !sqlite3_get_autocommit(r->db.handle))
		sqlite3_exec(r->db.handle, "ROLLBACK", NULL, NULL, NULL);
	pthread_mutex_lock(&s->lock);
	list_unshift(&s->readers, &r->link);
	pthread_cond_signal(&s->freed);
	pthread_mutex_unlock(&s->lock);
}

void sqlite_readers_close(struct sqlite *s)
{
	struct list *link;

	while ((link = list_shift(&s->readers))) {
		struct reader *r = list_entry(link, struct reader, link);
		db_close(&r->db);
		mem_free(r);
		s->reader_count--;
	}
	BUG_ON(s->reader_count != 0);
}

int64_t sqlite_head(struct reader *r, const char *stream, struct err *e)
{
	struct stream_head head;
	int rc = sqlite_stream(r, stream, &head, e);

	return rc < 0 ? -1 : rc ? head.seq : 0;
}

static int event_from(sqlite3_stmt *st, const char *stream, struct event *ev, struct err *e)
{
	struct span actor_id = db_span(st, 6), data = db_span(st, 8);
	const char *type = (const char *)sqlite3_column_text(st, 3);

	memset(ev, 0, sizeof *ev);
	ev->seq = sqlite3_column_int64(st, 0);
	db_id(st, 1, ev->id);
	ev->at = sqlite3_column_int64(st, 2);
	ev->type = event_type_named(type ? type : "");
	ev->v = sqlite3_column_int(st, 4);
	ev->actor = (enum actor_kind)sqlite3_column_int(st, 5);
	db_id(st, 7, ev->cause);
	if ((unsigned)ev->actor > ACTOR_FLOW || actor_id.n >= EVENT_ACTOR_MAX || db_hash(st, 9, &ev->hash, NULL))
		return err_set(
			e, ERR_CORRUPT, "event %lld of %s is damaged; restore a backup", (long long)ev->seq, stream);
	if (actor_id.n)
		memcpy(ev->actor_id, actor_id.p, actor_id.n);
	ev->data = blob_new(data.p, data.n);
	return ev->data ? 0 : err_nomem(e);
}

int sqlite_read(struct reader *r, const char *stream, int64_t after, struct event *out, int max, struct err *e)
{
	struct hash prev = {{0}};
	sqlite3_stmt *st;
	int n = 0, rc;

	if (after > 0) {
		rc = sqlite_hash_at(r, stream, after, &prev, e);
		if (rc <= 0) /* beyond the head */
			return rc;
	}
	if (db_query(&r->db, &st, e,
		    "SELECT seq, id, at, type, v, actor, actor_id, cause, data, hash FROM events "
		    "WHERE stream = (SELECT id FROM streams WHERE name = ?) AND seq > ? ORDER BY seq LIMIT ?",
		    "sii", stream, after, (int64_t)max))
		return -1;
	while ((rc = db_step(&r->db, st, e)) > 0) {
		rc = event_from(st, stream, &out[n], e);
		n++;
		if (rc == 0)
			rc = driver_check_event(&out[n - 1], stream, (const char *)sqlite3_column_text(st, 3),
				after + n, r->sqlite->base.key, &prev, e);
		if (rc) {
			db_reset(st);
			break;
		}
	}
	if (rc == 0)
		return n;
	while (n > 0)
		event_release(&out[--n]);
	return -1;
}

static int head_from(sqlite3_stmt *st, struct stream_head *out, struct err *e)
{
	struct span name = db_span(st, 0);

	memset(out, 0, sizeof *out);
	if (name.n >= sizeof out->name)
		return err_set(e, ERR_CORRUPT, "the name of a stream is too long; restore a backup");
	memcpy(out->name, name.p, name.n);
	out->seq = sqlite3_column_int64(st, 1);
	out->folded = sqlite3_column_int64(st, 3);
	return out->seq ? db_hash(st, 2, &out->hash, e) : 0;
}

int sqlite_heads(struct reader *r, const char *after, struct stream_head *out, int max, struct err *e)
{
	sqlite3_stmt *st;
	int n = 0, rc;

	if (db_query(&r->db, &st, e,
		    "SELECT name, coalesce(seq, 0), hash, folded FROM " SQLITE_HEADS
		    " WHERE name > ? ORDER BY name LIMIT ?",
		    "si", after, (int64_t)max))
		return -1;
	while ((rc = db_step(&r->db, st, e)) > 0)
		if (head_from(st, &out[n++], e)) {
			db_reset(st);
			return -1;
		}
	return rc ? -1 : n;
}

int sqlite_stream(struct reader *r, const char *stream, struct stream_head *out, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	if (db_query(&r->db, &st, e, "SELECT name, coalesce(seq, 0), hash, folded FROM " SQLITE_HEADS " WHERE name = ?",
		    "s", stream))
		return -1;
	rc = db_step(&r->db, st, e);
	if (rc > 0) {
		if (head_from(st, out, e))
			rc = -1;
		db_reset(st);
	}
	return rc;
}

int sqlite_hash_at(struct reader *r, const char *stream, int64_t seq, struct hash *out, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	if (db_query(&r->db, &st, e,
		    "SELECT hash FROM events WHERE stream = (SELECT id FROM streams WHERE name = ?) AND seq = ?", "si",
		    stream, seq))
		return -1;
	rc = db_step(&r->db, st, e);
	if (rc > 0) {
		if (db_hash(st, 0, out, e))
			rc = -1;
		db_reset(st);
	}
	return rc;
}

int sqlite_blob(struct reader *r, const struct hash *h, struct blob_info *info, struct blob **out, struct err *e)
{
	struct span hash = span_n((const char *)h->b, HASH_SIZE);
	sqlite3_stmt *st;
	int rc;

	if (db_query(&r->db, &st, e,
		    out ? "SELECT size, at, named, body FROM blobs WHERE hash = ?"
			: "SELECT size, at, named FROM blobs WHERE hash = ?",
		    "b", hash))
		return -1;
	rc = db_step(&r->db, st, e);
	if (rc > 0) {
		*info = (struct blob_info){
			sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1), sqlite3_column_int(st, 2) != 0};
		if (out) {
			struct span body = db_span(st, 3);
			*out = body.p ? blob_new(body.p, body.n) : NULL;
			if (body.p && !*out)
				rc = err_nomem(e);
		}
		db_reset(st);
	}
	return rc;
}

int sqlite_unnamed(struct reader *r, int64_t before, const struct hash *after, struct hash *out, int max, struct err *e)
{
	sqlite3_stmt *st;
	int n = 0, rc;

	if (db_query(&r->db, &st, e,
		    "SELECT hash FROM blobs WHERE named = 0 AND hash > ? AND at < ? ORDER BY hash LIMIT ?", "bii",
		    span_n((const char *)after->b, HASH_SIZE), before, (int64_t)max))
		return -1;
	while ((rc = db_step(&r->db, st, e)) > 0)
		if (db_hash(st, 0, &out[n++], e)) {
			db_reset(st);
			return -1;
		}
	return rc ? -1 : n;
}

static void add_filter(enum table_id t, const struct filter *f, struct buf *sql)
{
	buf_adds(sql, f->no_deleted ? " WHERE state <> '" PROJECTION_DELETED "'" : " WHERE 1");
	for (size_t i = 0; i < f->count; i++) {
		bool first = i == 0 || f->conditions[i].column != f->conditions[i - 1].column;
		buf_adds(sql, i == 0 ? " AND (" : first ? ") AND (" : " OR ");
		rows_sqlite_column(t, f->conditions[i].column, sql);
		buf_adds(sql, " IS ?");
	}
	if (f->count)
		buf_addc(sql, ')');
	for (size_t i = 0; i < f->range_count; i++) {
		buf_adds(sql, " AND ");
		rows_sqlite_column(t, f->ranges[i].column, sql);
		buf_adds(sql, " >= ? AND ");
		rows_sqlite_column(t, f->ranges[i].column, sql);
		buf_adds(sql, " < ?");
	}
}

static void add_order(enum table_id t, struct buf *sql)
{
	const struct table *table = &store_tables[t];
	const char *way = table->newest >= 0 ? " DESC" : "";

	buf_adds(sql, " ORDER BY ");
	if (table->newest >= 0)
		buf_addf(sql, "\"%s\" DESC,", table->columns[table->newest].name);
	for (int i = 0; i < table->keys; i++)
		buf_addf(sql, "%s\"%s\"%s", i ? "," : "", table->columns[i].name, way);
}

int sqlite_rows(struct reader *r, enum table_id t, const struct filter *f, int limit,
	int (*each)(void *ctx, const struct cell *cells, struct err *e), void *ctx, struct err *e)
{
	cleanup_buf struct buf sql = BUF_INIT(SQL_MAX);
	struct cell cells[ROW_CELLS];
	sqlite3_stmt *st;
	int rc;

	buf_adds(&sql, "SELECT ");
	rows_sqlite_columns(t, &sql);
	buf_addf(&sql, " FROM \"%s\"", store_tables[t].name);
	add_filter(t, f, &sql);
	add_order(t, &sql);
	buf_adds(&sql, " LIMIT ?");
	/* Filters come in many shapes: such statements are not kept. */
	if (buf_check(&sql, "a query", e))
		return -1;
	rc = sqlite3_prepare_v2(r->db.handle, sql.data, -1, &st, NULL);
	if (rc != SQLITE_OK)
		return db_fail(&r->db, rc, e);
	rc = 0;
	for (size_t i = 0; rc == 0 && i < f->count; i++)
		rc = db_bind_cell(&r->db, st, (int)i + 1, &f->conditions[i].value, e);
	for (size_t i = 0; rc == 0 && i < f->range_count; i++) {
		sqlite3_bind_int64(st, (int)(f->count + 2 * i) + 1, f->ranges[i].least);
		sqlite3_bind_int64(st, (int)(f->count + 2 * i) + 2, f->ranges[i].below);
	}
	if (rc == 0)
		sqlite3_bind_int(st, (int)(f->count + 2 * f->range_count) + 1, limit);
	while (rc == 0 && (rc = db_step(&r->db, st, e)) > 0) {
		for (int i = 0; i < store_tables[t].count; i++)
			cells[i] = db_cell(st, i);
		rc = each(ctx, cells, e);
	}
	sqlite3_finalize(st);
	return rc;
}

int sqlite_commands(struct reader *r, const char *stream,
	int (*each)(void *ctx, const struct command_row *row, struct err *e), void *ctx, struct err *e)
{
	sqlite3_stmt *st;
	int rc = stream ? db_query(&r->db, &st, e,
				  "SELECT n, id, stream, text FROM commands WHERE done = 0 AND stream = ? ORDER BY n",
				  "s", stream)
			: db_query(&r->db, &st, e, "SELECT n, id, stream, text FROM commands WHERE done = 0 ORDER BY n",
				  "");

	if (rc)
		return -1;
	while ((rc = db_step(&r->db, st, e)) > 0) {
		struct command_row row = {sqlite3_column_int64(st, 0), db_span(st, 1), db_span(st, 2), db_span(st, 3)};
		if (each(ctx, &row, e)) {
			db_reset(st);
			return -1;
		}
	}
	return rc;
}

int sqlite_command_known(struct reader *r, const char *id, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	if (db_query(&r->db, &st, e, "SELECT 1 FROM commands WHERE id = ?", "s", id))
		return -1;
	rc = db_step(&r->db, st, e);
	db_reset(st);
	return rc;
}

int sqlite_check(struct reader *r, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	if (db_query(&r->db, &st, e, "PRAGMA integrity_check(1)", ""))
		return -1;
	rc = db_step(&r->db, st, e);
	if (rc < 0)
		return -1;
	struct span said = rc ? db_span(st, 0) : span_of("nothing");
	rc = span_is(said, "ok") ? 0
				 : err_set(e, ERR_CORRUPT, "%s is damaged: %.*s; restore a backup", r->db.path,
					   (int)said.n, said.p);
	db_reset(st);
	return rc;
}

/* ---- copying the whole ---- */

static int copy_files(struct reader *r, struct db *copy, const char *to_dir, struct err *e)
{
	sqlite3_stmt *st;
	struct hash h;
	int rc;

	if (db_query(copy, &st, e, "SELECT hash, named FROM blobs WHERE body IS NULL", ""))
		return -1;
	while ((rc = db_step(copy, st, e)) > 0) {
		struct err why = ERR_INIT;
		rc = db_hash(st, 0, &h, e);
		if (rc == 0 && blob_file_copy(r->sqlite->base.dir, to_dir, &h, &why)) {
			/* one that no event names may have been collected meanwhile */
			if (why.code != ERR_NOT_FOUND || sqlite3_column_int(st, 1)) {
				if (e)
					*e = why;
				rc = -1;
			}
		}
		if (rc) {
			db_reset(st);
			return -1;
		}
	}
	return rc;
}

int sqlite_copy(struct driver *d, const char *to_dir, struct err *e)
{
	struct reader *r = sqlite_reader(d, false, e);
	cleanup_free char *path = fs_join(to_dir, "muster.db");
	struct db copy = {0};
	sqlite3_backup *backup;
	int rc = -1;

	if (!path)
		err_nomem(e);
	if (r && path && db_open(&copy, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL, e) == 0) {
		backup = sqlite3_backup_init(copy.handle, "main", r->db.handle, "main");
		if (backup) {
			sqlite3_backup_step(backup, -1); /* in one go: one moment */
			rc = sqlite3_backup_finish(backup);
		} else {
			rc = sqlite3_errcode(copy.handle);
		}
		rc = rc == SQLITE_OK ? copy_files(r, &copy, to_dir, e) : db_fail(&copy, rc, e);
		if (rc == 0) /* one file, that needs no log beside it */
			rc = db_exec(&copy, "PRAGMA journal_mode = DELETE", e);
	}
	db_close(&copy);
	if (r)
		sqlite_reader_end(r);
	return rc;
}
