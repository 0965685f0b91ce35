/* sqlite: the driver over one SQLite file (muster.db, WAL). Private to sqlite*.c: sqlite_open.c (opening),
 * sqlite_schema.c (tables and their migrations), sqlite.c (writing), sqlite_fold.c (the projections), sqlite_read.c
 * (reading).
 *
 * One connection writes and checkpoints (Debian's 3.40 can reset the WAL wrongly when several do); readers never
 * checkpoint, also not when they are the last to close. */
#ifndef MUSTER_STORE_SQLITE_H
#define MUSTER_STORE_SQLITE_H

#include <pthread.h>

#include "store/db.h"
#include "store/driver.h"
#include "store/rows_sqlite.h"

/* A stream's head as the writer knows it. */
struct head {
	char name[EVENT_STREAM_MAX];
	int64_t id, seq, fence;
	struct hash hash;
	struct list dirty; /* in sqlite.dirty: its row does not say yet that the rows follow it; or alone */
};
/* The streams with their last events (columns NULL where there is none). */
#define SQLITE_HEADS                                                                                                   \
	"streams LEFT JOIN events ON stream = streams.id AND seq = "                                                   \
	"(SELECT max(seq) FROM events WHERE stream = streams.id)"

struct reader {
	struct sqlite *sqlite;
	struct db db;
	bool view; /* in a transaction */
	struct list link;
};

struct sqlite {
	struct driver base;
	char *path;
	/* the writing side */
	struct db db;
	struct rows_sqlite rows;
	struct map heads; /* name → struct head; a cache */
	struct list dirty;
	/* sqlite_fold.c: events not folded yet, oldest first; of these the first late_kept are committed, and the first
	 * late_folded are folded by this transaction */
	struct late_event *late;
	size_t late_count, late_room, late_kept, late_folded;
	size_t late_bytes;  /* of their payloads, at the most */
	int64_t late_since; /* monotonic, of the first */
	bool folds_now;	    /* this transaction folds what it appends */
	struct err broken;  /* the database ended the transaction by itself: the group is lost */
	int wal_pages;
	/* readers */
	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct list readers; /* free ones */
	int reader_count;
	bool alone; /* nobody else has it open, and the index of the log is in this process's memory */
};

extern const struct driver_ops sqlite_ops;
static inline struct sqlite *sqlite_of(struct driver *d)
{
	return container_of(d, struct sqlite, base);
}

/* sqlite_schema.c */
struct sqlite_steps {
	const char *const *sql; /* from an empty file to format 1, from 1 to 2, … */
	int count;
};
extern const struct sqlite_steps sqlite_released;
/* Before the first use: take the steps that are missing, all or none (ERR_NEWER when there are too many), and find out
 * whether the projections are stale. */
int sqlite_bring_up(struct sqlite *s, const struct sqlite_steps *steps, struct err *e);
/* ERR_OLDER when the owner has something to bring up; ERR_NEWER; ERR_NOT_FOUND for an empty file. */
int sqlite_check_reader(struct db *db, const struct sqlite_steps *steps, struct err *e);
int sqlite_remake_rows(struct db *db, struct err *e); /* drop the projections' tables and make this program's, empty */

/* sqlite.c */
int sqlite_begin(struct driver *d, struct err *e);
void sqlite_apply(struct driver *d, struct write *w);
int sqlite_commit(struct driver *d, struct err *e);
int sqlite_tidy(struct driver *d, bool busy, struct err *e);
struct head *sqlite_head_get(struct sqlite *s, const char *name, struct err *e); /* borrowed; NULL with e set */
/* The rows, when they are folded next, follow its stream to here. */
static inline void sqlite_head_moved(struct sqlite *s, struct head *h)
{
	list_remove(&h->dirty);
	list_push(&s->dirty, &h->dirty);
}
void sqlite_heads_forget(struct sqlite *s);
int sqlite_on_commit(void *ctx, sqlite3 *db, const char *name, int pages); /* a WAL hook: how long the log is */
int sqlite_checkpoint(struct sqlite *s, int mode, struct err *e);

/* sqlite_fold.c */
/* An event that was just appended to this stream: fold it, or check it and keep it for later (sharing data). */
int sqlite_fold_add(struct sqlite *s, const char *stream, const struct event *ev, json_t *data, struct err *e);
void sqlite_fold_undo(struct sqlite *s, size_t count); /* forget what came after the first `count` */
/* Fold what waits, in this transaction, and everything appended to it after. */
int sqlite_fold_late(struct sqlite *s, struct err *e);
bool sqlite_fold_due(const struct sqlite *s);
/* Before the commit: write the rows, and how far they follow, if this transaction folds. */
int sqlite_fold_flush(struct sqlite *s, struct err *e);
void sqlite_fold_committed(struct sqlite *s);
void sqlite_fold_lost(struct sqlite *s);
void sqlite_fold_release(struct sqlite *s);
/* At the start: what an owner that was killed had not folded yet. */
int sqlite_fold_rest(struct sqlite *s, struct err *e);

/* sqlite_read.c */
struct reader *sqlite_reader(struct driver *d, bool view, struct err *e);
void sqlite_reader_end(struct reader *r);
void sqlite_readers_close(struct sqlite *s);
int64_t sqlite_head(struct reader *r, const char *stream, struct err *e);
int sqlite_read(struct reader *r, const char *stream, int64_t after, struct event *out, int max, struct err *e);
int sqlite_heads(struct reader *r, const char *after, struct stream_head *out, int max, struct err *e);
int sqlite_stream(struct reader *r, const char *stream, struct stream_head *out, struct err *e);
int sqlite_hash_at(struct reader *r, const char *stream, int64_t seq, struct hash *out, struct err *e);
int sqlite_blob(struct reader *r, const struct hash *h, struct blob_info *info, struct blob **out, struct err *e);
int sqlite_unnamed(
	struct reader *r, int64_t before, const struct hash *after, struct hash *out, int max, struct err *e);
int sqlite_rows(struct reader *r, enum table_id t, const struct filter *f, int limit,
	int (*each)(void *ctx, const struct cell *cells, struct err *e), void *ctx, struct err *e);
int sqlite_commands(struct reader *r, const char *stream,
	int (*each)(void *ctx, const struct command_row *row, struct err *e), void *ctx, struct err *e);
int sqlite_command_known(struct reader *r, const char *id, struct err *e);
int sqlite_check(struct reader *r, struct err *e);
int sqlite_copy(struct driver *d, const char *to_dir, struct err *e);

#endif
