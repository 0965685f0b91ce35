/* sqlite: the writing side.
 *
 * A group is one transaction, each write in it a savepoint. Heads of streams (their last event, the fence) are cached;
 * events reach the projections when sqlite_fold.c says so. Files of large blobs are written and
 * synced before the transaction names them. Failures: a write that fails is rolled back to its savepoint and only it is
 * rejected; when the database ends the whole transaction by itself (disk full, no memory, input or output error) every
 * write of the group is rejected. After a failure the cached heads are thrown away. */
#include "store/sqlite.h"

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/blobs.h"
#include "store/projection.h"

/* ---- heads ---- */

struct head *sqlite_head_get(struct sqlite *s, const char *name, struct err *e)
{
	struct head *h = map_get(&s->heads, span_of(name));
	sqlite3_stmt *st;
	int rc;

	if (h)
		return h;
	cleanup_free struct head *fresh = MEM_NEW(struct head);
	if (!fresh) {
		err_nomem(e);
		return NULL;
	}
	list_init(&fresh->dirty);
	memcpy(fresh->name, name, strlen(name) + 1);
	if (db_query(&s->db, &st, e,
		    "SELECT streams.id, fence, coalesce(seq, 0), hash FROM " SQLITE_HEADS " WHERE name = ?", "s", name))
		return NULL;
	rc = db_step(&s->db, st, e);
	if (rc < 0)
		return NULL;
	if (rc) {
		fresh->id = sqlite3_column_int64(st, 0);
		fresh->fence = sqlite3_column_int64(st, 1);
		fresh->seq = sqlite3_column_int64(st, 2);
		rc = fresh->seq ? db_hash(st, 3, &fresh->hash, e) : 0;
		db_reset(st);
		if (rc)
			return NULL;
	} else {
		if (db_do(&s->db, e, "INSERT INTO streams(name, folded, fence, until) VALUES(?, 0, 0, 0)", "s", name))
			return NULL;
		fresh->id = sqlite3_last_insert_rowid(s->db.handle);
	}
	if (map_set(&s->heads, span_of(name), fresh, NULL, e)) {
		err_wrap(e, "stream heads");
		return NULL;
	}
	return steal(&fresh);
}

void sqlite_heads_forget(struct sqlite *s)
{
	map_release(&s->heads, mem_free);
	list_init(&s->dirty);
}

/* The streams whose heads a write moves; "" where it moves none. */
struct moved {
	const char *names[2];
	struct head before[2]; /* id 0: not cached */
};

static void heads_note(struct sqlite *s, const struct write *w, struct moved *m)
{
	bool appends = w->kind == WRITE_APPEND;

	*m = (struct moved){.names = {appends		       ? w->append.stream
				      : w->kind == WRITE_LEASE ? w->lease.stream
							       : "",
				    appends ? w->append.also_stream : ""}};
	for (int i = 0; i < 2; i++) {
		const struct head *h = map_get(&s->heads, span_of(m->names[i]));
		if (h)
			m->before[i] = *h;
	}
}

/* As they were noted. One that was cached since may be of a row that is gone: it is read again when needed. */
static void heads_restore(struct sqlite *s, const struct moved *m)
{
	for (int i = 0; i < 2; i++) {
		struct head *h = map_get(&s->heads, span_of(m->names[i]));
		if (h && m->before[i].id) {
			h->seq = m->before[i].seq;
			h->hash = m->before[i].hash;
			h->fence = m->before[i].fence;
		} else if (h) {
			list_remove(&h->dirty);
			mem_free(map_del(&s->heads, span_of(m->names[i])));
		}
	}
}

/* ---- appending ---- */

