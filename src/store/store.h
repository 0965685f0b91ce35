/* store: streams of events, blobs, projections, commands and leases, over one driver (sqlite, memory; postgres fits).
 *
 * Truth is the events; projections are folds of them, soon after or in the same transaction, and can be rebuilt
 * (store_rebuild). Appends, blobs and commands go through one writer thread with group commit (or inline in the memory
 * driver); reads may be made from the loop's thread and from pool threads and see committed data only. Callbacks fire
 * on the loop's thread after the commit, in the order of the appends.
 *
 * Data folder: <dir>/format, muster.db, blobs/, heads, vault.key (chain key). One process owns it (an fcntl lock on
 * <dir>/lock that holds pid and host name); the others open read-only. */
#ifndef MUSTER_STORE_STORE_H
#define MUSTER_STORE_STORE_H

#include "base/list.h"
#include "loop/loop.h"
#include "store/event.h"

struct store;

enum store_access {
	STORE_OWN,  /* take the folder's lock; ERR_OWNED names pid and host of the holder */
	STORE_READ, /* never writes; works beside an owner */
};

struct store_options {
	const char *dir; /* data folder, created when missing (0700); NULL: the memory driver */
	enum store_access access;
	/* KEY_SIZE bytes; copied. NULL: derived from <dir>/vault.key, which the first owner makes. */
	const uint8_t *chain_key;
	const struct clock *clock; /* NULL: the loop's */
	bool no_sync;		   /* tests only: synchronous=OFF */
};

/* ERR_NEWER for a folder or journal of a newer version, ERR_OWNED, ERR_READ_ONLY, ERR_CORRUPT. The owner brings a
 * journal of an older format up to this one, after a copy into <dir>/before-format-N, and makes projections of another
 * program anew; until then a reader is told ERR_OLDER. */
struct store *store_open(struct loop *l, const struct store_options *o, struct err *e);
/* Waits for what was queued, calls the callbacks still due, writes the signed heads, gives up the lock. All tails must
 * have been stopped. Never from inside a callback of this store. NULL is legal. */
void store_close(struct store *s);

/* ---- appending ---- */

/* Lease: who may append to a run's stream. The fencing number grows with every new owner; an append that carries an
 * older one fails with ERR_FENCED. */
int store_lease(struct store *s, const char *stream, const char *owner, int64_t ttl_ms, int64_t *fence, struct err *e);

struct store_blob {
	struct hash hash;
	struct blob *bytes; /* owned reference while queued */
	int64_t size;	    /* only where bytes is NULL: the content is in its place already (store/pieces.h) */
};

/* One atomic append: events to one stream (seqs dense, following its head; or that of the first APPEND_AT_END: wherever
 * its end is), blobs they name, and by reference the same change to a second stream. The caller fills
 * events[].seq/id/at/type/actor/cause/data; the writer computes the hashes. The arrays are copied (data by reference).
 */
#define APPEND_AT_END (-1)
struct append {
	const char *stream;
	int64_t fence; /* from store_lease; 0 for streams without a lease */
	const struct event *events;
	size_t event_count;
	const struct store_blob *blobs;
	size_t blob_count;
	/* also append these (seq ignored: assigned by the writer) to this stream; may be NULL */
	const char *also_stream;
	const struct event *also;
	size_t also_count;
	/* mark these command rows done in the same transaction */
	const int64_t *commands;
	size_t command_count;
	/* remove all of this stream, if its last event has this seq, else ERR_CONFLICT; may be NULL */
	const char *drop_stream;
	int64_t drop_seq;
	/* Committed (why->code == ERR_OK) or rejected as a whole. Never from inside store_append. May be NULL. */
	void (*cb)(void *ctx, const struct err *why);
	void *ctx;
};
/* Queue it. -1 (queue full, no memory): no callback. */
int store_append(struct store *s, const struct append *a, struct err *e);
/* Append and wait, for short-lived verbs: blocks the loop's thread; the callbacks of other appends come when it turns
 * again. a->cb is not called. */
int store_append_wait(struct store *s, const struct append *a, struct err *e);
int store_flush(struct store *s, struct err *e); /* block until everything queued is durable */

/* ---- reading ---- */

/* The last seq of a stream; 0 when it has none; -1 on error. */
int64_t store_head(struct store *s, const char *stream, struct err *e);
/* Up to max events with seq > after, in order, into out[]; returns how many, or -1. A kind or version that this program
 * does not know is ERR_NEWER naming it. Release each with event_release. */
