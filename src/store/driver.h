/* driver: what a database must do for the store. sqlite.c and memory.c implement it; it is shaped so that PostgreSQL
 * fits: a group of writes is one transaction, each write in it a savepoint with its own result; the fence is checked in
 * the append itself; readers are connections with a consistent view.
 *
 * The writing side is called by one thread at a time (the writer's, or the loop's where there is none). Readers may be
 * taken by any thread and are used by one thread at a time. */
#ifndef MUSTER_STORE_DRIVER_H
#define MUSTER_STORE_DRIVER_H

#include "store/rows.h"
#include "store/store.h"

enum write_kind {
	WRITE_APPEND,
	WRITE_BLOBS,
	WRITE_COMMAND,
	WRITE_LEASE,
	WRITE_DROP,
	WRITE_SWEEP,
	WRITE_REBUILD,
	WRITE_FOLD, /* what was appended so far into the projections */
};
enum write_state { WRITE_QUEUED, WRITE_ENDED };

struct blob_info {
	int64_t size, at; /* at: when it was put the last time */
	bool named;	  /* by an event */
};

/* One thing to be written: as a whole, or not at all and `why` says why. */
struct write {
	struct list link;
	enum write_kind kind;
	enum write_state state; /* under the store's lock */
	struct err *why;	/* NULL: nothing went wrong so far */
	union {
		struct {
			char stream[EVENT_STREAM_MAX], also_stream[EVENT_STREAM_MAX]; /* "": none */
			int64_t fence;
			struct event *events, *also; /* the driver sets the hashes, and the seqs of `also` */
			size_t event_count, also_count, command_count;
			const int64_t *commands;
			char drop_stream[EVENT_STREAM_MAX]; /* "": none */
			int64_t drop_seq;
			bool known; /* it was stored before: nothing was written */
			void (*cb)(void *ctx, const struct err *why);
			void *ctx;
		} append;
		struct {
			const char *id, *stream, *text;
		} command;
		struct {
			const char *stream, *owner;
			int64_t ttl_ms, fence;
		} lease;
		struct { /* DROP: rows of blobs that no event names; SWEEP: files of blobs without a row */
			const struct hash *hashes;
			size_t count;
			int64_t before; /* only those put before this time */
			int64_t dropped;
		} drop;
	};
	/* of WRITE_APPEND and WRITE_BLOBS */
	const struct store_blob *blobs;
	size_t blob_count;
};
/* Note the failure, keeping the first. */
void write_fail(struct write *w, const struct err *why);
extern struct err write_no_memory;  /* `why` when there is no memory for saying why */
void write_forget(struct write *w); /* free `why` */

struct driver; /* base of every driver's own struct */
struct reader;

struct stream_head {
	char name[EVENT_STREAM_MAX];
	int64_t seq;
	int64_t folded; /* up to there the projections follow it */
	struct hash hash;
};

/* A command not yet done; texts are borrowed during the call. */
struct command_row {
	int64_t n;
	struct span id, stream, text;
};

struct driver_ops {
	const char *name;
	bool threaded; /* commits wait for a disk: the store runs the writing side on its own thread */
	void (*close)(struct driver *d);

	/* ---- writing ---- */
	int (*begin)(struct driver *d, struct err *e);
	/* Apply within the group; the result stands in w->why at the latest after commit. */
	void (*apply)(struct driver *d, struct write *w);
	/* -1: nothing of the group holds. ERR_DISK_FULL and ERR_NOMEM: the next group may be tried; any other error:
	 * what the disk holds is unknown, and the store must stop acknowledging. */
	int (*commit)(struct driver *d, struct err *e);
	/* Nothing to write for the moment, or (busy) between two groups: checkpoint when it is due. */
	int (*tidy)(struct driver *d, bool busy, struct err *e);