static int put_blob(struct sqlite *s, const struct store_blob *b, struct err *e)
{
	struct span hash = span_n((const char *)b->hash.b, HASH_SIZE);
	int64_t now = clock_wall(s->base.clock);
	int64_t size = b->bytes ? (int64_t)b->bytes->size : b->size;
	bool file = !b->bytes || size > (int64_t)CAP_BLOB_INLINE;
	sqlite3_stmt *st;
	int rc;

	if (db_query(&s->db, &st, e, "SELECT id, named FROM blobs WHERE hash = ?", "b", hash))
		return -1;
	rc = db_step(&s->db, st, e);
	if (rc < 0)
		return -1;
	if (rc) { /* known; where no event names it yet, its hour of grace begins again */
		int64_t id = sqlite3_column_int64(st, 0);
		bool named = sqlite3_column_int(st, 1) != 0;
		db_reset(st);
		return named ? 0 : db_do(&s->db, e, "UPDATE blobs SET at = ? WHERE id = ?", "ii", now, id);
	}
	if (!b->bytes && !blob_file_there(s->base.dir, &b->hash))
		return err_set(e, ERR_NOT_FOUND, "the file of a blob went before it was put; do it again");
	if (file && b->bytes && blob_file_put(s->base.dir, &b->hash, blob_span(b->bytes), e))
		return -1;
	return db_do(&s->db, e, "INSERT INTO blobs(hash, size, at, named, body) VALUES(?, ?, ?, 0, ?)", "biib", hash,
		size, now, file ? SPAN_NONE : blob_span(b->bytes));
}

static int put_blobs(struct sqlite *s, const struct write *w, struct err *e)
{
	for (size_t i = 0; i < w->blob_count; i++)
		if (put_blob(s, &w->blobs[i], e))
			return -1;
	return 0;
}

/* The blobs the event names must be stored; from now on they are kept. */
static int name_blobs(
	struct sqlite *s, const char *stream, const struct event *ev, const struct event_names *names, struct err *e)
{
	for (int i = 0; i < names->count; i++) {
		sqlite3_stmt *st;
		char hex[HASH_HEX];
		int rc;
		if (db_query(&s->db, &st, e, "SELECT id, named FROM blobs WHERE hash = ?", "b",
			    span_n((const char *)names->hashes[i].b, HASH_SIZE)))
			return -1;
		rc = db_step(&s->db, st, e);
		if (rc < 0)
			return -1;
		hash_hex(&names->hashes[i], hex);
		if (rc == 0)
			return err_set(e, ERR_NOT_FOUND,
				"event %lld of %s names the blob %s, which is not stored; put it first",
				(long long)ev->seq, stream, hex);
		int64_t id = sqlite3_column_int64(st, 0);
		bool named = sqlite3_column_int(st, 1) != 0;
		db_reset(st);
		if (!named && db_do(&s->db, e, "UPDATE blobs SET named = 1 WHERE id = ?", "i", id))
			return -1;
	}
	return 0;
}

static int add_event(struct sqlite *s, struct head *h, struct event *ev, struct err *e)
{
	cleanup_json json_t *data = NULL;
	struct event_names names = {.count = 0};

	if (event_names_blobs(ev) || projection_wants(ev->type)) {
		data = event_data(ev, e);
		if (!data || event_blobs(ev, data, &names, e) || name_blobs(s, h->name, ev, &names, e) ||
			sqlite_fold_add(s, h->name, ev, data, e))
			return -1;
	}
	event_chain(ev, h->name, s->base.key, &h->hash, &h->hash);
	ev->hash = h->hash;
	h->seq = ev->seq;
	sqlite_head_moved(s, h);
	return db_do(&s->db, e,
		"INSERT INTO events(stream, seq, id, at, type, v, actor, actor_id, cause, data, hash) "
		"VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"iiuisiitutb", h->id, ev->seq, ev->id, ev->at, event_kinds[ev->type].type, (int64_t)ev->v,
		(int64_t)ev->actor, ev->actor_id[0] ? span_of(ev->actor_id) : SPAN_NONE, ev->cause, blob_span(ev->data),
		span_n((const char *)ev->hash.b, HASH_SIZE));
}