int store_read(struct store *s, const char *stream, int64_t after, struct event *out, int max, struct err *e);

/* tail: every event of a stream after a seq, then live ones as they are committed, then transient ones. Callbacks on
 * the loop's thread, in order, without gaps. Transient events are dropped while the tail still catches up. Zero the
 * struct, then set the first fields. Callbacks may start and stop tails, themselves too. */
struct tail {
	const char *stream; /* owned by the caller; NULL: transient and durable events of all streams (from now on) */
	int64_t after;
	void (*cb)(struct tail *t, const char *stream, const struct event *ev);
	/* The stream cannot be read on (ERR_NEWER, ERR_CORRUPT, ERR_IO); the tail was stopped. NULL: logged. */
	void (*failed)(struct tail *t, const struct err *why);
	struct store *store;
	struct list link;
	struct tick tick;
	int64_t sent;
	enum { TAIL_STOPPED, TAIL_CATCHING, TAIL_LIVE } state; /* private */
};
int tail_start(struct tail *t, struct store *s, struct err *e);
void tail_stop(struct tail *t);
/* Show a transient event (seq 0) to the tails of this stream, now, on the loop's thread. */
void store_show(struct store *s, const char *stream, const struct event *ev);

/* ---- blobs ---- */

/* Content address: BLAKE2b-256, unkeyed. Puts are durable with (rows) or before (files, > CAP_BLOB_INLINE) the append
 * that names them. */
void store_blob_hash(struct span bytes, struct hash *out);
/* A reference to the bytes, or NULL: ERR_NOT_FOUND, ERR_CORRUPT (content does not match), ERR_IO. */
struct blob *store_blob(struct store *s, const struct hash *h, struct err *e);
bool store_has_blob(struct store *s, const struct hash *h);
/* Put blobs on their own (a snapshot's files, from pool threads too): blocking, durable on return; known ones cost a
 * look-up. Several in one transaction. Large contents need not be in memory: store/pieces.h. */
int store_put_blobs(struct store *s, const struct store_blob *blobs, size_t count, struct err *e);
/* Delete blobs that no event and no manifest names and that are older than an hour. `live` is asked for each blob that
 * is named by no event row. Returns how many, or -1. */
int64_t store_collect(struct store *s, bool (*live)(void *ctx, const struct hash *h), void *ctx, struct err *e);

/* ---- projections ---- */

/* Rows as arrays of JSON objects (new references), absent values null. filter: object of equalities on columns (a
 * value, null, or an array of values of which any), may be NULL; an unknown column is ERR_INVALID. Newest first; limit
 * -1: all. runs: {run, mode, project, dir, title, state, phase, created, updated, seq, usd, usd_unknown, input_tokens,
 *   output_tokens, cached_tokens, agents, evidence, branch, copy, base, merged, waiting_on, budget_usd, parent, user,
 *   error (payload of run.failed), commit, snapshot, priority, copied (so many of its events are its origin's)}
 * actions: {run, action, name, kind, title, body, blob, options, priority, state (open, resolved, closed), opened,
 *   resolved, answer (payload of action.resolved or .closed), agent, call, call_hash, seq, project}
 * Sums (money, tokens, counts; usage and budgets too) may be a second behind the events of a run at work; they are
 * exact after each event of a run's or an action's state, and after store_settle. */
json_t *store_runs(struct store *s, const json_t *filter, int limit, struct err *e);
/* One run by id, or by a prefix or suffix of it of at least 4 characters that only it has; ERR_NOT_FOUND, ERR_INVALID
 * when several match (naming some). */
json_t *store_run(struct store *s, const char *id, struct err *e);
json_t *store_actions(struct store *s, const json_t *filter, int limit, struct err *e);
/* The same of those alone that were created, or opened, before this (microseconds; 0: all). */
json_t *store_runs_before(struct store *s, const json_t *filter, int64_t before, int limit, struct err *e);
json_t *store_actions_before(struct store *s, const json_t *filter, int64_t before, int limit, struct err *e);
/* Those that have ended and had their last event before `ended`, newest first, begun before `begun`. */
json_t *store_runs_ended(struct store *s, int64_t ended, int64_t begun, int limit, struct err *e);
/* Remove a run that has ended: its events and what they add up to; run.deleted in its project's stream remains, and
 * what it spent in the budgets. cb as in an append. ERR_CONFLICT: it has not ended, or goes on, or is part of another.
 */
int store_run_delete(
	struct store *s, const char *id, void (*cb)(void *ctx, const struct err *why), void *ctx, struct err *e);