	/* ---- reading ---- */
	/* view: everything read until reader_end is of one moment. */
	struct reader *(*reader)(struct driver *d, bool view, struct err *e);
	void (*reader_end)(struct reader *r);
	/* As store_head, store_read. The chain is checked on the way: ERR_CORRUPT names stream and seq. */
	int64_t (*head)(struct reader *r, const char *stream, struct err *e);
	int (*read)(struct reader *r, const char *stream, int64_t after, struct event *out, int max, struct err *e);
	/* Streams by name, after this one. Returns how many. */
	int (*heads)(struct reader *r, const char *after, struct stream_head *out, int max, struct err *e);
	/* Head of the stream as stored, and the stored chain value of one of its events; 1 found, 0 not, -1. */
	int (*stream)(struct reader *r, const char *stream, struct stream_head *out, struct err *e);
	int (*hash_at)(struct reader *r, const char *stream, int64_t seq, struct hash *out, struct err *e);
	/* 1 known, 0 not, -1. out (may be NULL): the content as stored, not checked; NULL: it is in a file. */
	int (*blob)(struct reader *r, const struct hash *h, struct blob_info *info, struct blob **out, struct err *e);
	/* Blobs put before this time that no event names, after this hash. */
	int (*unnamed)(
		struct reader *r, int64_t before, const struct hash *after, struct hash *out, int max, struct err *e);
	/* Rows of a projection, newest first where the table says so, each with all its columns, borrowed during the
	 * call; each() returns 0 to go on, -1 to fail with e set. limit -1: all. */
	int (*rows)(struct reader *r, enum table_id t, const struct filter *f, int limit,
		int (*each)(void *ctx, const struct cell *cells, struct err *e), void *ctx, struct err *e);
	/* Commands not done, oldest first; stream NULL: of all. known: is there one of this id, done or not? */
	int (*commands)(struct reader *r, const char *stream,
		int (*each)(void *ctx, const struct command_row *row, struct err *e), void *ctx, struct err *e);
	int (*command_known)(struct reader *r, const char *id, struct err *e);
	/* The database's own consistency. ERR_CORRUPT. */
	int (*check)(struct reader *r, struct err *e);
	/* Copy the database into a folder (empty, exists). NULL: cannot. */
	int (*copy)(struct driver *d, const char *to_dir, struct err *e);
};

struct driver {
	const struct driver_ops *ops;
	const uint8_t *key;
	const struct clock *clock;
	const char *dir; /* NULL in memory */
	bool rows_stale; /* the projections are those of another program: to be rebuilt */
};

struct driver *memory_open(const uint8_t *key, const struct clock *clock, struct err *e);
struct driver *sqlite_open(const char *dir, enum store_access access, bool no_sync, const uint8_t *key,
	const struct clock *clock, struct err *e);

/* ---- what drivers share (driver.c) ---- */

/* The events' place: dense from 1, following the head; given to them here for APPEND_AT_END. 0 go on; 1: it lies
 * at or before the head (was it stored before?); -1 with ERR_CONFLICT naming both numbers. */
int driver_check_seqs(const struct write *w, int64_t head, struct err *e);
/* Was an append that lies at or before the head stored before? Its ends then have the ids that are stored there. */
int driver_check_stored(const struct write *w, int64_t head, const char *first_id, const char *last_id, struct err *e);
int driver_check_drop(const struct write *w, int64_t head, struct err *e); /* is the stream as it should be? */
int driver_check_fence(const char *stream, int64_t mine, int64_t current, struct err *e);
/* A new lease's number, or -1 with ERR_LOCKED naming the holder. */
int64_t driver_lease(
	const struct write *w, int64_t now, int64_t fence, struct span holder, int64_t until, struct err *e);
/* Next event of a stream while reading: its kind known, its seq the next, its chain value right. *prev is moved on. */
int driver_check_event(const struct event *ev, const char *stream, const char *type, int64_t seq,
	const uint8_t key[KEY_SIZE], struct hash *prev, struct err *e);
/* Fold every event that the reader sees (all), or those that the projections follow, into these rows: creations of
 * runs, then the rest of the runs' events, then the other streams'. */
int driver_fold_all(struct driver *d, struct reader *r, bool all, struct rows *rows, struct err *e);
/* Fold the events of one stream after this seq. */
int driver_fold_stream(
	struct driver *d, struct reader *r, const char *stream, int64_t after, struct rows *rows, struct err *e);
/* Call for every event of a stream after this seq. */
int driver_each_event(struct driver *d, struct reader *r, const char *stream, int64_t after,
	int (*each)(void *ctx, const char *stream, const struct event *ev, struct err *e), void *ctx, struct err *e);
/* Call for every stream, in order of names. */
int driver_each_stream(struct driver *d, struct reader *r,
	int (*each)(void *ctx, const struct stream_head *head, struct err *e), void *ctx, struct err *e);

#endif