static int stored_before(struct sqlite *s, const struct head *h, const struct write *w, struct err *e)
{
	const struct event *ends[] = {&w->append.events[0], &w->append.events[w->append.event_count - 1]};
	char ids[2][ID_TEXT] = {"", ""};

	for (int i = 0; i < 2; i++) {
		sqlite3_stmt *st;
		int rc = db_query(&s->db, &st, e, "SELECT id FROM events WHERE stream = ? AND seq = ?", "ii", h->id,
			ends[i]->seq);
		if (rc == 0)
			rc = db_step(&s->db, st, e);
		if (rc < 0)
			return -1;
		if (rc)
			db_id(st, 0, ids[i]);
		db_reset(st);
	}
	return driver_check_stored(w, h->seq, ids[0], ids[1], e);
}

/* The rows follow all of it: needs_of saw to that. Its blobs stay, for others may have them too. */
static int drop_stream(struct sqlite *s, const struct write *w, struct err *e)
{
	struct head *h = sqlite_head_get(s, w->append.drop_stream, e);

	if (!h || driver_check_drop(w, h->seq, e) ||
		db_do(&s->db, e, "DELETE FROM events WHERE stream = ?", "i", h->id) ||
		db_do(&s->db, e, "DELETE FROM commands WHERE stream = ?", "s", h->name) ||
		db_do(&s->db, e, "DELETE FROM streams WHERE id = ?", "i", h->id))
		return -1;
	list_remove(&h->dirty);
	mem_free(map_del(&s->heads, span_of(w->append.drop_stream)));
	return 0;
}

static int append(struct sqlite *s, struct write *w, struct err *e)
{
	struct head *h = sqlite_head_get(s, w->append.stream, e), *also = NULL;
	int place;

	if (!h || driver_check_fence(h->name, w->append.fence, h->fence, e))
		return -1;
	place = driver_check_seqs(w, h->seq, e);
	if (place > 0) {
		w->append.known = true;
		return stored_before(s, h, w, e);
	}
	if (place < 0 || put_blobs(s, w, e))
		return -1;
	for (size_t i = 0; i < w->append.event_count; i++)
		if (add_event(s, h, &w->append.events[i], e))
			return -1;
	if (w->append.also_count)
		also = sqlite_head_get(s, w->append.also_stream, e);
	for (size_t i = 0; i < w->append.also_count; i++) {
		if (!also)
			return -1;
		w->append.also[i].seq = also->seq + 1;
		if (add_event(s, also, &w->append.also[i], e))
			return -1;
	}
	for (size_t i = 0; i < w->append.command_count; i++)
		if (db_do(&s->db, e, "UPDATE commands SET done = 1 WHERE n = ?", "i", w->append.commands[i]))
			return -1;
	return *w->append.drop_stream ? drop_stream(s, w, e) : 0;
}

/* ---- other writes ---- */

static int command(struct sqlite *s, const struct write *w, struct err *e)
{
	return db_do(&s->db, e,
		"INSERT INTO commands(id, stream, text, done) VALUES(?, ?, ?, 0) ON CONFLICT(id) DO NOTHING", "sss",
		w->command.id, w->command.stream, w->command.text);
}

static int lease(struct sqlite *s, struct write *w, struct err *e)
{
	struct head *h = sqlite_head_get(s, w->lease.stream, e);
	int64_t now = clock_wall(s->base.clock), fence;
	sqlite3_stmt *st;

	if (!h || db_query(&s->db, &st, e, "SELECT holder, until FROM streams WHERE id = ?", "i", h->id) ||
		db_step(&s->db, st, e) < 0)
		return -1;
	fence = driver_lease(w, now, h->fence, db_span(st, 0), sqlite3_column_int64(st, 1), e);
	db_reset(st);
	if (fence < 0 || db_do(&s->db, e, "UPDATE streams SET fence = ?, holder = ?, until = ? WHERE id = ?", "isii",
				 fence, w->lease.owner, now + w->lease.ttl_ms * 1000, h->id))
		return -1;
	h->fence = w->lease.fence = fence;
	return 0;
}