/* What was spent, added up: [{…the groups, calls, input, output, cached, usd, usd_unknown, cache_rate}] by the groups'
 * values; cache_rate: cached of input tokens, 0 to 1. What a fork took over from its origin is not spent again. */
#define USAGE_RUNS "run,role,model"
struct usage_query {
	const char *group; /* of user, project, run, role, model, day ("2026-11-22", UTC), with commas between them */
	const json_t *filter; /* as of store_runs, of these columns but the day */
	int64_t from, until;  /* days as 20261122, until not included; 0: open */
	int skip, limit;      /* rows left out at the beginning; -1: all */
};
json_t *store_usage(struct store *s, const struct usage_query *q, struct err *e);

/* Budgets: counters of spent and reserved dollars by scope ("run/<id>", "project/<id>", "user/<id>", "house"). They are
 * moved by model.requested / answered / failed of the runs below them (a run's parents too).
 * Read at start by the owner: [{scope, month: "", limit_usd (null: none), spent, unknown, reserved}]; spent includes
 * unknown. The limit of a run is what run.created or run.intervened (kind budget) says; others have theirs in records
 * (flow/budgets.h). */
json_t *store_budgets(struct store *s, struct err *e);
/* The same without those of single runs, which are as many as there ever were runs; and of this month ("2026-11", UTC;
 * NULL: none), with `month`, what was spent in it. */
json_t *store_budgets_shared(struct store *s, const char *month, struct err *e);

/* ---- who did what, and the records of the installation ---- */

/* One thing that somebody did: an event audit.recorded at the end of the stream "house". It carries the new values of
 * the records that it changed, each {kind, id, value}, value null when the record is gone: people, keys, projects,
 * settings and so on are the last values of their records, and nothing else is the truth about them. */
struct audit {
	const char *who;       /* a person's id, or "system", "local", "nobody" */
	const char *what;      /* "key.created" */
	const char *object;    /* "key/<id>"; NULL: none */
	const json_t *detail;  /* object, or NULL */
	const json_t *records; /* array, or NULL */
};
/* Queue it; -1: no callback. ERR_INVALID for records that cannot be kept: then nothing was appended. */
int store_record(
	struct store *s, const struct audit *a, void (*cb)(void *ctx, const struct err *why), void *ctx, struct err *e);
int store_record_wait(struct store *s, const struct audit *a, struct err *e); /* blocks, as store_append_wait */

/* The records, by kind and id: [{kind, id, value, at, seq}]. filter as of store_runs. */
json_t *store_records(struct store *s, const json_t *filter, struct err *e);
/* Who did what, newest first: [{seq, at, who, what, object, detail}]. */
struct audit_query {
	const char *who, *what, *object; /* NULL: any */
	int64_t from, until;		 /* microseconds UTC, until not included; 0: open */
	int64_t before; /* only those with a smaller seq (the cursor of a next page); 0: from the newest */
	int limit;
};
json_t *store_audit(struct store *s, const struct audit_query *q, struct err *e);

/* ---- commands: how anyone but the owner asks for something ---- */

/* Insert once per id (a second insert with the same id is the same command), durable on return. Works also from a
 * process that does not own the folder: the command is then a file that the owner's next store_commands takes in. */
int store_command(struct store *s, const char *id, const char *stream, const json_t *command, struct err *e);
/* Not yet done: [{n, id, stream, command}], oldest first; stream NULL: of all. n is null for one that no owner has
 * taken in yet (seen only in a store open for reading). */
json_t *store_commands(struct store *s, const char *stream, struct err *e);

/* ---- keeping it whole ---- */

struct store_verified {
	int64_t streams, events, blobs;
};
/* Recompute the chains of one stream (NULL: all), compare signed heads, check blobs that events name; for all streams
 * also the database's own integrity, and the projections against a fresh fold. ERR_VERIFY_DIFFERS names stream, seq and
 * what differs. */
int store_verify(struct store *s, const char *stream, struct store_verified *out, struct err *e);
int store_settle(struct store *s, struct err *e);  /* projections follow every event appended so far */
int store_rebuild(struct store *s, struct err *e); /* projections anew from the events */
/* A consistent copy of the journal into a folder that is missing or empty: database by backup API, blob files linked or
 * copied, commands not yet taken in, signed heads, format. The key is not copied: a backup is opened with the key of
 * its origin. */
int store_backup(struct store *s, const char *to_dir, struct err *e);

#endif
