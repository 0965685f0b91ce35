/* sqlite_open: opening and closing the SQLite driver, and the table of its functions. */
#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/sqlite.h"

static void sqlite_close(struct driver *d)
{
	struct sqlite *s = sqlite_of(d);

	sqlite_readers_close(s);
	sqlite_fold_release(s);
	if (s->db.handle)
		sqlite_checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE, NULL); /* only a courtesy: the WAL holds everything */
	sqlite_heads_forget(s);
	rows_sqlite_release(&s->rows);
	db_close(&s->db);
	pthread_cond_destroy(&s->freed);
	pthread_mutex_destroy(&s->lock);
	mem_free(s->path);
	mem_free(s);
}

/* Some file systems cannot do WAL; nothing else here would be right then. */
static int check_wal(struct db *db, struct err *e)
{
	sqlite3_stmt *st;
	bool wal;

	if (db_query(db, &st, e, "PRAGMA journal_mode = WAL", "") || db_step(db, st, e) < 0)
		return -1;
	wal = span_is(db_span(st, 0), "wal");
	db_reset(st);
	return wal ? 0
		   : err_set(e, ERR_IO, "%s: this file system cannot hold a write-ahead log; move the data folder",
			     db->path);
}

static int open_writer(struct sqlite *s, bool no_sync, struct err *e)
{
	int persist = 1;

	if (db_open(&s->db, s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL, e))
		return -1;
	/* The log's two files stay when it is closed: whoever reads later may have no room to make them. */
	sqlite3_file_control(s->db.handle, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	if (check_wal(&s->db, e) ||
		db_exec(&s->db,
			"PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY; "
			"PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 20971520;",
			e) ||
		db_exec(&s->db, no_sync ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = FULL", e) ||
		sqlite_bring_up(s, &sqlite_released, e))
		return -1;
	s->wal_pages = 1; /* perhaps: what the last owner left */
	sqlite3_wal_hook(s->db.handle, sqlite_on_commit, s);
	/* Who holds the folder is the only owner: leases of processes before it are void. */
	if (db_exec(&s->db, "UPDATE streams SET holder = NULL, until = 0 WHERE holder IS NOT NULL", e))
		return -1;
	return s->base.rows_stale ? 0 : sqlite_fold_rest(s, e); /* stale ones are made anew */
}

static int try_reader(struct sqlite *s, struct err *e)
{
	struct reader *r = sqlite_reader(&s->base, false, e);
	int rc;

	if (!r)
		return -1;
	rc = sqlite_check_reader(&r->db, &sqlite_released, e);
	sqlite_reader_end(r);
	return rc;
}

/* On a full disk the index of the log cannot be shared with others; then nobody writes, and it is made for us alone. */
static int open_reader(struct sqlite *s, struct err *e)
{
	int rc = try_reader(s, e);

	if (rc == 0 || e->code != ERR_DISK_FULL)
		return rc;
	sqlite_readers_close(s);
	s->alone = true;
	err_clear(e);
	return try_reader(s, e);
}

struct driver *sqlite_open(const char *dir, enum store_access access, bool no_sync, const uint8_t *key,
	const struct clock *clock, struct err *e)
{
	struct sqlite *s = MEM_NEW(struct sqlite);

	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->base = (struct driver){&sqlite_ops, key, clock, dir};
	map_init(&s->heads, CAP_STORE_HEADS * 2);
	list_init(&s->dirty);
	list_init(&s->readers);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->freed, NULL);
	s->path = fs_join(dir, "muster.db");
	rows_sqlite_init(&s->rows, &s->db);
	if (!s->path)
		err_nomem(e);
	else if (access == STORE_OWN ? open_writer(s, no_sync, e) == 0 : open_reader(s, e) == 0)
		return &s->base;
	sqlite_close(&s->base);
	return NULL;
}

const struct driver_ops sqlite_ops = {
	.name = "sqlite",
	.threaded = true,
	.close = sqlite_close,
	.begin = sqlite_begin,
	.apply = sqlite_apply,
	.commit = sqlite_commit,
	.tidy = sqlite_tidy,
	.reader = sqlite_reader,
	.reader_end = sqlite_reader_end,
	.head = sqlite_head,
	.read = sqlite_read,
	.heads = sqlite_heads,
	.stream = sqlite_stream,
	.hash_at = sqlite_hash_at,
	.blob = sqlite_blob,
	.unnamed = sqlite_unnamed,
	.rows = sqlite_rows,
	.commands = sqlite_commands,
	.command_known = sqlite_command_known,
	.check = sqlite_check,
	.copy = sqlite_copy,
};