static int drop(struct sqlite *s, struct write *w, struct err *e)
{
	for (size_t i = 0; i < w->drop.count; i++) {
		if (db_do(&s->db, e, "DELETE FROM blobs WHERE hash = ? AND named = 0 AND at < ?", "bi",
			    span_n((const char *)w->drop.hashes[i].b, HASH_SIZE), w->drop.before))
			return -1;
		w->drop.dropped += sqlite3_changes(s->db.handle);
	}
	return 0;
}

static int sweep(struct sqlite *s, struct write *w, struct err *e)
{
	for (size_t i = 0; i < w->drop.count; i++) {
		sqlite3_stmt *st;
		int known;
		if (db_query(&s->db, &st, e, "SELECT 1 FROM blobs WHERE hash = ?", "b",
			    span_n((const char *)w->drop.hashes[i].b, HASH_SIZE)))
			return -1;
		known = db_step(&s->db, st, e);
		db_reset(st);
		if (known < 0 || (known == 0 && blob_file_drop(s->base.dir, &w->drop.hashes[i], e)))
			return -1;
	}
	return 0;
}

static int rebuild(struct sqlite *s, struct err *e)
{
	struct reader *r;
	int rc;

	if (s->rows.rows.ops->clear(&s->rows.rows, e))
		return -1;
	r = sqlite_reader(&s->base, true, e);
	if (!r)
		return -1;
	s->folds_now = true;
	rc = driver_fold_all(&s->base, r, true, &s->rows.rows, e);
	sqlite_reader_end(r);
	return rc ? rc
		  : db_do(&s->db, e,
			    "UPDATE streams SET folded = (SELECT coalesce(max(seq), 0) FROM events WHERE stream = "
			    "streams.id)",
			    "");
}

/* ---- groups ---- */

int sqlite_begin(struct driver *d, struct err *e)
{
	struct sqlite *s = sqlite_of(d);

	err_clear(&s->broken);
	rows_sqlite_forget(&s->rows);
	if (map_count(&s->heads) >= CAP_STORE_HEADS)
		sqlite_heads_forget(s);
	/* There may have been no memory for rolling the last one back. */
	if (!sqlite3_get_autocommit(s->db.handle) && db_exec(&s->db, "ROLLBACK", e))
		return -1;
	return db_do(&s->db, e, "BEGIN IMMEDIATE", "");
}

static int apply(struct sqlite *s, struct write *w, struct err *e)
{
	switch (w->kind) {
	case WRITE_APPEND:
		return append(s, w, e);
	case WRITE_BLOBS:
		return put_blobs(s, w, e);
	case WRITE_COMMAND:
		return command(s, w, e);
	case WRITE_LEASE:
		return lease(s, w, e);
	case WRITE_DROP:
		return drop(s, w, e);
	case WRITE_SWEEP:
		return sweep(s, w, e);
	case WRITE_REBUILD:
		return rebuild(s, e);
	case WRITE_FOLD: /* prepare_rows did it */
		return 0;
	}
	BUG("write of kind %d", w->kind);
}

/* What of the rows this write asks for. */
enum needs {
	NEEDS_NOTHING,
	NEEDS_FOLDS,   /* that they are those of all events before it: it reads or changes more than sums */
	NEEDS_WRITTEN, /* and no sum waits in memory: it deletes rows */
};

static enum needs needs_of(const struct write *w)
{
	enum needs needs = NEEDS_NOTHING;

	for (size_t i = 0; w->kind == WRITE_APPEND && i < w->append.event_count + w->append.also_count; i++) {
		enum event_type type = i < w->append.event_count ? w->append.events[i].type
								 : w->append.also[i - w->append.event_count].type;
		if (type == EVENT_RUN_DELETED)
			return NEEDS_WRITTEN;
		if (projection_wants(type) && !projection_may_wait(type))
			needs = NEEDS_FOLDS;
	}
	return w->kind == WRITE_REBUILD ? NEEDS_WRITTEN : w->kind == WRITE_FOLD ? NEEDS_FOLDS : needs;
}

/* Before the write's savepoint. What fails here fails the group: half of what waits may be folded. */
static int prepare_rows(struct sqlite *s, enum needs needs, struct err *e)
{
	if (needs >= NEEDS_FOLDS && sqlite_fold_late(s, e))
		return -1;
	return needs == NEEDS_WRITTEN ? rows_sqlite_flush(&s->rows, e) : 0;
}

void sqlite_apply(struct driver *d, struct write *w)
{
	struct sqlite *s = sqlite_of(d);
	struct err e = ERR_INIT;
	struct moved moved;
	size_t late;

	if (s->broken.code) {
		write_fail(w, &s->broken);
		return;
	}
	if (prepare_rows(s, needs_of(w), &e) || db_do(&s->db, &e, "SAVEPOINT w", "")) {
		s->broken = e;
		write_fail(w, &e);
		return;
	}
	/* From here on, all is of this write: what was folded above stays when it is rejected. */
	heads_note(s, w, &moved);
	rows_sqlite_mark(&s->rows);
	late = s->late_count;
	if (apply(s, w, &e) == 0 && db_do(&s->db, &e, "RELEASE w", "") == 0)
		return;
	write_fail(w, &e);
	rows_sqlite_undo(&s->rows);
	sqlite_fold_undo(s, late);
	if (sqlite3_get_autocommit(s->db.handle)) {
		s->broken = e;
		return;
	}
	if (db_exec(&s->db, "ROLLBACK TO w; RELEASE w", &e)) {
		s->broken = e;
		return;
	}
	heads_restore(s, &moved);
}

/* Nothing of the group holds. */
static void roll_back(struct sqlite *s, struct err *e)
{
	struct err again = ERR_INIT;

	sqlite_fold_lost(s);
	sqlite_heads_forget(s);
	if (!sqlite3_get_autocommit(s->db.handle) && db_exec(&s->db, "ROLLBACK", &again))
		*e = again;
}

int sqlite_commit(struct driver *d, struct err *e)
{
	struct sqlite *s = sqlite_of(d);

	if (s->broken.code) {
		*e = s->broken;
	} else if ((!sqlite_fold_due(s) || sqlite_fold_late(s, e) == 0) && sqlite_fold_flush(s, e) == 0 &&
		   db_do(&s->db, e, "COMMIT", "") == 0) {
		sqlite_fold_committed(s);
		return 0;
	}
	roll_back(s, e);
	return -1;
}

int sqlite_on_commit(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct sqlite *s = ctx;

	(void)db, (void)name;
	s->wal_pages = pages;
	return SQLITE_OK;
}

int sqlite_checkpoint(struct sqlite *s, int mode, struct err *e)
{
	int all = 0, done = 0, rc;

	if (s->wal_pages == 0)
		return 0;
	rc = fault_hit(FAULT_DB) ? SQLITE_IOERR_FSYNC
				 : sqlite3_wal_checkpoint_v2(s->db.handle, NULL, mode, &all, &done);
	if (rc == SQLITE_BUSY) /* a reader is in the way: next time */
		return 0;
	if (rc != SQLITE_OK)
		return db_fail(&s->db, rc, e);
	if (all == done)
		s->wal_pages = 0;
	return 0;
}

int sqlite_tidy(struct driver *d, bool busy, struct err *e)
{
	struct sqlite *s = sqlite_of(d);

	if (!busy && s->late_count > 0 && (sqlite_begin(d, e) || sqlite_fold_late(s, e) || sqlite_commit(d, e))) {
		roll_back(s, e);
		return -1;
	}
	return busy && s->wal_pages < CAP_WAL_PAGES ? 0 : sqlite_checkpoint(s, SQLITE_CHECKPOINT_PASSIVE, e);
}
